"""`spx-data cleanup`: what stopped and failed runs leave behind goes, what is sealed or staged stays."""

import csv
import datetime as dt
import io
import json
import os
import subprocess
import sys
import threading

import pytest
import yaml
from click.testing import CliRunner
from tests.rules.conftest import Date

from spx_data.cli import commands
from spx_data.errors import AnotherRunError
from spx_data.lake import runs
from spx_data.lake.session_states import Kind
from spx_data.lake.verify import Standing, examine
from spx_data.ops.cleanup import Choice, clean, clear
from spx_data.store import files, locks
from spx_data.store.names import compressed_of

DAY, NEXT = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
NOW = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)


@pytest.fixture
def lake_at(simulated, lake):
    """Return a maker of dates of one lake, with a terminal."""
    terminal = simulated()

    def make(date=DAY, **keys):
        return Date(lake(terminal.url, **{"api": "v3"} | keys), date)

    return make


@pytest.fixture
def cleanup(lake_at, tmp_path, monkeypatch):
    """Return a caller of `spx-data cleanup` in the lake's folder."""
    document = dict(lake_at().settings.document)
    document["processing"] = document["processing"] | {"start_date": "2024-01-02"}
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.chdir(tmp_path)

    def call(*arguments, **keys):
        return CliRunner().invoke(commands, ["cleanup", *arguments], **keys)

    return call


def tree(settings):
    """Every file of the lake with its bytes, but for locks and what saves time."""
    layout = settings.layout
    found = [path for top in (layout.output, layout.temp, layout.data) for path in top.rglob("*")]
    return {path: path.read_bytes() for path in found if path.is_file() and path.suffix != ".lock"}


def put(path, content="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def paths(report):
    return [done.task.path for done in report.done]


TEMP, OUTPUTS = (
    Choice(True, False, False),
    Choice(False, True, False),
)


# Temporary files ----------------------------------------------------------------------------------------


def test_a_lake_without_leftovers_has_nothing_to_clean_up(lake_at):
    day = lake_at()
    day.fill()
    before = tree(day.settings)

    assert clean(day.settings, NOW, Choice()).done == []

    assert tree(day.settings) == before


def test_what_was_of_use_only_while_a_run_lasted_goes(lake_at):
    day = lake_at()
    day.fill()
    before, layout = tree(day.settings), day.layout
    leftovers = [
        put(layout.terminal_down),
        put(layout.temp / "recheck" / "temp" / "2024-01-02" / "expirations.json").parents[2],
        put(layout.staging(DAY) / "SPX-2024-01-19.ndjson").parent,
        put(layout.staging(NEXT) / "expirations.json.part"),
    ]
    empty = layout.staging(dt.date(2024, 1, 4))
    empty.mkdir()

    report = clean(day.settings, NOW, TEMP)

    assert sorted(paths(report)) == sorted([*leftovers, empty])
    assert report.errors == []
    assert tree(day.settings) == before
    assert list(layout.temp.iterdir()) == []


def test_the_page_of_a_date_that_is_not_sealed_goes_and_others_stay(lake_at):
    day = lake_at()
    day.fill()
    kept, gone = (put(day.layout.day_page(date)) for date in (DAY, NEXT))
    put(day.layout.dashboard)

    assert paths(clean(day.settings, NOW, TEMP)) == [gone]

    assert kept.exists() and not gone.exists() and day.layout.dashboard.exists()


def test_checkpoints_that_are_kept_on_request_stay(lake_at):
    day = lake_at(keep_ndjson=True)
    day.fill()
    before = tree(day.settings)

    assert clean(day.settings, NOW, Choice()).done == []

    assert tree(day.settings) == before


def test_records_without_a_receipt_go_and_the_next_run_takes_up_the_rest(lake_at):
    day = lake_at()
    day.fetch()
    day.download()
    unfinished = day.checkpoint(0)
    unfinished.receipt.unlink()
    unfinished.rejects.write_text("{}")
    day.layout.manifest(DAY).unlink()

    report = clean(day.settings, NOW, Choice())

    assert sorted(paths(report)) == sorted([unfinished.records, unfinished.rejects])
    assert (report.staged_dates, report.staged_bytes) == (1, sum(map(len, tree_of(day.layout.staging(DAY)))))
    day.download()
    day.merge()
    assert day.state().kind is Kind.SEALED


def tree_of(folder):
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def test_names_that_are_not_ours_are_never_looked_at(lake_at):
    day = lake_at()
    day.fill()
    strange = [
        put(day.layout.temp / "download.part"),
        put(day.layout.temp / "2024-01-99" / "x.part"),
        put(day.layout.temp / "notes" / "a.ndjson"),
        put(day.layout.output / "2024" / "01" / "02" / "mine.part"),
        put(day.layout.output / "README"),
    ]

    assert clean(day.settings, NOW, Choice()).done == []

    assert all(path.exists() for path in strange)


def test_what_others_may_be_writing_is_left_alone_for_an_hour(lake_at):
    day = lake_at()
    old, fresh = (put(day.layout.data / "journal" / "2024" / f"{name}.gz.part") for name in ("old", "fresh"))
    os.utime(old, (1, 1))

    assert paths(clean(day.settings, NOW, TEMP)) == [old]

    assert fresh.exists()


# Failed outputs -----------------------------------------------------------------------------------------


def test_what_was_being_written_to_the_output_tree_goes(lake_at):
    day = lake_at()
    part = put(files.part_of(day.layout.parquet(DAY)))

    report = clean(day.settings, NOW, OUTPUTS)

    assert paths(report) == [part]
    assert list(day.layout.output.iterdir()) == []


def test_a_parquet_without_its_sidecar_goes_to_quarantine(lake_at):
    day = lake_at()
    day.fill()
    parquet = day.layout.parquet(DAY).read_bytes()
    day.layout.sidecar(DAY).unlink()

    (done,) = clean(day.settings, NOW, Choice()).done

    assert (str(done.task.action), done.error) == ("quarantine", None)
    (kept,) = day.layout.quarantine(DAY).rglob("*-options-*.parquet")
    assert kept.read_bytes() == parquet
    assert not day.layout.parquet(DAY).parent.exists()
    assert day.state().kind is Kind.CORRUPT
    assert day.state().due


def unfinished(day, *, staged):
    """A merge that was killed before its seal."""
    day.fetch()
    day.download()
    manifest = tree(day.settings)
    day.merge()
    for path, content in manifest.items():
        if staged or day.layout.temp not in path.parents:
            files.make_directory(path.parent)
            path.write_bytes(content)
    day.layout.sidecar(DAY).unlink()
    assert examine(day.layout, DAY).standing is Standing.UNFINISHED


def test_a_publication_that_never_ended_goes_where_it_can_be_made_again(lake_at):
    day = lake_at()
    unfinished(day, staged=True)

    report = clean(day.settings, NOW, Choice())

    assert paths(report) == [day.layout.contracts(DAY), day.layout.passport(DAY), day.layout.parquet(DAY)]
    assert {str(done.task.action) for done in report.done} == {"remove"}
    assert not day.layout.quarantine(DAY).exists()
    day.merge()
    assert day.state().kind is Kind.SEALED


def test_a_publication_that_never_ended_goes_to_quarantine_where_it_cannot(lake_at):
    day = lake_at()
    unfinished(day, staged=False)

    (done,) = clean(day.settings, NOW, Choice()).done

    assert str(done.task.action) == "quarantine"
    assert list(day.layout.quarantine(DAY).rglob("*.parquet"))
    assert day.state().due


def test_a_sealed_day_is_never_touched_even_where_it_is_damaged(lake_at):
    day = lake_at()
    day.fill()
    with day.layout.parquet(DAY).open("r+b") as stream:
        stream.write(b"PAR0")
    before = tree(day.settings)

    clean(day.settings, NOW, Choice(staged=True))

    assert tree(day.settings) == before


def test_checkpoints_of_other_settings_go(lake_at):
    day = lake_at()
    day.fetch()
    day.download()
    other = lake_at(interval="5m")

    report = clean(other.settings, NOW, OUTPUTS)

    assert paths(report) == [day.layout.staging(DAY)]
    assert list(day.layout.temp.iterdir()) == []


def test_checkpoints_of_another_api_go_where_the_settings_name_one(lake_at):
    day = lake_at()
    day.fetch()

    assert clean(lake_at(api="auto").settings, NOW, OUTPUTS).done == []
    assert len(clean(lake_at(api="v2").settings, NOW, OUTPUTS).done) == 1


def test_a_receipt_that_does_not_belong_to_the_listing_goes_with_its_records(lake_at):
    day = lake_at()
    day.fetch()
    day.download()
    stale = day.checkpoint(0)
    receipt = json.loads(stale.receipt.read_text())
    stale.receipt.write_text(json.dumps(receipt | {"listing": "another"}))
    garbled = day.checkpoint(1)
    garbled.receipt.write_text("{")
    stale.rejects.write_text("{}")

    report = clean(day.settings, NOW, OUTPUTS)

    removed = [stale.records, stale.rejects, stale.receipt, garbled.records, garbled.receipt]
    assert sorted(paths(report)) == sorted(removed)
    day.download()


def test_a_listing_that_cannot_be_read_condemns_nothing(lake_at):
    day = lake_at()
    day.fetch()
    day.download()
    day.layout.listing(DAY).write_text("{")

    assert clean(day.settings, NOW, OUTPUTS).done == []


def test_evidence_stays_for_ever(lake_at):
    day = lake_at()
    day.fill()
    evidence = [
        put(day.layout.quarantine(NEXT) / "20240103T000000.000000Z" / "report.json.part"),
        put(day.layout.restatements(DAY) / "20240103T000000.000000Z" / "before" / "x.part"),
    ]

    clean(day.settings, NOW + dt.timedelta(9999), Choice(staged=True))

    assert all(path.exists() for path in evidence)
    assert [event["event"] for event in day.events("sealed")] == ["sealed"]


# Staged dates -------------------------------------------------------------------------------------------


def test_staged_dates_go_only_when_somebody_says_so(lake_at):
    day = lake_at()
    day.fetch()
    day.download()

    kept = clean(day.settings, NOW, Choice())
    assert (kept.done, kept.staged_dates) == ([], 1)

    dropped = clean(day.settings, NOW, Choice(staged=True))
    assert (paths(dropped), dropped.staged_dates, dropped.staged_bytes) == ([day.layout.staging(DAY)], 0, 0)
    assert day.state().kind is Kind.MISSING


def test_a_retry_clears_what_is_in_its_dates_way_and_keeps_what_is_staged(lake_at):
    day, other = lake_at(), lake_at(NEXT)
    day.fill()
    day.layout.sidecar(DAY).unlink()
    day.fetch()
    part = put(files.part_of(day.layout.manifest(DAY)))
    others = put(files.part_of(other.layout.manifest(NEXT)))

    done = clear(day.settings, [DAY])

    assert {each.task.path for each in done} == {part, day.layout.parquet(DAY).parent}
    assert day.layout.listing(DAY).exists()
    assert others.exists()
    assert clear(day.settings, [DAY]) == []


# Others at work -----------------------------------------------------------------------------------------


@pytest.fixture
def at_work(lake_at):
    """Return a lake in which this process is the run at work."""
    layout = lake_at().layout
    descriptor = locks.hold(layout.run_lock)
    run = runs.Run("20240601T000000-1", os.getpid(), NOW, "/", "snakemake", ())
    files.write_json(layout.run_note, run.as_json())
    yield layout
    os.close(descriptor)


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_nothing_is_cleaned_up_while_a_run_is_at_work(at_work, cleanup, arguments):
    note = put(at_work.terminal_down)

    result = cleanup(*arguments)

    assert isinstance(result.exception, AnotherRunError)
    assert "another run is filling this lake" in str(result.exception)
    assert note.exists()


def test_jobs_that_outlived_their_run_are_at_work_too(lake_at, monkeypatch):
    import subprocess

    settings = lake_at().settings
    run = runs.Run("20240601T000000-1", 1, NOW, "/", "snakemake", ())
    files.write_json(settings.layout.run_note, run.as_json())
    work = """
import os, sys
from pathlib import Path
from spx_data.store import locks, names
held = locks.hold(Path(sys.argv[1], f"{names.of_process(os.getpid())}.lock"))
print("at work", flush=True)
input()
"""
    command = [sys.executable, "-c", work, settings.layout.jobs / run.name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        job.stdout.readline()
        with pytest.raises(AnotherRunError, match=f"processes {job.pid}"):
            clean(settings, NOW, Choice())
        job.communicate(b"\n")

    assert clean(settings, NOW, Choice()).done == []


def test_no_run_begins_while_somebody_cleans_up(lake_at, monkeypatch):
    layout = lake_at().layout
    files.write_json(layout.run_note, runs.Run("r", os.getpid(), NOW, "/", "snakemake", ()).as_json())
    monkeypatch.setattr(runs, "_PATIENCE_SECONDS", 0.1)

    # Who cleans up may have children, and the id of the last run: they are no jobs of it.
    with runs.excluded(layout), subprocess.Popen(["cat"], stdin=subprocess.PIPE):
        assert runs.current(layout) is None
        with pytest.raises(AnotherRunError, match="being cleaned up"):
            runs.begin(layout, "snakemake", [])
        with pytest.raises(AnotherRunError, match="being cleaned up"), runs.excluded(layout):
            pass


def test_a_run_waits_for_a_short_cleanup(lake_at):
    layout = lake_at().layout
    begun = threading.Event()
    with runs.excluded(layout):
        thread = threading.Thread(target=lambda: (runs.begin(layout, "snakemake", []), begun.set()))
        thread.start()
        assert not begun.wait(0.2)

    assert begun.wait(5)


# The command --------------------------------------------------------------------------------------------


def test_a_dry_run_names_each_path_and_changes_nothing(lake_at, cleanup):
    day = lake_at()
    day.fill()
    put(day.layout.terminal_down, "x" * 1500)
    put(files.part_of(day.layout.parquet(NEXT)))
    before = tree(day.settings)

    result = cleanup("--dry-run")

    assert result.exit_code == 0, result.output
    assert "terminal-down.json" in result.output
    assert "a note of the last run" in result.output
    assert "to remove: 2 files, 2 kB" in result.output
    assert tree(day.settings) == before


def test_the_summary_says_what_went_and_what_stays_staged(lake_at, cleanup):
    day = lake_at()
    day.fetch()
    day.download()
    put(day.layout.terminal_down, "x" * 1500)

    result = cleanup()

    assert result.exit_code == 0, result.output
    assert "removed: 1 file, 2 kB" in result.output
    assert "2 kB freed" in result.output
    assert "kept: 1 date, " in result.output
    assert "--staged drops them too" in result.output


def test_nothing_to_do_says_so(cleanup):
    assert cleanup().output == "nothing to clean up\n"
    assert cleanup("--dry-run").output == "nothing to clean up\n"
    assert cleanup("--format", "json").output == "[]\n"


def test_folders_that_hold_nothing_are_told_as_such(lake_at, cleanup):
    there = lake_at().layout
    aside = there.aside("recheck").database.parent
    for folder in (aside, there.staging(dt.date(2024, 1, 5))):
        folder.mkdir(parents=True)

    looked = cleanup("--dry-run").output
    assert looked.count("an empty folder") == 2
    assert looked.endswith("\nto remove: 2 empty folders\n")
    assert cleanup().output == "removed: 2 empty folders\n"
    assert not aside.exists()


FIELDS = ["path", "action", "files", "bytes", "freed_bytes", "reason", "error"]


def test_programs_read_what_was_done(lake_at, cleanup):
    note = put(lake_at().layout.terminal_down)

    (planned,) = csv.DictReader(io.StringIO(cleanup("--dry-run", "--format", "csv").output))
    (done,) = json.loads(cleanup("--format", "json").output)

    assert list(planned) == list(done) == FIELDS
    assert (planned["path"], planned["bytes"], planned["freed_bytes"]) == (str(note), "1", "")
    assert done == {
        "path": str(note),
        "action": "remove",
        "files": 1,
        "bytes": 1,
        "freed_bytes": 1,
        "reason": "a note of the last run",
        "error": None,
    }


def test_each_choice_does_its_own_part(lake_at, cleanup):
    layout = lake_at().layout
    note = put(layout.terminal_down)
    part = put(files.part_of(layout.parquet(DAY)))
    old = put(layout.logs / "runs" / "a.log")
    os.utime(old, (1, 1))

    assert cleanup("--logs").exit_code == 0
    assert (note.exists(), part.exists(), compressed_of(old).exists()) == (True, True, True)
    assert cleanup("--failed-outputs").exit_code == 0
    assert (note.exists(), part.exists()) == (True, False)
    assert cleanup("--temp-files").exit_code == 0
    assert not note.exists()


def test_staged_dates_are_asked_about(lake_at, cleanup):
    day = lake_at()
    day.fetch()

    refused = cleanup("--staged", input="n\n")
    assert refused.exit_code != 0
    assert "Drop what is staged of 1 date" in refused.output
    assert day.layout.listing(DAY).exists()

    assert cleanup("--staged", "--yes").exit_code == 0
    assert not day.layout.staging(DAY).exists()
    assert cleanup("--staged").output == "nothing to clean up\n"


def test_what_cannot_be_removed_is_named_and_the_rest_goes(lake_at, cleanup, monkeypatch):
    layout = lake_at().layout
    note, part = put(layout.terminal_down), put(files.part_of(layout.parquet(DAY)))
    unlink = files.disk.unlink

    def refuse(path):
        if path == note:
            raise PermissionError(13, "Permission denied")
        unlink(path)

    monkeypatch.setattr(files.disk, "unlink", refuse)

    result = cleanup()

    assert result.exit_code == 1
    assert f"spx-data: {note} stays: PermissionDeniedError" in result.output
    assert not part.exists()
