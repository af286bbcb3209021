"""The greeks, cross-examined: clean days explained in full, each kind of defect found by its own check."""

import csv
import datetime as dt
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests import schemas
from tests.chains import DATE, cell, panels, records, spoilt

from spx_data.market import products
from spx_data.market.chains import midnight_ms
from spx_data.quality import expiry, explanation, greeks
from spx_data.quality.explanation import VALUES, Rate
from spx_data.quality.panel import Panel
from spx_data.quality.vendor_model import GREEKS, Rows
from theta_simulator import Market

MARKET = Market(1, "small")
STEP = 900_000
LAST_DAY = ("SPXW", DATE)
HALF_DAY = dt.date(2024, 7, 3)
CLOCK_CHANGES = (dt.date(2024, 3, 8), dt.date(2024, 3, 11), dt.date(2024, 11, 1), dt.date(2024, 11, 4))


@pytest.fixture(scope="module")
def day():
    """Return every chain of one date, by root and expiration."""
    return {
        (root, found.label): records(MARKET, root, found.label, step_ms=STEP)
        for root in ("SPX", "SPXW")
        for found in MARKET.expirations(root, DATE)
    }


def examined(day, version="latest"):
    """Return the hits of every check that has any, the first by name, and the figures."""
    samples = [
        greeks.sample(Panel(products.DEFAULT, root, expiration, DATE, frame, STEP))
        for (root, expiration), frame in day.items()
    ]
    found = greeks.examine(samples, version)
    hits, first = {}, {}
    for counts in found.counts:
        for count in counts:
            if count.hits:
                hits[count.check.code] = hits.get(count.check.code, 0) + count.hits
                first.setdefault(count.check.code, count.first)
    return hits, first, found.figures


def lacking(day, name, every):
    """Return the day's records, of which every few lack a value."""
    absent = pl.int_range(pl.len()) % every == 0
    return everywhere(day, **{name: pl.when(absent).then(None).otherwise(pl.col(name))})


def everywhere(day, **values):
    return {chain: frame.with_columns(**values) for chain, frame in day.items()}


# What records lack ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 2, 7])
@pytest.mark.parametrize("name", GREEKS)
def test_a_greek_that_records_lack_is_on_neither_side(name, every, day):
    hits, _, found = examined(lacking(day, name, every))

    whole = examined(day)
    assert hits == whole[0] == {}
    assert found["greeks_convention"] == whole[2]["greeks_convention"]


def test_only_the_values_that_are_there_are_counted(day):
    (root, expiration), frame = next(iter(lacking(day, "lambda", 2).items()))
    one = greeks.sample(Panel(products.DEFAULT, root, expiration, DATE, frame, STEP))

    counts = {count.check.code: count.of for count in greeks.examine([one], "latest").counts[0]}

    assert 0.2 < counts["greeks-lambda"] / counts["greeks-delta"] < 0.8
    assert counts["greeks-vega"] == counts["greeks-delta"] == len(one.rows)


# Clean --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", [DATE, HALF_DAY, *CLOCK_CHANGES, dt.date(2018, 3, 28)])
@pytest.mark.parametrize("model, last_day", [("latest", "time-left"), ("1", "fixed"), ("v2", "fixed")])
def test_a_clean_day_is_explained_to_the_last_value(date, model, last_day):
    samples = [greeks.sample(panel) for panel in panels(MARKET, date, model, STEP)]

    found = greeks.examine(samples, "latest" if model == "latest" else "1")

    assert [count for counts in found.counts for count in counts if count.hits] == []
    assert (
        min(
            sum(count.of for counts in found.counts for count in counts if count.check is check)
            for check in greeks.CHECKS
        )
        > 0
    )
    assert found.figures["greeks_convention"] == f"whole-days; last day {last_day}"


@pytest.mark.parametrize("by", ["epsilon", "vega", "rho"])
def test_every_witness_of_time_is_off_by_less_than_it_says_and_says_little_more(by, day):
    for (root, expiration), frame in day.items():
        rows = greeks.sample(Panel(products.DEFAULT, root, expiration, DATE, frame, STEP)).rows
        if not rows.days.any():
            continue  # the last day is counted otherwise

        years, error = getattr(expiry, f"_by_{by}")(rows)

        off = np.abs(years - rows.days / 365)
        assert np.mean(off <= error) > 0.99
        assert np.median(error / years) < 0.01
        # A value is cut off anywhere in its last digit; of a price less is unknown than may be.
        assert 0.4 < np.median(off / error) < 0.6 or by == "rho"


@pytest.mark.parametrize("by", ["delta", "price"])
def test_every_witness_of_the_rate_is_off_by_less_than_it_says(by, day):
    for (root, expiration), frame in day.items():
        rows = greeks.sample(Panel(products.DEFAULT, root, expiration, DATE, frame, STEP)).rows
        if not rows.days.any():
            continue

        with np.errstate(all="ignore"):
            rate, error = getattr(explanation, f"_by_{by}")(rows, rows.days / 365)

        told = np.isfinite(rate)
        inside = np.where(rows.call, rows.strike < rows.spot, rows.strike > rows.spot)
        assert (np.abs(rate - 0.0531) <= error)[told].mean() > 0.99
        assert told[inside].mean() > (0.99 if by == "price" else 0.3)  # whose price hangs on the rate


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_no_market_is_accused_without_reason(seed, size):
    samples = [greeks.sample(panel) for panel in panels(Market(seed, size), step_ms=STEP)]

    found = greeks.examine(samples, "latest")

    assert [count for counts in found.counts for count in counts if count.hits] == []


@pytest.mark.parametrize(
    "date, rate", [(DATE, 0.0531), (dt.date(2024, 11, 4), 0.0483), (dt.date(2018, 3, 28), 0.0)]
)
def test_the_rate_of_the_day_comes_back(date, rate):
    samples = [greeks.sample(panel) for panel in panels(MARKET, date, step_ms=STEP)]

    assert greeks.examine(samples, "latest").figures["rate"] == pytest.approx(rate, abs=2e-5)


def test_a_last_day_alone_tells_no_rate_and_is_explained_without(day):
    hits, _, figures = examined({LAST_DAY: day[LAST_DAY].filter(pl.col("strike") < 4600)})

    assert hits == {}
    assert figures == {"rate": None, "greeks_convention": "last day time-left"}


def test_nothing_to_examine_is_nothing_found():
    empty = Panel(products.DEFAULT, "SPXW", DATE, DATE, pl.DataFrame(schema=schemas.POLARS), STEP)

    found = greeks.examine([greeks.sample(empty)], "latest")

    assert {(count.hits, count.of) for count in found.counts[0]} == {(0, 0)}
    assert [count.check for count in found.counts[0]] == list(greeks.CHECKS)
    assert found.figures == {"rate": None, "greeks_convention": None}
    assert greeks.examine([], "latest").counts == []


def test_a_sample_is_bounded_and_meets_every_stamp_and_strike():
    frame = records(MARKET)
    panel = Panel(products.DEFAULT, "SPXW", dt.date(2024, 1, 19), DATE, frame)

    found = greeks.sample(panel)

    assert 1_000 < len(found.rows) <= greeks.MOST
    assert len(np.unique(found.stamps)) == 390
    assert len(np.unique(found.rows.strike)) == len(panel.strikes)


# Defects, each found by its own check -------------------------------------------------------------------


@pytest.mark.parametrize(
    "column, factor",
    [
        ("delta", 100),
        ("delta", -1),
        ("delta", 1.002),
        ("theta", 365),
        ("theta", 365 / 252),
        ("theta", -1),
        ("vega", 0.01),
        ("vega", 1.001),
        ("rho", 0.01),
        ("epsilon", 0.01),
        ("lambda", 1.01),
    ],
)
def test_another_unit_of_one_greek_is_found_by_its_own_check_alone(column, factor, day):
    hits, first, figures = examined(everywhere(day, **{column: pl.col(column) * factor}))

    assert set(hits) == {f"greeks-{column}"}
    assert first[f"greeks-{column}"].startswith(("C ", "P "))
    assert figures["rate"] == pytest.approx(0.0531, abs=5e-4)


def test_one_chain_in_another_unit_is_found_in_that_chain(day):
    chain = ("SPXW", dt.date(2024, 1, 19))
    samples = [
        greeks.sample(
            Panel(
                products.DEFAULT,
                *key,
                DATE,
                frame.with_columns(vega=pl.col("vega") / 100) if key == chain else frame,
                STEP,
            )
        )
        for key, frame in day.items()
    ]

    found = greeks.examine(samples, "latest")

    accused = {
        key: [count.check.code for count in counts if count.hits]
        for key, counts in zip(day, found.counts, strict=True)
    }
    assert {key: codes for key, codes in accused.items() if codes} == {chain: ["greeks-vega"]}


def test_zeroed_greeks_of_a_single_quote_are_named(day):
    strikes = day[LAST_DAY]["strike"].unique().to_list()
    strike = min(strikes, key=lambda value: abs(value - 4700))
    bad = cell(strike, "C", "11:15")
    nought = dict.fromkeys([*GREEKS, "implied_vol"], 0.0)

    hits, first, _ = examined(day | {LAST_DAY: spoilt(day[LAST_DAY], bad, **nought)})

    assert hits == {"greeks-zeroed": 1}
    assert first["greeks-zeroed"] == f"C {strike:g} at 11:15"


def test_a_record_without_an_underlying_is_not_zeroed_though_others_of_its_stamp_have_one(day):
    bad = (pl.col("right") == "C") & (pl.col("strike") == 5020)
    nought = dict.fromkeys([*GREEKS, "implied_vol", "underlying_price"], 0.0)
    chain = ("SPXW", dt.date(2024, 1, 19))

    hits, _, _ = examined(day | {chain: spoilt(day[chain], bad, **nought)})

    assert hits == {}


def test_zeroed_greeks_under_a_volatility_are_zeroed_and_wrong_one_by_one(day):
    hits, _, figures = examined(everywhere(day, **dict.fromkeys(GREEKS, pl.lit(0.0))))

    assert hits["greeks-zeroed"] > 1_000
    assert {"greeks-delta", "greeks-theta", "greeks-vega", "greeks-rho"} <= set(hits)
    assert "greeks-price" not in hits and "greeks-convention" not in hits
    assert figures["rate"] == pytest.approx(0.0531, abs=5e-4)  # told by prices


def test_quotes_of_another_moment_do_not_fit_their_volatility(day):
    hits, _, _ = examined(everywhere(day, bid=pl.col("bid") * 1.05, ask=pl.col("ask") * 1.05))

    assert hits.pop("greeks-price") > 1_000
    assert set(hits) <= {"greeks-lambda"}


@pytest.mark.parametrize("name", ["delta", "theta", "vega"])
def test_greeks_of_which_one_is_above_zero_are_not_zeroed(name, day):
    nought = dict.fromkeys(GREEKS, pl.lit(0.0)) | {name: pl.lit(0.5)}

    hits, _, _ = examined(everywhere(day, **nought))

    assert "greeks-zeroed" not in hits


@pytest.mark.parametrize("sent, wanted", [("latest", "1"), ("1", "latest")])
def test_a_change_of_the_vendor_s_model_is_a_foreign_convention(sent, wanted):
    samples = [greeks.sample(panel) for panel in panels(MARKET, DATE, sent, STEP)]

    found = greeks.examine(samples, wanted)

    hits = {count.check.code: count.hits for counts in found.counts for count in counts if count.hits}
    assert hits == {"greeks-convention": 1}


@pytest.mark.parametrize("hours, until", [(-1, "15:00"), (1, "17:00")])
def test_stamps_an_hour_off_are_another_way_of_counting(hours, until, day):
    moved = day[LAST_DAY].with_columns(timestamp=pl.col("timestamp") + hours * 3_600_000)

    hits, _, figures = examined(day | {LAST_DAY: moved})

    assert hits == {"greeks-convention": 1}
    assert figures["greeks_convention"] == f"whole-days; last day time-left to {until}"


# How time is counted ------------------------------------------------------------------------------------

DAY_MS = 86_400_000


def counted(date, years, root="SPXW", labels=None):
    """Return samples of *date* whose greeks are those of another T: *years* of days and ms to 16:00."""
    for found in MARKET.expirations(root, date):
        if labels and found.label not in labels:
            continue
        frame = records(MARKET, root, found.label, date, step_ms=STEP)
        frame = frame.filter((pl.col("bid") > 0) & (pl.col("implied_vol") > 0) & (pl.col("iv_error") < 100))
        one = greeks.sample(Panel(products.DEFAULT, root, found.label, date, frame, STEP))
        if len(one.rows):
            yield recounted(one, years(one.rows))


def recounted(one, years):
    """Return *one* with greeks and a price of another time to expiration."""
    rows = one.rows
    found = explanation._modelled(rows, years, 0.05, rows.iv)
    printed = np.trunc(found * 1e4) / 1e4
    good = found[-1] > 0.05
    rows = replace(rows, mid=found[-1], iv_error=0 * rows.iv, printed=printed[:-1]).at(np.flatnonzero(good))
    return replace(one, rows=rows, stamps=one.stamps[good])


def left_to(minutes, floor=3_600_000, year=365.0):
    return lambda rows: np.maximum(rows.left + minutes * 60_000, floor) / (DAY_MS * year)


WAYS_OF_COUNTING = {
    "time-left; last day time-left": left_to(0),
    # Which witness can tell such a minute is another one on the last day.
    "time-left to 16:03; last day time-left to 16:03": left_to(3),
    "time-left to 16:05; last day time-left to 16:05": left_to(5),
    "time-left to 16:10; last day time-left to 16:10": left_to(10),
    "time-left to 16:15; last day time-left to 16:15": left_to(15),
    "time-left to 16:45; last day time-left to 16:45": left_to(45),
    "time-left; last day time-left, a minute at least": left_to(0, floor=60_000),
    "time-left of years of 365.25 days; last day time-left of years of 365.25 days": left_to(0, year=365.25),
    "whole-days of years of 365.25 days; last day fixed": lambda rows: np.where(
        rows.days > 0, rows.days / 365.25, 0.15 / 365
    ),
    "whole-days +1; last day 1 days": lambda rows: (rows.days + 1) / 365,
}


@pytest.mark.parametrize("name", WAYS_OF_COUNTING)
def test_any_way_to_count_time_is_a_fact_that_costs_nothing(name):
    samples = list(counted(DATE, WAYS_OF_COUNTING[name]))

    found = greeks.examine(samples, "latest")

    hits = {count.check.code: count.hits for counts in found.counts for count in counts if count.hits}
    assert set(hits) <= {"greeks-convention"}
    assert found.figures["greeks_convention"] == name
    assert found.figures["rate"] == pytest.approx(0.05, abs=2e-5)


def test_a_settlement_in_the_morning_is_told_of_its_root_alone():
    morning = list(counted(DATE, left_to(-390), root="SPX"))
    samples = [*morning, *counted(DATE, left_to(0))]

    found = greeks.examine(samples, "latest")

    hits = {count.check.code for counts in found.counts for count in counts if count.hits}
    assert hits == {"greeks-convention"}
    assert found.figures["greeks_convention"].startswith("time-left, time-left to 09:30;")


@pytest.mark.parametrize("date", [dt.date(2024, 3, 8), dt.date(2024, 11, 1)])
def test_a_clock_on_the_wall_is_told_across_a_change_of_clocks(date):
    samples = list(counted(date, lambda rows: np.maximum(rows.left + rows.shift, 3.6e6) / (DAY_MS * 365)))

    found = greeks.examine(samples, "latest")

    hits = {count.check.code for counts in found.counts for count in counts if count.hits}
    assert hits == {"greeks-convention"}
    assert found.figures["greeks_convention"].startswith("time-left by the local clock;")


@pytest.mark.parametrize(
    ("name", "years"),
    [
        ("time-left by the local clock", lambda rows: (rows.left + rows.shift) / (DAY_MS * 365)),
        ("time-left to 09:30", left_to(-390)),
        ("whole-days of years of 365.25 days", lambda rows: rows.days / 365.25),
    ],
)
def test_of_ways_that_fit_one_chain_alike_the_known_one_is_named(name, years):
    date = dt.date(2024, 11, 1)  # the session before the clocks change
    (one,) = counted(date, years, labels=[dt.date(2024, 11, 15)])

    found = greeks.examine([one], "latest")

    assert found.figures["greeks_convention"] == name


def test_of_two_chains_the_one_that_counts_wrongly_does_not_speak_for_the_other():
    # Four and a half years to go: its greeks fit whole days, and the time left until the morning too.
    def years(rows):
        return (rows.days - (rows.days < 30)) / 365

    near, far = counted(HALF_DAY, years, root="SPX")

    found = greeks.examine([near, far], "latest")

    accused = [{count.check.code for count in counts if count.hits} for counts in found.counts]
    assert "greeks-convention" in accused[0]
    assert accused[1] == set()


NONSENSE = {
    "negative": lambda rows: -rows.days / 365,
    "another day's": lambda rows: (rows.days - 1) / 365,
    "jumps": lambda rows: (rows.days + 0.7 * (np.round(rows.left / 3.6e6) % 2)) / 365,
    "far off": lambda rows: 3 * rows.days / 365,
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_time_of_one_chain_that_makes_no_sense_is_found_in_that_chain(kind):
    samples = list(counted(DATE, lambda rows: np.where(rows.days > 0, rows.days, 0.15) / 365))
    place = next(at for at, one in enumerate(samples) if one.days > 3)
    with np.errstate(all="ignore"):
        rows = samples[place].rows
        years = np.abs(NONSENSE[kind](rows))
        samples[place] = recounted(samples[place], years)
        if kind == "negative":
            samples[place].rows.printed[GREEKS.index("epsilon")] *= -1

    found = greeks.examine(samples, "1")

    accused = {
        at: {count.check.code for count in counts if count.hits and count.check.ruinous}
        for at, counts in enumerate(found.counts)
    }
    assert [at for at, codes in accused.items() if codes] == [place], accused
    assert accused[place] & {"greeks-time", "greeks-epsilon"}


def test_what_the_source_left_out_counts_on_neither_side(day):
    hits, _, figures = examined(everywhere(day, **{"lambda": pl.lit(None, dtype=pl.Float64)}))

    assert hits == {}
    assert figures["greeks_convention"] == "whole-days; last day time-left"


def test_a_chain_under_another_rate_is_found():
    spot, strike = np.full(200, 5000.0), np.linspace(4700, 5300, 200)
    call, years, iv = strike >= 5000, np.full(200, 30 / 365), np.full(200, 0.15)

    def printed(rate):
        found = explanation._modelled(
            Rows(spot, strike, call, 30 + 0 * spot, 0 * spot, call, spot, iv, 0 * spot, spot), years, rate, iv
        )
        values = np.trunc(found * 1e4) / 1e4
        rows = Rows(
            spot,
            strike,
            call,
            np.full(200, 30.0),
            np.full(200, 30 * 864e5),
            call,
            found[-1],
            iv,
            0 * spot,
            values[:-1],
        )
        stamps = np.full(200, midnight_ms(DATE))
        return greeks.Sample("SPX", 30, rows, stamps, greeks.Count(greeks.ZEROED, 0, 200))

    found = greeks.examine([printed(0.05), printed(0.05), printed(0.052)], "1")
    insane = greeks.examine([printed(0.2)], "1")

    codes = [{count.check.code for count in counts if count.hits} for counts in found.counts]
    assert codes[:2] == [set(), set()]
    assert "greeks-rate" in codes[2]
    assert {count.check.code for count in insane.counts[0] if count.hits} == {"greeks-rate"}


def test_one_precise_chain_does_not_outvote_the_others():
    years = Rate(0.0106, 1e-5)
    others = [Rate(0.0006, 5e-5), Rate(0.0009, 1e-3), None, Rate(0.0002, 2e-3)]

    found = explanation._agreed([years, *others])

    assert found.value == pytest.approx(0.0006, abs=1e-5)


@pytest.mark.parametrize("apart, contradict", [(0.0068, False), (0.0078, True)])
def test_rates_contradict_each_other_by_more_than_both_are_off(apart, contradict):
    for first, second in ((0.004, 0.003), (0.003, 0.004)):
        assert greeks._contradicts(Rate(0.04 + apart, first), Rate(0.04, second)) is contradict


@pytest.mark.parametrize("off, fits", [(0.005, True), (-0.005, True), (0.05, False)])
def test_an_option_is_explained_though_the_solver_missed_its_price_by_what_is_known(off, fits):
    strike = np.linspace(5000, 5600, 200)
    rows = Rows(
        spot=np.full(200, 5000.0),
        strike=strike,
        call=strike > 0,
        days=np.full(200, 30.0),
        left=np.full(200, 30 * 864e5),
        shift=0 * strike,
        mid=strike,
        iv=np.full(200, 0.15),
        iv_error=0 * strike,
        printed=np.zeros((len(GREEKS), 200)),
    )
    *values, price = explanation._modelled(rows, rows.days / 365, 0.05, rows.iv)
    missed = price + off
    values[GREEKS.index("lambda")] *= price / missed
    printed = np.trunc(np.stack(values) * 1e4) / 1e4
    rows = replace(rows, mid=price, iv_error=missed / price - 1, printed=printed)
    cheap = rows.at(np.flatnonzero((price > 0.5) & (price < 3)))

    accepted = explanation.explained(cheap, cheap.days / 365, Rate(0.05, 0.0))

    shares = dict(zip(VALUES, accepted.mean(axis=1), strict=True))
    assert len(cheap) > 10 and cheap.mid.max() > 2
    assert (shares.pop("lambda"), shares.pop("price")) == ((1.0, 1.0) if fits else (0.0, 0.0))
    assert set(shares.values()) == {1.0}


@pytest.mark.parametrize("way", expiry.WAYS)
def test_what_is_read_of_time_leads_to_its_way_whatever_of_its_error_is_used(way):
    chance = np.random.default_rng(1)
    days, left = np.full(400, 30.0), 30 * DAY_MS + np.linspace(23_400_000, 0, 400)
    error = 10 ** chance.uniform(3, 5, 400)  # ms: a stamp tells more than another
    counted = expiry._counted(way, days, left, 0 * days) * 365 / way.year

    reading = expiry.Reading(days, left, 0 * days, counted + error * chance.uniform(-1, 1, 400), error)

    offset, off = reading.offset(way)
    assert abs(offset) < 5 * off


@pytest.mark.parametrize(
    "seconds, error, meant",
    [
        (601, 2, 600),
        (640, 41, None),  # near a minute, of which each is as near
        (2702, 1, None),
        (2740, 41, 2700),  # a quarter of an hour
        (2761, 62, None),
        (940, 41, 900),  # 16:15 is known
        (23, 30, 0),
    ],
)
def test_an_offset_is_a_round_one_where_its_error_leaves_no_other(seconds, error, meant):
    found = expiry._recognized(expiry.TIME_LEFT.way, 1000.0 * seconds, 1000.0 * error)

    assert found == ((1000.0 * seconds, 1000.0 * error) if meant is None else (1000.0 * meant, 0.0))


# Genuine payloads ---------------------------------------------------------------------------------------


def genuine(rows, expiration):
    """Return rows that a terminal sent, as `Rows`; they name their date, strike (dollars) and right."""
    solved = [row for row in rows if float(row["implied_vol"]) > 0 and float(row["iv_error"]) < 100]

    def column(name):
        return np.array([float(row[name]) for row in solved])

    days = np.array([(expiration - date_of(row)).days for row in solved])
    return Rows(
        spot=column("underlying_price"),
        strike=column("strike"),
        call=np.array([row["right"] == "C" for row in solved]),
        days=days.astype(float),
        left=days * 86_400_000 + 57_600_000 - column("ms_of_day"),
        shift=0.0 * days,
        mid=(column("bid") + column("ask")) / 2,
        iv=column("implied_vol"),
        iv_error=column("iv_error"),
        printed=np.stack([column(name) for name in GREEKS]),
    )


def date_of(row):
    return dt.date.fromisoformat(str(row["date"]))


def bulk(path):
    document = json.loads(path.read_text())
    return [
        dict(zip(document["header"]["format"], tick, strict=True))
        | {"strike": chain["contract"]["strike"] / 1000, "right": chain["contract"]["right"]}
        for chain in document["response"]
        for tick in chain["ticks"]
    ]


def spxw(samples):
    lines = (samples / "v2_hist_option_greeks.SPXW_20241024_5850C_1h.csv").read_text().splitlines()
    return [row | {"strike": 5850, "right": "C"} for row in csv.DictReader(lines)]


@pytest.mark.parametrize("date", ["20241021", "20241022", "20241023", "20241024"])
def test_genuine_spxw_rows_are_explained_by_whole_days_and_the_rate_of_their_week(date, samples):
    rows = genuine([row for row in spxw(samples) if row["date"] == date], dt.date(2024, 10, 24))

    found = explanation.explain([rows], ["SPXW"])

    assert len(rows) == 15
    assert [clock.gives for clock in found.clocks] == [
        expiry.FIXED if date == "20241024" else expiry.WHOLE_DAYS
    ]
    assert explanation.explained(rows, found.clocks[0].gives.years(rows), found.rate).all()
    if found.told:
        assert found.rate.value == pytest.approx(0.0483, abs=5e-4)  # SOFR was 4.82 to 4.85 %


@pytest.mark.parametrize(
    "date, days", [("20241021", 3.0002), ("20241022", 2.0001), ("20241023", 1.0002), ("20241024", 0.1501)]
)
def test_genuine_spxw_rows_tell_their_time(date, days, samples):
    rows = genuine([row for row in spxw(samples) if row["date"] == date], dt.date(2024, 10, 24))

    with np.errstate(all="ignore"):
        printed = -rows.greek("epsilon") / (rows.spot * rows.greek("delta"))
        years, error = expiry._by_epsilon(rows)
        (clock, *_) = expiry.clocks([rows], ["SPXW"])[0]

    assert np.abs(365 * printed - days).min() < 5e-5
    assert (np.abs(365 * years - round(days, 2)) <= 365 * error).all()  # what is cut off explains the rest
    assert clock.gives.name(last_day=date == "20241024") == ("fixed" if date == "20241024" else "whole-days")


@pytest.mark.parametrize("greek", GREEKS)
def test_a_genuine_row_that_is_off_by_half_a_percent_is_not_explained(greek, samples):
    rows = genuine([row for row in spxw(samples) if row["date"] == "20241021"], dt.date(2024, 10, 24))
    rows.printed[GREEKS.index(greek)] *= 1.005

    accepted = explanation.explained(rows, expiry.WHOLE_DAYS.years(rows), Rate(0.0483, 2e-4))

    share = dict(zip(VALUES, accepted.mean(axis=1), strict=True))
    assert share.pop(greek) < 0.2
    assert set(share.values()) == {1.0}


@pytest.mark.parametrize(
    "name, expiration, rate",
    [
        ("v2_bulk_hist_option_greeks.AAPL_20230915.json", dt.date(2023, 9, 15), 0.053),
        ("v2_bulk_hist_option_all_greeks.AAPL_20231117.json", dt.date(2023, 11, 17), 0.0532),
    ],
)
def test_genuine_aapl_rows_of_v2_are_explained(name, expiration, rate, samples):
    rows = genuine(bulk(samples / name), expiration)

    accepted = explanation.explained(rows, expiry.WHOLE_DAYS.years(rows), Rate(rate, 1e-3))

    assert len(rows) >= 2
    assert accepted.all()


def test_genuine_aapl_rows_of_v3_are_explained(samples):
    # Bids of 0 and volatilities on pennies: the full tolerance of the solver is needed here.
    lines = (samples / "v3_option_history_greeks_first_order.AAPL_20241108.csv").read_text().splitlines()
    rows = []
    for row in csv.DictReader(lines):
        stamp = dt.datetime.fromisoformat(row["timestamp"])
        ms = (stamp.hour * 60 + stamp.minute) * 60_000
        rows.append(row | {"right": row["right"][0], "date": f"{stamp:%Y%m%d}", "ms_of_day": ms})

    found = genuine(rows, dt.date(2024, 11, 8))
    accepted = explanation.explained(found, expiry.WHOLE_DAYS.years(found), Rate(0.048, 1e-3))

    assert len(found) == 4
    assert accepted.all()
