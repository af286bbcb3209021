"""Checkpoints: whole or not there, and the same set of records after the way through the disk."""

import datetime as dt
import hashlib
import json
import re
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests import schemas

from spx_data.errors import ApiConnectionError, FileCorruptionError, MissingFileError, SchemaValidationError
from spx_data.market import schema
from spx_data.market.records import Reject
from spx_data.store import staging
from spx_data.store.staging import Receipt

RECEIPT = Receipt(
    root="SPX",
    expiration=dt.date(2024, 1, 19),
    listing="0123456789abcdef",
    contracts=2,
    rows=3,
    bytes=0,
    sha256=None,
    attempts=1,
    seconds=0.5,
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [
        0.0,
        -0.0,
        5e-324,
        sys.float_info.min,
        sys.float_info.max,
        -sys.float_info.max,
        1e16,
        0.1 + 0.2,
        261.9304,
    ]
)
RECORDS = st.fixed_dictionaries(
    {
        "strike": FLOATS,
        "right": st.sampled_from("CP"),
        "timestamp": st.integers(-(2**63), 2**63 - 1),
        **{name: FLOATS | st.none() if name in schemas.OPTIONAL else FLOATS for name in schemas.MEASURES},
        "underlying_timestamp": st.integers(-(2**63), 2**63 - 1) | st.none(),
        "underlying_price": FLOATS | st.none(),
    }
)
# As sources spell them.
FOUR = st.integers(-(10**9), 10**9).map(lambda number: number / 10_000)
DECIMALS = st.fixed_dictionaries(
    {
        "strike": FOUR,
        "right": st.sampled_from("CP"),
        "timestamp": st.integers(0, 9).map(lambda step: 1_704_205_860_000 + 60_000 * step),
        **dict.fromkeys(schemas.MEASURES, FOUR),
        "underlying_timestamp": st.sampled_from([1_704_205_859_179, 1_704_205_859_180]),
        "underlying_price": st.sampled_from([4742.83, 4742.84]),
    }
)
DECISIONS = Path(__file__).parents[3] / "docs" / "decisions"
CLOCK = ("timestamp", "underlying_timestamp", "underlying_price")
CHAIN = ((4700.0, "P"), (4700.0, "C"), (4705.5, "C"))


def batch(*rows):
    return pa.RecordBatch.from_pylist(list(rows), schema=schemas.RECORD)


def row(strike=4700.0, right="C", timestamp=1_704_205_860_000, **values):
    return {
        "strike": strike,
        "right": right,
        "timestamp": timestamp,
        **dict.fromkeys(schemas.MEASURES, 0.25),
        "underlying_timestamp": timestamp - 8,
        "underlying_price": 4750.12,
    } | values


@pytest.fixture
def stage(checkpoint):
    """Return a writer of a whole checkpoint."""

    def write(*batches):
        contracts, rows, size, checksum = staging.write_records(checkpoint, batches)
        receipt = replace(RECEIPT, contracts=contracts, rows=rows, bytes=size, sha256=checksum)
        staging.write_receipt(checkpoint, receipt)
        return receipt

    return write


# The way through the disk -------------------------------------------------------------------------------


@given(rows=st.lists(RECORDS | DECIMALS, min_size=1, max_size=8))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_records_come_back_bit_by_bit(rows, checkpoint, stage):
    receipt = stage(batch(*rows))

    found = staging.read_records(checkpoint, receipt)

    # repr tells -0.0 from 0.0 and every double from its neighbours.
    assert sorted(map(repr, found.rows())) == sorted(
        repr(tuple(row[name] for name in found.columns)) for row in rows
    )


def as_anybody_reads(path):
    """The records in a checkpoint, from the lines as Python's own parser of JSON has them."""
    first, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    found, stamps = [], [name for name in schemas.RECORD.names if name in CLOCK]
    for line in lines:
        if isinstance(line, dict):
            head = line
            continue
        contract, stamp, *measures = line
        row = dict(zip(("strike", "right"), head["contracts"][contract], strict=True))
        row |= dict(zip(stamps, head["stamps"][stamp], strict=True))
        row |= dict(zip(schemas.MEASURES, measures, strict=True))
        counted = head["per"] != 1
        found.append(
            [
                row[name] / head["per"] if counted and schemas.POLARS[name] == pl.Float64 else row[name]
                for name in first["columns"]
            ]
        )
    return found


@given(rows=st.lists(RECORDS | DECIMALS, min_size=1, max_size=8))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_records_are_json_lines_that_anybody_reads(rows, checkpoint, stage):
    stage(batch(*rows), batch(row(4710.0)))

    found = as_anybody_reads(checkpoint.records)

    staged = [[each[name] for name in schemas.RECORD.names] for each in (*rows, row(4710.0))]
    assert list(map(repr, found)) == list(map(repr, staged))


def test_what_a_source_sends_is_spelt_in_whole_numbers(checkpoint, stage):
    stage(
        batch(
            *(
                row(strike, right, 60_000 * step, delta=-0.4177)
                for strike, right in CHAIN
                for step in range(9)
            )
        )
    )

    head, *records = checkpoint.records.read_text().splitlines()[1:]

    assert json.loads(head)["contracts"] == [[47000000, "P"], [47000000, "C"], [47055000, "C"]]
    assert [stamp[0] for stamp in json.loads(head)["stamps"]] == [60_000 * step for step in range(9)]
    assert records[0] == "[0,0,2500,2500,-4177,2500,2500,2500,2500,2500,2500,2500]"
    assert len(records) == 27


@pytest.mark.parametrize("odd", [-0.0, 0.00005, 1e300, None], ids=str)
def test_one_value_that_is_no_whole_number_is_spelt_as_it_is(odd, checkpoint, stage):
    rows = [row(delta=odd), row(4705.5, "P")]

    found = staging.read_records(checkpoint, stage(batch(*rows)))

    assert json.loads(checkpoint.records.read_text().splitlines()[1])["per"] == 1
    assert list(map(repr, found["delta"])) == [repr(odd), "0.25"]


@pytest.mark.parametrize("kind", schemas.KINDS_OF_RECORDS)
def test_records_of_every_kind_come_back_whatever_their_order(kind, checkpoint):
    record = schema.newest(kind).record
    values = {pa.string(): "P", pa.int32(): 7, pa.int64(): 60_000, pa.float64(): 1.25}
    rows = [
        {field.name: values[field.type] for field in record} | {"strike": strike, "timestamp": 60_000 * step}
        for step in (5, 1, 3)
        for strike in (4700.0, 12.5, 4705.0)
    ]
    written = pa.RecordBatch.from_pylist(rows, schema=record)

    contracts, count, size, checksum = staging.write_records(checkpoint, [written, written])
    receipt = replace(RECEIPT, contracts=contracts, rows=count, bytes=size, sha256=checksum)

    assert (contracts, count) == (3, 18)
    assert staging.read_records(checkpoint, receipt).rows() == [*map(tuple, map(dict.values, rows))] * 2


def test_an_underlying_that_differs_between_records_of_a_stamp_comes_back(checkpoint, stage):
    rows = [row(strike, underlying_price=price) for strike, price in ((1.0, 4750.12), (2.0, 4750.13))]

    found = staging.read_records(checkpoint, stage(batch(*rows)))

    assert found["underlying_price"].to_list() == [4750.12, 4750.13]


def test_duckdb_reads_the_lines_as_the_docs_say(checkpoint, stage):
    page = (DECISIONS / "0079-checkpoints-of-whole-numbers.md").read_text()
    query = re.search(r"```sql\n(.*?)```", page, re.DOTALL)[1]
    stage(batch(row(), row(4705.5, "P", bid=74.1)), batch(row(4710.0, theta=-0.00001)))

    found = duckdb.sql(query.replace("SPXW-2024-01-05.ndjson", str(checkpoint.records)))

    assert found.fetchall() == [
        (4700.0, "C", 1_704_205_860_000, 0.25, 0.25),
        (4705.5, "P", 1_704_205_860_000, 74.1, 0.25),
        (4710.0, "C", 1_704_205_860_000, 0.25, 0.25),
    ]


def test_lines_of_another_making_are_damage(checkpoint, stage):
    receipt = stage(batch(row()))
    text = checkpoint.records.read_bytes().replace(b"strike", b"k", 1)
    checkpoint.records.write_bytes(text)

    with pytest.raises(FileCorruptionError, match="not what was staged"):
        staging.read_records(checkpoint, replace(receipt, sha256=hashlib.sha256(text).hexdigest()))


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b"[0,0,", b"[1,0,"),
        (b"[0,0,", b"[-1,0,"),
        (b"[0,0,", b"[0,1,"),
        (b"[0,0,", b"[,0,"),
        (b"[0,0,", b"[0,0,7,"),
        (b"[0,0,2500,", b"[0,0,"),
        (b"[0,0,2500,", b"[0,0,2500.5,"),
        (b"[0,0,2500,", b"[0,0,null,"),
        (b"[0,0,2500,", b"[0,0,,"),
        (b"[0,0,2500,", b"[0,0,99999999999999999999,"),
        (b"[0,0,2500,", b'[0,0,"2500",'),
        (b"[0,0,", b"[[0,0,"),
        (b"[0,0,", b"0,0,"),
        (b"[0,0,", b"\n[0,0,"),
        (b'"per":10000', b'"per":0'),
        (b'"stamps":[', b'"stamps":[[7],'),
    ],
)
@pytest.mark.parametrize("again", [False, True], ids=["first batch", "next batch"])
def test_lines_that_are_no_records_are_damage_whatever_the_digest(was, now, again, checkpoint, stage):
    receipt = stage(*[batch(row())] * (1 + again))
    place = checkpoint.records.read_bytes().rindex(was)
    text = checkpoint.records.read_bytes()
    text = text[:place] + now + text[place + len(was) :]
    checkpoint.records.write_bytes(text)

    with pytest.raises(FileCorruptionError, match="not what was staged"):
        staging.read_records(checkpoint, replace(receipt, sha256=hashlib.sha256(text).hexdigest()))


def test_batches_in_one_block_have_each_the_head_above_it(checkpoint, stage):
    minute = 1_704_205_860_000
    blocks = [
        [row(), row(4705.5, "P")],
        [row(4710.0), row(4700.0, "P")],  # the same stamps
        [row(timestamp=minute + 60_000)],
        [row(delta=0.00005), row(delta=None, timestamp=minute + 60_000)],  # not counted
        [row(4715.0, timestamp=minute + 120_000), row(4715.0)],
    ]

    found = staging.read_records(checkpoint, stage(*(batch(*rows) for rows in blocks)))

    assert_frame_equal(found, pl.DataFrame([each for rows in blocks for each in rows], schema=schemas.POLARS))


def test_a_receipt_counts_what_was_written(checkpoint, stage):
    receipt = stage(batch(row(), row(4705.5, "P")), batch(row(timestamp=1_704_205_920_000)))

    content = checkpoint.records.read_bytes()
    assert (receipt.contracts, receipt.rows, receipt.bytes) == (2, 3, len(content))
    assert receipt.sha256 == hashlib.sha256(content).hexdigest()
    assert staging.staged(checkpoint, RECEIPT.listing) == receipt


def test_many_blocks_are_one_table(checkpoint, stage, monkeypatch):
    monkeypatch.setattr(staging, "_SLICE", 100)
    rows = [row(timestamp=1_704_205_860_000 + 60_000 * step) for step in range(40)]

    found = staging.read_records(checkpoint, stage(batch(*rows)))

    assert_frame_equal(found, pl.DataFrame(rows, schema=schemas.POLARS))


@pytest.mark.parametrize("sizes", [(1, 40, 3, 40), (40, 7), (7, 40)])
def test_batches_of_any_sizes_follow_one_another(sizes, checkpoint, stage):
    places = iter(range(sum(sizes)))
    batches = [
        [row(timestamp=1_704_205_860_000 + 60_000 * place, bid=place / 4) for place in islice(places, size)]
        for size in sizes
    ]

    found = staging.read_records(checkpoint, stage(*(batch(*rows) for rows in batches)))

    assert_frame_equal(found, pl.DataFrame([each for rows in batches for each in rows], schemas.POLARS))


def test_a_source_that_breaks_off_leaves_no_records(checkpoint):
    def breaking():
        yield batch(row())
        raise ApiConnectionError("lost")

    with pytest.raises(ApiConnectionError):
        staging.write_records(checkpoint, breaking())

    assert list(checkpoint.records.parent.iterdir()) == []
    assert staging.staged(checkpoint, RECEIPT.listing) is None


# Whole or not there -------------------------------------------------------------------------------------


def test_records_without_a_receipt_do_not_count(checkpoint):
    staging.write_records(checkpoint, [batch(row())])

    assert staging.staged(checkpoint, RECEIPT.listing) is None


def test_a_receipt_without_its_records_does_not_count(checkpoint, stage):
    stage(batch(row()))
    checkpoint.records.unlink()

    assert staging.staged(checkpoint, RECEIPT.listing) is None


def test_records_of_another_length_do_not_count(checkpoint, stage):
    stage(batch(row()))
    checkpoint.records.write_bytes(checkpoint.records.read_bytes()[:-1])

    assert staging.staged(checkpoint, RECEIPT.listing) is None


def test_a_checkpoint_of_another_listing_does_not_count(checkpoint, stage):
    stage(batch(row()))

    assert staging.staged(checkpoint, "another") is None


def test_no_data_needs_a_receipt_alone(checkpoint):
    nothing = replace(RECEIPT, contracts=0, rows=0)
    staging.write_receipt(checkpoint, nothing)

    assert staging.staged(checkpoint, RECEIPT.listing) == nothing


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        b"\x00" * 300,
        b'{"expiration": "soon"}',
        b'{"expiration": 7}',
    ],
)
def test_a_damaged_receipt_does_not_count(content, checkpoint, stage):
    stage(batch(row()))
    checkpoint.receipt.write_bytes(content)

    assert staging.staged(checkpoint, RECEIPT.listing) is None


@pytest.mark.parametrize("change", [{"extra": 1}, {"rows": None}], ids=["more", "less"])
def test_a_receipt_with_other_fields_is_none(change):
    document = RECEIPT.as_json() | change
    document = {key: value for key, value in document.items() if value is not None or key == "sha256"}

    with pytest.raises(SchemaValidationError, match="no receipt"):
        Receipt.of_json(document)


@pytest.mark.parametrize(
    "change",
    [{"root": 7}, {"rejects_sha256": 7}, {"rows": -1}, {"rejected": "1"}, {"rejected": 1 << 62}],
    ids=str,
)
def test_a_receipt_with_fields_of_another_kind_is_none(change):
    with pytest.raises(SchemaValidationError, match="no receipt"):
        Receipt.of_json(RECEIPT.as_json() | change)


def test_bad_rows_come_back(checkpoint):
    rejects = [Reject("fields", "a,b\r\n\u2028"), Reject("right", '{"right": "X"}')]

    checksum = staging.write_rejects(checkpoint, rejects)

    receipt = replace(RECEIPT, rejected=2, rejects_sha256=checksum)
    assert staging.read_rejects(checkpoint, receipt) == rejects
    assert checksum == hashlib.sha256(checkpoint.rejects.read_bytes()).hexdigest()


def test_where_no_row_is_bad_no_file_is_left(checkpoint):
    staging.write_rejects(checkpoint, [Reject("fields", "a,b")])

    assert staging.write_rejects(checkpoint, []) is None
    assert not checkpoint.rejects.exists()
    assert staging.read_rejects(checkpoint, RECEIPT) == []


def test_a_receipt_comes_back():
    assert Receipt.of_json(json.loads(json.dumps(RECEIPT.as_json()))) == RECEIPT


# Damage -------------------------------------------------------------------------------------------------


def test_every_flipped_byte_is_found(checkpoint, stage):
    receipt = stage(batch(row(), row(4705.5, "P")))
    good = checkpoint.records.read_bytes()

    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 8
        checkpoint.records.write_bytes(bad)
        with pytest.raises(FileCorruptionError) as caught:
            staging.read_records(checkpoint, receipt)
        assert caught.value.fields["path"] == checkpoint.records


@pytest.mark.parametrize("keep", [0, 1, -1])
def test_a_cut_is_found(keep, checkpoint, stage):
    receipt = stage(batch(row(), row(4705.5, "P")))
    checkpoint.records.write_bytes(checkpoint.records.read_bytes()[:keep])

    with pytest.raises(FileCorruptionError, match="fetched anew"):
        staging.read_records(checkpoint, receipt)


def test_records_that_are_gone_are_missing(checkpoint, stage):
    receipt = stage(batch(row()))
    checkpoint.records.unlink()

    with pytest.raises(MissingFileError) as caught:
        staging.read_records(checkpoint, receipt)

    assert caught.value.fields["path"] == checkpoint.records


# Identity -----------------------------------------------------------------------------------------------


def test_an_identity_does_not_depend_on_the_order_of_keys():
    assert staging.identity({"a": 1, "b": [2]}) == staging.identity({"b": [2], "a": 1})


@pytest.mark.parametrize("other", [{"a": 2}, {"a": "1"}, {"a": 1, "b": None}, {}])
def test_another_document_has_another_identity(other):
    assert staging.identity({"a": 1}) != staging.identity(other)
