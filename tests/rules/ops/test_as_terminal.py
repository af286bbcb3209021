"""A lake as a terminal: what is filled from it is the lake, bit for bit; the rest is refused in words."""

import contextlib
import csv
import dataclasses
import datetime as dt
import http.client
import io
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from tests.restating import contract_of, is_history
from tests.rules.conftest import DAY, Date

from spx_data import cli, config
from spx_data.errors import MissingFileError
from spx_data.lake import verify
from spx_data.ops import recheck
from spx_data.ops.as_terminal import AsTerminal
from spx_data.ops.as_terminal.held import Held
from spx_data.ops.recheck.versions import Kind
from spx_data.ops.serving import Server
from spx_data.settings import Settings
from spx_data.store import seals

NEXT = dt.date(2024, 1, 3)


def settings_in(folder, url, **keys):
    """Return the settings of a lake in *folder*."""
    terminal = {"base_url": url, "retry_wait_factor": 0, "timeout_seconds": 30}
    terminal |= {name: keys.pop(name) for name in ("format", "greeks_version", "api") if name in keys}
    folders = {f"{each}_directory": str(folder / each) for each in ("output", "temp", "data")}
    document = {
        "thetadata": terminal,
        "processing": {"start_date": "2024-01-02"} | folders | keys,
        "database": {"path": str(folder / "status.db")},
    }
    return Settings.of(config.resolve(document, {}))


def filled(folder, url, *dates, **keys):
    """Return the settings of a lake that is filled from *url*."""
    settings = settings_in(folder, url, **keys)
    for date in dates or (DAY,):
        Date(settings, date).fill()
    return settings


@contextlib.contextmanager
def serving(*lakes):
    """The address of a server that answers from *lakes*."""
    site = AsTerminal({settings.product.symbol: Held(settings) for settings in lakes})
    with Server("127.0.0.1", 0, site) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture(scope="module")
def lakes(tmp_path_factory, terminals):
    """Return the lake of a kind of records, filled once from the simulated terminal."""
    known = {}

    def of(records):
        if records not in known:
            folder = tmp_path_factory.mktemp(records)
            known[records] = filled(folder, terminals["v3"].url, records=records)
        return known[records]

    return of


@pytest.fixture(scope="module")
def served(lakes):
    """Return the address of a server of the lake of a kind of records."""
    known, stack = {}, contextlib.ExitStack()

    def at(records):
        if records not in known:
            known[records] = stack.enter_context(serving(lakes(records)))
        return known[records]

    with stack:
        yield at


def ask(url, path, method="GET", **query):
    """Return the status, the headers (but for the moment) and the body of an answer."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    words = "&".join(f"{name}={value}" for name, value in query.items())
    connection.request(method, f"{path}?{words}")
    answer = connection.getresponse()
    del answer.headers["Date"]  # answers of two moments may be one
    found = answer.status, dict(answer.headers), answer.read().decode()
    connection.close()
    return found


def rows(body):
    return list(csv.DictReader(io.StringIO(body)))


FIRST_ORDER = "/v3/option/history/greeks/first_order"
USUAL = {
    "symbol": "SPXW",
    "expiration": "2024-01-03",
    "date": "2024-01-02",
    "interval": "1m",
    "start_time": "09:30:00",
    "end_time": "16:00:00",
}


# Filled from a lake -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "form"),
    [
        ("greeks", "csv"),
        ("greeks", "json"),
        ("greeks", "ndjson"),
        ("greeks-all", "csv"),
        ("quotes", "csv"),
        ("quotes", "json"),
    ],
)
def test_a_lake_that_is_filled_from_a_lake_is_that_lake(records, form, lakes, served, tmp_path):
    first = lakes(records)

    second = filled(tmp_path, served(records), records=records, format=form)

    assert second.layout.parquet(DAY).read_bytes() == first.layout.parquet(DAY).read_bytes()
    passports = [Date(each).passport() for each in (first, second)]
    for name in ("completeness", "quality", "nulls", "underlying", "records_sha256", "session", "listing"):
        assert passports[0][name] == passports[1][name], name
    assert [one.standing for one in verify.verify(second, None).days] == [verify.Standing.HEALTHY]


def odd(path, query, rows):
    """Put values into one chain that are rare: absent, tiny, long, below zero, and of another season."""
    if is_history(path) and (query["symbol"], query["expiration"]) == ("SPXW", "2024-01-03"):
        rows[3] |= {"lambda": "", "rho": "-0.0", "vega": "1e-07", "theta": "-123456.0123456789"}
        rows[4] |= {"underlying_timestamp": "2023-11-03T15:59:59.999", "implied_vol": "0.1000000000000000055"}
        rows[5] |= {"underlying_timestamp": "", "underlying_price": "NaN", "bid": "0.30000000000000004"}
    return rows


@pytest.mark.parametrize("form", ["csv", "json", "ndjson"])
def test_what_is_absent_and_every_digit_come_through(form, source, tmp_path):
    proxy = source("v3")
    proxy.edit = odd
    first = filled(tmp_path / "a", proxy.url, interval="30m")

    with serving(first) as url:
        second = filled(tmp_path / "b", url, interval="30m", format=form)

    sealed = pl.read_parquet(first.layout.parquet(DAY))
    assert sealed["lambda"].null_count() == sealed["underlying_price"].null_count() == 1
    assert (sealed["vega"] == 1e-7).sum() == 1
    assert second.layout.parquet(DAY).read_bytes() == first.layout.parquet(DAY).read_bytes()


def test_contracts_without_records_stay_listed_and_explained(source, tmp_path):
    def without(path, query, rows):
        if not is_history(path) or (query["symbol"], query["expiration"]) != ("SPXW", "2024-01-03"):
            return rows
        gone.update([contract_of(rows[0]), contract_of(rows[-1])] if not gone else [])
        return [row for row in rows if contract_of(row) not in gone] or None

    gone = set()

    proxy = source("v3")
    proxy.edit = without
    first = filled(tmp_path / "a", proxy.url, interval="30m")
    with serving(first) as url:
        second = filled(tmp_path / "b", url, interval="30m")

    one, other = (Date(each).passport() for each in (first, second))
    assert one["completeness"] == other["completeness"]
    assert one["completeness"]["contracts_explained"] == 2
    assert second.layout.parquet(DAY).read_bytes() == first.layout.parquet(DAY).read_bytes()


def test_a_chain_without_records_is_less_explained_as_no_report_of_the_day_is_held(source, tmp_path):
    def without(path, query, rows):
        if is_history(path) and (query["symbol"], query["expiration"]) == ("SPXW", "2024-01-03"):
            return None
        if path.endswith("/eod"):
            return [row for row in rows if "2024-01-03" not in row["expiration"]]
        return rows

    proxy = source("v3")
    proxy.edit = without
    first = filled(tmp_path / "a", proxy.url, interval="30m")
    with serving(first) as url:
        second = filled(tmp_path / "b", url, interval="30m")

    states = [
        [(each["listed"], each["state"]) for each in Date(lake).passport()["chains"] if not each["rows"]]
        for lake in (first, second)
    ]
    assert states == [[("2024-01-03", "whole")], [("2024-01-03", "unavailable")]]
    assert second.layout.parquet(DAY).read_bytes() == first.layout.parquet(DAY).read_bytes()


def test_expirations_that_are_listed_under_a_saturday_stay_so(terminals, tmp_path):
    date = dt.date(2014, 1, 15)
    keys = {"records": "quotes", "interval": "1h", "start_date": "2014-01-02", "roots": ["SPX"]}
    first = filled(tmp_path / "a", terminals["v3"].url, date, **keys)

    with serving(first) as url:
        second = filled(tmp_path / "b", url, date, **keys)
        friday = ask(url, "/v3/option/list/dates/quote", symbol="SPX", expiration="2014-01-17")
        saturday = ask(url, "/v3/option/list/dates/quote", symbol="SPX", expiration="2014-01-18")

    assert "2014-01-18" in [each["listed"] for each in Date(first, date).passport()["chains"]]
    assert second.layout.parquet(date).read_bytes() == first.layout.parquet(date).read_bytes()
    assert (friday[0], saturday[0]) == (472, 200)


@pytest.mark.parametrize(
    "keys", [{"interval": "15m"}, {"start_time": "10:01:00", "end_time": "15:00:00"}, {"max_dte": 3}]
)
@pytest.mark.parametrize("records", ["greeks", "quotes"])
def test_a_lake_of_less_can_be_filled_from_one_of_more(records, keys, served, terminals, tmp_path):
    from_lake = filled(tmp_path / "a", served(records), records=records, **keys)
    from_terminal = filled(tmp_path / "b", terminals["v3"].url, records=records, **keys)

    found, wanted = (each.layout.parquet(DAY).read_bytes() for each in (from_lake, from_terminal))
    assert found == wanted


def test_a_lake_of_all_greeks_has_those_of_the_first_order(lakes, served, tmp_path):
    second = filled(tmp_path, served("greeks-all"), records="greeks")

    assert second.layout.parquet(DAY).read_bytes() == lakes("greeks").layout.parquet(DAY).read_bytes()


@pytest.mark.parametrize("records", ["greeks", "quotes"])
def test_recheck_finds_nothing_against_the_lake_itself(records, lakes, served):
    settings = lakes(records)
    terminal = dataclasses.replace(settings.terminal, base_url=served(records))

    (outcome,) = recheck.recheck(dataclasses.replace(settings, terminal=terminal))

    assert (outcome.finding.kind, outcome.error) == (Kind.UNCHANGED, None)


def test_symbols_are_answered_side_by_side(terminals, tmp_path):
    keys = {"interval": "1h"}
    spx = filled(tmp_path / "spx", terminals["v3"].url, roots=["SPX"], **keys)
    xsp = filled(tmp_path / "xsp", terminals["v3"].url, symbol="XSP", **keys)

    with serving(spx, xsp) as url:
        second = filled(tmp_path / "b", url, symbol="XSP", **keys)
        symbols = ask(url, "/v3/option/list/symbols")[2].split()
        both = rows(ask(url, "/v3/option/list/contracts/quote", date=DAY)[2])

    assert second.layout.parquet(DAY).read_bytes() == xsp.layout.parquet(DAY).read_bytes()
    assert symbols == ["symbol", '"SPX"', '"XSP"']
    assert {row["symbol"] for row in both} == {"SPX", "XSP"}


# Questions and answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["mdds", "fpss"])
def test_its_status_is_a_word(path, served):
    status, headers, body = ask(served("greeks"), f"/v3/terminal/{path}/status")

    assert (status, body) == (200, {"mdds": "CONNECTED", "fpss": "DISCONNECTED"}[path])
    assert headers["Content-Type"].startswith("text/plain")


def test_each_format_says_the_same(served):
    told = {
        form: ask(served("greeks"), FIRST_ORDER, **USUAL, format=form) for form in ("csv", "json", "ndjson")
    }

    table = pl.read_csv(io.StringIO(told["csv"][2]))
    lines = [json.loads(line) for line in told["ndjson"][2].splitlines()]
    nested = json.loads(told["json"][2])["response"]
    flat = [each["contract"] | row for each in nested for row in each["data"]]
    assert table.to_dicts() == lines == flat
    assert len(lines) > 1000 and len(nested) == table.select("strike", "right").n_unique()
    kinds = [headers["Content-Type"] for _, headers, _ in told.values()]
    assert kinds == ["text/csv", "application/json", "application/x-ndjson"]


def test_one_contract_or_one_right_is_part_of_the_chain(served):
    whole = rows(ask(served("greeks"), FIRST_ORDER, **USUAL)[2])

    strike = whole[-1]["strike"]
    one = rows(ask(served("greeks"), FIRST_ORDER, **USUAL, strike=strike, right="call")[2])
    puts = rows(ask(served("greeks"), FIRST_ORDER, **USUAL, right="P")[2])

    assert one == [row for row in whole if (row["strike"], row["right"]) == (strike, "CALL")] != []
    assert puts == [row for row in whole if row["right"] == "PUT"] != []


def test_a_month_is_its_sealed_days_and_one_that_is_missing_between_is_none(terminals, tmp_path):
    last = dt.date(2024, 1, 5)
    settings = filled(tmp_path, terminals["v3"].url, DAY, NEXT, last, interval="1h", roots=["SPX"])
    span = {name: USUAL[name] for name in ("start_time", "end_time")} | {"symbol": "SPX", "interval": "1h"}
    span |= {"expiration": "2024-01-19", "start_date": "20240101"}

    with serving(settings) as url:
        two = rows(ask(url, FIRST_ORDER, **span, end_date="20240103")[2])
        gap = ask(url, FIRST_ORDER, **span, end_date="20240105")
        long = ask(url, FIRST_ORDER, **span, end_date="20240301")

    assert {row["timestamp"][:10] for row in two} == {"2024-01-02", "2024-01-03"}
    assert gap[0] == 472 and "2024-01-04" in gap[2]
    assert long[0] == 400


def test_lists_are_of_what_is_sealed(served, lakes):
    url, listed = served("greeks"), Date(lakes("greeks")).passport()["chains"]
    expirations = rows(ask(url, "/v3/option/list/expirations", symbol="SPXW")[2])
    strikes = rows(ask(url, "/v3/option/list/strikes", symbol="SPXW", expiration="20240103")[2])
    dates = rows(ask(url, "/v3/option/list/dates/quote", symbol="SPXW", expiration="2024-01-03")[2])
    near = rows(ask(url, "/v3/option/list/contracts/quote", symbol="SPXW", date="20240102", max_dte=1)[2])

    assert [row["expiration"] for row in expirations] == [
        each["listed"] for each in listed if each["root"] == "SPXW"
    ]
    sealed = pl.read_parquet(lakes("greeks").layout.parquet(DAY)).filter(
        pl.col("root").cast(pl.String) == "SPXW", pl.col("expiration") == NEXT
    )
    assert [float(row["strike"]) for row in strikes] == sealed["strike"].unique().sort().to_list()
    assert dates == [{"date": "2024-01-02"}]
    assert {row["expiration"] for row in near} <= {"2024-01-02", "2024-01-03"} and near


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("2024-01-02", {"type": "open", "open": "09:30:00", "close": "16:00:00"}),  # sealed
        ("2024-01-06", {"type": "weekend", "open": "", "close": ""}),
        ("2024-03-29", {"type": "full_close", "open": "", "close": ""}),
        ("2024-07-03", {"type": "early_close", "open": "09:30:00", "close": "13:00:00"}),
    ],
)
def test_the_calendar_is_the_stock_markets(date, told, served, terminals):
    path = "/v3/calendar/on_date"
    assert rows(ask(served("greeks"), path, date=date)[2]) == [told]
    assert rows(ask(terminals["v3"].url, path, date=date)[2]) == [told]


def test_the_holidays_of_a_year_are_those_of_a_terminal(served, terminals):
    path = "/v3/calendar/year_holidays"
    found, wanted = (ask(url, path, year=2024)[2] for url in (served("greeks"), terminals["v3"].url))

    assert rows(found) == rows(wanted)
    assert ask(served("greeks"), path, year=1815)[0] == 472


# Refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "says", "changes"),
    [
        (472, "2024-01-03 is not sealed", {"date": "2024-01-03"}),
        (472, "no records of SPXW 2024-01-06", {"expiration": "20240106"}),
        (472, "no records", {"strike": "4700.25"}),
        (403, "There is no lake of SPY here, only of SPX, SPXW", {"symbol": "SPY"}),
        (403, "every 1m from 09:30:00 to 16:00:00", {"interval": "30s"}),
        (403, "every 1m", {"interval": "tick"}),
        (403, "every 1m", {"interval": ""}),
        (403, "within these", {"start_time": "09:29:00"}),
        (403, "within these", {"end_time": "16:15:00"}),
        (403, "one of them", {"start_time": "09:30:30"}),
        (403, "greeks of version latest, not of 1", {"version": "1"}),
        (403, "leave annual_dividend, rate_value out", {"annual_dividend": "2", "rate_value": "5"}),
        (400, "Invalid interval: 60000", {"interval": "60000"}),
        (400, "Missing required parameter: symbol", {"symbol": ""}),
        (400, "Invalid date: 2024-1-2", {"date": "2024-1-2"}),
        (400, "Cannot specify '*' for the expiration", {"expiration": "*"}),
        (400, "Invalid right: x", {"right": "x"}),
        (400, "Invalid strike: much", {"strike": "much"}),
        (400, "Invalid format: html", {"format": "html"}),
        (400, "Start must be before end", {"start_time": "12:00:00", "end_time": "11:00:00"}),
        (400, "Invalid max_dte: -1", {"max_dte": "-1"}),
        (410, "ivl is interval now", {"ivl": "60000"}),
    ],
)
def test_what_cannot_be_answered_is_a_status_and_a_sentence(status, says, changes, served):
    found, headers, body = ask(served("greeks"), FIRST_ORDER, **USUAL | changes)

    assert (found, headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert says in body and "\n" not in body


@pytest.mark.parametrize(
    ("status", "says", "path"),
    [
        (403, "This lake holds greeks", "/v3/option/history/quote"),
        (403, "This lake holds greeks", "/v3/option/history/greeks/all"),
        (403, "none of what a lake can answer", "/v3/option/history/trade"),
        (403, "none of what a lake can answer", "/v3/stock/history/eod"),
        (472, "hold no whole end-of-day report", "/v3/option/history/eod"),
        (410, "API v3 alone", "/v2/hist/option/quote"),
        (404, "Not found", "/etc/passwd"),
    ],
)
def test_a_path_that_the_lake_cannot_answer_is_refused(status, says, path, served):
    found, _, body = ask(served("greeks"), path, **USUAL)

    assert found == status and says in body


def test_a_quote_is_no_greek(served):
    found, _, body = ask(served("quotes"), FIRST_ORDER, **USUAL)

    assert found == 403 and "This lake holds quotes" in body


def test_a_whole_date_of_quotes_is_all_of_its_chains(served, lakes):
    whole = USUAL | {"expiration": "*"}
    told = rows(ask(served("quotes"), "/v3/option/history/quote", **whole)[2])
    near = rows(ask(served("quotes"), "/v3/option/history/quote", **whole, max_dte=1)[2])
    several = whole | {"date": "", "start_date": "20240102", "end_date": "20240103"}

    sealed = pl.read_parquet(lakes("quotes").layout.parquet(DAY))
    weekly = sealed.filter(pl.col("root").cast(pl.String) == "SPXW")
    assert len(told) == len(weekly)
    assert {row["expiration"] for row in near} == {"2024-01-02", "2024-01-03"}
    assert ask(served("quotes"), "/v3/option/history/quote", **several)[0] == 400


INTEREST = "/v3/option/history/open_interest"


@pytest.mark.parametrize("form", ["csv", "json", "ndjson"])
def test_open_interest_is_that_of_the_days_contracts(form, served, lakes):
    one, _, body = ask(served("greeks"), INTEREST, **USUAL, format=form)
    whole = rows(ask(served("greeks"), INTEREST, **USUAL | {"expiration": "*"})[2])

    layout = lakes("greeks").layout
    sealed = pl.read_parquet(layout.contracts(DAY)).drop_nulls("open_interest")
    weekly = sealed.filter(pl.col("root").cast(pl.String) == "SPXW")
    chain = weekly.filter(pl.col("expiration") == NEXT).sort("strike", "right")
    found = {
        "csv": lambda: rows(body),
        "ndjson": lambda: list(map(json.loads, body.splitlines())),
        "json": lambda: [
            each["contract"] | row for each in json.loads(body)["response"] for row in each["data"]
        ],
    }[form]()
    told = sorted((float(row["strike"]), row["right"][0], int(row["open_interest"])) for row in found)
    assert one == 200 and len(told) > 5
    wanted = chain.with_columns(pl.col("right").cast(pl.String))
    assert told == sorted(wanted.select("strike", "right", "open_interest").rows())
    assert {row["timestamp"] for row in found} == {"2024-01-02T00:00:00.000"}
    assert len(whole) == len(weekly)


def test_open_interest_of_a_copy_is_that_of_the_lake(lakes, served, tmp_path):
    second = filled(tmp_path, served("greeks"))

    key = ["root", "expiration", "strike", "right", "open_interest", "stamps", "state"]
    one, other = (pl.read_parquet(each.layout.contracts(DAY)) for each in (lakes("greeks"), second))
    assert one.select(key).equals(other.select(key))
    assert one["volume"].null_count() < len(one) and other["volume"].null_count() == len(other)


def test_contracts_that_were_damaged_or_never_sealed_are_told_apart(terminals, tmp_path):
    settings = filled(tmp_path, terminals["v3"].url, interval="1h", roots=["SPXW"])
    path, good = settings.layout.parquet(DAY), settings.layout.contracts(DAY).read_bytes()

    with serving(settings) as url:
        settings.layout.contracts(DAY).write_bytes(good[::-1])
        damaged = ask(url, INTEREST, **USUAL)
        seals.write_sidecar(path, seals.read(path)._replace(contracts=None))
        without = ask(url, INTEREST, **USUAL)

    assert damaged[0] == 500 and "the sidecar says" in damaged[2]
    assert without[0] == 472 and "was sealed without its contracts" in without[2]


def test_a_damaged_day_is_trouble_and_one_that_is_sealed_anew_is_answered(terminals, tmp_path):
    settings = filled(tmp_path, terminals["v3"].url, interval="1h", roots=["SPXW"])
    path, hourly = settings.layout.parquet(DAY), USUAL | {"interval": "1h"}
    good = path.read_bytes()

    with serving(settings) as url:
        before = ask(url, FIRST_ORDER, **hourly)
        path.write_bytes(good[:2000] + bytes([good[2000] ^ 1]) + good[2001:])
        damaged = ask(url, FIRST_ORDER, **hourly)
        path.write_bytes(good)
        again = ask(url, FIRST_ORDER, **hourly)

    assert before == again and before[0] == 200
    assert damaged[0] == 500 and "the sidecar says" in damaged[2] and "spx-data verify" in damaged[2]


def test_it_is_looked_at_and_never_changed(lakes, served):
    settings = lakes("greeks")
    around = settings.layout.output.parent

    def files():
        cache = settings.layout.cache
        return {
            path: path.read_bytes()
            for path in around.rglob("*")
            if path.is_file() and cache not in path.parents
        }

    before = files()
    for path in (FIRST_ORDER, "/v3/option/list/expirations", "/v3/calendar/today"):
        ask(served("greeks"), path, **USUAL)
    post = ask(served("greeks"), FIRST_ORDER, "POST", **USUAL)

    assert post[0] == 405
    assert files() == before


def test_head_says_how_it_would_be_answered_and_sends_nothing(served):
    status, headers, body = ask(served("greeks"), FIRST_ORDER, "HEAD", **USUAL)

    assert (status, headers["Transfer-Encoding"], body) == (200, "chunked", "")


def test_who_cannot_tell_a_whole_answer_from_a_part_gets_none(served):
    port = int(served("greeks").rpartition(":")[2])
    query = "&".join(f"{name}={value}" for name, value in USUAL.items())
    with socket.create_connection(("127.0.0.1", port), timeout=30) as old:
        old.sendall(f"GET {FIRST_ORDER}?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while block := old.recv(1 << 16):
            answer += block

    assert answer.startswith(b"HTTP/1.0 505") and b"ask by HTTP/1.1" in answer


def test_a_strangers_page_reads_nothing(served):
    host, port = served("greeks").removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.request("GET", "/v3/option/list/symbols", headers={"Host": "rebound.example"})
    answer = connection.getresponse()

    assert answer.status == 421 and b"SPX" not in answer.read()
    connection.close()


# The command --------------------------------------------------------------------------------------------


def test_a_lake_without_a_sealed_day_answers_nothing(tmp_path):
    with pytest.raises(MissingFileError, match="holds no sealed day"):
        Held(settings_in(tmp_path, None))


@pytest.fixture
def folder(lakes, tmp_path, monkeypatch):
    """Go to a folder whose config is that of the lake of greeks; returns it."""
    layout = lakes("greeks").layout
    processing = {"start_date": "2024-01-02"}
    for name, path in (("output", layout.output), ("temp", layout.temp), ("data", layout.data)):
        processing[f"{name}_directory"] = str(path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(json.dumps({"processing": processing}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_answers_until_it_is_interrupted(folder):
    command = [Path(sys.executable).parent / "spx-data", "serve", "--as-terminal", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        told = process.stdout.readline()
        url, _, rest = told.partition(" ")
        status = ask(url, "/v3/terminal/mdds/status")[2]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()

    assert rest.startswith("answers as a terminal (v3) from ")
    assert (status, process.returncode, out.strip(), err) == ("CONNECTED", 0, "ended", "")


def test_its_port_may_be_a_terminals(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(cli.commands, ["serve", "--as-terminal", "--port", port])

    assert done.exit_code == 1
    assert f"port {port} is taken, maybe by a Theta Terminal" in done.output


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_a_terminal_answers_its_machine_alone(host, folder):
    done = CliRunner().invoke(cli.commands, ["serve", "--as-terminal", "--host", host])

    assert done.exit_code == 2
    assert "a terminal answers this machine alone" in done.output
