"""Progress read from a lake's own files, and shown in a terminal, in a pipe, and not at all."""

import contextlib
import datetime as dt
import io
import json
import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from tests.rules.conftest import DAY, Date

from spx_data.cli import progress as display
from spx_data.cli.overview import status
from spx_data.cli.progress import accompanied, progress_shown, watch
from spx_data.errors import SpxDataError
from spx_data.lake import runs
from spx_data.lake.runs import Run
from spx_data.ops.progress import INTERVAL_VARIABLE, QUIET_VARIABLE, Followed, Watcher, summary_of
from spx_data.store import files, journal, locks
from spx_data.store.journal import Journal

NEXT_DAY = dt.date(2024, 1, 3)


@pytest.fixture
def as_run(monkeypatch):
    """Return a maker of runs; what happens next happens in the newest one."""

    def begin(name, *dates, layout=None):
        monkeypatch.setenv(journal.RUN_VARIABLE, name)
        run = Run(name, os.getpid(), dt.datetime.now(dt.UTC), "/lake", "snakemake", dates or (DAY,))
        if layout:
            files.write_json(layout.run_note, run.as_json())
        return run

    return begin


# Reading --------------------------------------------------------------------------------------------------


def test_a_watcher_follows_a_date_from_its_listing_to_its_seal(terminals, day, as_run):
    date, run = day(terminals["v3"], keep_ndjson=False), as_run("one", DAY, NEXT_DAY)
    watcher = Watcher(Followed(date.layout, run))
    before = watcher.look()

    date.fetch()
    listed = watcher.look()
    date.download()
    staged = watcher.look()
    date.merge()
    sealed = watcher.look()

    chains = len(date.passport()["chains"])
    rows = sum(event["rows"] for event in date.events("staged"))
    assert (before.waiting, before.expirations_known, before.eta) == (2, 0, None)
    assert (listed.expirations_done, listed.expirations_known, listed.rows) == (0, chains, 0)
    assert (staged.expirations_done, staged.rows, staged.done) == (chains, rows, 0)
    assert (sealed.expirations_done, sealed.rows, sealed.done, sealed.left) == (chains, rows, 1, 1)
    assert sealed.eta > 0


def test_who_comes_late_sees_the_same(terminals, day, as_run):
    date, run = day(terminals["v3"], keep_ndjson=False), as_run("one")
    early = Watcher(Followed(date.layout, run))
    early.look()
    date.fetch()
    early.look()
    date.download()
    date.merge()

    seen, late = early.look(), Watcher(Followed(date.layout, run)).look()

    assert late.expirations_known > 0
    for name in ("done", "expirations_done", "expirations_known", "rows", "bytes", "requests"):
        assert getattr(seen, name) == getattr(late, name), name


def half_staged(date):
    """Stage *date* but for its second and third chain."""
    date.fetch()
    date.download()
    for number in (1, 2):
        files.remove(date.checkpoint(number).receipt)
    files.remove(date.layout.manifest(date.date))


def test_a_resumed_date_goes_on_where_the_last_run_stopped(terminals, day, as_run):
    as_run("first")
    date = day(terminals["v3"])
    half_staged(date)
    second = as_run("second")
    Journal(date.layout.journal(DAY), "download").record(journal.STARTED)

    now = Watcher(Followed(date.layout, second)).look()

    (at_work,) = now.at_work
    chains = date.listing()["chains"]
    receipts = [json.loads(path.read_text()) for path in date.layout.receipts(DAY)]
    assert (at_work.done, at_work.listed) == (len(chains) - 2, len(chains))
    assert at_work.current == f"{chains[1]['root']} {chains[1]['expiration']}"
    assert at_work.rows == sum(receipt["rows"] for receipt in receipts)
    assert (now.rows, now.speed.records, now.requests, now.eta) == (0, 0, 0, None)

    date.download()
    after = Watcher(Followed(date.layout, second)).look()

    assert after.expirations_done == len(chains)
    assert after.rows == sum(event["rows"] for event in date.events("staged") if event["run"] == "second")


def test_checkpoints_of_other_settings_are_not_done(terminals, day, as_run):
    run = as_run("one")
    date = day(terminals["v3"])
    half_staged(date)
    listing = date.listing()
    files.write_json(date.layout.listing(DAY), listing | {"dataset": listing["dataset"] | {"interval": "5m"}})

    now = Watcher(Followed(date.layout, run)).look()

    assert (now.expirations_done, now.expirations_known) == (0, len(listing["chains"]))


def test_a_torn_last_line_waits_until_it_is_whole(lake, as_run):
    layout, run = lake().layout, as_run("one")
    path = layout.journal(DAY)
    Journal(path, "list").record(journal.STARTED)
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    watcher = Watcher(Followed(layout, run))

    torn = watcher.look()
    path.write_bytes(whole)

    assert (torn.waiting, len(torn.at_work)) == (1, 0)
    assert [date.stage for date in watcher.look().at_work] == ["list"]


def test_a_journal_that_begins_anew_is_read_from_its_beginning(lake, as_run):
    layout, run = lake().layout, as_run("one")
    path, log = layout.journal(DAY), Journal(layout.journal(DAY), "list")
    for _ in range(5):
        log.record(journal.REQUEST, status=200)
    watcher = Watcher(Followed(layout, run))
    watcher.look()
    path.write_bytes(b"")

    log.record(journal.REQUEST, status=200)

    assert watcher.look().requests == 6


def test_a_damaged_listing_only_hides_what_it_says(lake, as_run):
    layout, run = lake().layout, as_run("one")
    Journal(layout.journal(DAY), "download").record(journal.STARTED)
    files.write_text(layout.listing(DAY), '{"chains": [')

    (at_work,) = Watcher(Followed(layout, run)).look().at_work

    assert (at_work.stage, at_work.listed, at_work.current) == ("download", None, None)


def test_the_summary_names_what_failed_and_its_cure(simulated, day, as_run):
    terminal = simulated()
    date, run = day(terminal), as_run("one", DAY, NEXT_DAY)
    date.fill()
    other = Date(date.settings, NEXT_DAY)
    other.fetch()
    terminal.set_status("DISCONNECTED")
    with pytest.raises(SpxDataError):
        other.download()

    summary = summary_of(date.layout, run)

    (sealed,), (failed,) = summary.sealed, summary.failures
    assert (sealed.date, sealed.rows) == (DAY, date.events("sealed")[0]["rows"])
    assert sealed.bytes == date.layout.parquet(DAY).stat().st_size
    assert (failed.dates, failed.error) == ((NEXT_DAY,), "TerminalDisconnectedError")
    assert failed.cure
    assert summary.records_per_minute > 0
    assert not summary.left


def test_the_memory_is_that_of_the_runs_own_processes(lake, as_run):
    layout = lake().layout
    run = as_run("memory-of-one", layout=layout)
    assert Watcher(Followed(layout, run)).look().memory is None

    held = locks.hold(layout.run_lock)
    try:
        memory = Watcher(Followed(layout, run)).look().memory
    finally:
        os.close(held)

    assert memory > 10_000_000


# Showing: in a pipe ---------------------------------------------------------------------------------------


def wait_for(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def told(capsys):
    """Return a function that waits until stdout or stderr has some words, and gives all that was written."""
    written = ""

    def until(words):
        nonlocal written

        def there():
            nonlocal written
            written += "".join(capsys.readouterr())
            return words in written

        wait_for(there)
        return written

    return until


def test_a_pipe_gets_a_line_now_and_then(lake, as_run, capsys, told):
    layout = lake().layout

    with progress_shown({"": layout}, "one", every=0.05) as shown:
        told("starting\n")
        as_run("one", layout=layout)
        Journal(layout.journal(DAY), "list").record(journal.STARTED)
        told("2024-01-02 list")
        shown.say("a word [between]")
        shown.note("stopping")
        shown.note("")
        lines = told("stopping").splitlines()
    capsys.readouterr()
    time.sleep(0.2)

    assert lines[0][9:] == "starting"
    assert any(line[9:].startswith("dates 0 of 1 done; 2024-01-02 list; 0 records/min") for line in lines)
    assert "a word [between]" in lines
    assert "stopping" in lines
    assert "" not in lines
    assert capsys.readouterr() == ("", "")  # nothing comes after the end


def test_the_first_line_comes_after_the_interval(lake, capsys, monkeypatch):
    monkeypatch.setenv(INTERVAL_VARIABLE, "10")

    with progress_shown({"": lake().layout}, "one", stderr=False):
        time.sleep(0.2)

    assert capsys.readouterr() == ("", "")


def test_an_interval_that_is_no_number_is_thirty_seconds():
    assert display._seconds({INTERVAL_VARIABLE: "often"}) == 30
    assert display._seconds({}) == 30


def test_a_display_that_fails_ends_and_the_work_goes_on(lake, as_run, capsys, monkeypatch):
    layout = lake().layout
    as_run("one", layout=layout)
    looks = []

    def look(watcher):
        looks.append(1)
        raise OSError("the disk is gone")

    monkeypatch.setattr(Watcher, "look", look)

    with progress_shown({"": layout}, "one", every=0.02):
        wait_for(lambda: looks)
        time.sleep(0.2)

    assert looks == [1]
    assert capsys.readouterr() == ("", "")


def test_who_shows_a_run_tells_it_to_be_quiet(lake, as_run, capsys, monkeypatch):
    layout = lake().layout
    run = as_run("one", layout=layout)
    monkeypatch.setenv(INTERVAL_VARIABLE, "0.02")
    monkeypatch.setenv(QUIET_VARIABLE, "1")

    with accompanied([Followed(layout, run)], logging.getLogger("nobody")):
        time.sleep(0.1)

    assert capsys.readouterr() == ("", "")


def test_a_run_that_fills_no_date_is_not_accompanied_and_any_other_is(
    lake, as_run, capsys, told, monkeypatch
):
    layout = lake().layout
    monkeypatch.setenv(INTERVAL_VARIABLE, "0.05")
    nothing = Run("none", os.getpid(), dt.datetime.now(dt.UTC), "/lake", "snakemake recheck", ())

    with accompanied([Followed(layout, nothing)], logging.getLogger("nobody")):
        time.sleep(0.15)
    assert capsys.readouterr() == ("", "")
    with accompanied([Followed(layout, as_run("one", layout=layout))], logging.getLogger("nobody")):
        assert told("dates 0 of 1 done")


# Showing: in a terminal -----------------------------------------------------------------------------------


class Tty(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Return a maker of a terminal that stands in for stderr."""

    def open_terminal():
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "stderr", Tty())
        return sys.stderr

    return open_terminal


HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def test_messages_of_loggers_scroll_above_the_picture_and_their_handlers_are_put_back(lake, as_run, terminal):
    layout = lake().layout
    as_run("one", layout=layout)
    Journal(layout.journal(DAY), "list").record(journal.STARTED)
    tty = terminal()
    logger, handler = logging.Logger("snakemake"), logging.StreamHandler(tty)
    logger.addHandler(handler)

    with progress_shown({"": layout}, "one", loggers=[logger]) as shown:
        redirected = handler.stream
        wait_for(lambda: "2024-01-02" in tty.getvalue())
        logger.warning("Finished jobid: 1")
        shown.note("stopping: running jobs finish")
        wait_for(lambda: "stopping: running jobs finish" in tty.getvalue())

    written = tty.getvalue()
    assert redirected is not tty
    assert handler.stream is tty
    assert sys.stderr is tty
    assert "Finished jobid: 1" in written
    assert "0 of 1 dates done" in written
    assert written.count(HIDE_CURSOR) == written.count(SHOW_CURSOR) == 1


def test_a_picture_that_cannot_be_drawn_ends_and_puts_everything_back(lake, as_run, terminal, monkeypatch):
    layout = lake().layout
    as_run("one", layout=layout)
    tty = terminal()
    logger, handler = logging.Logger("snakemake"), logging.StreamHandler(tty)
    logger.addHandler(handler)
    monkeypatch.setattr(Watcher, "look", lambda _: 1 / 0)

    with progress_shown({"": layout}, "one", loggers=[logger]):
        wait_for(lambda: handler.stream is tty)
        logger.warning("the run goes on")

    assert "the run goes on" in tty.getvalue()
    assert "ZeroDivisionError" not in tty.getvalue()
    assert tty.getvalue().endswith("the run goes on\n")


def test_where_no_picture_can_be_opened_words_are_still_said(lake, terminal, monkeypatch):
    tty = terminal()

    def no_picture(*_):
        raise RuntimeError("no terminal after all")

    monkeypatch.setattr(display, "Picturing", no_picture)

    with progress_shown({"": lake().layout}, "one") as shown:
        shown.say("started")
        shown.note("stopping")

    assert tty.getvalue().splitlines() == ["started", "stopping"]


# Watching -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def meanwhile(do):
    """Let another thread *do* something during the block, and see to it that it went well."""
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(do)
        yield
        doing.result()


def test_watching_ends_with_the_run(lake, as_run, told, monkeypatch):
    layout = lake().layout
    monkeypatch.setenv(INTERVAL_VARIABLE, "0.1")
    as_run("one", layout=layout)
    held = locks.hold(layout.run_lock)

    def end():
        try:
            told("dates 0 of 1 done")
        finally:
            os.close(held)

    with meanwhile(end):
        watch({"": layout})

    assert runs.current(layout) is None


def test_where_no_run_is_at_work_the_next_one_is_waited_for(lake, as_run, told, monkeypatch):
    layout, seen = lake().layout, []
    monkeypatch.setenv(INTERVAL_VARIABLE, "0.1")

    def begin():
        told("no run in progress: waiting for one to begin")
        as_run("one", layout=layout)
        held = locks.hold(layout.run_lock)
        try:
            seen.append(told("dates 0 of 1 done"))
        finally:
            os.close(held)

    with meanwhile(begin):
        watch({"": layout})

    assert seen[0].startswith("no run in progress")


def test_watching_is_for_people():
    called = CliRunner().invoke(status, ["--watch", "--format", "json"])

    assert called.exit_code == 2
    assert "--watch has no --format" in called.output
