"""History and listings of both APIs against the market, and answers about something else."""

import datetime as dt

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from tests import schemas

from spx_data.errors import ApiDataNotFoundError, ApiResponseInvalidError, PageExpiredError, SubscriptionError
from spx_data.market import schema
from spx_data.market.chains import Chain, ListedChain, true_expiration
from spx_data.market.sessions import Window
from spx_data.sources import access, source
from spx_data.sources.theta import v3
from theta_simulator import Faults, lists

DAY = dt.date(2024, 1, 2)
EXPIRATION = dt.date(2024, 1, 19)
CHAIN = Chain("SPXW", EXPIRATION, DAY, EXPIRATION)
MINUTES = Window(dt.time(9, 30), dt.time(16), "1m")
WIRES = [("v3", "csv"), ("v3", "json"), ("v3", "ndjson"), ("v2", "csv"), ("v2", "json")]

V3_ROW = {
    "symbol": "SPXW",
    "expiration": "2024-01-19",
    "strike": "4700.000",
    "right": "CALL",
    "timestamp": "2024-01-02T09:31:00",
    **dict.fromkeys(schemas.MEASURES, "1.0000"),
    "underlying_timestamp": "2024-01-02T09:31:00",
    "underlying_price": "4750.00",
}
V2_ROW = {
    "root": "SPXW",
    "expiration": "20240119",
    "strike": "4700000",
    "right": "C",
    "ms_of_day": "34260000",
    **dict.fromkeys(schemas.MEASURES, "1.0000"),
    "ms_of_day2": "34260000",
    "underlying_price": "4750.00",
    "date": "20240102",
}


@pytest.fixture
def connected(tmp_path, terminal_settings):
    """Return a maker of sources."""

    def make(url, api, **keys):
        return access.connect(terminal_settings(url, api=api, **keys), tmp_path / "scratch")

    return make


def records(source, chain=CHAIN, window=MINUTES):
    batches = list(source.history(chain, window))
    assert all(batch.schema.equals(schemas.RECORD) for batch in batches)
    return pl.DataFrame(pa.Table.from_batches(batches)).sort(schema.RECORD_KEY)


def csv_of(*rows):
    return "".join(",".join(line) + "\r\n" for line in [list(rows[0]), *(row.values() for row in rows)])


# Against the market -------------------------------------------------------------------------------------


@pytest.mark.parametrize("api, format", WIRES)
@pytest.mark.parametrize("root, expiration", [("SPXW", DAY), ("SPXW", EXPIRATION), ("SPX", EXPIRATION)])
def test_history_is_the_market_cell_by_cell(api, format, root, expiration, terminals, connected, truth):
    chain = Chain(root, expiration, DAY, expiration)

    found = records(connected(terminals[api].url, api, format=format), chain)

    expected = truth(terminals[api], chain)
    assert len(found) > 1000
    assert_frame_equal(found, expected.select(found.columns), check_exact=True)


@pytest.mark.parametrize("style", ["live", "docs"])
def test_both_ways_of_quoting_give_the_same_history(style, simulated, connected, truth):
    terminal = simulated(style=style)

    found = records(connected(terminal.url, "v3"))

    assert_frame_equal(found, truth(terminal, CHAIN).select(found.columns), check_exact=True)


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_window_is_inclusive_at_both_ends(api, terminals, connected, truth):
    window = Window(dt.time(10), dt.time(11), "5m")

    found = records(connected(terminals[api].url, api), window=window)

    expected = truth(terminals[api], CHAIN, step_ms=300_000, start_ms=36_000_000, end_ms=39_600_000)
    assert found["timestamp"].n_unique() == 13
    assert_frame_equal(found, expected.select(found.columns), check_exact=True)


def test_the_older_greeks_model_of_v3_is_asked_for(terminals, connected, truth):
    # The models part on the day of expiration: a fixed time left, or the real one.
    chain = Chain("SPXW", DAY, DAY, DAY)

    found = records(connected(terminals["v3"].url, "v3", greeks_version="1"), chain)

    expected = truth(terminals["v3"], chain, "1").select(found.columns)
    assert_frame_equal(found, expected, check_exact=True)
    assert not found.equals(truth(terminals["v3"], chain).select(found.columns))


def test_each_api_asks_in_its_own_words(simulated, connected):
    new, old = simulated(api="v3"), simulated(api="v2")

    records(connected(new.url, "v3"))
    records(connected(old.url, "v2"))

    (asked,), (asked_old,) = new.requests(), old.requests()
    assert asked["query"] == {
        "symbol": "SPXW",
        "expiration": "2024-01-19",
        "date": "2024-01-02",
        "interval": "1m",
        "start_time": "09:30:00",
        "end_time": "16:00:00",
        "version": "latest",
        "format": "csv",
    }
    assert asked_old["query"] == {
        "root": "SPXW",
        "exp": "20240119",
        "start_date": "20240102",
        "end_date": "20240102",
        "ivl": "60000",
        "start_time": "34200000",
        "end_time": "57600000",
        "use_csv": "true",
    }


@pytest.mark.parametrize("day", [DAY, dt.date(2024, 7, 3), dt.date(2014, 6, 10)])
@pytest.mark.parametrize("root", ["SPX", "SPXW"])
@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_listing_is_the_markets(api, root, day, terminals, connected):
    found = connected(terminals[api].url, api).listing(root, day)

    assert found.left_out == {}
    listed = list(found.chains)
    found = {
        (entry.chain.listed, strike, right)
        for entry in listed
        for right, strikes in (("C", entry.calls), ("P", entry.puts))
        for strike in strikes
    }
    assert found == set(terminals[api].market.contracts(root, day).rows())
    assert {(entry.chain.root, entry.chain.date) for entry in listed} == {(root, day)}
    assert listed == sorted(listed, key=lambda entry: entry.chain)
    assert all(list(strikes) == sorted(strikes) for entry in listed for strikes in (entry.calls, entry.puts))


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_saturday_stands_for_the_friday_before(api, terminals, connected):
    (entry,) = connected(terminals[api].url, api).listing("SPX", dt.date(2014, 6, 10)).chains

    assert entry.chain.listed == dt.date(2014, 6, 21)
    assert entry.chain.expiration == dt.date(2014, 6, 20)


@pytest.mark.parametrize("day", range(16, 21))
def test_weekdays_stand_for_themselves(day):
    assert true_expiration(dt.date(2014, 6, day)) == dt.date(2014, 6, day)


def test_no_saturday_stands_for_a_friday_after_february_2015():
    assert true_expiration(dt.date(2015, 1, 17)) == dt.date(2015, 1, 16)
    assert true_expiration(dt.date(2015, 2, 28)) == dt.date(2015, 2, 27)
    assert true_expiration(dt.date(2015, 3, 7)) == dt.date(2015, 3, 7)
    assert true_expiration(dt.date(2024, 1, 20)) == dt.date(2024, 1, 20)


@pytest.mark.parametrize("api, format", WIRES)
def test_a_saturday_is_asked_for_as_it_is_listed(api, format, wire, connected):
    chain = Chain("SPX", dt.date(2014, 6, 20), dt.date(2014, 6, 10), dt.date(2014, 6, 21))
    wire.says("No data", "text/plain", 472)

    with pytest.raises(ApiDataNotFoundError):
        records(connected(wire.url, api, format=format), chain)

    assert {"v3": "expiration=2014-06-21", "v2": "exp=20140621"}[api] in wire.asked[0]


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_date_without_contracts_has_no_data(api, terminals, connected):
    source = connected(terminals[api].url, api)

    with pytest.raises(ApiDataNotFoundError):
        source.listing("SPX", dt.date(2024, 1, 1))
    with pytest.raises(ApiDataNotFoundError):
        records(source, Chain("SPX", EXPIRATION, dt.date(2024, 1, 1), EXPIRATION))


# Another thing than was asked for -----------------------------------------------------------------------


def test_the_rows_of_these_tests_are_good(wire, connected):
    wire.says(csv_of(V3_ROW))
    wire.says(csv_of(V2_ROW))

    found = records(connected(wire.url, "v3"))
    found_old = records(connected(wire.url, "v2"))

    assert found.row(0, named=True)["timestamp"] == 1_704_205_860_000  # 2024-01-02 14:31 UTC
    assert found.row(0, named=True)["strike"] == 4700
    assert_frame_equal(found, found_old)


@pytest.mark.parametrize(
    "api, change",
    [
        ("v3", {"symbol": "SPX"}),
        ("v3", {"expiration": "2024-01-26"}),
        ("v3", {"right": "CALLS"}),
        ("v3", {"right": ""}),
        ("v3", {"strike": "0.000"}),
        ("v3", {"strike": "-4700.000"}),
        ("v3", {"timestamp": "2024-01-03T09:31:00"}),
        ("v3", {"timestamp": "2024-01-01T23:59:00"}),
        ("v2", {"root": "SPX"}),
        ("v2", {"expiration": "20240126"}),
        ("v2", {"right": "X"}),
        ("v2", {"strike": "0"}),
        ("v2", {"date": "20240103"}),
        ("v2", {"date": "20241399"}),
        ("v2", {"ms_of_day": "86400001"}),
        ("v2", {"ms_of_day": "-1"}),
    ],
    ids=str,
)
def test_a_row_about_something_else_is_refused(api, change, wire, connected):
    row = V3_ROW if api == "v3" else V2_ROW
    wire.says(csv_of(row, row | change))

    with pytest.raises(ApiResponseInvalidError):
        records(connected(wire.url, api))


def test_the_end_of_the_day_is_still_the_same_day(wire, connected):
    wire.says(csv_of(V2_ROW | {"ms_of_day": "86400000"}))

    found = records(connected(wire.url, "v2"), window=Window(dt.time(0), dt.time(23, 59, 59), "1m"))

    assert found["timestamp"].to_list() == [1_704_258_000_000]  # midnight in New York


LEFT_OUT = [
    ("v3", {"symbol": "SPX"}, "foreign-root"),
    ("v3", {"expiration": "2024-01-01"}, "expired"),
    ("v3", {"expiration": "2023-12-30"}, "expired"),  # a Saturday
    ("v3", {"expiration": "2024-13-19"}, "expiration"),
    ("v3", {"expiration": "soon"}, "expiration"),
    ("v3", {"right": "X"}, "right"),
    ("v3", {"strike": "0.000"}, "strike"),
    ("v3", {"strike": "-4700.000"}, "strike"),
    ("v3", {"strike": "much"}, "unreadable"),
    ("v3", {"strike": ""}, "unreadable"),
    ("v3", {"strike": "4700.000,1"}, "unreadable"),
    ("v2", {"root": "SPX"}, "foreign-root"),
    ("v2", {"expiration": "20240101"}, "expired"),
    ("v2", {"expiration": "20241319"}, "expiration"),
    ("v2", {"expiration": "0"}, "expiration"),
    ("v2", {"expiration": "never"}, "unreadable"),
    ("v2", {"right": "X"}, "right"),
    ("v2", {"strike": "-1"}, "strike"),
    ("v2", {"strike": "x"}, "unreadable"),
]


def contract_row(api):
    columns = ["symbol" if api == "v3" else "root", "expiration", "strike", "right"]
    return {name: (V3_ROW if api == "v3" else V2_ROW)[name] for name in columns}


@pytest.mark.parametrize("api, change, reason", LEFT_OUT, ids=str)
def test_a_listing_leaves_out_what_cannot_be_a_live_contract(api, change, reason, wire, connected):
    good = contract_row(api)
    wire.says(csv_of(good, good | change, good | change))

    listed = connected(wire.url, api).listing("SPXW", DAY)

    assert listed.left_out == {reason: 2}
    (entry,) = listed.chains
    assert (entry.chain, entry.calls, entry.puts, entry.witness) == (CHAIN, (4700.0,), (), "listing")


@pytest.mark.parametrize("api, change, reason", LEFT_OUT, ids=str)
def test_a_listing_without_a_live_contract_is_refused(api, change, reason, wire, connected):
    wire.says(csv_of(contract_row(api) | change))

    with pytest.raises(ApiResponseInvalidError) as raised:
        connected(wire.url, api).listing("SPXW", DAY)

    told = "no good row" if reason == "unreadable" else f"no live contract: left out are 1 {reason}"
    assert told in raised.value.cause


# The second witness -------------------------------------------------------------------------------------

REPORT = "open,high,low,close,volume,count,bid_size,bid_exchange,bid,bid_condition,ask_size,ask_exchange,ask"
REPORTS = {
    "v3": [
        f"symbol,expiration,strike,right,created,last_trade,{REPORT},ask_condition",
        *(
            f"{contract},2024-01-02T17:15:03.452,2024-01-02T00:00:00.000,{figures},50"
            for contract, figures in [
                ('"SPXW","2024-01-19",4700.000,"CALL"', "0.00,0.00,0.00,0.00,0,0,1,5,0.00,50,1,5,0.05"),
                ('"SPXW","2024-01-19",4700.000,"PUT"', "0.00,0.00,0.00,0.00,0,0,0,5,0.00,50,0,5,0.00"),
                ('"SPXW","2024-01-19",4710.000,"PUT"', "0.00,0.00,0.00,0.00,0,0,0,5,0.00,50,0,5,0.00"),
                ('"SPXW","2024-01-19",4710.000,"PUT"', "1.00,1.00,1.00,1.00,3,1,0,5,0.00,50,0,5,0.00"),
                ('"SPXW","2024-01-22",4700.000,"PUT"', "0.00,0.00,0.00,0.00,0,0,0,5,0.00,50,0,5,0.00"),
                ('"SPXW","2023-12-29",4700.000,"PUT"', "1.00,1.00,1.00,1.00,3,1,0,5,0.00,50,0,5,0.00"),
            ]
        ),
    ],
    "v2": [
        f"root,expiration,strike,right,ms_of_day,ms_of_day2,{REPORT},ask_condition,date",
        *(
            f"{contract},62573163,0,{figures},50,20240102"
            for contract, figures in [
                ("SPXW,20240119,4700000,C", "0.00,0.00,0.00,0.00,0,0,1,5,0.00,50,1,5,0.05"),
                ("SPXW,20240119,4700000,P", "0.00,0.00,0.00,0.00,0,0,0,5,0.00,50,0,5,0.00"),
                ("SPXW,20240119,4710000,P", "1.00,1.00,1.00,1.00,3,1,0,5,0.00,50,0,5,0.00"),
                ("SPXW,20240119,4710000,P", "0.00,0.00,0.00,0.00,0,0,0,5,0.00,50,0,5,0.00"),
                ("SPXW,20240122,4700000,P", "0.00,0.00,0.00,0.00,0,0,0,5,0.00,50,0,5,0.00"),
                ("SPXW,20231229,4700000,P", "1.00,1.00,1.00,1.00,3,1,0,5,0.00,50,0,5,0.00"),
            ]
        ),
    ],
}


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_an_end_of_day_report_names_what_was_quoted_or_traded(api, wire, connected):
    wire.says("\r\n".join([*REPORTS[api], ""]))

    told = connected(wire.url, api).eod("SPXW", DAY)

    (quoted,), (silent,) = told.quoted, told.silent
    assert quoted == ListedChain(CHAIN, (4700.0,), (4710.0,), "eod")
    assert silent.chain.expiration == dt.date(2024, 1, 22)
    assert told.left_out == {"expired": 1}
    (asked,) = wire.asked
    if api == "v3":
        day = "2024-01-02"
        path = f"/v3/option/history/eod?symbol=SPXW&expiration=%2A&start_date={day}&end_date={day}"
    else:
        day = "20240102"
        path = f"/v2/bulk_hist/option/eod?root=SPXW&exp=0&start_date={day}&end_date={day}&use_csv=true"
    assert asked == path


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("status, error", [(472, ApiDataNotFoundError), (403, SubscriptionError)])
def test_a_report_that_cannot_be_had_says_why(api, status, error, wire, connected):
    wire.says("No", "text/plain", status)

    with pytest.raises(error):
        connected(wire.url, api).eod("SPXW", DAY)


# Expirations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_every_expiration_ever_listed_is_had(api, simulated, connected):
    terminal = simulated(api=api, today=dt.date(2024, 3, 1))

    found = connected(terminal.url, api).expirations("SPX")

    assert found == tuple(lists.expirations("SPX", dt.date(2024, 3, 1)))
    assert dt.date(2014, 6, 21) in found


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_the_vendors_own_list_of_expirations_is_read(api, samples, wire, connected):
    name, kind = {"v3": ("v3_option_list_expirations.AAPL.csv", "text/csv")}.get(
        api, ("v2_list_expirations.AAPL.json", "application/json")
    )
    wire.says((samples / name).read_text(), kind)

    found = connected(wire.url, api).expirations("AAPL")

    assert found[:2] == (dt.date(2012, 6, 1), dt.date(2012, 6, 8))
    assert list(found) == sorted(set(found))


@pytest.mark.parametrize(
    "body", ["{}", "[]", '{"response": []}', '{"response": [20241399]}', '{"response": 5}', "<html>"]
)
def test_a_list_of_expirations_that_is_none_is_refused(body, wire, connected):
    wire.says(body, "application/json")

    with pytest.raises(ApiResponseInvalidError):
        connected(wire.url, "v2").expirations("SPX")


# Answers of another kind --------------------------------------------------------------------------------


@pytest.mark.parametrize("api, format", WIRES)
@pytest.mark.parametrize(
    "body, kind",
    [
        ("<html>Sign in</html>", "text/html"),
        ('{"header": {"format": ["ms_of_day"', "application/json"),
        ("[]", "application/json"),
    ],
)
def test_a_good_status_with_something_else_is_an_invalid_answer(api, format, body, kind, wire, connected):
    wire.says(body, kind)

    with pytest.raises(ApiResponseInvalidError):
        records(connected(wire.url, api, format=format))


# Pages of v2 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "json"])
def test_many_pages_say_what_one_page_says(format, simulated, connected, truth):
    terminal = simulated(api="v2", page_size=700)

    found = records(connected(terminal.url, "v2", format=format))

    expected = truth(terminal, CHAIN)
    paths = [request["path"] for request in terminal.requests()]
    assert len(paths) == -(-len(expected) // 700) > 3
    assert all(path.startswith("/v2/page/") for path in paths[1:])
    assert all(request["query"] == {} for request in terminal.requests()[1:])
    assert_frame_equal(found, expected.select(found.columns), check_exact=True)


def test_a_page_that_leads_back_is_refused(wire, connected):
    wire.says(csv_of(V2_ROW), Next_Page=f"{wire.url}/v2/page/1")

    with pytest.raises(ApiResponseInvalidError, match="leads back to the page"):
        records(connected(wire.url, "v2"))

    assert len(wire.asked) == 2


def test_a_page_that_leads_back_to_the_beginning_is_refused_unseen(simulated, connected):
    faults = Faults(seed=1, rate=1.0, kinds=("page-loop",), most_per_request=1)
    terminal = simulated(api="v2", page_size=10_000, faults=faults)

    with pytest.raises(ApiResponseInvalidError, match="leads back to the page"):
        records(connected(terminal.url, "v2"))

    assert len(terminal.requests()) == 1


@pytest.mark.parametrize(
    "page",
    [
        "http://example.invalid/v2/page/1",
        "http://127.0.0.1:1@example.invalid/v2/page/1",
        "http://127.0.0.1.example.invalid/v2/page/1",
        "http://127.0.0.1:1",
        "https://127.0.0.1:1/v2/page/1",
        "/v2/page/1",
        "http://[::1/v2/page/1",
    ],
)
def test_a_page_elsewhere_is_refused(page, wire, connected):
    wire.says(csv_of(V2_ROW), Next_Page=page)

    with pytest.raises(ApiResponseInvalidError, match="leads to"):
        records(connected(wire.url, "v2"))

    assert len(wire.asked) == 1


@pytest.mark.parametrize("itself", ["127.0.0.1:25510", "localhost:25510", "127.0.0.1"])
def test_a_terminal_behind_a_tunnel_calls_itself_otherwise_and_its_pages_are_had(itself, wire, connected):
    wire.says(csv_of(V2_ROW), Next_Page=f"http://{itself}/v2/page/1")
    wire.says(csv_of(V2_ROW | {"strike": "4705500"}))

    assert len(records(connected(wire.url, "v2"))) == 2

    assert wire.asked[1] == "/v2/page/1"


def test_a_page_named_in_the_body_alone_is_followed(wire, connected):
    tick = ", ".join(
        V2_ROW[name] for name in ["ms_of_day", *schemas.MEASURES, "ms_of_day2", "underlying_price", "date"]
    )
    names = ", ".join(
        f'"{name}"' for name in ["ms_of_day", *schemas.MEASURES, "ms_of_day2", "underlying_price", "date"]
    )

    def page(following, strike):
        return (
            f'{{"header": {{"format": [{names}], "next_page": "{following}"}}, "response": '
            f'[{{"ticks": [[{tick}]], "contract": {{"root": "SPXW", "expiration": 20240119, '
            f'"strike": {strike}, "right": "P"}}}}]}}'
        )

    wire.says(page(f"{wire.url}/v2/page/1", 4_700_000), "application/json")
    wire.says(page("null", 4_705_500), "application/json")

    found = records(connected(wire.url, "v2", format="json"))

    assert found["strike"].to_list() == [4700, 4705.5]


def test_a_dropped_page_is_an_error_of_its_own(wire, connected):
    wire.says(csv_of(V2_ROW), Next_Page=f"{wire.url}/v2/page/1")
    wire.says("no page", "text/plain", 477)

    with pytest.raises(PageExpiredError):
        records(connected(wire.url, "v2"))


@pytest.mark.parametrize("strike", ["-9223372036854775808", "9223372036854775807", "4700000000"])
def test_a_strike_beyond_all_measure_is_refused(strike, wire, connected):
    wire.says(csv_of(V2_ROW, V2_ROW | {"strike": strike}))

    with pytest.raises(ApiResponseInvalidError):
        records(connected(wire.url, "v2"))


@pytest.mark.parametrize("status", [472, 570])
def test_a_later_page_that_is_no_page_spoils_the_answer(status, wire, connected):
    wire.says(csv_of(V2_ROW), Next_Page=f"{wire.url}/v2/page/1")
    wire.says("nothing", "text/plain", status)

    with pytest.raises(ApiResponseInvalidError, match=f"is none: .*{status}") as caught:
        list(source.history(connected(wire.url, "v2"), ListedChain(CHAIN, (), ()), [MINUTES]))

    assert type(caught.value) is ApiResponseInvalidError


# Stamps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "day, offset",
    [
        (dt.date(2024, 3, 8), 5),
        (dt.date(2024, 3, 11), 4),
        (dt.date(2024, 11, 1), 4),
        (dt.date(2024, 11, 4), 5),
    ],
)
def test_stamps_follow_the_clocks_of_new_york(day, offset):
    stamp = dt.datetime.combine(day, dt.time(9, 31))
    row = {
        "symbol": pa.array(["SPX"]).dictionary_encode(),
        "expiration": pa.array(["2024-12-20"]).dictionary_encode(),
        "strike": [4700.0],
        "right": pa.array(["PUT"]).dictionary_encode(),
        "timestamp": pa.array([stamp], pa.timestamp("ms")),
        **{name: [0.5] for name in schemas.MEASURES},
        "underlying_timestamp": pa.array([stamp], pa.timestamp("ms")),
        "underlying_price": [4750.0],
    }
    chain = Chain("SPX", dt.date(2024, 12, 20), day, dt.date(2024, 12, 20))

    found, bad = v3.validated(pa.RecordBatch.from_pydict(row), chain, MINUTES, schemas.GREEKS)

    expected = dt.datetime.combine(day, dt.time(9 + offset, 31), dt.UTC)
    assert not bad
    assert found["timestamp"].to_pylist() == [expected.timestamp() * 1000]
