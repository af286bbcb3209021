"""The examples of CONTRIBUTING.md, executed on a copy of the library."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
SECTIONS = dict(re.findall(r"^### (An? \w+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))

# What is to be so once the example is there, as a program on the copy.
TRIED = {
    "A check": """
        import numpy as np
        from tests.panels import named, panel
        from spx_data.quality import catalogue, quotes

        assert "absurd-ask" in {check.code for check in catalogue.CHECKS}
        bid = np.ones((2, 1, 3))
        ask = np.array([[[2, 100_000, 2]], [[2, 2, 2]]])
        assert named(quotes.judge(panel([4700], bid, ask)))["absurd-ask"].hits == 1
    """,
    "A symbol": """
        import datetime as dt
        from spx_data import config
        from spx_data.settings import Settings

        found = Settings.of(config.resolve({"processing": {"start_date": "2024-01-02", "symbol": "TLT"}}, {}))
        assert found.roots == ("TLT",) and found.product.exercise == "American"
        assert found.layout.parquet(dt.date(2024, 1, 2)).name == "tlt-options-2024-01-02.parquet"
    """,
    "A column": """
        from spx_data import config
        from spx_data.market import schema
        from spx_data.settings import Settings

        newest = schema.newest("greeks")
        assert newest.version == 3 and newest.day.names[-1] == "open_interest"
        before = schema.SCHEMAS["greeks"][2]
        assert "open_interest" not in before.day.names and newest.day.field("open_interest").nullable
        settings = Settings.of(config.resolve({"processing": {"start_date": "2024-01-02"}}, {}))
        assert settings.identity("latest")["schema_version"] == 3
    """,
    "An export": """
        import datetime as dt, tempfile
        from pathlib import Path
        import polars as pl
        from spx_data import exports
        from spx_data.exports import exporting
        from tests import sealed_rows

        folder, date = Path(tempfile.mkdtemp()), dt.date(2024, 1, 2)
        rows = sealed_rows.chain(date, "SPXW", date, [4700], sealed_rows.stamps_of(date))
        path = sealed_rows.seal(folder / "lake", date, [rows])
        (found,) = exporting.export([path], exports.of("arrow"), folder / "out")
        assert found.paths == (folder / "out/spx-options-2024-01-02.arrow",)
        assert pl.read_ipc(found.paths[0]).equals(pl.read_parquet(path))
    """,
    "A source": """
        import datetime as dt, os, tempfile
        from pathlib import Path
        import spx_data
        from spx_data import config
        from spx_data.fill.download import download_expirations
        from spx_data.fill.survey import fetch_expirations
        from spx_data.fill.merge import merge_date
        from spx_data.fill.preflight import preflight
        from spx_data.lake.verify import verify
        from spx_data.market import sessions
        from spx_data.settings import Settings

        folder, day = Path(tempfile.mkdtemp()), dt.date(2024, 1, 2)
        document = {
            "thetadata": {"api": "made-up", "base_url": "http://127.0.0.1:9"},
            "processing": {
                "start_date": "2024-01-02",
                "roots": ["SPXW"],
                "output_directory": str(folder / "parquet"),
                "temp_directory": str(folder / "temp"),
                "data_directory": str(folder),
            },
            "database": {"path": str(folder / "status.db")},
        }
        os.environ["SPX_DATA_SLOTS"] = str(folder / "slots")
        settings = Settings.of(config.resolve(document, {}))
        (session,) = sessions.between("NYSE", day, day)
        assert preflight(settings).api == "made-up"
        paths = settings.layout.listing(day), settings.layout.manifest(day)
        fetch_expirations(settings, day, paths[0])
        download_expirations(settings, day, *paths, session=session)
        merge_date(settings, day, paths[1], settings.layout.parquet(day), session=session)
        rows = spx_data.scan(lake=folder / "parquet").collect()
        assert len(rows) == 2 * 391 and set(rows["ask"]) == {1.1}
        assert verify(settings).all_is_well
    """,
}


@pytest.fixture
def copy(tmp_path):
    """Return a folder with a copy of the library."""
    for name in ("scripts", "config"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def followed(text, folder):
    """Do in *folder* what an example says: apply its diffs, write its files."""
    for kind, block in re.findall(r"^```(diff|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if kind == "diff":
            done = subprocess.run(
                ["git", "apply", "--verbose", "-"], input=block, cwd=folder, text=True, capture_output=True
            )
            assert done.returncode == 0, done.stderr
        else:
            path = re.match(r"# (scripts/[\w/]+\.py)\n", block)
            assert path, block
            (folder / path[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / path[1]).write_text(block[path.end() :])


@pytest.mark.parametrize("example", sorted(SECTIONS))
def test_an_example_does_what_it_promises(example, copy):
    program = "\n".join(line.removeprefix(" " * 8) for line in TRIED[example].splitlines())
    environment = os.environ | {"PYTHONPATH": f"{copy / 'scripts'}{os.pathsep}{ROOT}"}

    before = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    followed(SECTIONS[example], copy)
    after = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)

    assert before.returncode != 0  # nobody has it yet
    assert after.returncode == 0, after.stderr


def test_each_kind_that_is_one_file_has_an_example():
    assert set(SECTIONS) == set(TRIED)
