"""v3 bytes, against genuine payloads and against the market's own frames."""

import csv
import io
import json
from datetime import date, timedelta

import polars as pl
import pytest
import requests
from polars.testing import assert_frame_equal

from theta_simulator import Settings, lists, running, sessions

DAY = date(2024, 1, 2)
LABEL = date(2024, 1, 19)
GREEKS = "/v3/option/history/greeks/first_order"
ASKED = {"symbol": "SPXW", "expiration": "20240119", "date": "20240102", "interval": "1m"}


def get(terminal, path, **query):
    return requests.get(terminal.url + path, params=query, timeout=30)


def header_of(path):
    return path.read_bytes().splitlines()[0]


def test_csv_headers_are_the_genuine_ones(v3, samples):
    pairs = {
        "v3_option_history_greeks_first_order.AAPL_20241108.csv": (GREEKS, ASKED),
        "v3_option_list_expirations.AAPL.csv": ("/v3/option/list/expirations", {"symbol": "SPXW"}),
        "v3_option_list_contracts_trade.20220930.csv": (
            "/v3/option/list/contracts/trade",
            {"date": "20240102"},
        ),
        "v3_option_list_symbols.csv": ("/v3/option/list/symbols", {}),
        "v3_calendar_today.csv": ("/v3/calendar/today", {}),
    }

    for sample, (path, query) in pairs.items():
        answer = get(v3, path, **query)
        assert answer.headers["content-type"] == "text/csv"
        assert answer.content.splitlines()[0] == header_of(samples / sample), sample
        assert answer.content.endswith(b"\r\n")
        assert answer.content.count(b"\r\n") == answer.content.count(b"\n")


def test_every_csv_cell_is_the_market_s(v3):
    truth = v3.market.history("SPXW", LABEL, DAY, sessions.MINUTE)

    text = get(v3, GREEKS, **ASKED).text
    read = pl.read_csv(io.StringIO(text), infer_schema_length=None)

    assert len(read) == len(truth)
    assert "-0.0000" not in text
    read = read.with_columns(
        pl.col("right").replace({"CALL": "C", "PUT": "P"}),
        ms_of_day=milliseconds("timestamp"),
        underlying_ms=milliseconds("underlying_timestamp"),
    )
    keys = ["strike", "right", "ms_of_day"]
    assert_frame_equal(read.select(truth.columns).sort(keys), truth.sort(keys), check_exact=True)


def milliseconds(name):
    stamp = pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="ms")
    return stamp.dt.timestamp("ms") - stamp.dt.truncate("1d").dt.timestamp("ms")


def test_the_live_spelling(v3):
    line = get(v3, GREEKS, **ASKED).content.split(b"\r\n")[2].decode()

    fields = line.split(",")
    assert fields[:2] == ['"SPXW"', '"2024-01-19"']
    assert fields[3] in ('"CALL"', '"PUT"')
    assert fields[4] == "2024-01-02T09:31:00.000"
    assert [len(field.rpartition(".")[2]) for field in (fields[2], *fields[5:15], fields[16])] == [3] + [
        4
    ] * 11


def test_the_documented_spelling(docs, samples):
    genuine = (samples / "v3_option_history_greeks_first_order.AAPL_20241108.csv").read_text().splitlines()[2]
    line = get(docs, GREEKS, **ASKED).text.splitlines()[2]

    def shape(text):
        fields = next(csv.reader([text]))
        return [
            len(field.rpartition(".")[2]) if "T" not in field and "." in field else None for field in fields
        ]

    assert line.startswith("SPXW,2024-01-19,")
    assert line.split(",")[4] == "2024-01-02T09:31:00"
    assert shape(line) == shape(genuine)


def test_both_spellings_say_the_same(v3, docs):
    live, documented = (
        pl.read_csv(io.StringIO(get(terminal, GREEKS, **ASKED).text)).with_columns(
            milliseconds("timestamp").alias("timestamp"),
            milliseconds("underlying_timestamp").alias("underlying_timestamp"),
        )
        for terminal in (v3, docs)
    )

    assert_frame_equal(live, documented)


def test_json_nests_and_orders_keys_as_documented(docs, samples):
    genuine = (samples / "v3_option_history_greeks_first_order.AAPL_20241108.json").read_text()

    answer = get(docs, GREEKS, **ASKED, format="json")

    ours, theirs = answer.json()["response"][0], json.loads(genuine)["response"][0]
    assert answer.headers["content-type"] == "application/json"
    assert list(ours) == list(theirs)
    assert list(ours["contract"]) == list(theirs["contract"])
    assert list(ours["data"][0]) == list(theirs["data"][0])
    assert indents(answer.text[:700]) == indents(genuine[:700])


def indents(text):
    return [len(line) - len(line.lstrip()) for line in text.splitlines()[:7]]


def test_json_holds_every_row_once(v3):
    truth = v3.market.history("SPXW", LABEL, DAY, sessions.MINUTE)

    contracts = get(v3, GREEKS, **ASKED, format="json").json()["response"]

    keys = {(item["contract"]["strike"], item["contract"]["right"]) for item in contracts}
    assert len(keys) == len(contracts)
    assert sum(len(item["data"]) for item in contracts) == len(truth)
    assert contracts[0]["data"][5]["bid"] in truth["bid"]


def test_ndjson_has_an_object_a_line(docs, samples):
    genuine = (samples / "v3_option_history_greeks_first_order.AAPL_20241108.ndjson").read_text()

    answer = get(docs, GREEKS, **ASKED, format="ndjson")

    lines = answer.text.split("\n")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert list(json.loads(lines[0])) == list(json.loads(genuine.split("\n")[0]))
    assert len(lines) == len(docs.market.history("SPXW", LABEL, DAY, sessions.MINUTE))


def test_a_listing_in_json_has_the_genuine_shape(docs, samples):
    genuine = (samples / "v3_option_list_contracts_trade.20220930.json").read_text()

    text = get(docs, "/v3/option/list/contracts/trade", date="20240102", format="json").text

    assert text.startswith(genuine[: genuine.index("symbol")])
    assert text.endswith(genuine[genuine.rindex("}\n  ]") :])
    assert list(json.loads(text)["response"][0]) == list(json.loads(genuine)["response"][0])


def test_contracts_come_unsorted_and_complete(v3):
    rows = get(v3, "/v3/option/list/contracts/quote", date="20240102", format="json").json()["response"]

    listed = [(row["symbol"], row["expiration"], row["strike"], row["right"][0]) for row in rows]
    truth = lists.contracts(v3.market, lists.SYMBOLS, DAY, traded=False, today=DAY)
    truth = truth.with_columns(pl.col("expiration").cast(pl.String))
    assert listed != sorted(listed)
    assert sorted(listed) == sorted(truth.rows())


def test_max_dte_limits_the_contracts(v3):
    rows = get(
        v3, "/v3/option/list/contracts/quote", date="20240102", symbol="SPXW", max_dte="1", format="json"
    ).json()["response"]

    assert {row["expiration"] for row in rows} == {"2024-01-02", "2024-01-03"}


def test_expirations_over_report(v3):
    rows = get(v3, "/v3/option/list/expirations", symbol="SPXW", format="json").json()["response"]

    listed = [row["expiration"] for row in rows]
    assert listed == sorted(listed)
    assert listed[0] == "2012-06-01"
    assert listed[-1] > "2025-01-01"


def test_dates_of_an_expiration(v3):
    text = get(v3, "/v3/option/list/dates/quote", symbol="SPXW", expiration="2024-01-02").text.split()

    assert text[0] == "date"
    assert text[-1] == "2024-01-02"


def test_strikes_of_an_expiration_come_unsorted(v3):
    text = get(v3, "/v3/option/list/strikes", symbol="SPXW", expiration="2024-01-19").text
    read = pl.read_csv(io.StringIO(text))

    assert text.splitlines()[1].startswith('"SPXW",')
    assert not read["strike"].is_sorted()
    assert set(v3.market.history("SPXW", LABEL, DAY, sessions.HOUR)["strike"]) <= set(read["strike"])


def test_one_contract_of_a_chain(v3):
    strike = v3.market.history("SPXW", LABEL, DAY, sessions.HOUR)["strike"][0]

    text = get(v3, GREEKS, **ASKED, strike=f"{strike:.3f}", right="put").text

    read = pl.read_csv(io.StringIO(text))
    assert read["strike"].unique().to_list() == [strike]
    assert read["right"].unique().to_list() == ["PUT"]


def test_a_window_includes_both_ends(v3):
    text = get(v3, GREEKS, **ASKED, start_time="15:50:00", end_time="16:05:00").text

    stamps = pl.read_csv(io.StringIO(text))["timestamp"]
    assert (stamps.min(), stamps.max()) == ("2024-01-02T15:50:00.000", "2024-01-02T16:05:00.000")


def test_several_days_come_contract_by_contract(v3):
    query = {**ASKED, "start_date": "20240116", "end_date": "20240119"}
    del query["date"]

    contracts = get(v3, GREEKS, **query, format="json").json()["response"]

    for item in contracts:
        stamps = [row["timestamp"] for row in item["data"]]
        assert stamps == sorted(stamps)
    dates = {row["timestamp"][:10] for item in contracts for row in item["data"]}
    assert dates == {"2024-01-16", "2024-01-17", "2024-01-18", "2024-01-19"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"interval": "60000"}, "Invalid interval: 60000"),
        ({"expiration": "*"}, "Cannot specify '*' for the date"),
        ({"start_time": "11:00:00", "end_time": "10:00:00"}, "Start must be before end"),
        ({"format": "html"}, "Invalid format: html"),
        ({"symbol": ""}, "Missing required parameter: symbol"),
        ({"date": "20240230"}, "Invalid date: 20240230"),
        (
            {"date": "", "start_date": "20240102", "end_date": "20240202"},
            None,
        ),
        (
            {"date": "", "start_date": "20240102", "end_date": "20240301"},
            "Bulk history requests are limited to no more than 1 month.",
        ),
        (
            {"date": "", "start_date": "20240102", "end_date": "20240103", "interval": "1s"},
            "Bulk history requests are limited to intervals of at least 1 minute.",
        ),
    ],
)
def test_refusals_explain_themselves(v3, change, text):
    answer = get(v3, GREEKS, **{**ASKED, **change})

    assert answer.status_code == (200 if text is None else 400)
    assert text is None or answer.text == text


def test_unknown_names_are_ignored(v3):
    assert get(v3, GREEKS, **ASKED, adjust="splits").content == get(v3, GREEKS, **ASKED).content


@pytest.mark.parametrize(
    "change",
    [
        {"date": "20240101"},
        {"date": "20161230"},
        {"date": "20250102"},
        {"symbol": "AAPL"},
        {"expiration": "20240120"},
        {"strike": "1.0"},
    ],
)
def test_no_data_is_472(v3, samples, change):
    answer = get(v3, GREEKS, **{**ASKED, **change})

    assert (answer.status_code, answer.text) == (472, (samples / "error_v3_472.txt").read_text().rstrip("\n"))
    assert answer.headers["content-type"] == "text/plain"


def test_v2_paths_are_gone(v3, samples):
    answer = get(v3, "/v2/bulk_hist/option/greeks", root="SPXW")

    assert (answer.status_code, answer.text) == (
        410,
        (samples / "error_v3_410_path.txt").read_text().rstrip("\n"),
    )


def test_v2_names_are_gone(v3, samples):
    genuine = dict(
        line.split(": ", 1)
        for line in (samples / "v3_live_error_410_v2_param.http_headers.txt").read_text().splitlines()[1:]
    )

    answer = get(v3, "/v3/option/list/strikes", symbol="AAPL", exp="20250221", format="json")

    assert answer.status_code == 410
    assert answer.content == (samples / "v3_live_error_410_v2_param.txt").read_bytes()
    assert {name.lower() for name in answer.headers} == set(genuine) | {"date"}
    for name in ("content-length", "content-type", "server"):
        assert answer.headers[name] == genuine[name]


def test_large_bodies_are_chunked_and_small_ones_are_not(v3):
    large, small = get(v3, GREEKS, **ASKED), get(v3, "/v3/option/list/symbols")

    assert large.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in large.headers
    assert small.headers["content-length"] == str(len(small.content))


def test_unknown_paths_are_404(v3):
    assert get(v3, "/v3/option/list/contracts", date="20240102").status_code == 404


@pytest.mark.parametrize("kind", ["csv", "json", "ndjson"])
def test_the_calendar_of_a_holiday(docs, samples, kind):
    answer = get(docs, "/v3/calendar/on_date", date="20251225", format=kind)

    sample = samples / f"v3_calendar_on_date.20251225.{kind}"
    genuine = sample.read_bytes() if sample.exists() else b'{"type":"full_close","open":null,"close":null}'
    assert answer.content == genuine


def test_the_calendar_of_a_year(v3):
    rows = get(v3, "/v3/calendar/year_holidays", year="2024", format="json").json()["response"]

    kinds = {row["date"]: (row["type"], row["close"]) for row in rows}
    assert kinds["2024-12-24"] == ("early_close", "13:00:00")
    assert kinds["2024-12-25"] == ("full_close", None)
    assert len(kinds) == 13


def test_today_is_the_terminal_s_own():
    with running(Settings(size="tiny", today=date(2024, 7, 6))) as terminal:
        assert get(terminal, "/v3/calendar/today").content == b"type,open,close\r\nweekend,,\r\n"


def test_a_day_after_today_does_not_exist_yet():
    with running(Settings(size="tiny", today=DAY)) as terminal:
        today = get(terminal, GREEKS, **ASKED)
        tomorrow = get(terminal, GREEKS, **{**ASKED, "date": f"{DAY + timedelta(days=1):%Y%m%d}"})

    assert (today.status_code, tomorrow.status_code) == (200, 472)
