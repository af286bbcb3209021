"""The underlying and the vendor's sentinels: what is wrong is told from what the vendor always does."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from tests import chains, panels, schemas
from tests.panels import named

from spx_data.market import products
from spx_data.quality import underlying
from spx_data.quality.panel import Panel
from theta_simulator import Market

pytestmark = pytest.mark.filterwarnings("error")

CLOSE = dt.time(16, 0)
MARKET = Market(1, "small")


def judged(panel, close=CLOSE):
    return named(underlying.judge(panel, close and panels.at(close, panel.date)))


def findings(found):
    return {name: count for name, count in found.items() if count.hits and count.check.ruinous is not None}


def chain(price, *, bid=40.0, close=CLOSE, **columns):
    """A chain of one strike whose records have these prices of the underlying."""
    price = np.asarray(price, dtype=np.float64)
    quote = np.full((2, 1, price.shape[-1]), bid)
    return judged(panels.panel([4_700], quote, quote + 1.0, underlying_price=price, **columns), close)


def moving(minutes):
    return np.round(4_700.0 + 0.25 * np.arange(minutes), 2)


def test_the_index_has_no_price_at_the_open_and_that_is_no_finding():
    found = chain([0.0, 4_700.0, 4_701.0], begins=dt.time(9, 30), iv_error=np.array([100.0, 0.0, 0.0]))

    assert not findings(found)
    assert found["underlying-missing"].of == 4


def test_before_the_open_it_has_none_either():
    assert not findings(chain(np.append(np.zeros(31), moving(5)), begins=dt.time(9, 0)))


def test_a_price_of_zero_after_the_open_is_missing():
    found = chain([4_700.0, 0.0, 4_701.0])

    assert list(findings(found)) == ["underlying-missing"]
    assert (found["underlying-missing"].hits, found["underlying-missing"].of) == (2, 6)
    assert found["underlying-missing"].first == "C 4700 at 09:32"


def test_one_price_for_five_minutes_is_frozen():
    price = moving(20)
    price[4:10] = price[4]
    found = chain(price)

    assert list(findings(found)) == ["underlying-frozen"]
    assert (found["underlying-frozen"].hits, found["underlying-frozen"].first) == (6, "at 09:35")


def test_one_price_for_four_minutes_is_not():
    price = moving(20)
    price[4:9] = price[4]

    assert not findings(chain(price))


def test_a_missing_price_ends_a_frozen_stretch():
    price = moving(20)
    price[4:10] = price[4]
    price[7] = 0.0

    assert chain(price)["underlying-frozen"].hits == 0


@pytest.mark.parametrize(("step", "records"), [(2, 4), (5, 3), (30, 3)])
def test_with_rarer_stamps_it_takes_five_minutes_and_three_records(step, records):
    def hits(count):
        price = moving(8)
        price[:count] = price[0]
        return chain(price, step_ms=step * panels.MINUTE)["underlying-frozen"].hits

    assert hits(records - 1) == 0
    assert hits(records) == records


@pytest.mark.parametrize("close", [dt.time(13, 0), None])
def test_after_the_close_the_underlying_stands_still_by_nature(close):
    price = moving(30)
    price[14:] = price[14]  # from 12:57 on: three minutes before the bell, and then for good
    old = panels.at(dt.time(12, 57))
    times = np.minimum(panels.at(dt.time(12, 43)) + np.arange(30) * panels.MINUTE, old)
    found = chain(price, begins=dt.time(12, 43), close=close, underlying_timestamp=times)

    assert not findings(found)
    assert found["underlying-frozen"].of == 17


def test_before_a_known_close_the_same_is_frozen_and_stale():
    price = moving(30)
    price[14:] = price[14]
    old = panels.at(dt.time(12, 57))
    times = np.minimum(panels.at(dt.time(12, 43)) + np.arange(30) * panels.MINUTE, old)
    found = chain(price, begins=dt.time(12, 43), underlying_timestamp=times)

    assert set(findings(found)) == {"underlying-frozen", "underlying-stale"}
    assert found["underlying-stale"].first == "C 4700 at 13:00"
    assert found["underlying-stale"].hits == 2 * 13


def test_a_record_that_disagrees_with_its_stamp_is_named():
    price = np.broadcast_to(moving(5), (2, 3, 5)).copy()
    price[1, 2, 3] += 0.01
    quote = np.full((2, 3, 5), 60.0)
    found = judged(panels.panel([4_690, 4_700, 4_710], quote, quote + 1.0, underlying_price=price))

    assert list(findings(found)) == ["underlying-disagrees"]
    assert (found["underlying-disagrees"].hits, found["underlying-disagrees"].of) == (1, 30)
    assert found["underlying-disagrees"].first == "P 4710 at 09:34"


def test_where_two_prices_are_equally_many_neither_is_right():
    found = chain([[[4_700.0]], [[4_701.0]]])

    assert found["underlying-disagrees"].hits == 2


@pytest.mark.parametrize(("seconds", "hits"), [(-121, 2), (-120, 0), (0, 0), (1, 2)])
def test_a_price_is_at_most_two_minutes_old_and_not_from_the_future(seconds, hits):
    stamps = panels.at(dt.time(9, 31)) + np.arange(3) * panels.MINUTE
    times = stamps + np.array([0, 0, seconds * 1000])
    found = chain(moving(3), underlying_timestamp=times)

    assert found["underlying-stale"].hits == hits
    assert found["underlying-stale"].first == ("C 4700 at 09:33" if hits else None)


# Genuine cases (docs/wire.md, 2.2): bid, ask, a call's strike, delta, volatility and its error.
SENTINELS = {
    "no market, out of the money": (0.0, 0.0, 5_200, 0.0001, 0.5, 100.0),
    "no market, deep in the money": (0.0, 0.0, 1_000, 1.0, 0.0, 100.0),
    "at intrinsic value": (499.0, 501.0, 4_200, 1.0, 0.0, 0.0),
    "a little below intrinsic value": (498.0, 500.0, 4_200, 1.0, 0.0, 0.0057),
    "below intrinsic value, all greeks": (498.0, 500.0, 4_200, 0.0, 0.0, 0.0003),
    "worthless": (0.0, 0.01, 5_600, 0.0, 0.5, 0.0),
    "no bid": (0.0, 0.10, 5_000, 0.0021, 0.11, -0.0012),
    "deep in the money, failed": (3_690.0, 3_705.0, 1_000, 1.0, 0.0, 100.0),
}


@pytest.mark.parametrize("case", SENTINELS)
@pytest.mark.parametrize("right", ["C", "P"])
def test_a_sentinel_with_a_reason_is_no_finding(case, right):
    bid, ask, strike, delta, volatility, error = SENTINELS[case]
    put = right == "P"
    strike, delta = (9_400 - strike, -delta) if put else (strike, delta)
    there = np.array([not put, put]).reshape(2, 1, 1)
    shape = (2, 1, 1)
    panel = panels.panel(
        [strike],
        np.full(shape, bid),
        np.full(shape, ask),
        there=there,
        delta=delta,
        implied_vol=volatility,
        iv_error=error,
    )
    found = judged(panel)

    assert not findings(found)
    assert found["no-iv"].hits == int(volatility == 0 or error == 100)
    assert found["no-iv"].of == 1


def test_the_open_of_an_index_is_a_sentinel_too():
    found = chain([0.0], begins=dt.time(9, 30), delta=0.0, implied_vol=0.0, iv_error=100.0)

    assert not findings(found)
    assert found["no-iv"].hits == 2


def test_a_failed_volatility_of_a_good_quote_is_named():
    found = chain(moving(5), iv_error=np.array([0.0, 0.0, 100.0, 0.0, 0.0]))

    assert list(findings(found)) == ["failed-iv"]
    assert (found["failed-iv"].hits, found["failed-iv"].of) == (2, 10)
    assert found["failed-iv"].first == "C 4700 at 09:33"


# A year at 7 % makes 4,382.25 of 4,700: what a call is worth at least is 317.75, what a put at most 4,382.25.
@pytest.mark.parametrize(
    ("right", "bid", "ask", "looked_at"),
    [
        ("C", 317.0, 325.0, 0),
        ("C", 318.0, 325.0, 1),
        ("C", 4_600.0, 4_699.0, 1),
        ("C", 4_600.0, 4_701.0, 0),
        ("P", 4_300.0, 4_382.0, 1),
        ("P", 4_300.0, 4_383.0, 0),
    ],
)
def test_a_volatility_must_be_found_between_the_bounds_whatever_the_rate(right, bid, ask, looked_at):
    there = np.array([right == "C", right == "P"]).reshape(2, 1, 1)
    bids, asks = (np.full((2, 1, 1), price) for price in (bid, ask))
    year = panels.DATE + dt.timedelta(365)
    found = judged(panels.panel([4_700], bids, asks, there=there, expiration=year, iv_error=100.0))

    assert (found["failed-iv"].hits, found["failed-iv"].of) == (looked_at, looked_at)


@pytest.mark.parametrize(("strike", "looked_at"), [(4_740, 1), (4_741, 0)])
def test_a_put_is_worth_its_exercise_at_least(strike, looked_at):
    there = np.array([False, True]).reshape(2, 1, 1)
    bid = np.full((2, 1, 1), 40.5)

    found = judged(panels.panel([strike], bid, bid + 1.0, there=there))

    assert found["failed-iv"].of == looked_at


def test_a_price_that_no_volatility_explains_may_fail():
    found = chain([4_700.0], implied_vol=0.25, iv_error=100.0, bid=5_000.0)

    assert (found["failed-iv"].hits, found["failed-iv"].of) == (0, 0)


def test_a_whole_bad_day_fails_nearly_everywhere():
    clean = chains.records(MARKET)
    one = (pl.col("strike") == clean["strike"][0]) & (pl.col("timestamp") == clean["timestamp"][0])
    frame = chains.spoilt(clean, ~one, implied_vol=0.5, iv_error=100.0)

    found = judged(Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, frame))["failed-iv"]

    assert found.hits / found.of > 0.99
    assert found.check.score(found.hits / found.of) == 0.0


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("underlying-missing", {"underlying_price": 0.0}),
        ("underlying-disagrees", {"underlying_price": pl.col("underlying_price") + 0.5}),
        ("underlying-stale", {"underlying_timestamp": pl.col("underlying_timestamp") - 600_000}),
        ("failed-iv", {"implied_vol": 0.25, "iv_error": 100.0}),
    ],
)
def test_one_spoilt_record_of_a_clean_chain_is_found_and_named(code, values):
    clean = chains.records(MARKET)
    strikes = clean["strike"].unique().to_numpy()
    strike = float(strikes[np.abs(strikes - 5_020.0).argmin()])
    frame = chains.spoilt(clean, chains.cell(strike, "P", "10:31"), **values)

    found = findings(judged(Panel(products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, frame)))

    assert list(found) == [code]
    assert (found[code].hits, found[code].first) == (1, f"P {strike:g} at 10:31")


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("version", ["latest", "1", "v2"])
@pytest.mark.parametrize("date", [dt.date(2024, 1, 3), dt.date(2024, 7, 3)])
def test_a_clean_day_has_no_findings(seed, version, date):
    close = dt.time(13, 0) if date.month == 7 else CLOSE
    for panel in chains.panels(Market(seed, "tiny"), date, version):
        assert not findings(judged(panel, close))


def test_a_day_without_an_underlying_is_told_by_that_alone():
    found = chain(np.zeros(40), underlying_timestamp=0, iv_error=100.0)

    assert list(findings(found)) == ["underlying-missing"]
    assert found["underlying-missing"].hits == found["underlying-missing"].of == 80


def test_missing_records_are_looked_at_by_nobody():
    there = np.ones((2, 1, 10), dtype=bool)
    there[0, 0, 3:7] = False
    there[:, :, 5] = False
    found = chain(moving(10), there=there)

    assert not findings(found)
    assert found["underlying-missing"].of == 15
    assert found["underlying-frozen"].of == 9


def test_a_chain_without_a_stamp_on_a_whole_minute_shows_nothing():
    empty = Panel(
        products.DEFAULT, "SPXW", chains.EXPIRATION, chains.DATE, pl.DataFrame(schema=schemas.POLARS)
    )

    assert {(count.hits, count.of) for count in underlying.judge(empty, 0)} == {(0, 0)}


# Chains beside each other --------------------------------------------------------------------------------


def lines(*prices, begins=0):
    stamps = panels.at(dt.time(10)) + panels.MINUTE * np.arange(len(prices[0]), dtype=np.int64)
    return [underlying.Line(stamps + begins, np.array(each, dtype=np.float64)) for each in prices]


def test_a_chain_whose_underlying_is_not_the_days_is_named_with_the_first_stamp():
    found = underlying.across(lines([4700, 4701, 4702], [4700, 4650, 4650], [4700, 4701, 4702]))

    assert [count.hits for count in found] == [0, 2, 0]
    assert [count.of for count in found] == [3, 3, 3]
    assert found[1].first == "at 10:01"
    assert found[1].by_stamp.tolist() == [0, 1, 1]


def test_a_stamp_of_one_chain_alone_is_compared_with_nothing():
    alone, other = lines([4700, 4701]), lines([4700, 4701], begins=2 * panels.MINUTE)

    assert [count.of for count in underlying.across([*alone, *other])] == [0, 0]
    assert [count.of for count in underlying.across(alone)] == [0]
    assert underlying.across([]) == []


def test_a_stamp_without_a_price_is_no_disagreement():
    found = underlying.across(lines([np.nan, 4701], [4700, 4701], [4700, 4701]))

    assert [(count.hits, count.of) for count in found] == [(0, 1), (0, 2), (0, 2)]


def test_what_a_record_lacks_is_no_value():
    nan = np.nan
    usual = chain(moving(4), implied_vol=0.2, iv_error=0.0)
    found = chain(moving(4), implied_vol=[0.2, nan, 0.2, 0.2], iv_error=[0.0, 0.0, nan, 0.0])

    assert not findings(found)
    assert (usual["no-iv"].of, found["no-iv"].of, found["no-iv"].hits) == (8, 4, 0)
    assert (usual["failed-iv"].of, found["failed-iv"].of) == (
        usual["failed-iv"].of,
        usual["failed-iv"].of // 2,
    )


def test_an_underlying_without_a_time_is_neither_old_nor_of_now():
    stamps = panels.at(dt.time(9, 31)) + np.arange(4.0) * panels.MINUTE
    stamps[1] = np.nan

    found = chain(moving(4), underlying_timestamp=stamps)

    assert not findings(found)
    assert found["underlying-stale"].of == 6


def test_an_underlying_that_a_record_lacks_is_missing():
    found = chain([4_700.0, np.nan, 4_701.0])

    assert list(findings(found)) == ["underlying-missing"]
    assert found["underlying-missing"].hits == 2
