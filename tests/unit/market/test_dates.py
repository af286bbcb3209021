"""Dates as a person names them."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.errors import DateValidationError
from spx_data.market import sessions
from spx_data.market.dates import Dates, Now


@pytest.mark.parametrize(
    "words, first, last",
    [
        ("2024-01-02", "2024-01-02", "2024-01-02"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2023", "2023-01-01", "2023-12-31"),
        ("2024-01-02..2024-02-01", "2024-01-02", "2024-02-01"),
        ("2023..2024", "2023-01-01", "2024-12-31"),
        ("2023-11..2024-01-02", "2023-11-01", "2024-01-02"),
        (" 2024-01-02 ", "2024-01-02", "2024-01-02"),
    ],
)
def test_a_word_names_its_first_to_its_last_date(words, first, last):
    found = Dates.of(words)
    first, last, day = dt.date.fromisoformat(first), dt.date.fromisoformat(last), dt.timedelta(1)

    assert first in found
    assert last in found
    assert first - day not in found
    assert last + day not in found


def test_several_words_are_taken_together():
    assert Dates.of("2022,2024-01-02") == Dates.of(["2022", "2024-01-02"])
    assert Dates.of("2022,2024-01-02").single == [dt.date(2024, 1, 2)]


@pytest.mark.parametrize(
    "words",
    ["", "x", "24", "2024-1-2", "2024-13", "2023-02-29", "2024-01-02..", "..", "2024..2023", "0000", "2024,"],
)
def test_what_names_no_date_is_said_with_the_forms(words):
    with pytest.raises(DateValidationError, match="dates: ") as caught:
        Dates.of(words)

    assert "2024-01-02..2024-02-01" in caught.value.cure


@given(st.dates(), st.dates(), st.dates())
def test_a_range_holds_what_lies_between(first, last, other):
    first, last = sorted((first, last))

    assert (other in Dates.of(f"{first}..{last}")) == (first <= other <= last)


# Words for the recent past ------------------------------------------------------------------------------

TODAY = dt.date(2024, 3, 30)  # a Saturday
SATURDAY = dt.datetime(2024, 3, 30, 12, tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    "words, first, last",
    [
        ("today", TODAY, TODAY),
        ("Yesterday", dt.date(2024, 3, 29), dt.date(2024, 3, 29)),
        ("this week", dt.date(2024, 3, 25), TODAY),
        ("this month", dt.date(2024, 3, 1), TODAY),
        ("this year", dt.date(2024, 1, 1), TODAY),
        ("last 30 days", dt.date(2024, 3, 1), TODAY),
        ("last day", TODAY, TODAY),
        ("last 2 weeks", dt.date(2024, 3, 17), TODAY),
        # Good Friday was the 29th.
        ("last session", dt.date(2024, 3, 28), dt.date(2024, 3, 28)),
        ("last 5 sessions", dt.date(2024, 3, 22), dt.date(2024, 3, 28)),
        ("last month", dt.date(2024, 2, 29), TODAY),  # February has no 30th
        ("last 13 months", dt.date(2023, 2, 28), TODAY),
        ("last 2 years", dt.date(2022, 3, 30), TODAY),
        ("last 9999 years", dt.date.min, TODAY),
        ("2024-02", dt.date(2024, 2, 1), dt.date(2024, 2, 29)),
    ],
)
def test_words_for_the_recent_past_end_today(words, first, last):
    found = sessions.named(words, SATURDAY)

    assert (found.first, found.last) == (first, last)


@given(count=st.integers(1, 9999), today=st.dates(dt.date(1990, 1, 1), dt.date(2100, 1, 1)))
def test_the_last_days_are_as_many_as_were_asked_for(count, today):
    found = Dates.of(f"last {count} days", Now(today, None))

    assert (found.last - found.first).days + 1 == count
    assert found.last == today


@pytest.mark.parametrize(
    "words", ["last 0 days", "last -1 days", "last days of summer", "tomorrow", "last 2 lustra"]
)
def test_what_is_no_word_for_the_past_is_named_with_those_that_are(words):
    with pytest.raises(DateValidationError, match="is no date") as caught:
        sessions.named(words, SATURDAY)

    assert "last 30 days" in caught.value.cure


def test_without_a_today_nothing_is_relative():
    with pytest.raises(DateValidationError, match="'today' is no date") as caught:
        Dates.of("today")

    assert "last 30 days" not in caught.value.cure


def test_several_words_make_one_set():
    found = sessions.named("2023, yesterday", SATURDAY)

    assert (found.first, found.last) == (dt.date(2023, 1, 1), dt.date(2024, 3, 29))
    assert TODAY not in found


@pytest.mark.parametrize(
    "moment, session",
    [
        ("2024-07-03T12:59-04:00", dt.date(2024, 7, 2)),
        ("2024-07-03T13:00-04:00", dt.date(2024, 7, 3)),  # a half day
        ("2024-07-05T09:00-04:00", dt.date(2024, 7, 3)),
    ],
)
def test_the_last_session_is_over(moment, session):
    assert sessions.named("last session", dt.datetime.fromisoformat(moment)).single == [session]
