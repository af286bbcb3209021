"""What is spelt as a terminal spells it is read as what it was, to the last bit, in every format."""

import csv
import datetime as dt
import io
import json
import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spx_data.market import schema
from spx_data.market.chains import Chain, midnight_ms
from spx_data.market.columns import KINDS
from spx_data.market.records import Rejects
from spx_data.market.schema import ABSENT_STAMP
from spx_data.market.sessions import Window
from spx_data.ops.recheck.compare import bits
from spx_data.sources.theta import spelling, v3
from spx_data.sources.theta.transport import Answer

CHAIN = Chain("SPXW", dt.date(2024, 1, 19), dt.date(2024, 1, 2), dt.date(2024, 1, 19))
WINDOW = Window(dt.time(9, 30), dt.time(16), "1m")
OPEN_MS = midnight_ms(CHAIN.date) + WINDOW.start_ms
DAY_MS = 86_400_000

prices = st.floats(0, 1e5, allow_subnormal=False)
numbers = st.floats(-1e12, 1e12)
strikes = st.one_of(
    st.integers(1, 10**6).map(lambda thousandths: thousandths / 1000), st.floats(0.001, 1e5, exclude_min=True)
)


def optional(values):
    return st.one_of(st.none(), values)


def value_of(column):
    """Return a strategy for the values of a measure."""
    if column.name in ("bid", "ask"):
        return prices
    if column.type.value == "whole":
        return optional(st.integers(0, 2**31 - 1))
    return optional(prices if column.name in ("implied_vol", "underlying_price") else numbers)


@st.composite
def chains_of(draw, kind):
    """Draw records of a few contracts at a few stamps, sorted as they are sealed."""
    columns = schema.newest(kind)
    contracts = draw(st.lists(st.tuples(strikes, st.sampled_from("CP")), min_size=1, max_size=4, unique=True))
    rows = []
    for strike, right in contracts:
        for minute in draw(st.lists(st.integers(0, 390), min_size=1, max_size=3, unique=True)):
            row = {"strike": strike, "right": right, "timestamp": OPEN_MS + minute * 60_000}
            named = {each.name: each for each in columns.columns}
            for name in columns.record.names:
                if name == "underlying_timestamp":
                    behind = st.integers(-100 * 365 * DAY_MS, DAY_MS)
                    row[name] = draw(optional(behind.map(lambda ms: OPEN_MS + ms)))
                elif name not in row:
                    row[name] = draw(value_of(named[name]))
            rows.append(row)
    shape = schema.polars_record(columns.record.names)
    return pl.DataFrame(rows, schema=shape, orient="row").sort(schema.RECORD_KEY)


def read(body, kind, form):
    """Return the records that the parser of v3 makes of a body, and how many rows it set aside."""
    answer = Answer("http://127.0.0.1/asked", spelling.FORMATS[form], None, io.BytesIO(body))
    columns, rejects = schema.newest(kind), Rejects()
    batches = v3.read(
        answer, columns, lambda batch: v3.validated(batch, CHAIN, WINDOW, columns), rejects, asked=form
    )
    return pl.concat(map(pl.DataFrame, batches)), len(rejects)


def same(one, other):
    assert one.columns == other.columns
    for name in one.columns:
        if one.schema[name] == pl.String:
            assert one[name].to_list() == other[name].to_list()
        else:
            found, wanted = (
                frame[name].fill_null(ABSENT_STAMP) if one.schema[name].is_integer() else frame[name]
                for frame in (one, other)
            )
            assert found.is_null().to_list() == wanted.is_null().to_list(), name
            assert (
                bits(found.fill_null(0).to_numpy().copy()) == bits(wanted.fill_null(0).to_numpy().copy())
            ).all(), name


@pytest.mark.parametrize("form", spelling.FORMATS)
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(data=st.data())
def test_what_is_spelt_is_read_as_it_was(kind, form, data):
    records = data.draw(chains_of(kind))

    body = b"".join(spelling.history([(CHAIN, records)], kind, form))

    found, rejected = read(body, kind, form)
    assert rejected == 0
    same(found, records)


@pytest.mark.parametrize("form", spelling.FORMATS)
def test_parts_of_chains_are_one_body_however_they_come(form):
    shape = schema.polars_record(schema.newest("quotes").record.names)
    blank = dict.fromkeys(shape, 1) | {"right": "C", "bid": 1.5, "ask": 2.0}
    parts = [
        pl.DataFrame([blank | {"strike": strike, "timestamp": OPEN_MS + 60_000 * number}], schema=shape)
        for strike in (4700.0, 4705.5)
        for number in range(3)
    ]
    whole = [(CHAIN, pl.concat(parts))]
    in_parts = [(CHAIN, parts[0].clear()), *((CHAIN, part) for part in parts)]

    one, other = (b"".join(spelling.history(chains, "quotes", form)) for chains in (whole, in_parts))

    same(read(one, "quotes", form)[0], read(other, "quotes", form)[0])
    assert b"".join(spelling.history([(CHAIN, parts[0].clear())], "quotes", form)) == b""
    if form != "json":  # there a contract of several parts comes several times
        assert one == other


def test_a_chain_looks_like_that_of_a_terminal():
    shape = schema.polars_record(schema.newest("greeks").record.names)
    blank = dict.fromkeys(shape, 0.25) | {"strike": 4700.0, "right": "P", "timestamp": OPEN_MS}
    records = pl.DataFrame([blank | {"lambda": None, "underlying_timestamp": OPEN_MS - 7}], schema=shape)

    body = b"".join(spelling.history([(CHAIN, records)], "greeks", "csv")).decode()

    head, row = body.splitlines()
    assert head.split(",") == list(v3.history_columns("greeks"))
    assert row == (
        '"SPXW","2024-01-19",4700.000,"PUT",2024-01-02T09:30:00.000,0.25,0.25,0.25,0.25,0.25,0.25,0.25,'
        ",0.25,0.25,2024-01-02T09:29:59.993,0.25"
    )
    assert body.endswith("\r\n")


@pytest.mark.parametrize("usual", [4742.83, 0.0])
@pytest.mark.parametrize(
    "odd", [{}, {"underlying_price": None}, {"underlying_timestamp": None}, {"underlying_timestamp": OPEN_MS}]
)
@pytest.mark.parametrize("off", ["no bit", "last bit", "sign"])
def test_each_row_has_its_own_underlying(usual, odd, off):
    """It is spelt once for all rows of a stamp: of which one may have another, or none."""
    shape = schema.polars_record(schema.newest("greeks").record.names)
    blank = dict.fromkeys(shape, 0.25) | {"right": "P", "underlying_price": usual}
    rows = [
        blank | {"strike": strike, "timestamp": stamp, "underlying_timestamp": stamp - 7}
        for strike in (4700.0, 4705.0, 4710.0)
        for stamp in (OPEN_MS, OPEN_MS + 60_000)
    ]
    other = {"no bit": usual, "last bit": math.nextafter(usual, math.inf), "sign": -0.0}[off]
    rows[3] |= {"underlying_price": other} | odd
    records = pl.DataFrame(rows, schema=shape)

    body = b"".join(spelling.history([(CHAIN, records)], "greeks", "csv"))

    same(read(body, "greeks", "csv")[0], records)
    clocks = {
        OPEN_MS + ms: f"2024-01-02T09:{minute}" for ms, minute in ((-7, "29:59.993"), (59_993, "30:59.993"))
    }
    clocks |= {OPEN_MS: "2024-01-02T09:30:00.000", None: ""}
    for row, line in zip(rows, body.decode().splitlines()[1:], strict=True):
        price = "" if row["underlying_price"] is None else repr(row["underlying_price"])
        assert line.split(",")[-2:] == [clocks[row["underlying_timestamp"]], price]


@pytest.mark.parametrize(
    ("strike", "spelt"),
    [(4700.0, "4700.000"), (0.5, "0.500"), (1 / 3, "0.3333333333333333"), (1e-7, "1e-07")],
)
def test_a_strike_has_three_decimals_or_as_many_as_it_takes(strike, spelt):
    assert spelling.strikes(pl.Series([strike])).to_list() == [spelt]


def test_a_list_is_a_table_in_each_format():
    rows = pl.DataFrame(
        {"symbol": ["SPX"], "strike": ["4700.000"], "close": [None]},
        schema=dict.fromkeys(("symbol", "strike", "close"), pl.String),
    )

    told = {form: spelling.table(rows, form).decode() for form in spelling.FORMATS}

    assert list(csv.DictReader(io.StringIO(told["csv"]))) == [
        {"symbol": "SPX", "strike": "4700.000", "close": ""}
    ]
    line = {"symbol": "SPX", "strike": 4700.0, "close": None}  # a number, as on the wire
    assert json.loads(told["ndjson"]) == line
    assert json.loads(told["json"]) == {"response": [line]}
