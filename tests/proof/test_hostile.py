"""A bounded share of `make soak`: no terminal brings a fill to a wrong day, and the soak sees what would."""

import contextlib
import itertools
import logging

import pytest
from tests.proof import hostile
from tests.proof.hostile import Soak, Tally

from spx_data.fill import download
from spx_data.fill.passport import ChainReport
from spx_data.fill.questions import Budget
from spx_data.market.chains import Listed
from spx_data.market.second_opinion import ChainState, Opinion
from spx_data.sources import slots
from spx_data.sources.theta import tables, transport, v2, wire_rows
from spx_data.store import staging
from theta_simulator.faults import ALL, OUTAGES, Kind
from theta_simulator.habits import Kind as Habit

HISTORIES, SEED = 50, 1_000_000


@pytest.fixture(autouse=True)
def quiet():
    """Keep hundreds of expected errors out of the log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_no_hostile_terminal_makes_a_wrong_day(tmp_path):
    with Soak(tmp_path) as soak:
        tally = soak.run(HISTORIES, SEED)

    print(f"seeds {SEED}–{SEED + HISTORIES - 1}: {tally.requests} requests, faults {dict(tally.kinds)}")
    assert tally.wrong == []
    assert tally.histories == tally.runs.total() == HISTORIES
    assert set(tally.kinds) <= {*ALL, *OUTAGES, Kind.LARGE}
    assert len(tally.kinds) >= 30
    assert len(tally.habits) >= 30
    assert {"complete", "incomplete"} <= set(tally.days)
    assert {"whole", "contradicted", "unavailable"} <= set(tally.chains)
    assert {"SubscriptionError", "ApiResponseInvalidError", "ApiConnectionError"} <= set(tally.errors)
    assert hostile.table(tally).row_count > len(tally.kinds)


@pytest.mark.parametrize(
    "seed",
    [11168, 11369, 30022],
    ids=["denied in a doubted try", "bad rows before the last", "the same row unreadable twice"],
)
def test_what_looked_like_a_client_s_fault_and_was_none_is_not_called_so(seed, tmp_path):
    with Soak(tmp_path) as soak:
        assert soak.run(1, seed).wrong == []


def test_a_seed_is_the_same_history_every_time():
    assert [hostile.draw(seed) for seed in range(50)] == [hostile.draw(seed) for seed in range(50)]


def test_tallies_add_up():
    both, one = Tally(), Tally(histories=1, requests=5, slowest=(2.0, 7), wrong=["seed 7: x"])
    one.kinds["reset"] += 3

    both.add(one)
    both.add(one)

    assert (both.histories, both.requests, both.kinds["reset"]) == (2, 10, 6)
    assert (both.slowest, both.wrong) == ((2.0, 7), ["seed 7: x"] * 2)


# A client without one of its checks ---------------------------------------------------------------------


def findings(tmp_path, kinds=None, seeds=range(SEED, SEED + 40)):
    """Return what the first history finds wrong that finds anything."""
    with Soak(tmp_path, kinds) as soak:
        for seed in seeds:
            if wrong := soak.run(1, seed).wrong:
                return "\n".join(wrong)
    return ""


def group_of_whatever_comes(real):
    def group(root, date, contracts, unreadable, url):
        rows = list(contracts)
        return Listed(
            tuple(
                chain
                for found in {row[0] for row in rows}
                for chain in real(
                    found, date, [row for row in rows if row[0] == found], unreadable, url
                ).chains
            )
        )

    return group


def tables_of_every_page(source, path, parameters, read, ceiling):
    for answer in source._pages(path, parameters, ceiling):
        yield from read(answer)


WITHOUT = {
    "its rules about contracts": (wire_rows, "broken", lambda *_: {}, "wrong-contract", "a spoilt answer"),
    "its rules about values": (wire_rows, "broken", lambda *_: {}, "not-a-number", "wrong"),
    "its look for an end": (transport, "_says_where_it_ends", lambda _: True, "no-end", "wrong"),
    "its look at the last line": (
        tables,
        "_ends_with_newline",
        lambda _: True,
        "half-written",
        "wrong records",
    ),
    "its memory of pages": (v2.V2, "_tables", tables_of_every_page, "page-twice", "wrong"),
    "its look at next pages": (v2.V2, "_page", lambda _, page, *__: page, "page-loop", "asked again"),
    "its look at roots": (
        wire_rows,
        "group",
        group_of_whatever_comes(wire_rows.group),
        "hostile-names",
        # Its listing is refused when it is read again, and which root comes first is chance.
        ("a spoilt answer", "asked again without cause"),
    ),
    "its receipts": (staging, "staged", lambda *_: None, "redirect", "asked again without cause"),
}


# Histories before it show nothing of the kind, or go on for long.
FIRST = {"not-a-number": 2, "page-twice": 3, "page-loop": 3}


@pytest.mark.parametrize("what", WITHOUT)
def test_a_client_without_a_check_is_found_out(what, tmp_path, monkeypatch):
    owner, name, instead, kind, finding = WITHOUT[what]
    monkeypatch.setattr(owner, name, instead)

    first = SEED + FIRST.get(kind, 0)
    found = findings(tmp_path, (kind,), range(first, first + 40))
    assert any(each in found for each in ((finding,) if isinstance(finding, str) else finding))


def test_one_request_too_many_at_a_time_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(slots.Slots, "slot", lambda *_: contextlib.nullcontext())

    assert "requests in flight" in findings(tmp_path, ("slow-start",))


def test_chains_begun_after_a_refusal_are_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_meets_all", lambda _: False)
    drawn = map(hostile.draw, range(SEED, SEED + 1000))
    seeds = [history.seed for history in drawn if history.permanent and history.concurrent == 1]

    assert "requests were refused" in findings(tmp_path, seeds=seeds[:4])


# A client that says less than it knows -------------------------------------------------------------------


def findings_with_habits(tmp_path, kind, seeds=range(SEED, SEED + 4_000)):
    """Return what the first histories of terminals with habits find wrong that have one of *kind*."""
    drawn = (seed for seed in seeds if any(habit.kind == kind for habit in hostile.draw(seed).habits))
    return findings(tmp_path, seeds=itertools.islice(drawn, 8))


def test_a_client_that_explains_without_asking_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(Opinion, "explains", lambda *_: True)

    assert "says that the source has none" in findings_with_habits(tmp_path, Habit.SINGLES_MORE_CONTRACTS)


def test_a_client_that_calls_every_chain_whole_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(ChainReport, "state", ChainState.WHOLE)
    monkeypatch.setattr(Budget, "open", False)

    assert "without a word" in findings_with_habits(tmp_path, Habit.SINGLES_MORE_CONTRACTS)


def test_a_client_that_asks_beyond_its_budget_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(Budget, "open", True)

    assert "questions about contracts" in findings_with_habits(tmp_path, Habit.SINGLES_MORE_CONTRACTS)
