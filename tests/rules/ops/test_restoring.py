"""A day that was lost comes back from where it was published: the same bytes, or none of it."""

import datetime as dt
import json
import random
import shutil
from functools import partial

import pytest
from tests import publishing
from tests.proof.disk import Disk
from tests.publishing import publish_well

from spx_data.errors import (
    AnotherRunError,
    ApiConnectionError,
    ConfigurationValidationError,
    DatasetMismatchError,
    FileCorruptionError,
    LakeMissingError,
    MissingFileError,
)
from spx_data.lake import runs
from spx_data.lake.verify import Standing, verify
from spx_data.market.dates import Dates
from spx_data.ops.publish import restoring
from spx_data.store import dataset, files, journal, seals

DAYS = [dt.date(2024, 1, 31), dt.date(2024, 2, 1), dt.date(2024, 2, 2)]
LOST = DAYS[1]
S3 = "s3://bucket/spx"


@pytest.fixture
def lake(filled):
    """Return the settings of a lake with three sealed days."""
    return filled("lake-to-read", DAYS)[0].settings


def restored(settings, url, dates=None):
    there = restoring.published_for(settings, url)
    return list(restoring.restore(settings, there, restoring.lost(settings, there, dates)))


def held(layout, date):
    return {path.name: path.read_bytes() for path in layout.day_files(date) if path.exists()}


def damage(layout, date):
    path = layout.parquet(date)
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def remove(layout, date):
    for path in layout.day_files(date):
        path.unlink(missing_ok=True)


def events(layout, date, name):
    return [event for event in journal.read(layout.journal(date)) if event["event"] == name]


def test_a_quarantined_day_comes_back_byte_for_byte(place, lake):
    url, found = place
    publish_well(lake, url)
    before, objects = held(lake.layout, LOST), found()
    damage(lake.layout, LOST)
    assert not verify(lake).all_is_well and held(lake.layout, LOST) == {}

    (back,) = restored(lake, url)

    assert (back.date, back.error, back.is_other) == (LOST, None, False)
    assert back.bytes == sum(map(len, before.values()))
    assert held(lake.layout, LOST) == before and found() == objects
    assert verify(lake).all_is_well
    sealed = events(lake.layout, LOST, journal.SEALED)[-1]
    assert sealed["published"] == url and sealed["rows"] > 0
    assert restored(lake, url) == []
    assert not list(lake.layout.temp.rglob("*.parquet"))


@pytest.mark.parametrize("harm", ["remove", "no sidecar", "no parquet"])
def test_what_is_lost_in_another_way_comes_back_too(harm, storage, lake):
    publish_well(lake, S3)
    before = held(lake.layout, LOST)
    match harm:
        case "remove":
            remove(lake.layout, LOST)
        case "no sidecar":
            lake.layout.sidecar(LOST).unlink()
        case "no parquet":
            lake.layout.parquet(LOST).unlink()

    (back,) = restored(lake, S3)

    assert back.error is None and held(lake.layout, LOST) == before
    assert verify(lake).all_is_well


def test_what_is_damaged_goes_to_quarantine_first(storage, lake):
    publish_well(lake, S3)
    before = held(lake.layout, LOST)
    lake.layout.sidecar(LOST).unlink()
    damage(lake.layout, LOST)
    spoilt = lake.layout.parquet(LOST).read_bytes()

    (back,) = restored(lake, S3)

    assert back.error is None and held(lake.layout, LOST) == before
    (kept,) = lake.layout.quarantine(LOST).rglob("*-options-*.parquet")
    assert kept.read_bytes() == spoilt


def test_a_day_that_is_sealed_stays_as_it_is(storage, lake):
    publish_well(lake, S3)
    path = lake.layout.parquet(LOST)
    document = json.loads(lake.layout.passport(LOST).read_text()) | {"sealed_at": "2024-03-01T00:00:00+00:00"}
    seals.seal(path, seals.read(path).parquet, document, seals.read(path).contracts)
    before = held(lake.layout, LOST)

    assert restored(lake, S3, Dates.of("2024-02")) == []
    there = restoring.published_for(lake, S3)
    (told,) = restoring.restore(lake, there, [LOST])

    assert (told.bytes, told.error) == (0, None) and held(lake.layout, LOST) == before


def test_of_named_dates_those_come_too_that_were_never_here(storage, lake, filled, tmp_path):
    publish_well(lake, S3)
    before = {date: held(lake.layout, date) for date in DAYS}
    shutil.rmtree(lake.layout.output)
    shutil.rmtree(lake.layout.data / "journal")

    assert restored(lake, S3) == []
    done = restored(lake, S3, Dates.of("2024-01-31..2024-02-01"))

    assert [(each.date, each.error) for each in done] == [(date, None) for date in DAYS[:2]]
    assert {date: held(lake.layout, date) for date in DAYS[:2]} == {date: before[date] for date in DAYS[:2]}
    assert verify(lake).all_is_well
    (lacking,) = restored(lake, S3, Dates.of("2024-01-30"))
    assert isinstance(lacking.error, MissingFileError) and "is not published" in str(lacking.error)


def test_a_lake_whose_disk_may_be_gone_is_not_filled_beside_it(storage, lake):
    publish_well(lake, S3)
    shutil.rmtree(lake.layout.output)

    with pytest.raises(LakeMissingError, match="Is the disk mounted"):
        restored(lake, S3)
    dataset.give_up(lake.layout, "the disk died")
    done = restored(lake, S3, Dates.of("2024"))

    assert [each.error for each in done] == [None] * 3 and verify(lake).all_is_well


def test_a_version_that_was_not_published_is_told(storage, lake):
    publish_well(lake, S3)
    path = lake.layout.parquet(LOST)
    document = json.loads(lake.layout.passport(LOST).read_text()) | {"sealed_at": "2024-03-01T00:00:00+00:00"}
    mended = seals.seal(path, seals.read(path).parquet, document, seals.read(path).contracts)
    told = {"rows": 1, "bytes": path.stat().st_size, "sha256": mended.parquet}
    log = journal.Journal(lake.layout.journal(LOST), "merge")
    log.mention(journal.SEALED, **told, passport_sha256=mended.passport)
    remove(lake.layout, LOST)

    (back,) = restored(lake, S3)

    assert back.error is None and back.is_other
    assert verify(lake).all_is_well


# Trouble ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["-options-2024-02-01.parquet", "-options-2024-02-01.json", ".sha256"])
@pytest.mark.parametrize("harm", ["change", "remove", "cut", 500])
def test_a_day_that_does_not_come_back_as_it_was_sealed_stays_lost(harm, end, storage, lake):
    publish_well(lake, S3)
    remove(lake.layout, LOST)
    (key,) = (key for key in storage.objects if key.endswith(end) and "2024/02/01" in key)
    if harm == "change":
        storage.objects[key] = bytes(reversed(storage.objects[key]))
    elif harm == "remove":
        del storage.objects[key]
    else:
        storage.trouble = lambda _, asked: harm if asked == key else None

    (back,) = restored(lake, S3)

    assert isinstance(back.error, FileCorruptionError | ApiConnectionError) and "\n" not in str(back.error)
    assert held(lake.layout, LOST) == {}
    assert not list(lake.layout.output.rglob("*.part"))


def test_a_day_that_was_published_wrong_is_not_put_in_place(storage, lake):
    """Its digests agree with one another, and it is another date's."""
    publish_well(lake, S3)
    layout = lake.layout
    for theirs, ours in zip(layout.day_files(DAYS[0]), layout.day_files(LOST), strict=True):
        if theirs != layout.sidecar(DAYS[0]):
            ours.write_bytes(theirs.read_bytes())
    vouched = seals.read(layout.parquet(DAYS[0]))
    seals.write_sidecar(layout.parquet(LOST), vouched)
    publish_well(lake, S3)
    remove(layout, LOST)

    (back,) = restored(lake, S3)

    assert isinstance(back.error, FileCorruptionError) and "published damaged" in str(back.error)
    assert f"spx-data process {LOST}" in str(back.error) and held(layout, LOST) == {}


def test_another_lake_gives_nothing_to_this_one(storage, lake):
    publish_well(lake, S3)
    remove(lake.layout, LOST)
    identity = json.loads(storage.objects["spx/dataset.json"])
    storage.objects["spx/dataset.json"] = files.json_text(identity | {"interval": "5m"}).encode()

    with pytest.raises(DatasetMismatchError, match="another lake is published there: interval is 5m"):
        restored(lake, S3)


def test_no_permission_is_one_line(storage, lake):
    publish_well(lake, S3)
    storage.trouble = lambda *_: 403

    with pytest.raises(ConfigurationValidationError, match=r"publish\.url: .* refuses"):
        restored(lake, S3)


def test_nothing_is_brought_back_beside_a_run(storage, lake):
    publish_well(lake, S3)
    remove(lake.layout, LOST)
    runs.begin(lake.layout, "snakemake", [LOST])

    with pytest.raises(AnotherRunError):
        restored(lake, S3)


@pytest.mark.parametrize("power", [False, True])
def test_a_stop_at_any_operation_leaves_nothing_half(power, lake, tmp_path):
    """Of the operations on the disk a share, each followed by a call that ends."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    url = folder.as_uri()
    publish_well(lake, url)
    layout, before = lake.layout, held(lake.layout, LOST)
    remove(layout, LOST)
    with Disk() as disk:
        restored(lake, url)
    assert held(layout, LOST) == before

    for at in sorted(random.Random(2).sample(range(1, disk.count + 1), min(10, disk.count))):
        remove(layout, LOST)
        with Disk(at, power=power, seed=at):
            restored(lake, url)
        if seals.is_sealed(layout.parquet(LOST)):
            assert held(layout, LOST) == before, at
        (day,) = verify(lake, Dates.of(str(LOST))).days
        assert day.standing in {Standing.HEALTHY, Standing.DAMAGED, Standing.UNFINISHED, Standing.ABSENT}
        restored(lake, url)
        assert held(layout, LOST) == before, at
        assert verify(lake).all_is_well
        assert not list(layout.output.rglob("*.part"))


# The command --------------------------------------------------------------------------------------------


invoke = partial(publishing.invoke, start_date="2024-01-31", end_date="2024-02-02", interval="1h")


def test_the_command_brings_back_and_says_what_it_did(place, lake, monkeypatch):
    url, _ = place
    publish_well(lake, url)
    remove(lake.layout, LOST)

    nothing = invoke(lake, monkeypatch, "mend", "--from-published", "2024-01-31", url=url)
    back = invoke(lake, monkeypatch, "mend", "--from-published", url=url)
    again = invoke(lake, monkeypatch, "mend", "--from-published", url=url)
    lacking = invoke(lake, monkeypatch, "mend", "--from-published", "2024-01-30", url=url)
    unsaid = invoke(lake, monkeypatch, "mend", "--from-published", url=None)

    codes = [each.exit_code for each in (nothing, back, again, lacking, unsaid)]
    assert codes == [0, 0, 0, 1, 2], [each.output for each in (nothing, back, again, lacking, unsaid)]
    assert "no sealed day is lost" in nothing.output and "no sealed day is lost" in again.output
    assert "2024-02-01 is sealed again" in back.output and "1 day back" in back.output
    assert "2024-01-30 is not published" in lacking.output
    assert "publish.url" in unsaid.output
