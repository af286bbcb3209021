"""What habits do to the rows of a chain, or of a contract asked for alone.

Each edit gives a contract the same rows whether its chain is asked for or it alone is, and a stamp the same
row whatever window is asked for; but for the edits that withhold from a chain what its contracts have.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from theta_simulator import chance, defects, index, listing, sessions, surface, symbols
from theta_simulator.chance import Floats, Ints
from theta_simulator.defects import Scene
from theta_simulator.greeks import Version
from theta_simulator.habits import Habit, Kind
from theta_simulator.market import COLUMNS, Market

_NEW_YORK = ZoneInfo("America/New_York")
_CONTRACT = ["strike", "right"]
_ORDER = [*_CONTRACT, "ms_of_day"]
# Windows are drawn from whole minutes that a half day has too.
_FIRST_MINUTE, _LAST_MINUTE = 30, 120
_FEWEST_LATE, _MOST_LATE = 10, 60
_AFTER_BELL = sessions.REGULAR_CLOSE + sessions.AFTER_CLOSE
_LEAP_YEAR = 365.25 / 365.0


class Habitual(Protocol):
    """A market with habits, as far as an edit looks at what stands behind them."""

    @property
    def seed(self) -> int:
        """What it is drawn from."""

    @property
    def clean(self) -> Market:
        """The market itself."""

    def before_habits(self, asked: "Question", start_ms: int, end_ms: int) -> pl.DataFrame:
        """Return the rows of another window of a question, without habits."""


@dataclass(frozen=True)
class Question:
    """What is asked of a market's history; *strike* None asks for the chain."""

    market: Habitual
    root: str
    expiration: date
    day: date
    step_ms: int
    start_ms: int
    end_ms: int
    greeks_version: str
    strike: float | None

    @property
    def alone(self) -> bool:
        """Whether a contract is asked for, and not its chain."""
        return self.strike is not None

    @property
    def scene(self) -> Scene:
        """What the greeks of the rows follow from."""
        return Scene(
            self.market.clean, self.root, self.expiration, self.day, greeks_version=self.greeks_version
        )

    @property
    def close(self) -> int:
        """The last moment of the chain's quotes."""
        return symbols.OF_ROOT[self.root].option_close(self.day, self.expiration == self.day)

    def stamps(self, first: int, last: int) -> list[int]:
        """Return the stamps asked for from *first* to *last*, both included."""
        asked = range(self.start_ms, min(self.end_ms, last) + 1, self.step_ms)
        return [ms for ms in asked if ms >= first]

    def base(self, habit: Habit, *more: str) -> int:
        """Return the hash base of a habit in this chain."""
        return _base(habit, (self.root, self.expiration, self.day), *more)


Chain = tuple[str, date, date]
Edit = Callable[[pl.DataFrame, Question, Habit], pl.DataFrame]


@lru_cache(maxsize=64)
def contracts_of(market: Market, chain: Chain) -> pl.DataFrame:
    """Return strike and right of the contracts of a chain (root, expiration, date) that are quoted."""
    root, expiration, day = chain
    found = listing.find(root, expiration)
    assert found is not None
    return market.chain(found, day).select(_CONTRACT)


def _base(habit: Habit, chain: Chain, *more: str) -> int:
    """Return the hash base of a habit in a chain (root, expiration, date)."""
    root, expiration, day = chain
    return chance.key(habit.seed, "habit", habit.kind, root, expiration.isoformat(), day.isoformat(), *more)


# Prices -------------------------------------------------------------------------------------------------


def drawn_minute(habit: Habit, day: date) -> int:
    """Return the minute (ms since midnight) at which a habit of times begins on *day*, in every chain."""
    minutes = _LAST_MINUTE - _FIRST_MINUTE
    drawn = chance.key(habit.seed, "habit", habit.kind, day.isoformat(), "minute") % minutes
    return sessions.OPEN + (_FIRST_MINUTE + drawn) * sessions.MINUTE


def _within(habit: Habit, day: date, length: int) -> pl.Expr:
    first = drawn_minute(habit, day)
    return pl.col("ms_of_day").is_between(first, first + length - 1)


def _dead(length: int) -> Edit:
    """Return an edit: no market in any contract."""

    def edit(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
        here = _within(habit, asked.day, length)
        none = rows.filter(here).with_columns(bid=pl.lit(0.0), ask=pl.lit(0.0))
        return _ordered(rows.filter(~here), defects.solved(none, asked.scene))

    return edit


def _frozen(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
    """Repeat the quotes of a moment for half an hour, while the index moves."""
    first = drawn_minute(habit, asked.day)
    here = _within(habit, asked.day, sessions.HOUR // 2)
    kept = asked.market.before_habits(asked, first, first).select(*_CONTRACT, old_bid="bid", old_ask="ask")
    still = rows.filter(here).join(kept, on=_CONTRACT, how="left")
    still = still.with_columns(bid=pl.coalesce("old_bid", "bid"), ask=pl.coalesce("old_ask", "ask"))
    return _ordered(rows.filter(~here), defects.solved(still.select(list(COLUMNS)), asked.scene))


def _repeated_to_four(rows: pl.DataFrame, asked: Question, _: Habit) -> pl.DataFrame:
    """Repeat the last quotes of a half day until the hour at which others end."""
    if not sessions.closes_early(asked.day):
        return rows
    stamps = asked.stamps(asked.close + 1, sessions.REGULAR_CLOSE)
    last = asked.market.before_habits(asked, asked.close, asked.close).drop("ms_of_day")
    more = last.join(_column(stamps), how="cross").select(list(COLUMNS))
    return _ordered(rows, defects.solved(more, asked.scene))


def _ended_at(ms: int) -> Edit:
    """Return an edit: a half day has no rows later than that."""
    return lambda rows, asked, _: (
        rows.filter(pl.col("ms_of_day") <= ms) if sessions.closes_early(asked.day) else rows
    )


# Time to expiration -------------------------------------------------------------------------------------


def _to_moment(asked: Question, stamps: Ints, moment: int, true_clock: bool = False) -> Floats:
    """Return the years from each stamp to a time of the expiration day, a minute at least.

    By the clock on the wall two days are 48 hours, whatever the clocks do between them.
    """
    left = (asked.expiration - asked.day).days * sessions.DAY + moment - stamps
    if true_clock:
        left = left - _turned(asked.day, asked.expiration)
    return np.asarray(np.maximum(left, sessions.MINUTE) / surface.YEAR_MS)


def _turned(day: date, label: date) -> int:
    """Return by how many ms the clocks of New York are put forward between two dates."""
    before, after = (datetime.combine(each, time(12), _NEW_YORK).utcoffset() for each in (day, label))
    return ((after or timedelta()) - (before or timedelta())) // timedelta(milliseconds=1)


def _am_settlement(asked: Question, stamps: Ints) -> Floats:
    moment = (
        sessions.OPEN
        if symbols.OF_ROOT[asked.root].settles_at_the_open(asked.root)
        else sessions.REGULAR_CLOSE
    )
    return _to_moment(asked, stamps, moment)


def _floor_minute(asked: Question, stamps: Ints) -> Floats:
    if asked.expiration != asked.day:
        return asked.scene.years(stamps)
    return _to_moment(asked, stamps, sessions.REGULAR_CLOSE)


YEARS: dict[Kind, Callable[[Question, Ints], Floats]] = {
    Kind.YEARS_LOCAL_CLOCK: lambda asked, stamps: _to_moment(asked, stamps, sessions.REGULAR_CLOSE),
    Kind.YEARS_TRUE_CLOCK: lambda asked, stamps: _to_moment(
        asked, stamps, sessions.REGULAR_CLOSE, true_clock=True
    ),
    Kind.YEARS_AM_SETTLEMENT: _am_settlement,
    Kind.YEARS_TO_1615: lambda asked, stamps: _to_moment(asked, stamps, _AFTER_BELL),
    Kind.YEARS_365_25: lambda asked, stamps: asked.scene.years(stamps) / _LEAP_YEAR,
    Kind.YEARS_FLOOR_MINUTE: _floor_minute,
    Kind.YEARS_WHOLE_DAYS: lambda asked, stamps: asked.scene.years(stamps, Version.ONE),
}


def _with_years(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
    """Solve the greeks anew with another time to expiration, cut as the vendor cuts."""
    years = YEARS[Kind(habit.kind)](asked, rows["ms_of_day"].to_numpy())
    return defects.solved(rows, asked.scene, years)


# Which rows there are -----------------------------------------------------------------------------------


def _zeros_first(rows: pl.DataFrame, asked: Question, _: Habit) -> pl.DataFrame:
    """Give each contract rows of zeros from the open to its first quote."""
    contracts = contracts_of(asked.market.clean, (asked.root, asked.expiration, asked.day))
    if asked.strike is not None:
        contracts = contracts.filter(pl.col("strike") == asked.strike)
    stamps = np.array(asked.stamps(sessions.OPEN, asked.close), dtype=np.int64)
    ms, price = index.prints(asked.market.seed, asked.day).as_of(stamps)
    clock = pl.DataFrame({"ms_of_day": stamps, "underlying_ms": ms, "underlying_price": price})
    if asked.scene.version is Version.V2:
        clock = clock.filter(pl.col("underlying_price") > 0.0)
    begun = rows.group_by(_CONTRACT).agg(begun=pl.col("ms_of_day").min())
    early = contracts.join(clock, how="cross").join(begun, on=_CONTRACT, how="left")
    early = early.filter(pl.col("ms_of_day") < pl.col("begun").fill_null(sessions.DAY))
    zeros = [pl.lit(0.0).alias(name) for name in COLUMNS if name not in early.columns]
    return _ordered(rows, defects.solved(early.with_columns(zeros).select(list(COLUMNS)), asked.scene))


def unquoted(market: Market, chain: Chain, habit: Habit) -> pl.DataFrame:
    """Return strike and right of the contracts of a chain that were never quoted: one in fifty, or one."""
    contracts = contracts_of(market, chain)
    drawn = chance.uniform(_base(habit, chain), _numbers(contracts))
    return contracts.filter(drawn <= max(0.02, float(drawn.min())))


def _quoted(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
    none = unquoted(asked.market.clean, (asked.root, asked.expiration, asked.day), habit)
    return rows.join(none, on=_CONTRACT, how="anti", maintain_order="left")


def _ended_early(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
    """End a tenth of the contracts somewhere in the second half of the session."""
    numbers, base = _numbers(rows), asked.base(habit)
    share = 0.5 + 0.4 * chance.uniform(base, numbers, np.array([1]))
    last = sessions.OPEN + share * (sessions.close(asked.day) - sessions.OPEN)
    chosen = chance.uniform(base, numbers) < 0.1
    return rows.filter(~chosen | (rows["ms_of_day"].to_numpy() <= last))


def _changed(rows: pl.DataFrame, asked: Question, _: Habit) -> pl.DataFrame:
    """Keep the rows whose quote differs from that of the stamp before, and each contract's first."""
    before = asked.start_ms - asked.step_ms
    earlier = asked.market.before_habits(asked, before, before) if before >= sessions.OPEN else rows.clear()
    both = _ordered(earlier, rows)
    moved = [pl.col(name).ne_missing(pl.col(name).shift(1).over(_CONTRACT)) for name in ("bid", "ask")]
    return both.filter(pl.any_horizontal(moved)).filter(pl.col("ms_of_day") >= asked.start_ms)


# What a chain's answer lacks ----------------------------------------------------------------------------


def _from_chains(edit: Edit) -> Edit:
    """Return an edit of a chain's answer alone."""
    return lambda rows, asked, habit: rows if asked.alone else edit(rows, asked, habit)


def _without_stamp(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
    return rows.filter(~_within(habit, asked.day, sessions.MINUTE))


def _without_contracts(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
    """Leave out a fifth of the contracts."""
    return rows.filter(chance.uniform(asked.base(habit), _numbers(rows)) >= 0.2)


def _without_some(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
    """Leave out one row in a hundred."""
    stamps = rows["ms_of_day"].to_numpy()
    return rows.filter(chance.uniform(asked.base(habit), _numbers(rows), stamps) >= 0.01)


def late_contract(asked: Question, habit: Habit) -> tuple[float, str, int]:
    """Return strike and right of the contract whose first rows are missing, and the stamp they resume at."""
    contracts = contracts_of(asked.market.clean, (asked.root, asked.expiration, asked.day))
    strike, right = contracts.row(asked.base(habit) % len(contracts))
    minutes = _FEWEST_LATE + asked.base(habit, "minutes") % (_MOST_LATE - _FEWEST_LATE)
    return strike, right, sessions.OPEN + minutes * sessions.MINUTE


def _without_first(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
    strike, right, resumed = late_contract(asked, habit)
    contract = (pl.col("strike") == strike) & (pl.col("right") == right)
    return rows.filter(~(contract & (pl.col("ms_of_day") < resumed)))


def _without_last(rows: pl.DataFrame, asked: Question, habit: Habit) -> pl.DataFrame:
    """Leave out the end of a contract's day, as long as its beginning might be."""
    strike, right, resumed = late_contract(asked, habit)
    last = min(asked.close, sessions.REGULAR_CLOSE) - (resumed - sessions.OPEN)
    contract = (pl.col("strike") == strike) & (pl.col("right") == right)
    return rows.filter(~(contract & (pl.col("ms_of_day") > last)))


def _numbers(rows: pl.DataFrame) -> Ints:
    """Return a number for each row's contract."""
    thousandths = (rows["strike"].to_numpy() * 1000).round().astype(np.int64)
    return np.asarray(2 * thousandths + (rows["right"] == "P").to_numpy())


def _column(stamps: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"ms_of_day": stamps}, schema={"ms_of_day": pl.Int64})


def _ordered(*parts: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([part.select(list(COLUMNS)) for part in parts]).sort(_ORDER, maintain_order=True)


EDITS: dict[Kind, Edit] = {
    Kind.HALF_DAY_1600: _repeated_to_four,
    Kind.HALF_DAY_1300: _ended_at(sessions.EARLY_CLOSE),
    Kind.HALF_DAY_1315: _ended_at(sessions.EARLY_CLOSE + sessions.AFTER_CLOSE),
    Kind.ZERO_ROWS_FIRST: _zeros_first,
    Kind.FROZEN_QUOTES: _frozen,
    Kind.DEAD_HOUR: _dead(sessions.HOUR),
    Kind.DEAD_MINUTE: _dead(sessions.MINUTE),
    **dict.fromkeys(YEARS, _with_years),
    Kind.LISTS_UNQUOTED: _quoted,
    Kind.ENDS_EARLY_TENTH: _ended_early,
    Kind.NO_ZERO_BID_ROWS: lambda rows, *_: rows.filter(pl.col("bid") > 0.0),
    Kind.ROWS_ON_CHANGE: _changed,
    Kind.LATE_FOR_REAL: _without_first,
    Kind.LATE_FOR_REAL_EVERYWHERE: _without_first,
    Kind.LOSES_FIRST_ROWS: _from_chains(_without_first),
    Kind.LOSES_FIRST_ROWS_EVERYWHERE: _from_chains(_without_first),
    Kind.LOSES_LAST_ROWS: _from_chains(_without_last),
    Kind.LOSES_LAST_ROWS_EVERYWHERE: _from_chains(_without_last),
    Kind.SINGLES_MORE_ONE_STAMP: _from_chains(_without_stamp),
    Kind.SINGLES_MORE_ONE_STAMP_EVERYWHERE: _from_chains(_without_stamp),
    Kind.SINGLES_MORE_CONTRACTS: _from_chains(_without_contracts),
    Kind.SINGLES_MORE_CONTRACTS_EVERYWHERE: _from_chains(_without_contracts),
    Kind.SINGLES_MORE_RANDOM: _from_chains(_without_some),
    Kind.SINGLES_MORE_RANDOM_EVERYWHERE: _from_chains(_without_some),
}
