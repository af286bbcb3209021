"""A lake whose terminal was probed: its days are sealed with the same bytes, in no more requests.

Every habit of the simulator is probed and filled, with the profile and without: two of one terminal, where
there are two that have nothing to do with each other.
"""

import datetime as dt
import hashlib
import itertools
from dataclasses import replace

import pytest
from tests.habits import runs
from tests.proof import characters

from spx_data.fill.preflight import preflight
from spx_data.ops.probe import probing
from theta_simulator.habit_rows import EDITS
from theta_simulator.habits import EVERYWHERE, OF_SOME_DATES, V3_ONLY, Habit, Kind

DAY, HALF_DAY = dt.date(2024, 1, 2), dt.date(2024, 7, 3)
SEED = 3


# How answers are spelled, what passes and what stays empty shows beside whatever becomes of rows.
SPELLED = (*characters.SPELLING, *characters.FIRST, *characters.ANY["fields"])
EDITED = [kind for kind in EDITS if kind not in (*EVERYWHERE, Kind.LISTS_UNQUOTED)]
# And the two reports of a date beside a listing, or contracts asked alone.
REPORTS = [kind for kind in Kind if kind.startswith(("no-eod", "eod-", "no-interest", "interest-"))]
LISTED = (
    *(*characters.LISTS_MORE, Kind.ROOT_MISSING_ONCE, Kind.UNLISTED_OWN_DATE),
    *characters.ANY["contracts"],
)
PAIRS = [*zip(SPELLED, EDITED, strict=False), *zip(REPORTS, LISTED, strict=True)]


def cases():
    """Yield each habit at one of the APIs, by turns; what is so everywhere is so in one chain."""
    paired = {*itertools.chain(*PAIRS)}
    alone = [(kind,) for kind in Kind if kind not in paired | EVERYWHERE]
    for number, kinds in enumerate([*PAIRS, *alone]):
        api = "v3" if V3_ONLY.intersection(kinds) or number % 2 else "v2"
        yield pytest.param(api, kinds, id=f"{'+'.join(kinds)}-{api}")


def test_every_habit_is_had():
    had = {kind for case in cases() for kind in case.values[1]}

    assert had == {*Kind} - EVERYWHERE


@pytest.fixture
def filled(simulated, day, tmp_path, at, monkeypatch):
    """Return a filler of one date of a lake of its own: what came of it, and how many requests that took."""

    def fill(name, api, habits, where, *, probed, interval):
        terminal = simulated(api=api, habits=habits)
        folders = {f"{each}_directory": str(tmp_path / name / each) for each in ("output", "temp", "data")}
        date = day(terminal, where, max_dte=6, api=api, interval=interval, **folders)
        if probed:
            with probing(date.settings, at(2024, 12, 31, 12, 0)):
                pass
            terminal.change(habits=habits)  # what passes begins anew
        before = len(terminal.requests())
        date.settings = replace(date.settings, terminal=preflight(date.settings))
        found = runs(date, monkeypatch)
        sealed = hashlib.sha256(date.layout.parquet(where).read_bytes()).hexdigest() if found.sealed else None
        return date, sealed, len(terminal.requests()) - before

    return fill


@pytest.mark.parametrize("api, kinds", [*cases()])
def test_a_habit_that_was_probed(api, kinds, filled):
    where = HALF_DAY if any(kind.startswith("half-day") for kind in kinds) else DAY
    habits = tuple(Habit(kind, seed=SEED, day=where if kind in OF_SOME_DATES else None) for kind in kinds)

    # What changes rows may do so at any minute; all else shows in fewer of them.
    interval = "1m" if EDITS.keys() & kinds else "30m"

    date, sealed, requests = filled("probed", api, habits, where, probed=True, interval=interval)
    other, as_ever, requests_as_ever = filled("unknown", api, habits, where, probed=False, interval=interval)

    assert sealed == as_ever
    assert requests <= requests_as_ever
    if sealed:
        passport = date.passport()
        assert passport["profile"]["sha256"]
        assert passport["profile"]["differs"] == []
        assert other.passport()["profile"] is None
