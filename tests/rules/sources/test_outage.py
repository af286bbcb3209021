"""A terminal in trouble is asked how it is before it is asked for data, by every date alike."""

import datetime as dt
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.rules.conftest import DAY

from spx_data.errors import ApiConnectionError, TerminalDisconnectedError, ThetaTerminalNotRunningError
from spx_data.lake import runs
from spx_data.lake.runs import Run
from spx_data.lake.session_states import Kind
from spx_data.sources import outage
from spx_data.store import files, journal, locks
from theta_simulator import Faults
from theta_simulator.faults import Outage

NEXT = dt.date(2024, 1, 3)


def asked(terminal):
    """The history requests that reached the terminal."""
    return [request for request in terminal.requests() if "expiration" in request["query"]]


def test_the_dates_after_an_outage_cost_one_status_request_each(simulated, day):
    terminal = simulated()
    first, second = day(terminal, api="v3"), day(terminal, NEXT, api="v3")
    first.fetch()
    second.fetch()
    terminal.set_status("DISCONNECTED")
    with pytest.raises(TerminalDisconnectedError):
        first.download()
    before = len(terminal.requests())

    with pytest.raises(TerminalDisconnectedError):
        second.download()

    assert [request["path"] for request in terminal.requests()[before:]] == ["/v3/terminal/mdds/status"]
    assert second.events(journal.RETRIED) == []
    assert (second.state().kind, second.state().tries) == (Kind.FAILED, 0)


def test_a_terminal_that_is_back_is_used_at_once(simulated, day):
    terminal = simulated()
    first, second = day(terminal, api="v3"), day(terminal, NEXT, api="v3")
    terminal.set_status("DISCONNECTED")
    with pytest.raises(TerminalDisconnectedError):
        first.fetch()
    assert first.layout.terminal_down.exists()
    terminal.set_status("CONNECTED")

    second.fill()
    first.fill()

    assert not first.layout.terminal_down.exists()
    assert (first.state().kind, second.state().kind) == (Kind.SEALED, Kind.SEALED)


def test_a_terminal_that_hangs_up_on_everything_is_gone(day, wire):
    wire.sends(b"")  # on every request, and on the question how it is
    date = day(wire.url, api="v3")

    with pytest.raises(TerminalDisconnectedError, match="hangs up even on the question"):
        date.fetch()

    assert date.layout.terminal_down.exists()
    assert date.state().tries == 0
    assert sum("list/contracts" in target for target in wire.asked) == 1


def test_nobody_at_the_address_is_a_terminal_that_does_not_run(day, nobody):
    date = day(nobody(), api="v3")

    with pytest.raises(ThetaTerminalNotRunningError):
        date.fetch()

    assert len(date.events(journal.REQUEST)) == 4  # asked again three times
    assert date.layout.terminal_down.exists()
    assert date.state().tries == 0


def test_a_job_that_waits_says_so_until_the_terminal_answers(simulated, day, monkeypatch):
    monkeypatch.setenv(journal.RUN_VARIABLE, "one")
    terminal = simulated()
    date = day(terminal, api="v3", retry_wait_factor=1)
    date.fetch()
    run = Run("one", os.getpid(), dt.datetime.now(dt.UTC), "/lake", "snakemake", (DAY,))
    files.write_json(date.layout.run_note, run.as_json())
    run_lock = locks.hold(date.layout.run_lock)
    terminal.set_status("DISCONNECTED")
    began = dt.datetime.now(dt.UTC)

    with runs.joined(date.layout), ThreadPoolExecutor(1) as pool:
        job = pool.submit(date.download)
        while (found := outage.of_run(date.layout, "one")) is None and not job.done():
            time.sleep(0.02)
        met = dt.datetime.now(dt.UTC)
        terminal.set_status("CONNECTED")
        job.result()
        after = outage.of_run(date.layout, "one")
    os.close(run_lock)

    assert began < found.since < met
    # Five waits of one second, two, four, and so on, each with half a second more at the most; which of them
    # was seen depends on the machine, and no moment is of one that was said later.
    assert (found.until - found.since).total_seconds() > 31
    assert (found.until - met).total_seconds() <= 33.5
    assert (found.again - found.since).total_seconds() >= 1
    assert (found.again - met).total_seconds() <= 16.5
    assert after is None
    assert not list(date.layout.jobs.rglob("*.json"))


def test_a_run_that_gave_up_on_the_terminal_knows_since_when_it_is_away(simulated, day, monkeypatch):
    monkeypatch.setenv(journal.RUN_VARIABLE, "one")
    terminal = simulated()
    first, second = day(terminal, api="v3"), day(terminal, NEXT, api="v3")
    terminal.set_status("DISCONNECTED")
    began = dt.datetime.now(dt.UTC)
    with pytest.raises(TerminalDisconnectedError):
        first.fetch()
    given_up = outage.of_run(first.layout, "one")

    with pytest.raises(TerminalDisconnectedError):
        second.fetch()

    assert outage.of_run(first.layout, "one") == given_up
    assert began < given_up.since <= given_up.until
    assert given_up.again is None
    terminal.set_status("CONNECTED")
    second.fetch()
    assert outage.of_run(first.layout, "one") is None


def test_an_outage_that_ends_within_the_patience_is_survived(simulated, day):
    outage = Outage(first=3, last=6, kind="outage-disconnected")
    terminal = simulated(faults=Faults(seed=1, rate=0.0, outages=(outage,)))
    date = day(terminal, api="v3")

    date.fill()

    assert date.state().kind is Kind.SEALED
    assert {request["fault"] for request in terminal.requests()} == {None, "outage-disconnected"}


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_broken_connection_of_one_chain_leaves_the_others_alone(api, simulated, day):
    terminal = simulated(api=api, faults=Faults(seed=4, rate=0.35, kinds=("reset",), most_per_request=99))
    date = day(terminal, max_concurrent_requests=1)

    for _ in range(20):
        try:
            date.fetch()
            date.download()
            break
        except ApiConnectionError as error:
            # The terminal says that it is well, so the trouble is this request's own.
            assert not isinstance(error, TerminalDisconnectedError)

    date.merge()
    assert date.state().kind is Kind.SEALED


@pytest.mark.parametrize("concurrent", [1, 3])
def test_a_subscription_that_lacks_the_data_is_not_asked_fifty_times(concurrent, simulated, day):
    refusing = Faults(seed=1, rate=1.0, kinds=("refused-tier",), most_per_request=99)
    terminal = simulated(faults=refusing)
    good = day(simulated())
    good.fetch()
    date = day(terminal, max_concurrent_requests=concurrent)

    with pytest.raises(Exception, match="subscription") as caught:
        date.download()

    assert "Upgrade it" in caught.value.cure
    # Two more were waiting for a slot when the first refusal came.
    assert 1 <= len(asked(terminal)) <= concurrent + 2
    assert date.state().tries == 1
    assert date.date == DAY
