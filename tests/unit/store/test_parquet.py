"""The sealed file as other libraries read it, and as its own digest vouches for it."""

import datetime as dt
import hashlib
import io
import itertools
import random
import struct
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests import schemas

from spx_data.errors import FileCorruptionError, OtherVersionError, SchemaValidationError
from spx_data.market import columns, schema
from spx_data.market.records import settle
from spx_data.store import parquet
from spx_data.store.parquet import DayWriter, Written, read_back

DAY = dt.date(2024, 1, 2)
CHAINS = [("SPX", dt.date(2024, 1, 19)), ("SPXW", dt.date(2024, 1, 2)), ("SPXW", dt.date(2024, 1, 19))]
OPEN = 1_704_205_800_000  # 2024-01-02 09:30 in New York
COLUMNS = [field.name for field in schemas.DAY]
OF_A_CHAIN = ("date", "root", "expiration", "dte")


def frame(seed, strikes=4, stamps=20):
    """Return records with numbers of every kind, in no order."""
    numbers = random.Random(seed)
    rows = [
        {
            "strike": 4700.0 + 2.5 * strike,
            "right": right,
            "timestamp": OPEN + 60_000 * stamp,
            **{name: numbers.uniform(-1, 1) * 10 ** numbers.randint(-9, 9) for name in schemas.MEASURES},
            "underlying_timestamp": OPEN + 60_000 * stamp - numbers.randint(0, 900),
            "underlying_price": round(4700 + 100 * numbers.random(), 2),
        }
        for strike in range(strikes)
        for right in "CP"
        for stamp in range(stamps)
    ]
    for name in schemas.OPTIONAL:
        for row in numbers.sample(rows, len(rows) // 20):
            row[name] = None
    numbers.shuffle(rows)
    return pl.DataFrame(rows, schema=schemas.POLARS)


def write(stream, frames, **metadata):
    writer = DayWriter(stream, schemas.GREEKS, {"source_api": "v3"} | metadata)
    for (root, expiration), records in zip(CHAINS, frames, strict=True):
        writer.add(root, expiration, [schemas.GREEKS.table(DAY, root, expiration, settle(records).records)])
    return writer.close()


@pytest.fixture(scope="module")
def frames():
    return [frame(seed) for seed in range(len(CHAINS))]


@pytest.fixture
def sealed(tmp_path, frames):
    """Return a written day and what was written."""
    path = tmp_path / "day.parquet"
    with path.open("wb") as stream:
        written = write(stream, frames)
    return path, written


@pytest.fixture
def expected(frames):
    """Return the day's rows, sorted, as plain Python would have them."""
    rows = [
        (DAY, root, expiration, *record)
        for (root, expiration), records in zip(CHAINS, frames, strict=True)
        for record in sorted(records.rows())
    ]
    return pl.DataFrame(
        rows,
        orient="row",
        schema={"date": pl.Date, "root": pl.String, "expiration": pl.Date} | schemas.POLARS,
    ).with_columns(dte=(pl.col("expiration") - pl.col("date")).dt.total_days().cast(pl.Int32))


# Other readers ------------------------------------------------------------------------------------------


def in_ms(table):
    return table.with_columns(pl.col("timestamp", "underlying_timestamp").dt.timestamp("ms"))


def test_polars_reads_what_was_written(sealed, expected):
    found = pl.read_parquet(sealed[0]).with_columns(pl.col("root", "right").cast(pl.String))

    assert_frame_equal(in_ms(found), expected, check_exact=True)


def test_duckdb_reads_what_was_written(sealed, expected):
    query = duckdb.sql(
        "select * replace (epoch_ms(timestamp) as timestamp, "
        "epoch_ms(underlying_timestamp) as underlying_timestamp) "
        f"from read_parquet('{sealed[0]}')"
    )

    assert query.columns == COLUMNS
    assert query.fetchall() == expected.rows()


def test_pandas_reads_what_was_written(sealed, expected):
    found = pd.read_parquet(sealed[0])

    assert list(found.columns) == COLUMNS
    for name in ("timestamp", "underlying_timestamp"):
        assert str(found[name].dtype) == "datetime64[ms, America/New_York]"
        there = expected[name].is_not_null()
        assert found[name].notna().tolist() == there.to_list()
        moments = found[name].dropna().astype("int64").to_numpy()
        assert (moments == expected[name].filter(there).to_numpy()).all()
    for name in ("strike", *schemas.MEASURES, "underlying_price"):
        assert np.array_equal(found[name].to_numpy(), expected[name].to_numpy(), equal_nan=True)
    for name in ("root", "right"):
        assert found[name].astype(str).tolist() == expected[name].to_list()
    for name in ("date", "expiration", "dte"):
        assert found[name].tolist() == expected[name].to_list()


def test_stamps_are_the_clock_of_new_york(sealed):
    first = pd.read_parquet(sealed[0])["timestamp"].min()

    assert first.isoformat() == "2024-01-02T09:30:00-05:00"


# The format ---------------------------------------------------------------------------------------------


def test_a_row_group_belongs_to_one_expiration(sealed, monkeypatch):
    groups = duckdb.sql(
        f"select row_group_id, path_in_schema as name, stats_min_value as low, stats_max_value as high "
        f"from parquet_metadata('{sealed[0]}') where name in ('root', 'expiration')"
    ).fetchall()

    assert len(groups) == 2 * len(CHAINS)
    assert all(low == high is not None for *_, low, high in groups)


def test_a_long_chain_has_several_groups_and_reads_back_as_one(tmp_path, frames, monkeypatch):
    monkeypatch.setattr(schema, "PIECE_ROWS", 50)
    path = tmp_path / "day.parquet"

    with path.open("wb") as stream:
        written = write(stream, frames)

    with pq.ParquetFile(path) as file:
        assert file.num_row_groups == 4 * len(CHAINS)
        found = [(root, expiration, list(tables)) for root, expiration, tables in parquet.chains(file)]
    assert [(root, expiration) for root, expiration, _ in found] == CHAINS
    assert [table.num_rows for *_, tables in found for table in tables] == [50, 50, 50, 10] * len(CHAINS)
    read_back(path, schemas.GREEKS, written)


def test_some_columns_of_the_chains_are_those_columns_of_all_of_them(sealed):
    with pq.ParquetFile(sealed[0]) as file:
        whole = [pa.concat_tables(tables) for *_, tables in parquet.chains(file)]
        some = [(key, pa.concat_tables(tables)) for *key, tables in parquet.chains(file, ["strike", "bid"])]

    assert [tuple(key) for key, _ in some] == CHAINS
    for rows, (_, found) in zip(whole, some, strict=True):
        assert set(found.column_names) == {"root", "expiration", "strike", "bid"}
        assert found.select(["strike", "bid"]).equals(rows.select(["strike", "bid"]))


def test_the_order_of_rows_is_declared(sealed):
    with pq.ParquetFile(sealed[0]) as file:
        declared = [
            [(COLUMNS[column.column_index], column.descending) for column in group.sorting_columns]
            for group in map(file.metadata.row_group, range(file.num_row_groups))
        ]

    assert (
        declared == [[(name, False) for name in ("root", "expiration", "strike", "right", "timestamp")]] * 3
    )


def test_statistics_and_page_indexes_are_there(sealed):
    with pq.ParquetFile(sealed[0]) as file:
        column = file.metadata.row_group(0).column(COLUMNS.index("strike"))

    assert (column.has_column_index, column.has_offset_index) == (True, True)
    assert (column.statistics.min, column.statistics.max) == (4700.0, 4707.5)
    assert column.compression == "ZSTD"


def test_only_what_a_record_may_lack_or_an_older_day_lacks_is_nullable(sealed):
    later = {each.name for each in schemas.GREEKS.columns if each.since > 1}
    nullable = {field.name for field in pq.read_schema(sealed[0]) if field.nullable}
    assert nullable == {*schemas.OPTIONAL, *later}


def test_the_footer_says_where_it_came_from(sealed):
    found = pq.read_metadata(sealed[0]).metadata

    assert found[b"spx_data.source_api"] == b"v3"
    assert found[b"spx_data.schema_version"] == str(schemas.VERSION).encode()
    assert found[b"spx_data.records_sha256"].decode() == sealed[1].records_sha256


def test_the_bytes_do_not_depend_on_the_order_of_arrival(frames):
    one, other = io.BytesIO(), io.BytesIO()

    write(one, frames)
    write(other, [records.reverse() for records in frames])

    assert one.getvalue() == other.getvalue()


def test_nor_do_they_where_a_contract_comes_twice_at_one_stamp():
    twice = frame(1, strikes=1, stamps=2)
    twice = pl.concat([twice, twice.with_columns(bid=pl.col("bid") + 1), twice])
    day = [
        schemas.GREEKS.table(DAY, *CHAINS[0], settle(records).records)
        for records in (twice, twice.reverse(), twice.sample(fraction=1, shuffle=True, seed=3))
    ]

    assert day[0].equals(day[1])
    assert day[0].equals(day[2])
    assert day[0].num_rows == 4


@given(cuts=st.lists(st.integers(0, 160), max_size=6), piece=st.sampled_from([7, 50, 160, 1000]))
@settings(max_examples=40, deadline=None)
def test_nor_on_the_tables_that_a_chain_comes_in(cuts, piece):
    records = settle(frame(2)).records
    tables = [
        schemas.GREEKS.table(DAY, *CHAINS[0], records[begin:end])
        for begin, end in itertools.pairwise([0, *sorted(cuts), len(records)])
    ]
    one, other = io.BytesIO(), io.BytesIO()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(schema, "PIECE_ROWS", piece)
        for stream, parts in ((one, [pa.concat_tables(tables).combine_chunks()]), (other, tables)):
            writer = DayWriter(stream, schemas.GREEKS, {})
            writer.add(*CHAINS[0], parts)
            writer.close()

    assert one.getvalue() == other.getvalue()


def test_a_table_is_asked_for_when_what_the_others_make_was_taken(monkeypatch):
    monkeypatch.setattr(schema, "PIECE_ROWS", 100)
    table = schemas.GREEKS.table(DAY, *CHAINS[0], settle(frame(2)).records)
    asked = []

    def tables():
        for number in range(3):
            asked.append(number)
            yield table

    found = [(piece.num_rows, len(asked)) for piece in schema.pieces(tables())]

    assert found == [(100, 1), (100, 2), (100, 2), (100, 3), (80, 3)]


# The digest ---------------------------------------------------------------------------------------------


def independent_digest(path, piece=524_288):
    """Derive the digest from its description, with DuckDB and the standard library alone."""
    found = hashlib.sha256()
    fields = ", ".join(f'"{name}"' for name in COLUMNS if name not in OF_A_CHAIN)
    fields = fields.replace('"timestamp"', 'epoch_ms("timestamp")', 1)
    fields = fields.replace('"underlying_timestamp"', 'epoch_ms("underlying_timestamp")')
    source = f"read_parquet('{path}')"
    for root, expiration in duckdb.sql(
        f"select distinct root, expiration from {source} order by all"
    ).fetchall():
        rows = duckdb.sql(
            f"select {fields} from {source} where root = '{root}' and expiration = '{expiration}' "
            f'order by strike, "right", timestamp'
        ).fetchall()
        for some in (rows[begin : begin + piece] for begin in range(0, len(rows), piece)):
            found.update(f"{root} {expiration} {len(some)}\n".encode())
            for column in zip(*some, strict=True):
                if isinstance(column[0], str):
                    found.update("".join(column).encode())
                else:
                    whole = any(isinstance(value, int) for value in column)
                    absent = struct.pack("<q", -(2**63) if whole else 0x7FF8000000000000)
                    kind = "<q" if whole else "<d"
                    for value in column:
                        found.update(absent if value is None else struct.pack(kind, value))
    return found.hexdigest()


def test_the_digest_is_what_its_description_says(sealed):
    path, written = sealed

    assert independent_digest(path) == written.records_sha256


def test_and_so_it_is_of_a_chain_in_pieces(tmp_path, frames, monkeypatch):
    monkeypatch.setattr(schema, "PIECE_ROWS", 50)
    path = tmp_path / "day.parquet"

    with path.open("wb") as stream:
        written = write(stream, frames)

    assert independent_digest(path, piece=50) == written.records_sha256


def test_the_digest_is_the_same_whatever_the_dictionary_of_rights(frames):
    table = schemas.GREEKS.table(DAY, *CHAINS[0], settle(frames[0]).records)
    place, words = table.column_names.index("right"), table["right"].cast(pa.string())
    turned = [
        pa.DictionaryArray.from_arrays(
            pa.array([2 - (word == "C") for word in part.to_pylist()]), ["?", "C", "P"]
        )
        for part in (words.chunk(0)[:30], words.chunk(0)[30:])
    ]
    digests = [schema.RecordsDigest(schemas.GREEKS) for _ in range(2)]

    digests[0].add(*CHAINS[0], table)
    digests[1].add(*CHAINS[0], table.set_column(place, "right", pa.chunked_array(turned)))

    assert digests[0].hexdigest() == digests[1].hexdigest()


def test_the_digest_notices_one_changed_cell(frames):
    changed = [
        *frames[:2],
        frames[2].with_columns(rho=pl.when(pl.int_range(pl.len()) == 7).then(0.0).otherwise("rho")),
    ]

    assert write(io.BytesIO(), frames).records_sha256 != write(io.BytesIO(), changed).records_sha256


def test_a_column_that_a_day_was_sealed_without_is_null(sealed, tmp_path):
    older = tmp_path / "older.parquet"
    pq.write_table(pq.read_table(sealed[0]).drop_columns(["underlying_price"]), older)

    with pq.ParquetFile(older) as file:
        tables = [table for *_, found in parquet.chains(file, ["bid", "underlying_price"]) for table in found]

    rows = pa.concat_tables(tables)
    assert rows.column_names == ["root", "expiration", "bid", "underlying_price"]
    assert rows["underlying_price"].null_count == len(rows) > 0
    assert rows["underlying_price"].type == schemas.DAY.field("underlying_price").type


def test_each_version_begins_as_the_one_before():
    known = columns.KINDS["greeks"]
    later = columns.COLUMNS["rho"]._replace(since=known.version + 1)
    every = tuple(later if column.name == "rho" else column for column in known.every)

    first, second = (schema.Schema.of(known._replace(every=every), known.version + more) for more in (0, 1))

    assert second.day.names == [*first.day.names, "rho"]
    assert second.record.names == [*first.record.names, "rho"]
    assert [*first.day.names, "rho"] != schemas.DAY.names


def test_a_column_is_the_same_in_every_kind():
    every = [column for kind in columns.KINDS.values() for column in kind.every]

    assert [column for column in every if column != columns.COLUMNS[column.name]] == []


@pytest.mark.parametrize("told", [None, "", "0", "x", "1.0", "-1", "1" * 40, " 1", "²"])
def test_a_version_that_is_none_is_refused(told):
    with pytest.raises(SchemaValidationError, match="does not say which version"):
        parquet.named("greeks", told, Path("day.parquet"))


@pytest.mark.parametrize("told", [None, "", "greek", "Greeks"])
def test_a_kind_that_is_none_is_refused(told):
    with pytest.raises(SchemaValidationError, match=r"does not say which kind of records it holds \(greeks"):
        parquet.named(told, "1", Path("day.parquet"))


def test_a_version_of_tomorrow_is_no_damage():
    with pytest.raises(OtherVersionError, match=f"is 99, and this one knows up to {schemas.VERSION}"):
        parquet.named("greeks", "99", Path("day.parquet"))


@pytest.mark.parametrize("row_group", [7, 64, 1000])
def test_the_digest_does_not_depend_on_row_groups(row_group, sealed, tmp_path, monkeypatch):
    path, written = sealed
    other = tmp_path / "other.parquet"
    with parquet.opened(path) as file, pq.ParquetWriter(other, schemas.DAY) as writer:
        for number in range(file.num_row_groups):
            writer.write_table(file.read_row_group(number), row_group_size=row_group)

    with pq.ParquetFile(other) as file:
        assert parquet.contents(file, schemas.GREEKS).written == written


@given(seed=st.integers(0, 10_000), strikes=st.integers(1, 3), stamps=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_records_are_the_same_set_after_the_way_through_parquet(seed, strikes, stamps):
    records = frame(seed, strikes, stamps)
    stream = io.BytesIO()

    writer = DayWriter(stream, schemas.GREEKS, {})
    writer.add(*CHAINS[0], [schemas.GREEKS.table(DAY, *CHAINS[0], settle(records).records)])
    writer.close()

    found = in_ms(pl.read_parquet(stream.getvalue())).with_columns(pl.col("right").cast(pl.String))
    assert set(found.select(records.columns).rows()) == set(records.rows())


# Reading back -------------------------------------------------------------------------------------------


def test_what_was_written_reads_back(sealed):
    path, written = sealed

    read_back(path, schemas.GREEKS, written)


@pytest.mark.parametrize("change", [{"rows": 1}, {"records_sha256": "0" * 64}])
def test_other_records_than_written_are_found(change, sealed):
    path, written = sealed
    other = Written(**{"rows": written.rows, "records_sha256": written.records_sha256} | change)

    with pytest.raises(FileCorruptionError, match="records expected"):
        read_back(path, schemas.GREEKS, other)


def test_another_schema_is_found(tmp_path, sealed):
    table = pq.read_table(sealed[0]).drop_columns(["rho"])
    pq.write_table(table, tmp_path / "other.parquet")

    with pytest.raises(FileCorruptionError, match="schema expected"):
        read_back(tmp_path / "other.parquet", schemas.GREEKS, sealed[1])


def test_a_flipped_byte_in_any_column_is_found(sealed):
    path, written = sealed
    good = path.read_bytes()
    columns = pq.read_metadata(path)
    ends = []
    for group in range(columns.num_row_groups):
        for number in range(columns.num_columns):
            column = columns.row_group(group).column(number)
            start = column.dictionary_page_offset or column.data_page_offset
            ends.append(start + column.total_compressed_size - 1)  # the last byte of the last page

    for position in ends:
        bad = bytearray(good)
        bad[position] ^= 0x10
        path.write_bytes(bad)
        with pytest.raises(FileCorruptionError):
            read_back(path, schemas.GREEKS, written)


def test_a_flipped_byte_anywhere_is_found_or_harms_no_record(sealed):
    path, written = sealed
    good = path.read_bytes()
    numbers = random.Random(7)

    found = 0
    for position in numbers.sample(range(len(good)), 300):
        bad = bytearray(good)
        bad[position] ^= 1 << numbers.randrange(8)
        path.write_bytes(bad)
        try:
            read_back(path, schemas.GREEKS, written)  # ended well: every record is what it was
        except FileCorruptionError:
            found += 1

    assert found > 100


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_cut_file_is_found(keep, sealed):
    path, written = sealed
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(FileCorruptionError):
        read_back(path, schemas.GREEKS, written)
