"""The vendor's calendar, in genuine words and in impossible ones."""

import datetime as dt

import pytest

from spx_data.errors import ApiResponseInvalidError, SubscriptionError
from spx_data.market.sessions import VendorHours
from spx_data.sources import access

DATE = dt.date(2024, 12, 24)


@pytest.fixture
def hours(wire, tmp_path, terminal_settings):
    """Return what a source of either API says about a date."""

    def ask(date=DATE, api="v3", url=None):
        source = access.connect(terminal_settings(url or wire.url, api=api), tmp_path / "scratch")
        return source.hours(date)

    return ask


@pytest.mark.parametrize(
    "date, expected",
    [
        (DATE, VendorHours("early_close", dt.time(9, 30), dt.time(13))),
        (dt.date(2024, 12, 23), VendorHours("open", dt.time(9, 30), dt.time(16))),
        (dt.date(2024, 12, 25), VendorHours("full_close", None, None)),
        (dt.date(2024, 12, 28), VendorHours("weekend", None, None)),
    ],
)
def test_the_hours_of_a_date(date, expected, hours, terminals):
    assert hours(date, url=terminals["v3"].url) == expected


def test_v2_has_no_calendar_and_is_not_asked(hours, wire):
    assert hours(api="v2") is None
    assert wire.asked == []


@pytest.mark.parametrize(
    "name, expected",
    [
        ("v3_calendar_on_date.20251225", VendorHours("full_close", None, None)),
        ("v3_calendar_today", VendorHours("open", dt.time(9, 30), dt.time(16))),
    ],
)
def test_the_genuine_payloads_are_understood(name, expected, hours, wire, samples):
    wire.says((samples / f"{name}.csv").read_bytes())

    assert hours() == expected
    assert wire.asked == ["/v3/calendar/on_date?date=2024-12-24"]


@pytest.mark.parametrize(
    "rows",
    [
        "holiday,,",
        "open,09:30:00,",
        "early_close,09:30:00,soon",
        "open,16:00:00,09:30:00",
        "open,09:30:00,16:00:00\r\nopen,09:30:00,16:00:00",
    ],
)
def test_hours_that_make_no_sense_are_refused(rows, hours, wire):
    wire.says(f"type,open,close\r\n{rows}\r\n")

    with pytest.raises(ApiResponseInvalidError, match="is no calendar"):
        hours()


def test_a_calendar_that_is_not_subscribed_says_so(hours, wire):
    wire.says("Your subscription does not include this request", "text/plain", 403)

    with pytest.raises(SubscriptionError):
        hours()


@pytest.mark.parametrize(
    "told", [VendorHours("open", dt.time(9, 30), dt.time(16)), VendorHours("weekend", None, None)]
)
def test_hours_come_back_from_a_document(told):
    assert VendorHours.of_json(told.as_json()) == told
