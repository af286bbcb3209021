"""The lakes of the README's pictures: months of a small market, and one day of a larger one.

Both come about as any lake does: the real commands fill them from the simulated terminal. What there is to
see is done to them by the same means: a source that withholds and breaks, a damaged file, a person's word.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

import theta_simulator
from spx_data import config
from spx_data.sources import slots
from theta_simulator.blemishes import Blemish, Kind
from theta_simulator.faults import Faults
from theta_simulator.faults import Kind as Fault

ROOT = Path(__file__).resolve().parents[1]
NOW = "2024-12-23T18:00:00-05:00"
DAY = dt.date(2024, 12, 20)  # the one that is looked at closely
FAILED, _FAILED_TOO = dt.date(2024, 8, 23), dt.date(2024, 12, 11)

_DAY_DTE = 366  # of its expirations, those within a year: half of the work
_START, _FILLED_FROM = dt.date(2024, 4, 1), dt.date(2024, 4, 23)
_STAGED = ("2024-04-18", "2024-04-22")
_PARKED, _ACCEPTED, _DAMAGED = "2024-09-12", "2024-07-03", "2024-10-09"
_NO_DATA = dt.date(2024, 5, 24)

_TERMINAL = theta_simulator.Settings(size="tiny", seed=3, today=dt.date(2024, 12, 23))
_BROKEN = Faults(seed=1, rate=1.0, kinds=(Fault.GARBAGE,), most_per_request=1_000_000)

# Defects of the source that a judgement finds.
_MANY = (Kind.IV_IN_PERCENT, Kind.DELTA_FLIPPED, Kind.FORWARD_OFF, Kind.UNDERLYING_FROZEN, Kind.ENDS_EARLY)
_WORTH_LESS = {
    dt.date(2024, 5, 9): (Kind.STALE,),
    dt.date(2024, 6, 5): (Kind.GREEKS_ZEROED,),
    dt.date(2024, 7, 18): (Kind.CLOCK_SHIFTED,),
    dt.date(2024, 8, 5): _MANY,
    dt.date(2024, 8, 6): (Kind.STALE,),
    dt.date(2024, 9, 18): (Kind.RHO_PER_PERCENT,),
    dt.date(2024, 10, 25): (Kind.ENDS_EARLY,),
    dt.date(2024, 11, 6): (Kind.GREEKS_ZEROED,),
}


@dataclass(frozen=True)
class Lake:
    """A project folder with a config of its own, and the commands that run in it."""

    folder: Path
    terminal: theta_simulator.Settings

    @classmethod
    def of(cls, folder: Path, terminal: theta_simulator.Settings, **processing: object) -> Lake:
        """A new lake in *folder*, with what its settings say of its processing."""
        target = folder / "config" / "config.yaml"
        target.parent.mkdir(parents=True)
        document = {
            "thetadata": {"retry_wait_factor": 0},
            "processing": processing,
            "report": {"day_pages": 0},
        }
        target.write_text(yaml.safe_dump(document))
        return cls(folder, terminal)

    def fill(self, dates: str, *words: str, allowed: tuple[int, ...] = (0,), **terminal: object) -> None:
        """Let Snakemake fill *dates* from a terminal that differs in what is said of it."""
        with self._running(**terminal) as simulated:
            command = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", str(os.cpu_count())]
            self.call(*command, *words, "--config", f"dates={dates}", allowed=allowed, url=simulated.url)

    def call(self, command: str, *words: str, allowed: tuple[int, ...] = (0,), url: str = "") -> None:
        """Run one of the project's commands in the lake, at the lake's time."""
        # Whoever calls may have a lake of their own in their environment.
        environment = {name: value for name, value in os.environ.items() if name not in config.ENVIRONMENT}
        environment |= {slots.VARIABLE: str(self.folder.absolute() / "slots")}
        environment |= {"SPX_DATA_NOW": NOW, **({"THETADATA_BASE_URL": url} if url else {})}
        # Commands are shown as they are typed: by a name that a shell finds, else by a path.
        programs = Path(sys.executable).parent
        environment["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        ended = subprocess.run(
            [Path(sys.executable).parent / command, *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        if ended.returncode not in allowed:
            raise SystemExit(f"{command} {' '.join(words)}\n{ended.stdout}{ended.stderr}")

    def _running(self, **keys: object) -> AbstractContextManager[theta_simulator.Terminal]:
        return theta_simulator.running(replace(self.terminal, **keys))

    def page(self, name: str) -> Path:
        """Where a page of the lake is."""
        return self.folder / "data" / "report" / name


def months(folder: Path) -> Path:
    """Fill most of a year, with what can happen in one; returns its dashboard."""
    lake = Lake.of(folder, _TERMINAL, start_date=_START)
    for _ in range(3):  # so many runs park a date
        lake.fill(_PARKED, faults=_BROKEN, allowed=(1,))
    lake.fill(_ACCEPTED, faults=_BROKEN, allowed=(1,))
    lake.fill(_NO_DATA.isoformat(), today=_NO_DATA - dt.timedelta(1), allowed=(0, 1))
    lake.call("spx-data", "accept", _ACCEPTED, "--reason", "the vendor lost that afternoon")
    blemishes = [Blemish(kind, day=day) for day, kinds in _WORTH_LESS.items() for kind in kinds]
    blemishes += [Blemish(Kind.FALSE_NO_DATA, day=day) for day in (FAILED, _FAILED_TOO)]
    lake.fill(f"{_FILLED_FROM}..{DAY}", blemishes=tuple(blemishes), allowed=(1,))
    lake.fill("..".join(_STAGED), "--until", "download_expirations")
    _damage(lake)
    lake.call("spx-data", "report")
    return lake.page("dashboard.html")


def _damage(lake: Lake) -> None:
    """Change one byte of a sealed day, and let a verification find it."""
    (parquet,) = lake.folder.glob(f"data/parquet/*/*/*/*-options-{_DAMAGED}.parquet")
    content = bytearray(parquet.read_bytes())
    content[len(content) // 2] ^= 1
    parquet.write_bytes(content)
    lake.call("spx-data", "verify", _DAMAGED, allowed=(1,))


def day(folder: Path) -> Path:
    """Fill one day of real size, a year of expirations; returns its page."""
    lake = Lake.of(folder, replace(_TERMINAL, size="real"), start_date=DAY, max_dte=_DAY_DTE)
    lake.fill(DAY.isoformat())
    lake.call("spx-data", "report", DAY.isoformat())
    return lake.page(f"days/{DAY}.html")
