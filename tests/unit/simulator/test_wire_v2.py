"""v2 bytes: envelope, pages, listings, against genuine payloads and the market's frames."""

import io
import json
from datetime import date

import polars as pl
import pytest
import requests
from polars.testing import assert_frame_equal

from theta_simulator import Settings, listing, running, sessions
from theta_simulator.answers import JSON, Paged, Refusal
from theta_simulator.pages import Page, Pages

DAY = date(2024, 1, 2)
LABEL = date(2024, 1, 19)
GREEKS = "/v2/bulk_hist/option/greeks"
ASKED = {
    "root": "SPXW",
    "exp": "20240119",
    "start_date": "20240102",
    "end_date": "20240102",
    "ivl": "60000",
}


def get(terminal, path, **query):
    return requests.get(terminal.url + path, params=query, timeout=30)


def pages_of(terminal, **query):
    """Follow next-page to the end."""
    answers = [get(terminal, GREEKS, **{**ASKED, **query})]
    while answers[-1].headers["next-page"] != "null":
        answers.append(requests.get(answers[-1].headers["next-page"], timeout=30))
    return answers


def rows_of(answers):
    """Return the rows of JSON pages, with their contracts."""
    return [
        (item["contract"]["strike"], item["contract"]["right"], *tick)
        for answer in answers
        for item in answer.json()["response"]
        for tick in item["ticks"]
    ]


def test_the_envelope_is_the_genuine_one(v2, samples):
    genuine = json.loads((samples / "v2_bulk_hist_option_greeks.AAPL_20230915.json").read_text())

    answer = get(v2, GREEKS, **{**ASKED, "ivl": "3600000"}).json()

    assert set(answer["header"]) == {"latency_ms", "format", "next_page"}
    assert answer["header"]["next_page"] == "null"
    assert answer["header"]["format"] == genuine["header"]["format"]
    ours, theirs = answer["response"][0], genuine["response"][0]
    assert list(ours) == list(theirs)
    assert list(ours["contract"]) == list(theirs["contract"])
    assert ours["contract"]["strike"] % 1000 == 0
    assert len(ours["ticks"][0]) == len(theirs["ticks"][0]) == 14


def test_numbers_are_in_their_shortest_form(v2):
    text = get(v2, GREEKS, **{**ASKED, "ivl": "3600000"}).text

    numbers = text[text.index("[[") :].replace("[", " ").replace("]", " ").replace(",", " ").split()
    decimals = [word for word in numbers if "." in word]
    assert decimals
    assert not [word for word in decimals if word.endswith("0")]


@pytest.mark.parametrize("use_csv", ["true", "false"])
def test_headers_are_the_recorded_ones(v2, samples, use_csv):
    sample = "v2_hist_stock_quote.AAPL_20241107" if use_csv == "true" else "v2_list_expirations.AAPL"
    genuine = (samples / f"{sample}.http_headers.txt").read_text().splitlines()[1:]

    answer = get(v2, GREEKS, **{**ASKED, "ivl": "3600000", "use_csv": use_csv})

    names = {name.lower() for name in answer.headers}
    assert names == {line.split(":")[0].lower() for line in genuine}
    assert answer.raw.version == 11
    assert answer.reason == "OK"


def test_pages_join_into_the_market_s_rows(v2):
    truth = v2.market.history("SPXW", LABEL, DAY, sessions.MINUTE, greeks_version="v2")

    answers = pages_of(v2)

    rows = rows_of(answers)
    assert len(answers) == -(-len(truth) // 1000)
    assert [len(rows_of([answer])) for answer in answers[:-1]] == [1000] * (len(answers) - 1)
    schema = ["strike", "right", *answers[0].json()["header"]["format"]]
    read = pl.DataFrame(rows, schema=schema, orient="row", infer_schema_length=None)
    read = read.rename({"ms_of_day2": "underlying_ms"}).with_columns(pl.col("strike") / 1000)
    assert set(read["date"]) == {20240102}
    assert_frame_equal(read.select(truth.columns).cast(dict(truth.schema)), truth, check_exact=True)


def test_each_csv_page_has_a_header_and_the_same_rows(v2):
    answers = pages_of(v2, use_csv="true")

    heads = {answer.content.split(b"\r\n")[0] for answer in answers}
    frames = [pl.read_csv(io.BytesIO(answer.content), infer_schema_length=None) for answer in answers]
    fields = b"ms_of_day,bid,ask,delta,theta,vega,rho,epsilon,lambda,implied_vol,iv_error"
    assert heads == {b"root,expiration,strike,right," + fields + b",ms_of_day2,underlying_price,date"}
    assert all(answer.content.endswith(b"\r\n") for answer in answers)
    ours = pl.concat(frames).drop("root", "expiration").rows()
    assert ours == [tuple(row) for row in rows_of(pages_of(v2))]
    line = answers[0].text.splitlines()[1].split(",")
    assert line[:3] == ["SPXW", "20240119", str(int(float(line[2])))]
    assert [len(field.partition(".")[2]) for field in (*line[5:15], line[16])] == [4] * 11


def test_a_contract_may_continue_on_the_next_page(v2):
    first, second = pages_of(v2)[:2]

    last, following = first.json()["response"][-1], second.json()["response"][0]
    assert last["contract"] == following["contract"]
    assert last["ticks"][-1][0] + 60_000 == following["ticks"][0][0]


def test_page_numbers_are_the_terminal_s_and_used_once(v2):
    numbers = [
        int(get(v2, GREEKS, **ASKED).json()["header"]["next_page"].rpartition("/")[2]) for _ in range(2)
    ]

    assert numbers[1] == numbers[0] + 1
    assert get(v2, f"/v2/page/{numbers[0]}").status_code == 200
    again = get(v2, f"/v2/page/{numbers[0]}")
    assert (again.status_code, again.reason) == (477, "NO_PAGE_FOUND")


def test_pages_expire_only_when_many_wait():
    clock = [0.0]
    pages = Pages(shelf=3, expire_ms=10_000, latency_ms=0, now=lambda: clock[0])
    first = Page(Paged(JSON, None, (b"1", b"2"), ""), 0, "what was asked")

    pages.hand_out(first, "")
    clock[0] = 60.0
    pages.hand_out(first, "")
    assert pages.hand_out(pages.find("1"), "").body[1] == b"2"
    for _ in range(2):
        pages.hand_out(first, "")
    clock[0] = 120.0
    with pytest.raises(Refusal, match="2"):
        pages.find("2")


def test_pretty_times(v2):
    tick = get(v2, GREEKS, **ASKED, pretty_time="true").json()["response"][0]["ticks"][0]

    assert (tick[0], tick[-1]) == ("09:31:00.000", "2024-01-02")
    assert tick[-3].startswith("09:30:59.")


def test_rows_without_regular_hours_start_on_the_hour(v2):
    ticks = get(v2, GREEKS, **{**ASKED, "ivl": "3600000", "rth": "false"}).json()["response"][0]["ticks"]

    assert [tick[0] // sessions.HOUR for tick in ticks] == [10, 11, 12, 13, 14, 15, 16]
    assert all(tick[0] % sessions.HOUR == 0 for tick in ticks)


def test_a_named_window_wins(v2):
    query = {**ASKED, "ivl": "3600000", "start_time": "45000000", "end_time": "53940000"}

    ticks = get(v2, GREEKS, **query).json()["response"][0]["ticks"]

    assert [tick[0] for tick in ticks] == [45_000_000, 48_600_000, 52_200_000]


def test_several_days_stay_with_their_contract(v2):
    query = {**ASKED, "start_date": "20240116", "end_date": "20240117", "ivl": "3600000"}

    items = get(v2, GREEKS, **query).json()["response"]

    contracts = [json.dumps(item["contract"]) for item in items]
    assert len(set(contracts)) == len(contracts)
    assert {tick[-1] for item in items for tick in item["ticks"]} == {20240116, 20240117}


def test_expirations_are_integers_and_not_compact(v2):
    answer = get(v2, "/v2/list/expirations", root="SPXW")

    dates = answer.json()["response"]
    assert dates == sorted(dates)
    assert dates[0] == 20120601
    # The genuine list of 673 dates has 12 bytes for each.
    assert len(answer.content) == pytest.approx(12 * len(dates), abs=80)


def test_listings_in_csv_have_one_word_and_a_value_a_line(v2):
    answer = get(v2, "/v2/list/strikes", root="SPXW", exp="20240119", use_csv="true")

    lines = answer.content.split(b"\r\n")
    strikes = [int(line) for line in lines[1:-1]]
    assert (lines[0], lines[-1]) == (b"strike", b"")
    assert strikes == sorted(strikes)
    assert all(strike % 5000 == 0 for strike in strikes)


def test_roots_and_dates(v2):
    assert get(v2, "/v2/list/roots/option").json()["response"] == list(listing.EVERY_ROOT)
    assert (
        get(v2, "/v2/list/dates/option/quote", root="SPXW", exp="20240102").json()["response"][-1] == 20240102
    )


def test_contracts_have_the_genuine_shape(v2, samples):
    genuine = json.loads((samples / "v2_list_contracts_option_quote.AAPL_20230512.json").read_text())

    answer = get(v2, "/v2/list/contracts/option/quote", start_date="20240102", root="SPXW,SPX").json()

    listed = [tuple(row) for row in answer["response"]]
    assert answer["header"]["format"] == genuine["header"]["format"]
    assert [type(value) for value in listed[0]] == [type(value) for value in genuine["response"][0]]
    assert listed != sorted(listed)
    assert {row[0] for row in listed} == {"SPX", "SPXW"}


def test_no_contracts_names_the_date(v2):
    answer = get(v2, "/v2/list/contracts/option/quote", start_date="20240101", root="SPXW")

    assert (answer.status_code, answer.text) == (472, ":No listed contracts for the date: 20240101")


def test_no_data_is_472(v2, samples):
    answer = get(v2, GREEKS, **{**ASKED, "start_date": "20240101", "end_date": "20240101"})

    assert (answer.status_code, answer.text) == (
        472,
        (samples / "error_v2_472_hist.txt").read_text().rstrip("\n"),
    )


@pytest.mark.parametrize("change", [{"exp": "0"}, {"exp": ""}, {"ivl": "1m"}, {"start_date": "20240103"}])
def test_bad_parameters_are_473(v2, change):
    answer = get(v2, GREEKS, **{**ASKED, **change})

    assert answer.status_code == 473
    assert len(answer.text.splitlines()) == 1


def test_other_paths_are_404(v2):
    assert get(v2, "/v3/option/list/symbols").status_code == 404
    assert get(v2, "/v2/hist/option/nothing").status_code == 404


def test_large_pages_are_one_page():
    with running(Settings(api="v2", size="tiny", today=DAY)) as terminal:
        assert len(pages_of(terminal)) == 1
