"""What the status log has of dates is what their files say; patterns and trends of errors and figures."""

import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import json
import re
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.passports import watched
from tests.sealed_days import fail, judged, record, reseal, seal, settings_of

from spx_data import status
from spx_data.cli.overview import print_overview
from spx_data.errors import SpxDataError
from spx_data.lake import session_states
from spx_data.lake.session_states import Kind, State
from spx_data.ops.gaps import find
from spx_data.status import Facts, Overview, Summary, Trouble, database, failures, history, tables, trends
from spx_data.store import archive, journal

ROOT = Path(__file__).resolve().parents[3]
DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4)]
MOMENT = dt.datetime(2024, 1, 5, 12, tzinfo=dt.UTC)


def as_files_say(settings):
    return [
        Summary(history.date, history.state, Facts.of(history)) for history in status.read(settings, MOMENT)
    ]


@pytest.fixture
def at_once(monkeypatch):
    """Let files count as settled as soon as they are written."""
    monkeypatch.setattr(history, "_SETTLED_NS", -(10**15))


@pytest.fixture
def sealed(tmp_path, at_once):
    settings = settings_of(tmp_path)
    for number, date in enumerate(DAYS, start=1):
        seal(settings, date, rows=1000 * number)
    return settings


@pytest.fixture
def reads(monkeypatch):
    """The passports that are read from now on."""
    return watched(monkeypatch)


# What is read again -----------------------------------------------------------------------------------


def dump(settings):
    with contextlib.closing(sqlite3.connect(settings.layout.database)) as connection:
        return list(connection.iterdump())


def test_what_has_not_changed_is_not_read_again(sealed, reads):
    first = status.summaries(sealed, MOMENT)
    written = database._file(sealed.layout.database)
    reads.clear()

    assert status.summaries(sealed, MOMENT) == first
    assert reads == []
    assert database._file(sealed.layout.database) == written


def test_one_date_that_changed_is_read_again_alone(sealed, reads):
    status.summaries(sealed, MOMENT)
    reads.clear()
    record(sealed, DAYS[1], journal.REQUEST, at=MOMENT.isoformat(), status=500)

    found = status.summaries(sealed, MOMENT)

    assert [line.facts.requests for line in found] == [0, 1, 0]
    assert reads == [DAYS[1]]


def test_a_person_who_accepts_a_date_ends_no_try_of_it(tmp_path):
    settings = settings_of(tmp_path)
    for date in DAYS[:2]:
        record(settings, date, journal.STARTED, run="run")
    record(settings, DAYS[0], journal.ACCEPTED, at=MOMENT.isoformat(), run="run", reason="not needed")
    record(
        settings, DAYS[1], journal.FAILED, at=MOMENT.isoformat(), run="run", error="E", cause="no", cure=""
    )

    found = as_files_say(settings)

    assert [line.state.kind for line in found[:2]] == [Kind.ACCEPTED, Kind.FAILED]
    assert [line.facts.completed_at for line in found[:2]] == [None, MOMENT.isoformat()]


def test_a_file_that_changed_just_now_is_read_again(tmp_path, reads):
    settings = settings_of(tmp_path)
    seal(settings, DAYS[0])
    status.refresh(settings, MOMENT)
    reads.clear()

    status.summaries(settings, MOMENT)

    assert reads == [DAYS[0]]


def test_where_nothing_stands_no_log_is_made(tmp_path):
    settings = settings_of(tmp_path)

    assert [line.state.kind for line in status.summaries(settings, MOMENT)] == [Kind.MISSING] * 3
    assert not settings.layout.database.exists()


def test_the_state_is_never_remembered(sealed):
    status.summaries(sealed, MOMENT)

    sealed.layout.sidecar(DAYS[0]).unlink()

    assert [line.state.kind for line in status.summaries(sealed, MOMENT)] == [
        Kind.CORRUPT,
        Kind.SEALED,
        Kind.SEALED,
    ]


def test_a_date_that_is_gone_is_gone_from_the_log(sealed):
    status.summaries(sealed, MOMENT)
    for name in ("parquet", "passport", "sidecar", "journal"):
        getattr(sealed.layout, name)(DAYS[2]).unlink()
    fewer = dataclasses.replace(sealed, end_date=DAYS[1])

    status.summaries(fewer, MOMENT)

    with contextlib.closing(sqlite3.connect(sealed.layout.database)) as connection:
        for name in tables.DATED:
            dates = connection.execute(f"SELECT DISTINCT date FROM {name}").fetchall()
            assert ("2024-01-04",) not in dates
            assert name != "processing_log" or len(dates) == 2


def append(settings, date):
    record(settings, date, journal.RETRIED, at=MOMENT.isoformat(), error="ApiConnectionError", cause="gone")


def append_seal(settings, date):
    seal(settings, date, rows=8000, seconds=7)


def change_in_place(settings, date):
    passport = settings.layout.passport(date)
    if passport.exists() and settings.layout.parquet(date).exists():
        document = json.loads(passport.read_text())
        document["rows"] = 9999 - document["rows"] % 1000
        reseal(settings.layout, date, document)


def damage(settings, date):
    passport = settings.layout.passport(date)
    if passport.exists():
        passport.write_bytes(passport.read_bytes().replace(b"2024", b"2042", 1))


def run_again(settings, date):
    """What a job that runs once more leaves: a longer journal, and what it took."""
    record(settings, date, journal.STARTED, at=MOMENT.isoformat())
    peak = 200 + time.time_ns() % 700
    record(settings, date, journal.FINISHED, at=MOMENT.isoformat(), seconds=1.0, memory_mb=peak)


def compress(settings, date):
    if settings.layout.journal(date).exists():
        archive.pack(settings.layout.journal(date), lambda lines: (lines, {}))


def without(name):
    def remove(settings, date):
        getattr(settings.layout, name)(date).unlink(missing_ok=True)

    return remove


EDITS = [
    append,
    append_seal,
    change_in_place,
    damage,
    run_again,
    compress,
    *map(without, ("sidecar", "parquet", "passport", "journal")),
]


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=st.lists(st.tuples(st.sampled_from(EDITS), st.sampled_from(DAYS)), min_size=1, max_size=5))
def test_whatever_is_edited_summaries_are_what_the_files_say(edits, at_once, tmp_path_factory):
    settings = settings_of(tmp_path_factory.mktemp("lake"))
    for date in DAYS:
        seal(settings, date)

    for edit, date in edits:
        status.summaries(settings, MOMENT)
        time.sleep(0.02)  # the clock of a file has ticks; for younger files there is `_SETTLED_NS`
        edit(settings, date)

        assert status.summaries(settings, MOMENT) == as_files_say(settings)

    status.refresh(settings, MOMENT)
    refreshed = dump(settings)
    status.rebuild(settings, MOMENT)
    assert dump(settings) == refreshed


def spoil(path, what):
    content = path.read_bytes()
    match what:
        case "empty":
            path.write_bytes(b"")
        case "half written":
            path.write_bytes(content[: len(content) // 2])
        case "a flipped figure":
            at = content.index(b"records")
            path.write_bytes(content[:at] + b"R" + content[at + 1 :])
        case "a flipped checksum":
            path.write_bytes(content[:61] + bytes([content[61] ^ 1]) + content[62:])
        case "gone":
            path.unlink()
        case "another version's":
            other = sqlite3.connect(path)
            other.execute("UPDATE form SET value = '[0]' WHERE name = 'form'")
            other.commit()
            other.close()
            database._seal(path)
        case "an old one":
            path.unlink()
            older = sqlite3.connect(path)
            older.execute(f"PRAGMA application_id = {database._APPLICATION}")
            older.execute("CREATE TABLE processing_log (date TEXT)")
            older.close()


@pytest.mark.parametrize(
    "what",
    [
        *("empty", "half written", "a flipped figure", "a flipped checksum", "gone"),
        *("another version's", "an old one"),
    ],
)
def test_a_log_that_is_not_as_it_was_written_is_made_anew_without_a_word(what, sealed, caplog, capsys):
    expected = status.summaries(sealed, MOMENT)
    whole = dump(sealed)
    spoil(sealed.layout.database, what)

    assert status.summaries(sealed, MOMENT) == expected
    assert dump(sealed) == whole
    assert caplog.text == ""
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("what", ["a folder", "somebody else's", "no folder to write in"])
def test_where_no_log_can_be_written_the_files_answer(what, sealed):
    path = sealed.layout.database
    if what == "a folder":
        path.mkdir(parents=True)
    elif what == "somebody else's":
        path.write_text("thetadata: {}")
    else:
        sealed = dataclasses.replace(
            sealed, layout=dataclasses.replace(sealed.layout, database=path / "not" / "there.db")
        )
        path.write_text("no folder")

    assert status.summaries(sealed, MOMENT) == as_files_say(sealed)
    with pytest.raises(SpxDataError):
        status.refresh(sealed, MOMENT)


def test_who_has_the_log_open_is_in_nobodys_way_and_goes_on_reading(sealed):
    status.summaries(sealed, MOMENT)
    count = "SELECT count(*) FROM performance_metrics"
    with contextlib.closing(sqlite3.connect(sealed.layout.database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        before = other.execute(count).fetchone()
        record(sealed, DAYS[1], journal.REQUEST, at=MOMENT.isoformat(), status=500)

        found = status.summaries(sealed, MOMENT)

        assert [line.facts.requests for line in found] == [0, 1, 0]
        assert other.execute(count).fetchone() == before
    assert status.summaries(sealed, MOMENT) == found


def test_two_who_refresh_at_once_leave_one_whole_log(sealed):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for _ in range(8):
            for date in DAYS:
                record(sealed, date, journal.REQUEST, at=MOMENT.isoformat(), status=500)
            found = list(pool.map(lambda _: status.refresh(sealed, MOMENT), range(4)))
            assert all(each == found[0] for each in found)

    refreshed = dump(sealed)
    status.rebuild(sealed, MOMENT)
    assert dump(sealed) == refreshed


def test_what_sqlite_cannot_hold_is_in_the_log_as_well_as_it_can_be(sealed):
    with database.changing(sealed, database.NO_LOG, 0) as log:
        log.put([("inventory", [("half \ud800", "2024-01-02", 10**30, None, None, None)])])

    with contextlib.closing(sqlite3.connect(sealed.layout.database)) as connection:
        told = connection.execute("SELECT path, size FROM inventory").fetchall()
    assert told == [("half \\ud800", 1e30)]


def test_a_setting_that_scores_hang_on_scores_all_dates_anew(sealed):
    for date in DAYS:
        seal(sealed, date, quality=judged())
    status.refresh(sealed, MOMENT)
    strict = dataclasses.replace(sealed, quality=sealed.quality._replace(warn_below=100.5))

    status.refresh(strict, MOMENT)

    with contextlib.closing(sqlite3.connect(sealed.layout.database)) as connection:
        assert connection.execute("SELECT DISTINCT verdict FROM quality").fetchall() == [("warn",)]


def test_a_log_full_of_lies_decides_nothing(sealed):
    fail(sealed, DAYS[0])
    sealed.layout.sidecar(DAYS[0]).unlink()
    status.refresh(sealed, MOMENT)
    states, gaps = session_states.states(sealed, MOMENT), find(sealed, MOMENT)
    with contextlib.closing(sqlite3.connect(sealed.layout.database)) as log, log:
        log.execute("UPDATE processing_log SET status = 'success', kind = 'sealed', record_count = 1")
        rows = [field.name for field in dataclasses.fields(Facts)].index("rows")
        log.execute(f"UPDATE read_from SET facts = json_replace(facts, '$[{rows}]', 1)")
        log.execute("DELETE FROM error_log")
    database._seal(sealed.layout.database)

    assert {line.facts.rows for line in status.summaries(sealed, MOMENT)} == {1}  # the lies are believed
    assert session_states.states(sealed, MOMENT) == states
    assert [(gap.date, gap.kind, gap.cure) for gap in find(sealed, MOMENT)] == [
        (gap.date, gap.kind, gap.cure) for gap in gaps
    ]


def test_every_table_with_its_columns_and_indexes_is_in_the_documentation():
    with contextlib.closing(sqlite3.connect(":memory:")) as log:
        log.executescript(tables.SCHEMA + tables.INDEXES)
        master = log.execute(
            "SELECT name, tbl_name, type FROM sqlite_master WHERE sql IS NOT NULL"
        ).fetchall()
        columns = {
            name: [row[1] for row in log.execute(f"PRAGMA table_info({name})")]
            for name, _, kind in master
            if kind == "table"
        }
    text = (ROOT / "docs" / "output.md").read_text().partition("## The status log")[2]
    told = {cells[1].strip("` "): cells for line in text.splitlines() if (cells := line.split("|"))[1:]}

    for name, its_columns in columns.items():
        words = set(re.findall(r"`([a-z_]+)`", told[name][3]))
        assert name == "quality" or set(its_columns) <= words, name
    for name, table, kind in master:
        if kind == "index":
            assert f"`{name.removeprefix(table + '_')}`" in told[table][4], name
    assert set(told) - {"table", "---"} == set(columns)


def test_the_database_has_the_indexes_that_are_asked_for(sealed):
    fail(sealed, DAYS[0])
    status.rebuild(sealed, MOMENT)

    with contextlib.closing(sqlite3.connect(sealed.layout.database)) as connection:
        for query in (
            "SELECT * FROM processing_log WHERE status = 'failed'",
            "SELECT * FROM processing_log WHERE date = '2024-01-02'",
            "SELECT * FROM processing_log WHERE updated_at > '2024'",
            "SELECT * FROM processing_log WHERE error_type = 'OSError'",
            "SELECT * FROM expiration_log WHERE date = '2024-01-02'",
            "SELECT * FROM expiration_log WHERE status = 'failed'",
            "SELECT * FROM error_log WHERE error_type = 'OSError'",
            "SELECT * FROM error_log WHERE date = '2024-01-02'",
            "SELECT * FROM inventory WHERE date = '2024-01-02'",
        ):
            plan = " ".join(str(row[-1]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert "SEARCH" in plan, query


# Patterns -----------------------------------------------------------------------------------------------


def trouble(at, error="ApiConnectionError", **fields):
    base = Trouble("2024-01-02", at, journal.RETRIED, error, "gone", "download", "run", None, None, 1, None)
    return dataclasses.replace(base, **fields)


def summary(*troubles, date=DAYS[0], **facts):
    return Summary(date, State(Kind.SEALED), Facts(troubles=troubles, **facts))


def test_errors_are_newest_first_and_filtered_by_day_in_new_york_and_type():
    late = trouble("2024-01-03T04:30:00+00:00")  # 23:30 on the second in New York
    later = trouble("2024-01-03T15:00:00+00:00", "OSError")
    lines = [summary(late, later)]

    assert failures.troubles(lines) == [later, late]
    assert failures.troubles(lines, since=dt.date(2024, 1, 3)) == [later]
    assert failures.troubles(lines, types=["apiconnectionerror"]) == [late]
    assert failures.troubles([]) == []


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("type", [("ApiConnectionError", 2), ("OSError", 1)]),
        ("cause", [("ApiConnectionError: gone", 2), ("OSError: gone", 1)]),
        ("hour", [("09", 1), ("10", 2)]),
        ("expiration", [("SPX 2024-01-19", 2), ("none", 1)]),
        ("date", [("2024-01-02", 2), ("2024-01-03", 1)]),
        ("stage", [("download", 2), ("merge", 1)]),
    ],
)
def test_patterns_count_by_each_aspect(by, groups):
    chain = {"root": "SPX", "expiration": "2024-01-19"}
    found = [
        trouble("2024-01-03T15:30:00+00:00", "OSError", date="2024-01-03", stage="merge"),
        trouble("2024-01-03T15:00:00+00:00", **chain),
        trouble("2024-01-03T14:00:00+00:00", **chain),
    ]

    assert [(line.group, line.count) for line in failures.patterns(found, by)] == groups


def test_a_pattern_says_how_much_how_long_and_how_it_ended():
    found = [
        trouble("2024-01-03T15:00:00+00:00", cause="newest", date="2024-01-03"),
        trouble("2024-01-02T15:00:00+00:00", resolved_at="2024-01-02T16:00:00+00:00"),
        trouble("2024-01-01T15:00:00+00:00", "OSError"),
    ]

    line = failures.patterns(found, "type")[0]

    assert (line.count, line.share_percent, line.dates, line.resolved) == (2, 66.7, 2, 1)
    assert (line.first_at[:10], line.last_at[:10], line.example) == ("2024-01-02", "2024-01-03", "newest")


# Performance --------------------------------------------------------------------------------------------


def filled(month, *, minutes=10.0, rows=1000, day=15, **facts):
    at = f"2024-{month:02}-{day:02}T20:00:00+00:00"
    return summary(sealed_at=at, rows=rows, bytes=14 * rows, duration_ms=round(60_000 * minutes), **facts)


def trend(lines, name="records_per_minute"):
    found = trends.trends(trends.periods(trends.performances(lines), trends.FILLING, "month"), trends.FILLING)
    return next(line for line in found if line.measure.name == name)


def test_a_date_says_what_it_took():
    (line,) = trends.performances([filled(1, minutes=2, requests=40, requests_failed=1)])

    assert (line.records_per_minute, line.bytes_per_record, line.duration_seconds) == (500, 14, 120)
    assert line.requests_failed_percent == 2.5
    assert line.memory_peak_mb is None


def test_what_is_not_known_is_not_made_up():
    (line,) = trends.performances([summary(sealed_at="2024-01-02T20:00:00+00:00")])

    assert line.records_per_minute is line.bytes_per_record is line.requests_failed_percent is None
    assert trends.performances([summary(rows=3)]) == []


def test_periods_are_medians_and_changes_by_the_moment_of_the_seal():
    lines = [filled(1, rows=1000), filled(1, rows=9000), filled(1, rows=2000), filled(3, rows=3000)]

    january, march = trends.periods(trends.performances(lines), trends.FILLING, "month")

    assert (january.name, january.dates, january.rows) == ("2024-01", 3, 12_000)
    assert january.medians["records_per_minute"] == 200
    assert january.changes["records_per_minute"] is None
    assert (march.name, march.changes["records_per_minute"]) == ("2024-03", 50.0)


def test_weeks_are_those_of_the_iso_calendar():
    (week,) = trends.periods(trends.performances([filled(1, day=1)]), trends.FILLING, "week")

    assert week.name == "2024-W01"


def test_a_clear_fall_is_named_with_its_size():
    found = trend([filled(month, rows=1000 - 50 * month) for month in range(1, 9)])

    assert found.slope == -5
    assert found.verdict == "filling gets slower: 6.5 % a period"


def test_one_wild_month_is_no_trend():
    found = trend([filled(month, rows=90_000 if month == 8 else 1000 + month % 2) for month in range(1, 9)])

    assert found.verdict == "no trend beyond chance"


def test_a_trifle_is_steady():
    found = trend([filled(month, rows=100_000 + 10 * month) for month in range(1, 13)])

    assert found.verdict == "steady"


def test_too_few_periods_have_no_verdict():
    found = trend([filled(month, rows=1000 * month) for month in range(1, 6)])

    assert found.verdict == "needs 6 periods, has 5"
    assert found.slope is None
    assert trend([]).first is None


# Failures that are alike, and days that lack something --------------------------------------------------


def failing(date, cause, kind=Kind.FAILED, error="ApiError"):
    return Summary(date, State(kind, True, cause, 1, error), Facts())


def test_failures_are_alike_but_for_dates_numbers_and_addresses():
    causes = [
        "1 chain of SPXW 2024-01-19 is short: http://127.0.0.1:25503/v3/x?y=1",
        "12 chains of SPXW 2024-01-26 is short: https://terminal/v3/z",
        "12 chains of SPX 2024-01-26 is short: https://terminal/v3/z",
    ]

    found = failures.groups([failing(day, cause) for day, cause in zip(DAYS, causes, strict=True)])

    assert [group.dates for group in found] == [tuple(DAYS[:2]), (DAYS[2],)]
    assert found[0].state.reason == causes[1]  # the newest one's own words


@pytest.mark.parametrize("other", [{"kind": Kind.PARKED}, {"error": "OtherError"}, {"cause": "b"}])
def test_what_differs_otherwise_is_another_failure(other):
    lines = [failing(DAYS[0], "a"), failing(DAYS[1], **({"cause": "a"} | other))]

    assert len(failures.groups(lines)) == 2


def test_what_is_sealed_or_missing_is_no_failure():
    assert (
        failures.groups([Summary(DAYS[0], State(Kind.SEALED), Facts()), failing(DAYS[1], "", Kind.MISSING)])
        == []
    )


@pytest.mark.parametrize(
    "section, words",
    [
        ({"complete": True, "unknown": []}, ""),
        ({"complete": False}, ""),
        ({"complete": False, "unknown": ["1 chain unavailable"]}, "incomplete: 1 chain unavailable"),
        (
            {"complete": False, "unknown": list("abcde"), "unknown_more": 2},
            "incomplete: a; b; c; and 4 more",
        ),
    ],
)
def test_an_incomplete_day_says_what_it_lacks(section, words, tmp_path, at_once):
    settings = settings_of(tmp_path)
    seal(settings, DAYS[0], completeness=section)

    read, remembered = (status.overview(settings, MOMENT) for _ in range(2))

    assert remembered.dates[0].lack == read.dates[0].lack == words
    assert read.incomplete == remembered.incomplete == (not section["complete"])
    assert remembered == read


def test_a_page_of_equal_failures_is_one_line_with_the_number_and_the_cure(tmp_path, capsys):
    first = dt.date(2020, 1, 1)
    lines = [
        Summary(
            first + dt.timedelta(number),
            State(Kind.PARKED, False, f"{number} chains fail", 3, "ApiError", "Restart the terminal"),
            Facts(),
        )
        for number in range(500)
    ]

    print_overview(Overview(lines), settings_of(tmp_path))

    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("chains fail") == 1
    assert "2021-05-14" in shown
    assert "and 499 dates more since 2020-01-01: parked after 3 failing runs" in shown
    assert "Restart the terminal" in shown
    assert "older dates" not in shown
