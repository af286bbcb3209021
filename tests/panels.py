"""Panels made of grids: what a chain's records would say, without a simulator and without a wire."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from spx_data.market import products, schema
from spx_data.market.chains import midnight_ms
from spx_data.quality.panel import RIGHTS, Panel
from tests import schemas

DATE = dt.date(2024, 1, 2)
EXPIRATION = dt.date(2024, 1, 19)
MINUTE = 60_000


def at(time: dt.time, date: dt.date = DATE) -> int:
    """A New York time of *date*, ms since the epoch."""
    return midnight_ms(date) + (time.hour * 60 + time.minute) * MINUTE


def panel(
    strikes,
    bid,
    ask,
    *,
    there=None,
    begins=dt.time(9, 31),
    step_ms=MINUTE,
    root="SPXW",
    product=products.DEFAULT,
    expiration=EXPIRATION,
    date=DATE,
    **columns,
) -> Panel:
    """A chain of grids (2, strikes, stamps): calls, then puts; *columns* are grids, or anything like one.

    What is not given is that of a quiet day: an underlying of 4700, delta 0.5, a volatility of 0.2.
    *there* says where there are records: everywhere, if it is not given.
    """
    bid = np.asarray(bid, dtype=np.float64)
    shape = bid.shape
    stamps = at(begins, date) + np.arange(shape[2]) * step_ms
    given = {"delta": 0.5, "implied_vol": 0.2, "underlying_price": 4_700.0, "underlying_timestamp": stamps}
    values = dict.fromkeys(schemas.MEASURES, 0.0) | given | {"bid": bid, "ask": ask} | columns
    values["timestamp"] = stamps
    values["strike"] = np.asarray(strikes, dtype=np.float64)[:, np.newaxis]
    values["right"] = np.array(RIGHTS)[:, np.newaxis, np.newaxis]
    there = np.ones(shape, dtype=bool) if there is None else np.asarray(there)
    frame = pl.DataFrame({name: np.broadcast_to(values[name], shape)[there] for name in schemas.RECORD.names})
    lacking = frame.with_columns(pl.col(pl.Float64).fill_nan(None))
    records = lacking.cast(schemas.POLARS).sort(schema.RECORD_KEY)
    return Panel(product, root, expiration, date, records, step_ms)


def named(counts):
    """Counts by the code of their check."""
    return {count.check.code: count for count in counts}
