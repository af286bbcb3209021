"""`snakemake recheck` from end to end: a few sealed dates asked for again, and what becomes of them."""

import json
import subprocess

import pytest
from tests.restating import cells, is_history
from tests.workflow.conftest import TODAY, kill, wait_for

from theta_simulator import Settings as Simulated
from theta_simulator import running

# Wednesday before Thanksgiving to the Monday after: a holiday, a half day and a weekend inside.
START, END = "2024-11-27", "2024-12-02"
SESSIONS = ["2024-11-27", "2024-11-29", "2024-12-02"]
HALF_DAY = "2024-11-29"
RESTATED = cells("SPXW", HALF_DAY, {(7, "ask"): "99.7500", (8, "bid"): "98.2500"})


@pytest.fixture
def filled(filled_lake):
    """Return a maker of filled lakes."""

    def make(source, start=START, **thetadata):
        return filled_lake(start, END, source, **thetadata)

    return make


def restated_is(lake, source, word):
    lake.configure(
        thetadata={"base_url": source.url, "retry_wait_factor": 0},
        processing={"start_date": START, "end_date": END},
        recheck={"restated": word},
    )


def reports(lake):
    found = sorted((lake.folder / "data" / "restatements").rglob("report.json"))
    return {path.parent: json.loads(path.read_text()) for path in found}


def looks(lake):
    lines = (lake.folder / "data" / "journal" / "lake.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == "rechecked"]


def test_a_lake_that_the_source_left_alone_stays_as_it_is(filled):
    with running(Simulated(size="tiny", today=TODAY, latency_ms=40)) as terminal:
        lake = filled(terminal, max_concurrent_requests=2)
        sealed = lake.folder / "data" / "parquet"
        before = {path: path.stat().st_mtime_ns for path in sealed.rglob("*")}
        asked = len(terminal.requests())

        again = lake.snakemake("recheck")

        requests = terminal.requests()[asked:]
    assert again.returncode == 0, again.stdout
    assert [again.stdout.count(f"{date}  unchanged") for date in SESSIONS] == [1, 1, 1]
    assert {path: path.stat().st_mtime_ns for path in sealed.rglob("*")} == before
    assert reports(lake) == {}
    assert sorted(event["date"] for event in looks(lake)) == SESSIONS
    assert not (lake.folder / "data" / "temp" / "recheck").exists()
    histories = sum(is_history(request["path"]) for request in requests)
    assert 4 * len(SESSIONS) <= histories <= 6 * len(SESSIONS)  # a late first quote is looked at
    assert max(request["in_flight"] for request in requests) == 2
    assert "3 sealed" in again.stdout
    assert "Nothing to be done" in lake.snakemake().stdout


def test_a_restated_day_is_reported_kept_and_replaced(source, filled, checksum_command):
    lake = filled(source)
    before = lake.bytes_of_all()
    name = f"spx-options-{HALF_DAY}.parquet"
    source.edit = RESTATED

    reported = lake.spx_data("recheck", HALF_DAY)

    assert reported.returncode == 0, reported.stdout
    assert f"{HALF_DAY}  restated  2 changed" in reported.stdout
    assert lake.bytes_of_all() == before
    ((folder, report),) = reports(lake).items()
    assert str(folder.relative_to(lake.folder)) in reported.stdout
    assert report["action"] == "reported"
    assert {column: change["cells"] for column, change in report["records"]["columns"].items()} == {
        "bid": 1,
        "ask": 1,
    }
    assert sorted(example["after"] for example in report["records"]["examples"]) == [98.25, 99.75]

    restated_is(lake, source, "keep")
    kept = lake.snakemake("recheck", "--config", f"dates={HALF_DAY}")

    assert kept.returncode == 0, kept.stdout
    assert (lake.folder / lake.parquet(HALF_DAY)).read_bytes() == before[name]
    (folder,) = [folder for folder, report in reports(lake).items() if report["action"] == "kept"]
    subprocess.run([*checksum_command, f"{name}.sha256"], cwd=folder / "after", check=True)
    restatement = (folder / "after" / name).read_bytes()

    replaced = lake.spx_data("recheck", HALF_DAY, "--restated", "replace")

    assert replaced.returncode == 0, replaced.stdout
    place = (lake.folder / lake.parquet(HALF_DAY)).parent
    assert (place / name).read_bytes() == restatement
    (folder,) = [folder for folder, report in reports(lake).items() if report["action"] == "replaced"]
    assert (folder / "before" / name).read_bytes() == before[name]
    for where in (place, folder / "before"):
        subprocess.run([*checksum_command, f"{name}.sha256"], cwd=where, check=True)
    assert "Nothing to be done" in lake.snakemake().stdout


def test_the_command_says_what_cannot_be_rechecked(filled):
    with running(Simulated(size="tiny", today=TODAY)) as terminal:
        lake = filled(terminal)

        unsealed = lake.spx_data("recheck", "2024-11-26")
        nothing = lake.spx_data("recheck", "2023")

    assert unsealed.returncode == 1
    assert "2024-11-26  not rechecked" in unsealed.stdout
    assert "`" not in unsealed.stdout
    assert "spx-data process 2024-11-26 fills it" in unsealed.stdout
    assert (nothing.returncode, nothing.stdout) == (0, "no sealed date to recheck\n")


def test_a_sample_walks_over_the_lake(v3, filled):
    lake = filled(v3)
    lake.configure(
        thetadata={"base_url": v3.url},
        processing={"start_date": START, "end_date": END},
        recheck={"sample": 2},
    )

    for _ in range(2):
        assert lake.snakemake("recheck").returncode == 0

    seen = [event["date"] for event in looks(lake)]
    assert len(seen) == 4
    assert set(seen[:3]) == set(SESSIONS)


def test_a_date_that_cannot_be_rechecked_fails_the_call_and_stops_no_other(v3, filled):
    lake = filled(v3)
    damaged = lake.folder / lake.parquet(HALF_DAY)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 4
    damaged.write_bytes(bytes(content))

    again = lake.snakemake("recheck")

    assert again.returncode == 1
    assert f"spx-data verify {HALF_DAY}" in again.stdout
    assert f"{START}  unchanged" in again.stdout
    assert f"{END}  unchanged" in again.stdout
    assert "Traceback" not in again.stdout
    assert damaged.read_bytes() == bytes(content)


def test_a_terminal_that_does_not_run_is_one_line(v3, filled):
    lake = filled(v3, END)
    before = lake.bytes_of_all()
    lake.configure(
        thetadata={"base_url": "http://127.0.0.1:9"}, processing={"start_date": END, "end_date": END}
    )

    again = lake.snakemake("recheck")

    assert again.returncode != 0
    (line,) = [line for line in again.stdout.splitlines() if line.startswith("spx-data:")]
    assert "no Theta Terminal answers at http://127.0.0.1:9" in line
    assert lake.bytes_of_all() == before


def test_a_dry_run_asks_nothing(v3, filled):
    lake = filled(v3, END)
    asked = len(v3.requests())

    dry = lake.snakemake("-n", "recheck")

    assert dry.returncode == 0
    assert len(v3.requests()) == asked


def test_after_a_kill_the_next_recheck_takes_up_what_was_staged(v3, holding, filled):
    lake = filled(v3, END)
    before = lake.bytes_of_all()
    lake.configure(
        thetadata={"base_url": holding.url, "max_concurrent_requests": 1},
        processing={"start_date": END, "end_date": END},
    )
    process = lake.start("recheck")
    holding.let(2)
    staged = lake.folder / "data" / "temp" / "recheck" / "temp" / END
    wait_for(lambda: len(list(staged.glob("*.receipt.json"))) >= 2)
    kill(process)
    holding.let()
    assert len(list(staged.glob("*.receipt.json"))) == 2
    assert lake.bytes_of_all() == before
    asked = len(v3.requests())

    again = lake.snakemake("recheck")

    assert again.returncode == 0, again.stdout
    assert f"{END}  unchanged" in again.stdout
    histories = [request for request in v3.requests()[asked:] if is_history(request["path"])]
    assert len(histories) <= 4 - 2
    assert lake.bytes_of_all() == before
