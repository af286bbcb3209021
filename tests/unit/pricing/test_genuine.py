"""Volatilities of genuine chains, against those that Cboe's page printed beside the quotes.

The chains lie beside this project's folder and are no part of it: where they are absent there is nothing
to test. Cboe's own conventions of time and rate are not known, so near is what ours can be.
"""

import datetime as dt
import itertools

import numpy as np
import polars as pl
import pytest
from tests.panels import at
from tests.unit.quality.test_genuine_chains import CHAINS, read

from spx_data.market import products
from spx_data.pricing.day import Day

pytestmark = pytest.mark.skipif(not CHAINS.is_dir(), reason="the genuine chains are not here")


def chains(name, clock):
    """Yield days to expiration, quotes and values of each chain of a file, the nearest expiration first."""
    symbol, day, _ = name.split(".")
    date, (price, every) = dt.date.fromisoformat(day), read(CHAINS / f"{name}.csv.gz")
    pricer = Day(products.PRODUCTS[symbol])
    for (root, expiration), own in itertools.groupby(sorted(every), key=lambda each: each[:2]):
        if expiration < date:
            continue
        quotes = pl.DataFrame([each._asdict() for each in own]).unique(["right", "strike"])
        quotes = quotes.sort("strike", "right").with_columns(
            timestamp=pl.lit(int(at(clock, date)), dtype=pl.Int64), underlying_price=pl.lit(price)
        )
        yield (expiration - date).days, quotes, pricer.chain(root, expiration, [quotes]).price(quotes)


@pytest.mark.parametrize(
    ("name", "clock", "volatility", "delta"),
    [
        ("SPX.20220712.1140", dt.time(11, 40), 0.0005, 0.003),
        ("SPX.20240105.close", dt.time(15, 59), 0.0008, 0.01),
        ("NDX.20240322.close", dt.time(15, 59), 0.002, 0.01),
        ("QQQ.20230612.close", dt.time(15, 59), 0.003, 0.004),
        ("SPY.20230914.close", dt.time(15, 59), 0.003, 0.004),
    ],
)
def test_volatilities_are_near_cboes(name, clock, volatility, delta):
    """*volatility* and *delta* are how far off the median contract of a typical chain may be."""
    apart = []
    for days, quotes, values in chains(name, clock):
        cboe = {each: quotes[each].to_numpy() for each in ("iv", "delta")}
        judged = (cboe["iv"] > 0) & (np.abs(cboe["delta"]) > 0.05) & (np.abs(cboe["delta"]) < 0.6)
        judged &= np.isfinite(values.iv_mid)
        if 2 < days < 400 and np.count_nonzero(judged) > 10:
            off = values.iv_mid - cboe["iv"], values.delta - cboe["delta"]
            apart.append([float(np.median(np.abs(each[judged]))) for each in off])

    assert len(apart) > 8
    assert (np.median(apart, axis=0) < [volatility, delta]).all()


def test_forwards_of_genuine_chains_carry_the_rate_of_their_day():
    """In July 2022 a year was worth about three percent, by quotes alone: Treasury bills say the same."""
    rates = {
        days: -np.log(values.discount[0]) * 365 / days
        for days, _, values in chains("SPX.20220712.1140", dt.time(11, 40))
        if 150 < days < 800
    }

    assert len(rates) > 6
    assert all(0.025 < rate < 0.036 for rate in rates.values()), rates
