"""Pages made by the real command: the dashboard of a lake, and the page of a day."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import yaml
from tests.report.lakes import Lake
from tests.rules.conftest import Date

import theta_simulator
from spx_data import config
from spx_data.settings import Settings

DAY = dt.date(2024, 1, 2)
_PATHS = {
    "processing": ("output_directory", "temp_directory", "data_directory"),
    "database": ("path",),
}


def dashboard_of(lake: Lake) -> Path:
    """Make the dashboard of *lake*, whose Parquet files are nothing that a day's page could be made of."""
    target = lake.folder / "config" / "config.yaml"
    target.write_text(yaml.safe_dump(config.load(target) | {"report": {"day_pages": 0}}))
    _spx_data(lake.folder, lake.environment, "report")
    return lake.settings.layout.dashboard


def day_page(folder: Path, day: dt.date = DAY) -> Path:
    """Seal one date of a tiny market in a lake of its own, and make its page."""
    target = folder / "config" / "config.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    only = {"start_date": day.isoformat(), "end_date": day.isoformat()}
    target.write_text(yaml.safe_dump({"processing": only}))
    with theta_simulator.running(theta_simulator.Settings(size="tiny")) as terminal:
        settings = settings_of(folder, {"THETADATA_BASE_URL": terminal.url})
        Date(settings, day).fill()
    _spx_data(folder, {}, "report", day.isoformat())
    return settings.layout.day_page(day)


def settings_of(folder: Path, environment: dict[str, str] | None = None) -> Settings:
    """The settings of the lake in *folder*, with paths made absolute."""
    document = config.load(folder / "config" / "config.yaml")
    defaults = config.resolve(document, {})
    for section, keys in _PATHS.items():
        absolute = {key: str(folder / defaults[section][key]) for key in keys}
        document[section] = document.get(section, {}) | absolute
    return Settings.of(config.resolve(document, environment or {}))


def _spx_data(folder: Path, environment: dict[str, str], *words: str) -> None:
    """Call the installed command in *folder*."""
    command = [Path(sys.executable).parent / "spx-data", *words]
    # Whoever runs the tests may have a lake of their own in their environment.
    plain = {name: value for name, value in os.environ.items() if name not in config.ENVIRONMENT}
    ended = subprocess.run(command, cwd=folder, env=plain | environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
