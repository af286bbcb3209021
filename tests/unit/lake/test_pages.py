"""Parquet files read without trust: pages are found where pyarrow says, and no bytes lead astray."""

import datetime as dt
import io
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spx_data.lake.verify import pages, thrift
from spx_data.lake.verify.diagnosis import zero_blocks
from spx_data.lake.verify.thrift import Unreadable
from spx_data.market import schema

DATE = dt.date(2024, 1, 2)
ROWS = 300


def table():
    stamps = pa.array(range(ROWS), pa.int64()).cast(schema.DAY.field("timestamp").type)
    columns = {
        "date": pa.array([DATE] * ROWS, pa.date32()),
        "root": pa.array(["SPX"] * ROWS).dictionary_encode(),
        "expiration": pa.array([DATE] * ROWS, pa.date32()),
        "right": pa.array(["C"] * ROWS).dictionary_encode(),
        "timestamp": stamps,
        "underlying_timestamp": stamps,
    }
    numbers = pa.array([float(number) for number in range(ROWS)])
    return pa.Table.from_arrays([columns.get(name, numbers) for name in schema.DAY.names], schema=schema.DAY)


@pytest.fixture(scope="module")
def content():
    """Return a Parquet of three row groups with small pages."""
    stream = io.BytesIO()
    pq.write_table(
        table(),
        stream,
        row_group_size=100,
        write_page_checksum=True,
        data_page_size=256,
        write_page_index=True,
    )
    return stream.getvalue()


@pytest.fixture
def path(tmp_path, content):
    path = tmp_path / "day.parquet"
    path.write_bytes(content)
    return path


def test_the_footer_is_the_one_that_pyarrow_reads(path):
    metadata = pq.read_metadata(path)

    footer = pages.footer_alone(path).footer

    assert footer.rows == metadata.num_rows == ROWS
    assert footer.dates == {DATE}
    expected = []
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            start = column.dictionary_page_offset or column.data_page_offset
            expected.append((group, column.path_in_schema, start, start + column.total_compressed_size))
    assert [(c.row_group, c.column, c.start, c.end) for c in footer.chunks] == expected


def test_a_whole_file_has_no_faults(path):
    assert pages.survey(path).faults == ()


def test_a_flipped_bit_in_a_page_is_placed_where_pyarrow_meets_it(path, content):
    for chunk in pages.footer_alone(path).footer.chunks:
        spoiled = bytearray(content)
        spoiled[chunk.end - 1] ^= 16
        path.write_bytes(spoiled)

        (fault,) = pages.survey(path).faults

        assert fault.startswith(f"row group {chunk.row_group}, column {chunk.column}: the page at byte ")
        with pytest.raises(OSError, match="CRC checksum"):
            pq.ParquetFile(path, page_checksum_verification=True).read_row_group(
                chunk.row_group, columns=[chunk.column]
            )


@given(at=st.integers(0, 10**9), noise=st.binary(min_size=1, max_size=64))
@settings(max_examples=300, deadline=None)
def test_no_damage_leads_astray(at, noise, content, tmp_path_factory):
    at %= len(content)
    path = tmp_path_factory.getbasetemp() / "spoiled.parquet"
    path.write_bytes(content[:at] + noise + content[at + len(noise) :])

    pages.survey(path)


@given(content=st.binary(max_size=300), tail=st.booleans())
@settings(max_examples=300, deadline=None)
@example(content=b"", tail=False)
def test_no_garbage_leads_astray(content, tail, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "garbage.parquet"
    ending = len(content).to_bytes(4, "little") + b"PAR1" if tail else b""
    path.write_bytes(b"PAR1" + content + ending)

    pages.survey(path)


@pytest.mark.parametrize(
    "claim",
    [
        b"\x19\xfc\xff\xff\xff\xff\x0f",  # a list of four thousand million structs
        b"\x18\xff\xff\xff\xff\x0f",  # a text of as many bytes
        b"\x1c" * 10_000,  # structs within structs
        b"\x19\xfc\xff\xff\xff\x07" + b"\0" * 5_000_000,  # five million empty structs, that are really there
        b"\x16" + b"\xff" * 20,  # a number without end
        b"\x1e\0",  # a type that is none
        b"\x1b\xff\xff\xff\xff\x0f",  # a map as large
    ],
)
def test_what_bytes_claim_is_not_believed(claim):
    begun = time.monotonic()

    with pytest.raises(Unreadable):
        thrift.read(claim)

    assert time.monotonic() - begun < 10


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_thrift_reads_or_refuses(data):
    try:
        found, end = thrift.read(data)
    except Unreadable:
        return
    assert isinstance(found, dict)
    assert 0 < end <= len(data)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"x" * 9000, []),
        (bytes(4096), [(0, 4096)]),
        (bytes(511), []),
        (b"x" * 4096 + bytes(4096) + b"x" * 100, [(4096, 8192)]),
        (b"x" * 4000 + bytes(4096) + b"x" * 4192, []),
        (b"x" * 4096 + bytes(8192 + 1000), [(4096, 13288)]),
        (bytes(4096) + b"x" * 4096 + bytes(4096 * 400), [(0, 4096), (8192, 8192 + 4096 * 400)]),
    ],
)
def test_zero_blocks_are_found(content, expected, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)

    assert list(zero_blocks(path)) == expected
