"""Evidence on its way through a document, and documents that hold none."""

import pytest

from spx_data.evidence import Evidence, contract

WHOLE = Evidence(
    first_stamp=1_704_205_800_000,
    last_stamp=1_704_229_200_000,
    asked=4,
    unquoted=("C 4700",),
    confirmed=("P 4700", "P 4702.5"),
    unanswered=("C 4800: no",),
    recovered=12,
    left_out=3,
)


@pytest.mark.parametrize("evidence", [WHOLE, Evidence()])
def test_evidence_comes_back_from_a_document(evidence):
    assert Evidence.of_json(evidence.as_json()) == evidence


@pytest.mark.parametrize(
    "change",
    [{"asked": "4"}, {"unquoted": [4700]}, {"first_stamp": "09:30"}, {"unquoted": None}, {"more": 1}],
)
def test_what_is_no_evidence_is_refused(change):
    with pytest.raises((TypeError, ValueError)):
        Evidence.of_json(WHOLE.as_json() | change)


@pytest.mark.parametrize(
    "right, strike, name", [("C", 4700.0, "C 4700"), ("P", 4702.5, "P 4702.5"), ("C", 12345.25, "C 12345.25")]
)
def test_a_contract_is_named_to_the_last_digit(right, strike, name):
    assert contract(right, strike) == name
