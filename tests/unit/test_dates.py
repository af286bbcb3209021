"""Dates as a person names them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.dates import Dates
from spx_data.errors import DateValidationError


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
