"""`mend` from end to end: a sealed day that lacks a chain, and what becomes of it when the source has it."""

import datetime as dt
import json
import os
import signal
import subprocess

import pytest
from tests.restating import expiration_of, is_history, restating
from tests.workflow.conftest import BIN, PATIENCE, REPOSITORY, Holding, wait_for

from spx_data.lake import runs
from spx_data.store import journal

START, END = "2024-11-27", "2024-12-02"
HALF_DAY = "2024-11-29"
CHAIN = ("SPXW", "2024-12-02")


@pytest.fixture(scope="module")
def lacking(v3, new_lake):
    """A lake whose half day lacks a chain."""
    with restating(v3.url) as source:
        source.edit = without_the_chain
        lake = new_lake(source, HALF_DAY, END)
        sections = lake.sections()
        sections["processing"]["max_attempts"] = 1
        lake.configure(**sections)
        assert lake.snakemake().returncode == 0
    assert passport(lake)["completeness"]["chains"]["unavailable"] == 1
    return lake


@pytest.fixture
def incomplete(new_lake, lacking, source):
    """Return a maker of lakes whose half day lacks a chain, at a source that has it by now."""

    def make(**mend):
        lake = new_lake(None, HALF_DAY, END, base_url=source.url)
        lake.configure(**lacking.sections() | {"thetadata": lake.sections()["thetadata"], "mend": mend})
        lake.take(lacking)
        return lake

    return make


def without_the_chain(path, query, rows):
    asked = query.get("symbol"), expiration_of(query)
    return 500 if is_history(path) and asked == CHAIN and query["date"] == HALF_DAY else rows


def passport(lake):
    (found,) = (lake.folder / "data" / "parquet").rglob(f"spx-options-{HALF_DAY}.json")
    return json.loads(found.read_text())


def mends(lake):
    events = journal.read(lake.settings.layout.lake_journal)
    return [event for event in events if event["event"] == journal.MENDED]


def later(hours):
    return {"SPX_DATA_NOW": (dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)).isoformat()}


def test_the_rule_asks_for_what_a_day_lacks_and_seals_it_anew(incomplete, source, filled_lake):
    lake = incomplete()
    before = lake.bytes_of_all()

    again = lake.snakemake("mend", "--config", f"dates={HALF_DAY}")

    assert again.returncode == 0, again.stdout
    assert f"{HALF_DAY}  mended  1 unavailable  nothing" in again.stdout
    assert passport(lake)["completeness"]["complete"]
    assert sum(map(is_history, source.asked)) == 1
    whole = filled_lake(START, END)
    after, name = lake.bytes_of_all(), f"spx-options-{HALF_DAY}.parquet"
    place = lake.folder / lake.parquet(HALF_DAY)
    assert place.read_bytes() == whole.bytes_of_all()[name]
    assert {key: after[key] for key in after if key != name} == {
        key: before[key] for key in before if key != name
    }
    assert "Nothing to be done" in lake.snakemake().stdout


def test_the_command_mends_all_incomplete_days(incomplete, source):
    lake = incomplete()

    done = lake.spx_data("mend")

    assert done.returncode == 0, done.stderr
    assert f"{HALF_DAY}  mended" in done.stdout
    assert "1 asked about again: 1 mended" in done.stdout
    assert sum(map(is_history, source.asked)) == 1
    assert "no day to mend" in lake.spx_data("mend").stdout
    assert f"{HALF_DAY}  complete" in lake.spx_data("mend", HALF_DAY).stdout


def test_the_command_says_what_could_not_be_asked(incomplete, source):
    lake = incomplete()

    unsealed = lake.spx_data("mend", "2024-11-22")

    assert unsealed.returncode == 1
    assert "2024-11-22 is not sealed" in unsealed.stdout
    lake.configure(
        **{**lake.sections(), "thetadata": {"base_url": "http://127.0.0.1:9", "retry_wait_factor": 0}}
    )
    down = lake.spx_data("mend")
    assert down.returncode == 1
    assert "no Theta Terminal answers at http://127.0.0.1:9" in down.stderr


@pytest.mark.parametrize("wanted", [True, False])
def test_a_run_ends_with_a_mend_of_what_is_due(wanted, incomplete, source):
    lake = incomplete(after_runs=wanted)
    removed = lake.folder / lake.parquet(END)
    for path in removed.parent.iterdir():
        path.unlink()
    lake.environment |= later(hours=2)

    done = lake.snakemake()

    assert done.returncode == 0, done.stdout
    assert passport(lake)["completeness"]["complete"] is wanted
    assert len(mends(lake)) == int(wanted)
    assert lake.sealed() == [HALF_DAY, END]


# Snakemake, which is told to end when it is about to be the lake's run.
TOLD_AS_IT_BEGINS = f"""
import os, signal, sys
sys.path.insert(0, {str(REPOSITORY / "scripts")!r})
from spx_data.lake import runs
begin = runs.begin
def told(*words):
    os.kill(os.getpid(), signal.SIGTERM)
    return begin(*words)
runs.begin = told
from snakemake.cli import main
main()
"""


def was_told(lake):
    run = runs.last(lake.settings.layout)
    return run and runs.was_stopped(lake.settings.layout, run.name)


def without(lake, date):
    for path in (lake.folder / lake.parquet(date)).parent.iterdir():
        path.unlink()


def test_a_run_that_is_told_to_stop_by_whoever_finishes_its_jobs_and_mends_nothing(incomplete, source):
    lake = incomplete(after_runs=True)
    without(lake, END)
    lake.environment |= later(hours=2)
    holding = Holding(source, is_history)
    run = lake.start()
    wait_for(lambda: holding.asked)
    run.send_signal(signal.SIGTERM)
    wait_for(lambda: was_told(lake), seconds=60)
    holding.let()
    said, _ = run.communicate(timeout=PATIENCE)

    assert mends(lake) == [], said
    assert journal.FAILED not in {
        event["event"] for event in journal.read(lake.settings.layout.journal(dt.date.fromisoformat(END)))
    }


def test_a_run_that_is_told_to_stop_as_it_begins_does_nothing_more(incomplete, source):
    lake = incomplete(after_runs=True)
    without(lake, END)
    told = [BIN / "python", "-c", TOLD_AS_IT_BEGINS, "--snakefile", REPOSITORY / "Snakefile", "--cores", "1"]
    subprocess.run(
        told,
        cwd=lake.folder,
        env=os.environ | lake.environment | later(hours=2),
        timeout=PATIENCE,
        check=False,
    )

    assert was_told(lake)
    assert mends(lake) == []
    assert lake.sealed() == [HALF_DAY]
    assert not any(map(is_history, source.asked))


def test_a_mend_that_fails_fails_no_run(incomplete, source):
    lake = incomplete()
    damaged = lake.folder / lake.parquet(HALF_DAY)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    for path in (lake.folder / lake.parquet(END)).parent.iterdir():
        path.unlink()
    lake.environment |= later(hours=2)

    done = lake.snakemake()

    assert done.returncode == 0, done.stdout
    assert f"{HALF_DAY}  not mended" in done.stdout
    assert [event["changed"] for event in mends(lake)] == [False]


def test_a_held_date_is_sealed_as_it_is_and_mended_later(new_lake, source):
    lake = new_lake(source, HALF_DAY, HALF_DAY)
    source.edit = without_the_chain
    assert lake.snakemake().returncode == 1
    assert lake.sealed() == []
    source.asked.clear()

    accepted = lake.spx_data("accept", HALF_DAY, "--as-is", "--reason", "one chain never comes")

    assert accepted.returncode == 0, accepted.stderr
    assert f"{HALF_DAY} is sealed as it is, with 3 of 4 chains" in accepted.stdout
    assert f"spx-data mend {HALF_DAY}" in accepted.stdout
    assert source.asked == []
    assert passport(lake)["as_is"] == {"reason": "one chain never comes"}
    again = lake.spx_data("accept", HALF_DAY, "--as-is", "--reason", "again")
    assert (again.returncode, "is sealed" in again.stderr) == (2, True)
    source.edit = None
    assert lake.spx_data("mend").returncode == 0
    assert passport(lake)["completeness"]["complete"]
