"""What the user's own terminal was seen to do, kept: the fill expects it so, and the judges know it.

`ops.probe` makes a profile, and everything works without one. What is in it is measured or observed by a
few requests on one day, so it says what to expect first and never what may be: an answer that differs from it
is read and judged as it would be without, and the day's passport says that it differs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from spx_data.errors import FileCorruptionError, SpxDataError
from spx_data.market.second_opinion import Lack, Reading
from spx_data.store import seals
from spx_data.store.layout import Layout

FORMAT = 1

# What is said where a probe would help; a command in it is shown for the caller.
OFFER = "→ `spx-data probe` looks at this terminal: at most 15 requests, about a minute"

# The row of the table that tells whether requests that were asked together were served together.
_AT_ONCE = "at-once"


class Wire(NamedTuple):
    """How the terminal spells histories, as far as a reader makes use of it."""

    reading: Reading = "typed"
    unended: bool = False  # the last line has no line end


class Ends(NamedTuple):
    """Last stamps of a day's chains, in ms since midnight in New York; None where none was seen."""

    living: int | None = None  # of chains that live on
    expiring: int | None = None  # of those on their last day


NOT_SEEN = Ends()


class Clock(NamedTuple):
    """How the greeks of one kind of chain count the time to expiration (`quality.expiry.Counting.name`)."""

    root: str
    last_day: bool
    name: str


class Speed(NamedTuple):
    """How fast the terminal was; None where nothing tells."""

    first_byte_seconds: float | None = None  # the median of histories
    slowest_first_byte_seconds: float | None = None
    bytes_per_second: float | None = None  # of a history, from its first byte to its last
    rows_per_second: float | None = None  # of a history, from the question on
    at_once: int | None = None  # requests it served without queueing or refusing any, of those asked together


class Volume(NamedTuple):
    """What the listing of one ordinary day holds."""

    date: dt.date
    chains: Mapping[str, int]  # by root, those asked for
    contracts: Mapping[str, int]


class Floor(NamedTuple):
    """Where the history begins that this subscription is given; None where no date told."""

    earliest: dt.date | None = None  # a date with data: nothing earlier that was asked for has any
    none_on: dt.date | None = None  # the last date asked for that has none, or is refused
    refusal: str | None = None  # in the terminal's words, where it refuses: status and text


class Finding(NamedTuple):
    """A row of the table: what the product assumes, what was seen, and what follows from it."""

    code: str
    assumption: str
    seen: str
    consequence: str
    set: str  # what is set accordingly; empty where nothing is
    known: bool = True  # whether anything was seen
    as_assumed: bool = True


@dataclass(frozen=True)
class Profile:
    """What one probe found."""

    probed_at: dt.datetime
    whole: bool  # every question of the plan was answered or refused
    full: bool  # the long probe
    api: str
    base_url: str
    server: str | None = None  # what it calls itself
    wire: Wire = field(default_factory=Wire)
    # Lacks of a chain's answer that single contracts had no record for either, and those where they had.
    confirmed: Mapping[Lack, int] = field(default_factory=dict)
    contradicted: Mapping[Lack, int] = field(default_factory=dict)
    blanks: Sequence[str] = ()  # columns that records of several answers lacked a value of
    full_day: Ends = field(default_factory=Ends)
    half_day: Ends = field(default_factory=Ends)
    clocks: Sequence[Clock] = ()
    speed: Speed = field(default_factory=Speed)
    volume: Volume | None = None
    floor: Floor = field(default_factory=Floor)
    table: Sequence[Finding] = ()
    answers: Mapping[str, str] = field(default_factory=dict)  # request → SHA-256 of its body
    sha256: str = ""  # the document's own, once it is written

    @property
    def others(self) -> list[Finding]:
        """The rows that differ from what the product assumes."""
        return [row for row in self.table if row.known and not row.as_assumed]

    @property
    def clock_names(self) -> dict[tuple[str, bool], str]:
        """How chains of each kind (root, and whether on their last day) count their time."""
        return {(clock.root, clock.last_day): clock.name for clock in self.clocks}

    @property
    def most_at_once(self) -> int | None:
        """Requests beyond which it queued or refused; None where it served all that were asked together."""
        waited = any(row.code == _AT_ONCE for row in self.others)
        return self.speed.at_once if waited else None

    def as_json(self) -> dict[str, Any]:
        """The profile as a JSON document, but for its own digest."""
        document = {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}
        document.pop("sha256")
        return {"format": FORMAT, **document, "probed_at": self.probed_at.isoformat(timespec="seconds")}

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Profile:
        """The profile in *document*, which vouched for itself; raises KeyError, TypeError or ValueError."""
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']}, and {FORMAT} is known")
        told = {name: document[name] for name in cls.__dataclass_fields__ if name in document}
        lacks = ("confirmed", "contradicted")
        told |= {name: _by_lack(document[name]) for name in lacks}
        told |= {
            "probed_at": dt.datetime.fromisoformat(document["probed_at"]),
            "wire": Wire(**document["wire"]),
            "full_day": Ends(**document["full_day"]),
            "half_day": Ends(**document["half_day"]),
            "blanks": tuple(document["blanks"]),
            "clocks": tuple(Clock(**clock) for clock in document["clocks"]),
            "speed": Speed(**document["speed"]),
            "volume": _volume(document["volume"]),
            "floor": Floor(
                _date(document["floor"]["earliest"]),
                _date(document["floor"]["none_on"]),
                document["floor"]["refusal"],
            ),
            "table": tuple(Finding(**row) for row in document["table"]),
            "sha256": document[seals.FIELD],
        }
        return cls(**told)


def _plain(value: Any) -> Any:
    """A value of a profile as JSON has it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def _by_lack(document: Any) -> dict[Lack, int]:
    if not isinstance(document, dict):
        raise TypeError(f"{document!r:.80} is no mapping of what is lacking")
    return {Lack(lack): count for lack, count in document.items()}


def _date(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None


def _volume(document: Mapping[str, Any] | None) -> Volume | None:
    if document is None:
        return None
    return Volume(dt.date.fromisoformat(document["date"]), document["chains"], document["contracts"])


def write(path: Path, profile: Profile) -> Profile:
    """Write *profile* to *path* (`Layout.profile`), and return it with its digest."""
    seals.write_document(path, profile.as_json())
    return read(path)


def read(path: Path) -> Profile:
    """The profile at *path*.

    Raises:
        MissingFileError: there is none.
        FileCorruptionError: it is damaged, or of another release.
    """
    try:
        return Profile.of_json(seals.read_document(path))
    except (KeyError, TypeError, ValueError) as error:
        raise FileCorruptionError(
            f"{path} is no profile of a terminal that this release knows ({error})",
            cure="`spx-data probe` makes it anew",
            path=path,
            expected=f"a profile of format {FORMAT}",
            actual=str(error),
        ) from error


def known(path: Path) -> Profile | None:
    """The profile at *path*; None where there is none that can be read: all works without."""
    with suppress(SpxDataError):
        return read(path)
    return None


def nothing_until(path: Path) -> dt.date | None:
    """The last date of which the subscription was seen to have nothing; None where there is none such."""
    found = known(path)
    return found.floor.none_on if found else None


def is_first_contact(layout: Layout) -> bool:
    """Whether nothing was sealed in a lake yet and nobody probed its terminal: a probe is offered then."""
    return not layout.dataset.exists() and not layout.profile.exists()
