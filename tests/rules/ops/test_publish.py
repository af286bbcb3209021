"""Sealed days as objects: whole or not at all, none written over, every byte read back."""

import datetime as dt
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from tests import publishing, sealed_days
from tests.publishing import publish

from spx_data.errors import (
    ApiConnectionError,
    ConfigurationValidationError,
    DatasetMismatchError,
    FileCorruptionError,
)
from spx_data.market.dates import Dates
from spx_data.ops import publish as record
from spx_data.ops.publish.publishing import ABSENT, AS_PUBLISHED, OTHER, Publisher, begun
from spx_data.store import files, journal, reads

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4)]


@pytest.fixture
def lake(tmp_path):
    """Return the settings of a lake of three sealed days."""
    return publishing.lake_of(tmp_path / "lake", DAYS)


def standing(settings, url):
    return {each.date: each.what for each in Publisher(settings, url).verify(None, 2)}


def written(there):
    """The keys that were put, in their order."""
    return [key.rpartition("/")[2] for method, key in there.requests if method == "PUT"]


S3 = "s3://bucket/spx"


# Published ----------------------------------------------------------------------------------------------


def test_a_published_day_is_the_files_of_the_lake_and_a_pointer(place, lake):
    url, found = place

    done = publish(lake, url)

    there = found()
    assert sorted(each.date for each in done) == DAYS and all(each.error is None for each in done)
    assert there.pop("dataset.json") == lake.layout.dataset.read_bytes()
    for date in DAYS:
        folder = f"{date:%Y/%m/%d}"
        pointer = json.loads(there.pop(f"{folder}/current-0001.json"))
        sidecar = lake.layout.sidecar(date)
        assert pointer["seal"] == hashlib.sha256(sidecar.read_bytes()).hexdigest()[:16]
        files_of_day = [lake.layout.parquet(date), lake.layout.passport(date), sidecar]
        assert pointer["sha256"] == {path.name: reads.digest(path) for path in files_of_day}
        for path in files_of_day:
            assert there.pop(f"{folder}/{pointer['seal']}/{path.name}") == path.read_bytes()
    assert there == {}
    assert standing(lake, url) == dict.fromkeys(DAYS, AS_PUBLISHED)


def test_a_second_call_lists_and_asks_for_nothing_else(storage, lake):
    publish(lake, S3)
    storage.requests.clear()

    assert publish(lake, S3) == []

    assert [method for method, key in storage.requests if key] == ["GET"]  # dataset.json
    assert len(storage.requests) == 2


def test_the_pointer_is_created_last_and_everything_is_read_back(storage, lake):
    publish(lake, S3, workers=1, within=Dates.of("2024-01-02"))

    name = lake.layout.parquet(DAYS[0]).name
    order = ["dataset.json", name, name.replace(".parquet", ".json"), f"{name}.sha256", "current-0001.json"]
    assert written(storage) == order
    read = [key.rpartition("/")[2] for method, key in storage.requests if method == "GET" and key]
    assert [each for each in order if each in read] == order


def test_a_day_that_was_sealed_anew_gets_a_new_key_and_the_old_one_stays(place, lake):
    url, found = place
    publish(lake, url)
    before = found()

    sealed_days.seal(lake, DAYS[1], rows=5_000)
    assert standing(lake, url)[DAYS[1]] == OTHER
    (again,) = publish(lake, url)

    after = found()
    assert again.date == DAYS[1] and again.error is None
    assert {key: after[key] for key in before} == before
    assert json.loads(after["2024/01/03/current-0002.json"])["seal"] == again.what
    assert standing(lake, url) == dict.fromkeys(DAYS, AS_PUBLISHED)
    assert publish(lake, url) == []


def test_what_broke_off_is_gone_on_with(storage, lake):
    storage.trouble = lambda method, key: 403 if method == "PUT" and key.endswith(".sha256") else None
    with pytest.raises(ConfigurationValidationError, match="refuses"):
        publish(lake, S3, workers=1)
    assert not any("current" in key for key in storage.objects)
    half = dict(storage.objects)

    storage.trouble = lambda *_: None
    done = publish(lake, S3)

    assert len(done) == 3 and all(each.error is None for each in done)
    assert {key: storage.objects[key] for key in half} == half
    assert standing(lake, S3) == dict.fromkeys(DAYS, AS_PUBLISHED)


def test_two_publishers_at_once_publish_each_day_once(storage, lake):
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: publish(lake, S3, workers=3), range(2)))

    assert [each.error for some in done for each in some] == [None] * sum(map(len, done))
    assert sum("current" in key for key in storage.objects) == 3
    assert standing(lake, S3) == dict.fromkeys(DAYS, AS_PUBLISHED)


# Trouble ------------------------------------------------------------------------------------------------


def test_an_error_that_passes_is_asked_again(storage, lake):
    failed = set()

    def trouble(method, key):
        if (method, key) in failed:
            return None
        failed.add((method, key))
        return 500

    storage.trouble = trouble
    done = publish(lake, S3, workers=1, within=Dates.of("2024-01-02"))

    assert [each.error for each in done] == [None]


@pytest.mark.parametrize("trouble", ["cut", b"other"])
@pytest.mark.parametrize("end", ["", "dataset.json", ".parquet", ".sha256"])
def test_what_comes_back_wrong_once_is_asked_again(end, trouble, storage, lake):
    """A listing and objects, whose first answer is not what is there."""
    failed = set()

    def once(method, key):
        if method != "GET" or not key.endswith(end) or (key == "") != (end == "") or key in failed:
            return None
        failed.add(key)
        return trouble

    storage.trouble = once
    done = publish(lake, S3)

    assert failed and [each.error for each in done] == [None] * 3
    assert standing(lake, S3) == dict.fromkeys(DAYS, AS_PUBLISHED)


@pytest.mark.parametrize("trouble", [500, "cut"])
def test_a_day_that_fails_costs_no_other_and_nothing_points_to_it(trouble, storage, lake):
    method = "GET" if trouble == "cut" else "PUT"
    storage.trouble = lambda asked, key: (
        trouble if asked == method and "2024/01/03" in key and key.endswith(".parquet") else None
    )

    done = {each.date: each.error for each in publish(lake, S3)}

    assert isinstance(done.pop(DAYS[1]), ApiConnectionError | FileCorruptionError)
    assert done == dict.fromkeys([DAYS[0], DAYS[2]])
    assert "spx/2024/01/03/current-0001.json" not in storage.objects


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_other_bytes_on_the_way_are_found_before_anything_points_to_them(method, storage, lake):
    storage.trouble = lambda asked, key: (
        b"other" if asked == method and "2024/01/03" in key and key.endswith(".parquet") else None
    )

    done = {each.date: each.error for each in publish(lake, S3)}

    assert isinstance(done[DAYS[1]], FileCorruptionError)
    assert "is not what was sealed" in str(done[DAYS[1]]) and "Remove that object" in str(done[DAYS[1]])
    assert "spx/2024/01/03/current-0001.json" not in storage.objects
    storage.trouble = lambda *_: None
    assert standing(lake, S3)[DAYS[1]] == ABSENT


def test_a_storage_that_writes_over_is_seen_by_reading_back(storage, lake, monkeypatch):
    """Two publishers of different versions, and a server that ignores the condition."""
    storage.conditional = False
    pointer = "spx/2024/01/02/current-0001.json"

    def trouble(method, key):
        if method == "GET" and key == pointer and storage.objects.get(key):
            storage.objects[key] = json.dumps({"format": 1, "seal": "0" * 16}).encode()

    storage.trouble = trouble
    (done,) = publish(lake, S3, workers=1, within=Dates.of("2024-01-02"))

    assert isinstance(done.error, FileCorruptionError) and "publish again" in str(done.error)


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_an_object_that_somebody_touched_is_found(harm, storage, lake):
    publish(lake, S3)
    (key,) = [key for key in storage.objects if "2024/01/04" in key and key.endswith(".parquet")]
    if harm == "change":
        storage.objects[key] = bytes(reversed(storage.objects[key]))
    else:
        del storage.objects[key]

    found = standing(lake, S3)

    assert found.pop(DAYS[2]) == f"damaged: {key.removeprefix('spx/')}"
    assert set(found.values()) == {AS_PUBLISHED}


def test_a_damaged_day_of_the_lake_is_not_published(storage, lake):
    path = lake.layout.parquet(DAYS[0])
    path.write_bytes(path.read_bytes()[::-1])

    done = {each.date: each.error for each in publish(lake, S3)}

    assert "spx-data verify" in str(done[DAYS[0]]) and done[DAYS[1]] is None
    assert not any("2024/01/02" in key for key in storage.objects)


def test_another_lake_is_not_published_among_this_one(place, lake):
    url, _ = place
    publish(lake, url)
    identity = json.loads(lake.layout.dataset.read_text())
    files.write_json(lake.layout.dataset, identity | {"interval": "5m"})

    with pytest.raises(DatasetMismatchError, match=r"another lake is published there \(interval\)"):
        publish(lake, url)


def test_a_lake_whose_schema_has_grown_is_still_this_one(place, lake):
    url, _ = place
    publish(lake, url)
    there = json.loads(lake.layout.dataset.read_text())
    files.write_json(lake.layout.dataset, there | {"schema_version": there["schema_version"]})

    assert publish(lake, url) == []


def test_days_without_an_identity_are_somebody_elses(storage, lake):
    storage.objects["spx/2024/01/02/current-0001.json"] = b"{}"

    with pytest.raises(DatasetMismatchError, match="days and no dataset"):
        publish(lake, S3)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://example.org/x", "is no place for published days"),
        ("s3://me:secret@bucket/spx", "is no place for published days"),
        ("s3://elsewhere/spx", "refuses"),
        ("nowhere", "is no place for published days"),
    ],
)
def test_a_place_that_is_none_is_one_line(url, says, storage, lake):
    with pytest.raises(ConfigurationValidationError) as refused:
        publish(lake, url)

    assert says in str(refused.value) and "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_no_permission_is_one_line_about_the_credentials(storage, lake):
    storage.trouble = lambda *_: 403

    with pytest.raises(ConfigurationValidationError) as refused:
        publish(lake, S3)

    assert "AWS_ACCESS_KEY_ID" in str(refused.value) and "\n" not in str(refused.value)
    assert "hush" not in str(refused.value)


# The command --------------------------------------------------------------------------------------------


invoke = partial(publishing.invoke, start_date="2024-01-02", end_date="2024-01-04")


def test_the_commands_publish_and_read_back(place, lake, monkeypatch):
    url, _ = place
    first = invoke(lake, monkeypatch, "publish", "2024-01-02", "2024-01-03", url=url)
    part = invoke(lake, monkeypatch, "verify", "--published", url=url)
    second = invoke(lake, monkeypatch, "publish", "--to", url)
    third = invoke(lake, monkeypatch, "publish", url=url)
    whole = invoke(lake, monkeypatch, "verify", "--published", url=url)

    codes = [each.exit_code for each in (first, part, second, third, whole)]
    assert codes == [0] * 5, [each.output for each in (first, part, second, third, whole)]
    assert "2 days published" in first.output
    assert "2024-01-04 not published" in part.output and "2 days as sealed" in part.output
    assert "1 day published" in second.output
    assert "every sealed day is published" in third.output
    assert "3 days as sealed" in whole.output


def test_the_commands_say_what_fails_and_go_on(storage, lake, monkeypatch):
    storage.trouble = lambda method, key: (
        b"other" if method == "PUT" and "2024/01/03" in key and key.endswith(".parquet") else None
    )

    done = invoke(lake, monkeypatch, "publish", "--to", S3)

    assert done.exit_code == 1
    assert "spx-data: 2024-01-03: s3://bucket/spx/2024/01/03/" in done.output
    assert "2 days published" in done.output


@pytest.mark.parametrize("option", [("--format", "json"), ("--depth", "bytes")])
def test_what_is_read_back_has_no_depth_and_no_format(option, lake, monkeypatch):
    done = invoke(lake, monkeypatch, "verify", "--published", *option, url=S3)

    assert done.exit_code == 2 and "--published reads every byte" in done.output


def test_nobody_says_where_to(lake, monkeypatch):
    done = invoke(lake, monkeypatch, "publish")

    assert done.exit_code == 2
    assert "name it with --to" in done.output


def test_a_credential_in_an_address_is_kept_nowhere(lake, monkeypatch):
    done = invoke(lake, monkeypatch, "publish", "--to", "s3://me:secret@bucket/spx?sig=secret")

    (event,) = journal.read(lake.layout.lake_journal)
    assert done.exit_code == 1 and (event["event"], event["url"]) == (journal.PUBLISHED, None)
    for path in lake.layout.data.rglob("*"):
        assert not path.is_file() or b"secret" not in path.read_bytes(), path
    assert "secret" not in done.output


# What is known of it without the network ----------------------------------------------------------------


def known(lake, monkeypatch, url):
    """What `status` says of what is published, and what `gaps` says of what is not."""
    shown = invoke(lake, monkeypatch, "status", "--offline", "--format", "json", url=url)
    listed = invoke(lake, monkeypatch, "gaps", url=url)
    (said,) = [line for line in listed.output.splitlines() if "published to" in line] or [""]
    return json.loads(shown.stdout)["published"], said


def test_status_and_gaps_say_what_is_not_published_and_ask_nobody(storage, lake, monkeypatch):
    before, said_before = known(lake, monkeypatch, S3)
    invoke(lake, monkeypatch, "publish", "2024-01-02", "2024-01-03", url=S3)
    storage.requests.clear()
    part, said_of_part = known(lake, monkeypatch, S3)
    assert storage.requests == []
    invoke(lake, monkeypatch, "publish", url=S3)
    whole, said_of_whole = known(lake, monkeypatch, S3)
    sealed_days.seal(lake, DAYS[1], rows=5_000)
    anew, said_anew = known(lake, monkeypatch, S3)

    days = [date.isoformat() for date in DAYS]
    assert before == {"url": S3, "as_of": None, "sealed": 3, "not_published": days}
    assert "0 of 3 sealed days published" in said_before and "nobody has looked yet" in said_before
    assert part["not_published"] == days[2:] and part["as_of"] is not None
    assert f"2 of 3 sealed days published to {S3}, as of 20" in said_of_part
    assert "1 not: " in said_of_part and "spx-data publish" in said_of_part
    assert whole["not_published"] == [] and said_of_whole == ""
    assert anew["not_published"] == days[1:2] and "1 not" in said_anew
    table = invoke(lake, monkeypatch, "status", "--offline", url=S3).output
    assert f"published 2 of 3 sealed days published to {S3}" in table


def test_of_several_symbols_each_has_a_folder_of_its_name(lake):
    assert record.place_of(lake, S3, several=False) == S3
    assert record.place_of(lake, f"{S3}/", several=True) == f"{S3}/SPX"
    assert record.place_of(lake, None, several=True) is None


def test_the_folder_of_one_symbol_is_made_in_that_of_all_if_that_is_there(lake, tmp_path):
    of_all = tmp_path / "disk of all"
    place = f"{of_all.as_uri()}/SPX"
    with pytest.raises(ConfigurationValidationError, match="mount its disk"):
        begun(lake, place, several=True).__enter__()
    of_all.mkdir()
    with pytest.raises(ConfigurationValidationError, match="Make the folder"):
        begun(lake, place).__enter__()

    with begun(lake, place, several=True) as publisher:
        done = list(publisher.publish(publisher.due(None), 2))

    assert [each.error for each in done] == [None] * 3
    assert {path.name for path in (of_all / "SPX").iterdir()} == {"dataset.json", "2024"}


def test_where_nothing_is_to_be_published_nothing_is_said(lake, monkeypatch):
    assert known(lake, monkeypatch, None) == (None, "")
    assert "published" not in invoke(lake, monkeypatch, "status", "--offline").output


def test_what_is_known_is_of_the_place_that_is_set(place, lake, monkeypatch, tmp_path):
    url, _ = place
    invoke(lake, monkeypatch, "publish", url=url)

    assert known(lake, monkeypatch, url)[0]["not_published"] == []
    other = known(lake, monkeypatch, "s3://bucket/other")[0]
    assert other["as_of"] is None and len(other["not_published"]) == 3
    lake.layout.published.write_bytes(b"{}")
    assert len(known(lake, monkeypatch, url)[0]["not_published"]) == 3


def test_reading_back_renews_what_is_known(storage, lake, monkeypatch):
    invoke(lake, monkeypatch, "publish", url=S3)
    (key,) = [key for key in storage.objects if "2024/01/04" in key and key.endswith(".parquet")]
    storage.objects[key] = bytes(reversed(storage.objects[key]))

    invoke(lake, monkeypatch, "verify", "--published", url=S3)

    assert known(lake, monkeypatch, S3)[0]["not_published"] == ["2024-01-04"]


def test_a_call_that_ends_early_notes_what_it_did(storage, lake, monkeypatch):
    storage.trouble = lambda method, key: 403 if method == "PUT" and "2024/01/04" in key else None

    done = invoke(lake, monkeypatch, "publish", "--workers", "1", url=S3)

    assert done.exit_code == 1
    assert known(lake, monkeypatch, S3)[0]["not_published"] == ["2024-01-04"]
