"""Genuine chains of several products, as Cboe's page gave them, cause no alarm that is not explained here.

They lie beside this project's folder and are no part of it: where they are absent there
is nothing to test. Each is one moment of quotes with an index level; volatilities and deltas are Cboe's own,
so that greeks are not judged.
"""

import csv
import datetime as dt
import gzip
import itertools
import re
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from tests import schemas
from tests.panels import at

from spx_data.market import products, schema
from spx_data.quality import arbitrage, early_exercise, parity, quotes, smile
from spx_data.quality.panel import Panel

CHAINS = Path(__file__).resolve().parents[4] / "shared" / "chains"
SYMBOL = re.compile(r"([A-Z]+)\d{6}[CP]\d+")
DATES = ("%m/%d/%Y", "%a %b %d %Y")


class Quote(NamedTuple):
    """A side of a line."""

    root: str
    expiration: dt.date
    right: str
    strike: float
    bid: float
    ask: float
    iv: float
    delta: float


def date_of(text):
    for form in DATES:
        try:
            return dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC).date()
        except ValueError:
            continue
    raise ValueError(text)


def read(path):
    """The underlying's last price, and every quote."""
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
        lines = [line for line in csv.reader(file) if line]
    price = float(re.sub(r"[^\d.]", "", lines[0][1]))
    head = next(number for number, line in enumerate(lines) if line[0] == "Expiration Date")
    names = lines[head]
    columns = [names.index(name) for name in ("Bid", "Ask", "IV", "Delta")]
    strike, put = names.index("Strike"), names.index("Puts")
    found = []
    for line in lines[head + 1 :]:
        for right, at_ in (("C", 1), ("P", put)):
            shift, match = at_ - 1, SYMBOL.match(line[at_])
            values = [float(line[column + shift]) for column in columns]
            found.append(Quote(match[1], date_of(line[0]), right, float(line[strike]), *values))
    return price, found


def panels(name, priced):
    """A panel of each chain, by root and expiration; with the underlying where it is *priced*."""
    symbol, day, *moment = name.split(".")
    date = dt.date.fromisoformat(day)
    stamp = at(dt.time(11, 40) if moment == ["1140"] else dt.time(16), date)
    price, every = read(CHAINS / f"{name}.csv.gz")
    every.sort()
    for (root, expiration), own in itertools.groupby(every, key=lambda each: each[:2]):
        if expiration < date:
            continue
        frame = pl.DataFrame([each._asdict() for each in own]).unique(["right", "strike"])
        blank = dict.fromkeys(schemas.MEASURES)
        known = {
            "timestamp": stamp, "underlying_timestamp": stamp, "underlying_price": price if priced else 0.0,
            "bid": pl.col("bid"), "ask": pl.col("ask"), "implied_vol": pl.col("iv"), "delta": pl.col("delta"),
            "strike": pl.col("strike"), "right": pl.col("right"), "iv_error": 0.0,
        }  # fmt: skip
        told = {
            key: value if isinstance(value, pl.Expr) else pl.lit(value)
            for key, value in (blank | known).items()
        }
        records = frame.select(**told).select(schemas.RECORD.names).cast(schemas.POLARS)
        yield Panel(products.PRODUCTS[symbol], root, expiration, date, records.sort(schema.RECORD_KEY))


def judged(name, *, priced=True):
    """Hits, and how many could be looked at, by check, over all chains of a file."""
    found, before = {}, None
    for panel in panels(name, priced):
        fit = parity.fit(panel)
        beside = before if before and before[0].root == panel.root else None
        counts = [
            *quotes.judge(panel),
            *arbitrage.judge(panel, fit, beside),
            *early_exercise.judge(panel, beside and beside[0]),
            *parity.judge(panel, fit),
            *smile.judge(panel, fit),
        ]
        for count in counts:
            if not count.check.unmet(panel.product):
                hits, of = found.get(count.check.code, (0, 0))
                found[count.check.code] = hits + count.hits, of + count.of
        before = panel, fit
    return found


# What is found, each explained: hits by check. Facts of markets (no bid, no market at all) are left out.
EXPLAINED = {
    # After the close, an expiring put was bid for above an ask beside; six expired calls had lost their ask.
    # Two of Cboe's deltas, which are rounded and of other moments, rise.
    "NDX.20240322.close": {"one-sided": 6, "vertical": 1, "butterfly": 1, "delta-rises": 2, "wide": 465},
    "QQQ.20230612.close": {"wide": 20},
    # The crash: spreads of up to a tenth of the index, and a far call that was bid for above its neighbours.
    "SPX.20200320.close": {"butterfly": 1, "wide": 772},
    "SPX.20220712.1140": {"wide": 38},
    # Far years, where nobody offered calls that are deep in the money.
    "SPX.20240105.close": {"one-sided": 2, "wide": 47},
    "SPY.20230914.close": {"wide": 140},
    "XSP.20230914.close": {"wide": 242},
}


@pytest.mark.skipif(not CHAINS.is_dir(), reason="no genuine chains beside this project")
@pytest.mark.parametrize("name", EXPLAINED)
def test_a_genuine_chain_causes_no_alarm_but_what_is_explained(name):
    american = name.startswith(("SPY", "QQQ"))

    found = judged(name)

    facts = {check.code for check in quotes.CHECKS if check.ruinous is None}
    assert {code: hits for code, (hits, _) in found.items() if hits and code not in facts} == EXPLAINED[name]
    own = {check.code for check in early_exercise.CHECKS}
    assert own.isdisjoint(found) is not american
    assert ("parity" in found) is not american
    assert all(found[code][1] > 2_500 for code in (own if american else ("bounds", "parity", "calendar")))


@pytest.mark.skipif(not CHAINS.is_dir(), reason="no genuine chains beside this project")
@pytest.mark.parametrize("name", ["SPY.20230914.close", "QQQ.20230612.close"])
def test_a_genuine_american_chain_causes_no_alarm_without_its_underlying_either(name):
    found = judged(name, priced=False)

    assert [found[check.code][0] for check in early_exercise.CHECKS] == [0, 0, 0]
    assert all(found[check.code][1] > 2_500 for check in early_exercise.CHECKS)
