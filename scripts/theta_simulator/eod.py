"""The end-of-day report: one row for each contract that was quoted on a date, traded or not.

A second witness of what exists: it knows nothing of how the listing or the history answers.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np
import polars as pl

from theta_simulator import chance, listing, lists, sessions, symbols
from theta_simulator.habits import Kind
from theta_simulator.habitual import OF_REPORTS, HabitualMarket
from theta_simulator.listing import Expiration

_BUILT = 17 * sessions.HOUR + 15 * sessions.MINUTE
_BUILT_WITHIN_MS = 8 * sessions.MINUTE
_SECOND_BUILD_MS = 610_839
_CBOE, _REGULAR = 5, 50
_PRICES = ("open", "high", "low", "close")
QUOTE = (
    "bid_size",
    "bid_exchange",
    "bid",
    "bid_condition",
    "ask_size",
    "ask_exchange",
    "ask",
    "ask_condition",
)
COLUMNS = ("created_ms", "last_trade_ms", *_PRICES, "volume", "count", *QUOTE)
_TEXT = {"right": pl.String, "expiration": pl.Date, "strike": pl.Float64}
SCHEMA = _TEXT | dict.fromkeys(COLUMNS, pl.Int64) | dict.fromkeys((*_PRICES, "bid", "ask"), pl.Float64)

# Whoever has others, has the same report.
HABITS = frozenset({*OF_REPORTS, Kind.EOD_LACKS_CHAIN, Kind.EOD_TWICE})


def report(market: HabitualMarket, root: str, label: date | None, day: date, today: date) -> pl.DataFrame:
    """Return the contracts of *root* quoted on *day* with their trades and closing quotes.

    *label* None asks for every expiration. Columns are those of `SCHEMA`: times in ms since midnight in New
    York, a last trade of 0 where there was none; prices in dollars. Sorted by expiration, strike and right.
    """
    return _report(market.with_only(HABITS), root, label, day, today)


@lru_cache(maxsize=16)
def _report(market: HabitualMarket, root: str, label: date | None, day: date, today: date) -> pl.DataFrame:
    empty = pl.DataFrame(schema=SCHEMA)
    if root not in listing.EVERY_ROOT or not listing.FIRST_LISTS <= day <= today:
        return empty
    named = [item for item in market.reported(root, day) if label in (None, item.label)]
    traded = lists.contracts(market.clean, [root], day, True, today).select("expiration", "strike", "right")
    parts = [_chain(market, item, day, traded) for item in named]
    found = pl.concat([empty, *parts])
    if any(habit.kind == Kind.EOD_TWICE for habit in market.habits):
        later = found.with_columns(pl.col("created_ms") + _SECOND_BUILD_MS)
        found = pl.concat([found, later])
    return found.sort("expiration", "strike", "right", "created_ms")


def _chain(market: HabitualMarket, item: Expiration, day: date, traded: pl.DataFrame) -> pl.DataFrame:
    """Return one chain's rows."""
    base = chance.key(market.seed, "eod", item.root, item.label.isoformat(), day.isoformat())
    quotes = _closing(market, item, day)
    numbers = np.arange(len(quotes), dtype=np.int64)

    def drawn(what: int, least: int, most: int) -> pl.Series:
        share = chance.uniform(base, numbers, np.array([what]))
        return pl.Series((least + share * (most - least)).astype(np.int64))

    frame = quotes.with_columns(
        created_ms=pl.lit(_BUILT + chance.key(market.seed, "built", day.isoformat()) % _BUILT_WITHIN_MS),
        last_trade_ms=drawn(1, sessions.OPEN, sessions.close(day)),
        volume=drawn(2, 1, 2000),
        count=drawn(3, 1, 50),
        wide=drawn(4, 0, 5),
        bid_size=drawn(5, 1, 200),
        ask_size=drawn(6, 1, 200),
        **{name: pl.lit(_CBOE) for name in ("bid_exchange", "ask_exchange")},
        **{name: pl.lit(_REGULAR) for name in ("bid_condition", "ask_condition")},
    )
    tick = pl.col("wide") * 0.05
    frame = frame.with_columns(
        open="ask", close="bid", high=pl.col("ask") + tick, low=pl.max_horizontal(pl.col("bid") - tick, 0.0)
    ).with_columns(
        count=pl.min_horizontal("count", "volume"),
        bid_size=pl.when(pl.col("bid") > 0.0).then("bid_size").otherwise(0),
        ask_size=pl.when(pl.col("ask") > 0.0).then("ask_size").otherwise(0),
    )
    here = frame.join(traded.with_columns(traded=True), on=["expiration", "strike", "right"], how="left")
    was = pl.col("traded").fill_null(False)
    nothing = [
        pl.when(was).then(name).otherwise(0).alias(name)
        for name in ("last_trade_ms", *_PRICES, "volume", "count")
    ]
    return here.with_columns(nothing).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def _closing(market: HabitualMarket, item: Expiration, day: date) -> pl.DataFrame:
    """Return expiration, strike, right and the last bid and ask of each contract quoted on *day*."""
    listed = market.clean.chain(item, day)
    quoted = listed.join(market.never_quoted(item, day), on=["strike", "right"], how="anti")
    last = symbols.OF_ROOT[item.root].option_close(day, item.expires_on(day))
    rows = market.clean.history(item.root, item.label, day, sessions.MINUTE, last, last)
    closing = rows.select("strike", "right", "bid", "ask")
    found = quoted.join(closing, on=["strike", "right"], how="left")
    return found.with_columns(pl.col("bid", "ask").fill_null(0.0))


def of_days(
    market: HabitualMarket, root: str, label: date | None, days: Sequence[date], today: date
) -> list[tuple[date, pl.DataFrame]]:
    """Return the report of each session that has one."""
    found = [(day, report(market, root, label, day, today)) for day in days]
    return [(day, rows) for day, rows in found if len(rows)]
