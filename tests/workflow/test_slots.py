"""Two lakes at one terminal: no more requests in flight than the limit, and both are filled."""

import os
import pwd
from pathlib import Path

from spx_data.sources import slots
from theta_simulator import Settings as Simulated
from theta_simulator import running

from .conftest import TODAY

# Lakes of different dates, so that the terminal's log tells whose a request was.
DATES = (("2024-11-25", "2024-11-25"), ("2024-12-02", "2024-12-02"))


def most_at_once(requests):
    """The most of *requests* that were in flight at one moment."""
    edges = [(one["started"], 1) for one in requests] + [(one["finished"], -1) for one in requests]
    most = now = 0
    for _, step in sorted(edges):  # at the same moment an end comes before a start
        now += step
        most = max(most, now)
    return most


def test_two_lakes_at_one_terminal_share_its_limit_and_both_are_filled(new_lake):
    limits = (4, 2)
    with running(Simulated(size="tiny", today=TODAY, latency_ms=100)) as terminal:
        lakes = [
            new_lake(terminal, *dates, max_concurrent_requests=limit, base_url=terminal.url + end)
            for dates, limit, end in zip(DATES, limits, ("", "/"), strict=True)
        ]

        processes = [lake.start() for lake in lakes]
        outputs = [process.communicate(timeout=180)[0] for process in processes]

        asked = [one for one in terminal.requests() if one["counted"] and one["started"]]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert [lake.sealed() for lake in lakes] == [[first] for first, _ in DATES]
    assert max(one["in_flight"] for one in asked) == max(limits)
    assert most_at_once(asked) == max(limits)
    for dates, limit in zip(DATES, limits, strict=True):
        day = dates[0].replace("-", "")
        theirs = [one for one in asked if one["query"].get("date", "").replace("-", "") == day]
        assert len(theirs) > 5
        assert most_at_once(theirs) <= limit


def test_the_tests_leave_the_users_own_folder_alone():
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)

    assert not slots.of_terminal("http://127.0.0.1:25503", home).folder.is_relative_to(home)
