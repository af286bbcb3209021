"""How a terminal always is: apart from its faults and from the blemishes of its data.

A fault happens to an answer and is over; a blemish sits at one place of the data; a habit is this terminal's
way of listing, of telling what it has not, of counting time, of spelling. Several can be had at once. What a
habit does follows from (its seed, root, date, what is asked), except for those that are over after so many
questions, or after a while: these count for each server.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Kind(StrEnum):
    """A habit by name."""

    # What a listing of contracts names besides.
    LISTS_EXPIRED = "lists-expired"
    LISTS_ZERO_STRIKE = "lists-zero-strike"
    LISTS_FOREIGN_ROOT = "lists-foreign-root"
    LISTS_ONLY_EXPIRED = "lists-only-expired"
    # One contract in fifty was never quoted: nobody has rows of it, nor does the report name it.
    LISTS_UNQUOTED = "lists-unquoted"
    # Whatever date it is asked about, what is listed today.
    LISTS_TODAY = "lists-today"
    # A listing that never comes, refused in words that elsewhere mean something else.
    LISTS_570 = "lists-570"
    LISTS_477 = "lists-477"
    # What it does not name. The chain of the date itself, and any other, still have their rows.
    ROOT_MISSING_ONCE = "root-missing-once"
    ROOT_MISSING = "root-missing"
    UNLISTED_OWN_DATE = "unlisted-own-date"
    UNLISTED_CHAIN = "unlisted-chain"
    UNLISTED_AND_GONE = "unlisted-and-gone"
    # One chain of each date never answers; its contracts do, one by one.
    CHAIN_500 = "chain-500"
    CHAIN_500_BINARY = "chain-500-binary"
    CHAIN_470 = "chain-470"
    CHAIN_HEADER_ALONE = "chain-header-alone"
    CHAIN_NO_DATA_TEXT = "chain-no-data-text"
    CHAIN_NO_DATA_TEXT_CSV = "chain-no-data-text-csv"
    CHAIN_EMPTY_BODY = "chain-empty-body"
    CHAIN_GZIP = "chain-gzip"
    # Questions about single contracts, all of them.
    SINGLES_500 = "singles-500"
    SINGLES_429 = "singles-429"
    SINGLES_RESET = "singles-reset"
    SINGLES_472 = "singles-472"
    # A contract's own answer has rows that its chain's lacks: in one chain of each date, or in all.
    SINGLES_MORE_ONE_STAMP = "singles-more-one-stamp"
    SINGLES_MORE_ONE_STAMP_EVERYWHERE = "singles-more-one-stamp-everywhere"
    SINGLES_MORE_CONTRACTS = "singles-more-contracts"
    SINGLES_MORE_CONTRACTS_EVERYWHERE = "singles-more-contracts-everywhere"
    SINGLES_MORE_RANDOM = "singles-more-random"
    SINGLES_MORE_RANDOM_EVERYWHERE = "singles-more-random-everywhere"
    LOSES_FIRST_ROWS = "loses-first-rows"
    LOSES_FIRST_ROWS_EVERYWHERE = "loses-first-rows-everywhere"
    LOSES_LAST_ROWS = "loses-last-rows"
    LOSES_LAST_ROWS_EVERYWHERE = "loses-last-rows-everywhere"
    # A contract's first rows, and nobody has them.
    LATE_FOR_REAL = "late-for-real"
    LATE_FOR_REAL_EVERYWHERE = "late-for-real-everywhere"
    # One listed chain of each date has no data, it says. The end-of-day report names it, but for the last.
    LISTED_472 = "listed-472"
    LISTED_472_ALWAYS = "listed-472-always"
    LISTED_EMPTY = "listed-empty"
    # The end-of-day report itself.
    NO_EOD = "no-eod"
    EOD_TIER = "eod-tier"
    EOD_500 = "eod-500"
    EOD_TWICE = "eod-twice"
    EOD_LACKS_CHAIN = "eod-lacks-chain"
    # Open interest.
    NO_INTEREST = "no-interest"
    INTEREST_TIER = "interest-tier"
    INTEREST_500 = "interest-500"
    INTEREST_TWICE = "interest-twice"
    # A date of which there is nothing: one in five, unless it is named.
    DATE_472 = "date-472"
    DATE_CLOSED = "date-closed"
    DATE_LATE = "date-late"
    # Times without a market, or with one that stands still.
    DEAD_HOUR = "dead-hour"
    DEAD_MINUTE = "dead-minute"
    FROZEN_QUOTES = "frozen-quotes"
    # Where the rows of a half day end; at 13:15 they do so without being told to.
    HALF_DAY_1600 = "half-day-1600"
    HALF_DAY_1300 = "half-day-1300"
    HALF_DAY_1315 = "half-day-1315"
    # How the time to expiration of the greeks is counted.
    YEARS_LOCAL_CLOCK = "years-local-clock"
    YEARS_TRUE_CLOCK = "years-true-clock"
    YEARS_AM_SETTLEMENT = "years-am-settlement"
    YEARS_TO_1615 = "years-to-1615"
    YEARS_365_25 = "years-365.25"
    YEARS_FLOOR_MINUTE = "years-floor-minute"
    YEARS_WHOLE_DAYS = "years-whole-days"
    # Fields that stay empty.
    LAMBDA_NAN = "lambda-nan"
    LAMBDA_BLANK = "lambda-blank"
    UNDERLYING_TIME_BLANK = "underlying-time-blank"
    GREEKS_BLANK = "greeks-blank"
    # Which stamps have a row.
    ZERO_ROWS_FIRST = "zero-rows-first"
    ENDS_EARLY_TENTH = "ends-early-tenth"
    NO_ZERO_BID_ROWS = "no-zero-bid-rows"
    ROWS_ON_CHANGE = "rows-on-change"
    # Spelling.
    HEADER_UPPER = "header-upper"
    HEADER_SPACED = "header-spaced"
    TRAILING_COMMA = "trailing-comma"
    NO_FINAL_NEWLINE = "no-final-newline"
    LEADING_BLANK_LINE = "leading-blank-line"
    COMPACT_DATES = "compact-dates"
    SIX_DIGITS = "six-digits"
    STAMP_OFFSET = "stamp-offset"
    STAMP_ZULU = "stamp-zulu"
    RIGHT_TITLE = "right-title"
    JSON_LEGACY = "json-legacy"
    JSON_ROWS = "json-rows"
    JSON_TYPE_ON_CSV = "json-type-on-csv"
    TEXT_TYPE_ON_CSV = "text-type-on-csv"
    BOM = "bom"
    # The first questions of a server's life, those for its status included.
    BUSY_FIRST = "busy-first"
    UNAVAILABLE_FIRST = "unavailable-first"
    STARTING_FIRST = "starting-first"
    # A request that nobody waits for keeps its slot until it would have been answered.
    SLOW_SLOTS = "slow-slots"


EVERYWHERE = frozenset(kind for kind in Kind if kind.endswith("-everywhere"))
# A chain's own question is never answered with its rows.
NO_CHAIN_ANSWER = frozenset(
    {
        Kind.CHAIN_500,
        Kind.CHAIN_500_BINARY,
        Kind.CHAIN_470,
        Kind.CHAIN_HEADER_ALONE,
        Kind.CHAIN_NO_DATA_TEXT,
        Kind.CHAIN_NO_DATA_TEXT_CSV,
        Kind.CHAIN_EMPTY_BODY,
        Kind.LISTED_472_ALWAYS,
    }
)
OF_ONE_CHAIN = frozenset(
    {
        Kind.UNLISTED_OWN_DATE,
        Kind.UNLISTED_CHAIN,
        Kind.UNLISTED_AND_GONE,
        Kind.CHAIN_500,
        Kind.CHAIN_500_BINARY,
        Kind.CHAIN_GZIP,
        Kind.CHAIN_470,
        Kind.CHAIN_HEADER_ALONE,
        Kind.CHAIN_NO_DATA_TEXT,
        Kind.CHAIN_NO_DATA_TEXT_CSV,
        Kind.CHAIN_EMPTY_BODY,
        Kind.SINGLES_MORE_ONE_STAMP,
        Kind.SINGLES_MORE_CONTRACTS,
        Kind.SINGLES_MORE_RANDOM,
        Kind.LOSES_FIRST_ROWS,
        Kind.LOSES_LAST_ROWS,
        Kind.EOD_LACKS_CHAIN,
        Kind.LATE_FOR_REAL,
        Kind.LISTED_472,
        Kind.LISTED_472_ALWAYS,
        Kind.LISTED_EMPTY,
    }
)
OF_ONE_ROOT = frozenset({Kind.ROOT_MISSING, Kind.ROOT_MISSING_ONCE})
OF_SOME_DATES = frozenset({Kind.DATE_472, Kind.DATE_CLOSED, Kind.DATE_LATE})
# A v2 terminal has no stamps in words, no row without an underlying, and a JSON of its own.
V3_ONLY = frozenset(
    {
        Kind.UNDERLYING_TIME_BLANK,
        Kind.COMPACT_DATES,
        Kind.SIX_DIGITS,
        Kind.STAMP_OFFSET,
        Kind.STAMP_ZULU,
        Kind.JSON_LEGACY,
        Kind.JSON_ROWS,
    }
)


@dataclass(frozen=True)
class Habit:
    """One habit; what it sits on is drawn from the seed, date by date, unless it is named.

    *times* and *for_seconds* are for those that pass: they are over after so many questions, or so long after
    the first of them where seconds are given. `date-late` with *days* is over that many days after the date.
    """

    kind: str
    seed: int = 0
    root: str | None = None
    expiration: date | None = None
    day: date | None = None
    times: int = 3
    for_seconds: float | None = None
    days: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in list(Kind):
            raise ValueError(f"unknown habit {self.kind!r}: choose from {', '.join(Kind)}")
        if self.times < 1:
            raise ValueError(f"habit {self.kind}: times is {self.times}, expected 1 or more")
