"""Whole fills from sources with habits of their own: facts cost nothing, dead feeds do."""

import datetime as dt

import pytest
from tests.rules.conftest import DAY

from spx_data.quality.checks import Part
from theta_simulator.habits import Habit, Kind

HALF_DAY = dt.date(2024, 7, 3)
CLOCKS_CHANGE = dt.date(2024, 3, 8)
APIS = ("v3", "v2")


@pytest.fixture
def passport(simulated, day):
    """Return a filler of one date from a source with habits, which gives its passport."""

    def make(*kinds, date=DAY, api="v3", **keys):
        terminal = simulated(api=api, habits=tuple(Habit(kind, seed=1) for kind in kinds), **keys)
        filled = day(terminal, date, api=api)
        filled.fill()
        return filled.passport()

    return make


def checks(found):
    return {check["check"]: check for check in found["quality"]["checks"]}


def points(found, part):
    return found["quality"]["parts"][part]["score"]


@pytest.mark.parametrize(
    ("kind", "date", "name", "api"),
    [
        (Kind.YEARS_LOCAL_CLOCK, CLOCKS_CHANGE, "local clock", "v3"),
        (Kind.YEARS_LOCAL_CLOCK, CLOCKS_CHANGE, "local clock", "v2"),
        (Kind.YEARS_TRUE_CLOCK, CLOCKS_CHANGE, "", "v3"),
        (Kind.YEARS_AM_SETTLEMENT, DAY, "to 09:30", "v3"),
        (Kind.YEARS_TO_1615, DAY, "to 16:15", "v2"),
        (Kind.YEARS_365_25, DAY, "365.25", "v3"),
        (Kind.YEARS_FLOOR_MINUTE, DAY, "a minute at least", "v2"),
        (Kind.YEARS_WHOLE_DAYS, DAY, "whole-days", "v3"),
        (Kind.YEARS_WHOLE_DAYS, DAY, "whole-days", "v2"),
    ],
)
def test_however_the_source_counts_time_its_greeks_are_good(kind, date, name, api, passport):
    found = passport(kind, date=date, api=api, size="small")

    assert points(found, Part.GREEKS) == 100
    assert checks(found)["greeks-time"]["hits"] == 0
    assert name in found["quality"]["figures"]["greeks_convention"]
    assert found["quality"]["score"] > 99


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", [None, Kind.HALF_DAY_1300, Kind.HALF_DAY_1315])
def test_a_half_day_is_complete_wherever_its_chains_end(kind, api, passport):
    found = passport(*([kind] if kind else []), date=HALF_DAY, api=api)

    assert found["completeness"]["complete"]
    assert found["session"]["findings"] == []
    assert points(found, Part.COMPLETENESS) == 100
    assert found["quality"]["score"] > 99


@pytest.mark.parametrize("api", APIS)
def test_quotes_repeated_after_a_half_day_s_close_are_told_and_raise_no_alarm(api, passport):
    found = passport(Kind.HALF_DAY_1600, date=HALF_DAY, api=api)

    assert found["session"]["closes"].startswith("2024-07-03T13:00:00")
    assert any("16:00" in finding for finding in found["session"]["findings"])
    assert sum(chain["stamps_unexpected"] for chain in found["chains"]) > 0
    assert checks(found)["stalled"]["hits"] == checks(found)["dead-stamps"]["hits"] == 0


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("kind", "code", "stamps", "least", "most"),
    [
        (Kind.DEAD_HOUR, "dead-stamps", 60, 0, 5),
        (Kind.DEAD_MINUTE, "dead-stamps", 1, 95, 99.9),
        (Kind.FROZEN_QUOTES, "stalled", 29, 0, 60),
    ],
)
def test_a_dead_feed_is_told_from_when_to_when_and_costs(kind, code, stamps, least, most, api, passport):
    found = checks(passport(kind, api=api))[code]

    assert stamps - 1 <= found["hits"] <= stamps + 1
    assert (" to " in found["first"]) == (stamps > 1)
    assert least <= found["score"] <= most
