"""Whose word about a date's hours counts, in whole fills: the exchange's, the vendor's, the records'."""

import datetime as dt
import json

import pytest
from tests.restating import restating
from tests.rules.conftest import DAY

from spx_data.fill.listing import Listing
from spx_data.fill.merge import merge_date

TRAP = dt.date(2024, 12, 24)
INDEX_OPTIONS = "CBOE_Index_Options"
FINDING = (
    "the exchange calendar CBOE_Index_Options closes at 16:15, the vendor's calendar closes at 13:00; "
    "records end at 13:15, those of expiring chains end at 13:00; judged by 13:00"
)


def checks(passport):
    return {check["check"]: check for check in passport["quality"]["checks"]}


def told_by_the_vendor(terminal, status, body, content_type="text/csv"):
    """Let a proxy answer every question about the calendar with *body*."""
    answer = terminal.answer

    def answering(target):
        return (status, {"Content-Type": content_type}, body) if "/calendar/" in target else answer(target)

    terminal.answer = answering
    return terminal.url


@pytest.fixture
def proxy(terminals):
    """Return a proxy before the v3 terminal."""
    with restating(terminals["v3"].url) as terminal:
        yield terminal


def test_the_trap_of_christmas_eve_is_named_and_the_day_is_judged_by_its_true_hours(terminals, day):
    date = day(terminals["v3"], TRAP, calendar=INDEX_OPTIONS)

    date.fill()

    passport = date.passport()
    session = passport["session"]
    assert session["findings"] == [FINDING]
    assert session["exchange"]["closes"] == "2024-12-24T16:15:00-05:00"
    assert session["vendor"] == {"type": "early_close", "opens": "09:30:00", "closes": "13:00:00"}
    assert session["closes"] == "2024-12-24T13:00:00-05:00"
    assert session["early_close"]
    assert session["last_stamp_expected"] == session["last_stamp_received"] == "2024-12-24T13:15:00-05:00"
    assert passport["completeness"]["complete"]
    assert checks(passport)["session-disagrees"]["hits"] == len(passport["chains"])
    assert passport["quality"]["score"] > 99


def test_the_stock_exchange_s_calendar_has_no_trap(terminals, day):
    date = day(terminals["v3"], TRAP)

    date.fill()

    assert date.passport()["session"]["findings"] == []
    assert checks(date.passport())["session-disagrees"]["hits"] == 0


def test_without_the_vendor_s_calendar_the_exchange_s_is_believed_and_the_rest_is_missing(terminals, day):
    date = day(terminals["v2"], TRAP, calendar=INDEX_OPTIONS)

    date.fill()

    passport = date.passport()
    (finding,) = passport["session"]["findings"]
    assert finding.endswith("records end at 13:15, those of expiring chains end at 13:00; judged by 16:15")
    assert passport["session"]["vendor"] is None
    assert passport["session"]["vendor_unknown"] == "API v2 has no calendar"
    for chain in passport["chains"]:
        begins = "13:01" if chain["expiration"] == TRAP.isoformat() else "13:16"
        (gap,) = chain["gaps"]
        assert (gap["contract"], gap["first"], gap["last"]) == (None, begins, "16:00")
    assert not passport["completeness"]["complete"]


CLOSED = "the vendor's calendar says full_close, and there are records"
EARLY = (
    "the exchange calendar NYSE closes at 16:00, the vendor's calendar closes at 13:00; "
    "records end at 16:00, those of expiring chains end at 16:00; judged by 16:00"
)


@pytest.mark.parametrize("row, finding", [("full_close,,", CLOSED), ("early_close,09:30:00,13:00:00", EARLY)])
def test_a_vendor_that_is_alone_with_its_hours_is_told_and_not_believed(row, finding, proxy, day):
    date = day(told_by_the_vendor(proxy, 200, f"type,open,close\r\n{row}\r\n".encode()))

    date.fill()

    passport = date.passport()
    assert passport["session"]["findings"] == [finding]
    assert passport["completeness"]["complete"]
    assert len([target for target in proxy.asked if "right=" in target]) == 0


@pytest.mark.parametrize(
    "status, body, content_type, reason",
    [
        (403, b"Not in your subscription", "text/plain", "subscription does not include"),
        (404, b"Not found", "text/plain", "does not know the path"),
        (472, b"No data found for your request", "text/plain", "no data"),
        (500, b"", "text/plain", "upstream"),
        (200, b"<html>", "text/html", "web page"),
        (200, b"type,open,close\r\nperhaps,,\r\n", "text/csv", "is no calendar"),
    ],
)
def test_a_calendar_that_fails_fails_no_date_and_says_why(status, body, content_type, reason, proxy, day):
    date = day(told_by_the_vendor(proxy, status, body, content_type), max_dte=0)

    date.fill()

    listing, session = Listing.of_json(date.listing()), date.passport()["session"]
    assert listing.vendor is None
    assert reason in listing.unknown
    assert (session["vendor"], session["vendor_unknown"]) == (None, listing.unknown)
    assert session["findings"] == []
    assert date.passport()["completeness"]["complete"]


def test_the_vendor_is_asked_for_its_hours_once_a_date(simulated, day):
    terminal = simulated()
    date = day(terminal)

    date.fill()

    asked = [request["query"] for request in terminal.requests() if "calendar" in request["path"]]
    assert asked == [{"date": "2024-01-02"}]
    assert date.listing()["vendor_hours"] == {"type": "open", "opens": "09:30:00", "closes": "16:00:00"}


def test_a_listing_with_hours_that_are_none_is_made_anew(terminals, day):
    date = day(terminals["v3"], max_dte=0)
    date.fetch()
    whole = date.listing()
    spoilt = whole | {"vendor_hours": {"type": "open", "opens": None, "closes": None}}
    date.layout.listing(DAY).write_text(json.dumps(spoilt))

    date.download()

    assert date.listing() == whole


def test_a_date_that_no_calendar_knows_has_no_session_in_its_passport(terminals, day):
    date = day(terminals["v2"], max_dte=0)
    date.fetch()
    date.download()
    manifest, parquet = date.layout.manifest(DAY), date.layout.parquet(DAY)

    merge_date(date.settings, DAY, manifest, parquet, session=None)

    assert date.passport()["session"] is None
    assert checks(date.passport())["session-disagrees"]["hits"] == 1
