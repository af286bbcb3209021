"""What filling took so far: shared time counted once, habits found, intervals that hold what comes."""

import datetime as dt
import importlib.util
import sys
import time
from pathlib import Path

import pytest

from spx_data.ops.gaps import learned
from spx_data.ops.gaps.intervals import Interval, of_ratios, quantile
from spx_data.ops.gaps.learned import ENOUGH, Filled, Learned, Wanted

ROOT = Path(__file__).resolve().parents[4]
NIGHT = dt.datetime(2024, 3, 1, 2, 10, tzinfo=dt.UTC)
DAY = dt.timedelta(1)


@pytest.fixture(scope="module")
def bench():
    """Return the benchmark, whose histories are those whose results are recorded."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(ROOT / "benchmarks")
        spec = importlib.util.spec_from_file_location("calibration", ROOT / "benchmarks" / "calibration.py")
        module = importlib.util.module_from_spec(spec)
        patched.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


def fills(count, *, speed=lambda _: 1000.0, begun=lambda number: NIGHT + number * DAY, rows=60_000):
    """Make so many fills of one date each."""
    return [
        Filled(
            "SPX",
            dt.date(2023, 1, 2) + number * DAY,
            390.0,
            begun(number),
            begun(number) + dt.timedelta(seconds=rows / speed(number)),
            rows,
            rows,
            10 * rows,
            rows / speed(number),
        )
        for number in range(count)
    ]


def wobbly(number):
    return 1000.0 * (1.0, 1.2, 0.9, 1.05, 0.85)[number % 5]


# Time by the clock --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stretches", "seconds"),
    [
        ([(0, 10)], [10]),
        ([(0, 10), (10, 15)], [10, 5]),
        ([(0, 10), (5, 15)], [10, 5]),
        ([(5, 6), (0, 10)], [1, 9]),
        ([(0, 1), (4, 5), (0, 10)], [1, 1, 8]),
        ([(0, 10), (2, 10)], [10, 0]),
        ([(0, 1), (20, 21), (0, 22)], [1, 1, 20]),
    ],
)
def test_time_that_two_dates_shared_counts_once(stretches, seconds):
    covered = learned._Covered()

    assert [covered.take(*stretch) for stretch in stretches] == seconds


def test_dates_side_by_side_take_as_long_as_all_of_them_together():
    covered, ends = learned._Covered(), [(start, start + 30) for start in range(0, 1000, 7)]

    assert sum(covered.take(*stretch) for stretch in ends) == ends[-1][1]


# Intervals ----------------------------------------------------------------------------------------------


def test_a_lake_without_history_tells_nothing():
    empty = Learned([])

    assert empty.span([Wanted("SPX", dt.date(2024, 1, 2), 1000)], NIGHT) is None
    assert empty.seconds([Wanted("SPX", dt.date(2024, 1, 2), 1000)], NIGHT) is None
    assert empty.growth(5) is None
    assert empty.usual_start(NIGHT) is None
    assert empty.best_start(NIGHT) is None


def test_an_interval_needs_as_many_fills_as_are_said_to_be_enough():
    wanted = [Wanted("SPX", dt.date(2024, 1, 2), 60_000)]

    assert Learned(fills(ENOUGH - 1, speed=wobbly), dt.UTC).span(wanted, NIGHT) is None
    span = Learned(fills(ENOUGH, speed=wobbly), dt.UTC).span(wanted, NIGHT)

    assert span.p10 < span.p50 < span.p90
    assert 45 < span.p50 < 75


def test_fills_that_never_differ_leave_no_doubt():
    span = Learned(fills(30), dt.UTC).span([Wanted("SPX", dt.date(2024, 1, 2), 60_000)] * 3, NIGHT)

    assert [span.p10, span.p50, span.p90] == pytest.approx([180.0] * 3)


def test_seven_ratios_make_an_interval_and_six_do_not():
    assert of_ratios([1.0, 1.1, 0.9, 1.2, 0.8, 1.0], 6) is None
    found = of_ratios([1.0, 1.1, 0.9, 1.2, 0.8, 1.0, 1.0], 7, margin=1.3)

    assert found.p10 < 0.8
    assert found.p90 > 1.2
    assert found.p50 == pytest.approx(1.0)


def test_ratios_that_overlap_count_as_few_as_they_are_worth():
    ratios = [0.8, 0.9, 1.0, 1.1, 1.2] * 4

    many, few = of_ratios(ratios, 20), of_ratios(ratios, 7)

    assert few.p10 < many.p10
    assert few.p90 > many.p90
    assert of_ratios(ratios, 6.9) is None


def test_quantiles_lie_between_what_was_seen():
    assert [quantile([1.0, 2.0, 4.0], share) for share in (0, 0.25, 0.5, 0.75, 1)] == [1, 1.5, 2, 3, 4]


@pytest.mark.parametrize(("history", "backlog"), [(10, 1), (15, 14), (40, 5), (250, 1), (250, 14)])
@pytest.mark.parametrize("name", ["scatter of dates and nights", "a date in fourteen meets an outage"])
def test_four_of_five_lie_inside_of_what_was_said(bench, name, history, backlog):
    seeds = range(60) if history > 100 else range(150)
    found = [bench.case(bench.SCENARIOS[name], history, backlog, seed) for seed in seeds]
    seconds, sizes = (list(some) for some in zip(*found, strict=True))

    assert bench.inside(seconds)[0] >= 0.8
    assert bench.inside(sizes)[0] >= 0.8


# When ---------------------------------------------------------------------------------------------------


def test_the_usual_start_is_the_next_time_that_runs_began_at():
    found = Learned(fills(12), dt.UTC).usual_start(dt.datetime(2024, 3, 20, 15, tzinfo=dt.UTC))

    assert found == dt.datetime(2024, 3, 21, 2, 10, tzinfo=dt.UTC)


def test_a_habit_around_midnight_is_one():
    begin = dt.datetime(2024, 3, 1, 23, 55, tzinfo=dt.UTC)
    late = fills(10, begun=lambda number: begin + number * DAY + dt.timedelta(minutes=10 * (number % 2)))

    found = Learned(late, dt.UTC).usual_start(dt.datetime(2024, 3, 20, 15, tzinfo=dt.UTC))

    assert found.strftime("%H:%M") in {"23:55", "00:00", "00:05"}


def test_runs_at_any_time_are_no_habit():
    anytime = fills(10, begun=lambda number: NIGHT + number * dt.timedelta(hours=29))

    assert Learned(anytime, dt.UTC).usual_start(NIGHT) is None


def test_slow_hours_are_told_from_fast_ones():
    by_turns = fills(
        60,
        speed=lambda number: 1000.0 * (0.5 if number % 2 else 1.0),
        begun=lambda number: NIGHT + number // 2 * DAY + dt.timedelta(hours=12 * (number % 2)),
    )
    known, noon = Learned(by_turns, dt.UTC), dt.datetime(2024, 6, 3, 13, tzinfo=dt.UTC)

    assert known.best_start(noon).hour == 2
    assert known.effect(NIGHT) - known.effect(NIGHT + dt.timedelta(hours=12)) == pytest.approx(0.69, abs=0.2)
    groups = learned.by(known.fills, lambda each: each.begun.hour)
    assert [(group.key, group.fills, group.speed.p50) for group in groups] == [
        (2, 30, pytest.approx(1000)),
        (14, 30, pytest.approx(500)),
    ]


def test_where_all_fills_began_at_one_hour_no_other_is_said_to_be_better():
    assert Learned(fills(30), dt.UTC).best_start(NIGHT) is None


def test_ten_years_of_fills_are_gone_through_in_a_moment():
    known = Learned(fills(2500, speed=wobbly), dt.UTC)
    begun = time.process_time()

    known.span([Wanted("SPX", dt.date(2030, 1, 2), 60_000)] * 14, NIGHT)

    assert time.process_time() - begun < 2.0


def test_an_interval_is_scaled():
    assert Interval(1, 2, 3).times(2) == Interval(2, 4, 6)
