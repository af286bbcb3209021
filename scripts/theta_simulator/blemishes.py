"""What is wrong with the data themselves: defects that the source has, whoever asks and however often.

A fault happens to an answer and is over; a blemish is in the market's data, the same in every answer that
shows its place, in a chain's and in a single contract's, in every format. Only two kinds are a chain's answer
alone: what it withholds, the contract's own request still gives.
"""

from dataclasses import dataclass
from datetime import date, time
from enum import Enum, StrEnum


class Scope(Enum):
    """What a blemish sits on: all of a date, one chain, some of its stamps, one contract, some of its."""

    DATE = "date"
    CHAIN = "chain"
    STAMPS = "stamps"
    CONTRACT = "contract"
    CELLS = "cells"


class Kind(StrEnum):
    """A blemish by name."""

    # What is not there.
    WITHHELD_CONTRACT = "withheld-contract"
    WITHHELD_FROM_CHAIN = "withheld-from-chain"
    WITHHELD_MINUTES = "withheld-minutes"
    WITHHELD_MINUTE_OF_CHAIN = "withheld-minute-of-chain"
    WITHHELD_EXPIRATION = "withheld-expiration"
    UNLISTED_EXPIRATION = "unlisted-expiration"
    CUT_ANSWER = "cut-answer"
    FALSE_NO_DATA = "false-no-data"
    ENDS_EARLY = "ends-early"
    STAMPS_SHIFTED = "stamps-shifted"
    # What is there twice.
    DUPLICATE_ROWS = "duplicate-rows"
    CONFLICTING_ROWS = "conflicting-rows"
    # Rows that no client may take: a value spoilt, or a row more than there should be.
    NEGATIVE_PRICE = "negative-price"
    NOT_A_NUMBER = "not-a-number"
    EMPTY_FIELD = "empty-field"
    OFF_GRID_STAMP = "off-grid-stamp"
    OTHER_DATE = "other-date"
    WRONG_RIGHT = "wrong-right"
    ZERO_STRIKE = "zero-strike"
    OTHER_EXPIRATION = "other-expiration"
    # Quotes.
    CROSSED = "crossed"
    LOCKED = "locked"
    ONE_SIDED = "one-sided"
    WIDE = "wide"
    STALE = "stale"
    # The underlying, and volatilities that failed.
    UNDERLYING_MISSING = "underlying-missing"
    UNDERLYING_FROZEN = "underlying-frozen"
    UNDERLYING_DISAGREES = "underlying-disagrees"
    UNDERLYING_STALE = "underlying-stale"
    FAILED_IV = "failed-iv"
    # Static arbitrage.
    VERTICAL = "vertical"
    BUTTERFLY = "butterfly"
    CALENDAR = "calendar"
    BOUNDS = "bounds"
    # Parity.
    PARITY_BROKEN = "parity-broken"
    FORWARD_OFF = "forward-off"
    # The smile.
    IV_KINK = "iv-kink"
    IV_OUT_OF_RANGE = "iv-out-of-range"
    DELTA_RISING = "delta-rising"
    # The vendor's greeks.
    GREEKS_ZEROED = "greeks-zeroed"
    IV_IN_PERCENT = "iv-in-percent"
    DELTA_FLIPPED = "delta-flipped"
    DELTA_IN_PERCENT = "delta-in-percent"
    THETA_PER_YEAR = "theta-per-year"
    VEGA_PER_PERCENT = "vega-per-percent"
    RHO_PER_PERCENT = "rho-per-percent"
    EPSILON_FLIPPED = "epsilon-flipped"
    LAMBDA_PER_PERCENT = "lambda-per-percent"
    OTHER_CONVENTION = "other-convention"
    CLOCK_SHIFTED = "clock-shifted"
    DAY_COUNT_OFF = "day-count-off"
    RATE_CHANGED = "rate-changed"
    # The vendor's calendar.
    CALENDAR_OPEN = "calendar-open"
    CALENDAR_EARLY = "calendar-early"
    CALENDAR_CLOSED = "calendar-closed"


SCOPES = {
    **dict.fromkeys(
        (Kind.ENDS_EARLY, Kind.CALENDAR_OPEN, Kind.CALENDAR_EARLY, Kind.CALENDAR_CLOSED), Scope.DATE
    ),
    **dict.fromkeys(
        (
            Kind.WITHHELD_MINUTE_OF_CHAIN,
            Kind.UNDERLYING_MISSING,
            Kind.UNDERLYING_FROZEN,
            Kind.UNDERLYING_STALE,
        ),
        Scope.STAMPS,
    ),
    **dict.fromkeys((Kind.WITHHELD_CONTRACT, Kind.WITHHELD_FROM_CHAIN), Scope.CONTRACT),
    **dict.fromkeys(
        (
            Kind.WITHHELD_MINUTES,
            Kind.DUPLICATE_ROWS,
            Kind.CONFLICTING_ROWS,
            Kind.NEGATIVE_PRICE,
            Kind.NOT_A_NUMBER,
            Kind.EMPTY_FIELD,
            Kind.OFF_GRID_STAMP,
            Kind.OTHER_DATE,
            Kind.WRONG_RIGHT,
            Kind.ZERO_STRIKE,
            Kind.OTHER_EXPIRATION,
            Kind.CROSSED,
            Kind.LOCKED,
            Kind.ONE_SIDED,
            Kind.WIDE,
            Kind.STALE,
            Kind.UNDERLYING_DISAGREES,
            Kind.FAILED_IV,
            Kind.VERTICAL,
            Kind.BUTTERFLY,
            Kind.CALENDAR,
            Kind.BOUNDS,
            Kind.PARITY_BROKEN,
            Kind.IV_KINK,
            Kind.IV_OUT_OF_RANGE,
            Kind.DELTA_RISING,
        ),
        Scope.CELLS,
    ),
}
# A window of so many minutes where nobody names one; most kinds need no more than one.
_MINUTES = {
    Kind.WITHHELD_MINUTES: 15,
    Kind.STALE: 90,
    Kind.UNDERLYING_FROZEN: 20,
    Kind.UNDERLYING_STALE: 20,
}
CALENDARS = (Kind.CALENDAR_OPEN, Kind.CALENDAR_EARLY, Kind.CALENDAR_CLOSED)
# A v2 terminal has no calendar, leaves rows without an underlying out, and knows no time of day.
V3_ONLY = (*CALENDARS, Kind.UNDERLYING_MISSING, Kind.CLOCK_SHIFTED)


@dataclass(frozen=True)
class Blemish:
    """One defect; what it sits on is drawn from the seed, date by date, unless it is named.

    *first* and *last* are stamps (New York time), both included; *day* None means every date. Windows
    are drawn among whole minutes: whoever samples every hour may not see what sits on one of them.
    """

    kind: str
    seed: int = 0
    root: str | None = None
    expiration: date | None = None
    strike: float | None = None
    right: str | None = None
    first: time | None = None
    last: time | None = None
    day: date | None = None

    def __post_init__(self) -> None:
        if self.kind not in list(Kind):
            raise ValueError(f"unknown blemish {self.kind!r}: choose from {', '.join(Kind)}")

    @property
    def scope(self) -> Scope:
        """What it sits on."""
        return SCOPES.get(Kind(self.kind), Scope.CHAIN)

    @property
    def minutes(self) -> int:
        """The length of its window where nobody names one."""
        return _MINUTES.get(Kind(self.kind), 1)


@dataclass(frozen=True)
class Place:
    """Where a blemish sits on one date; what its scope does not need is None. Times are ms since midnight."""

    kind: Kind
    day: date
    seed: int
    root: str | None = None
    expiration: date | None = None
    strike: float | None = None
    right: str | None = None
    first: int | None = None
    last: int | None = None
