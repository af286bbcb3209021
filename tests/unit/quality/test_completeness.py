"""The proof of completeness: what is taken away from a chain is what is named, and nothing else is."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import chains

from spx_data.market import products
from spx_data.market.chains import Chain, ListedChain, midnight_ms
from spx_data.market.second_opinion import (
    CLOSED,
    NAMED,
    NOT_NAMED,
    Lack,
    Opinion,
    SecondOpinion,
    Silence,
    contract,
)
from spx_data.market.sessions import Window
from spx_data.quality import completeness
from spx_data.quality.hours import Hours
from spx_data.quality.panel import Presence, first_and_last, runs
from theta_simulator import Market

DAY = Window(dt.time(9, 30), dt.time(16), "1m")
OPEN = midnight_ms(chains.DATE) + DAY.start_ms
CHAIN = Chain("SPXW", chains.EXPIRATION, chains.DATE, chains.EXPIRATION)
SPAN = Hours.regular(products.DEFAULT).span(DAY, expiring=False)
# Every one of these eight contracts is quoted at all 391 stamps.
WHOLE = chains.records(Market(1, "tiny"))
CONTRACTS = sorted(WHOLE.select("right", "strike").unique().rows())
NAMES = [contract(*each) for each in CONTRACTS]
LISTED = ListedChain(
    CHAIN,
    tuple(strike for right, strike in CONTRACTS if right == "C"),
    tuple(strike for right, strike in CONTRACTS if right == "P"),
)


def without(removed):
    """Return the chain's records without the cells *removed*: (number of a contract, place of a stamp)."""
    cells = pl.DataFrame(
        [(*CONTRACTS[at], OPEN + place * 60_000) for at, place in removed],
        schema={"right": pl.String, "strike": pl.Float64, "timestamp": pl.Int64},
        orient="row",
    )
    return WHOLE.join(cells, on=["right", "strike", "timestamp"], how="anti")


# Late first quotes are the vendor's rule, unless a question refutes it.
BY_RULE = SecondOpinion(opinions={Lack.LATE: Opinion(believed="rule")})


def said(lack, *confirmed, believed=None):
    """Return evidence of which contracts lack what by their own answers, or that it is believed of all."""
    return SecondOpinion(opinions={**BY_RULE.opinions, lack: Opinion(8, confirmed, (), believed)})


def found(records, evidence=BY_RULE, entry=LISTED, span=SPAN, window=DAY):
    census = Presence(window, midnight_ms(chains.DATE), [*entry.calls, *entry.puts])
    census.add_records(records)
    return completeness.of_chain(entry, census, span, evidence)


def minute(text):
    """Return the place of a time of day like 10:31."""
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes) - 570


def named(chain):
    """Return the cells that a report names as missing: whose (None is everyone's), and the place."""
    return {
        (gap["contract"], place)
        for gap in chain.as_json()["gaps"]
        for place in range(minute(gap["first"]), minute(gap["last"]) + 1)
    }


# What is taken away is what is named --------------------------------------------------------------------


def test_a_whole_chain_lacks_nothing():
    chain = found(WHOLE)

    assert (chain.contracts.missing, chain.stamps.missing) == (0, 0)
    assert chain.stamps.expected == chain.stamps.received == 8 * 391
    assert [(count.check.code, count.hits, count.of) for count in chain.counts()] == [
        ("missing", 0, 8 * 391),
        ("none-at-source", 0, 8 * 391),
        ("late-first-quote", 0, 8),
        ("surplus", 0, 8 * 391),
    ]


stretches = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 390), st.integers(1, 391)), min_size=1, max_size=12
)


@given(stretches=stretches)
def test_any_removal_is_named_exactly(stretches):
    # The eighth is every contract at once.
    removed = {
        (at, place)
        for number, first, length in stretches
        for at in (range(8) if number == 8 else [number])
        for place in range(first, min(391, first + length))
    }
    left = {at: sorted({*range(391)} - {p for a, p in removed if a == at}) for at in range(8)}
    here = [at for at in range(8) if left[at]]
    nobodys = (
        {place for place in range(391) if all((at, place) in removed for at in range(8))} if here else set()
    )

    chain = found(without(removed))

    late = {(at, place) for at in here for place in range(left[at][0]) if place not in nobodys}
    missing = {(a, p) for a, p in removed if a in here and (a, p) not in late}
    assert set(chain.missing_contracts) == {NAMES[at] for at in range(8) if at not in here}
    assert named(chain) == {(None if place in nobodys else NAMES[at], place) for at, place in missing}
    assert {(name, stamps) for name, _, stamps in chain.late} == {
        (NAMES[at], sum(a == at for a, _ in late)) for at in {a for a, _ in late}
    }
    assert chain.stamps.expected == 391 * len(here)
    assert chain.stamps.explained == len(late)
    assert chain.stamps.missing == len(missing)
    check = chain.counts()[0]
    assert check.hits == len(missing) + 391 * (8 - len(here)) == int(check.by_stamp.sum())


def test_a_gap_is_named_by_contract_and_minutes():
    place = NAMES.index("C 4900")

    chain = found(without([(place, minute(f"10:{m}")) for m in range(31, 46)]))

    assert chain.as_json()["gaps"] == [
        {"contract": "C 4900", "first": "10:31", "last": "10:45", "stamps": 15, "explained": False}
    ]
    assert chain.counts()[0].first == "C 4900 at 10:31"


def test_a_minute_that_all_lack_is_named_once_for_the_chain():
    gone = without([(at, minute("11:00")) for at in range(8)])

    missing, explained = found(gone), found(gone, said(Lack.STAMPS, "C 4600", "C 4630", believed="chain"))

    gap = {"contract": None, "first": "11:00", "last": "11:00", "stamps": 8}
    assert missing.as_json()["gaps"] == [gap | {"explained": False}]
    assert explained.as_json()["gaps"] == [gap | {"explained": True}]
    assert missing.counts()[0].first == explained.counts()[1].first == "every contract at 11:00"
    assert (missing.stamps.missing, explained.stamps.missing, explained.none_at_source) == (8, 0, 8)


def test_the_session_s_first_minute_is_missing_where_all_lack_it_and_late_where_one_does():
    alone, all_of_them = found(without([(3, 0)])), found(without([(at, 0) for at in range(8)]))

    assert (alone.stamps.explained, alone.stamps.missing) == (1, 0)
    assert alone.as_json()["late_first_quotes"] == [{"contract": NAMES[3], "first": "09:31", "stamps": 1}]
    assert alone.counts()[2].first == f"{NAMES[3]} at 09:31"
    assert (all_of_them.stamps.explained, all_of_them.stamps.missing) == (0, 8)


# Contracts ----------------------------------------------------------------------------------------------


def test_a_late_start_that_a_question_has_refuted_is_missing():
    chain = found(without([(3, 0), (5, 0)]), said(Lack.LATE, NAMES[5]))

    assert (chain.stamps.explained, chain.stamps.missing) == (1, 1)
    assert [name for name, _, _ in chain.late] == [NAMES[5]]
    assert [(gap.contract, gap.explained) for gap in chain.gaps] == [(NAMES[3], False)]


def test_a_contract_is_explained_by_its_own_answer_or_by_those_that_speak_for_it():
    gone = without([(at, place) for at in (2, 5) for place in range(391)])

    own, for_all = found(gone, said(Lack.ABSENT, NAMES[2])), found(gone, said(Lack.ABSENT, believed="date"))

    assert (own.explained_contracts, own.missing_contracts) == ([NAMES[2]], [NAMES[5]])
    assert (own.contracts.explained, own.contracts.missing) == (1, 1)
    assert own.stamps.expected == 6 * 391
    missing = own.counts()[0]
    assert (missing.hits, missing.of, missing.first) == (391, 7 * 391, NAMES[5])
    assert (for_all.explained_contracts, for_all.missing_contracts) == ([NAMES[2], NAMES[5]], [])


@pytest.mark.parametrize(
    "lack, removed", [(Lack.HOLES, [(1, 100), (4, 100)]), (Lack.EARLY, [(1, 390), (4, 390)])]
)
def test_a_gap_says_whether_the_source_has_it(lack, removed):
    chain = found(without(removed), said(lack, NAMES[4]))

    assert [(gap.contract, gap.explained) for gap in chain.gaps] == [(NAMES[1], False), (NAMES[4], True)]
    assert (chain.stamps.missing, chain.none_at_source) == (1, 1)
    other = {Lack.HOLES: Lack.EARLY, Lack.EARLY: Lack.HOLES}[lack]
    assert found(without(removed), said(other, believed="chain")).stamps.missing == 2


def test_a_contract_received_and_not_listed_is_counted_apart():
    few = ListedChain(CHAIN, LISTED.calls[:-1], LISTED.puts)

    chain = found(WHOLE, entry=few)

    assert (chain.contracts.expected, chain.contracts.received, chain.unlisted) == (7, 7, 1)
    assert chain.stamps.expected == 8 * 391


@pytest.mark.parametrize("word, explained", [(NOT_NAMED, 8), (CLOSED, 8), (NAMED, 0), ("404", 0), (None, 0)])
def test_a_chain_without_data_is_explained_by_the_report_of_the_day_alone(word, explained):
    chain = completeness.without_data(LISTED, SecondOpinion(silence=Silence(2, 5.0, word)))

    assert (chain.contracts.expected, chain.contracts.explained) == (8, explained)
    assert chain.is_whole == (explained == 8)
    assert chain.stamps.expected == 0
    assert chain.counts()[0].of == 0


def test_a_chain_of_nothing_but_refused_rows_misses_every_contract():
    chain = found(WHOLE.clear())

    assert chain.missing_contracts == [contract(*each) for each in CONTRACTS]
    assert chain.stamps.expected == 0
    assert chain.counts()[0].hits == chain.counts()[0].of == 8 * 391


# The grid -----------------------------------------------------------------------------------------------


def test_records_outside_of_the_session_are_unexpected_and_fill_no_gap():
    early = range(SPAN.start, minute("13:16"))

    chain = found(WHOLE, span=early)

    assert chain.stamps.received == 8 * 226
    assert chain.unexpected == 8 * (391 - 226)
    assert chain.stamps.missing == 0


def test_records_where_the_session_has_no_stamp_at_all():
    chain = found(WHOLE, span=range(0))

    assert (chain.stamps.expected, chain.stamps.missing, chain.unexpected) == (0, 0, 8 * 391)
    assert chain.gaps == []


def test_long_lists_are_cut_off_and_the_rest_is_counted():
    holes = [(at, place) for at in range(8) for place in range(1 + at % 2, 120, 2)]

    document = found(without(holes)).as_json()

    assert len(document["gaps"]) == 200
    assert document["more"] == {"gaps": 8 * 60 - 4 - 200}


def test_seconds_are_proved_each_and_told_by_the_minute():
    window = Window(dt.time(10), dt.time(10, 3), "15s")
    stamps = OPEN + 1_800_000 + np.arange(13) * 15_000
    line = pl.DataFrame({"strike": 4700.0, "right": "C", "timestamp": np.delete(stamps, [5, 6, 9])})
    entry = ListedChain(CHAIN, (4700.0,), ())

    chain = found(line, entry=entry, span=range(13), window=window)

    missing = chain.counts()[0]
    assert [(gap.as_json()["first"], gap.stamps) for gap in chain.gaps] == [("10:01:15", 2), ("10:02:15", 1)]
    assert missing.stamps.tolist() == [OPEN + 1_800_000 + 60_000 * minutes for minutes in range(4)]
    assert missing.by_stamp.tolist() == [0, 2, 1, 0]


# The census ---------------------------------------------------------------------------------------------


def test_a_census_in_pieces_is_that_of_the_whole():
    pieces, whole = (Presence(DAY, midnight_ms(chains.DATE), [4600.0]) for _ in range(2))
    mixed = WHOLE.sample(fraction=1.0, shuffle=True, seed=1)

    whole.add_records(WHOLE)
    for at in range(0, len(mixed), 500):
        pieces.add_records(mixed[at : at + 500])

    assert (pieces.there == whole.there).all()
    assert pieces.there.sum() == len(WHOLE)


def test_records_that_were_there_before_are_no_news():
    census = Presence(DAY, midnight_ms(chains.DATE), [])
    columns = WHOLE["strike"].to_numpy(), (WHOLE["right"] == "P").to_numpy(), WHOLE["timestamp"].to_numpy()

    half = census.add(*(column[:1000] for column in columns))
    news = census.add(*columns)
    off_grid = census.add(*(column[:5] for column in columns[:2]), columns[2][:5] + 1)

    assert half.all()
    assert news.sum() == len(WHOLE) - 1000
    assert not news[:1000].any()
    assert not off_grid.any()


@pytest.mark.parametrize(
    "line, expected",
    [("", []), ("...", []), ("###", [(0, 2)]), (".##.#", [(1, 2), (4, 4)]), ("#..", [(0, 0)])],
)
def test_runs_are_the_unbroken_stretches(line, expected):
    assert runs(np.array([sign == "#" for sign in line], dtype=np.bool_)) == expected


def test_first_and_last_of_nothing():
    first, last = first_and_last(np.zeros((2, 3, 0), dtype=np.bool_))

    assert first.shape == last.shape == (2, 3)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.booleans(), st.integers(-1, DAY.stamps)), max_size=30, unique=True
    )
)
def test_what_a_census_lacks_is_what_would_be_news_to_it(cells):
    census = Presence(DAY, midnight_ms(chains.DATE), range(8))
    strike, put, place = np.array(cells, dtype=np.int64).reshape(-1, 3).T
    half = len(cells) // 2
    every = strike.astype(float), put.astype(bool), OPEN + 60_000 * place
    census.add(*(column[:half] for column in every))

    lacking = census.lacks(*every)

    assert lacking.tolist() == census.lacks(*every).tolist()  # nothing was counted in
    assert lacking.tolist() == census.add(*every).tolist()
    assert lacking[half:].tolist() == [0 <= each < DAY.stamps for each in place[half:]]
    assert not census.lacks(*every).any()


def test_a_chain_that_gave_nothing_has_nothing_unexpected():
    found = completeness.without_data(LISTED, SecondOpinion()).as_json()

    assert (found["stamps_unexpected"], found["contracts_unlisted"], found["grid"]) == (0, 0, 0)
    assert found["contracts_missing"] == [f"C {strike:g}" for strike in LISTED.calls] + [
        f"P {strike:g}" for strike in LISTED.puts
    ]
