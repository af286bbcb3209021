"""Whether days are ready: what is missing, incomplete, poor or restated, and since when it is verified."""

import datetime as dt
import json

import pytest
from tests.sealed_days import judged, seal, settings_of

import spx_data
from spx_data.errors import DateValidationError, FileCorruptionError
from spx_data.lake import acceptance
from spx_data.store import files, journal

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8)]  # sessions, all of them
POOR, LACKING = DAYS[1], DAYS[2]
EVENING = "2024-01-08T20:00-05:00"


@pytest.fixture
def lake(tmp_path, monkeypatch):
    """Return the settings of a lake with five sealed days, of which one is poor and one incomplete."""
    monkeypatch.setenv("SPX_DATA_NOW", EVENING)
    settings = settings_of(tmp_path)
    for date in DAYS:
        seal(
            settings,
            date,
            quality=judged(parity=30.0 if date == POOR else 100.0),
            completeness={
                "complete": date != LACKING,
                "unknown": ["SPX 2024-01-19 short"] * (date == LACKING),
            },
        )
    return settings


def ready(settings, dates="2024-01", **how):
    return spx_data.ready(dates, lake=settings.layout.output, data=settings.layout.data, **how)


def note(settings, event, at, **fields):
    line = {"at": at, "event": event, "stage": "test", "run": "", **fields}
    files.append_line(settings.layout.lake_journal, json.dumps(line))


def test_days_that_are_sealed_and_complete_are_ready(lake):
    found = ready(lake, [DAYS[0], POOR])

    assert found and (found.sessions, found.sealed, found.missing) == (2, 2, [])
    assert found.root == spx_data.verification_root([DAYS[0], POOR], lake=lake.layout.output)
    assert (found.fresh_as_of, found.newest_session) == (POOR, POOR)


def test_each_thing_in_the_way_is_named(lake):
    lake.layout.sidecar(DAYS[3]).unlink()

    found = ready(lake, "last 5 sessions", min_score=95)

    assert not found
    assert [*found.why_not] == [
        "1 day not sealed: 2024-01-05",
        "1 day incomplete: 2024-01-04",
        "1 day below the score: 2024-01-03",
    ]
    assert not ready(lake, LACKING) and ready(lake, LACKING, complete=False)
    assert ready(lake, POOR, min_score=85) and not ready(lake, POOR, min_score=95)


def test_a_day_that_nobody_judged_has_no_score(lake):
    seal(lake, DAYS[0])

    assert ready(lake, DAYS[0]) and ready(lake, DAYS[0], min_score=0).below == [DAYS[0]]


def test_sessions_count_once_they_are_over_and_while_they_are_to_have_data(lake, monkeypatch):
    lake.layout.sidecar(DAYS[-1]).unlink()
    monkeypatch.setenv("SPX_DATA_NOW", "2024-01-08T15:59-05:00")
    before = ready(lake, complete=False)
    monkeypatch.setenv("SPX_DATA_NOW", "2024-01-08T16:00-05:00")
    after = ready(lake, complete=False)

    assert (bool(before), before.sessions, before.newest_session) == (True, 4, DAYS[3])
    assert (bool(after), after.missing, after.fresh_as_of, after.newest_session) == (
        False,
        [DAYS[-1]],
        DAYS[3],
        DAYS[-1],
    )
    acceptance.accept(lake, DAYS[-1], "the vendor lost it")
    assert ready(lake, complete=False).sessions == 4


def test_a_day_is_verified_since_it_was_sealed_or_not_at_all(lake):
    note(lake, journal.VERIFIED, "2024-01-02T22:00:00+00:00")  # before any was sealed
    assert (ready(lake).verified_at, len(ready(lake).unverified)) == (None, 5)

    note(lake, journal.VERIFIED, "2024-01-05T23:30:00+00:00", within=["2024-01-01..2024-01-04"])
    note(lake, journal.VERIFIED, "2024-01-08T23:30:00+00:00", damaged=["2024-01-04"])

    found = ready(lake)
    assert (found.verified_at, found.unverified) == (dt.datetime(2024, 1, 5, 23, 30, tzinfo=dt.UTC), [])
    assert ready(lake, DAYS[-1]).verified_at == dt.datetime(2024, 1, 8, 23, 30, tzinfo=dt.UTC)


def test_what_the_source_restated_since_is_told_until_it_is_replaced(lake):
    def recheck(date, found, at, **fields):
        note(lake, journal.RECHECKED, at, date=str(date), found=found, changed=True, **fields)

    recheck(DAYS[0], "restated", "2024-01-01T00:00:00+00:00", action="reported")  # of a version before
    recheck(DAYS[1], "restated", "2024-01-09T00:00:00+00:00", action="kept")
    recheck(DAYS[2], "withdrawn", "2024-01-09T00:00:00+00:00", action="reported")
    recheck(DAYS[3], "restated", "2024-01-09T00:00:00+00:00", action="reported")
    recheck(DAYS[3], "restated", "2024-01-10T00:00:00+00:00", action="replaced")
    recheck(DAYS[4], "unchanged", "2024-01-09T00:00:00+00:00")
    note(lake, journal.RECHECKED, "2024-01-10T00:00:00+00:00", date=str(DAYS[1]), changed=None)  # failed

    assert ready(lake).restated == [DAYS[1], DAYS[2]]


def test_a_document_has_all_of_it(lake):
    told = json.loads(json.dumps(ready(lake).as_json()))

    assert told["ready"] is False
    assert (told["incomplete"], told["fresh_as_of"], told["verified_at"]) == (
        ["2024-01-04"],
        "2024-01-08",
        None,
    )


def test_what_names_no_session_is_refused(lake):
    for dates in ("2024-01-06", "2024-01-09", "2030"):
        with pytest.raises(DateValidationError, match="has closed no session"):
            ready(lake, dates)
    with pytest.raises(DateValidationError, match="is no date"):
        ready(lake, "last 5 fortnights")


def test_a_passport_that_is_damaged_is_no_answer(lake):
    lake.layout.passport(DAYS[0]).write_text("{}")

    with pytest.raises(FileCorruptionError):
        ready(lake)
