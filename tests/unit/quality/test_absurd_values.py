"""Whatever a vendor sends, a chain is judged: no value is too absurd, and none so much as warns."""

import warnings

import numpy as np
import polars as pl
import pytest
from tests import schemas
from tests.chains import DATE, EXPIRATION, records

from spx_data.market import products, schema
from spx_data.quality import greeks, parity, smile
from spx_data.quality.judgement import chain_figures
from spx_data.quality.panel import Panel
from theta_simulator import Market

STEP = 1_800_000
ABSURD = (0.0, -1.0, 1.0, 1e-12, 1e9, 1e-4, 100.0, -3456.7)
NEVER_NEGATIVE = ("bid", "ask", "underlying_price")  # row checks see to that
COLUMNS = [*schemas.MEASURES, "underlying_price"]


@pytest.fixture(scope="module")
def frame():
    return records(Market(1, "small"), step_ms=STEP)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("expiration", [DATE, EXPIRATION])
def test_absurd_values_are_counted_and_stop_nothing(seed, expiration, frame):
    random = np.random.default_rng(seed)
    found = frame.sample(fraction=float(random.uniform(0.01, 1)), seed=seed).sort(schema.RECORD_KEY)
    for column in random.choice(COLUMNS, random.integers(1, 5), replace=False):
        spoilt = random.random(len(found)) < random.choice([0.01, 0.3, 1.0])
        values = np.where(spoilt, random.choice(ABSURD, len(found)), found[column])
        values = np.abs(values) if column in NEVER_NEGATIVE else values
        found = found.with_columns(pl.Series(column, values))
    for column in random.choice(schemas.OPTIONAL, random.integers(0, 4), replace=False):
        lacking = pl.Series(random.random(len(found)) < random.choice([0.01, 0.3, 1.0]))
        found = found.with_columns(pl.when(lacking).then(None).otherwise(pl.col(column)).alias(column))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panel = Panel(products.DEFAULT, "SPXW", expiration, DATE, found, STEP)
        fit = parity.fit(panel)
        examined = greeks.examine([greeks.sample(panel)], "latest")
        counts = [*parity.judge(panel, fit), *smile.judge(panel, fit), *examined.counts[0]]
        described = chain_figures(panel, fit)

    assert {count.check for count in counts} == {*parity.CHECKS, *smile.CHECKS, *greeks.CHECKS}
    assert all(0 <= count.hits <= count.of for count in counts)
    assert described["records"] == len(found)
