"""`snakemake verify` from end to end: it finds the damaged days, says so, and the next run mends them."""

import json
import subprocess
from pathlib import Path

import pytest

from spx_data.lake.verify import root_of
from spx_data.store.names import date_of

START, END = "2024-11-27", "2024-12-02"
SESSIONS = ["2024-11-27", "2024-11-29", "2024-12-02"]


@pytest.fixture(scope="module")
def lake(filled_lake):
    """Return a lake of three sealed days, which each test but the last leaves whole."""
    return filled_lake(START, END)


def spoil(lake, date, at=1000):
    path = lake.folder / lake.parquet(date)
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def quarantined(lake):
    return sorted((lake.folder / "data" / "quarantine").glob("*/*/report.json"))


def outside_witness(lake, command):
    """Return the dates whose sidecars the system's own command finds right."""
    found = {}
    for sidecar in (lake.folder / "data" / "parquet").rglob("*.sha256"):
        checked = subprocess.run([*command, sidecar.name], cwd=sidecar.parent, capture_output=True)
        found[sidecar.name[12:22]] = checked.returncode == 0
    return found


def test_a_whole_lake_verifies_and_says_its_root(lake, checksum_command):
    verified = lake.snakemake("verify")

    assert verified.returncode == 0, verified.stdout
    assert "3 days looked at, every byte and every page" in verified.stdout
    digests = {
        date_of(Path(line.split()[1])): line.split()[0]
        for path in (lake.folder / "data").rglob("*.sha256")
        for line in path.read_text().splitlines()[:1]  # the Parquet's
    }
    assert f"root of the lake  {root_of(digests)}" in verified.stdout
    assert f"root 2024  {root_of(digests)}" in verified.stdout
    assert outside_witness(lake, checksum_command) == dict.fromkeys(SESSIONS, True)


def test_a_shallow_look_is_a_setting(lake):
    sections = lake.sections()
    lake.configure(**sections, verify={"depth": "bytes"})
    try:
        verified = lake.snakemake("verify")
    finally:
        lake.configure(**sections)

    assert verified.returncode == 0, verified.stdout
    assert "3 days looked at, every byte:" in verified.stdout
    last = (lake.folder / "data" / "journal" / "lake.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["depth"] == "bytes"


def test_damaged_days_are_named_moved_and_mended(lake, checksum_command):
    whole = lake.bytes_of_all()
    spoil(lake, SESSIONS[0])
    (lake.folder / lake.parquet(SESSIONS[2])).write_bytes(b"")

    verified = lake.snakemake("verify")

    assert verified.returncode == 1
    assert "2024-11-27 damaged: bytes-changed" in verified.stdout
    assert "2024-12-02 damaged: truncated" in verified.stdout
    assert "2024-11-29 damaged" not in verified.stdout
    assert "1 day as sealed" in verified.stdout
    assert "the next run fetches it again" in verified.stdout
    assert "Traceback" not in verified.stdout
    reports = quarantined(lake)
    assert [json.loads(path.read_text())["date"] for path in reports] == [SESSIONS[0], SESSIONS[2]]
    assert all(str(path.parent.relative_to(lake.folder)) in verified.stdout for path in reports)
    assert lake.sealed() == [SESSIONS[1]]
    assert "2 corrupt" in lake.spx_data("status").stdout

    again = lake.snakemake()

    assert again.returncode == 0, again.stdout
    sealed = {
        path.name: path.read_bytes()
        for path in (lake.folder / "data" / "parquet").rglob("*-options-*.parquet")
    }
    assert sealed == whole
    assert outside_witness(lake, checksum_command) == dict.fromkeys(SESSIONS, True)
    verified = lake.snakemake("verify")
    assert verified.returncode == 0, verified.stdout
    assert quarantined(lake) == reports


def test_only_the_dates_named_are_looked_at(lake):
    before = quarantined(lake)
    spoil(lake, SESSIONS[0])

    december = lake.snakemake("verify", "--config", "dates=2024-12")

    assert december.returncode == 0, december.stdout
    assert "1 day looked at" in december.stdout
    assert "root of these days" in december.stdout
    assert quarantined(lake) == before
    assert lake.sealed() == SESSIONS

    november = lake.snakemake("verify", "--config", "dates=2024-11-27..2024-11-30")

    assert november.returncode == 1
    assert len(quarantined(lake)) == len(before) + 1
