"""Make the archives of this folder anew: probes of the simulated terminal, recorded as a user records them.

python -m tests.recordings

An archive from elsewhere is put beside them, and is tested as they are.
"""

import datetime as dt
import os
import tempfile
from pathlib import Path
from typing import Any

import theta_simulator
from spx_data import config
from spx_data.ops.probe import probing
from spx_data.ops.probe.recording import recording
from spx_data.settings import Settings
from spx_data.sources import slots
from theta_simulator.habits import Habit

HERE = Path(__file__).parent
NOW = dt.datetime.fromisoformat("2024-12-31T12:00:00-05:00")
# The chain that the ordinary day's questions are about.
_ASKED = {"root": "SPXW", "expiration": dt.date(2024, 12, 17), "day": dt.date(2024, 12, 17)}


def _habits(*kinds: str, **where: Any) -> dict[str, Any]:
    return {"habits": tuple(Habit(kind, seed=1, **where) for kind in kinds)}


TERMINALS: dict[str, dict[str, Any]] = {
    "v3-plain": {},
    "v3-expired-unended-zulu": _habits("lists-expired", "no-final-newline", "stamp-zulu"),
    "v3-legacy-half-day": _habits("json-legacy", "half-day-1600", "years-whole-days"),
    "v3-unquoted-472": _habits("lists-unquoted", "singles-472"),
    "v3-chain-500": _habits("chain-500", **_ASKED),
    "v3-spelling": _habits("header-upper", "bom", "trailing-comma", "leading-blank-line"),
    "v3-no-data-text-gzip": {
        "habits": (
            Habit("chain-no-data-text", seed=1, day=dt.date(2024, 12, 30)),
            Habit("chain-gzip", **_ASKED),
        )
    },
    "v2-plain": {"api": "v2"},
    "v2-pages-lists": {"api": "v2", "page_size": 300} | _habits("lists-zero-strike", "lists-foreign-root"),
}


def made(target: Path, terminal: dict[str, Any], scratch: Path) -> None:
    """Probe a simulated *terminal*, and record it at *target*."""
    chosen = theta_simulator.Settings(**{"size": "tiny", "today": NOW.date()} | terminal)
    with theta_simulator.running(chosen) as running:
        settings = _settings(running.url, scratch)
        with probing(settings, NOW) as probed:
            recording(probed.story, probed.profile, settings).write(target)


def _settings(url: str, scratch: Path) -> Settings:
    folders = {f"{name}_directory": str(scratch / name) for name in ("output", "temp", "data")}
    document = {
        "thetadata": {"base_url": url, "retry_wait_factor": 0},
        "processing": {"start_date": "2018-01-02", "interval": "5m", **folders},
        "database": {"path": str(scratch / "status.db")},
    }
    return Settings.of(config.resolve(document, {}))


def main() -> None:
    """Make every archive, and say how large each is."""
    for name, terminal in TERMINALS.items():
        target = HERE / f"{name}.zip"
        with tempfile.TemporaryDirectory() as scratch:
            os.environ[slots.VARIABLE] = str(Path(scratch, "slots"))
            made(target, terminal, Path(scratch))
        print(f"{target.name} {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
