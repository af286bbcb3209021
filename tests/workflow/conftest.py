"""A lake in a temporary folder, filled by the real Snakemake from a real simulated terminal."""

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import yaml

from spx_data import config
from spx_data.settings import Settings
from theta_simulator import Settings as Simulated
from theta_simulator import Terminal, running

REPOSITORY = Path(__file__).resolve().parents[2]
TODAY = dt.date(2024, 12, 31)
BIN = Path(sys.executable).parent


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
        self, *arguments: str, cores: int | None = 4, snakefile: Path = REPOSITORY / "Snakefile"
    ) -> subprocess.Popen[str]:
        """Start `snakemake --cores 4` with *arguments* in a process group of its own."""
        told = [] if cores is None else ["--cores", str(cores)]
        command = [BIN / "snakemake", "--snakefile", snakefile, *told, *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def snakemake(self, *arguments: str, **other: Path | None) -> subprocess.CompletedProcess[str]:
        """Run `snakemake --cores 4` with *arguments* to its end; *other* things as `start` takes them."""
        process = self.start(*arguments, **other)
        output, _ = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def spx_data(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the installed `spx-data` command to its end."""
        return subprocess.run(
            [BIN / "spx-data", *arguments],
            cwd=self.folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

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
        """The bytes of every Parquet by name."""
        return {path.name: path.read_bytes() for path in (self.folder / "data").rglob("*.parquet")}


def kill(process: subprocess.Popen[str]) -> None:
    """End *process* and all it started at once, as a power cut would."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    process.communicate(timeout=30)


@pytest.fixture(scope="module")
def new_lake(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Lake]:
    """A function that makes a lake of its own for a terminal and a range of dates."""

    def make(terminal: Terminal | None, start: str, end: str, **thetadata: object) -> Lake:
        lake = Lake(tmp_path_factory.mktemp("lake"), {"SPX_DATA_NOW": "2024-12-20T08:00:00-05:00"})
        url = {} if terminal is None else {"base_url": terminal.url}
        lake.configure(
            thetadata={"retry_wait_factor": 0, **url, **thetadata},
            processing={"start_date": start, "end_date": end},
        )
        return lake

    return make


@pytest.fixture(scope="module")
def v3() -> Iterator[Terminal]:
    """A tiny v3 terminal."""
    with running(Simulated(size="tiny", today=TODAY)) as terminal:
        yield terminal


@pytest.fixture(scope="module")
def v2() -> Iterator[Terminal]:
    """A tiny v2 terminal with pages small enough to be followed."""
    with running(Simulated(api="v2", size="tiny", today=TODAY, page_size=1000)) as terminal:
        yield terminal


@pytest.fixture
def checksum_command() -> list[str]:
    """The system's own checker of sidecars: coreutils', or the one a Mac has."""
    for command in (["sha256sum", "-c"], ["shasum", "-a", "256", "-c"]):
        if shutil.which(command[0]):
            return command
    pytest.skip("neither sha256sum nor shasum is installed")
