"""How volatilities of two symbols go together."""

import datetime as dt
import math

import numpy as np
import pytest

from spx_data.report import symbols


def days(levels):
    return {dt.date(2024, 1, 1) + dt.timedelta(number): level for number, level in enumerate(levels)}


def test_the_correlation_is_that_of_the_changes_of_logarithms_on_common_dates():
    dice = np.random.default_rng(1)
    one, other = np.exp(dice.normal(0, 0.1, (2, 40)).cumsum(axis=1)) * 0.2
    mine, theirs = days(one), days(other)
    del theirs[dt.date(2024, 1, 7)]  # its neighbours make one change

    found = symbols.together(mine, theirs)

    kept = [number for number in range(40) if number != 6]
    expected = np.corrcoef(np.diff(np.log(one[kept])), np.diff(np.log(other[kept])))[0, 1]
    assert found.pairs == 38
    assert math.isclose(found.correlation, expected, rel_tol=1e-9)
    assert symbols.together(mine, mine).correlation == pytest.approx(1)


@pytest.mark.parametrize("levels", [[0.2, 0.3] * 5, [0.2] * 40, []])
def test_too_few_changes_and_none_at_all_have_no_correlation(levels):
    varied = days([0.2 + 0.01 * (number % 7) for number in range(len(levels))])

    assert symbols.together(days(levels), varied).correlation is None
