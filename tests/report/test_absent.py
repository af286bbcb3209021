"""Why a date has no page, and what to do about it."""

import datetime as dt

import pytest
from tests.report import lakes

from spx_data import status
from spx_data.report.day import view
from spx_data.text import commands


def told(lake, date):
    summaries = status.summaries(lake.settings, lakes.MOMENT)
    return view.no_page(lake.settings, lakes.MOMENT, dt.date.fromisoformat(date), summaries)


@pytest.mark.parametrize(
    "date, why, cure",
    [
        ("2024-11-05", "not sealed yet", "`spx-data process 2024-11-05` fills it"),
        ("2024-11-19", "not sealed (parked after 3", "`spx-data retry 2024-11-19 --force` retries it"),
        ("2024-12-31", "not sealed yet (trades until 16:15", "`spx-data process 2024-12-31` fills it"),
        ("2025-01-02", "in the future", "The last finished session is 2024-12-30"),
        ("2024-10-11", "before the start date, 2024-10-14", "`spx-data process 2024-10-11` fills it"),
        ("2024-11-30", "a Saturday, no session of NYSE", "sessions are 2024-11-29 and 2024-12-02"),
        ("2024-11-28", "Thanksgiving, no session", "The nearest sessions are 2024-11-27 and 2024-11-29"),
        ("2018-12-05", "a day without trading", "The nearest sessions are 2018-12-04 and 2018-12-06"),
        ("0001-01-01", "before 2017-01-03, when greeks of SPX options begin", "Name 2017-01-03 or later"),
        ("9999-12-31", "in the future", "The last finished session is 2024-12-30"),
    ],
)
def test_each_reason_is_told_apart_and_has_its_own_cure(every_kind, date, why, cure):
    error = told(every_kind, date)

    assert error.cause.startswith(f"{date} has no page: ")
    assert why in error.cause
    assert cure in error.cure


def test_a_date_after_the_end_of_the_range_is_no_future_one(every_kind):
    settings = every_kind.with_keys(end_date="2024-11-15")
    date = dt.date(2024, 12, 2)

    error = view.no_page(settings, lakes.MOMENT, date, [])

    assert error.cause == "2024-12-02 has no page: after the end date, 2024-11-15"
    assert commands.first(error.cure) == "spx-data process 2024-12-02"


def test_links_lead_to_the_nearest_sealed_dates_on_both_sides(every_kind):
    layout, sealed = every_kind.settings.layout, [dt.date(2024, 11, day) for day in (1, 4, 6)]

    between = view.beside(layout, sealed, dt.date(2024, 11, 5), sealed[:2])
    first, last = (view.beside(layout, sealed, sealed[place], sealed) for place in (0, 2))

    assert [link.href for link in between] == ["2024-11-04.html", "../dashboard.html#2024-11-06"]
    assert (first[0], first[1].date, last[0].date, last[1]) == (None, sealed[1], sealed[1], None)
