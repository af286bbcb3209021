"""Two lakes at one terminal: no more requests in flight than the limit, and both are filled."""

import os
import pwd
from pathlib import Path

from spx_data.sources import slots
from theta_simulator import Settings as Simulated
from theta_simulator import running

from .conftest import PATIENCE, TODAY

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


def test_symbols_and_lakes_and_a_recheck_at_one_terminal_keep_to_the_smallest_limit(new_lake, filled_lake):
    """At no moment are more in flight than the smallest limit of those that have something in flight."""
    day, other, sealed = "2024-11-25", "2024-12-02", "2024-11-29"
    with running(Simulated(size="tiny", today=TODAY, latency_ms=100)) as terminal:
        several = new_lake(terminal, day, day, max_concurrent_requests=4)
        several.configure(**several.sections(), symbols={name: {} for name in ("SPX", "XSP", "SPY", "VIX")})
        alone = new_lake(terminal, other, other, max_concurrent_requests=3)
        rechecked = filled_lake(sealed, sealed, terminal, max_concurrent_requests=2)

        processes = [several.start(), alone.start()]
        asked_again = rechecked.spx_data("recheck", sealed)
        outputs = [process.communicate(timeout=PATIENCE)[0] for process in processes]

        asked = [one for one in terminal.requests() if one["counted"] and one["started"]]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert asked_again.returncode == 0, asked_again.stderr
    limits = {day: 4, other: 3, sealed: 2}
    theirs = [(one, limits[date]) for one in asked if (date := _date_of(one)) in limits]
    assert {limit for _, limit in theirs} == {4, 3, 2}
    for one, _ in theirs:
        now = [limit for each, limit in theirs if each["started"] <= one["started"] < each["finished"]]
        assert len(now) <= min(now)
    assert most_at_once(asked) <= 4


def _date_of(request):
    """The trading date that a request is about, if any."""
    text = request["query"].get("date", "").replace("-", "")
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else None


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
    assert max(one["in_flight"] for one in asked) == min(limits)
    assert most_at_once(asked) == min(limits)
    for dates in DATES:
        day = dates[0].replace("-", "")
        theirs = [one for one in asked if one["query"].get("date", "").replace("-", "") == day]
        assert len(theirs) > 5


def test_the_tests_leave_the_users_own_folder_alone():
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)

    assert not slots.of_terminal("http://127.0.0.1:25503", home).folder.is_relative_to(home)
