"""One contract by itself, from a v2 terminal: the genuine shape, and the rows it has in its chain."""

import json
from datetime import date

import polars as pl
import pytest
import requests

PATH = "/v2/hist/option/greeks"
STRIKE = 4_935_000
ASKED = {
    "root": "SPXW",
    "exp": "20240119",
    "strike": str(STRIKE),
    "right": "P",
    "start_date": "20240102",
    "end_date": "20240102",
    "ivl": "60000",
}


def get(terminal, path=PATH, **change):
    return requests.get(terminal.url + path, params=ASKED | change, timeout=30)


def test_the_json_is_the_genuine_one(v2, samples):
    genuine = json.loads((samples / "v2_hist_option_greeks.AAPL_20230915_170C.json").read_text())

    answer = get(v2).json()

    assert answer["header"]["format"] == genuine["header"]["format"]
    assert {type(value) for value in answer["response"][0]} <= {int, float}
    assert len(answer["response"][0]) == len(genuine["response"][0]) == 14
    assert answer["response"][0][0] == 34_260_000


def test_the_csv_has_the_genuine_columns_and_no_contract(v2, samples):
    genuine = (samples / "v2_hist_option_greeks.SPXW_20241024_5850C_1h.csv").read_text()

    answer = get(v2, use_csv="true")

    assert answer.text.splitlines()[0] == genuine.splitlines()[0]
    assert len(answer.content.split(b"\r\n")) == 1 + 390 + 1


def test_its_rows_are_those_of_its_chain(v2):
    whole = v2.market.history("SPXW", date(2024, 1, 19), date(2024, 1, 2), 60_000, greeks_version="v2")
    mine = whole.filter(pl.col("strike") == STRIKE / 1000, pl.col("right") == "P")

    rows = get(v2).json()["response"]

    found = [(row[0], row[1], row[2], row[12]) for row in rows]
    assert found == mine.select("ms_of_day", "bid", "ask", "underlying_price").rows()


def test_pretty_times_are_text(v2):
    row = get(v2, pretty_time="true").json()["response"][0]

    assert (row[0], row[-1]) == ("09:31:00.000", "2024-01-02")


@pytest.mark.parametrize("change", [{"strike": "4935500"}, {"exp": "20240104"}, {"start_date": "20231230"}])
def test_no_such_contract_is_472(v2, change):
    change |= {"end_date": change["start_date"]} if "start_date" in change else {}

    assert get(v2, **change).status_code == 472


@pytest.mark.parametrize("change", [{"strike": ""}, {"strike": "4935.5"}, {"right": ""}, {"right": "put"}])
def test_a_contract_that_is_not_named_is_473(v2, change):
    assert get(v2, **change).status_code == 473
