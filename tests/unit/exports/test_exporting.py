"""Exports: each day whole or not at all, none twice, and never among something else."""

import csv
import json
from pathlib import Path

import duckdb
import polars as pl
import pytest

from spx_data import exports
from spx_data.errors import ConfigurationValidationError
from spx_data.exports import Format, exporting
from spx_data.store import files, locks, reads, seals


def day(folder, date, number=1.0):
    """Seal a day of two rows."""
    path = folder / f"spx-options-{date}.parquet"
    stamps = pl.Series([1_704_205_800_000, 1_704_205_860_000]).cast(pl.Datetime("ms", "America/New_York"))
    pl.DataFrame({"root": ["SPX", "SPXW"], "timestamp": stamps, "bid": [number, None]}).write_parquet(path)
    seals.seal(path, reads.digest(path), {})
    return path


@pytest.fixture
def days(tmp_path):
    (tmp_path / "lake").mkdir()
    return [day(tmp_path / "lake", f"2024-01-0{number}") for number in (2, 3)]


def done(days, folder, form="csv"):
    form = exports.of(form) if isinstance(form, str) else form
    return [(found.path.name, found.is_new) for found in exporting.export(days, form, folder)]


def test_csv_has_the_rows_of_the_lake(days, tmp_path):
    done(days, tmp_path / "out")

    with (tmp_path / "out/spx-options-2024-01-02.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["bid"] for row in rows] == ["1.0", ""]
    assert rows[0]["timestamp"] == "2024-01-02T09:30:00.000-0500"
    both = "SELECT timestamp FROM read_parquet($1) INTERSECT SELECT timestamp FROM read_csv($2)"
    paths = [str(days[0]), str(tmp_path / "out/spx-options-2024-01-02.csv")]
    assert duckdb.execute(f"SELECT count(*) FROM ({both})", paths).fetchall() == [(2,)]


def test_a_second_call_writes_nothing_and_a_day_sealed_anew_is_written(days, tmp_path):
    names = [f"spx-options-2024-01-0{number}.csv" for number in (2, 3)]
    assert done(days, tmp_path / "out") == [(name, True) for name in names]
    assert done(days, tmp_path / "out") == [(name, False) for name in names]

    day(days[0].parent, "2024-01-02", number=2.0)

    assert done(days, tmp_path / "out") == list(zip(names, (True, False), strict=True))
    assert ",2.0" in (tmp_path / "out" / names[0]).read_text()


def test_a_file_that_was_changed_or_a_torn_line_is_written_again(days, tmp_path):
    done(days, tmp_path / "out")
    first, manifest = tmp_path / "out/spx-options-2024-01-02.csv", tmp_path / "out/manifest.jsonl"
    first.write_text("something")
    lines = manifest.read_text().splitlines()
    manifest.write_text(f"{lines[0]}\n{lines[1][:40]}")

    assert [is_new for _, is_new in done(days, tmp_path / "out")] == [True, True]
    assert len([line for line in manifest.read_text().splitlines() if line.endswith("}")]) == 3


def test_a_format_that_fails_leaves_no_file_and_the_days_before(days, tmp_path):
    def write(rows, to):
        to.write(b"half")
        if rows.select("bid").collect().item(0, 0) == 3.0:
            raise ValueError("no")

    day(days[1].parent, "2024-01-03", number=3.0)
    with pytest.raises(ValueError, match="no"):
        done(days, tmp_path / "out", Format("broken", "", "txt", write))

    assert {path.name for path in (tmp_path / "out").glob("*.txt*")} == {"spx-options-2024-01-02.txt"}
    (line,) = (tmp_path / "out/manifest.jsonl").read_text().splitlines()
    assert json.loads(line)["date"] == "2024-01-02"


@pytest.mark.parametrize("there", ["notes.txt", "spx-options-2024-01-02.csv", "a folder/"])
def test_a_folder_with_something_else_is_refused(days, tmp_path, there):
    place = tmp_path / "out" / there
    place.mkdir(parents=True) if there.endswith("/") else place.parent.mkdir() or place.write_text("mine")

    with pytest.raises(ConfigurationValidationError, match="no manifest of an export"):
        done(days, tmp_path / "out")

    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_folder_of_another_format_is_refused(days, tmp_path):
    done(days, tmp_path / "out")

    with pytest.raises(ConfigurationValidationError, match="an export as csv"):
        done(days, tmp_path / "out", Format("other", "", "txt", lambda *_: None))


def test_a_folder_that_got_another_format_while_its_lock_was_waited_for_is_refused(
    days, tmp_path, monkeypatch
):
    def waited_for(path):
        monkeypatch.undo()
        done(days[:1], path.parent, Format("other", "", "txt", lambda _, to: to.write(b"x")))
        return locks.alone(path)

    monkeypatch.setattr(locks, "alone", waited_for)

    with pytest.raises(ConfigurationValidationError, match="an export as other"):
        done(days, tmp_path / "out")

    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        "manifest.jsonl",
        "spx-options-2024-01-02.txt",
    }
    assert not list((tmp_path / "out").glob("*.csv"))


def test_what_dies_before_its_first_line_leaves_a_folder_that_can_be_gone_on_with(
    days, tmp_path, monkeypatch
):
    def dies(*_):
        raise SystemExit

    monkeypatch.setattr(files, "append_line", dies)
    with pytest.raises(SystemExit):
        done(days, tmp_path / "out")
    monkeypatch.undo()

    assert [is_new for _, is_new in done(days, tmp_path / "out")] == [True, True]


def test_an_unknown_format_is_refused_with_the_list():
    with pytest.raises(ConfigurationValidationError, match="only csv"):
        exports.of("xml")


def test_every_format_is_told_in_a_line():
    for name, form in exports.known().items():
        assert name == form.name
        assert form.meaning and "\n" not in form.meaning
        assert Path(f"x.{form.suffix}").suffix == f".{form.suffix}"
