"""Put-call parity: the line through the chain, and the quotes that nobody could trade at."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from tests import schemas
from tests.chains import DATE, EXPIRATION, cell, panels, records, spoilt

from spx_data.market import products, schema
from spx_data.market.chains import midnight_ms
from spx_data.quality import parity
from spx_data.quality.panel import CALL, PUT, Panel
from theta_simulator import Market

SMALL = Market(1, "small")
OPEN = midnight_ms(DATE) + 34_200_000


@pytest.fixture(scope="module")
def frame():
    return records(SMALL, step_ms=300_000)


def chain(frame, step_ms=300_000):
    return Panel(products.DEFAULT, "SPXW", EXPIRATION, DATE, frame, step_ms)


def judged(panel):
    return {count.check.code: count for count in parity.judge(panel, parity.fit(panel))}


def quoted(strikes, forward, discount, half=1.0, underlying=None, stamps=1):
    """Return a chain whose midpoints lie on one line exactly."""
    rows = []
    for stamp in range(stamps):
        for strike in strikes:
            inside = discount * (forward - strike)
            for right, value in (("C", 50.0 + max(inside, 0.0)), ("P", 50.0 + max(-inside, 0.0))):
                rows.append(
                    dict.fromkeys(schemas.MEASURES, 0.0)
                    | {
                        "strike": strike,
                        "right": right,
                        "timestamp": OPEN + 300_000 * stamp,
                        "bid": value - half,
                        "ask": value + half,
                        "underlying_timestamp": OPEN,
                        "underlying_price": underlying or forward,
                    }
                )
    return pl.DataFrame(rows, schema=schemas.POLARS).sort(schema.RECORD_KEY)


def test_the_lines_error_is_that_of_weighted_least_squares(frame):
    panel = chain(frame)
    fit = parity.fit(panel)
    width = np.maximum(2 * fit.half, 2 * panel.product.tick)

    for stamp in range(0, len(panel.stamps), 10):
        used = np.isfinite(width[:, stamp])
        line = np.stack([np.ones(used.sum()), panel.strikes[used]], axis=1)
        spread = np.linalg.inv(line.T @ (line * width[used, stamp][:, np.newaxis] ** -2.0))
        for strike in (panel.strikes[0], 4700.0, 2 * panel.strikes[-1]):
            at = np.array([1.0, strike])
            expected = 0.5 * np.sqrt(at @ spread @ at)
            assert fit.error(strike, np.array([stamp])) == pytest.approx([expected], rel=1e-6)


def test_the_line_finds_its_forward_and_its_discount_factor():
    fit = parity.fit(chain(quoted([4500.0, 4600.0, 4710.0, 4900.0], 4705.0, 0.997)))

    assert fit.forward == pytest.approx([4705.0])
    assert fit.discount == pytest.approx([0.997])
    assert fit.r_squared == pytest.approx([1.0])


def test_the_line_is_that_of_an_independent_least_squares(frame):
    panel = chain(frame)
    fit = parity.fit(panel)

    usable = panel.two_sided[CALL] & panel.two_sided[PUT]
    width = (panel.grid("ask") - panel.grid("bid")).sum(axis=0)
    for stamp in (1, 30, len(panel.stamps) - 1):
        at = usable[:, stamp]
        y = (panel.mid[CALL] - panel.mid[PUT])[at, stamp]
        slope, level = np.polyfit(panel.strikes[at], y, 1, w=1 / width[at, stamp])
        assert fit.discount[stamp] == pytest.approx(-slope, rel=1e-9)
        assert fit.forward[stamp] == pytest.approx(level / -slope, rel=1e-9)


def test_the_market_s_own_forward_and_rate_come_back(frame):
    fit = parity.fit(chain(frame))

    underlying = chain(frame).underlying
    years = (16 + 6.5 / 24 - np.arange(len(underlying)) / 288) / 365
    assert fit.discount[1:] == pytest.approx(np.exp(-0.0531 * years[1:]), abs=2e-4)
    assert fit.forward[1:] == pytest.approx(
        underlying[1:] * np.exp((0.0531 - 0.013) * years[1:]), abs=0.1, nan_ok=True
    )


@pytest.mark.parametrize("strikes", [[], [4700.0], [4700.0, 4710.0]])
def test_fewer_than_three_strikes_make_no_line(strikes):
    panel = chain(quoted(strikes, 4705.0, 0.997))

    fit = parity.fit(panel)

    assert np.isnan(fit.discount).all() and np.isnan(fit.forward).all() and np.isnan(fit.r_squared).all()
    assert [count.of for count in parity.judge(panel, fit)] == [0, 0, 0]


@pytest.mark.parametrize("away", [-40.0, -1.5, 1.5, 40.0])
@pytest.mark.parametrize("strike", [4500.0, 4710.0, 4900.0])
def test_one_bad_quote_does_not_move_the_line_and_is_named(strike, away):
    clean = quoted([4500.0, 4600.0, 4710.0, 4800.0, 4900.0], 4705.0, 0.997, half=0.25, stamps=3)
    bad = cell(strike, "C", "09:35")
    panel = chain(spoilt(clean, bad, bid=pl.col("bid") + away, ask=pl.col("ask") + away))

    fit, found = parity.fit(panel), judged(panel)

    assert fit.forward == pytest.approx([4705.0] * 3)
    assert (found["parity"].hits, found["parity"].of) == (1, 15)
    assert found["parity"].first == f"C {strike:g} at 09:35"
    assert found["parity-fit"].hits == 0


def test_a_bad_quote_among_four_strikes_is_named_too():
    clean = quoted([4600.0, 4700.0, 4800.0, 4900.0], 4705.0, 0.997, half=0.25)
    panel = chain(spoilt(clean, cell(4900.0, "P", "09:30"), bid=1.0, ask=1.5))

    assert judged(panel)["parity"].first == "C 4900 at 09:30"


def test_a_price_inside_of_the_spread_is_no_finding(frame):
    middle = (pl.col("bid") + pl.col("ask")) / 2
    panel = chain(spoilt(frame, pl.col("right") == "C", bid=middle * 0.9 + pl.col("bid") * 0.1))

    assert judged(panel)["parity"].hits == 0


def test_locked_quotes_carry_no_more_weight_than_those_a_tick_wide():
    clean = quoted([4500.0, 4600.0, 4700.0, 4800.0], 4705.0, 0.997)
    panel = chain(spoilt(clean, pl.col("strike") == 4600.0, bid=pl.col("ask")))

    fit = parity.fit(panel)

    assert np.isfinite(fit.forward).all()
    assert np.isfinite(fit.half).all()


def test_quotes_of_two_moments_fit_no_line(frame):
    panel = chain(frame)
    shifted = pl.when(pl.col("right") == "C").then(pl.col("strike") % 7).otherwise(0.0) * 40
    spoilt_panel = chain(frame.with_columns(bid=pl.col("bid") + shifted, ask=pl.col("ask") + shifted))

    assert judged(panel)["parity-fit"].hits == 0
    assert judged(spoilt_panel)["parity-fit"].hits > 0.9 * len(panel.stamps)


def test_calls_for_puts_are_found_though_their_line_is_straight(frame):
    swapped = frame.with_columns(
        right=pl.when(pl.col("right") == "C").then(pl.lit("P")).otherwise(pl.lit("C"))
    )
    panel = chain(swapped.sort(schema.RECORD_KEY))

    found = judged(panel)["parity-fit"]

    assert (found.hits, found.first) == (len(panel.stamps), "at 09:30")


def test_the_wrong_underlying_is_off_the_forward(frame):
    other = chain(frame.with_columns(underlying_price=pl.col("underlying_price") * 1.04))

    found, clean = judged(other)["forward-off"], judged(chain(frame))["forward-off"]

    assert (found.hits, found.first) == (found.of, "at 09:35")
    assert (clean.hits, clean.of) == (0, len(other.stamps) - 1)  # no underlying at 09:30


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("size", ["tiny", "small"])
@pytest.mark.parametrize("date", [DATE, dt.date(2024, 7, 3), dt.date(2018, 3, 28)])
def test_a_clean_day_has_no_findings(seed, size, date):
    found = [
        count
        for panel in panels(Market(seed, size), date, step_ms=900_000)
        for count in parity.judge(panel, parity.fit(panel))
    ]

    assert [count for count in found if count.hits] == []
    assert sum(count.of for count in found) > 0
