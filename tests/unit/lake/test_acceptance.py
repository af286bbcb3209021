"""A person's word about a date is written down, with its reason, and can be taken back."""

import datetime as dt

import pytest

from spx_data.errors import DateValidationError
from spx_data.lake import acceptance, session_states
from spx_data.lake.session_states import Kind
from spx_data.store import files, journal, reads, seals

DAY = dt.date(2024, 1, 2)


@pytest.fixture
def settings(lake):
    return lake(end_date="2024-01-02")


def kind(settings, at):
    (state,) = session_states.states(settings, at(2024, 6, 1, 12, 0)).values()
    return state.kind


def test_an_accepted_date_is_left_alone_until_it_is_reopened(settings, at):
    acceptance.accept(settings, DAY, "the exchange was closed by a storm")
    assert kind(settings, at) is Kind.ACCEPTED

    acceptance.reopen(settings, DAY, "it was not")
    assert kind(settings, at) is Kind.MISSING

    events = journal.read(settings.layout.journal(DAY))
    assert [(event["event"], event["reason"]) for event in events] == [
        ("accepted", "the exchange was closed by a storm"),
        ("reopened", "it was not"),
    ]


@pytest.mark.parametrize("reason", ["", "  "])
def test_nothing_is_accepted_without_a_reason(reason, settings):
    with pytest.raises(DateValidationError, match="without a reason") as caught:
        acceptance.accept(settings, DAY, reason)

    assert caught.value.cure
    assert not settings.layout.journal(DAY).exists()


@pytest.mark.parametrize("decide", [acceptance.accept, acceptance.reopen])
def test_only_a_session_can_be_decided_about(decide, settings):
    with pytest.raises(DateValidationError, match="2024-01-01: New Years Day, no session of NYSE"):
        decide(settings, dt.date(2024, 1, 1), "New Year")


def test_a_sealed_date_needs_no_acceptance(settings):
    parquet = settings.layout.parquet(DAY)
    files.write_text(parquet, "PAR1")
    seals.seal(parquet, reads.digest(parquet), {})

    with pytest.raises(DateValidationError, match="is sealed"):
        acceptance.accept(settings, DAY, "whatever")
