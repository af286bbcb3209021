"""Chains that do not fit into memory: they are merged in chunks, and nobody can tell."""

import datetime as dt
import json

import polars as pl
import pytest
from tests.rules.conftest import DAY

from spx_data.errors import FileCorruptionError
from spx_data.fill import merge
from spx_data.fill.chunks import chunks
from spx_data.lake.session_states import Kind
from spx_data.market import schema
from spx_data.store import disk
from theta_simulator.blemishes import Blemish
from theta_simulator.blemishes import Kind as Defect

PLACE = {"root": "SPXW", "expiration": dt.date(2024, 1, 19), "strike": 5035.0, "right": "C"}
HOURS = {
    Defect.DUPLICATE_ROWS: (10, 11),
    Defect.CONFLICTING_ROWS: (11, 12),
    Defect.NEGATIVE_PRICE: (13, 14),
    Defect.WITHHELD_MINUTES: (14, 15),
}
BLEMISHES = tuple(
    Blemish(kind, first=dt.time(first), last=dt.time(last), **PLACE) for kind, (first, last) in HOURS.items()
)
OF_THE_MERGE = {"sealed_at", "merge_seconds"}


@pytest.fixture
def small_chunks(monkeypatch):
    """Let no more than a hundred records of a chain into memory, as far as a strike has no more."""
    monkeypatch.setattr(
        merge, "chunks", lambda blocks, expected, scratch, _: chunks(blocks, expected, scratch, 100)
    )


def sealed(date):
    """Return what a merge left: the Parquet, the passport but for the time, the bad records."""
    passport = json.loads(date.layout.passport(DAY).read_text())
    told = {name: value for name, value in passport.items() if name not in OF_THE_MERGE}
    return date.layout.parquet(DAY).read_bytes(), told, date.layout.rejects(DAY).read_bytes()


def staged(date):
    date.fetch()
    date.download()
    return date


@pytest.mark.parametrize("interval", ["30s", "1m"])
def test_a_date_in_chunks_is_sealed_like_one_that_fits(interval, simulated, day, request):
    date = staged(day(simulated(blemishes=BLEMISHES), interval=interval))
    date.merge()
    whole = sealed(date)

    date.merge(cores=3)
    assert sealed(date) == whole

    request.getfixturevalue("small_chunks")
    date.merge()

    assert sealed(date) == whole
    assert whole[1]["rejects"]["duplicates_dropped"] > 0 < whole[1]["rejects"]["conflicts"]


@pytest.mark.parametrize("cores", [1, 3])
def test_a_chain_of_several_pieces_reads_back(cores, terminals, day, monkeypatch, small_chunks):
    date = staged(day(terminals["v3"], interval="5m"))
    date.merge()
    expected = pl.read_parquet(date.layout.parquet(DAY))
    monkeypatch.setattr(schema, "PIECE_ROWS", 150)

    date.merge(cores)

    assert pl.read_parquet(date.layout.parquet(DAY)).equals(expected)
    assert date.state().kind is Kind.SEALED


@pytest.mark.parametrize("cores", [1, 3])
def test_damage_at_the_end_of_a_large_checkpoint_leaves_nothing(cores, terminals, day, small_chunks):
    date = staged(day(terminals["v3"]))
    records = date.checkpoint(3).records
    records.write_bytes(records.read_bytes()[:-3] + b"9]\n")
    before = set(date.layout.temp.rglob("*"))

    with pytest.raises(FileCorruptionError, match=records.name):
        date.merge(cores)

    assert [path.name for path in date.layout.output.rglob("*") if path.is_file()] == ["dataset.json"]
    assert before - set(date.layout.temp.rglob("*")) == {
        date.checkpoint(3).receipt,
        date.layout.manifest(DAY),
    }
    assert date.state().kind is Kind.FAILED


@pytest.mark.parametrize("cores", [1, 3])
def test_a_crash_between_chunks_leaves_nothing(cores, terminals, day, small_chunks, monkeypatch):
    date = staged(day(terminals["v3"]))
    before = set(date.layout.temp.rglob("*"))
    real, scratch = disk.create_nameless, []

    def second(directory):
        scratch.append(directory)
        if len(scratch) == 2:
            raise KeyboardInterrupt
        return real(directory)

    monkeypatch.setattr(disk, "create_nameless", second)
    with pytest.raises(KeyboardInterrupt):
        date.merge(cores)
    assert set(date.layout.temp.rglob("*")) == before
    assert not list(date.layout.output.rglob("spx-options*"))

    monkeypatch.setattr(disk, "create_nameless", real)
    date.merge()
    assert date.state().kind is Kind.SEALED
