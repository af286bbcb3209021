"""The market: the same every time, and free of arbitrage."""

import hashlib
import itertools
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from theta_simulator import Market, index, listing, quotes, sessions, surface

DAY = date(2024, 1, 2)
MINUTE = sessions.MINUTE
SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def history(expiration, day=DAY, root="SPXW", size="small", seed=1, step=MINUTE, **window):
    return Market(seed, size).history(root, expiration, day, step, **window)


def digest(frame):
    return hashlib.sha256(frame.write_csv().encode()).hexdigest()


def test_another_process_builds_the_same_rows():
    code = (
        "from datetime import date; from theta_simulator import Market; import hashlib;"
        "d = date(2024, 1, 2); m = Market(1, 'tiny'); m.history('SPX', date(2024, 1, 19), d, 60000);"
        "f = m.history('SPXW', date(2024, 1, 19), d, 60000);"
        "print(hashlib.sha256(f.write_csv().encode()).hexdigest())"
    )

    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == digest(history(date(2024, 1, 19), size="tiny"))


def test_a_part_of_a_request_equals_the_part_of_the_answer():
    expiration = date(2024, 1, 19)
    whole = history(expiration)
    strike = whole["strike"][len(whole) // 2]
    start, end = 11 * sessions.HOUR, 12 * sessions.HOUR

    part = history(expiration, start_ms=start, end_ms=end, strike=strike)

    inside = pl.col("ms_of_day").is_between(start, end) & (pl.col("strike") == strike)
    assert_frame_equal(part, whole.filter(inside), check_exact=True)


def test_a_coarser_grid_repeats_the_finer_one():
    expiration = date(2024, 1, 19)

    coarse = history(expiration, size="tiny", step=sessions.HOUR)
    fine = history(expiration, size="tiny")

    assert_frame_equal(
        coarse, fine.join(coarse.select("strike", "right", "ms_of_day"), how="semi", on=coarse.columns[:3])
    )


def test_seeds_are_different_worlds():
    assert index.close(1, DAY) != index.close(2, DAY)


@pytest.mark.parametrize("seed", range(1, 6))
def test_levels_stay_near_the_real_index(seed):
    assert 1_600 < index.close(seed, date(2017, 1, 3)) < 3_100
    assert 4_300 < index.close(seed, date(2024, 12, 2)) < 8_300


def test_daily_moves_are_about_one_percent():
    closes = np.array([index.close(1, day) for day in sessions.between(date(2017, 1, 3), date(2024, 12, 31))])

    assert 0.007 < np.diff(np.log(closes)).std() < 0.013


def test_the_first_print_comes_after_the_open_and_the_last_after_the_close():
    tape = index.prints(1, DAY)
    stamps = np.arange(sessions.OPEN + 2 * MINUTE, sessions.REGULAR_CLOSE + 1, MINUTE)

    age = stamps - tape.as_of(stamps)[0]

    assert sessions.OPEN + 1000 <= tape.ms[0] < sessions.OPEN + 2000
    assert sessions.REGULAR_CLOSE + 71_000 <= tape.ms[-1] <= sessions.REGULAR_CLOSE + 211_000
    assert tape.price[-1] == index.close(1, DAY)
    assert age.min() >= 0
    assert age.max() < 2_000
    assert np.all(np.diff(tape.ms) > 0)


def test_a_row_for_every_minute_and_none_before_the_first_quote():
    expiration = next(
        item for item in Market(1, "real").expirations("SPXW", DAY) if item.label == date(2024, 1, 19)
    )
    rows = (
        history(expiration.label, size="real")
        .group_by("strike", "right")
        .agg(pl.len(), pl.col("ms_of_day").min().alias("first"))
    )
    late = rows.filter(pl.col("first") > sessions.OPEN)

    assert rows["len"].max() == 391
    assert 0 < len(late) < 0.06 * len(rows)
    assert late["first"].max() <= sessions.OPEN + 15 * MINUTE
    assert (late["len"] == 391 - (late["first"] - sessions.OPEN) // MINUTE).all()


def test_listed_contracts_are_those_with_rows():
    market = Market(1, "real")
    label = date(2024, 1, 19)
    listed = market.contracts("SPX", DAY).filter(pl.col("expiration") == label)

    rows = market.history("SPX", label, DAY, sessions.HOUR)

    everything = listing.strikes(1, listing.find("SPX", label), DAY)
    assert_frame_equal(
        rows.select("strike", "right").unique().sort("strike", "right"),
        listed.select("strike", "right").sort("strike", "right"),
    )
    assert len(listed) < 2 * len(everything)


@pytest.mark.parametrize("size", ["tiny", "small", "real"])
@pytest.mark.parametrize("root", ["SPX", "SPXW"])
def test_what_is_listed_stays_listed_until_it_expires(root, size):
    market, days = Market(1, size), sessions.between(date(2023, 11, 1), date(2025, 1, 31))
    listed = {day: {item.label for item in market.expirations(root, day)} for day in days}

    lost = {day: listed[before] - listed[day] for before, day in itertools.pairwise(days)}

    assert not {day: labels for day, labels in lost.items() if any(label > day for label in labels)}


# Of real size a day costs two seconds: those of a week around a holiday and a half day, two of which expire.
@pytest.mark.parametrize(
    ("size", "first", "final"),
    [("small", date(2024, 11, 18), date(2024, 12, 4)), ("real", date(2024, 11, 26), date(2024, 12, 2))],
)
@pytest.mark.parametrize("root", ["SPX", "SPXW"])
def test_a_contract_is_quoted_on_every_day_until_it_expires(root, size, first, final):
    market, days = Market(1, size), sessions.between(first, final)
    quoted = {day: set(market.contracts(root, day).iter_rows()) for day in days}
    last = {item.label: item.last for item in listing.all_expirations(root)}

    for before, day in itertools.pairwise(days):
        lost = quoted[before] - quoted[day]
        new = quoted[day] - quoted[before]

        assert {last[label] for label, _, _ in lost} <= {before}
        # Those of an expiration that was there, because the level has moved: a few.
        added = [contract for contract in new if contract[0] in {label for label, _, _ in quoted[before]}]
        assert len(added) < 0.15 * len(quoted[day])


@pytest.mark.parametrize("day", [date(2024, 1, 2), date(2024, 11, 29), date(2020, 3, 16)])
def test_what_expires_ends_at_what_it_settles_at(day):
    bell = sessions.close(day)
    rows = history(day, day, start_ms=bell, end_ms=bell)
    spot, strike = pl.col("underlying_price"), pl.col("strike")
    inside = pl.when(right="C").then(spot - strike).otherwise(strike - spot).clip(lower_bound=0.0)

    gap = (0.5 * (pl.col("bid") + pl.col("ask")) - inside).abs()
    ends = rows.select(gap.alias("gap"), spot)

    # A tick below three dollars is a nickel, and then a dime, at both sides.
    assert ends["gap"].max() <= 0.1 + 1e-9
    # What is left to come before the index has its official close.
    assert abs(ends["underlying_price"][0] / index.close(1, day) - 1.0) < 0.001


def test_the_index_goes_on_in_the_morning_where_it_ended_in_the_evening():
    days = sessions.between(date(2023, 1, 3), date(2024, 12, 31))
    gaps = [
        index.prints(1, day).price[0] / index.prints(1, before).price[-1] - 1.0
        for before, day in itertools.pairwise(days)
    ]

    assert np.std(gaps) < 0.006
    assert np.abs(gaps).max() < 0.02


def test_volatility_goes_on_from_day_to_day():
    """That of 30 days at the money: about as lively as VIX, which moves by 7 % a day."""
    days = sessions.between(date(2023, 1, 3), date(2024, 12, 31))
    month = np.array([30 / 365])

    def level(day, spot):
        return np.log(surface.surface(1, day).variance(np.zeros(1), month, np.array([spot])))[0] / 2.0

    moves = [
        level(day, index.prints(1, day).opening) - level(before, index.close(1, before))
        for before, day in itertools.pairwise(days)
    ]

    assert 0.03 < np.std(moves) < 0.10
    assert abs(np.mean(moves)) < 0.01


def test_v2_leaves_out_the_minute_without_an_underlying():
    label = date(2024, 1, 19)

    v3 = history(label, size="tiny", greeks_version="1")
    v2 = history(label, size="tiny", greeks_version="v2")

    first = v3.filter(pl.col("ms_of_day") == sessions.OPEN)
    assert (first["underlying_price"] == 0.0).all()
    assert (first["iv_error"] == 100.0).all()
    assert (first["underlying_ms"] == sessions.OPEN).all()
    assert_frame_equal(v2, v3.filter(pl.col("underlying_price") > 0.0))
    assert v2.group_by("strike", "right").len()["len"].max() == 390


@pytest.mark.parametrize(
    ("day", "root", "expiration", "last"),
    [
        (date(2024, 1, 3), "SPXW", date(2024, 1, 3), 16 * 60),
        (date(2024, 1, 3), "SPXW", date(2024, 1, 4), 16 * 60 + 15),
        (date(2024, 11, 29), "SPXW", date(2024, 11, 29), 13 * 60),
        (date(2024, 11, 29), "SPXW", date(2024, 12, 2), 13 * 60 + 15),
        (date(2024, 1, 18), "SPX", date(2024, 1, 19), 16 * 60 + 15),
    ],
)
def test_quotes_end_with_the_session(day, root, expiration, last):
    rows = history(expiration, day, root, "tiny", end_ms=sessions.DAY)

    frozen = rows.filter(pl.col("ms_of_day") >= sessions.close(day) + 4 * MINUTE)
    assert rows["ms_of_day"].max() == last * MINUTE
    assert frozen["underlying_ms"].n_unique() <= 1


@pytest.mark.parametrize("day", [date(2024, 1, 1), date(2024, 1, 6), date(2016, 12, 30)])
def test_there_are_no_rows_on_closed_days_or_before_2017(day):
    assert history(date(2024, 1, 19), day).is_empty()


@pytest.mark.parametrize("day", [DAY, date(2020, 3, 16), date(2017, 8, 9)])
def test_model_values_lie_inside_the_spread(day):
    """Outward rounding: what is free of arbitrage inside stays so outside."""
    market, step = Market(1, "small"), 30 * MINUTE
    for root in listing.ROOTS:
        for expiration in market.expirations(root, day):
            rows = market.history(root, expiration.label, day, step).filter(pl.col("ask") > 0.0)
            call, put = values(market, expiration, day, step)
            model = pl.concat(
                [
                    rows.join(call, on=["strike", "right", "ms_of_day"]),
                    rows.join(put, on=["strike", "right", "ms_of_day"]),
                ]
            )
            assert len(model) == len(rows)
            assert (model["bid"] <= model["value"] + 1e-9).all()
            assert (model["ask"] >= model["value"] - 1e-9).all()
            assert (model["bid"] < model["ask"]).all()


def values(market, expiration, day, step):
    strikes = market.strikes(expiration, day)
    stamps = np.arange(sessions.OPEN, sessions.REGULAR_CLOSE + 1, step)
    tape = index.prints(1, day)
    price = tape.as_of(stamps)[1]
    spot = np.where(price > 0.0, price, tape.opening)
    hour = sessions.OPEN if expiration.root == "SPX" else sessions.REGULAR_CLOSE
    years = ((expiration.settles - day).days * sessions.DAY + hour - stamps) / surface.YEAR_MS
    model = surface.values(1, day, strikes, spot, years)
    keys = {"strike": np.repeat(strikes, len(stamps)), "ms_of_day": np.tile(stamps, len(strikes))}
    return (
        pl.DataFrame({**keys, "right": ["C"] * model.call.size, "value": model.call.ravel()}),
        pl.DataFrame({**keys, "right": ["P"] * model.put.size, "value": model.put.ravel()}),
    )


@pytest.mark.parametrize("day", [DAY, date(2020, 3, 16), date(2022, 6, 14)])
def test_no_trade_on_the_quotes_makes_money(day):
    """Conversions, verticals and butterflies, bought at the ask and sold at the bid."""
    noon = 12 * sessions.HOUR
    market = Market(1, "real")
    for expiration in market.expirations("SPXW", day)[::6]:
        rows = market.history("SPXW", expiration.label, day, MINUTE, noon, noon).filter(pl.col("ask") > 0.0)
        years = ((expiration.settles - day).days * sessions.DAY + 4 * sessions.HOUR) / surface.YEAR_MS
        discount = np.exp(-surface.rate(day) * years)
        stock = rows["underlying_price"][0] * np.exp(-surface.DIVIDEND_YIELD * years)
        call, put = (rows.filter(pl.col("right") == right) for right in "CP")

        assert_parity(call, put, stock, discount)
        assert_convex(call, discount)
        # Seen from high strikes to low, puts behave as calls do.
        assert_convex(put.reverse(), discount)


def assert_parity(call, put, stock, discount):
    """Neither buying a call and selling a put, nor the reverse, beats the forward."""
    both = call.join(put, on="strike")
    forward = stock - both["strike"] * discount
    assert (both["bid"] - both["ask_right"] <= forward + 1e-6).all()
    assert (both["ask"] - both["bid_right"] >= forward - 1e-6).all()


def assert_convex(side, discount):
    """Prices fall along the strikes, never faster than the strikes move, and ever more slowly."""
    strike, bid, ask = (side[name].to_numpy() for name in ("strike", "bid", "ask"))
    assert (bid[1:] - ask[:-1] <= 1e-6).all()
    assert (bid[:-1] - ask[1:] <= np.abs(np.diff(strike)) * discount + 1e-6).all()
    weight = (strike[2:] - strike[1:-1]) / (strike[2:] - strike[:-2])
    assert (bid[1:-1] <= weight * ask[:-2] + (1.0 - weight) * ask[2:] + 1e-6).all()


@pytest.mark.parametrize("day", [DAY, date(2020, 3, 16)])
def test_total_variance_grows_with_time(day):
    """No calendar spread is free: at equal forward moneyness, later is dearer."""
    moneyness = np.linspace(-1.5, 0.6, 211)[:, np.newaxis]
    years = np.geomspace(1e-5, 5.0, 120)[np.newaxis, :]
    spot = np.full_like(years, index.prints(1, day).opening)

    variance = surface.surface(1, day).variance(moneyness, years, spot)

    assert (np.diff(variance, axis=1) > 0.0).all()


def test_ticks_are_a_nickel_below_three_dollars_and_a_dime_above():
    rows = history(date(2024, 1, 5), size="real", step=sessions.HOUR)

    for name in ("bid", "ask"):
        cents = (rows[name] * 100.0).round().cast(pl.Int64)
        assert (cents.filter(cents < 300) % 5 == 0).all()
        assert (cents.filter(cents >= 300) % 10 == 0).all()
    assert (rows.filter(pl.col("bid") == 0.0)["ask"] >= 0.0).all()
    assert rows.filter((pl.col("bid") == 0.0) & (pl.col("ask") == 0.05)).height > 0


def test_every_sentinel_occurs_in_a_real_chain():
    rows = history(date(2024, 1, 3), size="real")
    printed = rows.filter(pl.col("underlying_price") > 0.0)

    no_market = printed.filter((pl.col("ask") == 0.0) & (pl.col("implied_vol") == 0.25))
    deep = printed.filter((pl.col("implied_vol") == 0.0) & (pl.col("iv_error") < 1.0))
    assert len(no_market)
    assert (no_market["iv_error"] == 100.0).all()
    assert len(deep)
    assert (deep["delta"].abs() == 1.0).all()
    assert (deep.select("theta", "vega", "rho", "epsilon", "lambda").to_numpy() == 0.0).all()
    assert (deep["iv_error"] >= 0.0).all()


def test_implied_volatility_smiles_towards_the_low_strikes():
    rows = history(date(2024, 2, 16), size="real", start_ms=12 * sessions.HOUR, end_ms=12 * sessions.HOUR)
    puts = rows.filter((pl.col("right") == "P") & (pl.col("bid") > 1.0) & (pl.col("delta") > -0.5))

    assert puts["implied_vol"].is_sorted(descending=True)
    assert 0.08 < puts["implied_vol"].min() < puts["implied_vol"].max() < 0.6


def test_a_tiny_date_takes_no_time():
    market = Market(3, "tiny")
    day = date(2023, 6, 7)
    index.close(3, day)

    def build():
        began = time.thread_time()
        rows = sum(
            len(market.history(root, item.label, day, MINUTE))
            for root in listing.ROOTS
            for item in market.expirations(root, day)
        )
        return time.thread_time() - began, rows

    timings = [build() for _ in range(5)]

    assert 4_000 < timings[0][1] < 20_000
    assert min(seconds for seconds, _ in timings) < 0.05


def test_a_contract_is_late_or_absent_by_its_own_lot():
    contracts = np.arange(20_000)

    quoted, first = quotes.ever_quoted(5, contracts), quotes.first_quote(5, contracts)

    assert np.array_equal(quotes.first_quote(5, contracts[::-1])[::-1], first)
    assert 0.005 < 1.0 - quoted.mean() < 0.02
    assert 0.01 < (first > sessions.OPEN).mean() < 0.03
