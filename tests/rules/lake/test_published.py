"""A published lake is read as the one that it was published from, and nothing half of it is ever shown."""

import datetime as dt
import json
import shutil
import threading
import warnings
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests import object_store
from tests.publishing import publish_well
from tests.rules.lake.conftest import DAYS

import spx_data
from spx_data.config import shipped
from spx_data.errors import (
    ConfigurationValidationError,
    DateValidationError,
    FileCorruptionError,
    InsufficientDiskSpaceError,
    MissingFileError,
)
from spx_data.lake import published, snapshots
from spx_data.lake.reader import MissingDaysWarning, mirror
from spx_data.market.dates import Dates
from spx_data.store import files, journal, reads, seals

S3 = "s3://bucket/spx"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return the folder that mirrors are in."""
    monkeypatch.setenv(mirror.CACHE, str(tmp_path / "mirrors"))
    return tmp_path / "mirrors"


@pytest.fixture
def lake(filled):
    """Return the settings of a lake with three sealed days."""
    return filled("lake-to-read", DAYS)[0].settings


def seal_anew(layout, date):
    """Seal *date* with a passport of other bytes, as a mend does."""
    path = layout.parquet(date)
    document = json.loads(layout.passport(date).read_text()) | {"sealed_at": "2024-03-01T00:00:00+00:00"}
    held = seals.read(path)
    seals.seal(path, held.parquet, document, held.contracts)


def object_of(storage, date, end):
    (key,) = (key for key in storage.objects if f"{date:%Y/%m/%d}/" in key and key.endswith(end))
    return key


def fetched(storage):
    return [key.rpartition("/")[2] for method, key in storage.requests if method == "GET" and key]


def one_line(error):
    assert "\n" not in str(error) and "hush" not in str(error)
    return str(error)


# Read as the local one --------------------------------------------------------------------------------------


def test_every_function_gives_what_it_gives_of_the_lake(place, lake):
    url, _ = place
    publish_well(lake, url)
    here = {"lake": lake.layout.output, "data": lake.layout.data}

    for read in (spx_data.chains, spx_data.days):
        assert_frame_equal(read(lake=url), read(**here))
    for read in (spx_data.scan, spx_data.contracts):
        assert_frame_equal(read(lake=url).collect(), read(**here).collect(), check_exact=True)
    assert spx_data.verification_root(lake=url) == spx_data.verification_root(**here)
    assert spx_data.verification_root("2024-02", lake=url) == spx_data.verification_root("2024-02", **here)
    with spx_data.connect(lake=url) as there, spx_data.connect(**here) as local:
        for view in ("quotes", "chains", "contracts", "days"):
            query = f"SELECT * FROM {view} ORDER BY ALL"
            assert there.sql(query).fetchall() == local.sql(query).fetchall()
    ready = spx_data.ready("2024-02-01..2024-02-02", lake=url)
    assert ready.sealed == 2 and not ready.missing
    assert ready.root == spx_data.verification_root("2024-02", **here)


def test_a_url_alone_is_all_of_the_lake(place, lake):
    url, _ = place
    publish_well(lake, url)

    assert spx_data.scan(url).select(pl.col("date").unique().sort()).collect()["date"].to_list() == DAYS
    assert spx_data.verification_root(url) == spx_data.verification_root(lake=url)
    with pytest.raises(DateValidationError, match="is a place, and lake="):
        spx_data.scan(url, lake="elsewhere")


def test_options_of_a_scan_mean_the_same(storage, lake, tmp_path):
    publish_well(lake, S3)
    root = spx_data.verification_root(lake=lake.layout.output, data=lake.layout.data)

    assert spx_data.scan(lake=S3, root=root, add=["iv_mid"], valid_greeks=True).head(1).collect().height == 1
    with pytest.raises(FileCorruptionError, match="have the root"):
        spx_data.scan("2024-02", lake=S3, root=root)
    digests = {date: seals.read(lake.layout.parquet(date)).parquet for date in DAYS[1:]}
    snapshots.create(lake.layout, "paper", digests)
    cited = lake.layout.snapshot("paper")
    assert spx_data.sealed_paths(lake=S3, snapshot=cited)[0].endswith("2024-02-01.parquet")
    digests[DAYS[0]] = "0" * 64
    snapshots.create(lake.layout, "other", digests)
    with pytest.raises(FileCorruptionError, match="2024-01-31 sealed anew"):
        spx_data.scan(lake=S3, snapshot=lake.layout.snapshot("other"))


def test_only_what_was_selected_is_fetched_and_only_once(storage, lake):
    publish_well(lake, S3)
    storage.requests.clear()

    spx_data.verification_root("2024-02-01", lake=S3)
    assert {name for name in fetched(storage) if "2024" in name} == {"spx-options-2024-02-01.parquet.sha256"}
    spx_data.days("2024-02-01", lake=S3)
    spx_data.scan("2024-02-01", lake=S3)
    first = fetched(storage)
    spx_data.scan("2024-02-01", lake=S3).collect()
    spx_data.days("2024-02-01", lake=S3)

    day = "spx-options-2024-02-01"
    names = [f"{day}.parquet.sha256", f"{day}.json", f"{day}.parquet"]
    assert [name for name in first if "2024" in name] == names
    assert fetched(storage)[len(first) :] == ["dataset.json"] * 2


# Which days are whole ---------------------------------------------------------------------------------------


def test_a_restated_day_is_read_in_its_newest_version(place, lake):
    url, _ = place
    publish_well(lake, url)
    before = spx_data.days(lake=url)
    seal_anew(lake.layout, DAYS[1])
    assert_frame_equal(spx_data.days(lake=url), before)
    publish_well(lake, url)

    after = spx_data.days(lake=url)

    assert_frame_equal(after, spx_data.days(lake=lake.layout.output, data=lake.layout.data))
    assert after["sealed_at"][1].date() < before["sealed_at"][1].date() and after.height == 3


@pytest.mark.parametrize(
    "end", ["-options-2024-02-01.parquet", "-options-2024-02-01.json", ".sha256", "current-0001.json"]
)
def test_a_day_that_lacks_an_object_is_never_shown_as_whole(end, storage, lake):
    publish_well(lake, S3)
    del storage.objects[object_of(storage, DAYS[1], end)]

    with pytest.raises((FileCorruptionError, MissingFileError)) as refused:
        spx_data.scan(lake=S3)
    with pytest.warns(MissingDaysWarning):
        read = spx_data.scan(lake=S3, missing="warn")

    told = one_line(refused.value)
    assert "2024-02-01" in told and S3 in told and "`spx-data publish`" in told
    assert isinstance(refused.value, MissingFileError if end.startswith("current") else FileCorruptionError)
    assert read.select(pl.col("date").unique().sort()).collect()["date"].to_list() == [DAYS[0], DAYS[2]]


def test_contracts_that_are_not_there_any_more_are_missed_by_who_reads_them(storage, lake):
    publish_well(lake, S3)
    del storage.objects[object_of(storage, DAYS[1], "contracts-2024-02-01.parquet")]

    with pytest.raises(MissingFileError, match="contracts-2024-02-01") as refused:
        spx_data.contracts(lake=S3)
    assert S3 in one_line(refused.value)
    assert spx_data.scan(lake=S3).head(1).collect().height == 1


def test_while_a_publisher_is_at_work_a_day_is_there_or_not(storage, lake):
    """Whatever has come into being already, the lake is read as it was before or after the day."""
    publish_well(lake, S3, Dates.of("2024-01-31"))
    seen = []

    def look(method, key):
        if (
            method == "PUT"
            and "2024/02/01" in key
            and threading.current_thread() is not threading.main_thread()
        ):
            kept, storage.trouble = storage.trouble, lambda *_: None
            seen.append(spx_data.days(lake=S3, missing="ignore").height)
            storage.trouble = kept

    storage.trouble = look
    publish_well(lake, S3, Dates.of("2024-02-01"))

    assert seen == [1] * 5  # Parquet, passport, contracts, sidecar, pointer
    assert spx_data.days(lake=S3).height == 2


def test_a_pointer_that_is_none_is_no_whole_day(storage, lake):
    publish_well(lake, S3)
    seal_anew(lake.layout, DAYS[1])
    publish_well(lake, S3)
    storage.objects["spx/2024/02/01/current-0002.json"] = b"{}"

    with pytest.raises(FileCorruptionError, match="published once and not whole any more: 2024-02-01"):
        spx_data.days(lake=S3)
    assert spx_data.days(["2024-01-31", "2024-02-02"], lake=S3).height == 2


def test_a_version_that_was_removed_does_not_bring_back_the_one_before(storage, lake):
    publish_well(lake, S3)
    seal_anew(lake.layout, DAYS[1])
    publish_well(lake, S3)
    seal = published.Sealed.of(lake.layout, DAYS[1]).seal
    for key in [key for key in storage.objects if seal in key]:
        del storage.objects[key]

    with pytest.raises(FileCorruptionError, match="not whole any more: 2024-02-01"):
        spx_data.days(lake=S3)


# Other bytes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [".parquet", "2024-02-01.json", ".sha256", "contracts-2024-02-01.parquet"])
@pytest.mark.parametrize("harm", ["change", "cut", 500])
def test_bytes_that_are_not_those_that_were_sealed_are_refused(end, harm, storage, lake):
    publish_well(lake, S3)
    wanted = [key for key in storage.objects if "2024/02/01" in key and key.endswith(end)]
    key = next(key for key in wanted if ("contracts" in key) == ("contracts" in end))
    if harm == "change":
        storage.objects[key] = bytes(reversed(storage.objects[key]))
    else:
        storage.trouble = lambda _, asked: harm if asked == key else None
    read = spx_data.contracts if "contracts" in end else spx_data.scan

    with pytest.raises(Exception, match="2024/02/01") as refused:
        read(lake=S3)

    assert isinstance(refused.value, spx_data.errors.SpxDataError) and S3 in one_line(refused.value)
    storage.trouble = lambda *_: None
    if harm != "change":
        assert read(lake=S3).head(1).collect().height == 1


def test_what_changes_in_the_cache_is_fetched_again(storage, lake):
    publish_well(lake, S3)
    before = spx_data.scan(lake=S3).collect()
    for path in map(Path, spx_data.sealed_paths(lake=S3)):
        with path.open("r+b") as stream:
            stream.seek(1000)
            stream.write(b"\x00\xff")

    after = spx_data.scan(lake=S3).collect()

    assert_frame_equal(after, before, check_exact=True)


def test_a_cache_that_is_removed_is_filled_again(storage, lake, cache):
    publish_well(lake, S3)
    before = spx_data.days(lake=S3)
    shutil.rmtree(cache)

    assert_frame_equal(spx_data.days(lake=S3), before)


def test_the_cache_is_the_users_own_unless_he_names_another_folder(storage, lake, monkeypatch, tmp_path):
    publish_well(lake, S3)
    monkeypatch.delenv(mirror.CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))

    (path, *_) = spx_data.sealed_paths(lake=S3)

    folder = tmp_path / "home" / ".cache" / "spx-data" / "published"
    assert Path(path).is_relative_to(folder) and folder.stat().st_mode & 0o777 == 0o700


def test_two_readers_at_once_read_the_same(storage, lake):
    publish_well(lake, S3)
    found = []
    readers = [threading.Thread(target=lambda: found.append(spx_data.scan(S3).collect())) for _ in range(3)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()

    assert len(found) == 3 and all(each.equals(found[0]) for each in found)


# No lake to read --------------------------------------------------------------------------------------------


def test_another_lake_in_its_place_is_read_as_what_it_is(storage, lake):
    publish_well(lake, S3)
    days = spx_data.days(lake=S3)
    identity = json.loads(storage.objects["spx/dataset.json"])
    storage.objects["spx/dataset.json"] = files.json_text(identity | {"interval": "5m"}).encode()
    first = spx_data.sealed_paths(lake=S3)
    storage.objects["spx/dataset.json"] = files.json_text(identity).encode()

    assert set(first).isdisjoint(spx_data.sealed_paths(lake=S3))
    assert_frame_equal(spx_data.days(lake=S3), days)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://elsewhere/spx", "refuses"),
        ("s3://bucket/empty", "holds no published lake"),
        ("s3://me:secret@bucket/spx", "is no place for published days"),
        ("https://example.org/spx", "is no place for published days"),
        ("file:///nowhere/at/all", "holds no published lake|refuses"),
    ],
)
def test_a_place_without_a_lake_is_one_line(url, says, storage, lake):
    publish_well(lake, S3)

    with pytest.raises(ConfigurationValidationError, match=says) as refused:
        spx_data.scan(url)

    assert one_line(refused.value).startswith("lake: ") and "secret" not in str(refused.value)


@pytest.mark.parametrize("status", [301, 400, 403])
def test_no_permission_and_another_region_are_one_line(status, storage, lake):
    publish_well(lake, S3)
    storage.trouble = lambda *_: status

    with pytest.raises(ConfigurationValidationError, match="refuses") as refused:
        spx_data.days(lake=S3)

    assert "AWS_REGION" in one_line(refused.value)


def test_an_identity_that_is_none_is_one_line(storage, lake):
    storage.objects["spx/dataset.json"] = b"[1]"

    with pytest.raises(ConfigurationValidationError, match=r"its dataset\.json is none") as refused:
        spx_data.days(lake=S3)

    one_line(refused.value)


def test_what_does_not_fit_is_said_before_it_is_fetched(storage, lake, monkeypatch):
    publish_well(lake, S3)
    monkeypatch.setattr(reads, "free_bytes", lambda _: 10_000)
    storage.requests.clear()

    with pytest.raises(InsufficientDiskSpaceError, match="Select fewer days") as refused:
        spx_data.scan(lake=S3)

    one_line(refused.value)
    assert not any(name.endswith(".parquet") for name in fetched(storage))


def test_without_the_extra_a_line_says_how_to_have_it(monkeypatch):
    monkeypatch.setattr(shipped, "_is_there", lambda module: module != "obstore")

    with pytest.raises(spx_data.errors.MachineError, match="publish"):
        spx_data.scan(S3)


def test_two_storages_with_buckets_of_the_same_name_are_two_lakes(storage, lake, monkeypatch):
    publish_well(lake, S3)
    first = spx_data.sealed_paths(lake=S3)
    with object_store.running() as (other, url):
        other.objects.update(storage.objects)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        second = spx_data.sealed_paths(lake=S3)

    assert set(first).isdisjoint(second)


def test_journals_tell_of_dates_that_were_accepted(storage, lake):
    publish_well(lake, S3, Dates.of("2024-01-31, 2024-02-02"))
    log = lake.layout.journal(DAYS[1])
    log.unlink(missing_ok=True)
    journal.Journal(log, "accept").mention(journal.ACCEPTED, reason="a holiday of the source")

    with pytest.raises(MissingFileError, match="not published: 2024-02-01"):
        spx_data.days(lake=S3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spx_data.days(lake=S3, data=lake.layout.data).height == 2
    assert isinstance(spx_data.days(lake=S3, missing="ignore")["date"][0], dt.date)
