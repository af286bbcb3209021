"""Scores, verdicts, outliers and trends of sealed days: from passports and digests made by hand."""

import contextlib
import dataclasses
import datetime as dt
import json
import sqlite3
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sealed_days import judged, seal

from spx_data import status
from spx_data.lake.session_states import Kind, State
from spx_data.market import products, records
from spx_data.quality.checks import Part
from spx_data.settings import Quality
from spx_data.status import Facts, Summary, digest, neighbours, quality, trends
from spx_data.status.neighbours import Listings, Neighbourhood

RULES = Quality(
    rejected_percent=1,
    warn_below=95,
    fail_below=80,
    outlier_z=6,
    weights=dict.fromkeys(quality.PARTS, 1.0) | {"smile": 0.0},
)
FIRST = dt.date(2024, 1, 2)
DAYS = [FIRST + dt.timedelta(number) for number in range(3)]


def day(number, **figures):
    whole = dict.fromkeys((field.name for field in dataclasses.fields(quality.Day)), None)
    usual = {"rows": 1, "rows_per_minute": 100.0, "spread_median": 0.02, "score": 100.0, "findings": ()}
    return quality.Day(**{**whole, **usual, "date": FIRST + dt.timedelta(number), **figures})


def summary(number, expirations):
    return Summary(
        FIRST + dt.timedelta(number), State(Kind.SEALED), Facts(quality={"expirations": expirations})
    )


@pytest.fixture
def judge(lake):
    """Return what seals a judged day and gives its summary."""

    def sealed(date=FIRST, **sections):
        settings = lake(end_date="2024-01-31")
        seal(settings, date, **{"quality": judged(), **sections})
        lines = status.summaries(settings, dt.datetime(2024, 2, 1, tzinfo=dt.UTC))
        return next(line for line in lines if line.date == date)

    return sealed


# Digests and scores ---------------------------------------------------------------------------------------


def test_the_parts_are_those_of_the_judgement():
    assert tuple(part.value for part in Part) == quality.PARTS


def test_a_day_says_what_its_passport_says(judge):
    line = judge(
        rows=3_910_000,
        quality=judged(spread=0.03, level=0.2, quotes=50.0, greeks=80.0),
        completeness={"contracts_missing": 2, "stamps_missing": 7, "complete": False},
        rejects={
            "rows": 13,
            "reasons": {"strike": 3, records.CONFLICT: 10},
            "duplicates_dropped": 4,
            "conflicts": 5,
        },
        session={"findings": ["the vendor says 13:00"]},
    )

    (found,) = quality.days([line], RULES)

    assert (found.quotes, found.greeks, found.parity) == (50.0, 80.0, 100.0)
    assert (found.complete, found.contracts_missing, found.stamps_missing) == (False, 2, 7)
    assert (found.rejected, found.duplicates_dropped, found.conflicts) == (3, 4, 5)
    assert (found.spread_median, found.iv_level) == (0.03, 0.2)
    assert found.rows_per_minute == pytest.approx(3_910_000 / 390, abs=0.1)
    assert found.findings == (
        "crossed: 100 of 4,000 quotes (2.5 %)",
        "delta: 8 of 800 values (1 %)",
    )
    assert found.session_findings == ("the vendor says 13:00",)


def test_a_digest_is_the_same_when_it_is_remembered(judge):
    found = judge(quality=judged(quotes=50.0)).facts.quality

    assert json.loads(json.dumps(found)) == found


def test_a_day_that_nobody_judged_is_left_out(judge):
    line = judge(quality=None)

    assert line.facts.quality is None
    assert quality.days([line], RULES) == []
    assert quality.standing(None, RULES) == (None, None)


def test_rows_are_those_of_a_minute_of_the_session(judge):
    half = judge(dt.date(2024, 1, 3), rows=2_100_000, closes=dt.time(13))
    hours = {"first_stamp_expected": "2024-01-04T10:00:00-05:00"}
    narrow = judge(dt.date(2024, 1, 4), rows=3_600_000, session=hours)
    unknown = judge(dt.date(2024, 1, 5), session=None)

    found = quality.days([half, narrow, unknown], RULES)

    assert [one.rows_per_minute for one in found] == [10_000, 10_000, None]


def test_edited_weights_count_at_once(judge):
    line = judge(quality=judged(quotes=40.0))

    alone = RULES._replace(weights={"quotes": 1.0})

    assert quality.days([line], RULES)[0].score == 90.0
    assert quality.days([line], alone)[0].score == 40.0


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        ({"quotes": 100.0, "parity": 100.0}, "good"),
        ({"quotes": 95.0, "parity": 95.0}, "good"),
        ({"quotes": 94.9, "parity": 94.9}, "warn"),
        ({"quotes": 79.9, "parity": 79.9}, "fail"),
        (dict.fromkeys(quality.PARTS, 100.0) | {"quotes": 79.0}, "warn"),  # one part is ruined
        ({"quotes": 100.0, "smile": 0.0}, "good"),  # it has no weight
        ({"smile": 100.0}, None),
    ],
)
def test_a_verdict_comes_from_the_thresholds_and_hides_no_part(points, verdict):
    found, told = quality.standing({"parts": points, "lost": [], "complete": True}, RULES)

    assert told == verdict
    assert (found is None) == (verdict is None)


@pytest.mark.parametrize(("points", "verdict"), [(100.0, "warn"), (96.0, "warn"), (79.0, "fail")])
def test_a_day_that_is_not_complete_is_never_good(points, verdict):
    found, told = quality.standing({"parts": {"quotes": points}, "lost": [], "complete": False}, RULES)

    assert (found, told) == (points, verdict)


@pytest.mark.parametrize(
    ("share", "words"),
    [(1.0, "100 %"), (0.9961, "100 %"), (0.994, "99 %"), (0.031, "3.1 %"), (0.0000256, "0.0026 %")],
)
def test_a_share_has_two_digits_that_count(share, words):
    assert quality.percent(share) == words


# The status log -----------------------------------------------------------------------------------------


def test_the_status_log_has_what_each_day_is_worth_check_by_check(lake):
    settings, moment = lake(end_date="2024-01-04"), dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
    for date, section in zip(DAYS, (judged(), judged(quotes=50.0), None), strict=True):
        seal(settings, date, quality=section, session={"findings": ["the vendor says 13:00"]})

    status.rebuild(settings, moment)
    first = dump(settings)
    settings.layout.database.unlink()
    status.rebuild(settings, moment)

    assert dump(settings) == first
    with contextlib.closing(sqlite3.connect(settings.layout.database)) as connection:
        ask = lambda query: connection.execute(query).fetchall()  # noqa: E731
        assert ask("SELECT date, verdict, quotes, complete, stamps_missing FROM quality") == [
            ("2024-01-02", "good", 100.0, 1, 0),
            ("2024-01-03", "warn", 50.0, 1, 0),
        ]
        assert ask(
            "SELECT date, hits, looked_at, share, first_hit FROM quality_checks WHERE score < 100"
        ) == [("2024-01-03", 100, 4000, 0.025, "SPX 2024-01-19 C 4700 at 10:31")]
        assert ask("SELECT json_array_length(findings), session_findings FROM quality") == [
            (0, '["the vendor says 13:00"]'),
            (1, '["the vendor says 13:00"]'),
        ]
        assert ask(
            "SELECT metric_value, context FROM performance_metrics WHERE metric_name = 'quality_score'"
        ) == [
            (100.0, "good"),
            (95.0, "warn"),
        ]


def dump(settings):
    with contextlib.closing(sqlite3.connect(settings.layout.database)) as connection:
        return list(connection.iterdump())


# Trends -------------------------------------------------------------------------------------------------


def test_trends_follow_the_trading_date_and_small_figures_keep_their_digits():
    days = [day(31 * month, spread_median=0.0201 - 0.0005 * month) for month in range(8)]
    found = trends.periods(days, quality.MEASURES, "month")

    every = {line.measure.name: line for line in trends.trends(found, quality.MEASURES)}
    spread = every["spread_median"]

    assert found[0].name == "2024-01"
    assert found[1].medians["spread_median"] == 0.0196
    assert spread.verdict == "spreads get narrower: 2.7 % a period"


# Outliers -----------------------------------------------------------------------------------------------


def measures(found):
    return [each.measure for each in found]


def test_a_day_unlike_its_neighbours_stands_out_by_factor_and_points():
    among = Neighbourhood([day(number) for number in range(20)] + [day(20, spread_median=0.08, score=41.0)])

    found = among.outliers(20, 6)

    assert measures(found) == ["score", "spread_median"]
    assert [str(each) for each in found] == ["score -59.0", "spread ×4"]
    assert among.outliers(10, 6) == []


def test_neighbours_that_are_all_alike_make_no_outlier_of_a_trifle():
    among = Neighbourhood([day(number) for number in range(20)] + [day(20, rows_per_minute=105.0)])

    assert among.outliers(20, 6) == []
    assert [each.z for each in among.distances(20) if each.measure == "rows_per_minute"] == [4.9]


def test_wild_neighbours_hide_no_outlier():
    wild = {number: {"spread_median": 0.5} for number in range(0, 20, 3)}
    among = Neighbourhood([day(number, **wild.get(number, {})) for number in range(20)])

    assert "spread_median" in measures(among.outliers(9, 6))
    assert among.outliers(10, 6) == []


@pytest.mark.parametrize("others", [7, 8])
def test_few_neighbours_tell_nothing(others):
    among = Neighbourhood([day(number) for number in range(others)] + [day(others, spread_median=0.08)])

    assert bool(among.outliers(others, 6)) == (others >= 8)


def test_a_day_is_not_compared_across_a_hole_of_months():
    among = Neighbourhood([day(number) for number in range(20)] + [day(200, spread_median=0.08)])

    assert among.distances(20) == []


def test_what_is_unknown_or_nothing_is_not_compared():
    among = Neighbourhood([day(number) for number in range(20)] + [day(20, spread_median=0.0, score=None)])

    assert measures(among.distances(20)) == ["rows_per_minute"]


@given(
    st.lists(st.floats(0, 100), min_size=2, max_size=40),
    st.integers(0, 39),
)
def test_the_z_score_is_that_of_iglewicz_and_hoaglin(scores, place):
    place %= len(scores)
    among = Neighbourhood([day(number, score=score) for number, score in enumerate(scores)])
    found = next((each for each in among.distances(place) if each.measure == "score"), None)

    before, after = scores[:place], scores[place + 1 :]
    take = 20 - min(len(after), 10), 20 - min(len(before), 10)
    around = before[max(0, len(before) - take[0]) :] + after[: take[1]]
    middle = statistics.median(around)
    mad = statistics.median([abs(other - middle) for other in around])

    if len(around) < 8:
        assert found is None
    elif 0.6745**-1 * mad > 0.5:
        # They divide by MAD / 0.6745, which 1.4826 spells to four digits.
        assert found.z == pytest.approx(0.6745 * (scores[place] - middle) / mad, rel=1e-3, abs=0.06)
    else:
        assert found.z == pytest.approx(2 * (scores[place] - middle), rel=0.01, abs=0.06)


# Listings -----------------------------------------------------------------------------------------------


def test_an_expiration_that_the_days_beside_have_is_lost():
    listings = Listings(
        products.DEFAULT,
        [summary(0, "SPX 9;SPXW 1 2 8"), summary(1, "SPX 8;SPXW 0 1"), summary(2, "SPX 7;SPXW 0 6")],
    )

    assert listings.lost(0) == []
    assert listings.lost(1) == ["SPXW 2024-01-10"]
    assert listings.lost(2) == []


def test_what_expired_meanwhile_is_not_lost():
    assert Listings(products.DEFAULT, [summary(0, "SPXW 0 1"), summary(2, "SPXW 5")]).lost(1) == []


def test_a_listing_of_weeks_ago_tells_nothing():
    assert Listings(products.DEFAULT, [summary(0, "SPXW 60"), summary(20, "SPXW 5")]).lost(1) == []


def test_expirations_are_read_back_as_they_were_listed(judge):
    line = judge(dt.date(2024, 1, 3))

    assert list(digest.expirations(line.facts.quality, line.date)) == [
        ("SPX", dt.date(2024, 1, 5) + dt.timedelta(7 * week)) for week in range(4)
    ]
    assert list(digest.expirations({"expirations": ""}, line.date)) == []


def test_every_figure_that_is_followed_is_one_of_a_day():
    names = {field.name for field in dataclasses.fields(quality.Day)}

    assert {followed.name for followed in neighbours.FOLLOWED} <= names
    assert {measure.name for measure in quality.MEASURES} <= names
