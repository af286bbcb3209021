"""What terminals of one process build once, because habits that it is not about change nothing in it."""

from dataclasses import replace

import pytest
import requests
from tests.unit.simulator.test_habits import CHAIN, DAY, TODAY, chain, eod, listing

from theta_simulator import Habit, Settings, interest, running, wire_v2, wire_v3
from theta_simulator import eod as day_report
from theta_simulator.habits import Kind
from theta_simulator.habitual import HabitualMarket
from theta_simulator.server import NOT_OF_DATA

WIRES = {"v3": wire_v3.V3, "v2": wire_v2.V2}
ASKED = {api: [listing(api, "SPXW"), chain(api, *CHAIN), eod(api, "SPX")] for api in ("v3", "v2")}


def never(*_):
    raise AssertionError("it is built again")


def market(kinds):
    return HabitualMarket(1, "tiny", (), tuple(Habit(kind, 3) for kind in sorted(kinds)))


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_terminal_has_the_answers_of_one_that_has_the_same_data(api, monkeypatch):
    path, query = chain(api, *CHAIN)
    first = Settings(api=api, size="tiny", seed=77, today=TODAY)

    def asked(settings):
        with running(settings) as terminal:
            return requests.get(terminal.url + path, params=query, timeout=30).content

    built = asked(first)
    monkeypatch.setattr(WIRES[api], "answer", never)

    assert asked(replace(first, queue=3, latency_ms=1, habits=(Habit("no-eod"),))) == built
    for other in (replace(first, seed=78), replace(first, habits=(Habit("dead-hour"),))):
        assert asked(other) != built  # an error, for it would have to be built


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_habits_that_are_not_of_the_data_change_no_answer_before_it_is_sent(api):
    settings = Settings(api=api, size="tiny", today=TODAY)
    plain, habitual = (WIRES[api](settings, market(kinds)) for kinds in ((), NOT_OF_DATA))

    assert len(NOT_OF_DATA) > 30
    for path, query in ASKED[api]:
        assert habitual.answer(path, dict(query)) == plain.answer(path, dict(query))


@pytest.mark.parametrize("report", [day_report, interest], ids=["eod", "interest"])
def test_a_report_is_the_same_whatever_habits_there_are_that_it_is_not_about(report):
    others = market({*Kind} - report.HABITS)

    found = report.report(others, "SPXW", None, DAY, TODAY)

    assert len(found)
    assert found.equals(report._report.__wrapped__(others, "SPXW", None, DAY, TODAY))
