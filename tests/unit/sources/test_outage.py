"""What a run's jobs say of a terminal that does not answer, as one line of all of them."""

import datetime as dt
import itertools
import json
import os

import pytest

from spx_data.sources import outage
from spx_data.sources.outage import Outage, Waiting
from spx_data.store import files, journal, locks
from spx_data.store.layout import Layout

RUN = "20240201T120000-1"
NOON = dt.datetime(2024, 2, 1, 12).astimezone()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """It is noon on this machine, and a millisecond later whenever somebody looks at the clock."""
    ticks = itertools.count()
    monkeypatch.setattr(outage, "_now", lambda: NOON + dt.timedelta(milliseconds=next(ticks)))


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.setenv(journal.RUN_VARIABLE, RUN)
    return Layout(*(tmp_path / name for name in ("parquet", "temp", "data", "status.db")))


@pytest.fixture
def job(layout):
    """Return a maker of jobs at work, each known by a lock: what it gives is the path of a job's note."""
    held = []

    def begin(pid=None, run=RUN):
        path = layout.job_lock(run, pid or os.getpid())
        held.append(locks.hold(path))
        return path.with_suffix(".json")

    yield begin
    for descriptor in held:
        os.close(descriptor)


def at(seconds):
    return NOON + dt.timedelta(0, seconds)


def write(path, since, again, until):
    files.write_json(path, {"since": str(since), "again": str(again), "until": str(until)})


def test_jobs_that_wait_agree_on_the_earliest_beginning_the_next_question_and_the_last_patience(layout, job):
    moments = [at(seconds) for seconds in (-60, -50, 5, 20, 30, 300)]
    first, second, soon, later, early, late = moments
    write(job(11), second, soon, early)
    write(job(12), first, later, late)

    assert outage.of_run(layout, RUN) == Outage(first, soon, late)


def test_a_job_that_was_killed_waits_for_nothing(layout, job):
    note = job(11)
    write(note.with_name("12.json"), at(-60), at(5), at(30))
    files.append_line(layout.job_lock(RUN, 12), "left behind")

    assert outage.of_run(layout, RUN) is None


def test_what_another_run_met_is_not_shown_of_this_one(layout, job):
    write(job(11, run="another"), at(-60), at(5), at(30))
    given_up = {"run": "another", "since": str(at(-60)), "at": str(at(-5))}
    files.write_json(layout.terminal_down, given_up)

    assert outage.of_run(layout, RUN) is None

    files.write_json(layout.terminal_down, given_up | {"run": RUN})
    assert outage.of_run(layout, RUN) == Outage(at(-60), None, at(-5))


def test_a_job_that_still_waits_where_another_gave_up_knows_the_beginning_from_it(layout, job):
    write(job(11), at(-10), at(5), at(30))
    files.write_json(layout.terminal_down, {"run": RUN, "since": str(at(-60)), "at": str(at(-5))})

    found = outage.of_run(layout, RUN)

    assert (found.since, found.until) == (at(-60), at(30))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1, 2]",
        "null",
        '{"since": 7, "again": null, "until": []}',
        '{"since": "2024-01-02", "again": "2024-01-02T10:00", "until": "now"}',
        json.dumps(dict.fromkeys(("since", "again", "until"), "9999-12-31T23:59:59+00:00")),
        json.dumps(dict.fromkeys(("since", "again", "until"), "0001-01-01T00:00:00+14:00")),
        " " * 100_000 + "{}",
        "[" * 10_000,
    ],
)
def test_a_note_that_is_none_of_ours_is_none(content, layout, job):
    job(11).write_text(content)
    layout.temp.mkdir()
    layout.terminal_down.write_text(content)

    assert outage.of_run(layout, RUN) is None


def test_a_process_that_is_no_job_leaves_no_note(layout):
    Waiting(layout).wait(5, 30)

    assert not layout.job_notes(RUN)


def test_a_job_waits_until_it_leaves(layout, job):
    job()
    waiting = Waiting(layout)

    waiting.wait(5, 30)
    found = outage.of_run(layout, RUN)
    waiting.leave()

    assert 0 < (found.again - found.since).total_seconds() == 5
    assert (found.until - found.since).total_seconds() == 30
    assert outage.of_run(layout, RUN) is None
    assert not layout.job_notes(RUN)


def test_whichever_job_is_answered_ends_the_waiting_of_all(layout, job):
    write(job(11), at(-60), at(5), at(30))
    job()
    waiting = Waiting(layout)
    waiting.wait(5, 30)

    waiting.answered()

    assert outage.of_run(layout, RUN) is None


def test_an_outage_after_an_answer_is_a_new_one(layout, job):
    job()
    waiting = Waiting(layout)
    waiting.wait(5, 30)
    before = waiting.since
    for path in layout.job_notes(RUN):
        files.remove(path)  # as another job does that was answered

    waiting.wait(7, 20)

    found = outage.of_run(layout, RUN)
    assert found.since > before
    assert (found.until - found.since).total_seconds() == 20


# In words -------------------------------------------------------------------------------------------------


def test_words_count_down_on_a_screen_and_stand_still_on_a_page():
    away = Outage(at(-1920), at(20.5), at(300))

    told = away.words()
    standing = away.words(NOON.tzinfo, standing=True)

    assert told == "terminal not answering since 11:28; asking again in 20 s; giving up at 12:05"
    assert standing == told.replace("in 20 s", "at 12:00:20")


def test_words_in_another_zone_than_this_machines_say_so():
    there = NOON.astimezone(dt.UTC)
    away = Outage(there, None, there)

    told = away.words(dt.UTC)

    assert told.startswith(f"terminal not answering since {there:%H:%M} UTC; given up at {there:%H:%M} UTC; ")


def test_a_question_that_is_due_is_asked_now():
    assert "; asking again now; " in Outage(at(-60), at(-3), at(30)).words()


def test_an_outage_of_another_day_has_its_date():
    away = Outage(at(-3 * 86_400), at(5), at(30))

    assert away.words().startswith("terminal not answering since 2024-01-29 12:00; ")


def test_a_terminal_that_was_given_up_on_is_asked_by_each_date_once():
    assert Outage(at(-60), None, at(-5)).words().endswith("; each date left asks once")
