"""What the terminal reports of a date's contracts: the end of day, and open interest."""

import datetime as dt

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from spx_data.errors import ApiDataNotFoundError, SubscriptionError
from spx_data.market.contracts import Report
from spx_data.sources import access
from theta_simulator import Habit

DAY = dt.date(2024, 1, 2)
EXPIRATION = dt.date(2024, 1, 19)
KEY = ["expiration", "strike", "right"]
HEADERS = {
    ("v3", Report.END_OF_DAY): "symbol,expiration,strike,right,created,last_trade,open,high,low,close,volume,"
    "count,bid,ask",
    ("v2", Report.END_OF_DAY): "root,expiration,strike,right,ms_of_day,ms_of_day2,open,high,low,close,volume,"
    "count,bid,ask,date",
    ("v3", Report.OPEN_INTEREST): "symbol,expiration,strike,right,timestamp,open_interest",
    ("v2", Report.OPEN_INTEREST): "root,expiration,strike,right,ms_of_day,open_interest,date",
}
APIS = ["v3", "v2"]


@pytest.fixture
def asked(tmp_path, terminal_settings):
    """Return what asks a terminal for a report on SPXW."""

    def ask(url, api, report):
        source = access.connect(terminal_settings(url, api=api), tmp_path / "scratch")
        try:
            return source.figures("SPXW", DAY, report)
        finally:
            source.close()

    return ask


def spelt(api, ms, figures, *, contract=("SPXW", EXPIRATION, 4700, "C"), day=DAY, trade=True):
    """One line of a report of that API, made *ms* after midnight."""
    root, expiration, strike, right = contract
    if api == "v3":
        clock = f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}"
        stamp = f"{day}T{clock}"
        named = f"{root},{expiration},{strike}.000,{'CALL' if right == 'C' else 'PUT'}"
        return f"{named},{stamp}{f',{DAY}T00:00:00' if trade else ''},{figures}"
    named = f"{root},{expiration:%Y%m%d},{strike}000,{right}"
    return f"{named},{ms}{',0' if trade else ''},{figures},{day:%Y%m%d}"


def says(wire, api, report, *lines):
    wire.says("\r\n".join([HEADERS[api, report], *lines, ""]))


# Against the market -------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_open_interest_is_the_markets_contract_by_contract(api, terminals, asked):
    true = terminals[api].truth.held("SPXW", DAY)

    found = asked(terminals[api].url, api, Report.OPEN_INTEREST)

    assert_frame_equal(found.rows, true.select(*KEY, pl.col("open_interest").cast(pl.Int32)).sort(KEY))
    assert (found.left_out, found.conflicts) == ({}, 0)
    assert 0 in found.rows["open_interest"]
    assert found.rows["open_interest"].null_count() == 0


@pytest.mark.parametrize("api", APIS)
def test_the_end_of_day_is_the_markets_but_for_zeros_that_say_nothing(api, terminals, asked):
    true = terminals[api].truth.reported("SPXW", DAY)

    found = asked(terminals[api].url, api, Report.END_OF_DAY).rows

    assert_frame_equal(
        found.select(*KEY, "volume"), true.select(*KEY, pl.col("volume").cast(pl.Int32)).sort(KEY)
    )
    traded = pl.col("volume") > 0
    prices = true.sort(KEY).select(
        *(pl.when(traded).then(name).alias(name) for name in ("open", "high", "low", "close"))
    )
    assert_frame_equal(found.select(prices.columns), prices)
    assert 0 < prices["open"].null_count() < len(prices)
    quotes = found.select("closing_bid", "closing_ask").fill_null(0.0)
    assert quotes.rows() == true.sort(KEY).select("bid", "ask").rows()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "report, habit", [(Report.OPEN_INTEREST, "interest-twice"), (Report.END_OF_DAY, "eod-twice")]
)
def test_a_report_that_comes_twice_is_the_one_that_was_made_last(
    api, report, habit, terminals, simulated, asked
):
    once = asked(terminals[api].url, api, report)
    twice = asked(simulated(api=api, habits=(Habit(habit),)).url, api, report)

    assert_frame_equal(twice.rows, once.rows)
    assert twice.conflicts == 0


# Rows by hand -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_open_interest_of_0_is_0_and_what_has_no_row_is_not_there(api, wire, asked):
    says(wire, api, Report.OPEN_INTEREST, spelt(api, 23_400_000, "0", trade=False))

    found = asked(wire.url, api, Report.OPEN_INTEREST)

    assert found.rows.rows() == [(EXPIRATION, 4700.0, "C", 0)]
    (request,) = wire.asked
    if api == "v3":
        day = "start_date=2024-01-02&end_date=2024-01-02"
        assert request == f"/v3/option/history/open_interest?symbol=SPXW&expiration=%2A&{day}"
    else:
        day = "start_date=20240102&end_date=20240102"
        assert request == f"/v2/bulk_hist/option/open_interest?root=SPXW&exp=0&{day}&use_csv=true"


@pytest.mark.parametrize("api", APIS)
def test_of_two_rows_the_later_counts_and_two_of_one_moment_that_differ_count_none(api, wire, asked):
    put = ("SPXW", EXPIRATION, 4700, "P")
    says(
        wire,
        api,
        Report.OPEN_INTEREST,
        spelt(api, 23_460_000, "20", trade=False),
        spelt(api, 23_400_000, "10", trade=False),
        spelt(api, 23_400_000, "5", contract=put, trade=False),
        spelt(api, 23_400_000, "6", contract=put, trade=False),
    )

    found = asked(wire.url, api, Report.OPEN_INTEREST)

    assert found.rows["open_interest"].to_list() == [20, None]
    assert found.conflicts == 1


@pytest.mark.parametrize("api", APIS)
def test_what_is_no_live_contract_of_the_date_is_left_out_and_counted(api, wire, asked):
    def row(root="SPXW", expiration=EXPIRATION, strike=4700, right="C", day=DAY):
        contract = (root, expiration, strike, right)
        return spelt(api, 23_400_000, "7", contract=contract, day=day, trade=False)

    odd = row(strike=4720).replace("CALL", "BOTH").replace(",C,", ",X,")
    says(
        wire,
        api,
        Report.OPEN_INTEREST,
        row(),
        row(root="SPX"),
        row(expiration=dt.date(2023, 12, 29)),
        row(strike=0),
        row(day=dt.date(2024, 1, 3), strike=4710),
        odd,
    )

    found = asked(wire.url, api, Report.OPEN_INTEREST)

    assert found.rows["strike"].to_list() == [4700.0]
    assert found.left_out == {"foreign-root": 1, "expired": 1, "strike": 1, "other-date": 1, "right": 1}


@pytest.mark.parametrize("api", APIS)
def test_figures_that_cannot_be_are_null_and_the_others_of_the_row_stand(api, wire, asked):
    says(
        wire,
        api,
        Report.END_OF_DAY,
        spelt(api, 62_000_000, "-1.00,2.00,,1.50,12.5,3,0.00,0.05"),
        spelt(api, 62_000_000, "0.00,0.00,0.00,0.00,0,0,0.00,0.00", contract=("SPXW", EXPIRATION, 4710, "C")),
    )

    found = asked(wire.url, api, Report.END_OF_DAY).rows

    assert found.drop(KEY).rows() == [
        (None, None, 2.0, None, 1.5, 0.0, 0.05),
        (0, None, None, None, None, None, None),
    ]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("report", Report)
@pytest.mark.parametrize("status, error", [(472, ApiDataNotFoundError), (403, SubscriptionError)])
def test_a_report_that_cannot_be_had_says_why(api, report, status, error, wire, asked):
    wire.says("No", "text/plain", status)

    with pytest.raises(error):
        asked(wire.url, api, report)
