"""What Snakemake is asked for is what it does: gaps, single dates, stages, dry runs, the status log."""

import datetime as dt
import os
import shlex
import sqlite3
import sys
from pathlib import Path

import duckdb
import pytest

from spx_data.lake import runs
from spx_data.store import journal, room
from spx_data.store.cores import usable

UNREACHABLE = "http://127.0.0.1:1"
START, END = "2024-11-27", "2024-12-02"
SESSIONS = ["2024-11-27", "2024-11-29", "2024-12-02"]


def rows_of(database):
    with sqlite3.connect(database) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in sorted(tables)}


def test_a_dry_run_names_the_missing_dates_and_touches_nothing(v3, new_lake):
    lake = new_lake(v3, START, END)
    asked, kept = len(v3.requests()), set((lake.folder / "data").rglob("*.json*"))

    dry = lake.snakemake("-n")

    assert dry.returncode == 0
    assert all(lake.parquet(date) in dry.stdout for date in SESSIONS)
    assert "2024/11/28" not in dry.stdout
    assert lake.sealed() == []
    assert len(v3.requests()) == asked
    assert set((lake.folder / "data").rglob("*.json*")) == kept


@pytest.mark.parametrize("end, cores", [(START, 4), (START, 1), (END, 4)])
def test_a_date_alone_is_merged_on_all_cores_there_are_and_one_among_many_on_its_share(
    end, cores, v3, new_lake
):
    lake = new_lake(v3, START, end)
    dates = 1 if end == START else len(SESSIONS)
    share = max(1, min(cores, usable()) // dates)

    plan = lake.snakemake("-n", cores=cores).stdout

    assert plan.count("rule merge_date:") == dates
    assert plan.count(f"threads: {share}") == dates * (share > 1)
    assert plan.count("threads: ") == dates * (share > 1)


def test_on_another_machine_a_merge_has_the_core_that_was_asked_for(v3, new_lake):
    lake = new_lake(v3, START, START)

    plan = lake.snakemake("-n", "--mode", "remote").stdout

    assert plan.count("rule merge_date:") == 1
    assert "threads: " not in plan


def test_files_named_as_targets_are_the_only_dates_done_within_the_configs_range_and_outside(v3, new_lake):
    lake = new_lake(v3, START, END)

    named = lake.snakemake(lake.parquet("2024-11-29"), lake.parquet("2024-11-05"))

    assert named.returncode == 0, named.stdout
    assert lake.sealed() == ["2024-11-05", "2024-11-29"]


def test_a_sealed_file_named_as_target_is_left_alone(v3, filled_lake):
    lake = filled_lake(START, END)
    asked = len(v3.requests())

    named = lake.snakemake(lake.parquet(END))

    assert "Nothing to be done" in named.stdout
    assert len(v3.requests()) == asked


def test_until_a_stage_stops_there_and_a_run_that_only_seals_takes_it_up_without_the_terminal(v3, new_lake):
    lake = new_lake(v3, END, END)

    assert lake.snakemake("--until", "download_expirations").returncode == 0

    assert lake.sealed() == []
    staged = {path.name for path in (lake.folder / "data" / "temp" / END).glob("*.json")}
    assert staged >= {"expirations.json", "manifest.json"}
    before = runs.last(lake.settings.layout)

    sealed = lake.snakemake("--config", f"thetadata={{base_url: {UNREACHABLE}}}")

    assert sealed.returncode == 0, sealed.stdout
    assert lake.sealed() == [END]
    # It is the run at work too.
    assert runs.last(lake.settings.layout).name != before.name


def test_new_settings_that_do_not_change_the_data_refetch_nothing(v3, filled_lake):
    lake = filled_lake(START, END)
    asked = len(v3.requests())

    lake.configure(
        thetadata={"base_url": v3.url, "max_concurrent_requests": 2, "timeout_seconds": 7},
        processing={"start_date": START, "end_date": END, "keep_ndjson": True},
    )
    again = lake.snakemake()

    assert "Nothing to be done" in again.stdout
    assert len(v3.requests()) == asked


def test_a_date_that_lost_its_sidecar_is_a_gap_again(filled_lake):
    lake = filled_lake(START, END)
    before = lake.bytes_of_all()
    (lake.folder / (lake.parquet("2024-11-29") + ".sha256")).unlink()

    assert lake.snakemake().returncode == 0

    assert lake.sealed() == SESSIONS
    assert lake.bytes_of_all() == before


@pytest.fixture(scope="module")
def one_by_one(v3, new_lake):
    """A lake that was filled date by date, and the requests that were made for it."""
    lake, before = new_lake(v3, START, END, max_concurrent_requests=1), len(v3.requests())
    run = lake.snakemake("--cores", "1")
    assert run.returncode == 0, run.stdout
    return lake, v3.requests()[before:]


def test_newest_dates_are_filled_first(one_by_one):
    _, asked = one_by_one

    dates = [request["query"]["date"] for request in asked if "first_order" in request["path"]]
    assert len(set(dates)) == len(SESSIONS)
    assert dates == sorted(dates, reverse=True)


def test_the_status_log_is_rebuilt_row_for_row(one_by_one):
    lake, _ = one_by_one
    database = lake.folder / "data" / "spx-pipeline.db"
    after_the_run = rows_of(database)

    database.unlink()
    status = lake.snakemake("status")

    assert status.returncode == 0, status.stdout
    assert rows_of(database) == after_the_run
    log = after_the_run["processing_log"]
    assert [row[0] for row in log] == SESSIONS
    assert {row[1] for row in log} == {"success"}
    # All but the error's two columns are filled.
    assert None not in [value for row in log for value in (*row[:9], *row[11:])]
    assert len(after_the_run["expiration_log"]) == 4 * len(SESSIONS)
    assert len(after_the_run["inventory"]) == 3 * len(SESSIONS)
    assert after_the_run["performance_metrics"]
    assert after_the_run["configuration"]
    assert "3 sealed" in status.stdout


@pytest.fixture(scope="module")
def one_of_three(v3, filled_lake):
    """A lake of three dates, of which one is sealed."""
    lake = filled_lake("2024-11-29", "2024-11-29")
    sections = lake.sections()
    lake.configure(**sections | {"processing": {"start_date": START, "end_date": END}})
    return lake


def test_the_command_shows_the_dates_as_they_are(one_of_three):
    shown = one_of_three.spx_data("status")

    assert shown.returncode == 0
    assert "1 sealed, 2 missing" in shown.stdout


def test_the_command_exports_what_is_sealed_and_refuses_what_is_not(one_of_three):
    lake = one_of_three
    exported = lake.spx_data("export", "csv", "out", "--dates", "2024-11-29")
    again = lake.spx_data("export", "csv", "out", "--dates", "2024-11-29")
    lacking = lake.spx_data("export", "csv", "out", "--dates", "2024-11-27")
    unknown = lake.spx_data("export", "xml", "other")
    near = ("--max-dte", "7", "--delta", "0.02..0.98", "--every", "5m")
    lean = lake.spx_data("export", "lean", "lean", *near, "--roots", "SPXW", "--dates", "2024-11-29")
    strange = lake.spx_data("export", "lean", "strange", "--roots", "SPXW,SPY")

    assert exported.stdout == "2024-11-29: out/spx-options-2024-11-29.csv\n", exported.stderr
    assert (again.returncode, again.stdout) == (0, "")
    differing = duckdb.execute(
        "SELECT count(*) FROM (FROM read_parquet($1) EXCEPT FROM read_csv($2))",
        [str(lake.folder / lake.parquet("2024-11-29")), str(lake.folder / "out/spx-options-2024-11-29.csv")],
    )
    assert differing.fetchall() == [(0,)]
    assert (lacking.returncode, unknown.returncode) == (1, 1)
    assert "2024-11-27" in lacking.stderr
    assert "only csv" in unknown.stderr
    assert (lake.folder / "lean/indexoption/usa/minute/spxw/20241129_quote_european.zip").exists()
    assert lean.stdout == "2024-11-29: 4 files\n", lean.stderr
    assert "1 day: the lake has no sizes: 0 stands for them" in lean.stderr
    assert (strange.returncode, strange.stderr) == (
        1,
        "spx-data: roots: SPX has no root 'SPY'. Name some of SPX, SPXW\n",
    )
    assert not (lake.folder / "other").exists()


# One by the schema, one by a product's rule, one by the terminal's; `tests/rules/config` has all of them.
@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"processing": {}}, "processing.start_date: it is not set"),
        (
            {"processing": {"start_date": "2024-12-02", "roots": ["SPX", "SPXX"]}},
            "SPXX is no root of SPX. Its roots are SPX, SPXW",
        ),
        (
            {"thetadata": {"base_url": "http://localhost:25503"}, "processing": {"start_date": "2024-12-02"}},
            "Write http://127.0.0.1:25503",
        ),
    ],
)
def test_a_wrong_config_is_one_line_with_the_cure(new_lake, sections, says):
    lake = new_lake(None, START, END)
    lake.configure(**sections)

    for result in (lake.snakemake(), lake.snakemake("-n")):
        (line,) = [line for line in result.stdout.splitlines() if line.startswith("spx-data:")]
        assert says in line
        assert "Traceback" not in result.stdout
        assert result.returncode == 1
    command = lake.spx_data("status")
    assert (command.returncode, command.stdout) == (1, "")
    assert says in command.stderr
    assert not (lake.folder / "data").exists()


def assert_refused(lake, says):
    """A run must end in one line that *says* so, and leave nothing half-made."""
    before = sorted((lake.folder / "data").rglob("*"))
    result = lake.snakemake()
    lines = [line for line in result.stdout.splitlines() if line.startswith("spx-data:")]
    assert len(lines) == 1, result.stdout
    assert says in lines[0]
    assert "Traceback" not in result.stdout
    assert result.returncode != 0
    # The cache, locks and the note of a run that began say nothing about any date.
    layout = lake.settings.layout
    harmless = [layout.cache, layout.run_note, layout.run_lock, layout.slots]
    harmless += [layout.lake_journal.parent, layout.lock("any").parent]
    left = [path for path in (lake.folder / "data").rglob("*") if path.is_file() and path not in before]
    left = [path for path in left if not {path, *path.parents} & set(harmless)]
    assert left == []
    # And no lock is left behind that would stop the next call.
    assert not list((lake.folder / ".snakemake" / "locks").glob("*"))


def test_a_terminal_that_does_not_run_is_one_line(new_lake, v3):
    lake = new_lake(None, START, END, base_url="http://127.0.0.1:9")

    assert_refused(lake, "no Theta Terminal answers at http://127.0.0.1:9")


def test_a_terminal_of_the_other_api_is_one_line(new_lake, v3, v2):
    assert_refused(new_lake(v3, START, END, api="v2"), "speaks v3, but thetadata.api is v2")
    assert_refused(new_lake(v2, START, END, api="v3"), "speaks v2, but thetadata.api is v3")


def test_a_directory_that_cannot_be_is_one_line(new_lake, v3):
    lake = new_lake(v3, START, END)
    (lake.folder / "taken").write_text("a file")
    lake.configure(
        thetadata={"base_url": v3.url},
        processing={"start_date": START, "end_date": END, "output_directory": "taken/parquet"},
    )

    assert_refused(lake, "a file stands where a folder is needed")


def test_a_lake_of_other_making_is_one_line_and_stays_as_it_is(filled_lake, v3):
    lake = filled_lake("2024-11-29", "2024-11-29")
    before = lake.bytes_of_all()
    lake.configure(
        thetadata={"base_url": v3.url}, processing={"start_date": START, "end_date": END, "interval": "5m"}
    )

    assert_refused(lake, "interval is 1m there and 5m now")
    assert lake.bytes_of_all() == before


def test_old_logs_are_tidied_up_after_a_run(v3, new_lake):
    lake = new_lake(v3, END, END)
    log = lake.folder / "data" / "logs" / "runs" / "20230102T000000-1.log"
    log.parent.mkdir(parents=True)
    log.write_text("said\n")
    os.utime(log, (1_700_000_000, 1_700_000_000))

    run = lake.snakemake()

    assert run.returncode == 0, run.stdout
    assert [path.name for path in log.parent.iterdir()] == [f"{log.name}.gz"]


@pytest.fixture
def limited(tmp_path):
    """Return a maker of a Python that may have so many bytes of memory, with all that it starts."""
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    top, limit = (first, "memory.limit_in_bytes") if first.is_dir() else (second, "memory.max")
    group = top / f"spx-data-{tmp_path.name}-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"control groups cannot be made here: {error}")

    def make(memory):
        if not (group / limit).exists():
            pytest.skip("control groups hold no memory here")
        (group / limit).write_text(str(memory))
        python = tmp_path / "python"
        python.write_text(
            f'#!/bin/sh\necho $$ > {group}/cgroup.procs\nexec {shlex.quote(sys.executable)} "$@"\n'
        )
        python.chmod(0o755)
        return python

    yield make
    group.rmdir()


def test_as_many_dates_are_at_work_as_fit_into_a_containers_memory(v3, new_lake, limited):
    lake = new_lake(v3, START, END)

    ended = lake.snakemake(python=limited(1 << 30))

    assert ended.returncode == 0, ended.stdout
    assert lake.sealed() == SESSIONS
    journals = [lake.settings.layout.journal(dt.date.fromisoformat(date)) for date in SESSIONS]
    events = sorted((event["at"], event["event"]) for path in journals for event in journal.read(path))
    at_work = [event for _, event in events if event in (journal.STARTED, journal.FINISHED)]
    assert at_work == [journal.STARTED, journal.FINISHED] * 3 * len(SESSIONS)


def test_the_machines_memory_has_room_for_jobs_of_full_size(v3, new_lake):
    share = 100_000 // max(1, (room.allowed() - 350 * 2**20) // (700 * 2**20))

    plan = new_lake(v3, START, END).snakemake("-n").stdout

    assert plan.count(f"memory_share={share}") == 3 * len(SESSIONS)
