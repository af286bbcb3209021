"""What describes a chain and a day: levels that can be checked against the market they were drawn from."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from tests import schemas
from tests.chains import DATE, EXPIRATION, records

from spx_data.market import products, schema
from spx_data.quality import parity
from spx_data.quality.judgement import chain_figures, day_figures
from spx_data.quality.panel import Panel
from theta_simulator import Market

STEP = 900_000


@pytest.fixture(scope="module")
def frame():
    return records(Market(1, "small"), step_ms=STEP)


def of(frame, expiration=EXPIRATION):
    panel = Panel(products.DEFAULT, "SPXW", expiration, DATE, frame, STEP)
    return chain_figures(panel, parity.fit(panel))


def after(days, **values):
    return DATE + dt.timedelta(days=days), values


def test_a_chain_is_described_by_its_own_rows(frame):
    found = of(frame)

    assert found["records"] == len(frame)
    assert found["contracts"] == frame.select("strike", "right").n_unique()
    assert found["discount"] == pytest.approx(np.exp(-0.0531 * 16.1 / 365), abs=1e-4)
    assert found["forward"] == pytest.approx(
        frame["underlying_price"].median() * np.exp(0.04 * 16 / 365), rel=2e-3
    )
    assert found["parity_r_squared"] > 0.9999
    assert 0 <= found["parity_residual"] < 0.5


def test_the_level_at_the_money_is_that_of_the_nearest_strike(frame):
    forward = of(frame)["forward"]
    strike = min(frame["strike"].unique(), key=lambda value: abs(value - forward))
    nearest = frame.filter((pl.col("strike") == strike) & (pl.col("implied_vol") > 0))

    found = of(frame)

    assert found["iv_atm"] == pytest.approx(nearest["implied_vol"].median(), rel=0.05)
    spread = nearest["ask"] - nearest["bid"]
    assert found["spread_atm_dollars"] == pytest.approx(spread.median(), rel=0.5)


def test_the_spread_is_a_share_of_the_midpoint():
    rows = [
        dict.fromkeys(schemas.MEASURES, 0.2)
        | {"strike": strike, "right": right, "timestamp": 1_704_292_200_000, "bid": 9.0, "ask": 11.0}
        | {"underlying_timestamp": 1_704_292_200_000, "underlying_price": 4700.0}
        for strike in (4600.0, 4699.0, 4701.0, 4800.0)
        for right in "CP"
    ]

    found = of(pl.DataFrame(rows, schema=schemas.POLARS).sort(schema.RECORD_KEY))

    assert found["spread_median"] == pytest.approx(0.2)
    assert (found["spread_atm_dollars"], found["iv_atm"]) == (2.0, 0.2)


def test_a_chain_of_nothing_has_no_figures():
    found = of(pl.DataFrame(schema=schemas.POLARS))

    assert (found.pop("contracts"), found.pop("records")) == (0, 0)
    assert set(found.values()) == {None}


def test_a_chain_of_one_strike_has_those_that_need_no_line(frame):
    found = of(frame.filter(pl.col("strike") == 5000))

    assert found["forward"] is None
    assert found["iv_atm"] > 0.05


def test_figures_are_rounded_to_six_digits(frame):
    assert all(value is None or value == float(f"{value:.6g}") for value in of(frame).values())


@pytest.mark.parametrize(
    "chains, level",
    [
        ([after(30, iv_atm=0.15)], 0.15),
        ([after(20, iv_atm=0.10), after(40, iv_atm=0.20)], 0.173205),  # total variance 0.2, 1.6: 0.9 at 30
        ([after(20, iv_atm=0.10), after(20, iv_atm=0.12), after(40, iv_atm=0.11)], 0.11),
        ([after(2, iv_atm=0.10), after(9, iv_atm=0.12)], 0.12),
        ([after(31, iv_atm=0.10), after(90, iv_atm=0.12)], 0.10),
        ([after(0, iv_atm=0.50), after(7, iv_atm=None)], None),
        ([], None),
    ],
)
def test_the_level_of_a_day_is_the_volatility_at_thirty_days(chains, level):
    assert day_figures(chains, DATE)["iv_level"] == level


def test_the_spread_of_a_day_is_the_median_of_its_chains_of_a_week_to_two_months():
    chains = [
        after(6, spread_median=9.0, records=1, contracts=1),
        after(7, spread_median=0.01, records=10, contracts=2),
        after(30, spread_median=0.03, records=100, contracts=4),
        after(60, spread_median=0.02, records=1_000, contracts=8),
        after(40, spread_median=None, records=0, contracts=0),
        after(61, spread_median=9.0),
    ]

    found = day_figures(chains, DATE)

    assert found["spread_median"] == 0.02
    assert (found["rows"], found["contracts"]) == (1_111, 15)
