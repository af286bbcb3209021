"""The pace of a terminal: never above the limit, lower where that helps, shared, and lost without harm."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import theta_simulator
from spx_data.errors import ApiRateLimitError
from spx_data.sources import pacing, slots
from spx_data.sources.pace import Pace, lowered
from spx_data.store import locks
from spx_data.store.layout import Layout

ROOT = Path(__file__).resolve().parents[3]
TERMINAL = "http://127.0.0.1:25503"


@pytest.fixture(scope="module")
def bench():
    """Return the benchmark, whose simulation is the one whose results are recorded."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(ROOT / "benchmarks")
        spec = importlib.util.spec_from_file_location("pacing_benchmark", ROOT / "benchmarks" / "pacing.py")
        module = importlib.util.module_from_spec(spec)
        patched.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def layout(tmp_path, monkeypatch):
    """Return a lake whose terminal's slots are in the test's own folder."""
    monkeypatch.setenv(slots.VARIABLE, str(tmp_path / "slots"))
    return Layout(tmp_path / "out", tmp_path / "temp", tmp_path / "data", tmp_path / "db")


def busy(pace, limit, answers, begin=100.0):
    """Answer so many requests, with as many in flight as are allowed."""
    for number in range(answers):
        pace.has_answered(limit, pace.allowed(limit), begin + number, begin + number + 0.5, 0, 0.5)
    return begin + answers


# The arithmetic -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "left"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (24, 17), (128, 90)])
def test_a_decrease_leaves_seven_tenths(number, left):
    assert lowered(number) == left


def test_a_terminal_that_never_refuses_keeps_the_limit():
    pace = Pace()

    busy(pace, 4, 300)

    assert pace.allowed(4) == 4
    assert pace.window is None


def test_one_refusal_lowers_and_those_of_the_same_flight_do_not():
    pace = Pace()

    for _ in range(3):
        pace.has_refused(8, 8, begun=99.0, now=100.0)

    assert pace.allowed(8) == 6
    assert pace.refused == 3


def test_a_refusal_with_nothing_else_in_flight_lowers_nothing():
    pace = Pace()

    pace.has_refused(4, 1, begun=99.0, now=100.0)

    assert pace.allowed(4) == 4


def test_each_round_of_answers_raises_by_one_up_to_what_was_refused():
    pace = Pace()
    pace.has_refused(8, 8, begun=99.0, now=100.0)
    pace.has_refused(8, 6, begun=100.5, now=101.0)
    assert pace.allowed(8) == 4

    moment = busy(pace, 8, 4, begin=102.0)

    assert pace.allowed(8) == 5
    busy(pace, 8, 31, begin=moment)
    assert pace.allowed(8) == 5  # six were refused


def test_a_number_that_was_refused_is_tried_twice_as_late_each_time():
    pace, moment, stretches = Pace(), 200.0, []
    pace.has_refused(4, 4, begun=99.0, now=100.0)

    for _ in range(5):
        answers = 0
        while pace.allowed(4) == 3:
            moment = busy(pace, 4, 1, begin=moment)
            answers += 1
        stretches.append(answers)
        pace.has_refused(4, 4, begun=moment, now=moment)

    assert stretches == [24, 48, 96, 96, 96]


def test_a_terminal_with_room_again_is_given_all_of_it():
    pace = Pace()
    pace.has_refused(4, 4, begun=99.0, now=100.0)

    busy(pace, 4, 60, begin=200.0)

    assert pace.window is None
    assert pace.refused_at is None


def test_one_refusal_of_a_number_that_was_borne_for_long_may_be_chance():
    pace = Pace()
    moment = busy(pace, 4, 40)

    pace.has_refused(4, 4, begun=moment, now=moment)

    assert pace.allowed(4) == 4
    pace.has_refused(4, 4, begun=moment + 1, now=moment + 1)
    assert pace.allowed(4) == 3


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.integers(1, 12), st.integers(0, 9), st.integers(0, 1 << 22), st.floats(0, 1e4)
        ),
        max_size=400,
    )
)
def test_whatever_happens_it_stays_within_the_limit_and_is_read_as_it_was_written(events):
    pace, moment = Pace(), 1e9
    for refuses, limit, fewer, size, seconds in events:
        in_flight = max(1, pace.allowed(limit) - fewer)
        moment += 1.0
        if refuses:
            pace.has_refused(limit, in_flight, moment - 0.5, moment)
        else:
            pace.has_answered(limit, in_flight, moment - 0.5, moment, size, seconds)
        assert 1 <= pace.allowed(limit) <= limit

    assert Pace.of_text(pace.as_text().encode()) == pace


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"{",
        b"null",
        b"\xff",
        Pace(window=2).as_text()[:-5].encode(),
        json.dumps({**json.loads(Pace().as_text()), "window": 0}).encode(),
        json.dumps({**json.loads(Pace().as_text()), "window": "2"}).encode(),
        json.dumps({**json.loads(Pace().as_text()), "window": 3.5}).encode(),
        json.dumps({**json.loads(Pace().as_text()), "later": 1}).encode(),
    ],
)
def test_what_is_no_pace_knows_nothing(text):
    assert Pace.of_text(text) == Pace()


# On simulated histories ---------------------------------------------------------------------------------


def outcomes(bench, name, limit, requests=1200, seeds=2):
    terminal = next(each for each in bench.TERMINALS if each.name == name)
    for seed in range(seeds):
        fixed, own = (bench.asked(terminal, limit, requests, seed, adaptive=mode) for mode in (False, True))
        assert own.most <= limit
        yield fixed, own


@pytest.mark.parametrize("limit", [2, 4, 8])
@pytest.mark.parametrize("name", ["takes any limit", "queues above 2", "2.5 times as slow after 300 s"])
def test_it_costs_less_than_5_percent_where_the_limit_is_borne(bench, name, limit):
    for fixed, own in outcomes(bench, name, limit):
        assert own.seconds <= 1.05 * fixed.seconds
        assert own.refused == 0


@pytest.mark.parametrize("limit", [4, 8])
@pytest.mark.parametrize("name", ["refuses above 3", "refuses above 2"])
def test_it_meets_a_fiftieth_of_the_refusals_in_the_same_time(bench, name, limit):
    for fixed, own in outcomes(bench, name, limit):
        assert own.refused * 50 < fixed.refused
        assert own.failed == 0 < fixed.failed
        assert own.seconds <= 1.05 * fixed.seconds


@pytest.mark.parametrize("limit", [4, 8])
@pytest.mark.parametrize("name", ["thrashes above 2", "thrashes above 2, after 300 s"])
def test_it_takes_less_time_where_more_in_flight_delivers_less(bench, name, limit):
    for fixed, own in outcomes(bench, name, limit, requests=2000):
        assert own.seconds < 0.8 * fixed.seconds
        assert own.pace.allowed(limit) < limit


# Over HTTP ----------------------------------------------------------------------------------------------


def test_a_terminal_that_refuses_above_two_is_soon_asked_no_more_than_that(bench, tmp_path, monkeypatch):
    monkeypatch.setenv(slots.VARIABLE, str(tmp_path / "slots"))
    with theta_simulator.running(theta_simulator.Settings(**bench.REFUSING)) as terminal:
        found = bench.over_http(terminal.url, tmp_path, 6, 120, adaptive=True)
        statuses = [entry["status"] for entry in terminal.requests()]

    assert statuses.count(429) == found.refused == found.pace.refused
    assert 0 < found.refused < 60
    assert statuses.count(200) == 120 - found.failed
    assert found.failed <= 2


# Between processes --------------------------------------------------------------------------------------

REFUSED = """
import sys
from pathlib import Path
from spx_data.errors import ApiRateLimitError
from spx_data.sources import slots
from spx_data.store.layout import Layout

with slots.shared(Layout(*map(Path, sys.argv[1:5])), sys.argv[5], 4) as shared:
    try:
        with shared.slot(), shared.slot(), shared.slot():
            raise ApiRateLimitError("full", retry_after=None, url="")
    except ApiRateLimitError:
        pass
    if len(sys.argv) > 6:
        with shared._pacing._changing():
            print("held", flush=True)
            sys.stdin.read()
"""


def process(layout, *words):
    arguments = [layout.output, layout.temp, layout.data, layout.database, TERMINAL, *words]
    return subprocess.Popen(
        [sys.executable, "-c", REFUSED, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_what_one_process_learns_holds_for_all(layout):
    with slots.shared(layout, TERMINAL, 4) as shared:
        assert shared._least() == 4

        with process(layout) as other:
            other.communicate()

        assert other.returncode == 0
        assert shared._least() == 2


def test_a_process_that_is_killed_while_it_learns_holds_nobody_up(layout):
    with process(layout, "hold") as other:
        assert other.stdout.readline() == b"held\n"
        place = slots.of_terminal(TERMINAL, layout.slots)
        assert locks.is_held(place.learning)
        other.send_signal(signal.SIGKILL)

    with slots.shared(layout, TERMINAL, 4) as shared:
        assert shared._least() == 2
        with shared.slot():
            pass

    assert pacing.known(place).allowed(4) == 2


def test_a_file_that_is_torn_or_gone_leaves_the_limit_as_it_is(layout):
    with slots.shared(layout, TERMINAL, 4) as shared:
        shared.place.pace.write_bytes(b'{"window": 1')
        assert shared._least() == 4
        with shared.slot():
            pass
        shared.place.pace.unlink()
        with shared.slot():
            pass

        assert Pace.of_text(shared.place.pace.read_bytes()).window is None


def test_no_more_slots_are_taken_than_the_pace_allows(layout):
    most, now, guard = [0], [0], threading.Lock()

    def ask(shared):
        with shared.slot():
            with guard:
                now[0] += 1
                most[0] = max(most[0], now[0])
            threading.Event().wait(0.002)
            with guard:
                now[0] -= 1

    with slots.shared(layout, TERMINAL, 4) as shared:
        shared.place.pace.write_text(Pace(window=2, refused_at=3, stretch=10_000).as_text())
        threads = [threading.Thread(target=ask, args=(shared,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert most == [2]


def test_who_looks_what_a_terminal_bears_neither_follows_nor_teaches(layout):
    with slots.shared(layout, TERMINAL, 4, brief=True, steady=True) as shared:
        shared.place.pace.write_text(text := Pace(window=2, refused_at=3).as_text())

        with pytest.raises(ApiRateLimitError), shared.slot(), shared.slot(), shared.slot():
            raise ApiRateLimitError("full", retry_after=None, url="")

        assert shared._least() == 4
        assert shared.place.pace.read_text() == text


def test_a_pace_that_cannot_be_written_stops_no_request(layout, monkeypatch):
    with slots.shared(layout, TERMINAL, 4) as shared:
        monkeypatch.setattr(shared._pacing, "_path", shared.place.folder / "limit-4.lock" / "pace.json")

        with pytest.raises(ApiRateLimitError), shared.slot(), shared.slot():
            raise ApiRateLimitError("full", retry_after=None, url="")

        assert shared._least() == 1  # known to this process
