"""Open interest as it stood in the morning: one row for each contract of which the source knows it.

It is that of the close before, so it knows nothing of the day's trades. Of some contracts there is no row,
which says nothing about them; of others there is one that says 0.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np
import polars as pl

from theta_simulator import chance, listing, sessions
from theta_simulator.habits import Kind
from theta_simulator.habitual import OF_REPORTS, HabitualMarket
from theta_simulator.listing import Expiration

_BEGUN = 6 * sessions.HOUR + 30 * sessions.MINUTE
_WITHIN_SECONDS = 30
_LATER_MS = 421_000  # the second row of a contract
_ABSENT, _NOBODY = 0.15, 0.3
_MOST = 5_000
COLUMNS = ("stamp_ms", "open_interest")
SCHEMA = {
    "right": pl.String,
    "expiration": pl.Date,
    "strike": pl.Float64,
    **dict.fromkeys(COLUMNS, pl.Int64),
}

# Whoever has others, has the same report.
HABITS = frozenset({*OF_REPORTS, Kind.INTEREST_TWICE})


def report(market: HabitualMarket, root: str, label: date | None, day: date, today: date) -> pl.DataFrame:
    """Return the open interest of contracts of *root* on the morning of *day*.

    *label* None asks for every expiration. Columns are those of `SCHEMA`: times in ms since midnight in New
    York. Sorted by expiration, strike, right and time.
    """
    return _report(market.with_only(HABITS), root, label, day, today)


@lru_cache(maxsize=16)
def _report(market: HabitualMarket, root: str, label: date | None, day: date, today: date) -> pl.DataFrame:
    empty = pl.DataFrame(schema=SCHEMA)
    if root not in listing.EVERY_ROOT or not listing.FIRST_LISTS <= day <= today:
        return empty
    named = [item for item in market.held(root, day) if label in (None, item.label)]
    found = pl.concat([empty, *(_chain(market, item, day) for item in named)])
    if any(habit.kind == Kind.INTEREST_TWICE for habit in market.habits):
        # What came first was not yet counted to the end.
        early = found.with_columns(pl.col("open_interest") // 2)
        found = pl.concat([early, found.with_columns(pl.col("stamp_ms") + _LATER_MS)])
    return found.sort("expiration", "strike", "right", "stamp_ms")


def _chain(market: HabitualMarket, item: Expiration, day: date) -> pl.DataFrame:
    """Return one chain's rows; a contract has about as much from day to day."""
    contracts = market.clean.chain(item, day).join(
        market.never_quoted(item, day), on=["strike", "right"], how="anti"
    )
    number = (contracts["strike"] * 2000).cast(pl.Int64).to_numpy() + (contracts["right"] == "C").to_numpy()
    of_all = chance.key(market.seed, "interest", item.root, item.label.isoformat())
    of_day = chance.key(market.seed, "interest", item.root, item.label.isoformat(), day.isoformat())
    share, change = chance.uniform(of_all, number), chance.uniform(of_day, number)
    held = np.where(share < _NOBODY, 0, (share * share * _MOST * (0.9 + 0.2 * change)).astype(np.int64))
    seconds = (chance.uniform(of_day, number + 1) * _WITHIN_SECONDS).astype(np.int64)
    frame = contracts.select(
        "right",
        pl.lit(item.label).alias("expiration"),
        "strike",
        stamp_ms=pl.Series(_BEGUN + 1000 * seconds),
        open_interest=pl.Series(held),
    )
    return frame.filter(pl.Series(chance.uniform(of_all, number, np.array([1])) >= _ABSENT))


def of_days(
    market: HabitualMarket, root: str, label: date | None, days: Sequence[date], today: date
) -> list[tuple[date, pl.DataFrame]]:
    """Return the open interest of each session that has any."""
    found = [(day, report(market, root, label, day, today)) for day in days]
    return [(day, rows) for day, rows in found if len(rows)]
