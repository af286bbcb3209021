"""Which rows are records: every rule by itself; and what becomes of a record that comes twice."""

import datetime as dt
import itertools
import math
import random
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests import schemas

from spx_data.market import records
from spx_data.market.records import MEANINGS, Asked, Reject, Rejects, Rows, settle
from spx_data.market.sessions import Window
from spx_data.sources.theta import wire_rows

DAY_MS = 86_400_000
ASKED = Asked("SPXW", "2024-01-19", Window(dt.time(9, 30), dt.time(16), "5m"))
PRICES = ("bid", "ask")
GOOD = {
    "root": "SPXW",
    "expiration": "2024-01-19",
    "right": "CALL",
    "strike": 4700.0,
    "stamp": 34_200_000,
    **dict.fromkeys(PRICES, 0.25),
}


def rows(*found):
    def column(name, kind):
        return np.array([row[name] for row in found], dtype=kind)

    return Rows(
        **{
            name: pa.array([row[name] for row in found], pa.string()).dictionary_encode()
            for name in ("root", "expiration", "right")
        },
        strike=column("strike", np.float64),
        stamp=column("stamp", np.int64),
        prices={name: column(name, np.float64) for name in PRICES},
    )


def broken(*found, asked=ASKED):
    return dict(records.broken(rows(*found), asked))


# Rules --------------------------------------------------------------------------------------------------

BAD = [
    ("root", {"root": "SPX"}),
    ("expiration", {"expiration": "2024-01-26"}),
    ("right", {"right": "CALLS"}),
    ("right", {"right": ""}),
    ("strike", {"strike": 0.0}),
    ("strike", {"strike": -4700.0}),
    ("date", {"stamp": -1}),
    ("date", {"stamp": DAY_MS + 1}),
    ("outside-window", {"stamp": 34_200_000 - 300_000}),
    ("outside-window", {"stamp": 57_600_000 + 300_000}),
    ("outside-window", {"stamp": DAY_MS}),
    ("off-grid", {"stamp": 34_260_000}),
    ("off-grid", {"stamp": 34_200_001}),
    *[("not-finite", {name: value}) for name in ("strike", *PRICES) for value in (math.nan, math.inf)],
    ("not-finite", {"bid": -math.inf}),
    ("negative-price", {"bid": -0.05}),
    ("negative-price", {"ask": -0.05}),
]


@pytest.mark.parametrize("code, change", BAD, ids=str)
def test_a_bad_row_is_known_by_its_own_rule(code, change):
    assert broken(GOOD, GOOD | change, GOOD) == {1: code}


# Wire-facts, section 2.2, and what is judged later.
@pytest.mark.parametrize(
    "change",
    [
        {"right": "P"},
        {"right": "PUT"},
        {"right": "C"},
        {"stamp": 57_600_000},
        {"right": "Call"},
        {"bid": 0.0, "ask": 0.0},
        {"bid": -0.0},
        {"bid": 9.0, "ask": 1.0},
    ],
    ids=str,
)
def test_sentinels_and_oddities_of_the_source_are_records(change):
    assert broken(GOOD | change) == {}


def test_the_last_stamp_of_a_whole_day_is_its_full_length():
    whole = Asked("SPXW", "2024-01-19", Window(dt.time(0), dt.time(23, 59, 59), "1m"))

    assert broken(GOOD | {"stamp": DAY_MS}, GOOD | {"stamp": DAY_MS + 60_000}, asked=whole) == {1: "date"}


def test_a_row_that_breaks_several_rules_has_the_first_of_them():
    everything = GOOD
    for _, change in reversed(BAD):
        everything = everything | change

    assert broken(everything) == {0: "root"}


def test_every_rule_has_a_code_of_its_own_and_a_meaning():
    codes = [rule.code for rule in records.RULES]

    assert {code for code, _ in BAD} == set(codes)
    assert len(set(codes)) == len(codes)
    assert set(MEANINGS) == {*codes, "fields", "missing", "unreadable", "conflict"}
    assert all(MEANINGS.values())


def test_every_reason_stands_in_the_documentation():
    documented = (Path(__file__).resolve().parents[3] / "docs" / "quality.md").read_text()

    assert [line for code, line in MEANINGS.items() if f"| `{code}` | {line} |" not in documented] == []


@given(st.lists(st.sampled_from([("", {}), *BAD]), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_rows_are_judged_one_by_one_whatever_stands_beside_them(changes):
    expected = {number: code for number, (code, _) in enumerate(changes) if code}

    assert broken(*(GOOD | change for _, change in changes)) == expected


# Rejects ------------------------------------------------------------------------------------------------


def test_rejects_are_the_same_whatever_the_order_of_arrival():
    one, other = Rejects(), Rejects()
    for reason, raw in (("right", "b"), ("date", "c"), ("right", "a")):
        one.add(reason, raw)
    for reason, raw in (("right", "a"), ("right", "b"), ("date", "c")):
        other.add(reason, raw)

    assert one.found == other.found == (Reject("date", "c"), Reject("right", "a"), Reject("right", "b"))
    assert len(one) == 3


def test_the_text_of_a_reject_is_kept_up_to_a_limit():
    rejects = Rejects()

    rejects.add("fields", "x" * 10_000)

    assert rejects.found == (Reject("fields", "x" * records.RAW_LENGTH),)


def test_of_each_reason_the_same_texts_are_kept_whatever_the_order_of_arrival():
    texts = [f"{number:05}" for number in range(3 * records.KEPT)]
    one, other = Rejects(), Rejects()
    for text in texts:
        one.add("right", text)
        one.add("date", text) if text < "00010" else None
    for text in reversed(texts):
        other.add("right", text)
        other.add("date", text) if text < "00010" else None

    assert one.found == other.found
    assert one.reasons == {"date": 10, "right": 3 * records.KEPT}
    assert len(one) == sum(reject.rows for reject in one.found) == 10 + 3 * records.KEPT
    assert one.found[-1] == Reject("right", "", 2 * records.KEPT)


# What a record may lack ----------------------------------------------------------------------------------

KEPT = {
    "lambda": [261.9304, -5.0, 0.0],
    "implied_vol": [20.7987, 0.0, -0.0],
    "iv_error": [100.0, -0.04],
    "underlying_price": [0.0, 4750.12],
    "underlying_timestamp": [0, 34_260_000, -DAY_MS],
}
NONE = {
    **{name: [math.nan, math.inf, -math.inf, None] for name in schemas.OPTIONAL},
    "implied_vol": [-0.1, math.nan, None],
    "underlying_price": [-4700.0, math.inf, None],
    "underlying_timestamp": [3 * DAY_MS, -(2**62), None],
}


@pytest.mark.parametrize("name", schemas.OPTIONAL)
def test_what_is_no_possible_value_is_null_and_what_is_odd_stays(name):
    kind = schemas.RECORD.field(name).type
    kept, none = pa.array(KEPT.get(name, [0.25]), kind), pa.array(NONE[name], kind)
    mixed = pa.concat_arrays([kept, none, kept])

    assert wire_rows.possible(name, kept).equals(kept)
    assert wire_rows.possible(name, none).null_count == len(none)
    assert wire_rows.possible(name, mixed).drop_null().equals(pa.concat_arrays([kept, kept]))
    assert len(wire_rows.possible(name, mixed.slice(0, 0))) == 0


# Records that come twice --------------------------------------------------------------------------------


def record(**values):
    return {
        "strike": 4700.0,
        "right": "C",
        "timestamp": 1_704_205_860_000,
        **dict.fromkeys(schemas.MEASURES, 0.25),
        "underlying_timestamp": 1_704_205_859_992,
        "underlying_price": 4750.12,
    } | values


def frame(*found):
    return pl.DataFrame(list(found), schema=schemas.POLARS)


def texts(found):
    return sorted(map(repr, found.rows()))  # repr tells -0.0 from 0.0


def test_records_that_come_once_are_only_sorted():
    found = [record(right="P"), record(strike=4690.0), record(timestamp=1), record()]

    settled = settle(frame(*found))

    assert_frame_equal(settled.records, frame(*found).sort("strike", "right", "timestamp"))
    assert (settled.duplicates, settled.conflicting, len(settled.conflicts)) == (0, 0, 0)


MINUTES = range(0, 180_000, 60_000)


@pytest.mark.parametrize(
    "contracts",
    [
        [(4690.0, "P"), (4690.0, "C"), (4700.0, "P"), (4700.0, "C")],
        [(4700.0, "C"), (4690.0, "C"), (4700.0, "P"), (4690.0, "P")],
        [(4690.0, "C"), (4690.0, "P"), (4700.0, "C"), (4700.0, "P")],
    ],
    ids=["puts first", "side by side", "in order"],
)
@pytest.mark.parametrize("stamps", [[*MINUTES], [*reversed(MINUTES)]], ids=["in time", "backwards"])
def test_contracts_that_come_whole_are_put_in_their_places(contracts, stamps):
    found = frame(
        *(
            record(strike=strike, right=right, timestamp=stamp, bid=strike + stamp)
            for strike, right in contracts
            for stamp in stamps
        )
    )

    assert_frame_equal(settle(found).records, found.sort("strike", "right", "timestamp"))


def test_a_contract_that_comes_in_two_parts_is_one():
    early, late = record(timestamp=60_000), record(timestamp=120_000)

    settled = settle(frame(late, record(right="P"), early, record(right="P")))

    assert texts(settled.records) == texts(frame(early, late, record(right="P")))
    assert settled.records["timestamp"].to_list()[:2] == [60_000, 120_000]
    assert settled.duplicates == 1


def test_no_records_are_none():
    settled = settle(frame())

    assert (len(settled.records), settled.duplicates, settled.conflicting) == (0, 0, 0)


def test_what_is_the_same_in_every_column_is_one_record():
    settled = settle(frame(record(), record(right="P"), record(), record()))

    assert texts(settled.records) == texts(frame(record(), record(right="P")))
    assert (settled.duplicates, settled.conflicting) == (2, 0)


@pytest.mark.parametrize(
    "better, worse",
    [
        ({"underlying_timestamp": 1_704_205_859_993}, {"iv_error": 0.0}),
        ({"iv_error": 0.1}, {"iv_error": 0.2}),
        ({"iv_error": 0.1, "bid": 9.0}, {"iv_error": -0.2, "bid": 1.0}),
        ({"iv_error": -0.1}, {"iv_error": 0.2}),
        ({"bid": 0.1, "delta": 0.9}, {"bid": 0.2, "delta": 0.1}),
        ({"delta": 0.1}, {"delta": 0.2}),
        ({"delta": 0.9}, {"delta": None}),
        ({"iv_error": 0.9}, {"iv_error": None}),
        ({"iv_error": 0.9}, {"iv_error": 0.1, "underlying_timestamp": None}),
    ],
    ids=str,
)
def test_of_several_versions_the_rule_says_which_is_sealed(better, worse):
    other = record(strike=4710.0)

    for first, second in itertools.permutations((better, worse)):
        settled = settle(frame(record(**first), other, record(**second)))

        assert texts(settled.records) == texts(frame(record(**better), other))
        assert settled.conflicts["sealed"].to_list() == [True, False]
        assert texts(settled.conflicts.drop("sealed")) == texts(frame(record(**better), record(**worse)))
        assert (settled.duplicates, settled.conflicting) == (0, 1)


def test_zeros_of_either_sign_are_versions_and_leave_no_trace_of_their_order():
    plus, minus = record(delta=0.0), record(delta=-0.0)

    one, other = settle(frame(plus, minus)), settle(frame(minus, plus))

    assert texts(one.records) == texts(other.records)
    assert repr(one.conflicts.rows()) == repr(other.conflicts.rows())
    assert (one.duplicates, one.conflicting) == (0, 1)


versions = st.builds(
    record,
    strike=st.sampled_from([4700.0, 4710.0]),
    right=st.sampled_from("CP"),
    timestamp=st.sampled_from([0, 60_000]),
    bid=st.sampled_from([0.0, -0.0, 0.05]),
    iv_error=st.sampled_from([0.0, 0.1, -0.1, None]),
    underlying_timestamp=st.sampled_from([7, 8, None]),
)


@given(found=st.lists(versions, max_size=25), seed=st.integers(0, 100))
@settings(max_examples=150, deadline=None)
def test_settling_is_what_counting_by_hand_says(found, seed):
    groups = {}
    for row in found:
        groups.setdefault((row["strike"], row["right"], row["timestamp"]), []).append(row)
    distinct = {key: {repr(row): row for row in group}.values() for key, group in groups.items()}

    def rank(row):  # what is there comes before what is not
        error = row["iv_error"]
        return row["underlying_timestamp"] or -1, -math.inf if error is None else -abs(error)

    best = [max(map(rank, group)) for _, group in sorted(distinct.items())]

    settled = settle(frame(*found))
    random.Random(seed).shuffle(found)
    again = settle(frame(*found))

    kept = settled.records
    assert kept.select("strike", "right", "timestamp").rows() == sorted(groups)
    assert list(map(rank, kept.iter_rows(named=True))) == best
    assert settled.duplicates == len(found) - sum(map(len, distinct.values()))
    assert settled.conflicting == sum(len(group) > 1 for group in distinct.values())
    disputed = [repr(row) for group in distinct.values() if len(group) > 1 for row in group]
    assert sorted(repr(row) for row in settled.conflicts.drop("sealed").rows(named=True)) == sorted(disputed)
    assert repr(again.records.rows()) == repr(kept.rows())
    assert repr(again.conflicts.rows()) == repr(settled.conflicts.rows())
