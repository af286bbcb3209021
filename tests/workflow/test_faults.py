"""What the world does to a run: a full disk, a terminal that goes away. Nothing is wrong after it."""

import re
import shutil
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from tests.workflow.conftest import TODAY

from spx_data.fill.download import _AHEAD
from spx_data.ops.gaps.sharing import side_by_side
from spx_data.ops.progress import INTERVAL_VARIABLE
from theta_simulator import Faults, Outage, running
from theta_simulator import Settings as Simulated
from theta_simulator.faults import Kind

START, END = "2024-11-29", "2024-12-02"
LIMIT = 4  # thetadata.max_concurrent_requests
_SERVED = 12  # requests: eight are for the lists of both dates, the others for chains
SESSIONS = [START, END]


@pytest.fixture(scope="module")
def truth(filled_lake):
    """The bytes of an undisturbed run."""
    found = filled_lake("2024-11-27", END).bytes_of_all()
    return {name: content for name, content in found.items() if any(date in name for date in SESSIONS)}


def nothing_wrong(lake, truth):
    """Whatever has its seal has the right bytes."""
    sealed = [f"spx-options-{date}.parquet" for date in lake.sealed()]
    found = lake.bytes_of_all()
    return all(found[name] == truth[name] for name in sealed)


def finished(lake, truth):
    return lake.sealed() == SESSIONS and lake.bytes_of_all() == truth


# A full disk --------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a given size in megabytes, which can be made larger."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder]
        return subprocess.run(command, capture_output=True, text=True)

    if not sys.platform.startswith("linux") or mount("size=1m").returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder, lambda megabytes: mount("remount", f"size={megabytes}m").check_returncode()
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_stops_cleanly_and_the_run_goes_on_once_there_is_room(v3, new_lake, truth, small_disk):
    folder, resize = small_disk
    resize(3)  # megabytes: enough for one date
    lake = new_lake(v3, START, END)
    for name, key in (("parquet", "OUTPUT_DIRECTORY"), ("temp", "TEMP_DIRECTORY")):
        lake.environment[key] = str(folder / name)
    sections = lake.sections()
    sections["processing"]["keep_ndjson"] = True
    lake.configure(**sections)

    full = lake.snakemake()

    assert full.returncode == 1
    assert "Make room" in full.stdout
    assert "Traceback" not in full.stdout
    sealed = list((folder / "parquet").rglob("*.sha256"))
    assert len(sealed) < len(SESSIONS)
    assert all(path.with_suffix("").read_bytes() == truth[path.stem] for path in sealed)
    assert not list(folder.rglob("*.part"))

    resize(200)
    assert lake.snakemake().returncode == 0
    found = {path.name: path.read_bytes() for path in (folder / "parquet").rglob("*-options-*.parquet")}
    assert found == truth


def test_a_full_disk_of_the_data_directory_is_one_line_and_costs_nothing(v3, new_lake, truth, small_disk):
    folder, resize = small_disk
    resize(6)
    lake = new_lake(v3, START, END)
    sections = lake.sections()
    sections["processing"]["data_directory"] = str(folder)
    lake.configure(**sections)
    ballast = folder / "ballast"
    asked = len(v3.requests())

    for free_mb in (1, 0):
        room = shutil.disk_usage(folder).free - free_mb * 1_000_000
        with ballast.open("ab") as file:
            file.write(bytes(room))
        full = lake.snakemake()
        assert full.returncode != 0
        assert "MB are free" in full.stdout
        assert "Traceback" not in full.stdout
        assert "Logging error" not in full.stdout
    fetched = [request for request in v3.requests()[asked:] if "greeks" in request["path"]]
    ballast.unlink()
    again = lake.snakemake()

    assert fetched == []
    assert again.returncode == 0, again.stdout
    assert finished(lake, truth)


def test_a_disk_error_of_one_date_leaves_the_others_alone(v3, new_lake, truth):
    lake = new_lake(v3, START, END)
    # Even root gives no file the name of a folder that holds something.
    obstacle = lake.folder / "data" / "temp" / "2024-12-02" / "SPXW-2024-12-02.ndjson"
    (obstacle / "in the way").mkdir(parents=True)

    run = lake.snakemake()

    assert run.returncode == 1
    assert "a folder stands where a file is needed" in run.stdout
    assert "Traceback" not in run.stdout
    assert lake.sealed() == [START]
    assert nothing_wrong(lake, truth)

    shutil.rmtree(obstacle)
    assert lake.snakemake().returncode == 0
    assert finished(lake, truth)


# The terminal -------------------------------------------------------------------------------------------


def test_a_terminal_that_goes_away_ends_the_run_without_being_hammered(new_lake, truth):
    away = Faults(seed=0, rate=0, outages=(Outage(first=_SERVED + 1, last=sys.maxsize),))
    with running(Simulated(size="tiny", today=TODAY, faults=away)) as terminal:
        lake = new_lake(terminal, START, END, max_concurrent_requests=LIMIT)
        run = lake.snakemake()

        assert run.returncode == 1
        assert "has no connection to its server" in run.stdout
        assert "Traceback" not in run.stdout
        counted = [request for request in terminal.requests() if request["counted"]]
        assert any("expiration" in request["query"] for request in counted[:_SERVED])
        # However the machine shares its time out: nothing is asked twice of a terminal without a server, and
        # a thread that has heard so asks for nothing more. Every other question was how the terminal is.
        refused = [request["identity"] for request in counted if request["status"] == 474]
        assert 0 < len(refused) == len(set(refused))
        assert len(refused) <= side_by_side(LIMIT, cores=4) * (LIMIT + _AHEAD)
        assert nothing_wrong(lake, truth)

    with running(Simulated(size="tiny", today=TODAY, port=urlsplit(terminal.url).port)):
        assert lake.snakemake().returncode == 0
        assert finished(lake, truth)


def test_a_terminal_that_comes_back_is_waited_for_where_everybody_can_see_it(new_lake, truth):
    date = "2024-12-02"
    # Four requests are for its lists; each question of how the terminal is counts too, while it is away.
    away = Outage(first=5, last=12, kind=Kind.OUTAGE_CLOSED)
    with running(Simulated(size="tiny", today=TODAY, faults=Faults(0, 0, outages=(away,)))) as terminal:
        lake = new_lake(terminal, date, date, retry_wait_factor=1)
        lake.environment[INTERVAL_VARIABLE] = "0.5"
        run = lake.snakemake()

    assert run.returncode == 0, run.stdout
    assert lake.bytes_of_all() == {name: content for name, content in truth.items() if date in name}
    told = re.compile(r"terminal not answering since \d\d:\d\d; asking again ")
    lines = [line for line in run.stdout.splitlines() if told.search(line)]
    assert lines
    assert not any("ETA" in line for line in lines)
    assert not list(lake.settings.layout.jobs.rglob("*.json"))


def test_a_terminal_with_ordinary_faults_needs_nobody(new_lake, truth):
    faults = Faults(seed=5, rate=0.3, most_per_request=1, stall_seconds=3.0)
    with running(Simulated(size="tiny", today=TODAY, faults=faults)) as terminal:
        lake = new_lake(terminal, START, END, history_timeout_seconds=1, timeout_seconds=5)

        run = lake.snakemake()

        assert {request["fault"] for request in terminal.requests()} > {None}
    assert run.returncode == 0, run.stdout
    assert finished(lake, truth)


def test_a_date_that_fails_in_every_run_is_parked_until_it_is_named(new_lake):
    faults = Faults(seed=1, rate=1.0, kinds=("html",), most_per_request=10**6)
    with running(Simulated(size="tiny", today=TODAY, faults=faults)) as terminal:
        lake = new_lake(terminal, "2024-12-02", "2024-12-02")
        sections = lake.sections()
        sections["processing"]["max_attempts"] = 1
        lake.configure(**sections)

        assert lake.snakemake().returncode == 1
        asked = len(terminal.requests())
        second = lake.snakemake()
        assert second.returncode == 0
        assert "Nothing to be done" in second.stdout
        assert "1 parked" in lake.spx_data("status", "--offline").stdout
        assert len(terminal.requests()) == asked

        for words in (["--until", lake.parquet("2024-12-02")], [lake.parquet("2024-12-02")]):
            asked = len(terminal.requests())
            assert lake.snakemake(*words).returncode == 1
            assert len(terminal.requests()) > asked


def test_only_the_dates_of_a_call_are_filled(v3, new_lake):
    lake = new_lake(v3, START, END)

    assert lake.snakemake("--config", "dates=2024-12-01..2024-12-03").returncode == 0
    assert lake.sealed() == [END]

    assert lake.snakemake("--config", f"dates={START}").returncode == 0
    assert lake.sealed() == SESSIONS

    wrong = lake.snakemake("--config", "dates=someday")
    assert wrong.returncode == 1
    assert "dates: 'someday' is no date. Write 2024-01-02" in wrong.stdout
    assert "Traceback" not in wrong.stdout
