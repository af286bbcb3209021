"""What each check and each alert calls ok, warn and fail: from summaries made by hand."""

import datetime as dt
import grp
import shlex
import subprocess
import types
from dataclasses import replace

import psutil
import pytest

from spx_data.errors import DeviceError
from spx_data.lake import calendar
from spx_data.lake.runs import Run
from spx_data.lake.session_states import Kind, State
from spx_data.market import sessions
from spx_data.ops.health import Answer, Level, Scene, alerts, worst
from spx_data.ops.health.dates import (
    completeness,
    consecutive_missing,
    corrupt,
    failure_rate,
    holes,
    outliers,
    parked,
    quality,
    rejects,
)
from spx_data.ops.health.machine import connectivity, disk, memory, outage, request_limit, run
from spx_data.ops.health.permissions import permissions
from spx_data.ops.health.scene import fail, guarded, named, of_these, ok, warn
from spx_data.status import Facts, Summary, Trouble
from spx_data.store import journal, reads, room
from spx_data.text.words import counted

MOMENT = dt.datetime(2024, 2, 1, 12, tzinfo=dt.UTC)
LATELY, LONG_AGO = "2024-01-30T22:00:00.000+00:00", "2023-06-01T22:00:00.000+00:00"
LAST_WEEK = "2024-01-24T22:00:00.000+00:00"
# Twelve sessions in a row, from 2024-01-02 to 2024-01-18.
DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9, 10, 11, 12, 16, 17, 18)]
S, M, F, P, K, C, N, A, W = (
    Kind.SEALED,
    Kind.MISSING,
    Kind.FAILED,
    Kind.PARTIAL,
    Kind.PARKED,
    Kind.CORRUPT,
    Kind.NO_DATA,
    Kind.ACCEPTED,
    Kind.PENDING,
)


def line(date, kind=S, **facts):
    return Summary(date, State(kind), Facts(**facts))


def troubled(date, kind=N, error="ApiDataNotFoundError", reason="nothing", tries=0, cure=""):
    return Summary(date, State(kind, False, reason, tries, error, cure), Facts())


def lines(kinds, **facts):
    return [line(date, kind, **facts) for date, kind in zip(DAYS, kinds, strict=False)]


def trouble(date, error, event=journal.RETRIED, at=LATELY):
    return Trouble(date.isoformat(), at, event, error, "cause", "download", "run", None, None, 1, None)


def run_of(*dates, started_at=MOMENT):
    return Run("run", 4711, started_at, "/lake", "snakemake", dates)


@pytest.fixture
def scene(lake, monkeypatch):
    """Return a maker of scenes whose calendar has the twelve sessions and no other."""
    hours = dt.datetime(2024, 1, 2, 9, 30, tzinfo=dt.UTC)
    known = [sessions.Session(date, hours, hours) for date in DAYS]
    monkeypatch.setattr(calendar, "wanted", lambda *_: known)

    def make(summaries=(), run=None, answer=None, settings=None):
        return Scene(settings or lake(), MOMENT, summaries, run, answer)

    return make


# Words --------------------------------------------------------------------------------------------------


def test_an_error_in_a_check_is_a_failed_check_with_the_errors_cure():
    def broken():
        raise DeviceError("the disk is on fire", cure="Put it out", path="/x")

    check = guarded("disk", broken)

    assert (check.name, check.level, check.found) == ("disk", Level.FAIL, "the disk is on fire")
    assert check.cure == "Put it out"


def test_a_defect_in_a_check_is_a_failed_check_that_names_it():
    check = guarded("disk", lambda: 1 / 0)

    assert check.level is Level.FAIL
    assert check.found == "could not be checked: ZeroDivisionError: division by zero"
    assert "report" in check.cure


def test_the_worst_of_checks_is_their_level():
    good, doubtful, bad = ok(""), warn("", ""), fail("", "")

    assert worst([]) is Level.OK
    assert worst([good, good]) is Level.OK
    assert worst([good, doubtful, good]) is Level.WARN
    assert worst([doubtful, bad, good]) is Level.FAIL


def test_many_dates_are_named_by_the_first_few():
    assert named(DAYS[:2]) == "2024-01-02, 2024-01-03"
    assert named(DAYS[:5]) == "2024-01-02, 2024-01-03, 2024-01-04 and 2 more"


def test_a_command_for_many_dates_is_written_out_for_the_first_that_it_takes_at_once():
    assert of_these(DAYS[:1], "retry DATE") == "retry 2024-01-02"
    assert of_these(DAYS[:3], "look DATE") == "look 2024-01-02 (2 more dates)"
    assert of_these(DAYS[:2], "retry DATE", at_once=3) == "retry 2024-01-02,2024-01-03"
    assert of_these(DAYS[:4], "retry DATE", at_once=3).endswith(",2024-01-04 (1 more date)")


def test_numbers_agree_with_their_nouns():
    assert (counted(1, "date"), counted(1200, "date")) == ("1 date", "1,200 dates")


# Alerts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kinds, level, value",
    [
        ([], Level.OK, 0),
        ([S] * 12, Level.OK, 0),
        ([F] + [S] * 11, Level.FAIL, 8.33),
        ([K] + [S] * 11, Level.FAIL, 8.33),
        ([F], Level.FAIL, 100),
    ],
)
def test_the_failure_rate_is_of_the_dates_worked_on_lately(kinds, level, value, scene):
    check = failure_rate(scene(lines(kinds, started_at=LATELY)))

    assert (check.level, check.value, check.limit) == (level, value, 5)
    assert list(check.dates) == [date for date, kind in zip(DAYS, kinds, strict=False) if kind is not S]


def test_a_failure_rate_at_its_threshold_is_ok(scene):
    many = [line(dt.date(2023, 1, 1) + dt.timedelta(n), S, sealed_at=LATELY) for n in range(19)]

    check = failure_rate(scene([*many, line(DAYS[0], F, completed_at=LATELY)]))

    assert (check.level, check.value) == (Level.OK, 5)


def test_a_failure_of_long_ago_is_no_alert(scene):
    check = failure_rate(scene([line(DAYS[0], F, completed_at=LONG_AGO), line(DAYS[1], S, sealed_at=LATELY)]))

    assert check.level is Level.OK
    assert check.found == "0 of 1 date worked on in the last 30 days failed (0.0 %)"


def test_a_date_whose_last_word_is_an_error_was_worked_on_then(scene):
    failed = line(DAYS[0], F, troubles=(trouble(DAYS[0], "ApiConnectionError"),))

    assert failure_rate(scene([failed])).dates == (DAYS[0],)


def test_the_cure_of_failures_is_to_look_and_to_retry(scene):
    check = failure_rate(scene(lines([F], started_at=LATELY)))

    assert check.cure == "`spx-data errors` shows why; then `spx-data retry --all-failed`"
    assert check.found.endswith("more than 5 %: 2024-01-02")


@pytest.mark.parametrize(
    "kinds, level, found",
    [
        ([S] * 12, Level.OK, "0 at most"),
        ([S, M, M, M, S], Level.OK, "3 at most"),
        ([S, M, M, N, M, M, A, M, M, S], Level.OK, "2 at most"),
        ([S, M, M, M, W], Level.OK, "3 at most"),
        ([S, M, F, P, K, S], Level.FAIL, "4 consecutive sessions are missing: 2024-01-03 to 2024-01-08"),
        ([S, S, M, M, M, C], Level.FAIL, "4 consecutive sessions are missing: 2024-01-04 to 2024-01-09"),
        (
            [S, M, M, M, M, S, M, M, M, M, M, S],
            Level.FAIL,
            "5 consecutive sessions are missing: 2024-01-10 to 2024-01-17, and 1 more such gap",
        ),
        ([M] * 12, Level.WARN, "not filled yet: 12 sessions so far, 2024-01-02 to 2024-01-18"),
        (
            [M] * 5 + [S] * 7,
            Level.WARN,
            "not filled yet: 5 sessions before the first sealed date, 2024-01-02 to 2024-01-08",
        ),
        (
            [M] + [S] * 11,
            Level.OK,
            "not filled yet: 1 session before the first sealed date, 2024-01-02 to 2024-01-02",
        ),
        ([], Level.OK, "0 at most"),
    ],
)
def test_missing_sessions_in_a_row_are_told_from_a_lake_not_filled_yet(kinds, level, found, scene):
    check = consecutive_missing(scene(lines(kinds)))

    assert (check.level, check.found) == (level, found)
    assert bool(check.cure) == (level is not Level.OK)


def test_dates_outside_the_range_are_no_missing_sessions(scene):
    outside = [line(dt.date(2024, 3, day), M) for day in (4, 5, 6, 7)]

    assert consecutive_missing(scene([*lines([S] * 12), *outside])).level is Level.OK


def test_a_row_that_the_run_at_work_fills_is_a_warning(scene):
    check = consecutive_missing(scene(lines([S, M, M, M, M, S]), run_of(*DAYS[1:5])))

    assert check.level is Level.WARN
    assert check.found.endswith("being filled now")
    assert check.dates == tuple(DAYS[1:5])


def test_a_row_that_the_run_leaves_out_in_part_is_a_failure(scene):
    check = consecutive_missing(scene(lines([S, M, M, M, M, S]), run_of(*DAYS[1:4])))

    assert check.level is Level.FAIL
    assert check.dates == tuple(DAYS[1:5])


def test_a_first_fill_at_work_is_ok(scene):
    check = consecutive_missing(scene(lines([M] * 12), run_of(*DAYS)))

    assert check.level is Level.OK
    assert check.found.endswith("being filled now")


@pytest.mark.parametrize(
    "failures, level, value",
    [(0, Level.OK, 0), (4, Level.OK, 10), (5, Level.WARN, 12.5), (80, Level.WARN, 100)],
)
def test_connectivity_is_the_share_of_requests_that_came_to_nothing(failures, level, value, scene):
    troubles = (trouble(DAYS[0], "ApiConnectionError"),) * failures

    check = connectivity(scene([line(DAYS[0], requests=40, sealed_at=LATELY, troubles=troubles)]))

    assert (check.level, check.value, check.limit) == (level, value, 10)
    assert list(check.dates) == ([DAYS[0]] if failures else [])


@pytest.mark.parametrize(
    "one",
    [
        trouble(DAYS[0], "ApiResponseInvalidError"),
        trouble(DAYS[0], "ApiRateLimitError"),
        trouble(DAYS[0], "ApiConnectionError", event=journal.FAILED),
        trouble(DAYS[0], "ApiConnectionError", at=LAST_WEEK),
    ],
)
def test_what_is_no_lost_connection_of_these_days_does_not_count(one, scene):
    check = connectivity(scene([line(DAYS[0], requests=1, sealed_at=LATELY, troubles=(one,))]))

    assert (check.level, check.value) == (Level.OK, 0)


@pytest.mark.parametrize(
    "error", ["TerminalDisconnectedError", "ThetaTerminalNotRunningError", "TerminalSessionTakenError"]
)
def test_every_way_to_lose_the_terminal_counts(error, scene):
    lost = trouble(DAYS[0], error, event=journal.EXPIRATION_FAILED)

    assert connectivity(scene([line(DAYS[0], requests=2, troubles=(lost,))])).value == 50


def test_an_outage_is_one_event_however_many_requests_it_met(scene):
    lost = trouble(DAYS[0], "ThetaTerminalNotRunningError")
    again = replace(lost, run="the next")

    assert connectivity(scene([line(DAYS[0], requests=40, troubles=(lost,) * 30)])).value == 2.5
    assert connectivity(scene([line(DAYS[0], requests=40, troubles=(lost, again))])).value == 5


def test_a_connection_that_broke_as_an_outage_began_is_part_of_it(scene):
    broke = trouble(DAYS[0], "ApiConnectionError")
    gone = replace(trouble(DAYS[0], "ThetaTerminalNotRunningError"), attempt=2)
    before = replace(broke, attempt=7)

    assert connectivity(scene([line(DAYS[0], requests=40, troubles=(broke, gone))])).value == 2.5
    assert connectivity(scene([line(DAYS[0], requests=40, troubles=(broke, gone, before))])).value == 5


def left(date, error="ThetaTerminalNotRunningError", at=LATELY):
    """A date that failed in an outage."""
    state = State(F, True, "nobody answers", 0, error, "Start it.")
    troubles = (trouble(date, error, at="2024-01-09T10:00:00.000+00:00"), trouble(date, error, at=at))
    return Summary(date, state, Facts(completed_at=LATELY, troubles=troubles))


def test_an_outage_is_one_alert_and_its_dates_are_in_no_other(scene):
    lost = [left(date) for date in DAYS[1:5]] + [left(DAYS[5], "TerminalDisconnectedError")]
    of_before = replace(lost[0].facts.troubles[0], run="before")
    lost[0] = replace(lost[0], facts=replace(lost[0].facts, troubles=(of_before, lost[0].facts.troubles[1])))
    rest = [line(date, S, sealed_at=LATELY, requests=100) for date in [DAYS[0], *DAYS[6:]]]
    seen = scene([rest[0], *lost, *rest[1:]])

    (found,) = [check for check in alerts(seen) if check.name not in ("disk", "memory")]

    assert (found.name, found.level, found.dates) == ("outage", Level.FAIL, tuple(DAYS[1:6]))
    assert found.found == (
        "the terminal did not answer from 2024-01-09 10:00 UTC on: 5 dates failed, "
        "2024-01-03, 2024-01-04, 2024-01-05 and 2 more (nobody answers)"
    )
    assert found.cure == "Start it; then `spx-data process-gaps`"


def test_an_outage_is_over_when_its_dates_are_sealed(scene):
    found = scene([line(date, S, sealed_at=LATELY, troubles=left(date).facts.troubles) for date in DAYS])

    assert outage(found).level is Level.OK


def test_what_an_outage_left_and_a_run_fills_now_is_a_warning_until_it_fails_again(scene):
    dates = DAYS[1:3]
    lost = [left(date) for date in dates]

    before = outage(scene(lost, run_of(*dates)))
    of_this_run = outage(scene(lost, run_of(*dates, started_at=dt.datetime(2024, 1, 1, tzinfo=dt.UTC))))
    others = outage(scene(lost, run_of(DAYS[1])))

    assert [check.level for check in (before, of_this_run, others)] == [Level.WARN, Level.FAIL, Level.FAIL]
    assert before.found.endswith("; being filled now")


def test_an_outage_of_which_no_journal_tells_the_beginning_is_told_all_the_same(scene):
    found = outage(scene([troubled(DAYS[0], F, "TerminalDisconnectedError", "it is lost", cure="Wait")]))

    assert found.found == "the terminal did not answer: 1 date failed, 2024-01-02 (it is lost)"


def test_a_parked_date_needs_somebody(scene):
    check = parked(scene(lines([S, K, K])))

    assert (check.level, check.value, check.dates) == (Level.FAIL, 2, tuple(DAYS[1:3]))
    assert "`spx-data retry 2024-01-03,2024-01-04 --force`, or leave" in check.cure
    assert 'spx-data accept 2024-01-03 --reason "…"' in check.cure


def test_a_parked_date_that_nobody_wants_any_more_is_left_out(scene):
    check = parked(scene([line(dt.date(2023, 1, 3), K), *lines([S])]))

    assert (check.level, check.found) == (Level.OK, "no date is parked")


@pytest.mark.parametrize(
    "kinds, level, cure",
    [
        ([S], Level.OK, ""),
        ([C], Level.WARN, "`spx-data process 2024-01-02`, and look at the disk's health"),
        ([C, C], Level.WARN, "`spx-data process 2024-01-02,2024-01-03`, and look at the disk's health"),
        ([C, C, C, C], Level.WARN, "`spx-data process-gaps`, and look at the disk's health"),
    ],
)
def test_damaged_dates_are_named_with_what_fetches_them_again(kinds, level, cure, scene):
    check = corrupt(scene(lines(kinds)))

    assert (check.level, check.cure, check.value) == (level, cure, kinds.count(C))
    again = {0: "", 1: "; the next run fetches it again"}.get(
        check.value, "; the next run fetches them again"
    )
    assert check.found.endswith(again)


# What sealed dates are worth ------------------------------------------------------------------------------


def judged(number, *, at=LATELY, expirations="SPXW 30", **digest):
    """A sealed date that lacks nothing and has 100 points in every part, but for what is given."""
    whole = {
        "parts": {"completeness": 100.0, "greeks": 100.0},
        "lost": [],
        "contracts": [100, 100, 0, 0],
        "stamps": [39_100, 39_100, 0, 0],
        "complete": True,
        "rejects": [0, 0, 0],
        "rows": 39_100,
        "minutes": 391.0,
        "spread_median": 0.02,
        "iv_level": 0.15,
        "findings": [],
        "expirations": expirations,
    }
    return line(dt.date(2023, 12, 1) + dt.timedelta(number), sealed_at=at, quality={**whole, **digest})


def test_dates_that_were_never_judged_alarm_nobody(scene):
    unknown = scene([line(DAYS[0], sealed_at=LATELY), line(DAYS[1], M)])

    assert [look(unknown).level for look in (quality, completeness, rejects, outliers)] == [Level.OK] * 4


@pytest.mark.parametrize(
    ("points", "at", "level", "words"),
    [
        (100.0, LATELY, Level.OK, "2 dates judged, none below 95"),
        (85.0, LATELY, Level.WARN, "1 date to look at: 2023-12-02"),
        (70.0, LATELY, Level.FAIL, "1 date below 80 of 100: 2023-12-02"),
        (70.0, LONG_AGO, Level.WARN, "1 date below 80 of 100: 2023-12-02"),
    ],
)
def test_a_low_score_is_an_alert_and_fails_while_it_is_news(points, at, level, words, scene):
    parts = {"completeness": points, "greeks": points}

    check = quality(scene([judged(0), judged(1, parts=parts, at=at)]))

    assert (check.level, check.found) == (level, words)
    assert check.value == points
    if level is not Level.OK:
        assert check.cure.startswith("See why: `spx-data quality 2023-12-02`; `spx-data recheck 2023-12-02`")


def test_bad_and_doubtful_dates_are_told_together(scene):
    bad, doubtful = ({"completeness": points, "greeks": points} for points in (10.0, 90.0))

    check = quality(scene([judged(0, parts=doubtful), judged(1, parts=bad)]))

    assert check.found == "1 date below 80 of 100: 2023-12-02; 1 date to look at: 2023-12-01"
    assert len(check.dates) == 2


def test_what_is_missing_is_counted_by_contract_stamp_and_expiration(scene):
    check = completeness(
        scene(
            [
                judged(0, expirations="SPXW 30 37"),
                judged(1, expirations="SPXW 29"),  # the other one is not even listed
                judged(2, expirations="SPXW 28", contracts=[9, 8, 0, 1], stamps=[9, 7, 0, 2], complete=False),
            ]
        )
    )

    assert check.level is Level.WARN
    found = "1 contract lacking, 2 stamps lacking, 1 expiration not listed on 2023-12-02, 2023-12-03"
    assert check.found == found


def test_bad_records_are_told_of_the_newest_dates_alone(scene):
    old = [judged(0, rejects=[5, 0, 0])]
    check = rejects(
        scene([*old, *(judged(number) for number in range(1, 30)), judged(30, rejects=[2, 9, 1])])
    )

    assert check.level is Level.WARN
    assert check.found == "2 bad records and 1 conflict in 1 date of the newest 30: 2023-12-31"


def test_a_day_that_stands_out_is_a_warning_with_its_figures(scene):
    wild = [judged(number, spread_median=0.08) for number in (30, 31, 33, 34)]
    check = outliers(scene([judged(number) for number in range(30)] + wild))

    assert check.level is Level.WARN
    assert check.found.startswith("4 dates of the newest 30 stand out: 2024-01-01 (spread ×4), ")
    assert check.found.endswith(" and 1 more")


def test_alerts_are_what_is_not_ok(scene, monkeypatch):
    monkeypatch.setattr(reads, "free_bytes", lambda _: 19)
    monkeypatch.setattr(reads, "total_bytes", lambda _: 100)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(percent=91.0, total=16e9))

    found = alerts(scene(lines([S, K, C] + [S] * 9)))

    assert [(check.name, check.level) for check in found] == [
        ("parked", Level.FAIL),
        ("corrupt", Level.WARN),
        ("disk", Level.WARN),
        ("memory", Level.WARN),
    ]


def test_a_broken_alert_hides_no_other(scene):
    # A journal may hold a date that no calendar has.
    bad = Trouble("soon", LATELY, journal.RETRIED, "ApiConnectionError", "", "", "", None, None, 1, None)

    found = {check.name: check for check in alerts(scene([*lines([K]), line(DAYS[1], troubles=(bad,))]))}

    assert "ValueError" in found["connectivity"].found
    assert found["parked"].dates == (DAYS[0],)


# The machine --------------------------------------------------------------------------------------------


@pytest.fixture
def disks(monkeypatch, tmp_path):
    """Return a setter of the free bytes (of 1 GB) under each folder's name: one disk for one name."""

    def set_to(**free):
        monkeypatch.setattr(reads, "device", lambda path: 1 if len(free) == 1 else hash(path.name))
        monkeypatch.setattr(reads, "free_bytes", lambda path: free.get(path.name, next(iter(free.values()))))
        monkeypatch.setattr(reads, "total_bytes", lambda _: 1e9)

    return set_to


def test_a_disk_with_room_is_ok_and_named_once(disks, scene):
    disks(parquet=4e8)

    check = disk(scene())

    assert (check.level, check.found) == (Level.OK, "output, temp and data: 40 % free (0.4 GB)")
    assert (check.value, check.limit) == (40, 20)


def test_a_disk_below_the_threshold_is_a_warning(disks, scene):
    disks(parquet=4e8, temp=3e8, data=1.9e8)

    check = disk(scene())

    assert check.level is Level.WARN
    assert "data: 19 % free" in check.found
    assert "spx-data cleanup" in check.cure


def test_a_disk_without_room_for_a_usual_date_is_a_failure(disks, scene):
    disks(parquet=9e8, temp=9e8, data=9e8)
    usual = lines([S, S, S], bytes=1e6, staged_bytes=7e8)

    check = disk(scene(usual))

    assert check.level is Level.FAIL
    assert "the next date does not fit: it needs about 1.1 GB on the disk of" in check.found
    assert check.found.endswith("temp")


def test_one_heavy_date_does_not_make_the_usual_one(disks, scene):
    disks(parquet=9e8)
    usual = [*lines([S, S], bytes=1e6, staged_bytes=1e7), line(DAYS[5], bytes=1e6, staged_bytes=9e9)]

    assert disk(scene(usual)).level is Level.OK


@pytest.mark.parametrize("percent, level", [(90.0, Level.OK), (90.1, Level.WARN)])
def test_memory_is_held_against_its_threshold(percent, level, lake, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(percent=percent, total=16e9))

    check = memory(lake().alerts)

    assert (check.level, check.value, check.limit) == (level, percent, 90)
    assert check.found.startswith("90 % of 16.0 GB in use")


def test_in_a_container_its_own_memory_is_held_against_the_threshold(lake, monkeypatch):
    limit = room.Memory(2_000_000_000, 1_900_000_000)
    monkeypatch.setattr(room, "limited", lambda: limit)

    check = memory(lake().alerts)

    assert (check.level, check.value) == (Level.WARN, 95)
    assert check.found.startswith("95 % of the 2.0 GB that are allowed here in use")


def test_less_memory_than_a_date_may_take_is_told(lake, monkeypatch):
    limit = room.Memory(800_000_000, 100_000_000)
    monkeypatch.setattr(room, "limited", lambda: limit)

    check = memory(lake().alerts)

    assert check.level is Level.WARN
    assert "a date of full size takes up to 1.1 GB" in check.found
    assert "--memory" in check.cure


def test_folders_that_can_be_written_to_are_ok(scene):
    check = permissions(scene())

    assert check.level is Level.OK
    assert check.found == "output, temp, data and database can be written to; readable by you alone"


def test_a_folder_that_cannot_be_written_to_is_named(scene, tmp_path):
    (tmp_path / "temp").touch()

    check = permissions(scene())

    assert check.level is Level.FAIL
    assert str(tmp_path / "temp") in check.found
    assert check.cure


@pytest.mark.parametrize(
    "folder, inside, level",
    [(0o755, 0o644, Level.WARN), (0o755, 0o600, Level.OK), (0o700, 0o644, Level.OK)],
)
def test_data_is_open_to_others_where_the_folder_and_what_it_holds_are(
    folder, inside, level, scene, tmp_path
):
    data = tmp_path / "data"
    data.mkdir()
    (data / "run.json").touch()
    (data / "run.json").chmod(inside)
    data.chmod(folder)

    check = permissions(scene())

    assert check.level is level
    assert check.cure == (f"`chmod -R go= {shlex.quote(str(data))}`" if level is Level.WARN else "")


@pytest.mark.parametrize(
    "folder, inside, found, cure",
    [
        (0o2755, 0o644, "people outside of its group can read in {}", "`chmod -R o= {}`"),
        (0o2770, 0o640, "others can delete and replace what is in {}", "`chmod g-w,o= {}`"),
        (0o2700, 0o640, "the group cannot read all in {}", "`chmod -R g+rX {} && find {} -type d -exec "),
        (0o750, 0o640, "the group cannot read all in {}", "`chmod -R g+rX {} && find {} -type d -exec "),
        (0o2750, 0o600, "the group cannot read all in {}", "`chmod -R g+rX {} && find {} -type d -exec "),
    ],
)
def test_what_a_group_should_do_otherwise_has_a_cure_that_works(
    folder, inside, found, cure, lake, scene, tmp_path
):
    data = tmp_path / "data"
    data.mkdir()
    (data / "run.json").touch()
    (data / "run.json").chmod(inside)
    data.chmod(folder)

    check = permissions(scene(settings=lake(owner_only="group")))

    shown = shlex.quote(str(data))
    assert (check.level, check.found.partition(", ")[0]) == (Level.WARN, found.format(shown))
    assert check.cure.startswith(cure.format(shown, shown))
    subprocess.run(check.cure.strip("`"), shell=True, check=True)
    after = permissions(scene(settings=lake(owner_only="group")))
    group = grp.getgrgid(data.stat().st_gid).gr_name
    assert (after.level, after.found.split("; ")[1]) == (Level.OK, f"readable by you and the group {group}")


def test_open_data_is_as_wanted_where_the_settings_say_so(lake, scene, tmp_path):
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data" / "run.json").touch()

    check = permissions(scene(settings=lake(owner_only=False)))

    assert (check.level, check.found.split("; ")[1]) == (
        Level.OK,
        "readable also by others, as processing.owner_only is off",
    )


# The subscription ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limit, api, level, cure",
    [
        (4, "v3", Level.OK, ""),
        (3, "v3", Level.OK, ""),
        (8, "v3", Level.OK, ""),
        (9, "v3", Level.WARN, "`spx-data config set thetadata.max_concurrent_requests 8`"),
        (4, "v2", Level.OK, ""),
        (8, "v2", Level.WARN, "`spx-data config set thetadata.max_concurrent_requests 4`"),
    ],
)
def test_the_limit_of_requests_is_one_that_a_subscription_allows(limit, api, level, cure, lake, scene):
    check = request_limit(
        scene(settings=lake(max_concurrent_requests=limit), answer=Answer("connected", "http://x", api))
    )

    assert (check.level, check.cure, check.value) == (level, cure, limit)


@pytest.mark.parametrize("event", [journal.FAILED, journal.EXPIRATION_FAILED])
def test_a_queue_that_stays_full_says_that_the_limit_is_too_high(event, scene):
    limited = line(DAYS[0], troubles=(trouble(DAYS[0], "ApiRateLimitError", event),))

    check = request_limit(scene([limited]))

    assert (check.level, check.dates) == (Level.WARN, (DAYS[0],))
    assert "spx-data config set thetadata.max_concurrent_requests 2" in check.cure


def test_a_full_queue_that_was_asked_again_is_told_and_warns_of_nothing(scene):
    limited = line(DAYS[0], sealed_at=LATELY, troubles=(trouble(DAYS[0], "ApiRateLimitError"),) * 2)

    check = request_limit(scene([limited]))

    assert (check.level, check.dates) == (Level.OK, ())
    assert check.found.endswith("; asked again after a full queue 2 times in 7 days")


def test_a_refusal_of_the_subscription_names_its_dates(scene):
    refused = [
        line(day, F, troubles=(trouble(day, "SubscriptionError", event=journal.FAILED),)) for day in DAYS[:2]
    ]

    check = request_limit(scene(refused))

    assert (check.level, check.dates) == (Level.WARN, tuple(DAYS[:2]))
    assert "processing.start_date" in check.cure


def test_a_full_queue_of_the_week_before_is_forgotten(scene):
    before = (
        trouble(DAYS[0], "ApiRateLimitError", event, LAST_WEEK) for event in (journal.RETRIED, journal.FAILED)
    )

    check = request_limit(scene([line(DAYS[0], troubles=tuple(before))]))

    assert (check.level, "full" in check.found) == (Level.OK, False)


# The run ------------------------------------------------------------------------------------------------


@pytest.fixture
def at_work(scene, monkeypatch):
    """Return a maker of scenes with a run at work that began some minutes ago."""

    def make(summaries, minutes):
        found = run_of(*DAYS[:4], started_at=MOMENT - dt.timedelta(minutes=minutes))
        monkeypatch.setattr("spx_data.lake.runs.current", lambda _: found)
        return scene(summaries, found)

    return make


def test_no_run_is_ok(scene):
    assert run(scene()).found == "idle"


def test_a_run_that_gets_on_says_how_far_it_is(at_work):
    check = run(at_work(lines([S, S, P, M], updated_at="2024-02-01T11:55:00.000+00:00"), minutes=90))

    assert check.level is Level.OK
    assert check.found == "running since 2024-02-01 10:30 UTC (process 4711): 2 of 4 dates sealed"
    assert check.value == 300


def test_a_run_that_was_silent_for_too_long_is_a_warning(at_work):
    check = run(at_work(lines([S, M], updated_at="2024-02-01T11:00:00.000+00:00"), minutes=90))

    assert check.level is Level.WARN
    assert check.found.endswith("no activity for 60 minutes")
    assert "spx-data stop --now" in check.cure


def test_a_run_that_just_began_is_not_silent(at_work):
    old = lines([M, M, M, M], updated_at="2024-01-01T00:00:00.000+00:00")

    assert run(at_work(old, minutes=1)).level is Level.OK


def test_a_longer_patience_with_the_source_is_one_with_the_run(at_work, lake):
    silent = at_work(lines([S, M], updated_at="2024-02-01T11:00:00.000+00:00"), minutes=90)

    patient = replace(silent, settings=lake(history_timeout_seconds=3600))

    assert run(patient).level is Level.OK


# Holes, and failures that are alike ---------------------------------------------------------------------


def hole(scene, *middle, before=S, after=S, **how):
    days = [line(DAYS[0], before), *middle, line(DAYS[len(middle) + 1], after)]
    return holes(scene(days, **how))


@pytest.mark.parametrize("kind", [N, F, K, M, P])
def test_a_session_asked_for_in_vain_between_sealed_ones_is_a_hole(kind, scene):
    check = hole(scene, troubled(DAYS[1], kind), troubled(DAYS[2], kind))

    assert (check.level, check.value, check.dates) == (Level.WARN, 2, tuple(DAYS[1:3]))
    assert check.found == f"2 holes between sealed days (2 {kind}): 2024-01-03, 2024-01-04"
    assert "spx-data retry 2024-01-03" in check.cure
    assert 'spx-data accept 2024-01-03 --reason "…"' in check.cure


@pytest.mark.parametrize(
    "middle",
    [
        [line(DAYS[1], M)],  # not filled yet
        [line(DAYS[1], A)],
        [troubled(DAYS[1], error=None)],  # the vendor's calendar has it as closed
        [line(DAYS[1], S)],
        [line(DAYS[1], M), troubled(DAYS[2])],
    ],
)
def test_what_is_no_hole(middle, scene):
    assert hole(scene, *middle).level is Level.OK


@pytest.mark.parametrize("before, after", [(M, S), (S, M), (S, W)])
def test_a_hole_has_sealed_days_on_either_side(before, after, scene):
    assert hole(scene, troubled(DAYS[1]), before=before, after=after).level is Level.OK


def test_a_closure_beside_a_hole_hides_none_and_the_run_at_work_closes_it(scene):
    middle = [troubled(DAYS[1], error=None), troubled(DAYS[2], F), line(DAYS[3], A)]

    assert hole(scene, *middle).dates == (DAYS[2],)
    assert hole(scene, *middle, run=run_of(DAYS[2])).level is Level.OK


def test_dates_that_fail_alike_are_told_once(scene):
    def failing(number, cause):
        return troubled(DAYS[number], K, "ApiResponseInvalidError", cause, 3, "Restart the terminal")

    alike = [
        failing(n, f"{n} chains of 2024-01-0{n} at http://127.0.0.1:{2500 + n}/x fail") for n in (1, 2, 3)
    ]
    check = parked(scene([*alike, failing(5, "a gzip body")]))

    told = "2024-01-03, 2024-01-04, 2024-01-05 (ApiResponseInvalidError: 3 chains of 2024-01-03 "
    assert told in check.found
    assert check.found.count("fail)") == 1
    assert check.found.endswith("; 2024-01-09 (ApiResponseInvalidError: a gzip body)")
    assert check.cure.startswith("Restart the terminal; `spx-data retry 2024-01-03,")
