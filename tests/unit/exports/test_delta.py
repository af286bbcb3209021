"""A Delta table over sealed files, read by what reads Delta: deltalake, Polars, pyarrow, DuckDB."""

import datetime as dt
import json
import shutil

import deltalake
import duckdb
import polars as pl
import pyarrow as pa
import pytest
from tests import sealed_rows
from tests.unit.exports.test_exporting import DATES, day, done, entry

from spx_data.store import reads


@pytest.fixture
def days(tmp_path):
    return [day(tmp_path / "lake", date) for date in DATES]


@pytest.fixture
def table(days, tmp_path):
    done(days, tmp_path / "out", "delta")
    return tmp_path / "out"


def rows_of(paths):
    """The rows of sealed files as DuckDB has them: a witness that knows of no table."""
    query = 'SELECT * REPLACE (root::VARCHAR AS root, "right"::VARCHAR AS "right") FROM read_parquet($1)'
    return duckdb.execute(f"{query} ORDER BY ALL", [list(map(str, paths))]).fetchall()


def same(found, paths):
    """Whether the Arrow table *found* has the rows of the sealed files at *paths*, cell by cell."""
    assert duckdb.sql("SELECT * FROM found ORDER BY ALL").fetchall() == rows_of(paths)


# An older Polars leaves moments to pyarrow.
OLDER = {} if int(pl.__version__.partition(".")[0]) > 1 else {"use_pyarrow": True}


def scanned(table, version=None):
    return pl.scan_delta(str(table), version=version, **OLDER).collect()


def versions(folder):
    return sorted(int(path.stem) for path in (folder / "_delta_log").glob("*.json"))


def test_every_reader_has_the_rows_of_the_lake(table, days):
    same(deltalake.DeltaTable(table).to_pyarrow_table(), days)
    same(scanned(table).to_arrow(), days)
    dataset = deltalake.DeltaTable(table).to_pyarrow_dataset()
    same(dataset.to_table(), days)
    assert duckdb.sql("SELECT count(*), count(DISTINCT date) FROM dataset").fetchall() == [(96, 2)]


def test_moments_are_utc_and_words_are_text(table):
    columns = deltalake.DeltaTable(table).to_pyarrow_dataset().schema

    assert columns.field("timestamp").type == pa.timestamp("us", "UTC")
    assert columns.field("root").type == pa.string()


def test_a_filter_reads_only_the_days_that_it_needs(table):
    found = deltalake.DeltaTable(table).get_add_actions(flatten=True)
    told = pl.DataFrame(found).sort("min.date")

    assert told["num_records"].to_list() == [48, 48]
    assert told["min.date"].to_list() == told["max.date"].to_list() == list(DATES)
    assert told["min.strike"].to_list() == [4600.0, 4600.0]
    assert told["max.timestamp"][0] == dt.datetime(2024, 1, 2, 14, 40, tzinfo=dt.UTC)


def test_an_older_version_has_the_days_that_it_had(table, days):
    assert versions(table) == [0, 1]
    same(scanned(table, 0).to_arrow(), days[:1])


def test_nothing_is_copied_and_a_second_call_commits_nothing(table, days):
    links = sorted(table.glob("*.parquet"))
    assert [link.resolve() for link in links] == days
    assert all(link.is_symlink() for link in links)
    assert entry(table)["links"] == {links[0].name: str(days[0])}
    assert entry(table)["files"] == {links[0].name: reads.digest(days[0])}

    assert done(days, table, "delta") == [(date, False) for date in DATES]

    assert versions(table) == [0, 1]


def test_a_day_sealed_anew_replaces_the_old_one_which_no_version_shows_as_if_it_were_the_same(
    table, days, tmp_path
):
    day(tmp_path / "lake", DATES[0], shift=5.0)

    assert done(days, table, "delta") == [(DATES[0], True), (DATES[1], False)]

    same(scanned(table).to_arrow(), days)
    with pytest.raises(FileNotFoundError):
        scanned(table, 1)


def test_vacuum_takes_links_away_and_no_sealed_file_and_the_next_call_brings_them_back(table, days):
    held = deltalake.DeltaTable(table)
    held.delete()
    removed = held.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)

    assert len(removed) == 2 and not list(table.glob("*.parquet"))
    assert all(path.exists() for path in days)
    assert (table / "_manifest/2024-01-02.json").exists()
    shutil.rmtree(table / "_delta_log")
    assert done(days, table, "delta") == [(date, True) for date in DATES]
    same(scanned(table).to_arrow(), days)


def test_a_log_that_is_lost_is_made_again(table, days):
    shutil.rmtree(table / "_delta_log")

    assert done(days, table, "delta") == [(date, False) for date in DATES]

    assert versions(table) == [0, 1]
    same(scanned(table).to_arrow(), days)


def test_a_day_with_more_columns_widens_the_table(table, days, tmp_path):
    date = dt.date(2024, 1, 4)
    rows = sealed_rows.chain(date, "SPXW", date, [4700], sealed_rows.stamps_of(date)[:2])
    later = sealed_rows.seal(
        tmp_path / "lake", date, [rows.append_column("open_interest", pa.array([7, 8, 9, None], pa.int32()))]
    )

    done([*days, later], table, "delta")

    found = scanned(table)
    assert found["open_interest"].drop_nulls().sort().to_list() == [7, 8, 9]
    assert len(found) == 100
    described = [line for path in (table / "_delta_log").iterdir() for line in path.read_text().splitlines()]
    assert sum("metaData" in json.loads(line) for line in described) == 2
