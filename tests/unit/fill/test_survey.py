"""How often the listing of a root is asked for."""

import datetime as dt

import pytest

from spx_data.errors import ApiResponseInvalidError
from spx_data.fill.survey import Root, Survey
from spx_data.market import products


@pytest.mark.parametrize(
    "answers, steady, error, again",
    [
        (0, False, None, False),  # it was never asked
        (2, False, None, True),
        (2, True, None, False),
        (3, False, None, False),  # as often as is worth it, whatever it says
        (2, False, ApiResponseInvalidError("not now"), False),
    ],
)
def test_a_listing_that_is_another_each_time_is_asked_for_three_times(answers, steady, error, again):
    root = Root(
        "SPX", products.DEFAULT, dt.date(2024, 1, 18), None, answers=answers, steady=steady, error=error
    )

    assert Survey._is_doubtful(None, root) is again
