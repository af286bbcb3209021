"""How many contracts of a date's chains are asked about what they lack, and whose word the others go by."""

import datetime as dt

import polars as pl
import pytest

from spx_data.fill.questions import Budget, StagedChain
from spx_data.fill.reports import DayReports
from spx_data.fill.second_opinion import SecondOpinions, Silent, Witnesses
from spx_data.market import products
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.contracts import REPORTED, Figures, Report
from spx_data.market.second_opinion import (
    ENOUGH,
    NAMED,
    NOT_NAMED,
    UNQUOTED,
    Lack,
    Opinion,
    SecondOpinion,
    Silence,
)
from spx_data.quality.hours import Hours
from spx_data.store.staging import Receipt

DATE = dt.date(2024, 1, 18)
STRIKES = tuple(4500.0 + 5 * number for number in range(50))
KNOWN = frozenset(Lack)


def chain(lack, number, confirmed=0, own_stamps=0, date_stamps=0):
    """Return a chain of 100 contracts of which *number* lack something, as some of them *confirmed*."""
    entry = ListedChain(Chain("SPXW", DATE, DATE, DATE), STRIKES, STRIKES)
    names = tuple(f"C {strike:g}" for strike in STRIKES[:confirmed])
    evidence = SecondOpinion(opinions={lack: Opinion(number, names)} if number else {})
    receipt = Receipt.empty("SPXW", DATE, "", contracts=100, rows=1, evidence=evidence)
    return StagedChain(entry, receipt, own_stamps, date_stamps)


def about(chains, lack, known=frozenset()):
    """Return the questions that the first of *chains* needs, and whose word it goes by without them."""
    opinions = SecondOpinions(None, None, Budget(100), None, known)
    opinions._chains = chains
    return opinions._needed(chains[0], lack), opinions._believed(chains[0], lack)


@pytest.mark.parametrize("known", [frozenset(), KNOWN])
@pytest.mark.parametrize("lack", [Lack.HOLES, Lack.EARLY, Lack.ABSENT])
def test_a_lack_that_nobody_confirmed_is_asked_about(lack, known):
    few, many = chain(lack, 3), chain(lack, 20)
    one = 1 if known else None

    assert about([few, many], lack, known) == (one or 3, None)
    assert about([many], lack, known) == (one or ENOUGH, None)


@pytest.mark.parametrize(
    "confirmed, needed, believed", [(ENOUGH - 1, ENOUGH, None), (ENOUGH, 1, "date"), (2 * ENOUGH, 0, "date")]
)
def test_what_others_of_the_date_confirm_is_hardly_asked_about_in_a_chain_like_them(
    confirmed, needed, believed
):
    lack, usual = Lack.HOLES, chain(Lack.HOLES, 20)

    assert about([usual, chain(lack, 20, confirmed)], lack) == (needed, believed)
    assert about([usual, chain(lack, 20, confirmed)], lack, KNOWN) == (0, "lake")


@pytest.mark.parametrize("known", [frozenset(), KNOWN])
def test_a_chain_that_lacks_far_more_than_the_others_speaks_for_itself(known):
    lack = Lack.HOLES
    others = [chain(lack, 5, 5), chain(lack, 5, 5), chain(lack, 5, 5)]

    assert about([chain(lack, 80), *others], lack, known) == (ENOUGH, None)
    assert about([chain(lack, 80, ENOUGH), *others], lack, known) == (0, "chain")


@pytest.mark.parametrize("late, confirmed, needed", [(1, 0, 1), (1, 1, 1), (1, 2, 0), (2, 1, 1), (3, 1, 0)])
def test_late_first_quotes_are_the_vendors_rule_after_a_question_or_two(late, confirmed, needed):
    asked = chain(Lack.LATE, 0, 0)
    asked.said[Lack.LATE].confirmed += [f"C {strike:g}" for strike in STRIKES[:confirmed]]

    assert about([chain(Lack.LATE, late), asked], Lack.LATE) == (needed, "rule")


def test_stamps_that_all_chains_lack_are_asked_about_once_and_told_no_reason():
    first, second = (chain(Lack.STAMPS, 0, date_stamps=9) for _ in range(2))

    assert about([first, second], Lack.STAMPS) == (1, None)
    second.said[Lack.STAMPS].confirmed.append("C 4500")
    assert about([first, second], Lack.STAMPS) == (0, None)


def test_stamps_that_a_chain_lacks_alone_are_asked_about_in_the_chain():
    alone, other = chain(Lack.STAMPS, 0, own_stamps=9), chain(Lack.STAMPS, 0, date_stamps=9)
    other.said[Lack.STAMPS].confirmed += [f"C {strike:g}" for strike in STRIKES[:20]]

    assert about([alone, other], Lack.STAMPS, KNOWN) == (2, None)


def test_a_contradiction_over_the_date_undoes_what_others_confirmed():
    lack, wrong = Lack.HOLES, chain(Lack.HOLES, 20, 20)
    wrong.said[lack].contradicted.append("P 4500")

    assert about([chain(lack, 20), wrong], lack, KNOWN) == (ENOUGH, None)
    assert about([wrong, chain(lack, 20)], lack, KNOWN)[0] == 0


def test_one_waits_until_enough_is_passed_since_the_first_answer(monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)

    for since in (0.0, 7.0):
        monkeypatch.setattr("time.monotonic", lambda since=since: 100.0 + since)
        Silent(None, since=100.0).wait(1.0)

    assert slept == [5.0, 0.0]


def reported(**figures):
    """The reports of a day, of which that of its end has two contracts of `DATE` with these *figures*."""
    told = {each.name: [0.0, None] for each in REPORTED[Report.END_OF_DAY]}
    rows = pl.DataFrame({"expiration": [DATE] * 2} | told | figures)
    reports = DayReports(None, DATE)
    reports._told[Report.END_OF_DAY, "SPXW"] = Figures(rows, {}, 0)
    return reports


def test_a_silence_tells_how_often_and_how_long_the_source_said_so(lake):
    entry = ListedChain(Chain("SPXW", DATE, DATE, DATE), STRIKES, STRIKES)
    hours = Hours.regular(products.DEFAULT)
    witnesses = Witnesses(lake(), None, Budget(0), hours, reported(volume=[None, 1.0]))

    found = witnesses.evidence(Silent(entry, since=100.0, until=107.26, answers=3))

    assert found.silence == Silence(3, 7.3, NAMED)
    assert found.opinion(Lack.ABSENT) == Opinion(100)


@pytest.mark.parametrize(
    ("figures", "expiration", "word"),
    [
        ({"closing_bid": [0.05, None]}, DATE, NAMED),
        ({"volume": [None, 3.0]}, DATE, NAMED),
        ({}, DATE, UNQUOTED),
        ({"volume": [1.0, 1.0]}, DATE + dt.timedelta(days=1), NOT_NAMED),
    ],
)
def test_a_report_names_a_chain_has_it_without_a_quote_or_has_it_not(figures, expiration, word, lake):
    witnesses = Witnesses(lake(), None, Budget(0), Hours.regular(products.DEFAULT), reported(**figures))

    assert witnesses._in_report(Chain("SPXW", expiration, DATE, expiration)) == word
