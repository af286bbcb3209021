"""Gaps and plans of a lake on disk: in any range, with what stands in the way, for people and programs."""

import csv
import datetime as dt
import io
import json
import os
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner
from tests import sealed_days

from spx_data import config, status
from spx_data.cli import commands
from spx_data.cli.gaps import GAPS, print_plan
from spx_data.cli.lists import View
from spx_data.lake import acceptance, calendar
from spx_data.lake.runs import Run
from spx_data.lake.session_states import Kind
from spx_data.ops import gaps
from spx_data.ops.gaps import Conflict, find, plan
from spx_data.settings import Settings
from spx_data.store import dataset, files, journal, locks, reads

FRIDAY, SATURDAY, MONDAY = (dt.date(2024, 12, day) for day in (6, 7, 9))
SEALED, PARKED, ACCEPTED, NO_DATA = (dt.date(2024, 12, day) for day in (2, 3, 4, 5))
START, TODAY = SEALED, MONDAY
CALM = (6000.0, 6010.0, 5995.0, 6000.0)


@pytest.fixture
def moment(at):
    """Return a Monday's noon, so that the session is trading."""
    return at(2024, 12, 9, 12, 0)


@pytest.fixture
def settings(lake):
    """Return the settings of an empty lake of six sessions."""
    return lake(start_date=START.isoformat())


@pytest.fixture
def all_kinds(settings):
    """Return the settings of a lake with a sealed date, one of each that is not due, and one that is."""
    sealed_days.seal(settings, SEALED, CALM)
    sealed_days.fail(settings, PARKED, runs=3)
    acceptance.accept(settings, ACCEPTED, "a storm")
    at = dt.datetime(2024, 12, 9, 16, 30, tzinfo=dt.UTC).isoformat()  # half an hour ago
    sealed_days.record(settings, NO_DATA, journal.NO_DATA, at=at, cause="nothing listed")
    return settings


@pytest.fixture
def nowhere(nobody):
    """Return an address where nobody listens."""
    return nobody()


def what(planned):
    return {conflict.what: conflict for conflict in planned.conflicts}


# Gaps of a lake -----------------------------------------------------------------------------------------


def test_the_gaps_are_the_sessions_that_are_not_sealed(all_kinds, moment):
    found = {gap.date: gap for gap in find(all_kinds, moment)}

    assert {date: (gap.kind, gap.due) for date, gap in found.items()} == {
        PARKED: (Kind.PARKED, False),
        ACCEPTED: (Kind.ACCEPTED, False),
        NO_DATA: (Kind.NO_DATA, False),
        FRIDAY: (Kind.MISSING, True),
        TODAY: (Kind.PENDING, False),
    }
    assert found[FRIDAY].volatility == pytest.approx(0.0015, abs=1e-4)
    assert found[FRIDAY].estimate == gaps.Estimate(4_000, 40_000, 800_000, 60.0)


def test_what_is_known_already_is_not_read_again(all_kinds, moment, monkeypatch):
    known, found = status.summaries(all_kinds, moment), find(all_kinds, moment)
    monkeypatch.delattr(status, "summaries")

    assert find(all_kinds, moment, summaries=known) == found


def test_a_range_is_a_window_on_the_same_gaps(all_kinds, moment):
    every = find(all_kinds, moment)

    inside = find(all_kinds, moment, ACCEPTED, FRIDAY)

    assert inside == [gap for gap in every if ACCEPTED <= gap.date <= FRIDAY]


def test_any_range_can_be_asked_for_and_the_future_is_no_gap(all_kinds, moment):
    found = find(all_kinds, moment, dt.date(2024, 11, 27), dt.date(2030, 1, 1))

    outside = {gap.date.isoformat(): gap for gap in found if gap.date < START}
    assert list(outside) == ["2024-11-29", "2024-11-27"]  # the 28th was Thanksgiving
    assert not any(gap.due for gap in outside.values())
    assert outside["2024-11-29"].why.startswith("never tried; outside processing.start_date")
    assert outside["2024-11-29"].estimate.rows == round(4_000 * 210 / 390)
    assert max(gap.date for gap in found) == TODAY


def test_what_is_staged_of_a_date_outside_of_the_range_counts_too(settings, moment):
    outside = dt.date(2024, 11, 27)
    sealed_days.fail(settings, outside, runs=1)

    (gap,) = find(settings, moment, outside, outside)

    assert (gap.kind, gap.tries, gap.error, gap.due) == (Kind.FAILED, 1, "ApiResponseInvalidError", False)


def test_the_order_of_the_fill_is_the_order_of_the_gaps(settings, moment):
    for day, prices in ((2, (6000.0, 6600.0, 5900.0, 6000.0)), (4, CALM), (6, CALM)):
        sealed_days.seal(settings, dt.date(2024, 12, day), prices)
    wild = replace(settings, priority=settings.priority._replace(age=1, volatility=90))

    for each in (settings, wild):
        states = {
            session: summary.state
            for session, summary in zip(
                calendar.wanted(each, moment), status.summaries(each, moment), strict=True
            )
        }
        assert gaps.order(each, moment, states) == [gap.date for gap in find(each, moment) if gap.due]
    assert gaps.order(wild, moment, states) == [dt.date(2024, 12, 3), dt.date(2024, 12, 5)]


def test_an_empty_lake_is_ordered_without_reading_any_summary(settings, moment, monkeypatch):
    states = {summary.date: summary.state for summary in status.summaries(settings, moment)}
    wanted = {session: states[session.date] for session in calendar.wanted(settings, moment)}
    monkeypatch.setattr(status, "summaries", None)

    order = gaps.order(settings, moment, wanted)

    assert order == [dt.date(2024, 12, day) for day in (6, 5, 4, 3, 2)]


# Plans --------------------------------------------------------------------------------------------------


def test_a_plan_of_nothing_in_particular_takes_what_is_due(all_kinds, moment):
    planned = plan(all_kinds, moment, None, cores=4)

    assert planned.dates == [FRIDAY]
    assert (planned.rows, planned.bytes, planned.temp_bytes, planned.seconds) == (
        4_000,
        40_000,
        800_000,
        60.0,
    )
    assert planned.conflicts == ()


def test_totals_are_of_the_dates_side_by_side(lake, moment):
    settings = lake(start_date=START.isoformat(), max_concurrent_requests=3)
    sealed_days.seal(settings, SEALED)

    few, many = (plan(settings, moment, None, cores) for cores in (2, 16))

    assert [each.side_by_side for each in (few, many)] == [2, 3]
    assert [each.seconds for each in (few, many)] == [4 * 60 / 2, 4 * 60 / 3]
    assert [each.temp_bytes for each in (few, many)] == [1_600_000, 2_400_000]
    assert few.rows == many.rows == 16_000


def test_kept_checkpoints_need_room_for_all_dates(lake, moment):
    settings = lake(start_date=START.isoformat(), keep_ndjson=True)
    sealed_days.seal(settings, SEALED)

    assert plan(settings, moment, None, cores=2).temp_bytes == 4 * 800_000


def test_without_history_nothing_is_promised(settings, moment):
    planned = plan(settings, moment, None, cores=4)

    assert (planned.unknown, planned.rows, planned.bytes, planned.seconds) == (5, None, None, None)
    assert all(disk.needed is None and disk.fits for disk in planned.disks)


def test_room_is_needed_half_as_much_again_on_one_disk_or_on_two(all_kinds, moment, monkeypatch):
    layout = all_kinds.layout
    together = plan(all_kinds, moment, None, cores=4)
    monkeypatch.setattr(reads, "device", lambda path: 1 if path == layout.temp else 2)
    apart = plan(all_kinds, moment, None, cores=4)

    assert [(disk.folder, disk.needed) for disk in together.disks] == [(layout.output, 1_260_000)]
    assert {disk.folder: disk.needed for disk in apart.disks} == {
        layout.output: 60_000,
        layout.temp: 1_200_000,
    }


def test_a_disk_that_is_too_small_is_a_conflict(all_kinds, moment, monkeypatch):
    monkeypatch.setattr(reads, "free_bytes", lambda _: 1_000_000)

    conflict = what(plan(all_kinds, moment, None, cores=4))["disk"]

    assert conflict.blocking
    assert str(all_kinds.layout.output) in conflict.why


def test_every_asked_date_that_is_no_ordinary_gap_is_named(all_kinds, moment):
    asked = [SEALED, PARKED, ACCEPTED, NO_DATA, FRIDAY, SATURDAY, TODAY, dt.date(2025, 1, 2)]

    planned = plan(all_kinds, moment, asked, cores=4)

    assert {name: (conflict.dates, conflict.blocking) for name, conflict in what(planned).items()} == {
        "sealed": ((SEALED,), False),
        "parked": ((PARKED,), True),
        "accepted": ((ACCEPTED,), True),
        "no-data": ((NO_DATA,), False),
        "no-session": ((SATURDAY,), True),
        "trading": ((TODAY,), True),
        "future": ((dt.date(2025, 1, 2),), True),
    }
    # Those that only whoever named them wants come first, as in the fill.
    assert planned.dates == [NO_DATA, FRIDAY]
    assert what(planned)["accepted"].why == "2024-12-04: accepted as it is (a storm)"
    assert what(planned)["parked"].cure == "`spx-data retry 2024-12-03 --force` retries it"


def test_a_date_outside_of_the_range_can_be_planned(all_kinds, moment):
    planned = plan(all_kinds, moment, [dt.date(2024, 11, 27)], cores=4)

    assert planned.dates == [dt.date(2024, 11, 27)]
    assert planned.conflicts == ()


def test_many_dates_of_a_kind_are_one_conflict(settings, moment):
    saturdays = [f"2024-{day}" for day in ("10-26", "11-02", "11-09", "11-16", "11-23")]
    closed = [*saturdays, "2024-11-30", "2024-11-28"]

    planned = plan(settings, moment, map(dt.date.fromisoformat, closed), cores=4)

    assert planned.gaps == ()
    assert [(conflict.what, conflict.why) for conflict in planned.conflicts] == [
        ("no-session", f"{', '.join(saturdays)} and 1 more: a Saturday, no session of NYSE"),
        ("no-session", "2024-11-28: Thanksgiving, no session of NYSE"),
    ]


def test_no_dates_are_no_plan(settings, moment):
    assert plan(settings, moment, [], cores=4).gaps == ()


def test_a_run_at_work_is_in_the_way(settings, moment):
    begun = dt.datetime(2024, 12, 9, 11, tzinfo=dt.UTC)
    run = Run("a-run", os.getpid(), begun, "folder", "snakemake", (FRIDAY,))
    files.write_json(settings.layout.run_note, run.as_json())
    held = locks.hold(settings.layout.run_lock)

    busy = plan(settings, moment, None, cores=4)
    os.close(held)

    conflict = what(busy)["run"]
    assert f"process {os.getpid()}, since 2024-12-09 11:00 UTC, with 1 date" in conflict.why
    assert "spx-data stop" in conflict.cure
    assert plan(settings, moment, None, cores=4).conflicts == ()


def test_a_terminal_that_is_down_is_in_the_way_if_it_is_asked(lake, nowhere, moment):
    settings = lake(nowhere, start_date=START.isoformat())
    begun = time.monotonic()

    asked = plan(settings, moment, None, cores=4, ask_terminal=True)

    assert time.monotonic() - begun < 40
    assert nowhere in what(asked)["terminal"].why
    assert plan(settings, moment, None, cores=4).conflicts == ()
    assert not settings.layout.temp.exists()


def test_a_lake_of_another_data_set_is_in_the_way(lake, moment):
    dataset.claim(lake().layout, lake().identity("latest"))

    assert plan(lake(), moment, None, cores=4).conflicts == ()
    conflict = what(plan(lake(interval="5m"), moment, None, cores=4))["dataset"]
    assert "interval is 1m there and 5m now" in conflict.why


def test_a_terminal_with_another_greeks_model_is_in_the_way(lake, terminals, moment):
    dataset.claim(lake().layout, lake().identity("latest"))

    v3, v2 = (plan(lake(terminals[api].url), moment, None, 4, ask_terminal=True) for api in ("v3", "v2"))

    assert v3.conflicts == ()
    assert "greeks_version is latest there and 1 now" in what(v2)["dataset"].why


# Printed ------------------------------------------------------------------------------------------------


def test_a_plan_as_json_is_an_object(all_kinds, moment, capsys):
    lock = Conflict("lock", "a lock was left", "spx-data stop", blocking=False)
    planned = plan(all_kinds, moment, [PARKED, NO_DATA, FRIDAY], cores=4)
    planned = replace(planned, conflicts=(*planned.conflicts, lock))

    print_plan(planned, View("json"))

    printed = json.loads(capsys.readouterr().out)
    assert [row["date"] for row in printed["dates"]] == [date.isoformat() for date in planned.dates]
    assert list(printed["dates"][0]) == [*GAPS.fields]
    assert printed["totals"]["dates"] == 2
    assert printed["totals"]["disks"][0]["needed"] == round(1.5 * (2 * 40_000 + 2 * 800_000))
    assert [conflict["what"] for conflict in printed["conflicts"]] == ["parked", "no-data", "lock"]
    assert printed["conflicts"][0]["dates"] == ["2024-12-03"]


def test_a_plan_as_csv_is_its_dates_and_a_header_even_without_any(all_kinds, moment, capsys):
    print_plan(plan(all_kinds, moment, None, cores=4), View("csv"))
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    print_plan(plan(all_kinds, moment, [SEALED], cores=4), View("csv"))
    header = capsys.readouterr().out

    assert (row["date"], row["kind"], row["due"], row["error"]) == ("2024-12-06", "missing", "true", "")
    assert header == ",".join(row) + "\n"


def test_a_long_plan_shows_its_beginning_and_its_totals(lake, at, capsys):
    settings = lake(start_date="2024-10-01", end_date="2024-12-06")
    sealed_days.seal(settings, dt.date(2024, 10, 1))

    print_plan(plan(settings, at(2024, 12, 9, 8, 0), None, cores=4), View("table"))

    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("2024-") for line in lines) == 20
    assert any(line.startswith("20 of 47, ") for line in lines)
    assert any(line.startswith("47 dates to fill: about 1") and "3 side by side" in line for line in lines)


def test_a_plan_says_what_is_in_the_way_with_its_cure(all_kinds, moment, capsys):
    print_plan(plan(all_kinds, moment, [SATURDAY], cores=4), View("table"))

    assert capsys.readouterr().out.splitlines() == [
        "nothing to do",
        "2024-12-07: a Saturday, no session of NYSE. The last finished session is 2024-12-06",
    ]


# The command --------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch, moment):
    """Return a caller of `spx-data gaps` in a project of its own, whose lake is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPX_DATA_NOW", moment.isoformat())
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(f"processing: {{start_date: {START}}}\n")
    return lambda *arguments: CliRunner().invoke(commands, ["gaps", *arguments])


def test_an_unknown_cost_is_said_to_be_unknown(run):
    shown = run()

    assert shown.exit_code == 0
    assert "6 gaps, the next run takes 5" in shown.stdout
    assert "5 dates to fill: rows, size and time are unknown until a day is sealed" in shown.stdout


def test_words_for_dates_are_taken_at_their_first_and_last_day(run):
    listed = json.loads(
        run("--start-date", "last 2 weeks", "--end-date", "2024-12", "--format", "json").stdout
    )

    assert sorted(row["date"] for row in listed)[0] == "2024-11-26"
    assert sorted(row["date"] for row in listed)[-1] == "2024-12-09"


def test_no_gaps_are_said_to_be_none(run):
    assert run("--end-date", "2024-12-01", "--start-date", "2024-11-30").stdout == "no gaps\n"
    assert run("--end-date", "2024-12-01", "--start-date", "2024-11-30", "--format", "json").stdout == "[]\n"
    header = run("--end-date", "2024-12-01", "--start-date", "2024-11-30", "--format", "csv").stdout
    assert header == ",".join(GAPS.fields) + "\n"


@pytest.mark.parametrize(
    "arguments",
    [("--start-date", "2024-12", "--end-date", "2024-11"), ("--start-date", "tomorrow"), ("--cores", "0")],
)
def test_a_wrong_call_is_told_so(arguments, run):
    assert run(*arguments).exit_code == 2


def test_json_carries_every_field_of_every_gap(run):
    listed = json.loads(run("--format", "json").stdout)

    assert all(list(row) == [*GAPS.fields] for row in listed)
    assert listed[1] == {
        "date": "2024-12-06",
        "kind": "missing",
        "due": True,
        "needs_you": False,
        "why": "never tried",
        "cure": None,
        "tries": 0,
        "error": None,
        "expirations_staged": 0,
        "priority": 90.0,
        "priority_age": 60.0,
        "priority_volatility": 10.0,
        "priority_tries": 20.0,
        "volatility": None,
        "estimated_rows": None,
        "estimated_bytes": None,
        "estimated_temp_bytes": None,
        "estimated_seconds": None,
    }


def test_all_that_needs_a_person_is_one_line(run, tmp_path):
    settings = Settings.of(config.resolve(config.load(tmp_path / "config" / "config.yaml")))
    for date in (PARKED, FRIDAY):
        sealed_days.fail(settings, date, runs=3)

    shown = run("--format", "json")
    beside = run("--start-date", "2024-12-03", "--end-date", "2024-12-03")

    assert shown.exit_code == beside.exit_code == 1
    assert shown.stderr == (
        "spx-data: 2 dates need you: 2024-12-03, 2024-12-06. "
        "spx-data retry --all-failed --force retries all parked dates\n"
    )
    assert beside.stderr == "spx-data: 2024-12-03 needs you (parked): spx-data retry 2024-12-03 --force\n"


def test_a_corrupt_day_out_of_the_next_runs_reach_needs_a_person_too(run, tmp_path):
    settings = Settings.of(config.resolve(config.load(tmp_path / "config" / "config.yaml")))
    before = dt.date(2024, 11, 27)
    sealed_days.record(settings, before, journal.QUARANTINED, at="2024-12-01T00:00:00Z", damages=["lost"])
    sealed_days.fail(settings, PARKED, runs=3)

    shown = run("--start-date", "2024-11-27")

    assert shown.exit_code == 1
    assert shown.stderr == (
        "spx-data: 2 dates need you: 2024-11-27, 2024-12-03. --format json names the command for each\n"
    )
