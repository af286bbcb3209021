"""Every path of the tree."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.store import names
from spx_data.store.layout import Layout

TREE = Layout(Path("out"), Path("tmp"), Path("data"), Path("data/status.db"))
DAY = dt.date(2024, 1, 2)


def test_a_dates_files_stand_where_a_person_would_look():
    assert [
        str(path)
        for path in (
            TREE.parquet(DAY),
            TREE.sidecar(DAY),
            TREE.passport(DAY),
            TREE.listing(DAY),
            TREE.manifest(DAY),
            TREE.checkpoint(DAY, "SPX", dt.date(2024, 1, 19)).records,
            TREE.checkpoint(DAY, "SPX", dt.date(2024, 1, 19)).rejects,
            TREE.checkpoint(DAY, "SPX", dt.date(2024, 1, 19)).receipt,
            TREE.rejects(DAY),
            TREE.journal(DAY),
            TREE.rejects(DAY),
            TREE.log("merge_date", DAY),
            TREE.dataset,
        )
    ] == [
        "out/2024/01/02/spx-options-2024-01-02.parquet",
        "out/2024/01/02/spx-options-2024-01-02.parquet.sha256",
        "out/2024/01/02/spx-options-2024-01-02.json",
        "tmp/2024-01-02/expirations.json",
        "tmp/2024-01-02/manifest.json",
        "tmp/2024-01-02/SPX-2024-01-19.ndjson",
        "tmp/2024-01-02/SPX-2024-01-19.rejects.ndjson",
        "tmp/2024-01-02/SPX-2024-01-19.receipt.json",
        "data/rejects/2024/2024-01-02.ndjson",
        "data/journal/2024/2024-01-02.jsonl",
        "data/rejects/2024/2024-01-02.ndjson",
        "data/logs/2024/01/02/merge_date.log",
        "out/dataset.json",
    ]


def test_whatever_stands_beside_a_checkpoint_leads_to_it():
    checkpoint = TREE.checkpoint(DAY, "SPXW", dt.date(2024, 1, 19))

    for path in (checkpoint.records, checkpoint.rejects, checkpoint.receipt):
        assert names.Checkpoint.of(path) == checkpoint


@given(st.dates(dt.date(1000, 1, 1)))
def test_a_parquets_name_tells_its_date(date):
    assert names.date_of(TREE.parquet(date)) == date


@given(st.dates(dt.date(1000, 1, 1)), st.dates(dt.date(1000, 1, 1)))
def test_two_dates_share_no_file(one, other):
    kinds = (TREE.parquet, TREE.sidecar, TREE.passport, TREE.listing, TREE.manifest, TREE.journal)

    assert all((kind(one) == kind(other)) == (one == other) for kind in kinds)


@pytest.mark.parametrize(
    "name",
    [
        "spx-options-2024-01-02.parquet.part",
        "spx-options-2024-01-02.json",
        "spx-options-20240102.parquet",
        "other-2024-01-02.parquet",
        "spx-options-2024-13-45.parquet",
        "spx-options-2023-02-29.parquet",
    ],
)
def test_another_name_has_no_date(name):
    assert names.date_of(Path("out") / name) is None


def test_journals_are_listed_oldest_first(tmp_path):
    tree = Layout(tmp_path / "out", tmp_path / "temp", tmp_path, tmp_path / "db")
    dates = [dt.date(2024, 1, 3), dt.date(2023, 12, 29), dt.date(2024, 1, 2)]
    for date in dates:
        tree.journal(date).parent.mkdir(parents=True, exist_ok=True)
        tree.journal(date).touch()

    assert tree.journals() == [tree.journal(date) for date in sorted(dates)]


def test_a_lake_without_files_lists_none(tmp_path):
    tree = Layout(tmp_path / "out", tmp_path / "temp", tmp_path / "data", tmp_path / "db")

    assert (tree.journals(), tree.staged_dates(), tree.day_pages()) == ([], [], [])


# Names in other spellings -------------------------------------------------------------------------------

_SEALED = "2024/01/02/spx-options-2024-01-02.parquet"


@pytest.mark.parametrize("absolute", [False, True])
def test_a_file_of_the_lake_is_known_by_any_of_its_names(absolute, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "parquet").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    root = tmp_path if absolute else Path()
    lake = Layout(root / "data/parquet", root / "data/temp", root / "data", root / "data/x.db")
    names = [
        f"data/parquet/{_SEALED}",
        f"{tmp_path}/data/parquet/{_SEALED}",
        f"./x/../link/parquet/{_SEALED}",
    ]

    found = {lake.spelled(name) for name in names}

    assert found == {str(lake.parquet(dt.date(2024, 1, 2)))}
    assert lake.made_date(found.pop()) == dt.date(2024, 1, 2)


@pytest.mark.parametrize("name", ["merge_date", "README.md", f"elsewhere/{_SEALED}", "all"])
def test_another_name_stays_as_it_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lake = Layout(Path("data/parquet"), Path("data/temp"), Path("data"), Path("data/x.db"))

    assert lake.spelled(name) == name
    assert lake.made_date(name) is None


def test_other_braces_than_those_of_a_date_are_part_of_a_name():
    lake = Layout(Path("{a b}"), Path("}{"), Path("{"), Path("x.db"))

    assert str(lake.parquet(dt.date(2024, 1, 2))) == f"{{a b}}/{_SEALED}"
