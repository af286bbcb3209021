"""Lakes, symbols and a recheck at one terminal: in flight are no more than the smallest limit at work."""

import os
import pwd
from pathlib import Path

from spx_data.sources import slots
from theta_simulator import Settings as Simulated
from theta_simulator import running

from .conftest import PATIENCE, TODAY


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
        alone = new_lake(terminal, other, other, max_concurrent_requests=3, base_url=f"{terminal.url}/")
        rechecked = filled_lake(sealed, sealed, terminal, max_concurrent_requests=2)

        processes = [several.start(), alone.start()]
        asked_again = rechecked.spx_data("recheck", sealed)
        outputs = [process.communicate(timeout=PATIENCE)[0] for process in processes]

        asked = [one for one in terminal.requests() if one["counted"] and one["started"]]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert asked_again.returncode == 0, asked_again.stderr
    assert alone.sealed() == [other]
    assert len(list(several.folder.rglob(f"*-options-{day}.parquet.sha256"))) == 4
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


def test_the_tests_leave_the_users_own_folder_alone():
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)

    assert not slots.of_terminal("http://127.0.0.1:25503", home).folder.is_relative_to(home)
