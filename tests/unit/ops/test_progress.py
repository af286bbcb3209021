"""A run's progress from given events: standings, windows, the time that is left, and how it is shown."""

import datetime as dt
import io
import random

import pytest
from rich.console import Console
from rich.text import Text

from spx_data.cli.progress import print_summary
from spx_data.cli.progress_view import Picture, line
from spx_data.lake.runs import Run
from spx_data.ops.progress import figures
from spx_data.ops.progress.figures import DateProgress, Failure, Progress, Sealed, Speed, Summary
from spx_data.ops.progress.tally import Chunk, Staging, Standing, Tally
from spx_data.sources import outage
from spx_data.sources.outage import Outage

DAY, NEXT_DAY, THIRD_DAY = (dt.date(2024, 1, day) for day in (2, 3, 4))
BEGUN = dt.datetime(2024, 2, 1, 12, tzinfo=dt.UTC)
RUN = "20240201T120000-1"


def after(seconds):
    return BEGUN + dt.timedelta(seconds=seconds)


def event(seconds, kind, stage="download", run=RUN, **fields):
    return {"at": after(seconds).isoformat(), "event": kind, "stage": stage, "run": run, **fields}


def staged(seconds, expiration, rows=1000, run=RUN, contracts=10):
    about = {"root": "SPXW", "expiration": expiration}
    return event(seconds, "staged", run=run, **about, rows=rows, bytes=rows * 100, contracts=contracts)


def listing(*staged_already, contracts=10):
    """A staging folder with three listed chains, some of them staged."""
    keys = [("SPXW", f"2024-02-0{number}") for number in (1, 2, 3)]
    return Staging(
        dict.fromkeys(keys, contracts), {key: (1000, 100_000) for key in keys if key[1] in staged_already}
    )


def tally(*events, staging=None, date=DAY):
    found = Tally(date, RUN)
    found.stand(staging or Staging())
    for each in events:
        found.hear(each)
    return found


def run_of(*tallies):
    dates = tuple(each.date for each in tallies)
    return Run(RUN, 4711, BEGUN, "/lake", "snakemake --cores 4", dates)


def progress(*tallies, at, memory=None):
    return figures.progress(run_of(*tallies), tallies, after(at), memory)


# What becomes of a date -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "standing", "stage"),
    [
        ([], Standing.WAITING, ""),
        ([event(1, "started", "list")], Standing.AT_WORK, "list"),
        ([event(1, "started", "list"), event(2, "finished", "list")], Standing.WAITING, "download"),
        ([event(1, "finished", "download")], Standing.WAITING, "merge"),
        ([event(1, "sealed", "merge", rows=5, bytes=6)], Standing.DONE, "merge"),
        ([event(1, "failed", error="E", cause="c")], Standing.FAILED, "download"),
        ([event(1, "no-data", "list")], Standing.NO_DATA, "list"),
        ([event(1, "started"), event(2, "no-data", expiration="2024-02-01")], Standing.AT_WORK, "download"),
        ([event(1, "failed", error="E", cause="c"), event(2, "started")], Standing.AT_WORK, "download"),
    ],
)
def test_the_last_event_of_the_run_says_where_a_date_stands(events, standing, stage):
    found = tally(*events)

    assert (found.standing, found.stage) == (standing, stage)


def test_other_runs_of_the_same_journal_do_not_count():
    found = tally(
        event(-100, "started", run="older"),
        staged(-90, "2024-02-01", run="older"),
        event(-80, "failed", run="older", error="E", cause="c"),
        event(-70, "retried", run="older"),
    )

    assert found.standing is Standing.WAITING
    assert (found.rows, found.recent, found.retries, found.error) == (0, [], 0, None)


def test_a_date_between_two_jobs_stays_at_work_for_a_breath():
    found = tally(event(0, "started", "list"), event(2, "finished", "list"))

    assert found.at_work(after(3))
    assert not found.at_work(after(10))


def test_the_current_expiration_is_the_first_one_that_is_not_staged():
    found = tally(event(0, "started"), staging=listing("2024-02-01", "2024-02-03"))

    (date,) = progress(found, at=1).at_work

    assert date.current == "SPXW 2024-02-02"
    assert (date.done, date.listed, date.rows) == (2, 3, 2000)


def test_a_date_that_is_merged_has_no_current_expiration():
    found = tally(event(0, "started", "merge"), staging=listing("2024-02-01", "2024-02-02", "2024-02-03"))

    assert progress(found, at=1).at_work[0].current is None


def test_what_was_staged_before_counts_as_done_and_not_as_throughput():
    found = tally(
        staged(-500, "2024-02-01", run="older"),
        event(0, "started"),
        staged(30, "2024-02-02", rows=600),
        staging=listing("2024-02-01", "2024-02-02"),
    )

    now = progress(found, at=60)

    assert (now.expirations_done, now.expirations_known) == (2, 3)
    assert now.rows == 600


def test_a_sealed_date_keeps_its_expirations_when_its_staging_is_cleared_away():
    found = tally(
        staged(-500, "2024-02-01", run="older"),
        staged(10, "2024-02-02"),
        event(11, "no-data", root="SPXW", expiration="2024-02-03"),
        event(20, "sealed", "merge", rows=2000, bytes=500),
        event(20, "finished", "merge"),
    )

    found.stand(Staging())

    assert found.expirations == (3, 3)
    assert (found.sealed_rows, found.sealed_bytes) == (2000, 500)


def test_every_date_is_counted_once():
    tallies = [
        tally(event(1, "sealed", "merge", rows=1, bytes=1)),
        tally(event(1, "failed", error="E", cause="c"), date=NEXT_DAY),
        tally(event(1, "no-data", "list"), date=THIRD_DAY),
        tally(event(1, "started", "list"), date=dt.date(2024, 1, 5)),
        tally(date=dt.date(2024, 1, 8)),
        tally(event(1, "finished", "list"), date=dt.date(2024, 1, 9)),
    ]

    now = progress(*tallies, at=60)

    assert (now.done, now.failed, now.no_data, len(now.at_work), now.waiting) == (1, 1, 1, 1, 2)
    assert (now.planned, now.left) == (6, 3)


def test_requests_and_retries_are_counted():
    found = tally(
        event(1, "request", status=200),
        event(2, "request", status=472),
        event(3, "request", status=429),
        event(4, "request", status=None),
        event(5, "retried", error="ApiRateLimitError"),
    )

    now = progress(found, at=60)

    assert (now.requests, now.requests_failed, now.retries) == (4, 2, 1)


def test_an_event_with_fields_of_another_kind_counts_as_nothing():
    found = tally(event(1, "staged", rows="many", bytes=None, contracts=-1))

    assert (found.rows, found.bytes, found.contracts) == (0, 0, 0)


# Windows --------------------------------------------------------------------------------------------------


def chunks(*arrivals, rows=1000):
    return [Chunk(after(seconds), rows, rows * 100, 10) for seconds in arrivals]


@pytest.mark.parametrize(
    ("arrivals", "at", "a_minute"),
    [
        ([], 30, 0),
        ([10, 20, 30], 30, 6000),  # a young run: since it began
        ([10, 20, 130, 150, 160], 180, 3000),  # the last minute alone
        ([10, 60, 170], 180, 500),  # one in the last minute: back to the last but one
        ([10, 60], 1210, 50),  # a stall: the speed sinks
        ([10], 120, 500),
    ],
)
def test_the_speed_is_that_of_about_a_minute(arrivals, at, a_minute):
    found = figures.speed(chunks(*arrivals), BEGUN, after(at))

    assert found.records == pytest.approx(a_minute)
    assert found.bytes == pytest.approx(a_minute * 100)


def test_what_no_window_reaches_is_forgotten():
    found = tally(staged(1, "2024-02-01"), staged(700, "2024-02-02"))

    found.forget(after(100))

    assert [chunk.at for chunk in found.recent] == [after(700)]
    assert found.rows == 2000


# The time that is left ------------------------------------------------------------------------------------


def test_nobody_knows_the_end_before_something_is_done():
    assert progress(tally(event(0, "started"), staging=listing()), at=30).eta is None


def test_the_time_left_follows_from_the_contracts_that_are_left():
    found = tally(event(0, "started"), staged(60, "2024-02-01"), staging=listing("2024-02-01"))

    assert progress(found, at=60).eta == pytest.approx(120)


def test_a_date_that_is_not_listed_counts_as_the_mean_of_those_that_are():
    at_work = tally(event(0, "started"), staged(60, "2024-02-01"), staging=listing("2024-02-01"))
    unknown = tally(date=NEXT_DAY)

    assert progress(at_work, unknown, at=60).eta == pytest.approx(120 + 180)


def test_what_was_staged_before_makes_a_date_shorter_and_the_run_no_faster():
    resumed = tally(
        staged(-500, "2024-02-01", run="older"),
        event(0, "started"),
        staged(60, "2024-02-02"),
        staging=listing("2024-02-01", "2024-02-02"),
    )

    assert progress(resumed, at=60).eta == pytest.approx(60)


def a_long_run(chance, dates, dates_done):
    """Make the tallies of a run after so many dates; the seconds gone by, and those to come."""
    took = [60 * chance.lognormvariate(0, 0.3) for _ in range(dates)]
    at, found = 0.0, []
    for number, seconds in enumerate(took[:dates_done]):
        at += seconds
        date = DAY + dt.timedelta(number)
        sealed = event(at, "sealed", "merge", rows=5, bytes=6)
        found.append(tally(event(at - seconds, "started"), staged(at, "2024-02-01"), sealed, date=date))
    waiting = [tally(date=DAY + dt.timedelta(number)) for number in range(dates_done, dates)]
    return [*found, *waiting], at, sum(took[dates_done:])


def test_a_long_run_says_how_far_off_its_end_may_be():
    inside = 0
    for seed in range(60):
        tallies, at, left = a_long_run(random.Random(seed), 60, 40)
        span = progress(*tallies, at=at).eta_span
        inside += span.p10 <= left <= span.p90

    assert inside >= 48


def test_a_run_of_few_dates_makes_no_interval_up():
    tallies, at, _ = a_long_run(random.Random(1), 40, 25)

    now = progress(*tallies, at=at)

    assert now.eta > 0
    assert now.eta_span is None


def test_the_pace_is_that_of_the_last_ten_minutes():
    slow_then_fast = tally(
        event(0, "started"),
        staged(1100, "2024-02-01"),
        staged(1200, "2024-02-02"),
        staging=listing("2024-02-01", "2024-02-02"),
    )

    assert progress(slow_then_fast, at=1200).eta == pytest.approx(300)


def test_a_stall_goes_back_to_the_pace_of_the_whole_run():
    stalled = tally(event(0, "started"), staged(60, "2024-02-01"), staging=listing("2024-02-01"))
    stalled.forget(after(400))

    assert progress(stalled, at=1000).eta == pytest.approx(2000)


def test_where_all_was_staged_before_dates_are_counted():
    done = tally(event(10, "sealed", "merge", rows=1, bytes=1))
    merging = tally(
        event(10, "started", "merge"),
        staging=listing("2024-02-01", "2024-02-02", "2024-02-03"),
        date=NEXT_DAY,
    )

    assert progress(done, merging, at=10).eta == pytest.approx(10)


def test_no_time_is_left_to_estimate_while_the_terminal_does_not_answer():
    found = tally(event(0, "started"), staged(60, "2024-02-01"), staging=listing("2024-02-01"))
    told = Outage(after(55), after(70), after(90))

    now = figures.progress(run_of(found), [found], after(60), None, told)

    assert (now.eta, now.outage) == (None, told)


def test_a_run_that_is_through_has_no_time_left():
    assert progress(tally(event(10, "failed", error="E", cause="c")), at=20).eta == 0


# What a run came to ---------------------------------------------------------------------------------------


def test_the_summary_says_what_became_of_every_date():
    tallies = [
        tally(staged(30, "2024-02-01"), event(60, "sealed", "merge", rows=900, bytes=70)),
        tally(event(50, "failed", error="ApiConnectionError", cause="it broke", cure="Look"), date=NEXT_DAY),
        tally(event(40, "no-data", "list"), date=THIRD_DAY),
        tally(event(40, "started", "list"), date=dt.date(2024, 1, 5)),
    ]

    found = figures.summary(run_of(*tallies), tallies)

    assert found.sealed == (Sealed(DAY, 900, 70),)
    assert found.failures == (Failure((NEXT_DAY,), "ApiConnectionError", "it broke", "Look"),)
    assert (found.no_data, found.left) == ((THIRD_DAY,), (dt.date(2024, 1, 5),))
    assert (found.rows, found.bytes, found.elapsed, found.records_per_minute) == (900, 70, 60, 1000)


GONE = {"error": "ThetaTerminalNotRunningError", "cure": "Start it"}
LOST = {"error": "TerminalDisconnectedError", "cure": "Wait"}


def test_dates_that_failed_alike_are_one_failure_with_the_cure_of_the_first():
    tallies = [
        tally(event(70, "failed", cause="no terminal at http://127.0.0.1:1", **GONE)),
        tally(event(50, "failed", cause="it lost its server", **LOST), date=THIRD_DAY),
        tally(event(60, "failed", error="E", cause="row 7 of 2024-01-03 is odd"), date=NEXT_DAY),
        tally(event(61, "failed", error="E", cause="row 9 of 2024-01-05 is odd"), date=dt.date(2024, 1, 5)),
        tally(event(62, "failed", cause="no terminal", **GONE), date=dt.date(2024, 1, 8)),
    ]

    found = figures.summary(run_of(*tallies), tallies).failures

    assert found == progress(*tallies, at=80).failures
    assert [failure.dates for failure in found] == [
        (DAY, THIRD_DAY, dt.date(2024, 1, 8)),
        (NEXT_DAY, dt.date(2024, 1, 5)),
    ]
    assert (found[0].cause, found[0].cure) == ("it lost its server", "Wait")


def test_a_summary_tells_alike_failures_once_and_breaks_no_word():
    days = tuple(DAY + dt.timedelta(number) for number in range(8))
    cause = "no Theta Terminal answers at http://127.0.0.1:25503 (connection refused)"
    cure = "Start the Theta Terminal, or make room for it: `rm -r /a/folder/with/a/name/of/50/characters`"
    failure = Failure(days, "ThetaTerminalNotRunningError", cause, cure)
    written = io.StringIO()

    print_summary(
        Summary((), (failure,), (), (), 60, 0), Console(file=written, width=60, force_terminal=True)
    )

    assert Text.from_ansi(written.getvalue()).plain.splitlines() == [
        "8 dates (2024-01-02, 2024-01-03, 2024-01-04 and 5 more)",
        "failed: ThetaTerminalNotRunningError: no Theta Terminal",
        "answers at http://127.0.0.1:25503 (connection refused)",
        "→ Start the Theta Terminal, or make room for it:",
        "rm -r /a/folder/with/a/name/of/50/characters",
        "60 s",
    ]


def test_a_summary_is_read_from_top_to_bottom():
    summary = Summary(
        (Sealed(DAY, 1_200_000, 31_000_000),),
        (Failure((NEXT_DAY,), "ApiConnectionError", "it broke [early]", "Look at the terminal"),),
        (THIRD_DAY,),
        (dt.date(2024, 1, 5), dt.date(2024, 1, 8)),
        200,
        360_000,
    )
    written = io.StringIO()

    print_summary(summary, Console(file=written, width=200))

    assert written.getvalue().splitlines() == [
        "1 date sealed: 1,200,000 rows in 31.0 MB",
        "2024-01-03 failed: ApiConnectionError: it broke [early]",
        "→ Look at the terminal",
        "2024-01-04 has no data at the source",
        "2 dates left; the next run goes on where this one stopped",
        "3 min, 360,000 records/min",
    ]


# How it is shown ------------------------------------------------------------------------------------------


def date_at_work(number=5, stage="download", **changes):
    known = {"done": 12, "listed": 31, "current": "SPXW 2024-02-16"}
    fields = {"rows": 12_345_678, "speed": Speed(812_345, 190.2e6), "retries": 0}
    if stage == "list":
        known = dict.fromkeys(known)
        fields |= {"rows": 0, "speed": Speed()}
    return DateProgress(dt.date(2024, 1, number), stage, **{**known, **fields, **changes})


def run_at_work(*dates, **changes):
    planned = tuple(DAY + dt.timedelta(days) for days in range(40))
    fields = {
        "run": Run(RUN, 4711, BEGUN, "/lake", "snakemake", planned),
        "done": 3,
        "failed": 1,
        "no_data": 0,
        "at_work": dates,
        "waiting": 36 - len(dates),
        "expirations_done": 212,
        "expirations_known": 1300,
        "rows": 45_123_456,
        "bytes": 10_200_000_000,
        "speed": Speed(812_345, 190.2e6),
        "requests": 400,
        "requests_failed": 0,
        "retries": 0,
        "memory": 1_200_000_000,
        "elapsed": 3725.0,
        "eta": 3900.0,
    }
    return Progress(**{**fields, **changes})


def test_one_line_says_everything():
    now = run_at_work(date_at_work(), date_at_work(4, "list"), eta=7500.0, no_data=2, requests_failed=7)

    assert line(now) == (
        "dates 3 of 40 done, 1 failed, 2 without data; "
        "2024-01-05 download 12 of 31 expirations (SPXW 2024-02-16), 2024-01-04 list; "
        "812,345 records/min, 190.2 MB/min; 7 requests failed; memory 1.2 GB; ETA 2 h 05 min"
    )


def test_a_line_names_four_dates_at_most():
    now = run_at_work(*(date_at_work(number) for number in range(2, 9)), memory=None, eta=None)

    text = line(now)

    assert text.count("download") == 4
    assert "3 more dates" in text
    assert "memory" not in text
    assert text.endswith("ETA unknown yet")


def test_a_line_of_a_run_that_has_not_begun_or_is_between_two_dates():
    assert line(None) == "starting"
    assert "no date in progress" in line(run_at_work())
    assert "ETA any moment" in line(run_at_work(eta=0.2))


def drawn(progress, width, note="", encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")  # as `output.make_safe` does
    Console(file=stream, width=width, no_color=True).print(Picture(progress, note))
    stream.seek(0)
    return stream.read().splitlines()


BUSY = run_at_work(date_at_work(), date_at_work(4, "merge", done=31, current=None), date_at_work(3, "list"))


def test_the_picture_at_eighty_columns():
    assert drawn(BUSY, 80) == [
        "─" * 80,
        "3 of 40 dates done, 1 failed, 36 left  ━━━──────────────────────────  ETA 65 min",
        "date        stage     expirations      current             records  records/min",
        "2024-01-05  download  ━━──── 12 of 31  SPXW 2024-02-16  12,345,678      812,345",
        "2024-01-04  merge     ━━━━━━ 31 of 31  –                12,345,678            –",
        "2024-01-03  list      –                –                         –            –",
        "212 of 1,300 listed expirations, 45,123,456 records staged in 10.2 GB",
        "812,345 records/min, 190.2 MB/min, memory 1.2 GB, 1:02:05 elapsed",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("retries", [0, 12])
def test_the_picture_is_never_wider_than_the_terminal_and_has_as_many_lines(width, retries):
    busy = run_at_work(date_at_work(retries=retries), date_at_work(3, "list"), retries=retries)

    lines = drawn(busy, width, note="stopping: running jobs finish; Ctrl-C again interrupts them")

    assert max(map(len, lines)) <= width
    assert len(lines) == (9 if retries else 8)


def test_retries_have_a_column_when_there_are_any():
    retried = run_at_work(date_at_work(retries=3), retries=3, requests_failed=2)

    lines = drawn(retried, 80)

    assert lines[2].endswith("retries")
    assert lines[3].endswith("      3")
    assert "2 requests failed, 3 retried" in lines


AWAY = "terminal not answering since 11:28; asking again in 20 s; giving up at 12:05"


@pytest.fixture
def away(monkeypatch):
    """A run whose terminal does not answer; it is noon on this machine."""
    noon = dt.datetime(2024, 2, 1, 12).astimezone()
    monkeypatch.setattr(outage, "_now", lambda: noon)
    told = Outage(*(noon + dt.timedelta(0, seconds) for seconds in (-1920, 20, 300)))
    return run_at_work(date_at_work(), eta=None, outage=told)


def test_a_terminal_that_does_not_answer_is_said_in_a_line_of_eighty_columns_and_no_time_is_left(away):
    lines = drawn(away, 80)

    assert lines[1].startswith("3 of 40 dates done, 1 failed, 36 left")
    assert lines[2] == AWAY
    assert not any("ETA" in text for text in [*lines, line(away)])
    assert f"done, 1 failed; {AWAY}; 2024-01-05 download" in line(away)


def test_what_is_said_of_the_terminal_wraps_between_words_where_it_is_narrower(away):
    assert " ".join(drawn(away, 40)[2:4]) == AWAY


def test_dates_that_failed_alike_are_a_line_of_the_picture_with_their_cure():
    days = tuple(DAY + dt.timedelta(number) for number in range(8))
    cause, cure = "no Theta Terminal answers", "Start it, then `make demo`"
    others = tuple(Failure((day,), "E", f"reason {day}", "") for day in days[:3])

    lines = drawn(run_at_work(failures=(Failure(days, "E", cause, cure), *others)), 80)

    assert lines[-4:] == [
        "8 dates failed: no Theta Terminal answers",
        "→ Start it, then make demo",
        "1 date failed: reason 2024-01-02",
        "2 dates failed for other reasons",
    ]


def test_a_terminal_without_unicode_gets_other_bars():
    lines = drawn(BUSY, 80, encoding="ascii")

    assert "##----" in lines[3]


def test_the_picture_before_the_run_and_between_two_dates():
    assert drawn(None, 80, note="one moment") == ["starting", "one moment"]
    assert drawn(run_at_work(), 80)[2] == "no date in progress"
