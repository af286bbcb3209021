"""Bytes that a real terminal sent, or its vendor published, through our own parsers, cell by cell."""

import contextlib
import csv
import datetime as dt
import io
import json

import pyarrow as pa
import pytest
from tests import schemas

from spx_data.errors import (
    ApiDataNotFoundError,
    RequestRefusedError,
    SubscriptionError,
    TerminalDisconnectedError,
    WrongApiError,
)
from spx_data.market.chains import Chain
from spx_data.market.records import Rejects
from spx_data.market.sessions import Window
from spx_data.sources.theta import errors, tables, v2, v3
from spx_data.sources.theta.limits import REPORT
from spx_data.sources.theta.transport import Transport

NOVEMBER_4 = dt.date(2024, 11, 4)
FIRST_ORDER = "v3_option_history_greeks_first_order.AAPL_20241108"
REGULAR = Window(dt.time(9, 30), dt.time(16), "5m")
ENDINGS = {"csv": "text/csv", "json": "application/json", "ndjson": "application/x-ndjson"}
MEASURES = ["bid", "ask", "delta", "theta", "vega", "rho", "epsilon", "lambda", "implied_vol", "iv_error"]


@pytest.fixture
def transport(wire, tmp_path):
    """Return a transport to the loopback server."""
    with contextlib.closing(Transport(wire.url, scratch=tmp_path / "scratch", connect_seconds=5)) as found:
        yield found


@pytest.fixture
def source(wire, transport, terminal_settings):
    """Return a maker of a source that asks the loopback server."""

    def make(api, **keys):
        terminal = terminal_settings(wire.url, **keys)
        return (v3.V3 if api == "v3" else v2.V2)(transport, terminal, schemas.GREEKS)

    return make


@pytest.fixture
def table(answered, samples):
    """Return a reader of a sample as a list of rows."""

    def rows(name, columns, asked=None):
        ending = name.rpartition(".")[2]
        answer = answered((samples / name).read_bytes(), ENDINGS[ending])
        kinds = dict.fromkeys(columns, pa.float64()) if isinstance(columns, list) else columns
        return [
            row for batch in tables.read(answer, kinds, asked=asked or ending) for row in batch.to_pylist()
        ]

    return rows


def new_york_ms(text):
    """Read a stamp without zone as New York time in November 2024, five hours behind Greenwich."""
    return int((dt.datetime.fromisoformat(text + "+00:00") + dt.timedelta(hours=5)).timestamp() * 1000)


# Greeks of v3 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_v3_first_order_means_the_same_in_every_format(ending, source, wire, samples):
    wire.says((samples / f"{FIRST_ORDER}.{ending}").read_bytes(), ENDINGS[ending])
    chain = Chain("AAPL", dt.date(2024, 11, 8), NOVEMBER_4, dt.date(2024, 11, 8))

    batches = list(source("v3", format=ending).history(chain, REGULAR))

    found = [row for batch in batches for row in batch.to_pylist()]
    published = csv.DictReader(io.StringIO((samples / f"{FIRST_ORDER}.csv").read_text()))
    assert found == [
        {
            "strike": 262.5,
            "right": "C",
            "timestamp": new_york_ms(row["timestamp"]),
            **{name: float(row[name]) for name in MEASURES},
            "underlying_timestamp": new_york_ms(row["underlying_timestamp"]),
            "underlying_price": float(row["underlying_price"]),
        }
        for row in published
    ]


def test_v3_first_order_reads_as_printed(source, wire, samples):
    wire.says((samples / f"{FIRST_ORDER}.csv").read_bytes())
    chain = Chain("AAPL", dt.date(2024, 11, 8), NOVEMBER_4, dt.date(2024, 11, 8))

    (batch,) = source("v3").history(chain, REGULAR)

    first, last = batch.to_pylist()[0], batch.to_pylist()[-1]
    assert (first["bid"], first["ask"], first["lambda"], first["implied_vol"]) == (0, 0, 261.9304, 0.25)
    assert (first["iv_error"], first["underlying_price"]) == (100, 221.0)
    assert first["timestamp"] == 1_730_730_600_000  # 2024-11-04 14:30 UTC
    assert (last["theta"], last["iv_error"], last["underlying_price"]) == (-0.013, -0.0199, 221.2)


def test_fractions_of_a_second_may_lack_their_zeros(table):
    kinds = {
        "timestamp": pa.timestamp("ms"),
        "price": pa.float64(),
        "underlying_timestamp": pa.timestamp("ms"),
    }

    rows = table("v3_option_history_trade_greeks_first_order.AAPL_20241108.csv", kinds)

    moments = [row["timestamp"].time() for row in rows]
    assert dt.time(11, 48, 51, 110_000) in moments
    assert dt.time(11, 48, 3, 852_000) in moments


@pytest.mark.parametrize("fraction, ms", [("", 0), (".7", 700), (".71", 710), (".716", 716), (".000", 0)])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stamp_keeps_its_milliseconds_in_every_format(ending, fraction, ms, answered):
    stamp = f"2024-11-04T09:31:59{fraction}"
    body = {
        "csv": f"timestamp\r\n{stamp}\r\n",
        "json": json.dumps({"response": [{"timestamp": stamp}]}),
        "ndjson": json.dumps({"timestamp": stamp}) + "\n",
    }[ending]

    (batch,) = tables.read(answered(body, ENDINGS[ending]), {"timestamp": pa.timestamp("ms")}, asked=ending)

    (found,) = batch["timestamp"].cast(pa.int64()).to_pylist()
    assert found == dt.datetime(2024, 11, 4, 9, 31, 59, ms * 1000, dt.UTC).timestamp() * 1000


@pytest.mark.parametrize(
    "name, asked",
    [
        ("v3_live_option_history_eod.AAPL_20250117_220C.json", "json"),
        ("v3_live_option_history_ohlc.AAPL_20250103_275C_1h.json", "json"),
    ],
)
def test_a_whole_strike_may_come_without_its_decimals(name, asked, table, samples):
    written = json.loads((samples / name).read_text())["response"][0]

    rows = table(name, {"symbol": tables.WORD, "strike": pa.float64(), "close": pa.float64()}, asked)

    assert isinstance(written["contract"]["strike"], int)
    assert [row["strike"] for row in rows] == [float(written["contract"]["strike"])] * len(written["data"])
    assert [row["close"] for row in rows] == [float(row["close"]) for row in written["data"]]


@pytest.mark.parametrize(
    "name, columns",
    [
        (
            "v3_option_history_eod.AAPL_20241115_170C",
            ["open", "high", "low", "close", "bid", "ask", "strike"],
        ),
        ("v3_option_history_ohlc.AAPL_20231103_170C", ["open", "high", "low", "close", "volume", "strike"]),
        ("v3_option_history_quote.AAPL_20241108_220C", ["bid_size", "bid", "ask_size", "ask", "strike"]),
        ("v3_option_history_open_interest.AAPL_20241108_220C", ["open_interest", "strike"]),
    ],
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_other_tables_of_v3_read_alike_in_every_format(name, columns, ending, table, samples):
    rows = table(f"{name}.{ending}", columns)

    lines = (samples / f"{name}.csv").read_text().splitlines()
    expected = [{column: float(row[column]) for column in columns} for row in csv.DictReader(lines)]
    # The published NDJSON and JSON show as many rows as the CSV, or the first few of them.
    assert rows
    assert rows == expected[: len(rows)]


# Quoting ------------------------------------------------------------------------------------------------


def test_live_csv_quotes_words_and_reads_bare(table):
    kinds = {
        "symbol": tables.WORD,
        "expiration": tables.WORD,
        "strike": pa.float64(),
        "right": tables.WORD,
        "last_trade": pa.timestamp("ms"),
        "bid": pa.float64(),
    }

    rows = table("v3_live_option_history_eod.AAPL_20250718_300.csv", kinds)

    same = {"symbol": "AAPL", "expiration": "2025-07-18", "strike": 300.0}
    assert rows == [
        {**same, "right": "PUT", "last_trade": dt.datetime.fromisoformat("2025-07-01T00:00:00"), "bid": 91.4},
        {
            **same,
            "right": "CALL",
            "last_trade": dt.datetime.fromisoformat("2025-07-01T15:52:58.319"),
            "bid": 0.0,
        },
    ]


def test_documented_csv_is_bare_and_reads_the_same(table):
    kinds = {"symbol": tables.WORD, "expiration": tables.WORD, "right": tables.WORD, "bid": pa.float64()}

    rows = table("v3_option_history_eod.AAPL_20241115_170C.csv", kinds)

    assert {(row["symbol"], row["expiration"], row["right"]) for row in rows} == {
        ("AAPL", "2024-11-15", "CALL")
    }


@pytest.mark.parametrize("name", ["v3_live_option_snapshot_open_interest", "v3_live_option_snapshot_ohlc"])
def test_columns_are_found_by_name_wherever_they_stand(name, table):
    kinds = {"symbol": tables.WORD, "strike": pa.float64(), "right": tables.WORD}

    rows = table(f"{name}.AAPL_20260710.csv", kinds)

    assert {row["symbol"] for row in rows} == {"AAPL"}
    assert {row["right"] for row in rows} <= {"CALL", "PUT"}
    assert all(row["strike"] > 0 for row in rows)


# Greeks of v2 -------------------------------------------------------------------------------------------


def test_v2_bulk_greeks_become_records(source, wire, samples):
    wire.says((samples / "v2_bulk_hist_option_greeks.AAPL_20230915.json").read_bytes(), "application/json")
    chain = Chain("AAPL", dt.date(2023, 9, 15), dt.date(2023, 9, 11), dt.date(2023, 9, 15))

    batches = list(source("v2", format="json").history(chain, Window(dt.time(9, 30), dt.time(16), "30s")))

    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [(row["strike"], row["right"]) for row in rows] == [(65, "C"), (65, "C"), (70, "C"), (70, "C")]
    assert rows[1] == {
        "strike": 65.0,
        "right": "C",
        "timestamp": 1_694_439_180_000,  # 2023-09-11 09:33 in New York, four hours behind Greenwich
        "bid": 115.05,
        "ask": 115.2,
        "delta": 0.9988,
        "theta": -0.0392,
        "vega": 0.0705,
        "rho": 0.7094,
        "epsilon": -1.971,
        "lambda": 1.5623,
        "implied_vol": 3.3828,
        "iv_error": 0.0,
        "underlying_timestamp": 1_694_439_179_988,
        "underlying_price": 180.06,
    }
    below_intrinsic = [rows[3][name] for name in MEASURES[2:]]
    assert below_intrinsic == [1, 0, 0, 0, 0, 0, 0, 0]


def test_v2_single_contract_json_reads_without_contract_columns(table):
    kinds = {"ms_of_day": pa.int64(), "bid": pa.float64(), "vega": pa.float64(), "date": pa.int64()}

    rows = table("v2_hist_option_greeks.AAPL_20230915_170C.json", kinds)

    assert rows == [
        {"ms_of_day": 34_290_000, "bid": 10.3, "vega": 2.9676, "date": 20_230_911},
        {"ms_of_day": 34_380_000, "bid": 10.35, "vega": 2.7177, "date": 20_230_911},
    ]


def test_v2_single_contract_csv_reads_cell_by_cell(table, samples):
    name = "v2_hist_option_greeks.SPXW_20241024_5850C_1h.csv"
    kinds = {
        "ms_of_day": pa.int64(),
        **dict.fromkeys(MEASURES, pa.float64()),
        "ms_of_day2": pa.int64(),
        "underlying_price": pa.float64(),
        "date": pa.int64(),
    }

    rows = table(name, kinds)

    lines = csv.DictReader((samples / name).read_text().splitlines())
    assert rows == [
        {key: (int if kinds[key] == pa.int64() else float)(line[key]) for key in kinds} for line in lines
    ]
    assert len(rows) == 60


def test_the_last_stamp_of_a_whole_day_is_its_full_length(table):
    name = "v2_hist_option_greeks.SPXW_20241024_5850C_1h.csv"

    rows = table(name, {"ms_of_day": pa.int64(), "date": pa.int64(), "ask": pa.float64()})

    assert {"ms_of_day": 86_400_000, "date": 20_241_021, "ask": 21.2} in rows


def test_a_v2_contract_by_itself_becomes_records(source, wire, samples):
    wire.says((samples / "v2_hist_option_greeks.AAPL_20230915_170C.json").read_bytes(), "application/json")
    chain = Chain("AAPL", dt.date(2023, 9, 15), dt.date(2023, 9, 11), dt.date(2023, 9, 15))
    window = Window(dt.time(9, 30), dt.time(16), "30s")

    (batch,) = source("v2", format="json").contract_history(chain, "C", 170.0, window)

    assert batch.select(["strike", "right", "timestamp", "bid", "ask", "underlying_price"]).to_pylist() == [
        {
            "strike": 170.0,
            "right": "C",
            "timestamp": 1_694_439_090_000 + 90_000 * number,
            "bid": bid,
            "ask": ask,
            "underlying_price": price,
        }
        for number, (bid, ask, price) in enumerate([(10.3, 10.4, 179.94), (10.35, 10.5, 180.06)])
    ]
    assert "strike=170000&right=C" in wire.asked[0]
    assert wire.asked[0].startswith("/v2/hist/option/greeks?root=AAPL&exp=20230915")


def test_a_v2_contract_in_csv_keeps_its_strike_and_right(source, wire, samples):
    lines = (samples / "v2_hist_option_greeks.SPXW_20241024_5850C_1h.csv").read_text().splitlines()
    first_day = [lines[0], *(line for line in lines if line.endswith(",20241021"))]
    wire.says("".join(f"{line}\r\n" for line in first_day))
    chain = Chain("SPXW", dt.date(2024, 10, 24), dt.date(2024, 10, 21), dt.date(2024, 10, 24))

    (batch,) = source("v2").contract_history(
        chain, "C", 5850.0, Window(dt.time(10), dt.time(23), "1h"), Rejects()
    )

    assert batch.num_rows == 14
    assert set(batch["strike"].to_pylist()) == {5850.0}
    assert set(batch["right"].to_pylist()) == {"C"}
    assert batch["implied_vol"][0].as_py() == 0.1133


# Listings -----------------------------------------------------------------------------------------------


def test_v2_contracts_are_rows_under_the_names_of_the_header(table):
    rows = table("v2_list_contracts_option_quote.AAPL_20230512.json", v2._CONTRACT)

    same = {"root": "AAPL", "expiration": 20_230_616, "strike": 260_000}
    assert rows == [{**same, "right": "P"}, {**same, "right": "C"}]


@pytest.mark.parametrize("ending", ENDINGS)
def test_v3_contracts_read_alike_in_every_format(ending, table):
    rows = table(f"v3_option_list_contracts_trade.20220930.{ending}", v3._CONTRACT)

    assert [tuple(row.values()) for row in rows] == [
        ("ABNB", "2023-06-16", 260.0, "CALL"),
        ("AAPL", "2023-06-16", 260.0, "CALL"),
        ("AAL", "2022-09-30", 14.5, "CALL"),
        ("ABNB", "2022-11-04", 80.0, "PUT"),
        ("AAPL", "2022-11-04", 80.0, "PUT"),
    ]


@pytest.mark.parametrize("ending", ENDINGS)
def test_v3_expirations_read_alike_in_every_format(ending, table):
    rows = table(
        f"v3_option_list_expirations.AAPL.{ending}", {"symbol": tables.WORD, "expiration": tables.WORD}
    )

    days = ["2012-06-01", "2012-06-08", "2012-06-16", "2012-06-22", "2012-06-29"]
    assert rows == [{"symbol": "AAPL", "expiration": day} for day in days]


def test_a_long_live_list_is_read_to_its_end(table, samples):
    name = "v3_live_option_list_expirations.SPY.json"

    rows = table(name, {"symbol": tables.WORD, "expiration": tables.WORD})

    assert rows == json.loads((samples / name).read_text())["response"]
    assert len(rows) > 1000


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_root_is_known_by_its_expirations(api, source, wire, samples):
    name = {"v3": "v3_live_option_list_expirations.AAPL.csv", "v2": "v2_list_expirations.AAPL.json"}[api]
    wire.says((samples / name).read_bytes())

    assert source(api).expirations("AAPL")


# Headers of v2 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        '{"latency_ms": 1, "next_page": "null", "format": ["date"]}',
        '{"latency_ms": 1, "next_page": null, "format": ["date"]}',
        '{"latency_ms": 1, "format": ["date"]}',
        '{"id": 1, "error_type": "null", "error_msg": "null", "next_page": "null", "format": null}',
    ],
    ids=["string", "null", "missing", "older"],
)
def test_no_next_page_is_spelt_in_four_ways(header, answered):
    answer = answered(f'{{"header": {header}, "response": [20120601]}}', "application/json")

    assert tables.next_page_of(answer) is None
    assert answer.body.tell() == 0


@pytest.mark.parametrize(
    "name, page",
    [
        ("v2_paginated_header.QQQ.json", "http://127.0.0.1:25510/v2/page/1"),
        ("v2_snapshot_stock_quote.SPY.full_body.json", None),
    ],
)
def test_a_recorded_header_names_its_next_page(name, page, answered, samples):
    answer = answered((samples / name).read_bytes(), "application/json")

    assert tables.next_page_of(answer) == page


def test_the_older_header_names_no_page(answered, samples):
    older = (samples / "v2_header.older_terminal_variant.json").read_text()

    assert tables.next_page_of(answered(f'{{"header": {older}, "response": []}}', "application/json")) is None


def test_recorded_headers_of_a_csv_answer_say_that_it_is_the_last_page(samples, wire, transport):
    lines = (samples / "v2_hist_stock_quote.AAPL_20241107.http_headers.txt").read_text().strip().splitlines()
    body = (samples / "v2_hist_stock_quote.AAPL_20241107.csv").read_bytes()
    kept = [line for line in lines if not line.lower().startswith("content-length")]
    wire.sends("\r\n".join([*kept, f"content-length: {len(body)}", "", ""]).encode() + body)

    with transport.get("/v2/hist/stock/quote", {}, silence_seconds=5, ceiling=REPORT) as answer:
        assert (answer.content_type, answer.next_page) == ("text/csv", None)
        assert answer.body.read() == body


# Errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, status, kind",
    [
        ("error_v2_472_hist.txt", 472, ApiDataNotFoundError),
        ("error_v2_474.txt", 474, TerminalDisconnectedError),
        ("error_v3_400_current_day.txt", 400, RequestRefusedError),
        ("error_v3_400_interval_bulk.txt", 400, RequestRefusedError),
        ("error_v3_400_range.txt", 400, RequestRefusedError),
        ("error_v3_400_wildcard.txt", 400, RequestRefusedError),
        ("error_v3_403_tier.txt", 403, SubscriptionError),
        ("error_v3_410_path.txt", 410, WrongApiError),
        ("v3_live_error_410_v2_param.txt", 410, WrongApiError),
        ("error_v3_472.txt", 472, ApiDataNotFoundError),
    ],
)
def test_an_error_quotes_the_terminals_own_sentence(name, status, kind, samples, wire, transport):
    body = (samples / name).read_bytes()
    wire.says(body, "text/plain", status)

    with pytest.raises(kind) as caught, transport.get("/v3/x", {}, silence_seconds=5, ceiling=REPORT):
        pass

    sentence = " ".join(body.decode().split()).removeprefix(":")[: errors.EXCERPT]
    assert type(caught.value) is kind
    assert caught.value.fields["excerpt"] == sentence
    assert f"(status {status}: {sentence})" in caught.value.cause
    assert "\n" not in str(caught.value)
