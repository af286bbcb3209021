"""A lake whose disk is not mounted: days that the journal has sealed, and nothing of them is there."""

import datetime as dt
import json
import shlex
import shutil
import time

import pytest
import yaml
from click.testing import CliRunner
from tests.sealed_days import fail, record, seal

from spx_data.cli import commands
from spx_data.errors import LakeMissingError
from spx_data.fill.preflight import preflight
from spx_data.lake import session_states
from spx_data.lake.verify import verify
from spx_data.ops.cleanup import Choice, clean
from spx_data.status import summaries
from spx_data.store import archive, dataset, files, journal
from spx_data.store.journal import Journal

DAYS = [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]
MOMENT = dt.datetime(2024, 1, 8, 13, tzinfo=dt.UTC)


@pytest.fixture
def settings(lake, terminals):
    """Return the settings of a lake that holds two sealed days."""
    made = lake(terminals["v3"].url, end_date="2024-01-03")
    dataset.claim(made.layout, made.identity("latest"))
    for date in DAYS:
        seal(made, date)
    return made


@pytest.fixture
def unmounted(settings):
    """Return the settings of a lake whose disk is not mounted any more."""
    _unmount(settings)
    return settings


def _unmount(settings):
    output = settings.layout.output
    output.rename(output.with_name("the disk"))
    output.mkdir()


def _mount(settings):
    output = settings.layout.output
    output.rmdir()
    output.with_name("the disk").rename(output)


@pytest.fixture
def call(unmounted, tmp_path, monkeypatch):
    """Return a caller of `spx-data` in the folder of an unmounted lake."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(dict(unmounted.document)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPX_DATA_NOW", MOMENT.isoformat())
    return lambda *arguments: CliRunner().invoke(commands, arguments)


# What is refused ----------------------------------------------------------------------------------------


def test_a_fill_is_refused_before_the_terminal_is_asked(unmounted, simulated):
    terminal = simulated()

    with pytest.raises(LakeMissingError, match="Is the disk mounted") as caught:
        preflight(unmounted)

    assert caught.value.surroundings
    assert str(unmounted.layout.output) in caught.value.cause
    assert "2024-01-03" in caught.value.cause
    assert dataset.GIVE_UP in caught.value.cure
    assert not terminal.requests()


def test_a_merge_never_begins_a_second_lake_on_the_mount_point(unmounted):
    with pytest.raises(LakeMissingError):
        dataset.claim(unmounted.layout, unmounted.identity("latest"))

    assert not list(unmounted.layout.output.iterdir())


def test_a_mount_point_that_is_not_there_either_is_the_same(unmounted):
    unmounted.layout.output.rmdir()

    with pytest.raises(LakeMissingError):
        preflight(unmounted)

    assert not unmounted.layout.output.exists()


def test_days_that_are_out_of_reach_are_not_found_damaged(unmounted):
    with pytest.raises(LakeMissingError):
        verify(unmounted)

    assert not (unmounted.layout.data / "quarantine").exists()
    assert journal.read(unmounted.layout.lake_journal) == []


def test_nothing_is_cleaned_up_meanwhile(unmounted):
    page = unmounted.layout.day_page(DAYS[0])
    files.write_text(page, "")

    with pytest.raises(LakeMissingError):
        clean(unmounted, MOMENT, Choice())

    assert page.exists()


def test_once_it_is_mounted_all_is_as_before(unmounted):
    _mount(unmounted)

    preflight(unmounted)

    assert [line.state.kind for line in summaries(unmounted, MOMENT)] == [session_states.Kind.SEALED] * 2
    assert verify(unmounted).days


# What is no such lake -----------------------------------------------------------------------------------


def test_a_new_lake_is_filled(lake, terminals):
    settings = lake(terminals["v3"].url)
    for date in DAYS:
        fail(settings, date, runs=2)

    assert dataset.missing(settings.layout) is None
    preflight(settings)


def test_days_removed_by_hand_are_gaps_as_ever(settings):
    for date in DAYS:
        shutil.rmtree(settings.layout.parquet(date).parent)

    preflight(settings)

    assert [line.state.kind for line in summaries(settings, MOMENT)] == [session_states.Kind.MISSING] * 2


def test_a_lost_identity_beside_sealed_days_is_no_lost_lake(settings):
    settings.layout.dataset.unlink()

    preflight(settings)


def test_a_lake_that_was_moved_with_its_files_is_there(settings, lake, terminals, tmp_path):
    shutil.copytree(settings.layout.output, tmp_path / "larger disk")
    moved = lake(terminals["v3"].url, output_directory=str(tmp_path / "larger disk"))

    preflight(moved)


def test_days_whose_journals_are_gone_too_are_a_new_lake(unmounted):
    shutil.rmtree(unmounted.layout.data)

    assert dataset.missing(unmounted.layout) is None


@pytest.mark.parametrize("word", [journal.QUARANTINED, journal.ACCEPTED])
def test_a_day_that_was_given_up_one_by_one_does_not_count(word, unmounted):
    for date in DAYS:
        record(unmounted, date, word, at=MOMENT.isoformat())

    assert dataset.missing(unmounted.layout) is None


# How it is found ----------------------------------------------------------------------------------------


def test_a_new_empty_folder_for_the_same_journal_is_asked_about(settings, lake, terminals, tmp_path):
    (tmp_path / "new").mkdir()
    emptied = lake(terminals["v3"].url, output_directory=str(tmp_path / "new"))

    with pytest.raises(LakeMissingError, match="new holds neither a sealed day nor"):
        preflight(emptied)


def test_compressed_journals_know_it_too(unmounted):
    for path in unmounted.layout.journals():
        archive.pack(path, lambda lines: (lines, {}))
        assert not path.exists()

    assert dataset.last_sealed(unmounted.layout) == DAYS[1]


def test_journals_are_read_newest_first_until_one_says_so(unmounted, monkeypatch):
    fail(unmounted, dt.date(2024, 1, 4))
    read = []
    monkeypatch.setattr(
        dataset.journal, "read", lambda path, _read=journal.read: read.append(path) or _read(path)
    )

    dataset.missing(unmounted.layout)

    assert [path.stem for path in read] == ["lake", "2024-01-04", "2024-01-03"]


def test_while_the_lake_is_there_no_journal_is_read(settings, monkeypatch):
    monkeypatch.setattr(dataset.journal, "read", lambda path: pytest.fail(f"{path} was read"))

    assert dataset.missing(settings.layout) is None


# What says it -------------------------------------------------------------------------------------------


def test_health_fails_with_the_cure(call):
    said = call("health", "--format", "json")

    (row,) = [row for row in json.loads(said.stdout) if row["check"] == "data-set"]
    assert said.exit_code == 1
    assert row["level"] == "fail"
    assert "Is the disk mounted?" in row["found"]
    assert dataset.GIVE_UP in row["cure"]


def test_status_says_it_among_what_needs_you(call):
    said = call("status", "--offline")

    assert said.exit_code == 0
    assert "Is the disk mounted?" in said.stdout
    assert (
        json.loads(call("status", "--offline", "--format", "json").stdout)["alerts"][0]["check"] == "data-set"
    )


@pytest.mark.parametrize("command", ["list", "inventory", "quality", "metrics"])
def test_a_list_says_it_and_stays_a_list(command, call):
    said = call(command, "--format", "json")

    assert said.exit_code == 0
    assert isinstance(json.loads(said.stdout), list)
    assert "Is the disk mounted?" in said.stderr


def test_gaps_and_a_dry_run_name_it_as_what_stands_in_the_way(call):
    told, dry = call("gaps"), call("process-gaps", "--dry-run")
    document = json.loads(call("process-gaps", "--dry-run", "--format", "json").stdout)

    assert "Is the disk mounted?" in told.stdout
    assert "Is the disk mounted?" in dry.stdout
    assert dry.exit_code == 1
    assert document["conflicts"][0]["what"] == "lake"


@pytest.mark.parametrize("arguments", [["process-gaps"], ["process", "2024-01-02"], ["verify"], ["cleanup"]])
def test_what_would_work_on_it_is_refused_in_one_line(arguments, call):
    said = call(*arguments)

    assert said.exit_code == 1
    assert isinstance(said.exception, LakeMissingError)


def test_a_lake_of_which_only_the_identity_is_left_is_a_warning(settings, call):
    files.write_json(settings.layout.dataset, settings.identity("latest"))

    (row,) = [
        row for row in json.loads(call("health", "--format", "json").stdout) if row["check"] == "data-set"
    ]

    assert row["level"] == "warn"
    assert "2024-01-03" in row["found"]


# A person's word ----------------------------------------------------------------------------------------


def test_whoever_says_that_it_is_gone_for_good_begins_anew(unmounted, call):
    said = call("accept", "--lost", "--reason", "the disk died")

    assert (said.exit_code, said.stderr) == (0, "")
    (event,) = journal.read(unmounted.layout.lake_journal)
    assert (event["event"], event["reason"]) == (journal.GIVEN_UP, "the disk died")
    assert dataset.missing(unmounted.layout) is None
    preflight(unmounted)
    assert [day.standing for day in verify(unmounted).days] == []
    assert [line.state.due for line in summaries(unmounted, MOMENT)] == [True, True]


def test_a_lake_that_was_begun_anew_can_be_lost_again(unmounted):
    dataset.give_up(unmounted.layout, "the disk died")
    dataset.claim(unmounted.layout, unmounted.identity("latest"))
    time.sleep(0.002)  # moments in journals are whole ms
    Journal(unmounted.layout.journal(DAYS[0]), "merge").record(journal.SEALED, rows=1)
    unmounted.layout.dataset.unlink()

    error = dataset.missing(unmounted.layout)

    assert error
    assert "2024-01-02" in error.cause


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--lost"], "--reason is missing"),
        (["--lost", "--reason", " "], "--reason is missing"),
        (["--lost", "2024-01-02", "--reason", "x"], "takes no DATE"),
        (["--lost", "--undo", "--reason", "x"], "takes no DATE"),
        (["--reason", "x"], "name a DATE"),
    ],
)
def test_a_wrong_word_about_it_says_what_is_right(arguments, wrong, call):
    said = call("accept", *arguments)

    assert said.exit_code == 2
    assert wrong in said.stderr


def test_a_lake_that_is_there_cannot_be_given_up(unmounted, call):
    _mount(unmounted)

    said = call("accept", "--lost", "--reason", "x")

    assert said.exit_code == 2
    assert "nothing sealed is missing" in said.stderr
    assert journal.read(unmounted.layout.lake_journal) == []


def test_the_cure_is_a_command_that_there_is(call):
    program, *arguments = shlex.split(dataset.GIVE_UP)

    assert program == "spx-data"
    assert call(*arguments).exit_code == 0
