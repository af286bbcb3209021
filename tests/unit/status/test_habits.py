"""Habits of a lake's source: told once, held against no day; what differs from them still counts."""

import datetime as dt
import random
import sqlite3

import pytest
from rich.console import Console
from tests.sealed_days import LISTED, judged, seal

from spx_data import status
from spx_data.cli import listing, overview, quality_report
from spx_data.cli import quality as cli_quality
from spx_data.cli.lists import View
from spx_data.ops.health import Level, Scene, alerts, look_at
from spx_data.status import day_report, quality
from spx_data.status.quality import beyond

MOMENT = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9, 10, 11, 12, 16)]


def digest(*lost, parts=("greeks", "quotes")):
    """Return a digest of a day with the checks *lost*."""
    points = dict.fromkeys(parts, 100.0)
    for entry in lost:
        points[entry[5]] = min(points[entry[5]], entry[4])
    return {"parts": points, "lost": list(lost), "complete": True}


def price(hits=900, chains=40, points=0.0, check="greeks-price", part="greeks"):
    return [check, hits, 1_000, "values", points, part, chains, 40]


def test_what_nearly_all_chains_of_nearly_all_days_have_is_one_habit():
    days = [digest(price(hits)) for hits in (900, 910, 890, 905, 900, 899, 901, 900, 900)]

    found = quality.habits_of([*days, digest()])

    (habit,) = found.values()
    assert (habit.check, habit.days, habit.judged, habit.share) == ("greeks-price", 9, 10, 0.9)
    assert str(habit).startswith(
        "this source does greeks-price (90 % of values, in 9 of 10 judged days): the "
    )
    assert beyond(days[0], found) == ({"greeks": 100.0, "quotes": 100.0}, [])


@pytest.mark.parametrize(
    "days",
    [
        [digest(price())] * 4,  # too few days
        [digest(price())] * 8 + [digest()] * 2,  # not nearly all of them
        [digest(price(chains=20))] * 10,  # half of the chains
        [digest(price(check="missing", part="quotes"))] * 10,  # what lacks is no habit
        [None] * 10,
    ],
)
def test_what_is_rarer_is_no_habit(days):
    assert quality.habits_of(days) == {}


def test_the_order_of_days_makes_no_difference():
    days = [digest(price(random.Random(seed).randint(700, 999))) for seed in range(30)]
    shuffled = random.Random(1).sample(days, len(days))

    assert quality.habits_of(days) == quality.habits_of(shuffled)


@pytest.mark.parametrize("usual, differs", [(20, 45), (100, 230), (600, 850)])
def test_a_day_that_differs_from_the_habit_still_counts(usual, differs):
    odd = digest(price(differs))
    found = quality.habits_of([*[digest(price(usual))] * 20, odd])

    points, lost = beyond(odd, found)

    assert points["greeks"] == 0.0
    assert [each.check for each in lost] == ["greeks-price"]


def test_another_check_of_the_same_part_keeps_its_points():
    both = digest(price(), price(30, chains=1, points=70.0, check="greeks-vega"))
    found = quality.habits_of([*[digest(price())] * 9, both])

    points, lost = beyond(both, found)

    assert points == {"greeks": 70.0, "quotes": 100.0}
    assert [each.check for each in lost] == ["greeks-vega"]


# Sealed days --------------------------------------------------------------------------------------------


@pytest.fixture
def settings(lake):
    """Return the settings of a lake of ten days, of which the last is also crossed in one chain."""
    settings = lake(end_date="2024-02-15")
    for date in DAYS:
        worth = judged(parity=40.0, **({"quotes": 60.0} if date == DAYS[-1] else {}))
        for check in worth["checks"]:
            check["chains"] = LISTED if check["part"] == "parity" else check["chains"]
        seal(settings, date, quality=worth)
    return settings


def test_a_habit_is_a_notice_and_the_days_are_good_without_it(settings):
    lines = status.summaries(settings, MOMENT)
    scene = Scene(settings, MOMENT, lines)

    days = quality.days(lines, settings.quality)

    assert [day.verdict for day in days] == ["good"] * 9 + ["warn"]
    assert {(day.parity, day.score) for day in days[:-1]} == {(100.0, 100.0)}
    assert [day.findings for day in days[:-1]] == [()] * 9
    assert days[-1].findings[0].startswith("crossed: ")
    told = look_at("habits", scene)
    assert (told.level, told.value) == (Level.NOTICE, 1)
    assert told.found.startswith("this source does parity (3 % of pairs, in 10 of 10 judged days): ")
    worth = look_at("quality", scene)
    assert worth.dates == (DAYS[-1],)
    assert "most of all crossed (1)" in worth.found


def test_the_status_log_scores_without_it(settings):
    status.rebuild(settings, MOMENT)

    with sqlite3.connect(settings.layout.database) as log:
        scores = log.execute("SELECT score, verdict FROM quality ORDER BY date").fetchall()
        metrics = log.execute(
            "SELECT 1 FROM performance_metrics WHERE metric_name = 'quality_score'"
        ).fetchall()

    assert scores[:-1] == [(100.0, "good")] * 9
    assert len(metrics) == 10


def test_every_face_scores_without_it_and_tells_it_once(settings):
    lines = status.summaries(settings, MOMENT)
    found = quality.habits(lines)

    row = listing.session(lines[0], settings.quality, found)
    told = day_report.of(settings, lines, quality.days(lines, settings.quality), DAYS[0])

    assert (row["score"], row["verdict"]) == (100.0, "good")
    assert [check["check"] for check in told["checks"] if check["habit"]] == ["parity"]
    assert {part["score"] for part in told["parts"]} == {100.0}
    assert day_report.worst(told["checks"], "parity") is None
    assert (told["score"], told["verdict"]) == (100.0, "good")


def test_status_shows_it_as_a_notice(settings):
    console = Console(record=True, width=200)

    overview.print_alerts(alerts(Scene(settings, MOMENT, status.summaries(settings, MOMENT))), console)

    (line,) = [line for line in console.export_text().splitlines() if "this source does" in line]
    assert line.startswith("notice: this source does parity")


def test_the_quality_of_days_and_of_one_day_name_it(settings, capsys):
    lines = status.summaries(settings, MOMENT)
    found = day_report.of(settings, lines, quality.days(lines, settings.quality), DAYS[0])

    cli_quality._tell_habits(lines, View())
    days = capsys.readouterr().out
    quality_report._checks(found, Console(width=200))
    one = capsys.readouterr().out

    assert days.startswith("notice: this source does parity (3 % of pairs, in 10 of 10 judged days): ")
    assert "this source always has parity: it costs the day no points" in one
