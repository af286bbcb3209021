"""The end-of-day report: the genuine shapes, and every contract that was quoted."""

import json
import re
from datetime import date

import polars as pl
import pytest
from tests.unit.simulator.test_faults import FORMATS, records
from tests.unit.simulator.test_habits import DAY, TODAY, eod, get

from theta_simulator import Settings, lists, running, sessions

V3 = "/v3/option/history/eod"
V2 = "/v2/bulk_hist/option/eod"


def keys(document):
    """Return the keys of a v3 answer's contract and row, in their order."""
    [item, *_] = document["response"]
    return list(item["contract"]), list(item["data"][0])


def test_v3_csv_is_the_genuine_one(v3, samples):
    found = get(v3, eod("v3", "SPXW")).content.splitlines()
    genuine = (samples / "v3_live_option_history_eod.AAPL_20250718_300.csv").read_bytes().splitlines()

    assert found[0] == genuine[0]
    assert {shape(line) for line in found[1:]} == {shape(line) for line in genuine[1:]}


def shape(line):
    """Return a line with a 9 for each run of digits before a point, and for each digit behind it."""
    text = re.sub(r"SPXW|AAPL", "ROOT", re.sub(r"CALL|PUT", "RIGHT", line.decode()))
    return re.sub(r"(?<![.\d])\d+", "9", re.sub(r"(?<=[.\d])\d(?=[\d]*(,|$))", "9", text))


@pytest.mark.parametrize("style", ["live", "docs"])
def test_v3_json_is_the_genuine_one(style, v3, docs, samples):
    genuine = json.loads((samples / "v3_option_history_eod.AAPL_20241115_170C.json").read_text())
    line = json.loads((samples / "v3_option_history_eod.AAPL_20241115_170C.ndjson").read_text())
    terminal = {"live": v3, "docs": docs}[style]

    assert keys(get(terminal, eod("v3", "SPXW"), format="json").json()) == keys(genuine)
    found = get(terminal, eod("v3", "SPXW"), format="ndjson")
    assert list(json.loads(found.text.splitlines()[0])) == list(line)
    assert found.headers["content-type"] == "application/x-ndjson"


def test_v2_json_is_the_genuine_one(v2, samples):
    genuine = json.loads((samples / "v2_bulk_hist_option_eod.AAPL_20240119.json").read_text())

    found = get(v2, eod("v2", "SPXW"), use_csv="false").json()

    assert found["header"]["format"] == genuine["header"]["format"]
    assert list(found["response"][0]["contract"]) == list(genuine["response"][0]["contract"])
    assert len(found["response"][0]["ticks"][0]) == len(genuine["response"][0]["ticks"][0])
    names = get(v2, eod("v2", "SPXW")).text.splitlines()[0].split(",")
    assert names == ["root", "expiration", "strike", "right", *genuine["header"]["format"]]


@pytest.mark.parametrize("wire", FORMATS)
def test_every_contract_quoted_that_day_is_named_once(wire, v3, v2):
    api, spelling = FORMATS[wire]
    terminal = {"v3": v3, "v2": v2}[api]
    for root in ("SPX", "SPXW"):
        path, query = eod(api, root)
        found = records(get(terminal, (path, {k: v for k, v in query.items() if k != "use_csv"}), **spelling))
        named = sorted(
            (
                row["expiration"].replace("-", ""),
                round(float(row["strike"])) // (1 if api == "v3" else 1000),
                row["right"][0],
            )
            for row in found
        )
        true = terminal.market.contracts(root, DAY).sort("expiration", "strike", "right")
        assert named == [(f"{label:%Y%m%d}", strike, right) for label, strike, right in true.iter_rows()]


def test_what_traded_and_what_did_not(v3):
    found = records(get(v3, eod("v3", "SPXW")))
    traded = lists.contracts(v3.market, ["SPXW"], DAY, True, TODAY)
    was = {(f"{row[1]}", row[2], row[3]) for row in traded.iter_rows()}

    assert 0 < len(was) < len(found)
    for row in found:
        name = (row["expiration"], float(row["strike"]), row["right"][0])
        prices = [float(row[column]) for column in ("open", "high", "low", "close")]
        midnight = row["last_trade"] == "2024-01-02T00:00:00.000"
        assert midnight is (name not in was)
        assert (int(row["volume"]) == 0) is (int(row["count"]) == 0) is midnight
        assert (prices == [0.0] * 4) is midnight
        assert prices[1] == max(prices)
        assert prices[2] == min(prices)
        assert row["created"].startswith("2024-01-02T17:")


@pytest.mark.parametrize("day", [DAY, date(2024, 7, 3)])
def test_the_quote_is_that_of_the_close(day, v3):
    for item in v3.market.expirations("SPXW", day):
        found = pl.DataFrame(records(get(v3, eod("v3", "SPXW", f"{item.label:%Y%m%d}", day))))
        last = sessions.option_close(day, item.label == day)
        rows = v3.market.history("SPXW", item.label, day, sessions.MINUTE, last, last).sort("strike", "right")
        told = found.select(pl.col("strike", "bid", "ask").cast(pl.Float64), pl.col("right").str.head(1))
        assert told.sort("strike", "right").select("bid", "ask").equals(rows.select("bid", "ask"))


def test_dates_one_by_one(v3, v2):
    span = {"symbol": "SPXW", "expiration": "20240119", "start_date": "20240102", "end_date": "20240105"}
    many = records(get(v3, (V3, span)))
    each = [records(get(v3, eod("v3", "SPXW", "20240119", date(2024, 1, day)))) for day in (2, 3, 4, 5)]
    assert many == [row for rows in each for row in rows]
    one = get(v3, (V3, span | {"strike": "5035", "right": "put"}))
    assert {(row["strike"], row["right"]) for row in records(one)} == {("5035.000", "PUT")}
    older = {
        "root": "SPXW",
        "exp": "20240119",
        "start_date": "20240102",
        "end_date": "20240105",
        "use_csv": "true",
    }
    dates = [row["date"] for row in records(get(v2, (V2, older)))]
    assert sorted(set(dates)) == ["20240102", "20240103", "20240104", "20240105"]
    assert len(dates) == len(many)


@pytest.mark.parametrize(
    ("api", "change", "code"),
    [
        ("v3", {"start_date": "20240102", "end_date": "20240103", "date": ""}, 400),
        ("v3", {"expiration": ""}, 400),
        ("v3", {"expiration": "20240119", "start_date": "20240102", "end_date": "20240301", "date": ""}, 400),
        ("v3", {"symbol": "XYZ"}, 472),
        ("v3", {"date": "20240101"}, 472),
        ("v3", {"date": "20250102"}, 472),
        ("v3", {"expiration": "20240120"}, 472),
        ("v3", {"root": "SPXW"}, 410),
        ("v2", {"end_date": "20240103"}, 473),
        ("v2", {"exp": "20240119", "end_date": "20240101"}, 473),
        ("v2", {"root": "XYZ"}, 472),
        ("v2", {"start_date": "20240101", "end_date": "20240101"}, 472),
    ],
)
def test_what_is_refused(api, change, code, v3, v2):
    answer = get({"v3": v3, "v2": v2}[api], eod(api, "SPXW"), **change)

    assert (answer.status_code, answer.headers["content-type"]) == (code, "text/plain")


def test_a_long_report_comes_in_pages():
    with running(Settings(api="v2", size="tiny", today=TODAY, page_size=5)) as terminal:
        answer = get(terminal, eod("v2", "SPXW"))
        rows = records(answer)
        while (following := answer.headers["next-page"]) != "null":
            answer = get(terminal, (following.removeprefix(terminal.url), {}))
            rows += records(answer)

    assert len(rows) == len(terminal.market.contracts("SPXW", DAY)) > 5


def test_before_greeks_there_is_a_report_too(v3):
    assert get(v3, eod("v3", "SPXW", day=date(2013, 1, 2))).status_code == 200
