"""What is known of a chain, and how well: its state, and what the source said when it was asked again.

A chain's answer may lack something that a second opinion can tell about: a contract asked for by itself, the
chain asked once more, the vendor's report of the day. It informs and never forbids: it adds records and
explains what is absent, and where it stays open the passport says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

# What it takes to read rows of the wire: the strict parser, one for words spelt otherwise, or field by field.
Reading = Literal["typed", "loose", "parted"]
READINGS: tuple[Reading, ...] = ("typed", "loose", "parted")

ENOUGH = 5  # contracts of one chain, or of a date, that confirm a lack speak for the others


class ChainState(StrEnum):
    """What a sealed day knows of one of its chains."""

    WHOLE = "whole"  # all that was expected is there, or the source has none of it
    SHORT = "short"  # what it lacks is known
    CONTRADICTED = "contradicted"  # answers of the source disagree: what any of them has is kept
    UNAVAILABLE = "unavailable"  # asked for in vain
    UNLISTED = "unlisted"  # known from another witness than the listing


class Lack(StrEnum):
    """What a chain's answer may lack."""

    ABSENT = "absent"  # a listed contract, altogether
    LATE = "late"  # the first stamps of a contract that has later ones
    HOLES = "holes"  # stamps between others of a contract
    EARLY = "early"  # the last stamps of a contract, though its chain goes on
    STAMPS = "stamps"  # stamps of every contract


class Opinion(NamedTuple):
    """What came of one lack of one chain; contracts are named like C 4700.

    *believed* says on whose word those that were not asked for are explained too: that of "chain" (others of
    the chain confirm it), "date" (other chains do), "lake" (days beside do) or "rule" (the vendor's own).
    """

    doubtful: int = 0  # contracts that lack it; of stamps, how many stamps
    confirmed: tuple[str, ...] = ()  # those whose own answer lacks it too
    contradicted: tuple[str, ...] = ()  # those whose own answer has some of it
    believed: str | None = None

    def explains(self, name: str) -> bool:
        """Whether what the contract *name* lacks, the source does not have."""
        return name in self.confirmed or self.believed is not None

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Opinion:
        """The opinion in *document*; raises TypeError where it is none."""
        lists = {name: _texts(document[name]) for name in ("confirmed", "contradicted")}
        return cls(_count(document["doubtful"]), **lists, believed=_text(document["believed"]))


class Silence(NamedTuple):
    """What was asked about a chain without any record."""

    answers: int = 1  # how often the source said "no data" for the whole chain
    seconds: float = 0.0  # between the first time and the last
    eod: str | None = None  # what its report of the day says: one of the words below, or why it says nothing

    @property
    def is_explained(self) -> bool:
        """Whether the chain is known to have no record."""
        return self.eod in (NOT_NAMED, CLOSED)

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Silence:
        """The silence in *document*; raises TypeError where it is none."""
        return cls(_count(document["answers"]), float(document["seconds"]), _text(document["eod"]))


# What the report of the day says of a chain; where the window has none of its hours, it is not asked for.
NOT_NAMED, NAMED, UNQUOTED = "not named", "named", "named without a quote or a trade"
CLOSED = "not asked for: the window has none of its hours"


@dataclass(frozen=True)
class SecondOpinion:
    """The second opinion on one chain."""

    first_stamp: int | None = None  # of all records received, ms since the epoch
    last_stamp: int | None = None
    bare: tuple[tuple[int, int], ...] = ()  # first and last of the stamps of the window that no contract has
    opinions: Mapping[Lack, Opinion] = field(default_factory=dict)
    asked: int = 0  # questions about single contracts
    unanswered: tuple[str, ...] = ()  # those of them that were not answered, each with its reason
    recovered: int = 0  # records that only contracts' own answers had
    asked_again: int = 0  # how often the whole chain was asked for once more
    regained: int = 0  # records that the first answer lacked and another had
    lost: int = 0  # records that an earlier answer had and another lacked
    silence: Silence | None = None  # of a chain without records
    reading: Reading = "typed"  # what its answer took to be read: typed, loose or parted

    def opinion(self, lack: Lack) -> Opinion:
        """The opinion on one lack."""
        return self.opinions.get(lack, Opinion())

    @property
    def disagreements(self) -> int:
        """Records that one answer of the source has and another one, about the same, has not."""
        return self.recovered + self.lost

    def as_json(self) -> dict[str, Any]:
        """The evidence as a JSON document."""
        return asdict(self) | {
            "opinions": {lack: opinion._asdict() for lack, opinion in self.opinions.items()},
            "silence": self.silence and self.silence._asdict(),
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> SecondOpinion:
        """The evidence in *document*; raises TypeError, KeyError or ValueError where it is none."""
        silence = document["silence"]
        found = cls(
            **{
                **document,
                "bare": tuple((_count(first), _count(last)) for first, last in document["bare"]),
                "opinions": opinions_of(document["opinions"]),
                "unanswered": _texts(document["unanswered"]),
                "silence": None if silence is None else Silence.of_json(silence),
            }
        )
        for count in (found.asked, found.recovered, found.asked_again, found.regained, found.lost):
            _count(count)
        if found.reading not in READINGS:
            raise TypeError(f"what an answer took to be read is none of {', '.join(READINGS)}")
        if not all(isinstance(stamp, int | None) for stamp in (found.first_stamp, found.last_stamp)):
            raise TypeError("stamps are in ms since the epoch")
        return found


def opinions_of(document: Mapping[str, Any]) -> dict[Lack, Opinion]:
    """The opinions in *document*, by what is lacking; raises TypeError or ValueError where there are none."""
    if not isinstance(document, Mapping):
        raise TypeError(f"{document!r:.80} is no mapping of what is lacking")
    return {Lack(name): Opinion.of_json(each) for name, each in document.items()}


def _texts(value: Any) -> tuple[str, ...]:
    texts = tuple(value)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("contracts are named by text")
    return texts


def _text(value: Any) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError(f"{value!r} is no text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is no count")
    return value


def contract(right: str, strike: float) -> str:
    """The name of a contract within its chain: like C 4700."""
    return f"{right} {strike:.10g}"
