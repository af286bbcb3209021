"""Session truth: three witnesses of a date's hours, and what is believed where they disagree."""

import datetime as dt

import pytest

from spx_data.market import products, sessions
from spx_data.market.chains import midnight_ms
from spx_data.market.sessions import Session, VendorHours, Window
from spx_data.quality.hours import Hours, HoursReports, Observed, of_vendor, surplus

TRAP = dt.date(2024, 12, 24)
LATER = dt.date(2025, 1, 17)
DAY, LONGER = Window(dt.time(9, 30), dt.time(16), "1m"), Window(dt.time(9, 30), dt.time(16, 15), "1m")
SPX = products.DEFAULT
REGULAR = Hours.regular(SPX)
OPEN = VendorHours("open", dt.time(9, 30), dt.time(16))
EARLY = VendorHours("early_close", dt.time(9, 30), dt.time(13))
CLOSED = VendorHours("full_close", None, None)
MINUTE = 60_000


def ms(text):
    hours, minutes = text.split(":")
    return (60 * int(hours) + int(minutes)) * MINUTE


def session(closes):
    return Session.of_hours([f"{TRAP}T09:30:00-05:00", f"{TRAP}T{closes}:00-05:00"])


def seen(first="09:30", last=None, last_expiring=None):
    return Observed(first and ms(first), last and ms(last), last_expiring and ms(last_expiring))


def truth(exchange, vendor, observed, window=DAY, api="v3", calendar="NYSE"):
    return HoursReports(SPX, calendar, exchange and session(exchange), vendor, observed).truth(window, api)


# Who is believed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "exchange, vendor, observed, closes",
    [
        ("16:00", OPEN, seen(last="16:00", last_expiring="16:00"), "16:00"),
        ("13:00", EARLY, seen(last="13:15", last_expiring="13:00"), "13:00"),
        ("13:00", None, seen(last="13:15"), "13:00"),
        (None, EARLY, seen(last="13:15"), "13:00"),
    ],
)
def test_where_all_agree_nothing_is_found(exchange, vendor, observed, closes):
    found = truth(exchange, vendor, observed)

    assert found.hours == Hours.usual(ms("09:30"), ms(closes), SPX)
    assert [finding for finding in found.findings if "no session" not in finding] == []


def test_the_trap_of_christmas_eve_names_all_three_and_believes_two():
    (day,) = sessions.between("CBOE_Index_Options", TRAP, TRAP)
    (right,) = sessions.between("NYSE", TRAP, TRAP)
    observed = seen(last="13:15", last_expiring="13:00")

    found = HoursReports(SPX, "CBOE_Index_Options", day, EARLY, observed).truth(DAY, "v3")

    (finding,) = found.findings
    assert finding == (
        "the exchange calendar CBOE_Index_Options closes at 16:15, the vendor's calendar closes at 13:00; "
        "records end at 13:15, those of expiring chains end at 13:00; judged by 13:00"
    )
    assert found.hours.closes_ms == ms("13:00")
    assert found.count().hits == 1
    assert HoursReports(SPX, "NYSE", right, EARLY, observed).truth(DAY, "v3").findings == ()


@pytest.mark.parametrize(
    "exchange, vendor, last, closes",
    [
        ("16:15", EARLY, "13:15", "13:00"),  # the exchange stands alone
        ("13:00", OPEN, "13:15", "13:00"),  # the vendor stands alone
        ("16:00", OPEN, "13:15", "16:00"),  # the records do
        ("16:15", EARLY, "14:00", "16:15"),  # all differ
        ("16:00", None, "13:15", "16:00"),  # one against one
    ],
)
def test_two_of_three_are_believed_and_the_exchange_where_all_differ(exchange, vendor, last, closes):
    found = truth(exchange, vendor, seen(last=last))

    assert found.hours.closes_ms == ms(closes)
    assert len(found.findings) == 1


def test_a_close_that_changes_no_stamp_of_the_window_is_no_finding():
    # A calendar of index options has 16:15 every day; up to 16:00 that makes no difference.
    assert truth("16:15", OPEN, seen(last="16:00", last_expiring="16:00")).findings == ()


def test_chains_that_expire_tell_a_close_that_the_others_cannot():
    found = truth("16:15", OPEN, seen(last="16:15", last_expiring="16:00"), LONGER)

    assert found.hours == REGULAR
    assert len(found.findings) == 1


def test_records_on_a_date_that_calendars_call_closed_are_a_finding():
    closed = truth("16:00", CLOSED, seen(last="16:00"))
    unknown = truth(None, None, seen(last="16:00"))

    assert closed.findings == ("the vendor's calendar says full_close, and there are records",)
    assert closed.hours == REGULAR
    assert unknown.findings == (
        "the exchange calendar NYSE has no session on the date, and there are records",
    )


def test_without_any_calendar_records_that_end_early_are_told():
    (_, finding) = truth(None, None, seen(last="13:15")).findings

    assert finding.startswith("no calendar has the date; records end at 13:15")


# Half days ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api, vendor", [("v3", EARLY), ("v2", None)])
@pytest.mark.parametrize(
    "last, last_expiring, stamps",
    [
        ("13:15", "13:00", (226, 211)),  # as Cboe says
        ("13:00", "13:00", (211, 211)),
        ("13:15", "13:15", (226, 226)),
        ("13:00", None, (211, 211)),
        ("13:15", None, (226, 211)),
        (None, "13:00", (226, 211)),
    ],
)
def test_where_chains_end_together_on_a_half_day_they_are_believed(last, last_expiring, stamps, api, vendor):
    first = "09:31" if api == "v2" else "09:30"

    found = truth("13:00", vendor, seen(first, last, last_expiring), api=api)

    assert found.findings == ()
    assert found.hours.closes_ms == ms("13:00")
    lengths = tuple(len(found.quoted.span(DAY, expiring=expiring)) for expiring in (False, True))
    assert lengths == tuple(each - (api == "v2") for each in stamps)


def test_the_trap_of_christmas_eve_closes_for_all_at_thirteen():
    found = truth("16:15", EARLY, seen(last="13:00", last_expiring="13:00"))

    assert len(found.findings) == 1
    assert len(found.quoted.span(DAY, expiring=False)) == 211


@pytest.mark.parametrize("last", ["13:00", "13:15"])
@pytest.mark.parametrize("vendor", [OPEN, None])
def test_a_regular_day_that_is_cut_short_stays_a_fault(last, vendor):
    found = truth("16:00", vendor, seen(last=last, last_expiring=last))

    assert len(found.findings) == 1
    assert found.hours == REGULAR


@pytest.mark.parametrize("last", ["13:07", "12:30", "16:00"])
def test_a_half_day_that_ends_at_another_time_is_told(last):
    found = truth("13:00", EARLY, seen(last=last, last_expiring=last))

    assert len(found.findings) == 1
    assert len(found.quoted.span(DAY, expiring=False)) == 226


def test_records_outside_of_the_session_are_told_and_cost_nothing():
    count = surplus(226 * 40, 165 * 40)

    assert (count.check.code, count.hits, count.of) == ("surplus", 6_600, 15_640)
    assert count.check.score(count.hits / count.of) is None


# The first stamp ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "api, first, interval, places, findings",
    [
        ("v3", "09:30", "1m", 391, 0),
        ("v3", "09:31", "1m", 391, 1),
        ("v2", "09:31", "1m", 390, 0),
        ("v2", "09:32", "1m", 390, 1),
        ("v2", "09:30", "1m", 391, 0),
        ("v2", "10:00", "30m", 13, 0),
    ],
)
def test_v2_begins_one_stamp_later(api, first, interval, places, findings):
    window = Window(DAY.start, DAY.end, interval)

    found = truth("16:00", None, seen(first, "16:00"), window, api)

    assert len(found.quoted.span(window, expiring=False)) == places
    assert len(found.findings) == findings
    assert found.hours == REGULAR


def test_v2_by_the_second_begins_with_the_index_s_first_print():
    window, first = Window(DAY.start, DAY.end, "1s"), ms("09:30") + 7_000

    found = truth("16:00", None, Observed(first, ms("16:00"), None), window, "v2")

    assert found.findings == ()
    assert found.quoted.span(window, expiring=False).start == 7


# Grids --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "window, closes, expiring, first, stamps",
    [
        (DAY, "16:00", False, 0, 391),
        (LONGER, "16:00", False, 0, 406),
        (LONGER, "16:00", True, 0, 391),
        (DAY, "13:00", False, 0, 226),
        (DAY, "13:00", True, 0, 211),
        (Window(dt.time(9), dt.time(16), "1m"), "16:00", True, 30, 391),
        (Window(dt.time(13, 5), dt.time(13, 15), "5m"), "13:00", True, 0, 0),
        (Window(dt.time(9, 7), dt.time(16), "10m"), "16:00", False, 3, 39),
    ],
)
def test_the_grid_of_a_session(window, closes, expiring, first, stamps):
    span = Hours.usual(ms("09:30"), ms(closes), SPX).span(window, expiring=expiring)

    assert (span.start, len(span)) == (first, stamps)


@pytest.mark.parametrize("date", [dt.date(2024, 7, 3), dt.date(2024, 3, 11), dt.date(2024, 11, 4)])
@pytest.mark.parametrize("expiring", [True, False])
def test_the_grid_ends_where_the_session_says_whatever_the_clocks_do(date, expiring):
    (day,) = sessions.between("NYSE", date, date)

    hours = HoursReports(SPX, "NYSE", day, None, Observed(None, None, None)).truth(LONGER, "v3").hours

    last = hours.span(LONGER, expiring=expiring)[-1]
    expected = int(day.last_stamp(LONGER, SPX, expiring=expiring).timestamp()) * 1000
    assert midnight_ms(date) + LONGER.start_ms + last * MINUTE == expected


# What was observed --------------------------------------------------------------------------------------


def test_most_chains_decide_what_was_observed():
    zero = midnight_ms(TRAP)
    stamps = [("09:30", "13:15"), ("09:30", "13:15"), ("09:45", "11:00")]
    chains = [(LATER, zero + ms(first), zero + ms(last)) for first, last in stamps]

    observed = Observed.of(
        TRAP, [*chains, (TRAP, zero + ms("09:30"), zero + ms("13:00")), (LATER, None, None)]
    )

    assert observed == seen("09:30", "13:15", "13:00")


def test_of_chains_that_disagree_the_widest_counts():
    zero = midnight_ms(TRAP)
    chains = [(LATER, zero + ms(a), zero + ms(b)) for a, b in [("09:31", "13:15"), ("09:30", "13:00")]]

    assert Observed.of(TRAP, chains) == seen("09:30", "13:15")
    assert Observed.of(TRAP, []) == Observed(None, None, None)


@pytest.mark.parametrize("vendor, hours", [(OPEN, REGULAR), (CLOSED, None), (None, None)])
def test_the_vendor_s_hours(vendor, hours):
    assert of_vendor(vendor, SPX) == hours
