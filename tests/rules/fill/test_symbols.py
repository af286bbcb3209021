"""Other symbols, filled over HTTP: sealed as their market has them, and judged by what holds for them."""

import datetime as dt

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.rules.fill.test_fill import market_day, sealed_rows

import spx_data
from spx_data.errors import SpxDataError

JUNE = dt.date(2026, 6, 17)
HALF_DAY = dt.date(2024, 7, 3)
OWN = {"TLT": {"exercise": "American"}}


@pytest.mark.parametrize(
    "symbol, api, date, ends",
    [
        ("SPY", "v3", HALF_DAY, {"13:15"}),
        ("NDX", "v2", JUNE, {"16:00", "16:15"}),
        ("VIX", "v3", JUNE, {"16:15"}),
        ("TLT", "v3", JUNE, {"16:00"}),
    ],
)
def test_a_date_of_another_symbol_is_sealed_cell_by_cell_and_raises_no_complaint(
    symbol, api, date, ends, simulated, day, truth
):
    terminal = simulated(api=api, today=dt.date(2026, 6, 30))
    one = day(terminal, date, symbol=symbol, end_time="16:30:00", products=OWN)

    one.fill()

    roots = one.settings.product.root_names
    found = sealed_rows(one.layout.parquet(date))
    wanted = market_day(terminal, date, truth, roots=roots, end_ms=59_400_000)
    assert_frame_equal(found, wanted.select(found.columns), check_exact=True)
    assert set(found["root"]) == set(roots)
    last = found.group_by("root", "expiration").agg(pl.col("timestamp").max())["timestamp"]
    clocks = last.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone("America/New_York")
    assert set(clocks.dt.strftime("%H:%M")) == ends
    passport = one.passport()
    quality = passport["quality"]
    assert passport["completeness"]["complete"] and quality["score"] == 100.0
    assert passport["session"]["findings"] == []
    assert {
        check["check"] for check in quality["checks"] if check["hits"] and check["score"] is not None
    } == set()
    assert any(check["does_not_apply"] for check in quality["checks"])
    assert passport["dataset"]["symbol"] == symbol
    assert one.layout.parquet(date).name == f"{symbol.lower()}-options-{date}.parquet"
    assert len(spx_data.scan(lake=one.layout.output).collect()) == len(found)


@pytest.mark.parametrize("api, status", [("v3", 403), ("v2", 471)])
def test_a_symbol_that_the_subscription_refuses_is_one_line_and_leaves_others_alone(
    api, status, simulated, day
):
    terminal = simulated(api=api, refuses=("NDX", "NDXP"))

    with pytest.raises(SpxDataError) as refused:
        day(terminal, symbol="NDX").fetch()
    day(terminal, symbol="XSP").fetch()

    said = str(refused.value)
    assert f"{status}" in said and "requiring a value subscription" in said and "\n" not in said
    asked = [request for request in terminal.requests() if "NDX" in str(request["query"])]
    assert asked and {request["status"] for request in asked} == {status}


def test_before_its_greeks_begin_a_symbol_has_no_data(simulated, day):
    terminal = simulated(today=dt.date(2026, 6, 30))

    with pytest.raises(SpxDataError) as refused:
        day(terminal, dt.date(2026, 5, 7), symbol="NDX").fill()

    assert "has records of none" in str(refused.value)
    assert {request["status"] for request in terminal.requests() if "greeks" in request["path"]} == {472}
