"""A lake holds one data set, and says which."""

import json

import pytest

from spx_data.errors import DatasetMismatchError
from spx_data.market import columns
from spx_data.store import dataset, files

OTHERS = {
    "interval": {"interval": "5m"},
    "roots": {"roots": ["SPX"]},
    "start_time": {"start_time": "09:31:00"},
    "end_time": {"end_time": "16:15:00"},
    "max_dte": {"max_dte": 45},
}


def test_the_identity_is_what_changes_the_bytes_of_a_day(lake):
    assert lake().identity("latest") == {
        "format": 4,
        "schema_version": columns.KINDS["greeks"].version,
        "records": "greeks",
        "symbol": "SPX",
        "roots": ["SPX", "SPXW"],
        "interval": "1m",
        "start_time": "09:30:00",
        "end_time": "16:00:00",
        "max_dte": None,
        "greeks_version": "latest",
    }


@pytest.mark.parametrize(
    "keys",
    [
        {"roots": ["SPXW", "SPX"]},
        {"format": "json"},
        {"api": "v2"},
        {"max_concurrent_requests": 1},
        {"keep_ndjson": True},
        {"end_date": "2024-06-01"},
    ],
    ids=str,
)
def test_other_settings_leave_it_alone(keys, lake):
    assert lake(**keys).identity("latest") == lake().identity("latest")


def test_the_first_day_writes_it_down_and_the_next_agrees(lake):
    settings = lake()
    wanted = settings.identity("latest")

    dataset.check(settings.layout, wanted)
    assert not settings.layout.dataset.exists()

    dataset.claim(settings.layout, wanted)
    dataset.claim(settings.layout, wanted)
    dataset.check(settings.layout, wanted)

    assert json.loads(settings.layout.dataset.read_text()) == wanted
    assert [path.name for path in settings.layout.output.iterdir()] == ["dataset.json"]


@pytest.mark.parametrize("key", OTHERS)
def test_a_day_of_other_making_never_joins(key, lake):
    settings, other = lake(), lake(**OTHERS[key])
    dataset.claim(settings.layout, settings.identity("latest"))
    before = settings.layout.dataset.read_bytes()

    for refuse in (dataset.check, dataset.claim):
        with pytest.raises(DatasetMismatchError, match=f"{key} is .* there and .* now") as caught:
            refuse(other.layout, other.identity("latest"))
        assert "output_directory" in caught.value.cure

    assert settings.layout.dataset.read_bytes() == before


def test_another_greeks_model_never_joins(lake):
    settings = lake()
    dataset.claim(settings.layout, settings.identity("latest"))

    with pytest.raises(DatasetMismatchError, match="greeks_version is latest there and 1 now"):
        dataset.check(settings.layout, settings.identity("1"))


@pytest.mark.parametrize("held", [[], {}, "text", None])
def test_a_document_that_is_no_identity_is_another_data_set(held, lake):
    settings = lake()
    files.write_json(settings.layout.dataset, held)

    with pytest.raises(DatasetMismatchError):
        dataset.check(settings.layout, settings.identity("latest"))
