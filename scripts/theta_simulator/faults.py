"""What goes wrong, and when: faults drawn from a seed.

Whether a request is hit, and by what, depends on the seed, on what is asked and
on how often it was asked before; on no clock, and not on who else asks. Only an
outage counts arrivals; who meets one, or a full queue, has not asked. After a few
faults a request is served well, so whoever keeps asking gets everything in the end.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from urllib.parse import urlencode

from theta_simulator import chance

Subject = Literal["contracts", "history", "report"]


class Kind(StrEnum):
    """A fault by name."""

    # A status and a sentence instead of data.
    RATE_LIMIT = "rate-limit"
    RETRY_AFTER = "retry-after"
    GENERAL = "general"
    DISCONNECTED = "disconnected"
    SERVER_ERROR = "server-error"
    STARTING = "starting"
    UNCAUGHT = "uncaught"
    PAGE_EXPIRED = "page-expired"
    REFUSED_TIER = "refused-tier"
    REDIRECT = "redirect"
    # The right answer, badly delivered.
    RESET = "reset"
    TRUNCATED_LENGTH = "truncated-length"
    TRUNCATED_CHUNKS = "truncated-chunks"
    STALL = "stall"
    SLOW_START = "slow-start"
    DRIP = "drip"
    NO_END = "no-end"
    # Status 200 and something else than the answer.
    HTML = "html"
    SENTENCE = "sentence"
    SENTENCE_AS_CSV = "sentence-as-csv"
    EMPTY = "empty"
    GARBAGE = "garbage"
    HALF_WRITTEN = "half-written"
    # Status 200 and a table that is wrong.
    HEADER_ONLY = "header-only"
    WRONG_CONTRACT = "wrong-contract"
    WRONG_DATE = "wrong-date"
    NOT_A_NUMBER = "not-a-number"
    HOSTILE_NAMES = "hostile-names"
    MISSING_COLUMN = "missing-column"
    # A v2 page that leads astray.
    PAGE_LOOP = "page-loop"
    PAGE_TWICE = "page-twice"
    PAGE_ELSEWHERE = "page-elsewhere"
    # A v2 page that is refused in words that make sense for whole requests alone.
    PAGE_NO_DATA = "page-no-data"
    PAGE_TOO_LARGE = "page-too-large"
    # Not drawn by lot: these follow from what is asked, or when.
    LARGE = "large"
    OUTAGE_DISCONNECTED = "outage-disconnected"
    OUTAGE_STARTING = "outage-starting"
    OUTAGE_CLOSED = "outage-closed"


OUTAGES = (Kind.OUTAGE_DISCONNECTED, Kind.OUTAGE_STARTING, Kind.OUTAGE_CLOSED)
# What can be chosen to be drawn, and what is drawn unless somebody chooses.
ALL = tuple(kind for kind in Kind if kind not in (Kind.LARGE, *OUTAGES))
TRANSIENT = tuple(kind for kind in ALL if kind is not Kind.REFUSED_TIER)

# A refusal has a body too, but nothing in it worth cutting or editing.
_NEED_DATA = frozenset(
    {
        Kind.TRUNCATED_LENGTH,
        Kind.TRUNCATED_CHUNKS,
        Kind.STALL,
        Kind.DRIP,
        Kind.NO_END,
        Kind.EMPTY,
        Kind.GARBAGE,
        Kind.HALF_WRITTEN,
        Kind.HEADER_ONLY,
        Kind.WRONG_CONTRACT,
        Kind.WRONG_DATE,
        Kind.NOT_A_NUMBER,
        Kind.HOSTILE_NAMES,
        Kind.MISSING_COLUMN,
        Kind.PAGE_LOOP,
        Kind.PAGE_TWICE,
        Kind.PAGE_ELSEWHERE,
    }
)


@dataclass(frozen=True)
class Outage:
    """Requests *first* to *last* of the terminal's life, both included, find it out of service.

    Status requests count only while an outage lasts: whoever does nothing but
    poll the status gets out of it too.
    """

    first: int
    last: int
    kind: str = Kind.OUTAGE_DISCONNECTED

    def __post_init__(self) -> None:
        if self.kind not in OUTAGES:
            raise ValueError(f"{self.kind} is no outage: choose from {', '.join(OUTAGES)}")


@dataclass(frozen=True)
class Faults:
    """How a terminal misbehaves."""

    seed: int
    # The share of requests that are hit, as long as they can still be.
    rate: float = 0.3
    kinds: tuple[str, ...] = TRANSIENT
    # A request hit this often is served well from then on; each page of an answer counts for itself.
    most_per_request: int = 2
    outages: tuple[Outage, ...] = ()
    # More stamps than this in one history request are refused with 570, always.
    large: int | None = None
    # Seconds in the header of that name.
    retry_after: int = 1
    # How long a stalled answer keeps its connection.
    stall_seconds: float = 60.0

    def __post_init__(self) -> None:
        if unknown := [kind for kind in self.kinds if kind not in ALL]:
            raise ValueError(f"unknown fault {unknown[0]!r}: choose from {', '.join(ALL)}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"the rate of faults is {self.rate}, expected 0 to 1")


# A well-behaved terminal draws as well, and never a fault.
NONE = Faults(seed=0, rate=0.0)


@dataclass(frozen=True)
class Fault:
    """One fault, and the seed of whatever else about it is left to chance."""

    kind: Kind
    seed: int = 0

    def dice(self) -> random.Random:
        """Return fresh dice, which fall the same way every time."""
        return random.Random(self.seed)


@dataclass(frozen=True)
class Target:
    """What a fault must suit: the request, and the answer it would get."""

    api: str
    subject: Subject
    has_data: bool
    # Something stands around the rows: a header line, an envelope.
    framed: bool
    # A v2 page asked for by its number; a v2 page that is not the last.
    later_page: bool
    has_next: bool


_ONLY_FOR: dict[Kind, Callable[[Target], bool]] = {
    Kind.SERVER_ERROR: lambda target: target.api == "v3",
    Kind.PAGE_EXPIRED: lambda target: target.later_page,
    Kind.HEADER_ONLY: lambda target: target.framed,
    Kind.WRONG_DATE: lambda target: target.subject == "history",
    Kind.HOSTILE_NAMES: lambda target: target.subject == "contracts",
    Kind.PAGE_LOOP: lambda target: target.api == "v2",
    # A last page sent twice would be the last again, and might be hit again.
    Kind.PAGE_TWICE: lambda target: target.has_next,
    Kind.PAGE_ELSEWHERE: lambda target: target.api == "v2",
    Kind.PAGE_NO_DATA: lambda target: target.later_page,
    Kind.PAGE_TOO_LARGE: lambda target: target.later_page,
}


def fits(kind: Kind, target: Target) -> bool:
    """Say whether a fault makes sense there."""
    if kind in _NEED_DATA and not target.has_data:
        return False
    return kind not in _ONLY_FOR or _ONLY_FOR[kind](target)


def identity(path: str, query: Mapping[str, str]) -> str:
    """Return what tells a request from others, whenever it is asked; it reads like an address."""
    return f"{path}?{urlencode(sorted(query.items()))}"


class Lots:
    """Draws the fault of each request; remembers how often each was asked and hit."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._asked: Counter[str] = Counter()
        self._hit: Counter[str] = Counter()
        self._arrived = 0

    def arrive(self, counted: bool) -> Fault | None:
        """Count a request of the terminal's life; return the outage it falls into."""
        number = self._arrived + 1
        kinds = [outage.kind for outage in self._faults.outages if outage.first <= number <= outage.last]
        if counted or kinds:
            self._arrived = number
        return Fault(Kind(kinds[0])) if kinds else None

    def draw(self, request: str, target: Target) -> Fault | None:
        """Return what goes wrong with a request this time, or nothing."""
        time = self._asked[request]
        self._asked[request] += 1
        dice = random.Random(chance.key(self._faults.seed, "fault", request, time))
        # In the order of `Kind`: the same kinds named in another order are the same faults.
        kinds = [kind for kind in Kind if kind in self._faults.kinds and fits(kind, target)]
        if dice.random() >= self._faults.rate or self._hit[request] >= self._faults.most_per_request:
            return None
        if not kinds:
            return None
        self._hit[request] += 1
        return Fault(dice.choice(kinds), dice.getrandbits(63))
