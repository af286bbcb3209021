"""Every session has one state, whatever its evidence."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data import files, journal, ledger
from spx_data.journal import Journal
from spx_data.ledger import Evidence, Kind, State

MOMENT = dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC)
ALL_EVENTS = [
    journal.STARTED,
    journal.FINISHED,
    journal.FAILED,
    journal.REQUEST,
    journal.RETRIED,
    journal.STAGED,
    journal.EXPIRATION_FAILED,
    journal.NO_DATA,
    journal.SEALED,
]


def event(name, days_ago=1.0, **fields):
    at = MOMENT - dt.timedelta(days=days_ago)
    return {"at": at.isoformat(), "event": name, "stage": "download", **fields}


def state(*events, sealed=False, begun=False):
    return ledger.state(Evidence(sealed, begun, events), MOMENT, recheck_days=7)


FAILED = event(journal.FAILED, error="ApiConnectionError", cause="lost")
NO_DATA = event(journal.NO_DATA, cause="nothing listed")


@pytest.mark.parametrize(
    "expected, begun, events",
    [
        (State(Kind.MISSING, "never tried"), False, []),
        (State(Kind.MISSING, "not on disk"), False, [event(journal.STARTED), event(journal.SEALED)]),
        (State(Kind.PARTIAL, "begun and not finished"), True, []),
        (
            State(Kind.PARTIAL, "begun and not finished"),
            True,
            [event(journal.STARTED), event(journal.STAGED)],
        ),
        (
            State(Kind.PARTIAL, "begun and not finished", 1),
            True,
            [FAILED, event(journal.STARTED), event(journal.FINISHED)],
        ),
        (State(Kind.FAILED, "lost", 1, "ApiConnectionError"), True, [event(journal.STARTED), FAILED]),
        (State(Kind.FAILED, "lost", 1, "ApiConnectionError"), False, [FAILED, event(journal.STARTED)]),
        (State(Kind.FAILED, "lost", 2, "ApiConnectionError"), True, [FAILED, FAILED]),
        (
            State(Kind.NO_DATA, "nothing listed", 0, "ApiDataNotFoundError"),
            False,
            [event(journal.STARTED), NO_DATA],
        ),
        (State(Kind.NO_DATA, "nothing listed", 1, "ApiDataNotFoundError"), True, [FAILED, NO_DATA]),
        (State(Kind.FAILED, "lost", 1, "ApiConnectionError"), False, [NO_DATA, FAILED]),
        # One expiration without data, or one that failed, ends no try of the date.
        (
            State(Kind.PARTIAL, "begun and not finished"),
            True,
            [event(journal.NO_DATA, expiration="2024-01-19")],
        ),
        (State(Kind.PARTIAL, "begun and not finished"), True, [event(journal.EXPIRATION_FAILED)]),
        (
            State(Kind.NO_DATA, "nothing listed", 0, "ApiDataNotFoundError"),
            True,
            [NO_DATA, event(journal.NO_DATA, expiration="2024-01-19")],
        ),
    ],
)
def test_evidence_has_one_meaning(expected, begun, events):
    assert state(*events, begun=begun) == expected


@pytest.mark.parametrize("events", [[], [FAILED], [NO_DATA]])
def test_what_is_sealed_is_sealed_whatever_happened(events):
    assert state(*events, sealed=True, begun=True) == State(Kind.SEALED)


@pytest.mark.parametrize("days_ago, kind", [(6.99, Kind.NO_DATA), (7.0, Kind.MISSING), (70, Kind.MISSING)])
def test_no_data_is_asked_again_after_a_while(days_ago, kind):
    found = state(event(journal.NO_DATA, days_ago))

    assert found.kind is kind
    assert found.is_gap == (kind is Kind.MISSING)


@given(
    sealed=st.booleans(),
    begun=st.booleans(),
    events=st.lists(
        st.builds(
            lambda name, days, extra: event(name, days) | extra,
            st.sampled_from(ALL_EVENTS),
            st.floats(0, 30),
            st.sampled_from([{}, {"expiration": "2024-01-19"}, {"cause": "x"}, {"error": "E", "cause": "y"}]),
        ),
        max_size=12,
    ),
)
def test_any_evidence_has_exactly_one_state(sealed, begun, events):
    found = state(*events, sealed=sealed, begun=begun)

    assert found.kind in Kind
    assert (found.kind is Kind.SEALED) == sealed
    assert found.is_gap == (found.kind not in (Kind.SEALED, Kind.NO_DATA))
    assert found == state(*events, sealed=sealed, begun=begun)
    if not sealed:
        assert found.tries == sum(event["event"] == "failed" for event in events)
        assert found.reason or found.kind is Kind.NO_DATA


@given(
    st.lists(st.sampled_from([journal.REQUEST, journal.RETRIED, journal.STAGED, journal.STARTED]), max_size=6)
)
def test_events_that_end_no_try_do_not_change_how_the_last_one_ended(names):
    after = [event(name) for name in names]

    assert state(FAILED, *after, begun=True).kind is Kind.FAILED
    assert state(NO_DATA, *after).kind is Kind.NO_DATA


# The tree -----------------------------------------------------------------------------------------------


def seal(settings, date):
    parquet = settings.layout.parquet(date)
    files.write_text(parquet, "PAR1")
    files.seal(parquet, files.digest(parquet))


def test_every_kind_is_found_in_the_tree(lake, at):
    settings = lake(start_date="2024-01-02", end_date="2024-01-08")
    layout = settings.layout
    day = {number: dt.date(2024, 1, number) for number in (2, 3, 4, 5, 8)}
    seal(settings, day[2])
    files.write_json(layout.listing(day[3]), {})
    Journal(layout.journal(day[4]), "list").record(journal.FAILED, error="E", cause="why")
    Journal(layout.journal(day[5]), "list").record(journal.NO_DATA, cause="nothing")

    now = dt.datetime.now(dt.UTC)
    found = {session.date: state.kind for session, state in ledger.states(settings, now).items()}

    assert found == {
        day[2]: Kind.SEALED,
        day[3]: Kind.PARTIAL,
        day[4]: Kind.FAILED,
        day[5]: Kind.NO_DATA,
        day[8]: Kind.MISSING,
    }
    assert ledger.missing_dates(ledger.states(settings, now)) == [day[8], day[4], day[3]]


def test_a_receipt_alone_is_a_beginning(lake):
    settings = lake()
    date = dt.date(2024, 1, 2)
    files.write_json(settings.layout.checkpoint(date, "SPX", date).receipt, {})

    assert ledger.gather(settings.layout, date).begun


def test_a_parquet_without_its_sidecar_is_not_sealed(lake):
    settings = lake()
    files.write_text(settings.layout.parquet(dt.date(2024, 1, 2)), "PAR1")

    assert not ledger.gather(settings.layout, dt.date(2024, 1, 2)).sealed


def test_the_status_database_is_never_asked(lake, at):
    settings = lake(end_date="2024-01-02")
    files.write_text(settings.layout.database, "no database at all")

    assert ledger.missing_dates(ledger.states(settings, at(2024, 2, 1, 12, 0))) == [dt.date(2024, 1, 2)]
