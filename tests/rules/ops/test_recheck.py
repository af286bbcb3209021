"""Sealed dates asked for again: what the source changed is named, cell by cell, and nothing is lost."""

import contextlib
import dataclasses
import datetime as dt
import errno
import hashlib
import io
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.proof.disk import Disk
from tests.restating import cells, expiration_of, is_history
from tests.rules.conftest import DAY

from spx_data.cli.again import print_rechecked
from spx_data.errors import (
    ApiResponseInvalidError,
    DatasetMismatchError,
    DateValidationError,
    DeviceError,
    FileCorruptionError,
    InsufficientDiskSpaceError,
    ThetaTerminalNotRunningError,
)
from spx_data.lake import session_states, verify
from spx_data.market import products
from spx_data.market.dates import Dates
from spx_data.ops import recheck
from spx_data.ops.recheck import by_last_look, versions
from spx_data.ops.recheck.versions import Action, Kind
from spx_data.settings import Recheck
from spx_data.store import disk, files, journal, reads, seals

HALF_DAY = dt.date(2024, 7, 3)
WEEKLY = ("SPXW", "2024-01-03")


def asked_again(date, *named, restated="report", sample=3, **changes):
    """Return the outcomes of a recheck of the date's lake."""
    settings = dataclasses.replace(
        date.settings,
        recheck=Recheck(sample, restated),
        dates=Dates.of([str(name) for name in named]) if named else None,
        **changes,
    )
    return list(recheck.recheck(settings))


def looks(date):
    return [e for e in journal.read(date.layout.lake_journal) if e["event"] == journal.RECHECKED]


def report_of(outcome):
    return json.loads((outcome.folder / "report.json").read_text())


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sealed_bytes(date):
    return [path.read_bytes() for path in date.layout.sealed_files(date.date)]


def aside(date):
    return date.layout.temp / "recheck"


# What the source changed --------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_day_that_the_source_left_alone_is_unchanged(api, terminals, sealed_date):
    date = sealed_date(f"whole-{api}", terminals[api])
    before = tree(date.layout.output)

    (outcome,) = asked_again(date)

    assert (outcome.finding.kind, outcome.folder, outcome.error) == (Kind.UNCHANGED, None, None)
    assert tree(date.layout.output) == before
    assert not (date.layout.data / "restatements").exists()
    (event,) = looks(date)
    assert (event["date"], event["changed"], event["folder"]) == ("2024-01-02", False, None)
    assert not aside(date).exists()


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("when", [DAY, HALF_DAY])
def test_exactly_the_cells_that_changed_are_named(api, when, source, sealed_date):
    proxy = source(api)
    date = sealed_date(f"whole-{api}", proxy, when)
    before = tree(date.layout.output)
    chain = date.passport()["chains"][1]
    proxy.edit = cells(
        chain["root"],
        chain["expiration"],
        {(5, "bid"): "1.2500", (5, "vega"): "-7.5000", (90, "bid"): "0.5000"},
    )

    (outcome,) = asked_again(date)

    assert outcome.action is Action.REPORTED
    assert tree(date.layout.output) == before
    records = report_of(outcome)["records"]
    assert (records["rows_changed"], records["rows_added"], records["rows_removed"]) == (2, 0, 0)
    assert {name: column["cells"] for name, column in records["columns"].items()} == {"bid": 2, "vega": 1}
    (changed,) = records["chains"]
    assert (changed["root"], changed["expiration"]) == (chain["root"], chain["expiration"])
    assert sum(changed["contracts_changed"].values()) == 3
    assert sorted((e["what"], e["after"]) for e in records["examples"]) == [
        ("bid", 0.5),
        ("bid", 1.25),
        ("vega", -7.5),
    ]
    for example in records["examples"]:
        sealed = pl.read_parquet(date.layout.parquet(when)).filter(
            pl.col("root").cast(pl.String) == example["root"],
            pl.col("expiration") == dt.date.fromisoformat(example["expiration"]),
            pl.col("strike") == example["strike"],
            pl.col("right").cast(pl.String) == example["right"],
            pl.col("timestamp").dt.epoch("s") == dt.datetime.fromisoformat(example["timestamp"]).timestamp(),
        )
        assert sealed[example["what"]].to_list() == [example["before"]]
    largest = max(abs(e["after"] - e["before"]) for e in records["examples"] if e["what"] == "bid")
    assert records["columns"]["bid"]["largest_change"] == largest


def test_the_report_says_which_version_is_which(source, sealed_date):
    proxy = source()
    date = sealed_date("whole-v3", proxy)
    proxy.edit = cells(*WEEKLY, {(5, "bid"): "1.2500"})

    (outcome,) = asked_again(date)

    document = report_of(outcome)
    assert outcome.folder.parent == date.layout.restatements(DAY)
    assert (document["date"], document["found"], document["action"]) == ("2024-01-02", "restated", "reported")
    assert document["notes"] == []
    old, new = document["versions"]["before"], document["versions"]["after"]
    assert old["sha256"] == seals.read(date.layout.parquet(DAY)).parquet != new["sha256"]
    assert old["records_sha256"] == date.passport()["records_sha256"] != new["records_sha256"]
    assert (old["where"], new["where"]) == ("sealed", "not kept")
    (event,) = looks(date)
    assert event["changed"] is True
    assert event["cells"] == {"bid": 1}
    assert event["folder"] == str(outcome.folder)


def test_a_row_sent_twice_is_one_row_and_no_change(source, sealed_date):
    proxy = source()
    date = sealed_date("whole-v3", proxy)

    def twice(path, query, rows):
        return [*rows, rows[7]] if is_history(path) and expiration_of(query) == WEEKLY[1] else rows

    proxy.edit = twice
    (outcome,) = asked_again(date)

    assert outcome.finding.kind is Kind.UNCHANGED
    assert outcome.finding.after["rejects"]["duplicates_dropped"] == 1


def test_duckdb_finds_the_same_rows_between_the_two_versions(source, sealed_date):
    proxy = source()
    date = sealed_date("whole-v3", proxy)

    def restated(path, query, rows):
        if not is_history(path):
            return rows
        for row in rows[::10]:
            row["implied_vol"] = "0.5001"
        return rows[3:]

    proxy.edit = restated
    (outcome,) = asked_again(date, restated="keep")

    found = outcome.finding.differences
    old, new = date.layout.parquet(DAY), outcome.folder / "after" / date.layout.parquet(DAY).name

    def rows_only_in(one, other):
        query = f"SELECT count(*) FROM (FROM read_parquet('{one}') EXCEPT ALL FROM read_parquet('{other}'))"
        return duckdb.sql(query).fetchall()[0][0]

    assert found.rows_removed == 4 * 3
    assert rows_only_in(old, new) == found.rows_changed + found.rows_removed
    assert rows_only_in(new, old) == found.rows_changed + found.rows_added


def test_chains_that_are_listed_no_more_are_a_finding(source, sealed_date):
    proxy = source()
    date = sealed_date("whole-v3", proxy)

    def fewer(path, query, rows):
        return rows if is_history(path) else [row for row in rows if row["expiration"] != "2024-01-03"]

    proxy.edit = fewer

    (outcome,) = asked_again(date)

    document = report_of(outcome)
    assert document["listing"]["chains_removed"] == ["SPXW 2024-01-03"]
    assert document["records"]["chains_removed"] == ["SPXW 2024-01-03"]
    assert document["records"]["rows_removed"] > 0


def test_a_listing_that_changed_without_a_record_is_a_finding(source, sealed_date):
    proxy = source()
    date = sealed_date("whole-v3", proxy)

    def one_more(path, query, rows):
        return rows if is_history(path) else [*rows, {**rows[0], "strike": "9999.000"}]

    proxy.edit = one_more
    (outcome,) = asked_again(date)

    assert outcome.finding.kind is Kind.RESTATED
    assert not outcome.finding.differences
    listed = report_of(outcome)["listing"]["contracts_listed"]
    assert [change["after"] - change["before"] for change in listed.values()] == [1, 1]


@pytest.mark.parametrize("withheld", ["the listing", "the records"])
@pytest.mark.parametrize("restated", ["report", "keep", "replace"])
def test_a_source_without_data_any_more_is_a_finding_and_changes_nothing(
    withheld, restated, source, sealed_date
):
    proxy = source()
    date = sealed_date("whole-v3", proxy)
    before = tree(date.layout.output)

    def withdrawn(path, query, rows):
        return None if withheld == "the listing" or is_history(path) else rows

    proxy.edit = withdrawn
    (outcome,) = asked_again(date, restated=restated)

    assert (outcome.finding.kind, outcome.action) == (Kind.WITHDRAWN, Action.REPORTED)
    document = report_of(outcome)
    assert document["versions"]["after"] is None
    assert document["records"]["rows_removed"] == date.passport()["rows"]
    assert "the source lists" in document["notes"][0]
    assert tree(date.layout.output) == before
    assert session_states.gather(date.layout, DAY).sealed
    assert not aside(date).exists()


def test_a_day_of_another_api_is_said_to_be_one(terminals, day, sealed_date):
    date = sealed_date("whole-v2", terminals["v2"], greeks_version="1")
    now = day(terminals["v3"], greeks_version="1")

    (outcome,) = asked_again(now)

    (note,) = outcome.finding.notes
    assert "sealed from API v2, asked again through v3" in note
    assert outcome.finding.kind is Kind.UNCHANGED
    rows, contracts = date.passport()["rows"], date.passport()["completeness"]["contracts_received"]
    assert (outcome.finding.differences.rows_before, outcome.finding.differences.rows_after) == (
        rows,
        rows + contracts,
    )
    (event,) = looks(date)
    assert (event["api_before"], event["api_after"]) == ("v2", "v3")


def test_a_restatement_is_seen_across_apis(terminals, source, day, sealed_date):
    sealed_date("whole-v2", terminals["v2"], greeks_version="1")
    proxy = source("v3")
    proxy.edit = cells(*WEEKLY, {(50, "ask"): "77.2500"})

    (outcome,) = asked_again(day(proxy.url, greeks_version="1"))

    document = report_of(outcome)
    assert document["records"]["rows_changed"] == 1
    assert document["records"]["rows_added"] == document["records"]["rows_removed"] == 0
    assert [document["versions"][which]["source"]["api"] for which in ("before", "after")] == ["v2", "v3"]
    assert "docs/decisions/0009" in document["notes"][0]


# What becomes of the new version ------------------------------------------------------------------------


@pytest.fixture
def restated_day(source, sealed_date):
    """Return a sealed date whose source has changed one cell since, and that source."""
    proxy = source()
    date = sealed_date("whole-v3", proxy, interval="1h")
    proxy.edit = cells(*WEEKLY, {(5, "bid"): "1.2500"})
    return date, proxy


def check_with_coreutils(folder):
    (sidecar,) = folder.glob("*.sha256")
    command = ["sha256sum", "-c"] if shutil.which("sha256sum") else ["shasum", "-a", "256", "-c"]
    subprocess.run([*command, sidecar.name], cwd=folder, check=True, capture_output=True)


def test_both_versions_can_be_kept(restated_day):
    date, _ = restated_day
    before = tree(date.layout.output)

    (outcome,) = asked_again(date, restated="keep")

    assert tree(date.layout.output) == before
    after = outcome.folder / "after"
    check_with_coreutils(after)
    assert len(list(after.iterdir())) == 4
    versions = report_of(outcome)["versions"]
    assert (versions["before"]["where"], versions["after"]["where"]) == ("sealed", "after/")
    assert reads.digest(next(after.glob("*-options-*.parquet"))) == versions["after"]["sha256"]
    assert json.loads(next(after.glob("*options-2024-01-02.json")).read_text())["rows"] > 0


def test_the_new_version_can_take_the_old_ones_place(restated_day, truth):
    date, _ = restated_day
    old = sealed_bytes(date)
    events = len(date.events())

    (outcome,) = asked_again(date, restated="replace")

    assert outcome.action is Action.REPLACED
    before, place = outcome.folder / "before", date.layout.parquet(DAY).parent
    for folder in (before, place):
        check_with_coreutils(folder)
        assert len([path for path in folder.iterdir() if path.is_file()]) == 4
    assert not (outcome.folder / "after").exists()
    assert [(before / path.name).read_bytes() for path in date.layout.sealed_files(DAY)] == old
    versions = report_of(outcome)["versions"]
    assert (versions["before"]["where"], versions["after"]["where"]) == ("before/", "sealed")
    assert reads.digest(date.layout.parquet(DAY)) == versions["after"]["sha256"]
    assert date.passport()["records_sha256"] == versions["after"]["records_sha256"]
    assert [event["event"] for event in date.events()[events:]] == ["started", "sealed", "finished"]
    assert date.events("sealed")[-1]["sha256"] == versions["after"]["sha256"]
    assert session_states.gather(date.layout, DAY).sealed
    (again,) = asked_again(date)
    assert again.finding.kind is Kind.UNCHANGED


def test_a_day_restated_twice_has_two_reports(restated_day):
    date, proxy = restated_day
    first = reads.digest(date.layout.parquet(DAY))
    asked_again(date, restated="replace")
    proxy.edit = None

    (outcome,) = asked_again(date, restated="replace")

    assert outcome.action is Action.REPLACED
    assert reads.digest(date.layout.parquet(DAY)) == first
    folders = sorted(date.layout.restatements(DAY).iterdir())
    assert len(folders) == 2
    assert folders[-1] == outcome.folder
    for folder in folders:
        check_with_coreutils(folder / "before")


def test_checkpoints_that_were_kept_go_with_their_version(restated_day):
    date, _ = restated_day
    staged = {path.name for path in date.layout.staging(DAY).iterdir()}

    (outcome,) = asked_again(date, restated="replace")

    assert {path.name for path in (outcome.folder / "before" / "checkpoints").iterdir()} == staged
    replaced = reads.digest(date.layout.parquet(DAY))
    date.layout.sidecar(DAY).unlink()
    date.fill()
    assert reads.digest(date.layout.parquet(DAY)) == replaced


@pytest.mark.parametrize(
    ("stride", "trouble"),
    [
        (3, {}),  # the process is gone
        (4, {"power": True}),  # and what was not flushed is lost
        (7, {"error": errno.ENOSPC}),
        (7, {"error": errno.EIO, "lasting": True}),
    ],
    ids=["stopped", "power cut", "disk full", "faulty disk"],
)
def test_a_replacement_that_ends_anywhere_loses_nothing(stride, trouble, restated_day, tmp_path, monkeypatch):
    date, _ = restated_day
    # Which flushes there are matters (a power cut takes back what had none), not the wait for the device.
    monkeypatch.setattr(disk, "flush", lambda _: None)
    # The candidate is made once; each try then has a copy of the lake, and takes the candidate up.
    there = versions.aside(date.settings)
    versions.fetch(there, DAY, None)
    old, new = date.layout.parquet(DAY).read_bytes(), there.layout.parquet(DAY).read_bytes()
    lake, pristine = date.layout.output.parent, tmp_path.with_name(tmp_path.name + "-pristine")
    shutil.copytree(lake, pristine)
    seen = set()

    for number in itertools.count(1, stride):
        shutil.rmtree(lake)
        shutil.copytree(pristine, lake)
        faulty = Disk(number, seed=number, **trouble)
        with faulty, contextlib.suppress(InsufficientDiskSpaceError, DeviceError):
            outcomes = asked_again(date, restated="replace")
        seen.add(check_nothing_is_lost(date, old, new))
        if not faulty.where and not faulty.stopped:
            break

    assert outcomes[0].action is Action.REPLACED
    assert seen == {"old", "gap", "new"}
    assert faulty.count > 100


def check_nothing_is_lost(date, old, new):
    """Check both versions and what is said about them; return which one is sealed, or that none is."""
    lake, parquet = date.layout.output.parent, date.layout.parquet(DAY)
    contents = [path.read_bytes() for path in lake.rglob("*.parquet*") if path.is_file()]
    assert old in contents
    assert new in contents
    for path in lake.rglob("report.json"):
        says_where(json.loads(path.read_text()), path.parent, parquet, old, new)
    evidence = session_states.gather(date.layout, DAY)
    state = session_states.state(
        evidence, None, dt.datetime.now(dt.UTC), date.settings.patience, products.DEFAULT
    )
    if not evidence.sealed:
        assert state.due
        return "gap"
    assert state.kind is session_states.Kind.SEALED
    assert verify.examine(date.layout, DAY).standing is verify.Standing.HEALTHY
    return {old: "old", new: "new"}[parquet.read_bytes()]


def says_where(document, folder, parquet, old, new):
    """Check that a report's word about the two versions holds on disk."""
    for which, bytes_ in (("before", old), ("after", new)):
        place = document["versions"][which]["where"]
        assert document["versions"][which]["sha256"] == hashlib.sha256(bytes_).hexdigest()
        if place == "sealed":
            assert parquet.read_bytes() == bytes_
        elif place.endswith("/"):
            assert (folder / place / parquet.name).read_bytes() == bytes_


def test_after_a_stop_in_the_middle_the_next_fill_closes_the_gap(restated_day, monkeypatch):
    date, _ = restated_day
    real = files.copy

    def stop_at_the_place(source, target):
        if target == date.layout.parquet(DAY):
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files, "copy", stop_at_the_place)
        with pytest.raises(KeyboardInterrupt):
            asked_again(date, restated="replace")
    assert not session_states.gather(date.layout, DAY).sealed

    date.fill()

    (folder,) = date.layout.restatements(DAY).iterdir()
    assert json.loads((folder / "report.json").read_text())["action"] == "replacing"
    check_with_coreutils(folder / "before")
    check_with_coreutils(folder / "after")
    (outcome,) = asked_again(date)
    assert outcome.finding.kind is Kind.UNCHANGED
    assert reads.digest(date.layout.parquet(DAY)) == reads.digest(
        next((folder / "after").glob("*-options-*.parquet"))
    )


# One bad date -------------------------------------------------------------------------------------------

DAYS = [dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 4)]


@pytest.fixture
def three(filled):
    """Return three sealed dates of one lake."""
    return filled("three", DAYS)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", ["a flipped bit", "a lost passport", "a lost sidecar", "another passport"])
def test_a_damaged_day_is_named_and_not_compared_and_stops_no_other(damage, three):
    first = three[0]
    if damage == "a flipped bit":
        flip_a_bit(first.layout.parquet(DAYS[0]))
    elif damage == "a lost passport":
        first.layout.passport(DAYS[0]).unlink()
    elif damage == "a lost sidecar":
        first.layout.sidecar(DAYS[0]).unlink()
    else:
        passport = first.layout.passport(DAYS[0])
        passport.write_text(passport.read_text().replace('"v3"', '"v2"'))

    outcomes = {outcome.date: outcome for outcome in asked_again(first, "2024-01-02", "2024-01")}

    assert isinstance(outcomes[DAYS[0]].error, FileCorruptionError)
    assert "spx-data verify 2024-01-02" in str(outcomes[DAYS[0]].error)
    assert [outcomes[when].finding.kind for when in DAYS[1:]] == [Kind.UNCHANGED] * 2
    assert [event["changed"] for event in looks(first) if event["date"] == "2024-01-02"] == [None]


def test_a_damaged_day_costs_no_request(simulated, sealed_date):
    terminal = simulated()
    date = sealed_date("whole-v3", terminal)
    flip_a_bit(date.layout.parquet(DAY))
    asked = len(terminal.requests())

    asked_again(date)

    assert len(terminal.requests()) == asked


def test_a_source_that_breaks_for_one_date_stops_no_other(terminals, source, day):
    proxy = source()
    dates = [day(proxy.url, when) for when in DAYS]
    for date in dates:
        date.fill()

    def break_one(path, query, rows):
        return [] if is_history(path) and query["date"] == "2024-01-03" else rows

    proxy.edit = break_one
    outcomes = {outcome.date: outcome for outcome in asked_again(dates[0])}

    assert isinstance(outcomes[DAYS[1]].error, ApiResponseInvalidError)
    assert [outcomes[when].finding.kind for when in (DAYS[0], DAYS[2])] == [Kind.UNCHANGED] * 2


def test_a_terminal_that_is_down_is_one_error(three, day):
    date = day("http://127.0.0.1:9")
    before = tree(date.layout.output)

    outcomes = asked_again(date)

    (outcome,) = outcomes
    assert isinstance(outcome.error, ThetaTerminalNotRunningError)
    assert looks(date) == []
    assert tree(date.layout.output) == before


def test_a_date_that_is_not_sealed_is_named_and_stops_no_other(three):
    first = three[0]

    outcomes = asked_again(first, "2024-01-09", "2024-01-02")

    assert [outcome.date for outcome in outcomes] == [dt.date(2024, 1, 9), DAYS[0]]
    assert isinstance(outcomes[0].error, DateValidationError)
    assert "2024-01-09 is not sealed" in str(outcomes[0].error)
    assert outcomes[1].finding.kind is Kind.UNCHANGED


def test_an_error_nobody_thought_of_stops_no_other(three, monkeypatch):
    real = recheck.compare

    def compare(before, after, **options):
        if "2024-01-03" in before.name:
            raise ZeroDivisionError("a mistake of ours")
        return real(before, after, **options)

    monkeypatch.setattr(recheck, "compare", compare)
    outcomes = asked_again(three[0])

    assert sorted(str(outcome.error) for outcome in outcomes) == ["None", "None", "a mistake of ours"]


def test_other_settings_are_refused_before_anything_is_compared(terminals, three, day):
    date = day(terminals["v3"], interval="30m")

    (outcome,) = asked_again(date, restated="replace")

    assert isinstance(outcome.error, DatasetMismatchError)
    assert looks(date) == []
    assert seals.is_sealed(date.layout.parquet(DAY))


# Which dates --------------------------------------------------------------------------------------------


def test_the_radar_walks_over_the_whole_lake(three):
    first = three[0]

    seen = [outcome.date for _ in range(3) for outcome in asked_again(first, sample=2)]

    assert set(seen[:3]) == set(DAYS)
    assert seen[3:] == seen[:3]


def test_named_dates_are_all_looked_at(three):
    assert {outcome.date for outcome in asked_again(three[0], "2024-01", sample=1)} == set(DAYS)
    assert asked_again(three[0], "2023") == []


def test_a_date_that_cannot_be_rechecked_makes_room_for_the_others(three):
    for date in three[:2]:
        flip_a_bit(date.layout.parquet(date.date))

    seen = [outcome.date for _ in range(3) for outcome in asked_again(three[0], sample=1)]

    assert set(seen) == set(DAYS)


dates = st.dates(dt.date(2012, 6, 1), dt.date(2026, 1, 1))


@given(st.sets(dates, min_size=1, max_size=40), st.integers(1, 7), st.data())
def test_every_date_is_looked_at_before_any_twice(lake, sample, data):
    events, seen = [], []
    for _ in range(-(-len(lake) // sample)):
        chosen = by_last_look(lake, events)[:sample]
        events += [{"event": journal.RECHECKED, "date": date.isoformat()} for date in chosen]
        seen += chosen

    assert set(seen[: len(lake)]) == lake


def test_first_looks_are_spread_over_the_lake():
    days = [dt.date(2014, 1, 1) + dt.timedelta(days=number) for number in range(3650)]

    years = {date.year for date in by_last_look(days, [])[:20]}

    assert len(years) > 5


# Interrupted, shared, limited ---------------------------------------------------------------------------


def test_an_interrupted_recheck_is_taken_up(simulated, sealed_date, monkeypatch):
    terminal = simulated()
    date = sealed_date("whole-v3", terminal)
    real = versions.merge_date
    monkeypatch.setattr(versions, "merge_date", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        asked_again(date)
    monkeypatch.setattr(versions, "merge_date", real)
    asked = len(terminal.requests())

    (outcome,) = asked_again(date)

    assert outcome.finding.kind is Kind.UNCHANGED
    assert not [r for r in terminal.requests()[asked:] if is_history(r["path"])]


def test_what_was_staged_days_ago_is_asked_again(simulated, sealed_date, monkeypatch):
    terminal = simulated()
    date = sealed_date("whole-v3", terminal)
    versions.fetch(versions.aside(date.settings), DAY, None)
    asked = len(terminal.requests())
    days_ago = time.time() - 2 * 86_400
    os.utime(aside(date), (days_ago, days_ago))

    (outcome,) = asked_again(date)

    assert outcome.finding.kind is Kind.UNCHANGED
    assert len([r for r in terminal.requests()[asked:] if is_history(r["path"])]) == 4


def test_a_candidate_of_other_settings_is_never_compared(simulated, terminals, day, sealed_date):
    terminal = simulated()
    date = sealed_date("whole-v3", terminal)
    other = day(terminal, interval="30m")
    versions.fetch(versions.aside(other.settings), DAY, None)

    (outcome,) = asked_again(date)

    assert outcome.finding.kind is Kind.UNCHANGED


def test_a_damaged_candidate_is_fetched_anew(simulated, sealed_date):
    date = sealed_date("whole-v3", simulated())
    there = versions.aside(date.settings)
    versions.fetch(there, DAY, None)
    flip_a_bit(there.layout.parquet(DAY))

    (outcome,) = asked_again(date)

    assert outcome.finding.kind is Kind.UNCHANGED


def test_no_more_requests_are_in_flight_than_allowed_with_a_download_of_the_same_lake(simulated, day):
    terminal = simulated(size="small", latency_ms=30, outstanding=16)
    date, other = (day(terminal, each, max_concurrent_requests=2) for each in DAYS[:2])
    date.fill()
    other.fetch()
    asked = len(terminal.requests())

    with ThreadPoolExecutor() as pool:
        downloaded, outcomes = pool.submit(other.download), pool.submit(asked_again, date, DAY)

    downloaded.result()
    assert [outcome.finding.kind for outcome in outcomes.result()] == [Kind.UNCHANGED]
    mine = [request for request in terminal.requests()[asked:] if request["counted"]]
    assert max(request["in_flight"] for request in mine) == 2


def test_two_rechecks_of_one_lake_follow_one_another(simulated, sealed_date, caplog):
    terminal = simulated(latency_ms=20)
    date = sealed_date("whole-v3", terminal)
    found = []
    threads = [threading.Thread(target=lambda: found.extend(asked_again(date))) for _ in range(2)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [outcome.finding.kind for outcome in found] == [Kind.UNCHANGED] * 2
    assert "another recheck is at work" in caplog.text


# On the terminal ----------------------------------------------------------------------------------------


def printed(outcomes):
    console = Console(file=io.StringIO(), width=120)
    well = print_rechecked(outcomes, console)
    return well, console.file.getvalue()


def test_the_table_says_what_changed_and_where_the_report_is(restated_day):
    date, _ = restated_day

    well, text = printed(asked_again(date))

    assert well
    assert "2024-01-02  restated  1 changed  bid 1\n" in text
    (folder,) = date.layout.restatements(DAY).iterdir()
    assert f"2024-01-02: reported, see {folder}/report.json" in text
    assert "\n1 looked at again: 1 restated\n" in text


def test_the_table_names_each_failure_with_its_cure(three):
    flip_a_bit(three[0].layout.parquet(DAYS[0]))

    well, text = printed(asked_again(three[0]))

    assert not well
    assert "2024-01-02  not rechecked  FileCorruptionError" in text
    assert "spx-data verify 2024-01-02" in text
    assert "3 looked at again" in text
    assert "2 unchanged" in text


def test_nothing_to_recheck_is_said(terminals, day):
    well, text = printed(asked_again(day(terminals["v3"])))

    assert well
    assert "no sealed date to recheck" in text
