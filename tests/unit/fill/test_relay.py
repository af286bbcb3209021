"""Stages that hand items on: one by one on one core, side by side on more, and never too many at once."""

import itertools
import threading

import pytest

from spx_data.fill.relay import Relay, until_none

SOON = 60  # seconds, in which anything has happened


class Bad(Exception):
    pass


def staged(relay, source, count):
    """Return what two stages make of the numbers below *count*, and the most that were under way at once."""
    under_way, most = set(), 0

    def first():
        nonlocal most
        for number in range(count):
            relay.take(3)
            under_way.add(number)
            most = max(most, len(under_way))
            yield source(number)

    def second(numbers):
        for number in numbers:
            yield 10 * number

    made = []
    with relay.stage(first()) as numbers, relay.stage(second(numbers)) as tens:
        for ten in tens:
            made.append(ten)
            under_way.discard(ten // 10)
            relay.give(3)
    return made, most


@pytest.mark.parametrize("cores, room, most", [(1, 6, 1), (2, 6, 2), (2, 2, 1), (8, 10**6, 500)])
def test_items_come_in_order_and_no_more_are_under_way_than_there_is_room_for(cores, room, most):
    made, found = staged(Relay(cores, room), int, 500)

    assert made == list(range(0, 5000, 10))
    assert 1 <= found <= most


@pytest.mark.parametrize("cores, room, most", [(1, 6, 1), (2, 6, 2), (2, 2, 1)])
def test_a_stage_runs_ahead_as_far_as_there_is_room(cores, room, most):
    made, taken, found = [], [], 0

    def numbers():
        for number in range(300):
            made.append(number)
            yield number

    with Relay(cores, room).ahead(numbers(), lambda _: 3) as items:
        for number in items:
            found = max(found, len(made) - len(taken))
            taken.append(number)

    assert taken == list(range(300))
    assert 1 <= found <= most


@pytest.mark.parametrize("cores", [1, 2])
def test_whoever_leaves_what_runs_ahead_waits_for_it(cores):
    def numbers():
        yield from itertools.count()

    threads = threading.active_count()

    with pytest.raises(Bad), Relay(cores, 4).ahead(numbers(), lambda _: 3) as items:
        for number in items:
            if number == 5:
                raise Bad

    assert threading.active_count() == threads


@pytest.mark.parametrize("cores", [1, 2])
def test_what_a_stage_raises_is_raised_where_its_items_are_asked_for_after_those_before(cores):
    def fragile(number):
        if number == 7:
            raise Bad
        return number

    relay, made = Relay(cores, 100), []

    with (
        pytest.raises(Bad),
        relay.stage(map(fragile, range(10))) as first,
        relay.stage(number for number in first) as items,
    ):
        made.extend(items)

    assert made == list(range(7))


def test_stages_run_side_by_side():
    both = threading.Barrier(2)

    def first():
        yield 1
        both.wait(SOON)
        yield 2

    with Relay(2, 10).stage(first()) as items:
        assert next(items) == 1
        both.wait(SOON)
        assert list(items) == [2]


@pytest.mark.parametrize("cores", [1, 2])
def test_whoever_leaves_early_leaves_no_thread_behind_not_even_one_that_waits_for_room(cores):
    before = threading.active_count()
    relay = Relay(cores, 1)

    def endless():
        for number in itertools.count():
            relay.take(1)
            yield number

    with (
        pytest.raises(Bad),
        relay.stage(endless()) as first,
        relay.stage(number for number in first) as items,
    ):
        assert next(items) == 0
        raise Bad

    assert threading.active_count() == before


def test_a_part_ends_with_none_and_whoever_gave_it_is_told_when_each_item_is_gone():
    items, gone = iter([1, 2, None, None, 3, None]), []

    parts = [list(until_none(items, lambda: gone.append(None))) for _ in range(3)]

    assert parts == [[1, 2], [], [3]]
    assert len(gone) == 3
