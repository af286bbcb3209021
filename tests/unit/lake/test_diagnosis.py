"""Parquet files of which nobody vouches for the bytes: what is damaged is named, and none leads astray."""

import datetime as dt
import io
import random
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests import schemas

from spx_data.errors import FileCorruptionError
from spx_data.lake.verify import diagnosis
from spx_data.lake.verify.content import read_footer

DATE = dt.date(2024, 1, 2)
ROWS = 300


def table():
    stamps = pa.array(range(ROWS), pa.int64()).cast(schemas.DAY.field("timestamp").type)
    columns = {
        "date": pa.array([DATE] * ROWS, pa.date32()),
        "root": pa.array(["SPX"] * ROWS).dictionary_encode(),
        "expiration": pa.array([DATE] * ROWS, pa.date32()),
        "right": pa.array(["C"] * ROWS).dictionary_encode(),
        "timestamp": stamps,
        "underlying_timestamp": stamps,
        "dte": pa.array([0] * ROWS, pa.int32()),
    }
    numbers = pa.array([float(number) for number in range(ROWS)])
    return pa.Table.from_arrays(
        [columns.get(name, numbers) for name in schemas.DAY.names], schema=schemas.DAY
    )


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


def test_the_footer_says_what_the_file_holds(path):
    footer = read_footer(path)

    assert (footer.rows, footer.dates) == (ROWS, {DATE})
    assert (footer.records_sha256, footer.schema_version) == (None, None)


def test_a_whole_file_has_no_faults(path):
    found = diagnosis.survey(path)

    assert (found.faults, found.dates) == ([], {DATE})


def test_a_flipped_bit_in_any_page_is_placed(path, content):
    metadata = pq.read_metadata(path)
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            start = column.dictionary_page_offset or column.data_page_offset
            spoiled = bytearray(content)
            spoiled[start + column.total_compressed_size - 1] ^= 16
            path.write_bytes(spoiled)

            found = diagnosis.survey(path)

            place = f"SPX 2024-01-02 (row group {group}), column {column.path_in_schema}"
            assert found.faults == [f"{place}: a page fails its checksum"]
            assert found.words.endswith(". 0 of 1 chain can be read")


@given(seed=st.integers(0, 10**9))
@settings(max_examples=300, deadline=None)
@example(seed=18135)  # ends the process that reads it, by an exception of C++
def test_no_damage_leads_astray(seed, content, tmp_path_factory):
    """Anywhere, and half of them in the footer, which has no checksum."""
    chance, spoiled = random.Random(seed), bytearray(content)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for _ in range(chance.choice([1, 1, 3, 20])):
        at = chance.randrange(chance.choice([0, footer]), len(content))
        noise = chance.randbytes(chance.choice([1, 1, 4, 64]))
        spoiled[at : at + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "spoiled.parquet"
    path.write_bytes(spoiled[: chance.choice([len(content), len(content), chance.randrange(len(content))])])
    begun = time.monotonic()

    diagnosis.survey_apart(path)

    assert time.monotonic() - begun < 60


def test_what_the_system_refuses_is_no_fault_of_the_file_and_raised_where_it_was_asked(tmp_path):
    with pytest.raises(FileNotFoundError):
        diagnosis.survey_apart(tmp_path / "gone.parquet")


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (5, "1; 2; 3; 4; 5. The rest can be read"),
        (7, "1; 2; 3; 4; 5; and 2 more places. The rest can be read"),
    ],
)
def test_the_first_faults_are_named_and_the_others_counted(faults, words):
    found = [str(number) for number in range(1, faults + 1)]

    assert diagnosis.Survey(found, ". The rest can be read").words == words


def test_a_process_that_ended_while_it_was_idle_is_no_fault_of_the_next_file(path):
    apart = diagnosis._Apart()
    apart.survey(path)
    apart._process.kill()
    apart._process.wait()

    assert apart.survey(path).faults == []


@given(content=st.binary(max_size=300), tail=st.booleans())
@settings(max_examples=300, deadline=None)
@example(content=b"", tail=False)
def test_no_garbage_leads_astray(content, tail, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "garbage.parquet"
    ending = len(content).to_bytes(4, "little") + b"PAR1" if tail else b""
    path.write_bytes(b"PAR1" + content + ending)

    assert diagnosis.survey(path).words.startswith("footer: ")
    with pytest.raises(FileCorruptionError, match="no footer that can be read"):
        read_footer(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"x" * 9000, []),
        (bytes(4096), [(0, 4096)]),
        (bytes(511), []),
        (bytes(512), [(0, 512)]),
        (b"x" * 4096 + bytes(4096) + b"x" * 100, [(4096, 8192)]),
        (b"x" * 4000 + bytes(4096) + b"x" * 4192, []),
        (b"x" * 4096 + bytes(8192 + 1000), [(4096, 13288)]),
        (bytes(4096) + b"x" * 4096 + bytes(4096 * 400), [(0, 4096), (8192, 8192 + 4096 * 400)]),
    ],
)
def test_zero_blocks_are_found(content, expected, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)

    assert list(diagnosis.zero_blocks(path)) == expected
