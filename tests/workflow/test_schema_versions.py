"""A column more: what was sealed without it stays as healthy, and as readable, as it was."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from tests.workflow.conftest import BIN, PATIENCE, REPOSITORY

BEFORE, AFTER = "2024-11-29", "2024-12-02"
LAST = '    Column("underlying_price", Type.NUMBER, "dollars"),\n'
# The source has it under another name; records have it once more.
MORE = '    Column("offer", Type.NUMBER, "dollars", since=3, source="ask"),\n'


@dataclass
class Tomorrow:
    """A copy of the project whose schema has a column more."""

    folder: Path

    @property
    def environment(self):
        return os.environ | {"PYTHONPATH": str(self.folder / "scripts")}

    def run(self, lake, *command):
        return subprocess.run(
            command,
            cwd=lake.folder,
            env=self.environment | lake.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def snakemake(self, lake, *arguments):
        command = [BIN / "snakemake", "--snakefile", self.folder / "Snakefile", "--cores", "4", *arguments]
        return self.run(lake, *command)

    def spx_data(self, lake, *arguments):
        return self.run(lake, sys.executable, "-c", "from spx_data.cli import main; main()", *arguments)

    def python(self, lake, program):
        done = self.run(lake, sys.executable, "-c", program)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def tomorrow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tomorrow") / "project"
    folder.mkdir()
    for name in ("Snakefile", "rules", "scripts", "config", "profiles", "docs"):
        source, ignored = REPOSITORY / name, shutil.ignore_patterns("__pycache__", "pictures")
        shutil.copytree(source, folder / name, ignore=ignored) if source.is_dir() else shutil.copy(
            source, folder
        )
    columns = folder / "scripts/spx_data/market/columns.py"
    text = columns.read_text()
    assert LAST in text
    columns.write_text(text.replace(LAST, LAST + MORE))
    return Tomorrow(folder)


@pytest.fixture(scope="module")
def lake(v3, new_lake, tomorrow):
    """Return a lake of a day of today and one of tomorrow."""
    lake = new_lake(v3, BEFORE, AFTER)
    today = lake.snakemake("--until", lake.parquet(BEFORE))
    assert lake.sealed() == [BEFORE], today.stdout
    lake.before = lake.bytes_of_all()
    done = tomorrow.snakemake(lake)
    assert lake.sealed() == [BEFORE, AFTER], done.stdout + done.stderr
    return lake


def everything(lake):
    """Return the bytes of all that is sealed, and of the data set's identity."""
    paths = (lake.folder / "data/parquet").rglob("*")
    return {path: path.read_bytes() for path in paths if path.is_file()}


def test_a_new_column_condemns_no_day_and_fetches_none_again(lake, tomorrow):
    sealed = everything(lake)
    again = tomorrow.snakemake(lake)
    verified = tomorrow.spx_data(lake, "verify")

    assert "Nothing to be done" in again.stdout + again.stderr
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert everything(lake) == sealed
    assert lake.before.items() <= lake.bytes_of_all().items()
    assert not (lake.folder / "data/quarantine").exists()


def test_a_scan_is_the_union_of_the_versions_or_one_of_them(lake, tomorrow):
    program = f"""
import spx_data, polars as pl
both = spx_data.scan().collect()
assert both.columns[-1] == "offer"
before, after = both.filter(date=pl.date(2024, 11, 29)), both.filter(date=pl.date(2024, 12, 2))
assert before["offer"].null_count() == len(before) > 0
assert after["offer"].equals(after["ask"], null_equal=True) and after["offer"].null_count() == 0
today = spx_data.scan(schema_version=2).collect()
assert today.equals(both.drop("offer"))
assert spx_data.scan(schema_version=1).collect().equals(today.drop("dte"))
alone = spx_data.scan("{BEFORE}", schema_version=3).collect()
assert alone.equals(before) and "offer" not in spx_data.scan("{BEFORE}").collect_schema()
print(both["bid"].sum(), both["offer"].sum(), len(both))
"""
    sums = tuple(map(float, tomorrow.python(lake, program).split()))

    days = [str(lake.folder / lake.parquet(date)) for date in (BEFORE, AFTER)]
    union = "SELECT sum(bid), sum(offer), count(*) FROM read_parquet($1, union_by_name=true)"
    ((bids, offers, count),) = duckdb.execute(union, [days]).fetchall()
    assert (bids, offers, count) == pytest.approx(sums)


def test_identity_passports_and_footers_say_their_version(lake):
    identity = json.loads((lake.folder / "data/parquet/dataset.json").read_text())
    told = [
        json.loads((lake.folder / lake.parquet(date)).with_suffix(".json").read_text())["schema_version"]
        for date in (BEFORE, AFTER)
    ]
    events = (lake.folder / "data/journal/lake.jsonl").read_text().splitlines()

    assert identity["schema_version"] == 3
    assert told == [2, 3]
    assert any(json.loads(line)["event"] == "schema-raised" for line in events)


def test_what_was_sealed_without_it_is_asked_again_without_a_difference(lake, tomorrow):
    sealed = everything(lake)
    done = tomorrow.snakemake(lake, "recheck", "--config", f"dates={BEFORE}")
    report = tomorrow.spx_data(lake, "report", BEFORE)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "unchanged" in done.stdout + done.stderr
    assert everything(lake) == sealed
    assert report.returncode == 0, report.stderr


@pytest.mark.parametrize(
    "arguments", [("verify",), ("status",), ("list",), ("quality",), ("gaps",), ("export", "csv", "out")]
)
def test_code_of_today_says_that_the_lake_is_newer_and_touches_nothing(arguments, lake):
    sealed = everything(lake)

    done = lake.spx_data(*arguments)

    assert "written by a newer spx-data" in done.stdout + done.stderr
    assert "Update spx-data" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert everything(lake) == sealed


def test_nor_does_a_run_of_today_touch_it(lake):
    sealed = everything(lake)

    done = lake.snakemake()

    assert done.returncode == 1
    assert "written by a newer spx-data" in done.stdout
    assert everything(lake) == sealed


def test_a_day_of_tomorrow_among_those_of_today_is_left_as_it_is(lake, tmp_path):
    """A day that came here without its lake: nothing else says that it is newer."""
    there = lake.folder / "data/parquet/dataset.json"
    identity = there.read_bytes()
    there.unlink()
    sealed = everything(lake)
    try:
        verified = lake.spx_data("verify")
        listed = lake.spx_data("list")
        paths = subprocess.run(
            [sys.executable, "-c", "import spx_data; spx_data.sealed_paths()"],
            cwd=lake.folder,
            capture_output=True,
            text=True,
        )
        assert everything(lake) == sealed
    finally:
        there.write_bytes(identity)

    assert verified.returncode == 1
    assert f"{AFTER}" in verified.stdout + verified.stderr
    assert "newer" in verified.stdout + verified.stderr
    assert listed.returncode == 0
    assert "OtherVersionError" in paths.stderr


def test_a_lake_of_before_is_told_with_a_cure_that_works_when_pasted(filled_lake):
    lake = filled_lake(BEFORE, BEFORE)
    path = lake.folder / "data/parquet/dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    passport = (lake.folder / lake.parquet(BEFORE)).with_suffix(".json")
    passport.write_text(json.dumps(json.loads(passport.read_text()) | {"format": 6}))
    sidecar = (lake.folder / lake.parquet(BEFORE)).with_suffix(".parquet.sha256")
    sidecar.write_text(sidecar.read_text().splitlines(keepends=True)[0])
    sealed = everything(lake)

    refused = lake.snakemake()
    verified = lake.spx_data("verify")

    assert (refused.returncode, verified.returncode) == (1, 1)
    assert "earlier version of spx-data" in refused.stdout
    assert everything(lake) == sealed
    cure = verified.stderr.strip().splitlines()[-1].partition("nothing is deleted. ")[2]
    assert cure.startswith("mv "), verified.stderr
    pasted = subprocess.run(
        ["bash", "-c", cure.replace(", then ", " && ")],
        cwd=lake.folder,
        env=os.environ | lake.environment | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert pasted.returncode == 0, pasted.stderr
    assert lake.snakemake().returncode == 0
    assert lake.sealed() == [BEFORE]
    aside = lake.folder / "data/parquet.before"
    kept = [aside / lake.parquet(BEFORE).removeprefix("data/parquet/"), aside / "dataset.json"]
    assert all(path.is_file() for path in kept)
