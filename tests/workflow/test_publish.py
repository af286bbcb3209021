"""Publishing as part of a run, where publish.url says where to: after the seals, and at nobody's cost."""

import json

import pytest

from spx_data.store import journal

START, END = "2024-12-02", "2024-12-03"


@pytest.fixture
def lake(v3, new_lake):
    """Return a lake of two sessions to fill."""
    return new_lake(v3, START, END)


def publish_to(lake, url):
    lake.configure(**lake.sections() | {"publish": {"url": url}})


def published(folder):
    return sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("current-*.json"))


def events(lake):
    found = journal.read(lake.settings.layout.lake_journal)
    return [event for event in found if event["event"] == journal.PUBLISHED]


def test_a_run_publishes_what_it_has_sealed(lake, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    publish_to(lake, there.as_uri())

    filled = lake.snakemake()

    assert filled.returncode == 0, filled.stdout
    assert "2 days published" in filled.stdout
    assert published(there) == ["2024/12/02", "2024/12/03"]
    (event,) = events(lake)
    assert (event["url"], event["days"], event["failed"]) == (there.as_uri(), [START, END], [])
    assert json.loads(lake.settings.layout.published.read_text())["days"].keys() == {START, END}
    again = lake.snakemake()
    assert "Nothing to be done" in again.stdout and "published" not in again.stdout
    asked = lake.snakemake("publish")
    assert asked.returncode == 0 and "every sealed day is published" in asked.stdout
    assert len(events(lake)) == 1


def test_what_fails_there_fails_nothing_else_and_follows_later(lake, tmp_path):
    there = tmp_path / "not there yet"
    publish_to(lake, there.as_uri())

    filled = lake.snakemake()

    assert filled.returncode == 0, filled.stdout
    assert "publish.url: file://" in filled.stdout and "not%20there%20yet" in filled.stdout
    assert "2 sealed" in filled.stdout
    (event,) = events(lake)
    assert event["days"] == [] and event["error"] == "ConfigurationValidationError"
    lost = lake.snakemake("publish")
    assert lost.returncode == 1
    there.mkdir()
    assert lake.snakemake("publish").returncode == 0
    assert published(there) == ["2024/12/02", "2024/12/03"]


def test_a_run_that_is_to_publish_nowhere_says_nothing_of_it(lake):
    filled = lake.snakemake()

    assert filled.returncode == 0 and "publish" not in filled.stdout
    asked = lake.snakemake("publish")
    assert asked.returncode == 1 and "nobody says where to publish to" in asked.stdout
    assert "Traceback" not in asked.stdout
