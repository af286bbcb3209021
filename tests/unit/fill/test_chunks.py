"""A chain of any size, in chunks that fit into memory."""

import datetime as dt
import errno
import os
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests import schemas

from spx_data.errors import FileCorruptionError, InsufficientDiskSpaceError
from spx_data.fill.chunks import chunks
from spx_data.market import schema
from spx_data.market.records import settle
from spx_data.store import disk, staging
from spx_data.store.staging import Receipt

OPEN = 1_704_205_800_000  # 2024-01-02 09:30 in New York
STAMPS = 10
STRIKES = [4700.0 + 5 * number for number in range(8)]
EXPECTED = dict.fromkeys(STRIKES, 2 * STAMPS)


def records(strikes=STRIKES, stamps=STAMPS, seed=1):
    """Return a chain's records, in no order."""
    numbers = random.Random(seed)
    rows = [
        {name: numbers.random() for name in schemas.RECORD.names}
        | {"strike": strike, "right": right, "timestamp": OPEN + 1000 * stamp}
        | {"underlying_timestamp": OPEN + 1000 * stamp - numbers.randint(0, 900)}
        for strike in strikes
        for right in "CP"
        for stamp in range(stamps)
    ]
    numbers.shuffle(rows)
    return pl.DataFrame(rows, schema=schemas.POLARS)


def blocks(frame, size=33):
    return [frame[begin : begin + size] for begin in range(0, len(frame), size)]


def settled(found):
    """Return the records that chunks hold, each chunk settled by itself."""
    return pl.concat([settle(chunk).records for chunk in found])


@pytest.fixture
def no_scratch(monkeypatch):
    monkeypatch.setattr(disk, "create_nameless", lambda _: pytest.fail("it wrote to the disk"))


@given(
    most=st.integers(1, 400),
    size=st.integers(1, 400),
    expected=st.dictionaries(st.sampled_from([*STRIKES, 1.0, 9e9]), st.integers(0, 99), min_size=2),
    twice=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_chunks_of_any_limit_hold_the_chain_in_its_order(tmp_path_factory, most, size, expected, twice):
    chain = records()
    chain = pl.concat([chain, chain[:50]]) if twice else chain

    found = list(chunks(blocks(chain, size), expected, tmp_path_factory.getbasetemp(), most))

    assert_frame_equal(settled(found), settle(chain).records, check_exact=True)
    assert sum(map(len, found)) == len(chain)


@pytest.mark.parametrize("most", [20, 47, 100, 159])
def test_no_chunk_is_larger_than_it_may_be(most, tmp_path):
    found = [len(chunk) for chunk in chunks(blocks(records()), EXPECTED, tmp_path, most)]

    assert max(found) <= most
    assert len(found) <= 1 + len(STRIKES) // (most // 20)


@pytest.mark.parametrize("times", [1, 2])
def test_a_chain_that_fits_never_touches_the_disk_whatever_was_expected(times, tmp_path, no_scratch):
    chain = records()
    expected = {strike: times * count for strike, count in EXPECTED.items()}

    (found,) = chunks(blocks(chain), expected, tmp_path, len(chain))

    assert_frame_equal(found, chain, check_exact=True)


def test_what_came_in_order_is_in_order(tmp_path):
    chain = records().sort(schema.RECORD_KEY)

    found = pl.concat(chunks(blocks(chain), EXPECTED, tmp_path, 50))

    assert_frame_equal(found, chain, check_exact=True)


def test_a_chunk_that_comes_out_larger_than_expected_is_divided(tmp_path):
    expected = {strike: 20 if strike < STRIKES[4] else 1 for strike in STRIKES}

    found = [len(chunk) for chunk in chunks(blocks(records()), expected, tmp_path, 60)]

    assert max(found) <= 60


def test_strikes_that_nobody_expected_find_their_chunk(tmp_path):
    chain = records([*STRIKES, 100.0, 4702.5, 9999.0])

    found = list(chunks(blocks(chain), EXPECTED, tmp_path, 60))

    assert_frame_equal(settled(found), settle(chain).records, check_exact=True)
    assert max(map(len, found)) <= 60


def test_a_single_strike_is_not_divided(tmp_path):
    found = [len(chunk) for chunk in chunks(blocks(records()), EXPECTED, tmp_path, 7)]

    assert found == [20] * len(STRIKES)


# When things go wrong -----------------------------------------------------------------------------------


def test_a_full_disk_says_what_to_do(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "write", full)

    with pytest.raises(InsufficientDiskSpaceError, match="Make room on that disk") as caught:
        list(chunks(blocks(records()), EXPECTED, tmp_path, 50))

    assert caught.value.fields["path"] == tmp_path


def test_damage_in_the_last_block_is_known_before_the_first_chunk(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr(staging, "_SLICE", 2048)
    contracts, rows, size, sha256 = staging.write_records(checkpoint, [records().to_arrow().to_batches()[0]])
    expiration = dt.date(2024, 1, 19)
    receipt = Receipt("SPX", expiration, "listing", contracts, rows, size, sha256, 1, 0.1)
    content = checkpoint.records.read_bytes()
    checkpoint.records.write_bytes(content[:-4] + b"9" + content[-3:])
    found = chunks(staging.read_blocks(checkpoint, receipt), EXPECTED, tmp_path, 50)

    with pytest.raises(FileCorruptionError, match="not what was staged"):
        next(found)


def test_nothing_is_left_of_chunks_that_nobody_takes(tmp_path):
    found = chunks(blocks(records()), EXPECTED, tmp_path, 50)

    next(found)
    found.close()

    assert not list(tmp_path.iterdir())
