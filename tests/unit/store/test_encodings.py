"""The sealed file is small, and so encoded that any reader knows how to read it."""

import io

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from tests import schemas
from tests.chains import DATE, EXPIRATION, records

from spx_data.store import parquet
from spx_data.store.parquet import DayWriter, read_back
from theta_simulator import Market

WITH_DICTIONARY = {"date", "root", "expiration", "strike", "right", "timestamp", "iv_error", "dte"}


@pytest.fixture(scope="module")
def chain():
    """Return the rows of one chain of real size, sorted."""
    return schemas.GREEKS.table(DATE, "SPXW", EXPIRATION, records(Market(size="real")))


def sealed(chain):
    stream = io.BytesIO()
    with DayWriter(stream, schemas.GREEKS, {}) as writer:
        writer.add("SPXW", EXPIRATION, [chain])
        written = writer.close()
    return stream.getvalue(), written


@pytest.fixture(scope="module")
def content(chain):
    """Return the bytes of the chain's sealed file."""
    return sealed(chain)[0]


def test_what_repeats_stands_in_dictionaries_and_numbers_stand_plain(content):
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        group = file.metadata.row_group(0)
        columns = [group.column(number) for number in range(group.num_columns)]

    assert [column.path_in_schema for column in columns] == schemas.DAY.names
    for column in columns:
        expected = {"PLAIN", "RLE"}
        if column.path_in_schema in WITH_DICTIONARY:
            expected |= {"RLE_DICTIONARY"}
        assert set(column.encodings) <= expected, column.path_in_schema
        assert column.has_dictionary_page == (column.path_in_schema in WITH_DICTIONARY)
        assert column.compression == "ZSTD"


def test_it_takes_less_than_a_fifth_of_csv(chain, content):
    csv = pl.DataFrame(chain).write_csv()

    assert len(csv) > 5 * len(content)


def test_it_is_a_fifth_smaller_than_what_others_write_unasked(chain, content, tmp_path):
    path = tmp_path / "default.parquet"

    pq.write_table(chain, path, compression="zstd")

    assert len(content) < 0.8 * path.stat().st_size


def test_the_bytes_do_not_depend_on_the_number_of_threads(chain, content):
    before = pa.cpu_count()
    try:
        for threads in (1, 7):
            pa.set_cpu_count(threads)
            assert sealed(chain)[0] == content
    finally:
        pa.set_cpu_count(before)


def test_duckdb_and_polars_read_the_same_rows(content, tmp_path):
    path = tmp_path / "day.parquet"
    path.write_bytes(content)
    text = pl.col("root", "right").cast(pl.String)
    in_ms = pl.col("timestamp", "underlying_timestamp").dt.timestamp("ms")

    by_polars = pl.read_parquet(path).with_columns(text, in_ms)
    by_duckdb = pl.DataFrame(
        duckdb.sql(
            "select * replace (epoch_ms(timestamp) as timestamp, "
            f"epoch_ms(underlying_timestamp) as underlying_timestamp) from read_parquet('{path}')"
        ).to_arrow_table()
    )

    assert len(by_polars) > 100_000
    assert_frame_equal(by_duckdb, by_polars, check_exact=True)


def test_words_are_declared_as_text_and_are_dictionaries_in_our_memory(chain, content, tmp_path):
    path = tmp_path / "day.parquet"
    path.write_bytes(content)

    told, frame = pq.read_schema(path), pl.scan_parquet(path)

    assert [told.field(name).type for name in ("root", "right")] == [pa.string(), pa.string()]
    assert [field for field in told if field.name not in ("root", "right")] == [
        field for field in schemas.DAY if field.name not in ("root", "right")
    ]
    assert [frame.collect_schema()[name] for name in ("root", "right")] == [pl.String, pl.String]
    with parquet.opened(path) as file:
        assert file.schema_arrow.equals(schemas.DAY)
        assert file.read().cast(schemas.DAY).equals(chain)


@pytest.mark.parametrize("lacking", [[], ["root"], ["root", "right"]])
def test_what_lacks_words_is_opened_to_be_judged(lacking, chain, tmp_path):
    path = tmp_path / "other.parquet"
    pq.write_table(chain.drop_columns(lacking), path)

    with parquet.opened(path) as file:
        assert file.schema_arrow.names == [name for name in chain.column_names if name not in lacking]


def test_a_day_that_declares_its_words_as_dictionaries_still_reads_back(chain, tmp_path):
    path = tmp_path / "old.parquet"
    with pq.ParquetWriter(path, chain.schema, **parquet.OPTIONS) as writer:
        writer.write_table(chain)

    assert pa.types.is_dictionary(pq.read_schema(path).field("right").type)
    read_back(path, schemas.GREEKS, sealed(chain)[1])


def test_a_day_that_was_sealed_with_other_encodings_still_reads_back(chain, tmp_path, monkeypatch):
    path = tmp_path / "old.parquet"
    now, written = sealed(chain)
    former = {"use_dictionary": True, "compression_level": 1, "max_rows_per_page": 20_000}
    monkeypatch.setattr(parquet, "OPTIONS", parquet.OPTIONS | former)

    old, said = sealed(chain)

    path.write_bytes(old)
    assert old != now
    assert said == written
    read_back(path, schemas.GREEKS, written)
