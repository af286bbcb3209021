"""The share of requests: as many jobs as fit, and not one more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.fill import sharing


def test_exactly_as_many_jobs_fit_as_the_limit_allows():
    for limit in range(1, 129):
        for requests in range(1, limit + 1):
            share, fitting = sharing.share(requests, limit), limit // requests
            assert fitting * share <= sharing.WHOLE < (fitting + 1) * share, (limit, requests)


@given(limit=st.integers(1, 128), dates=st.integers(0, 3000), cores=st.integers(1, 256))
def test_dates_side_by_side_stay_within_the_limit(limit, dates, cores):
    requests = sharing.requests_per_date(limit, dates, cores)

    assert 1 <= requests <= limit
    fitting = sharing.WHOLE // sharing.share(requests, limit)
    assert fitting * requests <= limit


@pytest.mark.parametrize(
    "limit, dates, cores, requests",
    [
        (4, 1, 8, 4),
        (4, 0, 8, 4),
        (4, 2, 8, 2),
        (4, 3, 8, 1),
        (4, 2000, 8, 1),
        (8, 2000, 2, 4),
        (4, 2000, 1, 4),
        (1, 5, 8, 1),
    ],
)
def test_few_dates_share_the_limit_and_many_take_one_each(limit, dates, cores, requests):
    assert sharing.requests_per_date(limit, dates, cores) == requests


DATES = st.lists(st.dates(), unique=True)


@given(DATES)
def test_priorities_are_whole_numbers_that_fall_in_the_order_of_the_dates(order):
    priorities = sharing.priorities(order)

    assert [sharing.priority(priorities, date) for date in order] == list(range(len(order), 0, -1))


@given(DATES, st.dates(), st.dates())
def test_dates_without_a_priority_come_first_and_the_newer_before_the_older(order, one, other):
    priorities = sharing.priorities([date for date in order if date not in {one, other}])

    assert sharing.priority(priorities, one) > max(priorities.values(), default=0)
    assert (sharing.priority(priorities, one) > sharing.priority(priorities, other)) == (one > other)
