"""The contracts of sealed days, read: checked, of the right days, and saying what is left out."""

import json
import warnings

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from tests.rules.lake.conftest import DAYS

import spx_data
from spx_data.errors import FileCorruptionError, MissingFileError
from spx_data.lake.contracts import LackingContractsWarning
from spx_data.market.contracts import COLUMNS
from spx_data.store import parquet, reads, seals


@pytest.fixture
def how(sealed):
    return {"lake": sealed.output, "data": sealed.data}


def sealed_without(layout, date):
    """Make a day one of before there were files of contracts."""
    passport = json.loads(layout.passport(date).read_text())
    del passport["contracts"]
    seals.seal(layout.parquet(date), passport["parquet"]["sha256"], passport)
    layout.contracts(date).unlink()


def test_contracts_are_a_row_each_and_those_of_the_quotes(how):
    found = spx_data.contracts("2024-02", **how)

    assert isinstance(found, pl.LazyFrame)
    assert found.collect_schema().names() == [each.name for each in COLUMNS]
    key = ["date", "root", "expiration", "strike", "right"]
    counted = found.select(pl.col(key).cast(pl.String), pl.col("stamps").cast(pl.UInt32)).collect()
    rows = spx_data.scan("2024-02", **how).group_by(pl.col(key).cast(pl.String)).len("stamps").collect()
    assert counted.sort(key).equals(rows.sort(key))
    assert counted["date"].unique().sort().to_list() == [str(day) for day in DAYS[1:]]


def test_days_that_have_their_words_as_categories_are_read_beside_others_as_text(sealed, how):
    before, path = spx_data.contracts(**how).collect(), sealed.contracts(DAYS[1])
    with parquet.opened(path, words=["root", "right", "settlement", "state"]) as file:
        rows = file.read()
    pq.write_table(rows, path)
    passport = json.loads(sealed.passport(DAYS[1]).read_text())
    seals.seal(sealed.parquet(DAYS[1]), passport["parquet"]["sha256"], passport, reads.digest(path))

    assert pl.read_parquet_schema(path)["state"] == pl.Categorical
    assert before.schema["root"] == before.schema["state"] == pl.String
    assert_frame_equal(spx_data.contracts(**how).collect(), before, check_exact=True)


def test_open_interest_by_expiration_in_sql_is_that_of_polars(how):
    query = "SELECT date, root, sum(open_interest) FROM contracts GROUP BY ALL ORDER BY ALL"
    with spx_data.connect(**how) as connection:
        by_sql = connection.execute(query).fetchall()
        joined = 'SELECT count(*) FROM quotes JOIN contracts USING (date, root, expiration, strike, "right")'
        assert connection.execute(joined).fetchone() == (
            spx_data.scan(**how).select(pl.len()).collect().item(),
        )

    by_polars = (
        spx_data.contracts(**how)
        .group_by("date", pl.col("root").cast(pl.String))
        .agg(pl.col("open_interest").sum())
        .sort("date", "root")
        .collect()
    )
    assert [(day, root, int(total)) for day, root, total in by_sql] == by_polars.rows()
    assert all(total for *_, total in by_sql)


def test_days_sealed_without_are_left_out_and_named(sealed, how):
    sealed_without(sealed, DAYS[1])
    root = spx_data.verification_root(**how)

    with pytest.warns(
        LackingContractsWarning, match=f"1 days have no contracts: {DAYS[1]}.*spx-data mend"
    ) as told:
        found = spx_data.contracts(**how)

    assert told[0].message.dates == (DAYS[1],)
    assert found.select(pl.col("date").unique().sort()).collect()["date"].to_list() == [DAYS[0], DAYS[2]]
    assert len(spx_data.scan(root=root, **how).select("date").collect())
    with spx_data.connect(**how) as connection:
        assert connection.execute("SELECT count(DISTINCT date) FROM contracts").fetchone() == (2,)
        assert connection.execute("SELECT count(DISTINCT date) FROM quotes").fetchone() == (3,)


def test_where_no_day_has_them_there_is_an_error_and_an_empty_view(sealed, how):
    sealed_without(sealed, DAYS[1])

    with pytest.raises(MissingFileError, match="none of the 1 selected days was sealed with its contracts"):
        spx_data.contracts(DAYS[1], **how)
    with spx_data.connect(DAYS[1], **how) as connection:
        assert connection.execute("SELECT * FROM contracts").fetchall() == []
        names = [each[0] for each in connection.execute("DESCRIBE contracts").fetchall()]
    assert names == [each.name for each in COLUMNS]


@pytest.mark.parametrize("lose", [True, False])
def test_a_file_that_is_not_what_was_sealed_is_no_rows_and_quotes_are_read(lose, sealed, how):
    path = sealed.contracts(DAYS[0])
    path.unlink() if lose else path.write_bytes(sealed.contracts(DAYS[1]).read_bytes())

    with pytest.raises(FileCorruptionError, match=f"lost, or not those that were sealed: {DAYS[0]}"):
        spx_data.contracts(**how)
    with pytest.warns(LackingContractsWarning, match=f"have lost their contracts: {DAYS[0]}"):
        connection = spx_data.connect(**how)
    with connection:
        assert connection.execute("SELECT count(DISTINCT date) FROM contracts").fetchone() == (2,)
        assert connection.execute("SELECT count(DISTINCT date) FROM quotes").fetchone() == (3,)


def test_the_view_cannot_be_written_and_no_other_file_is_read(sealed, how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        connection = spx_data.connect("2024-02-01", **how)
    other = sealed.contracts(DAYS[0]).resolve()
    with connection, pytest.raises(duckdb.Error):
        connection.execute(f"SELECT * FROM read_parquet('{other}')")
