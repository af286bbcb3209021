"""Verification of a lake that was really filled: every damage named, moved away and filled again."""

import datetime as dt
import hashlib
import itertools
import json
import os
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests import schemas, sealed_days
from tests.proof.disk import Disk
from tests.rules.conftest import Date

from spx_data.errors import DeviceError, OtherVersionError, PermissionDeniedError
from spx_data.lake.session_states import Kind
from spx_data.lake.verify import Damage, Standing, examine, root_of, verify
from spx_data.market.dates import Dates
from spx_data.store import disk, files, journal, reads, seals
from spx_data.store.journal import Journal

DAYS = [dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 4)]


@pytest.fixture
def lake_of_days(filled) -> list[Date]:
    """Return three sealed dates of one lake."""
    return filled("lake-of-days", DAYS)


@pytest.fixture
def sealed(lake_of_days) -> Date:
    """Return the first of them."""
    return lake_of_days[0]


def paths(date):
    return date.layout.sealed_files(date.date)


def contents(date):
    return {path.name: path.read_bytes() for path in paths(date) if path.exists()}


def change(path, at=None, by=1):
    content = bytearray(path.read_bytes())
    content[len(content) // 3 if at is None else at] ^= by
    path.write_bytes(content)


def amid_a_page(path, column="bid"):
    """A place among the values of a column, behind its page's header."""
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(1)
        (found,) = [c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == column]
    return found.data_page_offset + found.total_compressed_size // 2


def incidents(date):
    folder = date.layout.quarantine(date.date)
    return sorted(folder.iterdir()) if folder.exists() else []


def examined(date, depth="pages"):
    return examine(date.layout, date.date, depth)


def reseal(date, **words):
    """Make sidecar and passport vouch for the Parquet as it is, as somebody might who means well."""
    _, parquet, passport = paths(date)
    digest = reads.digest(parquet)
    document = json.loads(passport.read_text())
    document["parquet"] = {"bytes": parquet.stat().st_size, "sha256": digest}
    beside = date.layout.contracts(date.date)
    seals.seal(parquet, digest, document | words, reads.digest(beside) if beside.exists() else None)


def rewrite(date, table, **metadata):
    """Write the Parquet anew with the footer's words it had, or others."""
    parquet = paths(date)[1]
    words = pq.read_metadata(parquet).metadata
    words = {key: value for key, value in words.items() if key != b"ARROW:schema"}
    words |= {key.encode(): value.encode() for key, value in metadata.items()}
    pq.write_table(table.replace_schema_metadata(words), parquet, write_page_checksum=True)


# Healthy days -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["pages", "bytes"])
def test_healthy_days_are_only_read(depth, lake_of_days):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for d in lake_of_days for path in paths(d)}

    report = verify(lake_of_days[0].settings, depth=depth, workers=2)

    assert report.all_is_well
    assert [day.standing for day in report.days] == [Standing.HEALTHY] * 3
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert not (lake_of_days[0].layout.data / "quarantine").exists()
    assert report.bytes == sum(paths(date)[1].stat().st_size for date in lake_of_days)


@pytest.mark.parametrize("kept", [True, False], ids=["with prices", "from before prices"])
def test_a_passport_with_and_without_the_underlyings_prices_is_healthy(kept, sealed):
    passport = paths(sealed)[2]
    document = json.loads(passport.read_text())
    assert document["underlying"]["open"] > 0
    if not kept:
        del document["underlying"]
        sealed_days.reseal(sealed.layout, sealed.date, document)

    assert examined(sealed).standing is Standing.HEALTHY


def test_the_lakes_journal_tells_of_a_verification(lake_of_days):
    settings = lake_of_days[0].settings
    change(paths(lake_of_days[1])[1])

    report = verify(settings, Dates.of("2024-01"), depth="bytes")

    (event,) = journal.read(settings.layout.lake_journal)
    assert (event["event"], event["stage"], event["depth"]) == (journal.VERIFIED, "verify", "bytes")
    assert (event["days"], event["damaged"], event["failed"]) == (2, ["2024-01-03"], [])
    assert event["within"] == ["2024-01-01..2024-01-31"]
    assert (event["bytes"], event["root"]) == (report.bytes, report.root)
    assert event["seconds"] > 0


def test_the_root_stands_for_the_healthy_days(lake_of_days):
    digests = {date.date: hashlib.sha256(paths(date)[1].read_bytes()).hexdigest() for date in lake_of_days}

    report = verify(lake_of_days[0].settings)

    assert report.root == root_of(digests) == report.roots_by_year[2024]
    change(paths(lake_of_days[2])[1])
    del digests[DAYS[2]]
    assert verify(lake_of_days[0].settings).root == root_of(digests)


def test_only_the_dates_asked_for_are_looked_at(lake_of_days):
    for date in lake_of_days:
        change(paths(date)[1])

    report = verify(lake_of_days[0].settings, Dates.of("2024-01-03"))

    assert [day.date for day in report.days] == [DAYS[1]]
    assert [bool(incidents(date)) for date in lake_of_days] == [False, True, False]


def test_a_date_that_is_named_and_not_there_is_said_to_be_absent(sealed):
    report = verify(sealed.settings, Dates.of("2024-01-06"))

    assert [(day.date.isoformat(), day.standing) for day in report.days] == [("2024-01-06", Standing.ABSENT)]
    assert report.all_is_well


def test_an_empty_lake_verifies(lake):
    report = verify(lake(), workers=2)

    assert (report.days, report.all_is_well, report.bytes) == ([], True, 0)


@pytest.mark.parametrize(("depth", "times"), [("pages", 2), ("bytes", 1)])
def test_progress_goes_up_to_the_end(depth, times, lake_of_days):
    seen = []
    size = sum(paths(date)[1].stat().st_size for date in lake_of_days)
    change(paths(lake_of_days[1])[1])

    verify(lake_of_days[0].settings, workers=2, depth=depth, observer=seen.append)

    assert seen[0].bytes_total == times * size  # hashed, and then read
    assert (seen[0].days, seen[0].bytes) == (0, 0)
    assert (seen[-1].days, seen[-1].bytes) == (seen[-1].days_total, seen[-1].bytes_total)
    assert [p.bytes for p in seen] == sorted(p.bytes for p in seen)
    assert [p.days for p in seen] == sorted(p.days for p in seen)


# Damage, by name ----------------------------------------------------------------------------------------


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def blank(path):
    with path.open("r+b") as stream:
        stream.seek(8192)
        stream.write(bytes(4096))


def grow(path):
    with path.open("ab") as stream:
        stream.write(b"PAR1")


@pytest.mark.parametrize(
    ("number", "act", "damages", "text"),
    [
        (0, lambda path: path.unlink(), ["sidecar-lost"], "is not there"),
        (0, lambda path: path.write_bytes(b""), ["sidecar-damaged"], "found ''"),
        (0, lambda path: path.write_bytes(b"\0" * 97), ["sidecar-damaged"], "64 digits"),
        (
            0,
            lambda path: path.write_bytes(path.read_bytes().splitlines(True)[0]),
            ["sidecar-damaged"],
            "64 digits",
        ),
        (0, lambda path: path.write_bytes(os.urandom(1 << 20)), ["sidecar-damaged"], "64 digits"),
        (0, lambda path: change(path, -7), ["sidecar-damaged"], "it names spx-options"),
        (
            0,
            lambda path: path.write_text(path.read_text().replace("-01-02", "-01-03")),
            ["sidecar-damaged"],
            "2024-01-03",
        ),
        (0, lambda path: path.write_text(path.read_text().upper()), ["sidecar-damaged"], "found"),
        (
            0,
            lambda path: path.write_text("0" * 64 + path.read_text()[64:]),
            ["sidecar-swapped"],
            "of 64 digits differ",
        ),
        (1, lambda path: path.unlink(), ["parquet-lost"], "is not there"),
        (1, cut, ["truncated"], "are gone"),
        (1, lambda path: path.write_bytes(b""), ["truncated"], "0 of"),
        (1, blank, ["zero-filled"], "bytes 8,192–12,287"),
        (1, grow, ["extended"], "4 too many"),
        (1, change, ["bytes-changed"], "fails its checksum"),
        (1, lambda path: change(path, -5), ["bytes-changed"], "footer"),
        (1, lambda path: change(path, -2000), ["bytes-changed"], "footer"),
        (1, lambda path: change(path, 1), ["bytes-changed"], "how the file begins"),
        (1, lambda path: path.write_bytes(os.urandom(path.stat().st_size)), ["bytes-changed"], "footer"),
        (2, lambda path: path.unlink(), ["passport-lost"], "is not there"),
        (2, lambda path: path.write_bytes(b"{"), ["passport-damaged"], "not JSON"),
        (2, lambda path: path.write_bytes(b"[]"), ["passport-damaged"], "not a JSON object"),
        (2, lambda path: path.write_bytes(b"[" * 100_000), ["passport-damaged"], "not JSON"),
        (2, lambda path: path.write_bytes(b"{}"), ["passport-damaged"], "it lacks"),
        (2, lambda path: path.write_bytes(b'{"format": 1}'), ["passport-damaged"], "it lacks"),
        (2, lambda path: path.write_bytes(b"\xff\xfe"), ["passport-damaged"], "not JSON"),
        (2, lambda path: change(path, 200), ["passport-damaged"], ""),
        (
            2,
            lambda path: path.write_text(path.read_text() + "\n"),
            ["passport-damaged"],
            "its own SHA-256 is",
        ),
    ],
)
def test_each_damage_is_named_with_its_figures(number, act, damages, text, sealed):
    act(paths(sealed)[number])

    for depth in ("bytes", "pages"):
        found = examined(sealed, depth)

        assert found.standing is Standing.DAMAGED
        assert found.damages == damages
        assert text in found.findings[0].text


@pytest.mark.parametrize("with_journal", [True, False])
def test_what_was_taken_from_another_day_is_named(with_journal, lake_of_days):
    date, other = lake_of_days[:2]
    mine, theirs = contents(date), contents(other)
    if not with_journal:
        date.layout.journal(date.date).unlink()

    def found(*swapped):
        for path, name, content in zip(paths(date), mine, theirs.values(), strict=True):
            path.write_bytes(content if path.suffix in swapped else mine[name])
        return examined(date).damages

    assert found(".sha256") == ["sidecar-swapped"]
    assert found(".parquet") == ["day-swapped"]
    assert found(".json") == ["passport-swapped"]
    assert found(".sha256", ".json") == ["sidecar-swapped", "passport-swapped"]
    assert found(".parquet", ".json") == ["day-swapped", "passport-swapped"]
    assert found(".parquet", ".sha256", ".json") == ["day-swapped", "sidecar-swapped", "passport-swapped"]
    assert found() == []


@pytest.mark.parametrize("depth", ["bytes", "pages"])
def test_another_day_sealed_under_this_ones_name_is_found_by_its_rows(depth, lake_of_days):
    date, other = lake_of_days[:2]
    shutil.copy(paths(other)[1], paths(date)[1])
    words = {"records_sha256": other.passport()["records_sha256"]}
    reseal(date, **words)

    found = examined(date, depth)

    assert found.damages == ["day-swapped"]
    assert "2024-01-03, not 2024-01-02" in found.findings[0].text


@pytest.mark.parametrize("with_journal", [True, False])
@pytest.mark.parametrize("depth", ["bytes", "pages"])
def test_a_file_of_an_older_version_of_the_day_is_named_and_not_the_parquet(depth, with_journal, sealed):
    whole, before = contents(sealed), json.loads(paths(sealed)[2].read_text())
    before |= {"sealed_at": "2024-01-02T22:00:00.000+00:00"}
    if not with_journal:
        sealed.layout.journal(sealed.date).unlink()

    def found(damaged, **words):
        digest = words.get("parquet", {"sha256": reads.digest(paths(sealed)[1])})["sha256"]
        seals.seal(paths(sealed)[1], digest, before | words)
        for path in paths(sealed):
            if path.suffix != damaged:
                path.write_bytes(whole[path.name])
        return examined(sealed, depth).damages

    other = {"sha256": hashlib.sha256(b"before").hexdigest(), "bytes": 6}
    assert found(".json") == found(".json", parquet=other) == ["passport-damaged"]
    assert found(".sha256", parquet=other) == ["sidecar-swapped"]
    # Without a journal nobody knows which of two passports of the same Parquet was sealed.
    assert found(".sha256") == (["sidecar-swapped"] if with_journal else ["passport-damaged"])


def test_several_damages_are_all_named_the_cause_first(sealed):
    sidecar, parquet, passport = paths(sealed)
    change(sidecar, 3)
    cut(parquet)
    passport.unlink()

    assert examined(sealed).damages == ["truncated", "sidecar-damaged", "passport-lost"]


def test_a_digit_changed_in_the_sidecar_is_no_damage_of_the_parquet(sealed):
    sealed.layout.journal(sealed.date).unlink()
    change(paths(sealed)[0], 5)
    paths(sealed)[2].unlink()

    assert examined(sealed).damages == ["sidecar-damaged", "passport-lost"]


@pytest.mark.parametrize("depth", ["bytes", "pages"])
def test_rows_that_were_taken_out_and_sealed_anew_are_found(depth, sealed):
    parquet = paths(sealed)[1]
    table = pq.read_table(parquet)
    rewrite(sealed, table.slice(0, len(table) - 1))
    reseal(sealed)

    found = examined(sealed, depth)

    assert found.damages[0] == "rows-differ"
    assert f"{len(table):,}" in found.findings[0].text


def test_records_that_were_edited_and_sealed_anew_are_found_by_their_pages(sealed):
    table = pq.read_table(paths(sealed)[1]).cast(schemas.DAY)
    bids = pa.array([7.0, *table["bid"].to_pylist()[1:]])
    rewrite(sealed, table.set_column(table.schema.get_field_index("bid"), schemas.DAY.field("bid"), bids))
    reseal(sealed)

    assert examined(sealed, "bytes").standing is Standing.HEALTHY
    assert examined(sealed, "pages").damages == ["records-differ"]


def test_records_that_are_not_those_of_the_passport_are_found_by_the_footer(sealed):
    reseal(sealed, records_sha256="0" * 64)

    assert examined(sealed, "bytes").damages == ["records-differ"]


def test_columns_that_are_not_ours_are_found(sealed):
    table = pq.read_table(paths(sealed)[1])
    rewrite(sealed, table.drop_columns(["rho"]))
    reseal(sealed)

    found = examined(sealed)

    assert found.damages == ["schema-differs"]
    assert "lacking: rho" in found.findings[0].text


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1PAR1", os.urandom(9999), bytes(20_000)])
def test_garbage_that_somebody_sealed_is_found(content, sealed):
    paths(sealed)[1].write_bytes(content)
    reseal(sealed)

    found = examined(sealed)

    assert found.damages[0] == "bytes-changed"
    assert "sealed like this" in found.findings[0].text


def test_a_page_that_was_damaged_before_it_was_sealed_is_found(sealed):
    change(paths(sealed)[1])
    reseal(sealed)

    assert examined(sealed).damages == ["bytes-changed"]


@pytest.mark.parametrize(
    "word",
    [
        {"rows": 1},
        {"records_sha256": "1" * 64},
        {"parquet": {"bytes": 1, "sha256": "1" * 64}},
        {"date": "2024-01-03"},
        {"rows": True},
        {"rows": "448"},
        {"date": 20240102},
        {"parquet": []},
        {"records_sha256": "short"},
        {"schema_version": 7},
        {"schema_version": None},
    ],
)
def test_a_passport_that_vouches_for_something_else_is_held_against_the_parquet(word, sealed):
    document = json.loads(paths(sealed)[2].read_text())
    sealed_days.reseal(sealed.layout, sealed.date, document | word)

    assert examined(sealed).standing is Standing.DAMAGED


def test_a_passport_with_the_wrong_size_is_damaged(sealed):
    document = json.loads(paths(sealed)[2].read_text())
    document["parquet"]["bytes"] += 1
    sealed_days.reseal(sealed.layout, sealed.date, document)

    assert examined(sealed).damages == ["passport-damaged"]


def test_a_day_of_an_earlier_format_is_told_in_one_line_and_left_as_it_is(sealed):
    sidecar, _, passport = paths(sealed)
    passport.write_text(json.dumps(json.loads(passport.read_text()) | {"format": 6}))
    sidecar.write_text(sidecar.read_text().splitlines(keepends=True)[0])
    path = sealed.layout.journal(sealed.date)
    path.write_text(re.sub(r', "passport_sha256": "[0-9a-f]*"', "", path.read_text()))
    before = contents(sealed)

    (day,) = verify(sealed.settings, Dates.of("2024-01-02")).errors

    assert isinstance(day.error, OtherVersionError)
    assert (contents(sealed), incidents(sealed)) == (before, [])


def test_the_journal_knows_the_size_where_the_passport_is_lost(sealed):
    cut(paths(sealed)[1])
    paths(sealed)[2].unlink()

    assert examined(sealed).damages == ["truncated", "passport-lost"]


# Quarantine ---------------------------------------------------------------------------------------------


def test_a_damaged_date_is_moved_with_a_report_and_filled_again(lake_of_days):
    date, healthy = lake_of_days[1], lake_of_days[0]
    whole, others = contents(date), contents(healthy)
    change(paths(date)[1], amid_a_page(paths(date)[1]))
    broken = contents(date)

    report = verify(date.settings, workers=2)

    (day,) = report.of(Standing.DAMAGED)
    (folder,) = incidents(date)
    assert (day.date, day.folder, report.all_is_well) == (date.date, str(folder), False)
    assert not any(path.exists() for path in paths(date))
    assert {name: (folder / name).read_bytes() for name in broken} == broken
    told = json.loads((folder / "report.json").read_text())
    assert seals.holds((folder / "report.json").read_bytes())
    assert (told["date"], told["damages"], told["depth"]) == ("2024-01-03", ["bytes-changed"], "pages")
    assert "fails its checksum" in told["findings"][0]["finding"]
    assert told["expected"]["sha256"] == hashlib.sha256(whole[paths(date)[1].name]).hexdigest()
    assert told["found"]["sha256"] == hashlib.sha256(broken[paths(date)[1].name]).hexdigest()
    *files_, contracts = told["files"]
    assert [entry["bytes"] for entry in files_] == [len(content) for content in broken.values()]
    assert (folder / contracts["name"]).stat().st_size == contracts["bytes"] > 0
    (event,) = date.events(journal.QUARANTINED)
    assert (event["damages"], event["folder"]) == (["bytes-changed"], str(folder))
    state = date.state()
    assert (state.kind, state.due) == (Kind.CORRUPT, True)
    assert contents(healthy) == others

    date.fill()

    parquet = paths(date)[1].name
    assert contents(date)[parquet] == whole[parquet]
    assert date.state().kind is Kind.SEALED
    assert verify(date.settings).all_is_well
    assert incidents(date) == [folder]


def test_a_second_incident_gets_a_folder_of_its_own(sealed):
    for _ in range(2):
        change(paths(sealed)[1])
        verify(sealed.settings)
        sealed.fill()

    folders = incidents(sealed)
    assert len(folders) == 2
    assert all(len(list(folder.iterdir())) == 5 for folder in folders)


def test_all_three_lost_are_reported_once(sealed):
    for path in paths(sealed):
        path.unlink()

    first, second = verify(sealed.settings), verify(sealed.settings)

    (day,) = first.of(Standing.DAMAGED)
    assert day.examination.damages == ["parquet-lost", "sidecar-lost", "passport-lost"]
    assert second.all_is_well
    (event,) = sealed.events(journal.QUARANTINED)
    assert event["damages"] == ["parquet-lost", "sidecar-lost", "passport-lost"]
    assert sealed.state().kind is Kind.CORRUPT


def test_a_lake_on_another_disk_than_its_quarantine_is_no_hindrance(sealed, monkeypatch):
    def rename(source, target, real=disk.rename):
        if source.parent != target.parent:
            raise OSError(18, "Invalid cross-device link")  # EXDEV
        real(source, target)

    monkeypatch.setattr(disk, "rename", rename)
    change(paths(sealed)[1])
    broken = contents(sealed)

    verify(sealed.settings)

    (folder,) = incidents(sealed)
    assert {name: (folder / name).read_bytes() for name in broken} == broken
    assert not any(path.exists() for path in paths(sealed))


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("lost", [False, True])
def test_a_stop_at_any_operation_of_the_disk_loses_nothing(power, lost, sealed, tmp_path):
    change(paths(sealed)[1])
    if lost:
        paths(sealed)[2].unlink()
    broken = contents(sealed)
    just_this = Dates.of("2024-01-02")
    before = tmp_path.with_name(tmp_path.name + "-before")
    shutil.copytree(tmp_path, before)
    with Disk() as counting:
        verify(sealed.settings, just_this, depth="bytes")

    assert counting.count > 12
    for at in range(1, counting.count + 1):
        shutil.rmtree(tmp_path)
        shutil.copytree(before, tmp_path)
        with Disk(at, power=power, seed=at):
            verify(sealed.settings, just_this, depth="bytes")
        sealed_still = seals.is_sealed(paths(sealed)[1])
        assert not sealed_still or contents(sealed) == broken

        verify(sealed.settings, just_this, depth="bytes")

        (folder,) = incidents(sealed)
        assert not any(path.exists() for path in paths(sealed)), at
        assert {name: (folder / name).read_bytes() for name in broken} == broken, at
        assert json.loads((folder / "report.json").read_text())["damages"][0] == "bytes-changed", at
        events = sealed.events(journal.QUARANTINED)
        assert [event["damages"][0] for event in events] == ["bytes-changed"], at
        assert events[0]["folder"] == str(folder), at
        assert verify(sealed.settings, just_this, depth="bytes").all_is_well


def cut_short(date):
    """Change the Parquet of *date*, and end the process that moves it away as soon as its sidecar is out."""
    change(paths(date)[1])
    for at in itertools.count(1):
        with Disk(at):
            verify(date.settings)
        if not paths(date)[0].exists():
            return incidents(date)[0]
    raise AssertionError


@pytest.mark.parametrize("report", [None, "{}", "[]", "{"])
def test_a_quarantine_cut_short_that_has_lost_its_report_goes_on(report, sealed):
    folder = cut_short(sealed)
    (folder / "report.json").unlink()
    if report is not None:
        (folder / "report.json").write_text(report)

    found = verify(sealed.settings)

    assert found.errors == []
    assert incidents(sealed) == [folder]
    (event,) = sealed.events(journal.QUARANTINED)
    assert event["damages"] == ["bytes-changed", "sidecar-lost"]


def test_a_quarantine_cut_short_before_a_new_fill_is_left_as_it_is(sealed):
    first = cut_short(sealed)
    for path in paths(sealed)[1:]:
        path.unlink(missing_ok=True)  # Snakemake removes the outputs of a job that it starts
    sealed.fill()
    assert verify(sealed.settings).all_is_well
    kept = {path.name: path.read_bytes() for path in first.iterdir()}

    change(paths(sealed)[1])
    broken = contents(sealed)
    verify(sealed.settings)

    _, second = incidents(sealed)
    assert {path.name: path.read_bytes() for path in first.iterdir()} == kept
    assert {name: (second / name).read_bytes() for name in broken} == broken


# What is no damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2])
def test_a_publication_that_never_ended_is_left_alone(step, day, terminals, monkeypatch):
    date = day(terminals["v3"], interval="1h")
    real, calls = files.write_text, []

    def crash(target, text):
        if target.name.startswith("spx-options"):
            calls.append(target)
            if len(calls) == step:
                raise KeyboardInterrupt
        real(target, text)

    monkeypatch.setattr(files, "write_text", crash)
    date.fetch()
    date.download()
    with pytest.raises(KeyboardInterrupt):
        date.merge()
    monkeypatch.undo()
    left = contents(date)
    assert len(left) == step

    report = verify(date.settings)

    assert [day.standing for day in report.days] == [Standing.UNFINISHED]
    assert report.all_is_well
    assert contents(date) == left
    date.merge()
    assert verify(date.settings).of(Standing.HEALTHY)


def test_a_date_whose_files_have_no_seal_and_no_journal_is_damaged(sealed):
    sealed.layout.journal(sealed.date).unlink()
    paths(sealed)[0].unlink()

    assert examined(sealed).damages == ["sidecar-lost"]


def test_files_without_a_seal_after_a_quarantine_are_unfinished(sealed):
    Journal(sealed.layout.journal(sealed.date), "verify").record(journal.QUARANTINED, damages=[], folder="x")
    paths(sealed)[0].unlink()

    assert examined(sealed).standing is Standing.UNFINISHED


def test_a_date_that_is_gone_and_accepted_as_it_is_is_no_damage(sealed):
    Journal(sealed.layout.journal(sealed.date), "accept").record(journal.ACCEPTED, reason="not needed")
    for path in paths(sealed):
        path.unlink()

    assert examined(sealed).standing is Standing.ABSENT
    assert verify(sealed.settings).all_is_well


def test_a_listing_since_does_not_unseal_a_date(sealed):
    sealed.fetch()
    paths(sealed)[0].unlink()

    assert examined(sealed).damages == ["sidecar-lost"]


# Trouble ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [PermissionDeniedError, DeviceError, RuntimeError])
def test_a_date_that_cannot_be_read_stops_no_other(error, lake_of_days, monkeypatch):
    date, broken = lake_of_days[0], lake_of_days[2]
    real = reads.reading

    def refuse(path, **options):
        if path == paths(date)[1]:
            raise error("cannot read it")
        return real(path, **options)

    monkeypatch.setattr(reads, "reading", refuse)
    change(paths(broken)[1])

    report = verify(date.settings, workers=2)

    assert [(day.date, type(day.error)) for day in report.errors] == [(date.date, error)]
    assert [day.date for day in report.of(Standing.DAMAGED)] == [broken.date]
    assert [day.date for day in report.of(Standing.HEALTHY)] == [DAYS[1]]
    assert not report.all_is_well
    assert all(path.exists() for path in paths(date))


def test_a_date_that_cannot_be_moved_is_reported_and_stays(lake_of_days, monkeypatch):
    date = lake_of_days[0]
    change(paths(date)[1])
    broken = contents(date)

    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(disk, "rename", refuse)

    report = verify(date.settings)

    (day,) = report.errors
    assert day.examination.damages == ["bytes-changed"]
    assert isinstance(day.error, PermissionDeniedError)
    assert contents(date) == broken
    monkeypatch.undo()
    assert verify(date.settings).of(Standing.DAMAGED)[0].folder


def test_many_days_side_by_side(lake_of_days):
    """A hundred days: each tenth is damaged."""
    layout, settings = lake_of_days[0].layout, lake_of_days[0].settings
    many = [dt.date(2023, 1, 1) + dt.timedelta(days=number) for number in range(100)]
    for date in many:
        layout.parquet(date).parent.mkdir(parents=True)
        for source, target in zip(paths(lake_of_days[0]), layout.sealed_files(date), strict=True):
            shutil.copy(source, target)

    report = verify(settings, Dates.of("2023"), workers=8)

    # Copies of one day under other names: every one is found out, by itself.
    damaged = report.of(Standing.DAMAGED)
    assert [day.date for day in damaged] == many
    assert {tuple(day.examination.damages) for day in damaged} == {
        (Damage.DAY_SWAPPED, Damage.SIDECAR_SWAPPED, Damage.PASSPORT_SWAPPED)
    }
    assert verify(settings, workers=8).root == root_of(
        {date.date: reads.digest(paths(date)[1]) for date in lake_of_days}
    )


# What lies beside the days ------------------------------------------------------------------------------


def with_rejects(date, text='{"reason": "strike"}\n'):
    """Give a sealed date a file of bad records, and a passport that has its digest."""
    path = date.layout.rejects(date.date)
    files.write_text(path, text)
    rejects = json.loads(paths(date)[2].read_text())["rejects"] | {"sha256": reads.digest(path)}
    reseal(date, rejects=rejects)
    return path


@pytest.mark.parametrize("depth", ["pages", "bytes"])
def test_a_file_of_bad_records_as_it_was_written_is_no_finding(depth, sealed):
    with_rejects(sealed)

    assert verify(sealed.settings, depth=depth).all_is_well


@pytest.mark.parametrize(
    "spoil, damage",
    [(os.unlink, Damage.REJECTS_LOST), (lambda path: change(path, 3), Damage.REJECTS_CHANGED)],
)
def test_bad_records_lost_or_changed_fail_the_verification_and_leave_the_day(spoil, damage, lake_of_days):
    sealed = lake_of_days[1]
    path = with_rejects(sealed)
    spoil(path)

    report = verify(sealed.settings)

    assert not report.all_is_well
    assert [day.standing for day in report.days] == [Standing.HEALTHY] * 3
    ((finding,),) = [day.examination.beside for day in report.beside]
    assert finding.damage is damage
    assert str(path) in finding.text
    assert "`spx-data recheck 2024-01-03 --restated replace`" in finding.text
    assert incidents(sealed) == []
    lines = journal.read(sealed.layout.lake_journal)
    assert (lines[-1]["beside"], lines[-1]["damaged"]) == (["2024-01-03"], [])


def test_the_data_sets_file_is_what_the_passports_have(lake_of_days):
    sealed = lake_of_days[0]
    path = sealed.layout.dataset
    held = json.loads(path.read_text())
    assert verify(sealed.settings).dataset == []

    path.write_text(json.dumps(held | {"interval": "5m", "roots": ["SPX"]}))
    (edited,) = verify(sealed.settings).dataset
    assert "the passports of 3 days have (2024-01-02 to 2024-01-04)" in edited
    assert f"interval is 5m there and {held['interval']} now" in edited

    path.write_text("{half")
    (torn,) = verify(sealed.settings).dataset
    assert "is not JSON" in torn
    assert json.loads(torn.partition("as the passports have it: ")[2]) == held

    path.unlink()
    report = verify(sealed.settings)
    assert len(report.dataset) == 1
    assert "is not there, and 3 days were sealed with it" in report.dataset[0]
    assert not report.all_is_well
    assert [day.standing for day in report.days] == [Standing.HEALTHY] * 3


def test_a_day_of_another_data_set_is_named(lake_of_days):
    sealed = lake_of_days[2]
    reseal(sealed, dataset=json.loads(sealed.layout.dataset.read_text()) | {"max_dte": 7})

    (found,) = verify(sealed.settings).dataset

    assert "the passports of 1 day have (2024-01-04 to 2024-01-04): max_dte is None there and 7 now" in found
