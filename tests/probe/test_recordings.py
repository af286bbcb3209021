"""Every recording in tests/recordings: filled as far as it reaches, and probed to the table it was made with.

Whoever adds an archive adds no line here.
"""

import datetime as dt
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest
from tests.rules.conftest import Date

from spx_data.market import sessions
from spx_data.ops.probe import probing, recording

ARCHIVES = sorted((Path(__file__).parents[1] / "recordings").glob("*.zip"))


def manifest(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(recording.MANIFEST))


# Those of which a day can be filled.
FILLED = [path for path in ARCHIVES if manifest(path)["fill"]]


def test_there_are_recordings_of_both_apis_and_none_is_large():
    assert {manifest(path)["api"] for path in ARCHIVES} == {"v3", "v2"}
    assert max(path.stat().st_size for path in ARCHIVES) < 150_000
    assert FILLED


@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: path.stem)
def test_a_probe_of_it_finds_the_same(path, simulated, lake, monkeypatch):
    found = manifest(path)
    monkeypatch.setenv("SPX_DATA_NOW", found["now"])
    terminal = simulated(replay=path)
    settings = lake(terminal.url, **found["settings"])

    with probing(settings, sessions.now(), full=found["full"]) as probed:
        table = [row._asdict() for row in probed.profile.table]

    assert table == found["table"]
    assert len(terminal.requests()) == len(found["exchanges"])


@pytest.mark.parametrize("path", FILLED, ids=lambda path: path.stem)
def test_it_is_listed_downloaded_merged_and_judged(path, simulated, lake, monkeypatch):
    found = manifest(path)
    monkeypatch.setenv("SPX_DATA_NOW", found["now"])
    terminal = simulated(replay=path)
    day = dt.date.fromisoformat(found["fill"]["date"])
    chosen = found["settings"] | {"roots": found["fill"]["roots"], "max_dte": found["fill"]["max_dte"]}
    date = Date(lake(terminal.url, **chosen), day)

    date.fill()

    passport, sealed = date.passport(), pl.read_parquet(date.layout.parquet(day))
    assert passport["rows"] == len(sealed) > 0
    assert {chain["root"] for chain in passport["chains"]} == set(found["fill"]["roots"])
    assert 0 < passport["quality"]["score"] <= 100
