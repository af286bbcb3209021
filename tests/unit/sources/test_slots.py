"""Request slots: never more than the limit over threads and processes, the right ones first, none lost."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from spx_data.errors import InsufficientDiskSpaceError, PermissionDeniedError
from spx_data.sources import slots
from spx_data.store import disk, locks
from spx_data.store.layout import Layout

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
TERMINAL = "http://127.0.0.1:25503"

HOLDER = """
import sys
from pathlib import Path
from spx_data.sources import slots
from spx_data.store.layout import Layout

with slots.shared(Layout(*map(Path, sys.argv[1:5])), sys.argv[5], 1) as shared, shared.slot():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "out", tmp_path / "temp", tmp_path / "data", tmp_path / "db")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return where the terminal's slots are, in the test's own folder."""
    monkeypatch.setenv(slots.VARIABLE, str(tmp_path / "slots"))
    return slots.of_terminal(TERMINAL, tmp_path / "never")


@pytest.fixture
def job(layout, place):
    """Return a maker of a job's way to the slots; each is a stranger to the others, as in a process."""
    with contextlib.ExitStack() as stack:

        def enter(limit=1, lake=layout, terminal=TERMINAL, **keys):
            return stack.enter_context(slots.shared(lake, terminal, limit, **keys))

        yield enter


@pytest.fixture
def another(tmp_path):
    """Return another lake."""
    return Layout(tmp_path / "out2", tmp_path / "temp2", tmp_path / "data2", tmp_path / "db2")


class Asking:
    """A thread that takes a slot, says so in *order*, and keeps it until it is told to end."""

    def __init__(self, shared, name, order, urgent):
        self._arguments = shared, name, order, urgent
        self._end, self._thread = threading.Event(), threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        shared, name, order, urgent = self._arguments
        with shared.slot(urgent):
            order.append(name)
            self._end.wait(20)

    def end(self):
        self._end.set()
        self._thread.join()


@pytest.fixture
def asking(job):
    """Return a starter of `Asking`; at the end of the test all of them are told."""
    threads = []

    def start(shared, name="", order=None, urgent=False):
        threads.append(Asking(shared, name, [] if order is None else order, urgent))
        return threads[-1]

    yield start
    for thread in threads:
        thread.end()


def until(condition):
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


# The limit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3])
def test_as_many_hold_a_slot_as_the_limit_says_and_not_one_more(limit, job):
    jobs = [job(limit), job(limit), job(limit, brief=True)]
    guard, holders, counts = threading.Lock(), set(), []

    def ask(shared):
        for number in range(10):
            with shared.slot(urgent=number % 5 == 0):
                with guard:
                    holders.add(threading.get_ident())
                    counts.append(len(holders))
                time.sleep(0.001)
                with guard:
                    holders.remove(threading.get_ident())

    threads = [threading.Thread(target=ask, args=(shared,)) for shared in jobs for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(counts) == 120
    assert max(counts) == limit


def test_a_lake_aside_has_the_slots_of_its_lake(layout, place, asking):
    with (
        slots.shared(layout, TERMINAL, 1) as here,
        slots.shared(layout.aside("recheck"), TERMINAL, 1) as there,
    ):
        order = []
        first = asking(here, "here", order)
        until(lambda: order)
        second = asking(there, "there", order)
        until(lambda: locks.is_held(place.turn("back")))
        assert order == ["here"]

        first.end()
        until(lambda: order == ["here", "there"])
        second.end()


# Lost and found -----------------------------------------------------------------------------------------


def test_a_killed_process_gives_its_slot_back(layout, place, job):
    arguments = map(str, [layout.output, layout.temp, layout.data, layout.database, TERMINAL])
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"held\n"
        assert locks.is_held(place.slot(1))
        process.send_signal(signal.SIGKILL)
        process.wait()

        with job().slot():
            assert locks.is_held(place.slot(1))


def test_a_request_that_fails_gives_its_slot_back(place, job):
    shared = job()

    with pytest.raises(ConnectionError), shared.slot():
        raise ConnectionError

    assert not locks.is_held(place.slot(1))
    with shared.slot():
        pass


def test_a_child_process_keeps_no_slot(job):
    with job().slot():
        child = os.fork()
        if child == 0:
            signal.pause()
    try:
        with job().slot():
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# Who is next --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["of the leading job", "of a brief job", "that is urgent"])
def test_a_request_goes_before_those_at_the_back(kind, place, job, asking):
    lead, other, order = job(), job(), []
    with lead.slot():
        pass
    before = asking(lead, "before", order)
    until(lambda: order)
    back = asking(other, "back", order)
    until(lambda: locks.is_held(place.turn("back")))
    shared = {"of the leading job": lead, "of a brief job": job(brief=True), "that is urgent": other}[kind]
    front = asking(shared, "front", order, urgent=kind == "that is urgent")
    until(lambda: locks.is_held(place.turn("front")))

    before.end()
    until(lambda: len(order) > 1)
    front.end()
    until(lambda: len(order) > 2)
    back.end()

    assert order == ["before", "front", "back"]


def test_slots_that_the_leading_job_does_not_want_are_for_the_others(job):
    lead, other = job(2), job(2)

    with lead.slot(), other.slot():
        pass


def test_when_the_leading_job_ends_another_leads(layout, job):
    other = job()
    with slots.shared(layout, TERMINAL, 1) as lead:
        for shared in (lead, other):
            with shared.slot():
                pass
        assert locks.is_held(layout.lead)
    assert not locks.is_held(layout.lead)

    with other.slot():
        assert locks.is_held(layout.lead)


def test_a_brief_job_never_leads(layout, job):
    with job(brief=True).slot():
        assert not locks.is_held(layout.lead)


# Two lakes ----------------------------------------------------------------------------------------------


def held_together(jobs, threads=4, requests=10):
    """Let threads of each of *jobs* ask; returns, for each request, who held a slot as it began, by job."""
    guard, holders, found = threading.Lock(), [], []

    def ask(number, shared):
        for each in range(requests):
            with shared.slot(urgent=each % 5 == 0):
                with guard:
                    holders.append(number)
                    found.append(tuple(holders))
                time.sleep(0.001)
                with guard:
                    holders.remove(number)

    asking = [threading.Thread(target=ask, args=each) for each in enumerate(jobs) for _ in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return found


def test_lakes_at_one_terminal_share_one_limit_however_they_write_its_address(job, another):
    found = held_together([job(4), job(4, another, "http://127.0.0.1:25503/"), job(4, another)])

    assert len(found) == 120
    assert max(map(len, found)) == 4


def test_with_limits_of_four_and_two_both_together_have_two_at_most(job, another):
    found = held_together([job(4), job(2, another)], threads=6)

    assert len(found) == 120
    assert max(map(len, found)) == 2
    assert {*range(2)} == {number for holders in found for number in holders}


def test_when_the_smaller_limit_has_ended_the_larger_has_all_of_its_own(layout, another, job, asking):
    large, order = job(4), []
    with slots.shared(another, TERMINAL, 1) as small, small.slot():
        waiting = [asking(large, number, order) for number in range(4)]
        time.sleep(0.1)
        assert order == []

    until(lambda: len(order) == 4)
    assert all(each for each in waiting)


def test_terminals_do_not_share(job, another):
    with job(1).slot(), job(1, another, "http://127.0.0.1:25510").slot():
        pass


def test_a_smaller_limit_waits_for_what_is_in_flight_beyond_it_and_nobody_takes_more(job, another, asking):
    large, order = job(3), []
    begun = [asking(large, number, order) for number in range(3)]  # all slots there are
    until(lambda: len(order) == 3)
    small = job(1, another)
    asking(small, "small", order)
    asking(large, "more", order)

    # The last one to come has the first slot: all others were taken before it.
    begun[order[2]].end()
    time.sleep(0.1)
    assert len(order) == 3  # two are in flight, and the smaller limit is one
    for each in begun:
        each.end()
    until(lambda: len(order) == 4)
    time.sleep(0.1)

    assert len(order) == 4


def test_a_leading_job_of_each_lake_is_at_the_front(layout, another, job):
    here, there, follower = job(), job(1, another), job()
    for shared in (here, there, follower):
        with shared.slot():
            pass

    assert [locks.is_held(lake.lead) for lake in (layout, another)] == [True, True]


def test_leading_jobs_of_two_lakes_take_turns(place, job, another, asking):
    here, there, order = job(), job(1, another), []
    holder = asking(here, "first", order)
    until(lambda: order)
    first = asking(here, "here", order)
    until(lambda: locks.is_held(place.turn("front")))
    second = asking(there, "there", order)
    until(lambda: locks.is_held(place.following("front")))
    asking(here, "here again", order)  # asks as soon as the first has a slot, when the second is waking up

    for ended, name in ((holder, "here"), (first, "there"), (second, "here again")):
        ended.end()
        until(lambda name=name: order[-1] == name)

    assert order == ["first", "here", "there", "here again"]


# Trouble ------------------------------------------------------------------------------------------------


def test_a_lock_that_cannot_be_opened_is_named_before_anything_is_asked(layout, place):
    place.slot(2).mkdir(parents=True)

    with pytest.raises(PermissionDeniedError, match=r"request-2\.lock"), slots.shared(layout, TERMINAL, 4):
        pytest.fail("it went on")


def test_a_full_disk_is_said_to_be_full(layout, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(disk, "open_to_append", full)

    with pytest.raises(InsufficientDiskSpaceError), slots.shared(layout, TERMINAL, 4):
        pytest.fail("it went on")
