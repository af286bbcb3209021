"""A bounded share of `make proof`: every kind of defect is found and named, and clean days raise no alarm."""

from dataclasses import replace

import pytest
from tests.proof import clean, expected, seeded

from spx_data.quality import parity, quotes
from theta_simulator.blemishes import Kind

SEED = 2_000_000 - 2_000_000 % len(seeded.KINDS)


def test_every_kind_of_blemish_is_proven_by_somebody():
    assert sorted(seeded.KINDS) == sorted(Kind)


@pytest.mark.parametrize("part", range(5))
def test_every_defect_at_the_source_is_found_and_nothing_else_is(part):
    size = len(seeded.KINDS) // 5

    tally = seeded.share(size, SEED + part * size, narrow=True)

    assert tally.wrong == []
    assert tally.found.total() == size


OF_EVERY_CHAIN = (Kind.UNDERLYING_FROZEN, Kind.FORWARD_OFF, Kind.GREEKS_ZEROED, Kind.OTHER_CONVENTION)


@pytest.mark.parametrize("kind", OF_EVERY_CHAIN)
def test_a_defect_of_every_chain_is_found_in_every_chain(kind):
    world, where = world_of(kind)
    world = replace(world, everywhere=True)

    wrong, _ = seeded.complaints(world, where, seeded.fill(world), seeded.fill(world.clean))

    assert wrong == []


def test_clean_days_raise_no_alarm():
    tally = clean.share(14, SEED, narrow=True)

    print(f"{tally.rows} records of {dict(tally.days)}, the lowest score {tally.lowest}")
    assert tally.wrong == []
    assert set(tally.days) == {*clean.SPECIAL, "any"}
    assert len(tally.habits) > 3


def test_blemishes_are_sought_beside_habits_too():
    worlds = [seeded.draw(SEED + number, narrow=True)[0] for number in range(len(seeded.KINDS))]

    assert len({habit.kind for world in worlds for habit in world.habits}) > 5


def world_of(kind):
    return seeded.draw(SEED + seeded.KINDS.index(kind), narrow=True)


def complaints(kind):
    seeded.fill.cache_clear()
    world, where = world_of(kind)
    return seeded.complaints(world, where, seeded.fill(world), seeded.fill(world.clean))[0]


def test_a_check_that_finds_nothing_is_found_out(tmp_path, monkeypatch):
    judge = quotes.judge
    monkeypatch.setattr(quotes, "judge", lambda panel: [count._replace(hits=0) for count in judge(panel)])

    assert any("crossed does not find it" in wrong for wrong in complaints(Kind.CROSSED))


def test_a_check_that_finds_too_much_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "HALF_CENT", -100.0)

    assert complaints(Kind.LOCKED) == []  # the clean day's alarms are the same: that is `clean`'s
    assert any("parity finds" in wrong for wrong in clean.complaints(seeded.fill(world_of(Kind.LOCKED)[0])))


def test_an_expectation_that_names_too_little_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setitem(expected.JUDGED, Kind.STALE, expected.Finds(frozenset({"stale"})))

    assert any("parity finds something too" in wrong for wrong in complaints(Kind.STALE))
