"""Google's and Azure's storage as S3's: the same calls, as far as a small server speaks their wire."""

import datetime as dt
import json
import time

import pytest
from tests import object_store, publishing
from tests.publishing import publish

import spx_data
from spx_data.errors import ApiConnectionError, ConfigurationValidationError, FileCorruptionError
from spx_data.lake.reader import mirror
from spx_data.ops.publish import restoring
from spx_data.ops.publish.publishing import AS_PUBLISHED, Publisher
from spx_data.sources import objects
from spx_data.sources.objects import Objects

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4)]
PLACES = {"gs": "gs://bucket/spx", "az": "az://bucket/spx"}
SECRET = "aHVzaA=="


@pytest.fixture
def storage(monkeypatch, tmp_path):
    """Return a storage to which all of the environment's credentials lead."""
    monkeypatch.setitem(objects._RETRIES, "max_retries", 2)
    monkeypatch.setenv(mirror.CACHE, str(tmp_path / "mirrors"))
    with object_store.running() as (there, url):
        key = tmp_path / "account.json"
        account = {"gcs_base_url": url, "disable_oauth": True, "client_email": "someone@example.org"}
        key.write_text(json.dumps(account | {"private_key": SECRET, "private_key_id": "1"}))
        for name, value in {
            "AWS_ALLOW_HTTP": "true",
            "GOOGLE_SERVICE_ACCOUNT": str(key),
            "AZURE_STORAGE_ACCOUNT_NAME": object_store.ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": SECRET,
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": url,
        }.items():
            monkeypatch.setenv(name, value)
        yield there


@pytest.fixture
def lake(tmp_path):
    """Return the settings of a lake of three sealed days."""
    return publishing.lake_of(tmp_path / "lake", DAYS)


@pytest.mark.parametrize("url", PLACES.values(), ids=PLACES)
def test_days_are_published_read_back_and_read(url, storage, lake):
    done = publish(lake, url)

    assert [each.error for each in done] == [None] * 3
    assert publish(lake, url) == []
    assert {each.what for each in Publisher(lake, url).verify(None, 2)} == {AS_PUBLISHED}
    here = {"lake": lake.layout.output, "data": lake.layout.data}
    assert spx_data.verification_root(url) == spx_data.verification_root(**here)
    assert spx_data.days(url).equals(spx_data.days(**here))
    assert [*restoring.published_for(lake, url).days] == DAYS


@pytest.mark.parametrize("url", PLACES.values(), ids=PLACES)
def test_what_is_there_is_never_written_over(url, storage):
    there = Objects.at(url)

    assert there.create("2024/a", b"first") and not there.create("2024/a", b"second")
    assert there.content("2024/a") == b"first"
    assert dict(there.sizes()) == {"2024/a": 5}


ASKED = {
    "GET": lambda there: there.digest("a", ""),
    "LIST": lambda there: there.sizes(),
    "PUT": lambda there: there.create("b", b"small"),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("url", PLACES.values(), ids=PLACES)
def test_a_request_that_stalls_ends_where_nothing_comes_for_so_long(asked, url, storage, monkeypatch):
    monkeypatch.setattr(objects, "_SILENCE", dt.timedelta(seconds=0.2))
    monkeypatch.setitem(objects._RETRIES, "max_retries", 0)
    storage.objects["spx/a"] = bytes(1000)
    storage.trouble = lambda *_: "stall"

    with pytest.raises(ApiConnectionError, match="cannot be reached or written"):
        ASKED[asked](Objects.at(url))


@pytest.mark.parametrize("url", PLACES.values(), ids=PLACES)
def test_a_large_upload_has_the_time_that_it_needs(url, storage, monkeypatch, tmp_path):
    content = tmp_path / "large"
    content.write_bytes(bytes(2 << 20))
    monkeypatch.setattr(objects, "_SILENCE", dt.timedelta(seconds=0.2))
    storage.trouble = lambda asked, _: time.sleep(1) if asked == "PUT" else None

    assert Objects.at(url).create("a", content)

    assert len(storage.objects["spx/a"]) == 2 << 20


@pytest.mark.parametrize("url", PLACES.values(), ids=PLACES)
def test_other_bytes_are_found(url, storage, lake):
    storage.trouble = lambda asked, key: (
        b"other" if asked == "GET" and "2024/01/03" in key and key.endswith(".parquet") else None
    )

    done = {each.date: each.error for each in publish(lake, url)}

    assert isinstance(done.pop(DAYS[1]), FileCorruptionError)
    assert done == dict.fromkeys([DAYS[0], DAYS[2]])


@pytest.mark.parametrize(
    ("kind", "variable"), [("gs", "GOOGLE_APPLICATION_CREDENTIALS"), ("az", "AZURE_STORAGE_ACCOUNT_NAME")]
)
def test_no_permission_and_no_bucket_are_one_line_with_the_providers_cure(kind, variable, storage, lake):
    with pytest.raises(ConfigurationValidationError, match="refuses") as nowhere:
        publish(lake, PLACES[kind].replace("bucket", "elsewhere"))
    storage.trouble = lambda *_: 403
    with pytest.raises(ConfigurationValidationError, match="refuses") as refused:
        publish(lake, PLACES[kind])

    for error in (nowhere.value, refused.value):
        assert variable in str(error) and "\n" not in str(error) and SECRET not in str(error)


def test_without_credentials_a_line_says_which_are_lacking(storage, lake, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    monkeypatch.delenv("AZURE_STORAGE_USE_EMULATOR")

    with pytest.raises(ConfigurationValidationError, match="AZURE_STORAGE_ACCOUNT_NAME") as refused:
        publish(lake, PLACES["az"])

    assert "\n" not in str(refused.value) and SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["gs://me:secret@bucket/spx", "az://bucket/spx?sig=secret", "az://me@bucket/spx"]
)
def test_credentials_in_an_address_are_refused(url):
    with pytest.raises(ConfigurationValidationError, match="is no place for published days") as refused:
        Objects.at(url)

    assert "secret" not in str(refused.value)
