"""A lake that several machines share: whose job a lock is, and a volume that keeps its locks to itself."""

import datetime as dt
import os

import pytest

from spx_data.errors import AnotherRunError
from spx_data.lake import runs
from spx_data.store import files, journal, locks, names

NOW = dt.datetime(2024, 12, 31, tzinfo=dt.UTC)
ELSEWHERE = runs.Run("before", 1, NOW, "/", "snakemake", (), machine="login.example.org")


@pytest.fixture
def layout(lake, monkeypatch):
    monkeypatch.setattr(runs, "_PATIENCE_SECONDS", 0.1)
    layout = lake().layout
    files.write_json(layout.run_note, ELSEWHERE.as_json())
    return layout


def test_no_run_begins_while_a_job_of_the_last_one_is_at_work_on_another_machine(layout):
    lock = layout.jobs / ELSEWHERE.name / "4711@node-7.example.org.lock"
    held = locks.hold(lock)

    with pytest.raises(AnotherRunError, match=r"process 4711 on node-7\.example\.org") as refused:
        runs.check_idle(layout)
    os.close(held)

    assert refused.value.fields == {"pid": 4711}
    runs.check_idle(layout)  # a lock that nobody holds is what a killed job leaves


def test_processes_of_one_number_on_two_machines_are_jobs_side_by_side(layout, monkeypatch):
    monkeypatch.setenv(journal.RUN_VARIABLE, ELSEWHERE.name)
    other = layout.jobs / ELSEWHERE.name / f"{os.getpid()}@node-7.lock"
    held = [locks.hold(layout.run_lock), locks.hold(other)]

    with runs.joined(layout):
        assert layout.job_locks(ELSEWHERE.name) == sorted(
            [other, layout.job_lock(ELSEWHERE.name, os.getpid())]
        )
    for descriptor in held:
        os.close(descriptor)


def test_a_job_that_sees_no_lock_of_its_run_on_another_machine_says_what_a_volume_may_lack(
    layout, monkeypatch
):
    monkeypatch.setenv(journal.RUN_VARIABLE, ELSEWHERE.name)

    with pytest.raises(AnotherRunError) as refused, runs.joined(layout):
        pytest.fail("it went to work")

    assert "login.example.org" in refused.value.cause
    assert "flock" in refused.value.cure


@pytest.mark.parametrize("since", [{"machine": names.machine()}, {"name": "after"}], ids=["gone", "another"])
def test_a_job_whose_run_is_gone_or_followed_by_another_says_only_that(since, layout, monkeypatch):
    files.write_json(layout.run_note, ELSEWHERE._replace(**since).as_json())
    monkeypatch.setenv(journal.RUN_VARIABLE, ELSEWHERE.name)

    with pytest.raises(AnotherRunError, match=r"^the run that started this job is gone"), runs.joined(layout):
        pytest.fail("it went to work")


@pytest.fixture
def renamed(monkeypatch):
    """A function that gives this machine another name."""

    def rename(name):
        names.machine.cache_clear()
        monkeypatch.setattr("platform.node", lambda: name)

    yield rename
    names.machine.cache_clear()


@pytest.mark.parametrize("machine", ["node-7.example.org", "a/b", "ü", "", "x" * 300])
def test_whatever_a_machine_calls_itself_is_in_the_name_of_a_lock(layout, renamed, machine):
    renamed(machine)
    lock = layout.job_lock(ELSEWHERE.name, 7)
    held = locks.hold(lock)

    assert layout.job_locks(ELSEWHERE.name) == [lock]
    runs.check_idle(layout)  # it is none of another machine's
    number, where = names.process_of(lock)
    assert number == 7
    assert (machine or "localhost").startswith(where)
    os.close(held)
