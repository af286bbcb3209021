"""Every session has one state, whatever its evidence."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.lake import session_states
from spx_data.lake.session_states import Evidence, Kind, State
from spx_data.market import products, sessions
from spx_data.market.dates import Dates
from spx_data.settings import Patience
from spx_data.store import files, journal, reads, seals
from spx_data.store.journal import Journal

DAY = dt.date(2024, 1, 2)
MOMENT = dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC)
PATIENCE = Patience(publication_hours=24, max_attempts=3)
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
    journal.QUARANTINED,
    journal.ACCEPTED,
    journal.REOPENED,
    journal.RECHECKED,
]


@pytest.fixture(scope="module")
def session():
    (found,) = sessions.between("NYSE", DAY, DAY)
    return found


def event(name, days_ago=1.0, **fields):
    at = MOMENT - dt.timedelta(days=days_ago)
    return {"at": at.isoformat(), "event": name, "stage": "download", **fields}


def state(*events, session=None, moment=MOMENT, patience=PATIENCE, **found):
    return session_states.state(Evidence(events=events, **found), session, moment, patience, products.DEFAULT)


STARTED, FINISHED, SEALED = (event(name) for name in (journal.STARTED, journal.FINISHED, journal.SEALED))
FAILED = event(journal.FAILED, error="ApiResponseInvalidError", cause="nonsense")
NOT_ITS_FAULT = event(journal.FAILED, error="DeviceError", cause="broken disk", surroundings=True)
HELD = FAILED | {"chains": 2, "staged": 70}
NO_DATA = event(journal.NO_DATA, cause="nothing listed")
NOTHING = "ApiDataNotFoundError"
JUST_NOW = event(journal.NO_DATA, 0, cause="nothing listed")
QUARANTINED = event(journal.QUARANTINED, damages=["parquet-lost", "passport-lost"])
ACCEPTED = event(journal.ACCEPTED, reason="the market was closed")
REOPENED = event(journal.REOPENED, reason="try again")

MISSING = State(Kind.MISSING, True, "never tried")
GONE = State(Kind.MISSING, True, "not on disk")
PARTIAL = State(Kind.PARTIAL, True, "begun and not finished")
QUARANTINE = State(Kind.CORRUPT, True, "quarantined: parquet-lost, passport-lost", 0, "FileCorruptionError")
ACCEPTANCE = State(Kind.ACCEPTED, False, "the market was closed")


def failed(tries=1, kind=Kind.FAILED):
    return State(kind, kind is Kind.FAILED, "nonsense", tries, "ApiResponseInvalidError")


def no_data(tries=0):
    """Asked a day ago in vain: asked again an hour after."""
    return State(
        Kind.MISSING, True, "asked again: the source had nothing 1 time since it was due", tries, NOTHING
    )


PARTIAL_AGAIN = State(Kind.PARTIAL, True, "begun and not finished", 1, NOTHING)
HELD_BEFORE = State(
    Kind.FAILED, True, "held; the next run seals it as it is: nonsense", 3, "ApiResponseInvalidError"
)


def held(left, tries=1):
    return State(
        Kind.FAILED, True, f"held: 2 chains cannot be had; {left}: nonsense", tries, "ApiResponseInvalidError"
    )


@pytest.mark.parametrize(
    "expected, begun, events",
    [
        (MISSING, False, []),
        (GONE, False, [STARTED, SEALED]),
        (GONE, False, [STARTED, SEALED, FINISHED]),
        (PARTIAL, True, []),
        (PARTIAL, True, [STARTED, event(journal.STAGED)]),
        (State(Kind.PARTIAL, True, "begun and not finished", 1), True, [FAILED, STARTED, FINISHED]),
        (failed(), True, [STARTED, FAILED]),
        (failed(), False, [FAILED, STARTED]),
        (failed(2), True, [FAILED, FAILED]),
        (no_data(), False, [STARTED, NO_DATA]),
        (PARTIAL_AGAIN, True, [FAILED, NO_DATA]),
        (failed(), False, [NO_DATA, FAILED]),
        # One expiration without data, or one that failed, ends no try of the date.
        (PARTIAL, True, [event(journal.NO_DATA, expiration="2024-01-19")]),
        (PARTIAL, True, [event(journal.EXPIRATION_FAILED)]),
        (no_data(), False, [NO_DATA, event(journal.NO_DATA, expiration="2024-01-19")]),
        # Parked.
        (failed(3, Kind.PARKED), True, [FAILED, FAILED, FAILED]),
        (failed(3, Kind.PARKED), True, [FAILED, FAILED, FAILED, STARTED]),
        (failed(), True, [FAILED, FAILED, FAILED, REOPENED, FAILED]),
        (GONE, False, [FAILED, FAILED, FAILED, REOPENED]),
        (failed(), True, [FAILED, FAILED, SEALED, FAILED]),
        (failed(), True, [FAILED, FAILED, QUARANTINED, FAILED]),
        # Held: what is staged is sealed in the end, so it is never parked.
        (held("sealed as it is after 1 more failing run"), True, [HELD]),
        (
            held("sealed as it is after 1 more failing run"),
            True,
            [FAILED | {"fields": {"chains": 2, "staged": 70}}],
        ),
        (held("the next run seals it as it is", 2), True, [HELD, HELD]),
        (held("the next run seals it as it is", 4), True, [HELD, HELD, HELD, HELD]),
        (HELD_BEFORE, True, [HELD, HELD, FAILED]),
        (failed(3, Kind.PARKED), True, [FAILED, FAILED, FAILED | {"chains": 2, "staged": 0}]),
        (failed(), True, [HELD, HELD, REOPENED, FAILED]),
        # Quarantined.
        (QUARANTINE, False, [SEALED, QUARANTINED]),
        (QUARANTINE, True, [SEALED, QUARANTINED, STARTED]),
        (failed(), True, [SEALED, QUARANTINED, FAILED]),
        # A person's word stands until a person takes it back.
        (ACCEPTANCE, False, [ACCEPTED]),
        (ACCEPTANCE, True, [FAILED, ACCEPTED, FAILED, STARTED]),
        (ACCEPTANCE, False, [SEALED, QUARANTINED, ACCEPTED]),
        (GONE, False, [ACCEPTED, REOPENED]),
        (ACCEPTANCE, False, [ACCEPTED, REOPENED, ACCEPTED]),
        # … and only about what it was said of: what was sealed since, or moved away, is another matter.
        (GONE, False, [ACCEPTED, STARTED, SEALED, FINISHED]),
        (QUARANTINE, False, [ACCEPTED, SEALED, FINISHED, QUARANTINED]),
        (QUARANTINE, False, [ACCEPTED, QUARANTINED]),
        (failed(), True, [ACCEPTED, SEALED, FAILED]),
        (ACCEPTANCE, False, [ACCEPTED, SEALED, QUARANTINED, ACCEPTED]),
    ],
)
def test_evidence_has_one_meaning(expected, begun, events):
    assert state(*events, begun=begun) == expected


@pytest.mark.parametrize("events", [[], [FAILED], [NO_DATA], [ACCEPTED], [QUARANTINED]])
def test_what_is_sealed_is_sealed_whatever_happened(events):
    assert state(*events, sealed=True, begun=True) == State(Kind.SEALED)


# Tries --------------------------------------------------------------------------------------------------


def test_a_run_counts_once_however_often_it_failed():
    tries = [FAILED | {"run": "a"}, FAILED | {"run": "a"}, FAILED | {"run": "b"}]

    assert state(*tries) == failed(2)


def test_what_lies_with_the_surroundings_never_parks_a_date():
    found = state(*[NOT_ITS_FAULT] * 9)

    assert (found.kind, found.due, found.tries) == (Kind.FAILED, True, 0)
    assert found.reason == "broken disk"


@pytest.mark.parametrize(
    "most, kind", [(1, Kind.PARKED), (5, Kind.PARKED), (6, Kind.FAILED), (None, Kind.FAILED)]
)
def test_how_many_tries_park_a_date_is_a_setting(most, kind):
    assert state(*[FAILED] * 5, patience=Patience(24, most)).kind is kind


# The clock ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers, hours", [(1, 1), (2, 6), (3, 24), (4, 72), (5, 168), (6, 168), (60, 168)])
def test_the_oftener_the_source_had_nothing_the_later_it_is_asked_again(answers, hours):
    def after(waited):
        asked = [MOMENT - dt.timedelta(hours=waited + number) for number in reversed(range(answers))]
        return state(*(JUST_NOW | {"at": at.isoformat(), "run": at.isoformat()} for at in asked))

    early, late = after(hours - 0.01), after(hours)

    assert (early.kind, early.due, late.kind, late.due) == (Kind.NO_DATA, False, Kind.MISSING, True)
    again = MOMENT + dt.timedelta(hours=0.01)
    assert early.reason == f"nothing listed; asked again from {again:%Y-%m-%d %H:%M} UTC on"
    assert late.error == early.error == NOTHING


def test_only_answers_for_the_whole_date_count_and_those_of_a_run_once():
    of_a_chain = event(journal.NO_DATA, 0.1, expiration="2024-01-19", run="a")
    answers = [event(journal.NO_DATA, 0.1, run="a"), of_a_chain, event(journal.NO_DATA, 0.05, run="a")]

    assert state(*answers).kind is Kind.MISSING  # an hour after the first answer, not six
    assert (
        state(*answers, JUST_NOW | {"run": "b"}, moment=MOMENT + dt.timedelta(hours=5)).kind is Kind.NO_DATA
    )


def test_a_date_sealed_or_reopened_since_is_asked_as_if_for_the_first_time():
    answers = [event(journal.NO_DATA, 9 - number, run=str(number)) for number in range(5)]
    hour = MOMENT + dt.timedelta(hours=1)

    for start in (SEALED, REOPENED, QUARANTINED):
        assert state(*answers, start, JUST_NOW, moment=hour).kind is Kind.MISSING


@pytest.mark.parametrize("word", ["full_close", "weekend"])
def test_what_the_vendors_calendar_has_as_closed_is_never_asked_for_again(word, session):
    answer = event(journal.NO_DATA, 70, cause="nothing listed", vendor=word)
    closed = State(Kind.NO_DATA, False, f"unscheduled closure: the vendor's calendar says {word}")

    assert state(answer) == state(answer, NO_DATA) == closed  # whoever does not ask the calendar has no say
    assert closed.words == f"no-data: unscheduled closure: the vendor's calendar says {word}"
    soon = session.options_close(products.DEFAULT) + dt.timedelta(minutes=1)
    assert state(answer, session=session, moment=soon) == closed
    assert state(answer, REOPENED).due


@pytest.mark.parametrize("word", ["open", "early_close", "", None, ["full_close"], 7])
def test_any_other_word_of_the_vendors_calendar_ends_nothing(word):
    closed = event(journal.NO_DATA, 71, vendor="full_close")

    assert state(event(journal.NO_DATA, 70, vendor=word)).due
    assert state(closed, event(journal.NO_DATA, 70, vendor="open")).due


@pytest.mark.parametrize("events", [[], [STARTED], [FAILED], [NO_DATA]])
def test_a_session_that_still_trades_is_pending(events, session, at):
    found = state(*events, session=session, moment=at(2024, 1, 2, 16, 14))

    assert found == State(Kind.PENDING, False, "trades until 16:15 New York time")
    assert state(session=session, moment=at(2024, 1, 2, 16, 15)) == MISSING


@pytest.mark.parametrize(
    "asked, now, kind, due",
    [
        ((2, 18), (2, 19), Kind.PENDING, True),  # asked early, and still early: not yet
        ((2, 18), (3, 16), Kind.PENDING, True),
        ((2, 18), (3, 17), Kind.MISSING, True),  # asked early: no evidence now
        ((3, 17), (3, 17), Kind.NO_DATA, False),
        ((3, 17), (3, 18), Kind.MISSING, True),
    ],
)
def test_no_data_means_not_yet_until_the_source_must_have_it(asked, now, kind, due, session, at):
    answer = {"at": at(2024, 1, *asked, 0).isoformat(), "event": "no-data", "stage": "list"}

    found = state(answer, session=session, moment=at(2024, 1, *now, 0))

    assert (found.kind, found.due) == (kind, due)


# What is left of a sealed day ---------------------------------------------------------------------------


@pytest.mark.parametrize("events", [[], [SEALED], [SEALED, FINISHED]])
def test_what_is_left_of_a_sealed_day_is_corrupt(events):
    found = state(*events, remains=True)

    assert (found.kind, found.due) == (Kind.CORRUPT, True)
    assert "spx-data verify" in found.reason


def test_what_a_merge_left_when_it_was_stopped_is_not():
    assert state(STARTED, FINISHED, STARTED, remains=True, begun=True) == PARTIAL
    assert state(SEALED, FAILED, remains=True) == failed()


def test_a_quarantine_without_a_journal_still_counts():
    assert state(quarantined=True).kind is Kind.CORRUPT
    assert state(QUARANTINED, FAILED, quarantined=True) == failed()


# Any evidence -------------------------------------------------------------------------------------------


@given(
    sealed=st.booleans(),
    begun=st.booleans(),
    remains=st.booleans(),
    quarantined=st.booleans(),
    events=st.lists(
        st.builds(
            lambda name, days, extra: event(name, days) | extra,
            st.sampled_from(ALL_EVENTS),
            st.floats(0, 30),
            st.sampled_from(
                [
                    {},
                    {"expiration": "2024-01-19"},
                    {"cause": "x"},
                    {"error": "E", "cause": "y"},
                    {"run": "a"},
                    {"run": "a", "surroundings": True},
                ]
            ),
        ),
        max_size=12,
    ),
    hours_after_close=st.floats(-24, 1000),
)
def test_any_evidence_has_exactly_one_state(session, events, hours_after_close, **found):
    moment = session.options_close(products.DEFAULT) + dt.timedelta(hours=hours_after_close)

    result = state(*events, session=session, moment=moment, **found)

    assert result == state(*events, session=session, moment=moment, **found)
    assert (result.kind is Kind.SEALED) == found["sealed"]
    assert not (result.due and result.kind in (Kind.SEALED, Kind.NO_DATA, Kind.PARKED, Kind.ACCEPTED))
    assert result.due or result.kind in (Kind.SEALED, Kind.NO_DATA, Kind.PARKED, Kind.ACCEPTED, Kind.PENDING)
    assert result.tries <= sum(event["event"] == "failed" for event in events)
    assert (result.kind is Kind.PARKED) <= (result.tries >= 3)


@given(
    st.lists(st.sampled_from([journal.REQUEST, journal.RETRIED, journal.STAGED, journal.STARTED]), max_size=6)
)
def test_events_that_end_no_try_do_not_change_how_the_last_one_ended(names):
    after = [event(name) for name in names]

    assert state(FAILED, *after, begun=True).kind is Kind.FAILED
    assert state(NO_DATA, *after, moment=MOMENT - dt.timedelta(hours=23.5)).kind is Kind.NO_DATA
    assert state(SEALED, QUARANTINED, *after).kind is Kind.CORRUPT


# The tree -----------------------------------------------------------------------------------------------


def seal(settings, date):
    parquet = settings.layout.parquet(date)
    files.write_text(parquet, "PAR1")
    seals.seal(parquet, reads.digest(parquet), {})


def test_every_kind_is_found_in_the_tree(lake, at):
    settings = lake(start_date="2024-01-02", end_date="2024-01-16", max_attempts=1)
    layout = settings.layout
    day = {number: dt.date(2024, 1, number) for number in (2, 3, 4, 5, 8, 9, 10, 11, 12, 16)}
    seal(settings, day[2])
    files.write_json(layout.listing(day[3]), {})
    Journal(layout.journal(day[4]), "list").record(journal.FAILED, error="E", cause="why", surroundings=True)
    Journal(layout.journal(day[5]), "list").record(journal.NO_DATA, cause="nothing")
    layout.quarantine(day[8]).mkdir(parents=True)
    files.write_text(layout.parquet(day[9]), "PAR1")
    Journal(layout.journal(day[10]), "list").record(journal.FAILED, error="E", cause="why")
    Journal(layout.journal(day[11]), "ledger").record(journal.ACCEPTED, reason="a quiet day")

    now = at(2024, 1, 16, 10, 0)
    found = {session.date: state.kind for session, state in session_states.states(settings, now).items()}

    assert found == {
        day[2]: Kind.SEALED,
        day[3]: Kind.PARTIAL,
        day[4]: Kind.FAILED,
        day[5]: Kind.NO_DATA,
        day[8]: Kind.CORRUPT,
        day[9]: Kind.CORRUPT,
        day[10]: Kind.PARKED,
        day[11]: Kind.ACCEPTED,
        day[12]: Kind.MISSING,
        day[16]: Kind.PENDING,
    }
    states = session_states.states(settings, now)
    assert session_states.missing_dates(states) == [day[number] for number in (12, 9, 8, 4, 3)]
    assert session_states.missing_dates(states, Dates.of("2024-01-03..2024-01-08")) == [
        day[8],
        day[4],
        day[3],
    ]
    assert session_states.sealed_dates(layout) == [day[2]]
    assert session_states.sealed_dates(layout, Dates.of("2023")) == []


def test_a_receipt_alone_is_a_beginning(lake):
    settings = lake()
    date = dt.date(2024, 1, 2)
    files.write_json(settings.layout.checkpoint(date, "SPX", date).receipt, {})

    assert session_states.gather(settings.layout, date).begun


def test_a_parquet_without_its_sidecar_is_not_sealed(lake):
    settings = lake()
    files.write_text(settings.layout.parquet(dt.date(2024, 1, 2)), "PAR1")

    assert not session_states.gather(settings.layout, dt.date(2024, 1, 2)).sealed


def test_the_status_database_is_never_asked(lake, at):
    settings = lake(end_date="2024-01-02")
    files.write_text(settings.layout.database, "no database at all")

    assert session_states.missing_dates(session_states.states(settings, at(2024, 2, 1, 12, 0))) == [
        dt.date(2024, 1, 2)
    ]
