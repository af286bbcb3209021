"""A second opinion on its way through a document, and documents that hold none."""

import json

import pytest

from spx_data.market.second_opinion import NAMED, Lack, Opinion, SecondOpinion, Silence, contract

WHOLE = SecondOpinion(
    first_stamp=1_704_205_800_000,
    last_stamp=1_704_229_200_000,
    bare=((1_704_205_800_000, 1_704_205_860_000),),
    opinions={
        Lack.ABSENT: Opinion(4, ("C 4700",), ("P 4700",)),
        Lack.HOLES: Opinion(9, ("P 4702.5",), believed="date"),
    },
    asked=4,
    unanswered=("C 4800: no",),
    recovered=12,
    asked_again=1,
    regained=7,
    lost=3,
    silence=Silence(2, 5.1, NAMED),
)


@pytest.mark.parametrize("evidence", [WHOLE, SecondOpinion()])
def test_evidence_comes_back_from_a_document(evidence):
    assert SecondOpinion.of_json(json.loads(json.dumps(evidence.as_json()))) == evidence


@pytest.mark.parametrize(
    "change",
    [
        {"asked": "4"},
        {"asked": -1},
        {"opinions": {"other": {}}},
        {"opinions": {"absent": {"doubtful": 1, "confirmed": [4700], "contradicted": [], "believed": None}}},
        {"opinions": {"absent": {"doubtful": 1, "confirmed": [], "contradicted": [], "believed": 3}}},
        {"bare": [["09:30", "09:31"]]},
        {"silence": {"answers": 2, "seconds": 1.0, "eod": 404}},
        {"first_stamp": "09:30"},
        {"unanswered": None},
        {"more": 1},
    ],
)
def test_what_is_no_evidence_is_refused(change):
    with pytest.raises((TypeError, ValueError)):
        SecondOpinion.of_json(WHOLE.as_json() | change)


@pytest.mark.parametrize(
    "right, strike, name", [("C", 4700.0, "C 4700"), ("P", 4702.5, "P 4702.5"), ("C", 12345.25, "C 12345.25")]
)
def test_a_contract_is_named_to_the_last_digit(right, strike, name):
    assert contract(right, strike) == name
