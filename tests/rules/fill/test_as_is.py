"""A date sealed as it is staged, because a person says so: nothing is asked, and nothing is hidden."""

import contextlib
import os

import pytest
from tests.restating import expiration_of, is_history, restating
from tests.rules.conftest import DAY

from spx_data.errors import AnotherRunError, DatabaseSchemaError, DateValidationError, SpxDataError
from spx_data.fill.as_is import NOT_FETCHED, seal_as_it_is
from spx_data.store import journal, locks, seals

WEEKLY = ("SPXW", "2024-01-03")


@pytest.fixture
def held(terminals, day):
    """Return a date that is held for a chain that cannot be had, and its source."""
    with restating(terminals["v3"].url) as proxy:
        proxy.edit = lambda path, query, rows: (
            500 if is_history(path) and expiration_of(query) == WEEKLY[1] else rows
        )
        date = day(proxy.url)
        date.fetch()
        with pytest.raises(SpxDataError):
            date.download()
        proxy.asked.clear()
        yield date, proxy


def report_of(date, key=WEEKLY):
    (found,) = [c for c in date.passport()["chains"] if (c["root"], c["expiration"]) == key]
    return found


def test_what_is_staged_is_sealed_at_once_and_names_what_is_lacking(held):
    date, proxy = held

    seal_as_it_is(date.settings, DAY, "one chain never comes")

    assert proxy.asked == []
    assert seals.is_sealed(date.layout.parquet(DAY))
    passport = date.passport()
    assert passport["as_is"] == {"reason": "one chain never comes"}
    assert not passport["completeness"]["complete"]
    assert report_of(date)["state"] == "unavailable"
    (error,) = {f"{e['error']}: {e['cause']}" for e in date.events(journal.EXPIRATION_FAILED)}
    assert report_of(date)["error"] == error
    words = [e["event"] for e in date.events(journal.ACCEPTED, journal.SEALED)]
    assert words == [journal.ACCEPTED, journal.SEALED]
    (accepted,) = date.events(journal.ACCEPTED)
    assert (accepted["as_is"], accepted["reason"]) == (True, "one chain never comes")


def test_what_was_never_asked_for_is_said_so(terminals, day):
    date = day(terminals["v3"])
    date.fetch()
    date.download()
    date.layout.manifest(DAY).unlink()
    date.checkpoint(0).receipt.unlink()

    seal_as_it_is(date.settings, DAY, "enough for me")

    lacking = [c for c in date.passport()["chains"] if c["state"] == "unavailable"]
    assert [chain["error"] for chain in lacking] == [NOT_FETCHED]


def test_a_damaged_checkpoint_is_left_out(terminals, day):
    date = day(terminals["v3"])
    date.fetch()
    date.download()
    records = date.checkpoint(1).records
    records.write_bytes(records.read_bytes().replace(b"0", b"1", 1))

    seal_as_it_is(date.settings, DAY, "enough for me")

    assert [c["state"] for c in date.passport()["chains"]].count("unavailable") == 1
    assert date.passport()["completeness"]["chains_received"] == len(date.passport()["chains"]) - 1


def test_a_whole_manifest_is_sealed_as_any_run_would(terminals, day):
    date = day(terminals["v3"])
    date.fetch()
    date.download()

    seal_as_it_is(date.settings, DAY, "now")

    assert date.passport()["completeness"]["complete"]


@pytest.mark.parametrize("listed", [True, False])
def test_a_date_of_which_nothing_is_staged_is_refused(listed, terminals, day):
    date = day(terminals["v3"])
    if listed:
        date.fetch()

    with pytest.raises(DateValidationError, match="nothing of 2024-01-02 is staged") as caught:
        seal_as_it_is(date.settings, DAY, "why not")

    assert "spx-data process 2024-01-02" in caught.value.cure
    assert date.events(journal.ACCEPTED) == []


def test_what_is_sealed_or_without_a_reason_is_refused(held):
    date, _ = held
    with pytest.raises(DateValidationError, match="without a reason"):
        seal_as_it_is(date.settings, DAY, " ")
    seal_as_it_is(date.settings, DAY, "enough")

    with pytest.raises(DateValidationError, match="is sealed"):
        seal_as_it_is(date.settings, DAY, "again")


def test_not_while_a_run_is_at_work(held):
    date, _ = held
    descriptor = locks.hold(date.layout.run_lock)
    try:
        with pytest.raises(AnotherRunError):
            seal_as_it_is(date.settings, DAY, "enough")
    finally:
        os.close(descriptor)
    assert not seals.is_sealed(date.layout.parquet(DAY))


def test_a_merge_that_fails_leaves_the_date_open(held, monkeypatch):
    date, _ = held

    def fails(*_, **__):
        raise DatabaseSchemaError("no room", cure="make some")

    with monkeypatch.context() as patch, contextlib.suppress(DatabaseSchemaError):
        patch.setattr("spx_data.fill.as_is.merge_date", fails)
        seal_as_it_is(date.settings, DAY, "enough")

    assert [e["event"] for e in date.events(journal.ACCEPTED, journal.REOPENED)] == [
        journal.ACCEPTED,
        journal.REOPENED,
    ]
    seal_as_it_is(date.settings, DAY, "enough")
    assert seals.is_sealed(date.layout.parquet(DAY))
