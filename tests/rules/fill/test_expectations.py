"""What a fill does with a profile of its terminal, right or wrong: the bytes are those without one."""

import datetime as dt
import hashlib
from dataclasses import replace

import pytest
from tests.habits import runs

from spx_data.market.second_opinion import Lack
from spx_data.sources import profile
from spx_data.sources.profile import Clock, Ends, Floor, Profile, Speed, Wire
from spx_data.sources.session import SourceSession
from theta_simulator.habits import Habit

DAY, HALF_DAY = dt.date(2024, 1, 2), dt.date(2024, 7, 3)
MINUTE = 60_000


@pytest.fixture
def filled(simulated, day, tmp_path, monkeypatch):
    """Return a filler of one date of a lake of its own, whose terminal has that profile, or none."""

    def fill(name, found, *habits, where=DAY, api="v3", **keys):
        terminal = simulated(api=api, habits=tuple(Habit(each, seed=3) for each in habits))
        folders = {f"{each}_directory": str(tmp_path / name / each) for each in ("output", "temp", "data")}
        date = day(terminal, where, max_dte=6, api=api, **folders, **keys)
        if found is not None:
            date.settings.layout.profile.parent.mkdir(parents=True)
            profile.write(date.settings.layout.profile, found)
        assert runs(date, monkeypatch).sealed
        sealed = hashlib.sha256(date.layout.parquet(where).read_bytes()).hexdigest()
        return date, sealed, len(terminal.requests())

    return fill


def profiled(api="v3", **fields):
    """Return a profile of a terminal of that API."""
    moment = dt.datetime(2024, 12, 31, 12, tzinfo=dt.UTC)
    return Profile(moment, whole=True, full=False, api=api, base_url="http://127.0.0.1:1", **fields)


WRONG = {
    "wire": Wire("parted", unended=True),
    "confirmed": dict.fromkeys(Lack, 9),
    "blanks": ("delta", "lambda", "implied_vol"),
    "full_day": Ends(15 * 60 * MINUTE, 14 * 60 * MINUTE),
    "half_day": Ends(12 * 60 * MINUTE, 12 * 60 * MINUTE),
    "clocks": (Clock("SPXW", True, "fixed"), Clock("SPXW", False, "time-left to 13:00")),
    "speed": Speed(9.0, 9.0, 1.0, 1.0, 1),
    "floor": Floor(dt.date(2024, 6, 3), dt.date(2024, 5, 31), "status 403"),
}


@pytest.mark.parametrize(
    "habit", [None, "lambda-blank", "lists-unquoted", "rows-on-change", "zero-rows-first"]
)
@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_profile_that_is_wrong_in_every_field_changes_no_byte(api, habit, filled):
    habits = [habit] if habit else []

    date, sealed, _ = filled("wrong", profiled(api, **WRONG), *habits, api=api)
    _, as_ever, _ = filled("none", None, *habits, api=api)

    assert sealed == as_ever
    differs = date.passport()["profile"]["differs"]
    assert "chains that live on end at 16:00, on full days of the profile at 15:00" in differs
    assert any(text.startswith("greeks of SPXW count ") for text in differs)
    assert (api == "v2") == (not any("SPXW on their last day" in text for text in differs))


@pytest.mark.parametrize(
    "habit", ["singles-more-contracts", "loses-first-rows", "singles-more-random-everywhere"]
)
def test_what_a_probe_believed_too_early_loses_no_row(habit, filled):
    _, sealed, _ = filled("wrong", profiled(confirmed=dict.fromkeys(Lack, 1)), habit)
    _, as_ever, _ = filled("none", None, habit)

    assert sealed == as_ever


def test_a_last_line_without_an_end_is_believed_at_once(filled):
    date, sealed, requests = filled("known", profiled(wire=Wire(unended=True)), "no-final-newline", api="v3")
    _, as_ever, requests_as_ever = filled("none", None, "no-final-newline", api="v3")

    assert sealed == as_ever
    assert requests < requests_as_ever
    assert date.passport()["profile"]["differs"] == []


def test_values_that_records_are_known_to_lack_are_not_asked_for_twice(filled):
    _, sealed, requests = filled("known", profiled(wire=Wire("loose"), blanks=("lambda",)), "lambda-blank")
    _, as_ever, requests_as_ever = filled("none", None, "lambda-blank")

    assert sealed == as_ever
    assert requests < requests_as_ever


def test_another_spelling_than_that_of_the_profile_is_told(filled):
    date, *_ = filled("typed", profiled(), "stamp-zulu")

    assert date.passport()["profile"]["differs"] == [
        "histories are spelt otherwise than in the profile (loose)"
    ]


def test_a_profile_of_the_other_api_is_told_and_used_for_nothing(filled):
    date, sealed, requests = filled("other", profiled("v2", **WRONG))
    _, as_ever, requests_as_ever = filled("none", None)

    assert (sealed, requests) == (as_ever, requests_as_ever)
    assert date.passport()["profile"]["differs"] == [
        "the terminal speaks v3, the profile is of one that speaks v2"
    ]


def test_half_days_end_as_the_profile_has_it(filled):
    """Rows that go on to 16:00 disagree with both calendars, and are this terminal's way."""
    ends = {"half_day": Ends(16 * 60 * MINUTE, 16 * 60 * MINUTE)}
    known, *_ = filled("known", profiled(**ends), "half-day-1600", where=HALF_DAY)
    unknown, *_ = filled("none", None, "half-day-1600", where=HALF_DAY)

    assert unknown.passport()["session"]["findings"]
    assert known.passport()["session"]["findings"] == []
    assert known.passport()["session"]["closes"] == unknown.passport()["session"]["closes"]


def test_a_convention_of_the_profile_is_no_foreign_one(filled):
    clocks = (Clock("SPXW", True, "fixed"), Clock("SPXW", False, "whole-days"))
    known, *_ = filled("known", profiled(clocks=clocks), "years-whole-days")
    unknown, *_ = filled("none", None, "years-whole-days")

    assert foreign(unknown) > 0
    assert foreign(known) == 0


def foreign(date):
    """Return how many chains count time otherwise than expected."""
    checks = date.passport()["quality"]["checks"]
    return next(check["hits"] for check in checks if check["check"] == "greeks-convention")


def test_a_damaged_profile_is_none(filled):
    date, *_ = filled("damaged", profiled(**WRONG))
    path = date.settings.layout.profile
    path.write_bytes(path.read_bytes()[:-9])

    assert profile.known(path) is None


@pytest.mark.parametrize("slowest, seconds", [(None, 600), (10.0, 600), (100.0, 1000)])
def test_a_slow_terminal_is_waited_for(slowest, seconds, simulated, day):
    date = day(simulated(), api="v3", history_timeout_seconds=600)
    layout = date.settings.layout
    layout.profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write(layout.profile, replace(profiled(), speed=Speed(slowest_first_byte_seconds=slowest)))

    with SourceSession.open(date.settings, DAY, "download") as line:
        assert line.source._terminal.history_timeout_seconds == seconds
