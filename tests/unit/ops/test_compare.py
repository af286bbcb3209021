"""Two versions of a date, compared: every count against a comparison somebody else made."""

import datetime as dt
import itertools
import json
import math
import struct
import sys
from collections import Counter, defaultdict

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import schemas

from spx_data.errors import FileCorruptionError, MissingFileError, SchemaValidationError
from spx_data.market import schema
from spx_data.ops.recheck.compare import compare, compare_chain
from spx_data.ops.recheck.differences import EXAMPLES
from spx_data.store.parquet import DayWriter

DATE = dt.date(2024, 1, 2)
OPENING = 1704205800000  # 09:30 in New York
CHAIN = ("SPXW", dt.date(2024, 1, 5))
VALUES = [name for name in schemas.RECORD.names if name not in schema.RECORD_KEY]
NAN, OTHER_NAN = math.nan, struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000001))[0]


def record(strike=4700.0, right="C", minute=0, **values):
    stamp = OPENING + 60_000 * minute
    usual = dict.fromkeys(schemas.MEASURES, 1.5) | {"underlying_timestamp": stamp, "underlying_price": 4700.0}
    return {"strike": strike, "right": right, "timestamp": stamp} | usual | values


def frame(records):
    return pl.DataFrame(records, schema=schemas.POLARS, orient="row")


def compared(before, after):
    return compare_chain(*CHAIN, frame(before), frame(after)) or None


@pytest.fixture
def day(tmp_path):
    """Return a writer of sealed files: chains by (root, expiration), each a list of records."""
    numbers = itertools.count()

    def write(chains, **metadata):
        path = tmp_path / f"day-{next(numbers)}.parquet"
        with path.open("wb") as stream, DayWriter(stream, schemas.GREEKS, metadata) as writer:
            for (root, expiration), records in sorted(chains.items()):
                writer.add(
                    root,
                    expiration,
                    [schemas.GREEKS.table(DATE, root, expiration, frame(records).sort(schema.RECORD_KEY))],
                )
            writer.close()
        return path

    return write


# Against brute force ------------------------------------------------------------------------------------

prices = st.sampled_from([0.0, -0.0, 1.5, 2.25, -3.0, math.inf, NAN, OTHER_NAN])
records = st.lists(
    st.builds(
        record,
        strike=st.sampled_from([4700.0, 4705.5]),
        right=st.sampled_from("CP"),
        minute=st.integers(0, 2),
        bid=prices,
        implied_vol=prices | st.none(),
        underlying_timestamp=st.integers(OPENING, OPENING + 2) | st.none(),
    ),
    max_size=12,
)


def bits(value):
    """Return what a cell is, bit for bit, with one NaN only, which is what an absent float is."""
    if value is None:
        return "nan"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


def brute_force(before, after):
    """Return rows added, removed and changed and cells by column, from dicts alone."""
    by_key = [defaultdict(list), defaultdict(list)]
    for side, rows in zip(by_key, (before, after), strict=True):
        for row in rows:
            side[row["strike"], row["right"], row["timestamp"]].append(row)
    counts, cells = Counter(added=0, removed=0, changed=0), Counter()
    for key in by_key[0].keys() | by_key[1].keys():
        old, new = by_key[0][key], by_key[1][key]
        for row in list(old):
            twin = next((r for r in new if all(bits(r[n]) == bits(row[n]) for n in VALUES)), None)
            if twin is not None:
                # By identity: 0.0 and -0.0 are equal, and two records.
                old[:] = [r for r in old if r is not row]
                new[:] = [r for r in new if r is not twin]
        for one, other in zip(old, new, strict=False):
            differing = [name for name in VALUES if bits(one[name]) != bits(other[name])]
            counts["changed"] += 1
            cells.update(differing)
        counts["removed"] += max(0, len(old) - len(new))
        counts["added"] += max(0, len(new) - len(old))
    return counts, cells


@given(records, records)
def test_counts_are_those_of_brute_force(before, after):
    counts, cells = brute_force(before, after)

    change = compared(before, after)

    if change is None:
        assert not any(counts.values())
        return
    assert (change.rows_added, change.rows_removed, change.rows_changed) == (
        counts["added"],
        counts["removed"],
        counts["changed"],
    )
    assert {name: column.cells for name, column in change.columns.items()} == cells
    assert sum(change.contracts_changed.values()) == cells.total()
    assert (change.rows_before, change.rows_after) == (len(before), len(after))
    json.dumps([change.as_json(), *(example.as_json() for example in change.examples)], allow_nan=False)


@given(records)
def test_a_chain_is_never_different_from_itself_in_any_order(rows):
    assert compared(rows, rows) is None


@given(records, records)
def test_the_other_way_round_added_is_removed(before, after):
    there, back = compared(before, after), compared(after, before)

    assert (there is None) == (back is None)
    if there and back:
        assert (there.rows_added, there.rows_removed) == (back.rows_removed, back.rows_added)
        assert there.rows_changed == back.rows_changed
        assert there.columns == back.columns
        assert there.contracts_added == back.contracts_removed


@given(records, records, st.integers(1, 9), st.integers(1, 9), st.booleans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_large_chain_is_compared_like_one_that_fits(day, before, after, piece, at_once, across_apis):
    others = [record(strike, right) for strike in (4690.0, 4702.5, 4710.0) for right in "PC"]
    after = [*after, *({**other, "ask": 2.5} for other in others[:-1])]

    def found():
        old, new = (day({CHAIN: rows}) for rows in ([*before, *others], after))
        return compare(old, new, across_apis=across_apis).as_json()

    whole = found()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(schema, "PIECE_ROWS", piece)
        patched.setattr(sys.modules[compare.__module__], "_AT_ONCE", at_once)
        parts = found()

    assert json.dumps(parts) == json.dumps(whole)


# What a difference is -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "cells", "largest"),
    [
        (1.5, 1.5, 0, None),
        (1.5, math.nextafter(1.5, 2), 1, math.nextafter(1.5, 2) - 1.5),  # no tolerance at all
        (0.0, -0.0, 1, 0.0),
        (NAN, OTHER_NAN, 0, None),
        (NAN, 1.5, 1, None),
        (math.inf, 1.5, 1, None),
        (-2.0, 3.0, 1, 5.0),
    ],
)
def test_a_cell_changed_when_its_value_is_another(old, new, cells, largest):
    change = compared([record(bid=old), record(4705.0)], [record(bid=new), record(4705.0)])

    if not cells:
        assert change is None
        return
    assert change.rows_changed == 1
    assert (change.columns["bid"].cells, change.columns["bid"].largest_change) == (cells, largest)
    assert list(change.columns) == ["bid"]
    assert change.contracts_changed == {"C 4700": 1}


def test_stamps_of_the_underlying_are_compared_in_milliseconds():
    late = record(underlying_timestamp=OPENING + 250)

    change = compared([record()], [late])

    assert change.columns["underlying_timestamp"].largest_change == 250
    (example,) = change.examples
    assert example.as_json()["before"] == "2024-01-02T09:30:00-05:00"
    assert example.as_json()["after"] == "2024-01-02T09:30:00.250000-05:00"


def test_a_repeated_row_that_went_away_is_one_row_removed():
    first, second = record(bid=1.0), record(bid=2.0)

    change = compared([first, second], [second])

    assert (change.rows_removed, change.rows_changed, change.rows_added) == (1, 0, 0)


def test_repeated_rows_are_matched_in_their_order():
    before = [record(bid=1.0), record(bid=2.0)]
    after = [record(bid=1.25), record(bid=2.5), record(bid=3.0)]

    change = compared(before, after)

    assert (change.rows_changed, change.rows_added) == (2, 1)
    assert change.columns["bid"].largest_change == 0.5


def test_contracts_are_named_as_a_person_would():
    before = [record(4700.0), record(4712.125), record(12345.25, "P")]
    after = [record(4700.0, ask=9.0, bid=9.0), record(4700.0, minute=1), record(5000.0)]

    change = compared(before, after)

    assert change.contracts_removed == ("C 4712.125", "P 12345.25")
    assert change.contracts_added == ("C 5000",)
    assert change.contracts_changed == {"C 4700": 2}
    assert (change.rows_changed, change.rows_removed, change.rows_added) == (1, 2, 2)


def test_examples_are_few_and_say_where_and_what(day):
    strikes = [4000.0 + 5 * step for step in range(20)]
    before, after = (day({CHAIN: [record(strike, bid=bid) for strike in strikes]}) for bid in (1.0, 2.0))

    found = compare(before, after)

    assert len(found.examples) == EXAMPLES
    assert found.columns["bid"].cells == 20
    assert found.examples[0].as_json() == {
        "root": "SPXW",
        "expiration": "2024-01-05",
        "strike": 4000.0,
        "right": "C",
        "timestamp": "2024-01-02T09:30:00-05:00",
        "what": "bid",
        "before": 1.0,
        "after": 2.0,
    }


# Whole days ---------------------------------------------------------------------------------------------

MONTHLY, WEEKLY, LATER = ("SPX", dt.date(2024, 1, 19)), CHAIN, ("SPXW", dt.date(2024, 2, 2))


def minutes(count, **values):
    return [record(minute=minute, **values) for minute in range(count)]


def test_equal_records_are_settled_by_the_footers(day, monkeypatch):
    chains = {MONTHLY: minutes(3), WEEKLY: minutes(2)}
    before, after = day(chains, source_api="v2"), day(chains, source_api="v3")
    monkeypatch.setattr("spx_data.store.parquet.chains", lambda _: pytest.fail("it read the rows"))

    assert before.read_bytes() != after.read_bytes()
    assert not compare(before, after)


def test_chains_come_and_go(day):
    before, after = (
        day({MONTHLY: minutes(3), WEEKLY: minutes(2)}),
        day({WEEKLY: minutes(2), LATER: minutes(4)}),
    )

    document = compare(before, after).as_json()

    assert document["chains_removed"] == ["SPX 2024-01-19"]
    assert document["chains_added"] == ["SPXW 2024-02-02"]
    assert (document["rows_removed"], document["rows_added"], document["rows_changed"]) == (3, 4, 0)
    assert (document["rows_before"], document["rows_after"]) == (5, 6)
    assert (document["contracts_removed"], document["contracts_added"]) == (1, 1)
    assert [example["what"] for example in document["examples"]].count("row added") == EXAMPLES


def test_a_date_without_any_data_has_every_row_removed(day):
    found = compare(day({MONTHLY: minutes(3), WEEKLY: minutes(2)}), None)

    assert (found.rows_removed, found.rows_after) == (5, 0)
    assert len(found.chains) == 2


def test_duckdb_counts_the_same_rows(day):
    before = [
        record(strike, right, minute) for strike in (4700.0, 4705.0) for right in "CP" for minute in range(50)
    ]
    after = [dict(row) for row in before]
    for number in (3, 17, 99, 150):
        after[number] |= {"bid": 7.25, "vega": -1.0}
    after[42]["underlying_price"] = 4701.0
    del after[120:130]
    after += [record(4710.0, minute=minute) for minute in range(7)]
    old, new = day({WEEKLY: before, LATER: minutes(3)}), day({WEEKLY: after, LATER: minutes(3)})

    found = compare(old, new)

    def rows_only_in(one, other):
        query = f"SELECT count(*) FROM (FROM read_parquet('{one}') EXCEPT ALL FROM read_parquet('{other}'))"
        return duckdb.sql(query).fetchall()[0][0]

    assert rows_only_in(old, new) == found.rows_changed + found.rows_removed == 5 + 10
    assert rows_only_in(new, old) == found.rows_changed + found.rows_added == 5 + 7
    assert {name: change.cells for name, change in found.columns.items()} == {
        "bid": 4,
        "vega": 4,
        "underlying_price": 1,
    }
    assert found.columns["vega"].largest_change == 2.5


def test_a_file_that_is_not_there_is_named(day, tmp_path):
    with pytest.raises(MissingFileError, match=r"there is no file .*nowhere"):
        compare(day({CHAIN: minutes(1)}), tmp_path / "nowhere.parquet")


def test_a_damaged_page_is_never_compared(day):
    before, after = day({CHAIN: minutes(300)}), day({CHAIN: minutes(299)})
    damaged = bytearray(after.read_bytes())
    damaged[len(damaged) // 8] ^= 1
    after.write_bytes(bytes(damaged))

    with pytest.raises(FileCorruptionError, match=after.name):
        compare(before, after)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a Parquet at all"])
def test_what_is_no_parquet_is_named(content, day):
    before = day({CHAIN: minutes(1)})
    other = before.with_name("other.parquet")
    other.write_bytes(content)

    with pytest.raises(FileCorruptionError, match=r"other\.parquet cannot be read"):
        compare(before, other)


def test_other_columns_are_refused(day):
    before = day({CHAIN: minutes(1)})
    other = before.with_name("other.parquet")
    table = pa.table({"strike": [4700.0]}).replace_schema_metadata(
        {"spx_data.schema_version": "1", "spx_data.records": "greeks"}
    )
    pq.write_table(table, other)

    with pytest.raises(SchemaValidationError, match="other columns"):
        compare(before, other)


def test_what_one_version_lacks_is_a_change_without_a_size():
    found = compared(
        [record(delta=0.5), record(minute=1), record(minute=2, delta=None)],
        [record(delta=None), record(minute=1, underlying_timestamp=None), record(minute=2, delta=None)],
    )

    assert (found.rows_changed, set(found.columns)) == (2, {"delta", "underlying_timestamp"})
    assert [found.columns[name].largest_change for name in ("delta", "underlying_timestamp")] == [None, None]
    said = {example.what: example.as_json() for example in found.examples}
    assert (said["delta"]["before"], said["delta"]["after"]) == (0.5, None)
    assert said["underlying_timestamp"]["after"] is None
