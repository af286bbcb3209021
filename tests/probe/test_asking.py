"""What a probe asks: within its budget and the lake's limit, whatever the terminal does."""

import contextlib
import datetime as dt
import json

import pytest

import theta_simulator
from spx_data.errors import TerminalDisconnectedError, ThetaTerminalNotRunningError
from spx_data.ops.probe import probing
from spx_data.ops.probe.heard import Topic
from spx_data.sources import profile
from spx_data.store import journal
from theta_simulator.faults import ALL, Faults
from theta_simulator.habits import Habit

TODAY = dt.date(2024, 12, 31)
MOST = {False: 15, True: 40}
ONLY_FULL = {Topic.LIVING, Topic.HALF_DAY_EXPIRING, Topic.EOD, Topic.CALENDAR, Topic.LISTING_TODAY}


@pytest.fixture
def probed(lake, at):
    """Return a prober of terminals: what was found, and what was heard."""

    @contextlib.contextmanager
    def probe(terminal, *, full=False, moment=None, tell=lambda _: None, **keys):
        url = terminal if isinstance(terminal, str) else terminal.url
        settings = lake(url, **({"start_date": "2018-01-02"} | keys))
        with probing(settings, moment or at(2024, 12, 31, 12, 0), full=full, tell=tell) as found:
            yield found

    return probe


@pytest.mark.parametrize("full", [False, True], ids=["short", "full"])
@pytest.mark.parametrize("api", ["v3", "v2"])
def test_it_asks_no_more_than_its_budget_and_every_question_of_the_plan(api, full, simulated, probed):
    terminal = simulated(api=api)
    with probed(terminal, full=full, api=api) as found:
        asked, story = terminal.requests(), found.story

    assert len(asked) == found.requests <= MOST[full]
    assert found.profile.whole
    assert found.profile == profile.read(found.profile_path)
    assert {each.topic for each in story.heard} >= set(Topic) - ONLY_FULL
    formats = [each.format for each in story.of(Topic.CONTRACT)]
    assert {"csv", "json"} | ({"ndjson"} if api == "v3" else set()) == set(formats)
    assert len(formats) >= 3


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_it_never_has_more_in_flight_than_the_settings_allow(limit, simulated, probed):
    terminal = simulated(latency_ms=20, outstanding=8)
    with probed(terminal, max_concurrent_requests=limit):
        pass

    assert max(each["in_flight"] for each in terminal.requests()) <= limit


@pytest.mark.parametrize(
    "moment",
    [
        (2024, 12, 31, 4, 0),
        (2024, 12, 31, 18, 0),
        (2024, 12, 29, 12, 0),
        (2024, 7, 4, 12, 0),
        (2024, 11, 29, 14, 0),
        (2024, 3, 11, 10, 0),
        (2018, 1, 2, 9, 0),
    ],
)
def test_it_finds_its_days_at_any_moment(moment, simulated, probed, at):
    terminal = simulated(today=dt.date(*moment[:3]))
    with probed(terminal, moment=at(*moment), start_date="2017-01-03") as found:
        heard = {each.topic: each for each in found.story.heard}

    assert found.profile.whole
    assert heard[Topic.ORDINARY].has_rows
    assert heard[Topic.HALF_DAY].has_rows
    assert (Topic.TODAY in heard) == (
        moment[:3] in {(2024, 12, 31), (2024, 3, 11), (2018, 1, 2)} and moment[3] < 17
    )


def test_a_lake_of_one_root_settled_at_the_open(simulated, probed):
    with probed(simulated(), roots=["SPX"]) as found:
        assert found.story.one(Topic.ORDINARY).has_rows
        assert found.story.one(Topic.THIRD_FRIDAY) is not None


def test_without_a_root_settled_at_the_open_there_is_no_third_friday(simulated, probed):
    with probed(simulated(), roots=["SPXW"]) as found:
        assert Topic.THIRD_FRIDAY in found.story.unasked
        assert found.story.one(Topic.CLOCK_CHANGE).has_rows


# Bad input ----------------------------------------------------------------------------------------------


def test_no_terminal(probed, lake):
    with pytest.raises(ThetaTerminalNotRunningError), probed("http://127.0.0.1:9"):
        pass

    assert not lake("http://127.0.0.1:9").layout.profile.exists()


def test_a_terminal_without_its_server_leaves_the_profile_of_before(simulated, probed):
    terminal = simulated()
    with probed(terminal) as found:
        before = found.profile
    terminal.set_status("DISCONNECTED")

    with pytest.raises(TerminalDisconnectedError), probed(terminal):
        pass

    assert profile.read(found.profile_path) == before


@pytest.mark.parametrize("how", ["gone", "disconnected"])
def test_a_terminal_that_dies_halfway(how, probed):
    settings = theta_simulator.Settings(size="tiny", today=TODAY)
    with contextlib.ExitStack() as alive:
        terminal = alive.enter_context(theta_simulator.running(settings))

        def end(said):
            if "half day" in said:
                alive.close() if how == "gone" else terminal.set_status("DISCONNECTED")

        with probed(terminal, tell=end) as found:
            assert isinstance(found.ended_by, ThetaTerminalNotRunningError | TerminalDisconnectedError)
            assert not found.profile.whole
            assert found.story.one(Topic.ORDINARY).has_rows
            assert profile.read(found.profile_path).table == found.profile.table
            assert found.requests <= 15


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_subscription_that_includes_no_history(api, simulated, probed):
    terminal = simulated(api=api, faults=Faults(1, 1.0, ("refused-tier",), most_per_request=99))
    with probed(terminal) as found:
        assert found.ended_by is None
        assert not any(each.has_rows for each in found.story.heard)


def test_a_range_of_which_there_is_nothing(simulated, probed):
    with probed(simulated(), start_date="2012-06-04", full=True) as found:
        floor = list(found.story.of(Topic.FLOOR))

    assert not floor[0].has_rows
    assert any(each.has_rows for each in floor)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("api", ["v3", "v2"])
def test_faults_of_all_kinds_end_no_probe(api, seed, simulated, probed):
    kinds = tuple(kind for kind in ALL if kind not in ("stall", "refused-tier"))
    terminal = simulated(api=api, faults=Faults(seed, 0.5, kinds))
    with probed(terminal, timeout_seconds=2) as found:
        assert len(terminal.requests()) <= 15
        assert all(row.seen for row in found.profile.table)


def test_the_lakes_journal_has_it(simulated, probed):
    with probed(simulated(habits=(Habit("lists-expired"),))) as found:
        layout = found.layout
    (event,) = (each for each in journal.read(layout.lake_journal) if each["event"] == journal.PROBED)

    assert (event["sha256"], event["requests"]) == (found.profile.sha256, found.requests)
    assert json.loads(layout.profile.read_text())["answers"]
