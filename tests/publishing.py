"""Publishing as tests do it: a lake to publish, the days copied, and the command called in its folder."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spx_data import cli
from spx_data.market.dates import Dates
from spx_data.ops.publish.publishing import Done, Publisher
from spx_data.settings import Settings
from spx_data.store import dataset
from tests import sealed_days


def lake_of(folder: Path, dates: Iterable[dt.date]) -> Settings:
    """Return the settings of a lake in *folder* in which *dates* are sealed."""
    settings = sealed_days.settings_of(folder)
    for date in dates:
        sealed_days.seal(settings, date)
    dataset.claim(settings.layout, settings.identity("latest"))
    return settings


def publish(settings: Settings, url: str, within: Dates | None = None, workers: int = 2) -> list[Done]:
    """Publish what is due; what became of each day."""
    publisher = Publisher(settings, url)
    return list(publisher.publish(publisher.due(within), workers))


def publish_well(settings: Settings, url: str, within: Dates | None = None) -> None:
    """Publish what is due, of which nothing fails."""
    done = publish(settings, url, within)
    assert [each.error for each in done] == [None] * len(done)


def invoke(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    *words: str,
    url: str | None = None,
    **processing: Any,
) -> Result:
    """Call `spx-data` with *words* in the folder of the lake, whose config says this of *processing*."""
    monkeypatch.chdir(configured(settings, url, **processing))
    return CliRunner().invoke(cli.commands, list(words))


def configured(settings: Settings, url: str | None, **processing: Any) -> Path:
    """Let a config say this of *processing*, and where to publish to; the folder that is its lake's."""
    folder = settings.layout.output.parent
    (folder / "config").mkdir(exist_ok=True)
    for name in ("output", "temp", "data"):
        processing[f"{name}_directory"] = str(getattr(settings.layout, name))
    document = {"processing": processing, "publish": {"url": url}}
    (folder / "config" / "config.yaml").write_text(json.dumps(document))
    return folder
