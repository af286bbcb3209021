"""Which habits the terminals of the proofs have: kinds that can be had together, drawn by a die.

Of each group a terminal has one habit at most: two of one group would be about the same. `unlisted-chain` is
in none: that any but the date's own is not listed, days beside may know, or a market of more chains.
"""

from theta_simulator.faults import Kind as Fault
from theta_simulator.habits import NO_CHAIN_ANSWER, OF_SOME_DATES, V3_ONLY, Habit, Kind

LISTS_MORE = (Kind.LISTS_EXPIRED, Kind.LISTS_ZERO_STRIKE, Kind.LISTS_FOREIGN_ROOT)
FIRST = (Kind.BUSY_FIRST, Kind.UNAVAILABLE_FIRST, Kind.STARTING_FIRST)
SPELLING = (
    Kind.HEADER_UPPER,
    Kind.HEADER_SPACED,
    Kind.TRAILING_COMMA,
    Kind.NO_FINAL_NEWLINE,
    Kind.LEADING_BLANK_LINE,
    Kind.COMPACT_DATES,
    Kind.SIX_DIGITS,
    Kind.STAMP_OFFSET,
    Kind.STAMP_ZULU,
    Kind.RIGHT_TITLE,
    Kind.JSON_LEGACY,
    Kind.JSON_ROWS,
    Kind.JSON_TYPE_ON_CSV,
    Kind.TEXT_TYPE_ON_CSV,
    Kind.BOM,
)
YEARS = tuple(kind for kind in Kind if kind.startswith("years-"))
ANY = {
    "lists more": (*LISTS_MORE, Kind.LISTS_UNQUOTED),
    "lists less": (
        Kind.ROOT_MISSING_ONCE,
        Kind.ROOT_MISSING,
        Kind.UNLISTED_OWN_DATE,
        Kind.UNLISTED_AND_GONE,
    ),
    "a chain": (
        Kind.CHAIN_500,
        Kind.CHAIN_500_BINARY,
        Kind.CHAIN_470,
        Kind.CHAIN_HEADER_ALONE,
        Kind.CHAIN_NO_DATA_TEXT,
        Kind.CHAIN_NO_DATA_TEXT_CSV,
        Kind.CHAIN_EMPTY_BODY,
        Kind.CHAIN_GZIP,
        Kind.LISTED_472,
        Kind.LISTED_472_ALWAYS,
        Kind.LISTED_EMPTY,
    ),
    "contracts": (Kind.SINGLES_500, Kind.SINGLES_429, Kind.SINGLES_RESET, Kind.SINGLES_472),
    "rows": (
        *(kind for kind in Kind if kind.startswith(("singles-more", "loses-", "late-for-real"))),
        Kind.ZERO_ROWS_FIRST,
        Kind.ENDS_EARLY_TENTH,
        Kind.NO_ZERO_BID_ROWS,
        Kind.ROWS_ON_CHANGE,
    ),
    "the report": (Kind.NO_EOD, Kind.EOD_TIER, Kind.EOD_500, Kind.EOD_TWICE, Kind.EOD_LACKS_CHAIN),
    "the date": (
        Kind.DATE_472,
        Kind.DATE_CLOSED,
        Kind.DATE_LATE,
        Kind.LISTS_ONLY_EXPIRED,
        Kind.LISTS_570,
        Kind.LISTS_477,
    ),
    "quotes": (Kind.DEAD_HOUR, Kind.DEAD_MINUTE, Kind.FROZEN_QUOTES),
    "half days": (Kind.HALF_DAY_1600, Kind.HALF_DAY_1300, Kind.HALF_DAY_1315),
    "years": YEARS,
    "fields": (Kind.LAMBDA_NAN, Kind.LAMBDA_BLANK, Kind.UNDERLYING_TIME_BLANK, Kind.GREEKS_BLANK),
    "spelling": SPELLING,
    "at first": FIRST,
}
# One chain that never comes: a date with it is held.
HELD = NO_CHAIN_ANSWER
_NOTHING = frozenset({Kind.DATE_472, Kind.DATE_CLOSED})
_NO_REPORT = frozenset({Kind.NO_EOD, Kind.EOD_TIER, Kind.EOD_500})
# The report of the day stands in for a listing that never comes.
REPORTED = frozenset({Kind.LISTS_ONLY_EXPIRED, Kind.LISTS_570, Kind.LISTS_477})
# With a report that lacks a chain, all witnesses of it would say that there is nothing where there is.
_SILENCED = {*HELD, *REPORTED, Kind.LISTED_472, Kind.ROOT_MISSING}
# An answer that was cut looks like every other.
_CUT = (Fault.HALF_WRITTEN,)


def draw(chance, api, date, groups=ANY, weights=(4, 3, 2, 1)):
    """Up to three habits of a terminal of *api*, each of another of *groups*; *date* is the one asked for."""
    number = chance.choices(range(len(weights)), weights)[0]
    chosen = chance.sample(sorted(groups), min(number, len(groups)))
    kinds = [chance.choice([kind for kind in groups[name] if _is_of(api, kind)] or [None]) for name in chosen]
    if Kind.EOD_LACKS_CHAIN in kinds:
        kinds = [kind for kind in kinds if kind not in _SILENCED]
    return tuple(_habit(chance, kind, date) for kind in kinds if kind)


def without_twins(habits, faults):
    """The kinds of *faults* that can be told from what terminals of these *habits* always do."""
    if any(habit.kind == Kind.NO_FINAL_NEWLINE for habit in habits):
        return tuple(kind for kind in faults if kind not in _CUT) or (Fault.RESET,)
    return faults


def has(habits, kinds):
    """Whether one of *habits* is of one of *kinds*."""
    return any(habit.kind in kinds for habit in habits)


def gives_nothing(habits):
    """Whether a date cannot be had at all: nothing is listed, nor reported."""
    return has(habits, _NOTHING) or (has(habits, REPORTED) and has(habits, _NO_REPORT))


def _is_of(api, kind):
    return api == "v3" or kind not in V3_ONLY | {Kind.CHAIN_GZIP}


def _habit(chance, kind, date):
    seed, times = chance.getrandbits(32), chance.randint(1, 3)
    return Habit(kind, seed, day=date if kind in OF_SOME_DATES else None, times=times)
