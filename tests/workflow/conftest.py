"""A lake in a temporary folder, filled by the real Snakemake from a real simulated terminal."""

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import yaml
from tests import at_work, warm
from tests.restating import Restater, Rows, is_history, restating

from spx_data import config
from spx_data.lake import calendar
from spx_data.settings import Settings
from spx_data.store import locks
from theta_simulator import Settings as Simulated
from theta_simulator import Terminal, running

REPOSITORY = Path(__file__).resolve().parents[2]
TODAY = dt.date(2024, 12, 31)
BIN = Path(sys.executable).parent
PATIENCE = 480  # seconds: how busy a machine is decides no test


@dataclass
class Lake:
    """A project folder with a config of its own, and the commands run in it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def configure(self, **sections: dict[str, object]) -> None:
        """Write config/config.yaml with these sections."""
        target = self.folder / "config" / "config.yaml"
        target.parent.mkdir(exist_ok=True)
        target.write_text(yaml.safe_dump(sections))

    def sections(self) -> dict[str, dict[str, object]]:
        """The sections of config/config.yaml, to be changed and written again."""
        return yaml.safe_load((self.folder / "config" / "config.yaml").read_text())

    def start(
        self,
        *arguments: str,
        cores: int | None = 4,
        snakefile: Path = REPOSITORY / "Snakefile",
        python: Path = Path(sys.executable),
    ) -> subprocess.Popen[str]:
        """Start `snakemake --cores 4` with *arguments* in a process group of its own."""
        told = [] if cores is None else ["--cores", str(cores)]
        command = [python, "-m", "snakemake", "--snakefile", snakefile, *told, *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def snakemake(
        self, *arguments: str, cores: int | None = 4, **other: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run `snakemake --cores 4` with *arguments* to its end; *other* things as `start` takes them."""
        if not other and warm.fits(self.environment):
            told = [] if cores is None else ["--cores", cores]
            words = ["--snakefile", REPOSITORY / "Snakefile", *told, *arguments]
            return warm.run("snakemake", words, self.folder, self.environment)
        process = self.start(*arguments, cores=cores, **other)
        output, _ = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def spx_data(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the installed `spx-data` command to its end."""
        if warm.fits(self.environment):
            return warm.run("spx-data", arguments, self.folder, self.environment, apart=True)
        return subprocess.run(
            [BIN / "spx-data", *arguments],
            cwd=self.folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def take(self, other: "Lake") -> None:
        """Take a copy of all that another lake holds, but not its config."""
        for name in ("data", ".snakemake"):
            shutil.copytree(other.folder / name, self.folder / name)

    @property
    def settings(self) -> Settings:
        """The settings as the library sees them, with paths made absolute."""
        document = config.load(self.folder / "config" / "config.yaml")
        for section, key in (
            ("processing", "output_directory"),
            ("processing", "temp_directory"),
            ("processing", "data_directory"),
            ("database", "path"),
        ):
            default = config.resolve(document, {})[section][key]
            document.setdefault(section, {})[key] = str(self.folder / default)
        return Settings.of(config.resolve(document, self.environment))

    def parquet(self, date: str) -> str:
        """The sealed Parquet of *date*, as Snakemake knows it."""
        year, month, day = date.split("-")
        return f"data/parquet/{year}/{month}/{day}/spx-options-{date}.parquet"

    def sealed(self) -> list[str]:
        """The dates that have a sidecar."""
        sidecars = (self.folder / "data" / "parquet").rglob("*.parquet.sha256")
        return sorted(path.name[12:22] for path in sidecars)

    def bytes_of_all(self) -> dict[str, bytes]:
        """The bytes of every day's rows by name."""
        return {path.name: path.read_bytes() for path in (self.folder / "data").rglob("*-options-*.parquet")}


def kill(process: subprocess.Popen[str]) -> None:
    """End *process* and all it started at once, as a power cut would."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    process.communicate(timeout=PATIENCE)


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return as soon as *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def job_of(pid: int, rule: str) -> psutil.Process:
    """The process of the first job of *rule* below the process *pid*, as soon as there is one."""
    found: list[psutil.Process] = []

    def seen() -> bool:
        found.extend(process for process, of, _ in at_work.below(pid) if of == rule)
        return bool(found)

    wait_for(seen)
    return found[0]


@pytest.fixture(scope="session")
def new_lake(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Lake]:
    """A function that makes a lake of its own for a terminal and a range of dates.

    Beside a terminal it has its copy of the exchange's calendar, which costs the first command 0.7 s.
    """

    def make(terminal: Terminal | Holding | None, start: str, end: str, **thetadata: object) -> Lake:
        lake = Lake(tmp_path_factory.mktemp("lake"), {"SPX_DATA_NOW": "2024-12-20T08:00:00-05:00"})
        url = {} if terminal is None else {"base_url": terminal.url}
        lake.configure(
            thetadata={"retry_wait_factor": 0, **url, **thetadata},
            processing={"start_date": start, "end_date": end},
        )
        if terminal is not None:
            mask = os.umask(0o077)  # as the commands make it
            calendar.wanted(lake.settings, dt.datetime(2024, 12, 20, 13, tzinfo=dt.UTC))
            os.umask(mask)
        return lake

    return make


@pytest.fixture(scope="session")
def filled_lake(
    new_lake: Callable[..., Lake], v3: Terminal, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Lake]:
    """A function that makes a lake like `new_lake`, with everything sealed that `v3` has.

    The real Snakemake fills each range once for all tests of all workers; every caller gets a copy.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def make(start: str, end: str, terminal: Terminal | None = None, **thetadata: object) -> Lake:
        kept = shared / f"filled-{start}-{end}"
        with locks.locked(kept.with_suffix(".lock")):
            if not kept.exists():
                first = new_lake(v3, start, end)
                run = first.snakemake()
                assert run.returncode == 0, run.stdout
                first.folder.rename(kept)
        lake = new_lake(None, start, end, base_url=(terminal or v3).url, **thetadata)
        lake.take(Lake(kept))
        return lake

    return make


@pytest.fixture(scope="session")
def v3() -> Iterator[Terminal]:
    """A tiny v3 terminal."""
    with running(Simulated(size="tiny", today=TODAY)) as terminal:
        yield terminal


@pytest.fixture(scope="session")
def v2() -> Iterator[Terminal]:
    """A tiny v2 terminal with pages small enough to be followed."""
    with running(Simulated(api="v2", size="tiny", today=TODAY, page_size=1000)) as terminal:
        yield terminal


@pytest.fixture
def source(v3: Terminal) -> Iterator[Restater]:
    """A source whose answers can be edited; `tests/rules` has one of each API."""
    with restating(v3.url) as restater:
        yield restater


class Holding:
    """A terminal whose answers of one kind come when a test lets them: who asks is at work until then."""

    def __init__(self, source: Restater, held: Callable[[str], bool]) -> None:
        self.url = source.url
        self._held, self._turns = held, threading.Semaphore(0)
        self.asked = False  # for one that it held
        source.edit = self._edit

    def let(self, answers: int = 10_000) -> None:
        """Let so many more come."""
        self._turns.release(answers)

    def _edit(self, path: str, _query: dict[str, str], rows: Rows) -> Rows:
        if self._held(path):
            self.asked = True
            self._turns.acquire(timeout=PATIENCE)
        return rows


@pytest.fixture
def holding(source: Restater) -> Iterator[Holding]:
    """A terminal that holds its histories back, until the end of the test at the latest."""
    terminal = Holding(source, is_history)
    yield terminal
    terminal.let()


@pytest.fixture
def checksum_command() -> list[str]:
    """The system's own checker of sidecars: coreutils', or the one a Mac has."""
    for command in (["sha256sum", "-c"], ["shasum", "-a", "256", "-c"]):
        if shutil.which(command[0]):
            return command
    pytest.skip("neither sha256sum nor shasum is installed")
