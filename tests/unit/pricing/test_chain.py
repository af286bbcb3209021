"""A chain priced from its quotes: its forward, its volatilities, its greeks, and where there are none."""

import datetime as dt
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spx_data.pricing import american, black76, chain
from spx_data.pricing.black76 import Options
from spx_data.pricing.chain import YEAR_MS, Line, Terms
from spx_data.pricing.quotes import Quotes

# Beside the project's root: rows of the vendor that are not ours to hand on.
SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "thetadata" / "samples"
SPXW = SAMPLES / "v2_hist_option_greeks.SPXW_20241024_5850C_1h.csv"

OPEN_MS, MINUTE_MS, DAY_MS = 1_704_205_800_000, 60_000, 86_400_000  # 2024-01-02 09:30 in New York
SESSION_MS = 390 * MINUTE_MS


class Market:
    """A chain as a market without arbitrage would have it, and what it was made of."""

    def __init__(
        self, days, *, is_american=False, around=4750.0, step=5.0, half=0.05, minutes=range(0, 390, 13)
    ):
        rate, dividends = 0.045, 0.014
        self.terms = Terms(OPEN_MS + SESSION_MS + days * DAY_MS, is_american, tick=0.01)
        minutes = np.array(minutes)
        spot = around * (1 + 0.002 * np.sin(minutes / 40))
        self.stamps = OPEN_MS + MINUTE_MS * minutes
        strikes = round(spot[0] / step) * step + step * np.arange(-40, 41)
        strike, call, place = (
            each.reshape(-1)
            for each in np.meshgrid(strikes, [True, False], np.arange(len(minutes)), indexing="ij")
        )
        self.years = (self.terms.settled_ms - self.stamps[place]) / YEAR_MS
        self.spot = Line(self.stamps, spot)
        self.forward = spot[place] * np.exp((rate - dividends) * self.years)
        self.discount = np.exp(-rate * self.years)
        away = np.log(strike / self.forward)
        self.volatility = np.clip(0.16 - 0.4 * away + 0.6 * away**2, 0.05, 1.0)
        options = Options(self.forward, self.discount, strike, call, self.years), self.volatility
        self.values = american.values(*options, spot[place]) if is_american else black76.values(*options)
        price = self.values.price
        self.quotes = Quotes(strike, call, self.stamps[place], np.maximum(price - half, 0.0), price + half)

    def price(self, **changes):
        return chain.price(self.terms, self.quotes._replace(**changes), self.spot)


@pytest.mark.parametrize("days", [0, 1, 30, 400])
def test_a_chain_gives_back_the_market_it_was_made_of(days):
    market = Market(days)

    found = market.price()

    told = np.isfinite(found.iv_mid)
    assert not told[market.quotes.bid <= 0].any()
    assert np.count_nonzero(told) > {0: 250, 1: 700}.get(days, 4_500)
    assert found.forward == pytest.approx(market.forward, rel=1e-5)
    assert found.discount == pytest.approx(market.discount, abs=2e-4)
    sure = told & (market.values.vega > 5.0)
    assert found.iv_mid[sure] == pytest.approx(market.volatility[sure], abs=2e-3)
    for name in ("delta", "gamma", "vega"):
        assert getattr(found, name)[sure] == pytest.approx(
            getattr(market.values, name)[sure], rel=0.06, abs=2e-3
        )
    assert np.count_nonzero(sure) > 100


def test_a_volatility_has_one_on_either_side_where_these_are_prices():
    found = Market(30).price()

    assert (found.iv_bid < found.iv_mid)[np.isfinite(found.iv_bid)].all()
    assert (found.iv_ask > found.iv_mid)[np.isfinite(found.iv_mid)].all()
    assert (np.isnan(found.iv_bid) | np.isfinite(found.iv_mid)).all()


def test_each_row_is_what_the_model_says_of_it():
    market = Market(30)

    found = market.price()

    bid, ask = market.quotes.bid, market.quotes.ask
    options = Options(found.forward, found.discount, market.quotes.strike, market.quotes.call, market.years)
    told = np.isfinite(found.iv_bid)
    for iv, price in ((found.iv_bid, bid), (found.iv_mid, 0.5 * (bid + ask)), (found.iv_ask, ask)):
        assert black76.values(options, iv).price[told] == pytest.approx(price[told], rel=1e-9)
    values = black76.values(options, found.iv_mid)
    for name in ("delta", "gamma", "theta", "vega", "rho"):
        np.testing.assert_array_equal(getattr(found, name), getattr(values, name))


@pytest.mark.parametrize(
    ("bid", "ask"),
    [(0.0, 0.05), (0.0, 0.0), (5.0, 4.0), (math.nan, 4.0), (4.0, math.nan), (-1.0, 4.0), (4.0, math.inf)],
)
def test_without_a_market_there_is_no_value(bid, ask):
    market = Market(30)
    bids, asks = market.quotes.bid.copy(), market.quotes.ask.copy()
    bids[1_000], asks[1_000] = bid, ask

    found = market.price(bid=bids, ask=asks)

    assert all(math.isnan(values[1_000]) for values in found[2:])
    assert math.isfinite(found.forward[1_000])
    assert np.isfinite(found.iv_mid[1_001])


def test_below_its_bound_a_price_has_no_volatility_and_the_other_side_has():
    market = Market(30)
    deep = int(np.flatnonzero(market.quotes.call & (market.quotes.strike == market.quotes.strike.min()))[0])
    bids, asks = market.quotes.bid.copy(), market.quotes.ask.copy()
    inside = market.discount[deep] * (market.forward[deep] - market.quotes.strike[deep])
    bids[deep], asks[deep] = inside - 2.0, inside + 1.0

    found = market.price(bid=bids, ask=asks)

    assert [math.isnan(side[deep]) for side in (found.iv_bid, found.iv_mid, found.iv_ask)] == [
        True,
        True,
        False,
    ]
    assert math.isnan(found.delta[deep])


def test_on_the_last_day_there_are_values_to_the_last_minute_and_none_at_the_settlement():
    market = Market(0, step=1.0, half=0.01, minutes=range(380, 391))

    found = market.price()

    at = np.searchsorted(market.stamps, market.quotes.stamp)
    told = np.array([np.isfinite(found.iv_mid[at == minute]).sum() for minute in range(11)])
    assert (told[:10] >= 4).all()
    last = (at == 9) & np.isfinite(found.iv_mid)
    assert found.iv_mid[last] == pytest.approx(market.volatility[last], abs=0.02)
    assert told[10] == 0
    assert np.isnan(found.forward[at == 10]).all()


def test_american_options_give_their_market_back():
    for days in (1, 30, 180):
        market = Market(days, is_american=True, around=475.0, step=1.0, half=0.01)

        found = market.price()

        sure = np.isfinite(found.iv_mid) & (market.values.vega > 5.0)
        assert found.forward == pytest.approx(market.forward, rel=5e-5)
        assert found.discount == pytest.approx(market.discount, abs=2e-3)
        assert np.quantile(np.abs(found.iv_mid - market.volatility)[sure], 0.9) < 3e-3
        assert np.quantile(np.abs(found.delta - market.values.delta)[sure], 0.9) < 1e-2
        assert np.count_nonzero(sure) > 400


def test_without_the_underlying_american_options_have_a_forward_all_the_same():
    market = Market(30, is_american=True, around=475.0, step=1.0, half=0.01)

    found = chain.price(market.terms, market.quotes)

    assert found.forward == pytest.approx(market.forward, rel=3e-4)
    sure = np.isfinite(found.iv_mid) & (market.values.vega > 30.0)
    assert found.iv_mid[sure] == pytest.approx(market.volatility[sure], abs=0.01)


def test_rows_may_come_in_any_order_and_in_pieces():
    market = Market(30)
    order = np.random.default_rng(1).permutation(len(market.quotes.strike))
    shuffled = Quotes(*(each[order] for each in market.quotes))
    whole = market.price()

    found = chain.price(market.terms, shuffled, market.spot)

    within = chain.market(market.terms, market.quotes, market.spot)
    some = Quotes(*(each[:777] for each in market.quotes))
    part = chain.price_in(market.terms, some, within, np.searchsorted(within.stamps, some.stamp))
    for name, values in whole._asdict().items():
        np.testing.assert_array_equal(getattr(found, name), values[order], err_msg=name)
        np.testing.assert_array_equal(getattr(part, name), values[:777], err_msg=name)


def test_no_rows_and_few_strikes_have_no_values():
    market = Market(30)
    nothing = Quotes(*(each[:0] for each in market.quotes))
    few = Quotes(*(each[market.quotes.strike <= market.quotes.strike.min() + 5] for each in market.quotes))

    assert [len(values) for values in chain.price(market.terms, nothing)] == [0] * 10
    assert all(np.isnan(values).all() for values in chain.price(market.terms, few))


def test_a_line_is_known_from_its_first_stamp_on():
    line = Line(np.array([10, 20, 30]), np.array([1.0, np.nan, 3.0]))

    found = line.at(np.array([5, 10, 25, 30, 99]))

    assert found.tolist()[1:] == [1.0, 1.0, 3.0, 3.0]
    assert math.isnan(found[0])


@pytest.mark.skipif(not SPXW.exists(), reason="the vendor's samples are not here")
def test_by_the_vendors_own_clock_and_rate_our_greeks_are_the_vendors():
    """Theirs count whole days, 0.15 of a day on the last, and SOFR; the rest is the same model, truncated."""
    rows = pl.read_csv(SPXW).filter(pl.col("iv_error").abs() < 0.01, pl.col("implied_vol") > 0)
    date = rows["date"].cast(pl.String).str.to_date("%Y%m%d")
    days = (dt.date(2024, 10, 24) - date).dt.total_days().cast(pl.Float64).to_numpy()
    years = np.where(days == 0, 0.15, days) / 365
    discount = np.exp(-0.0483 * years)
    spot, strike = rows["underlying_price"].to_numpy(), np.full(len(rows), 5850.0)
    call = np.full(len(rows), True)
    options = Options(spot / discount, discount, strike, call, years)
    volatility = rows["implied_vol"].to_numpy() + 0.5e-4  # they cut off what is behind four decimals

    found = black76.values(options, volatility)

    assert len(rows) > 40
    for name, off in (("delta", 2e-3), ("theta", 2e-2), ("vega", 0.5), ("rho", 0.1)):
        assert getattr(found, name) == pytest.approx(rows[name].to_numpy(), abs=off), name
    mid = 0.5 * (rows["bid"] + rows["ask"]).to_numpy()
    ours = black76.implied(options, mid)
    # Their search ends within half a cent or so of the midpoint.
    loose = 1e-4 + 0.01 / found.vega
    assert (np.abs(ours - rows["implied_vol"].to_numpy()) <= loose + 1e-4).all()
