"""The share of the terminal: as many jobs as fit, and not one more; and the order of dates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.ops.gaps import sharing


def test_exactly_as_many_jobs_fit_as_may_be_at_work():
    for jobs in range(1, 129):
        share = sharing.share(jobs)

        assert jobs * share <= sharing.WHOLE < (jobs + 1) * share, jobs


@given(limit=st.integers(1, 128), cores=st.integers(2, 256))
def test_the_next_date_is_ready_when_one_ends(limit, cores):
    assert 2 <= sharing.side_by_side(limit, cores) <= max(2, limit)


@given(limit=st.integers(1, 128), cores=st.integers(3, 256))
def test_a_core_is_left_for_merging(limit, cores):
    assert sharing.side_by_side(limit, cores) < cores


@pytest.mark.parametrize(
    "limit, cores, dates", [(4, 1, 1), (4, 2, 2), (4, 3, 2), (4, 4, 3), (4, 16, 4), (1, 8, 2), (8, 16, 8)]
)
def test_dates_side_by_side_are_few(limit, cores, dates):
    assert sharing.side_by_side(limit, cores) == dates


DATES = st.lists(st.dates(), unique=True)


@given(DATES)
def test_priorities_are_whole_numbers_that_fall_in_the_order_of_the_dates(order):
    priorities = sharing.priorities(order)

    assert [sharing.priority(priorities, date, date) for date in order] == list(range(len(order), 0, -1))


@given(DATES, st.dates(), st.dates())
def test_dates_without_a_priority_come_first_and_the_newer_before_the_older(order, one, other):
    priorities = sharing.priorities([date for date in order if date not in {one, other}])

    assert sharing.priority(priorities, one, one) > max(priorities.values(), default=0)
    first, second = (sharing.priority(priorities, each, each) for each in (one, other))
    assert (first > second) == (one > other)
