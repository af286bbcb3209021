"""What filling a date took, of its journal and its passport."""

import datetime as dt

from spx_data.status import digest
from spx_data.store import journal


def event(kind, minute, run="a", **fields):
    at = f"2024-01-03T02:{minute:02}:00.000+00:00"
    return {"at": at, "event": kind, "stage": "download", "run": run, **fields}


EVENTS = [
    event(journal.STARTED, 0, run="before"),
    event(journal.STAGED, 1, run="before", rows=100),
    event(journal.STARTED, 10),
    event(journal.REQUEST, 11, status=200, bytes=1000, seconds=2.0, in_flight=4),
    event(journal.REQUEST, 11, status=429, bytes=20, seconds=0.1, in_flight=4),
    event(journal.REQUEST, 12, status=200, bytes=500, seconds=1.0, in_flight=2),
    event(journal.REQUEST, 12, status=0, bytes=0, seconds=9.0, in_flight=2),
    event(journal.REQUEST, 12, status=200, bytes=500, seconds=1.0),
    event(journal.STAGED, 13, rows=300),
    event(journal.STARTED, 14),
    event(journal.SEALED, 15, rows=400),
    event(journal.STARTED, 40, run="mend"),
    event(journal.SEALED, 41, run="mend", rows=410),
]
PASSPORT = {
    "chains": [
        {"contracts_received": 100, "rows": 400, "checkpoint": {"bytes": 4000}, "seconds": 2.0},
        {"contracts_received": 128, "rows": 600, "checkpoint": {"bytes": 6000}, "seconds": 3.5},
        {"contracts_received": 129, "rows": 50, "checkpoint": {"bytes": 500}},
        {"contracts_received": 0, "rows": 0, "checkpoint": {"bytes": 0}, "seconds": 1.0},
    ]
}


def test_a_fill_is_the_run_that_sealed_the_date_first_and_what_it_brought():
    found = digest.fill_of(digest.work_of(EVENTS, PASSPORT))

    assert found == digest.Fill(
        dt.datetime(2024, 1, 3, 2, 10, tzinfo=dt.UTC), dt.datetime(2024, 1, 3, 2, 15, tzinfo=dt.UTC), 300
    )


def test_chains_are_counted_by_the_power_of_two_that_holds_their_contracts():
    assert digest.work_of(EVENTS, PASSPORT)["sizes"] == [
        [128, 2, 228, 1000, 10_000, 5.5],
        [256, 1, 129, 50, 500, 0.0],
    ]


def test_requests_are_counted_by_how_many_were_in_flight():
    assert digest.work_of(EVENTS, {})["flight"] == [[2, 2, 0, 500, 1.0], [4, 2, 1, 1000, 2.0]]


def test_what_no_run_sealed_was_not_filled():
    assert digest.fill_of(digest.work_of(EVENTS[:9], {})) is None
    assert digest.fill_of(digest.work_of([event(journal.SEALED, 1, run="")], {})) is None
    assert digest.fill_of(digest.work_of([event(journal.STARTED, 0), event(journal.SEALED, 1)], {})) is None
    assert digest.fill_of({}) is None


def test_works_add_up():
    one = digest.work_of(EVENTS, PASSPORT)

    assert digest.added([one, {}, one], "flight") == {2: [4, 0, 1000, 2.0], 4: [4, 2, 2000, 4.0]}
