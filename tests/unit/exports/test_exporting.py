"""Exports: each day whole or not at all, none twice, and never among something else."""

import csv
import datetime as dt
import json

import duckdb
import numpy as np
import pytest
from tests import sealed_rows

from spx_data import exports
from spx_data.config import shipped
from spx_data.errors import ConfigurationValidationError, FileCorruptionError, MachineError
from spx_data.exports import Format, exporting
from spx_data.exports.selection import Selection
from spx_data.store import files, locks, reads, seals

DATES = dt.date(2024, 1, 2), dt.date(2024, 1, 3)
EVERYTHING = Selection()
NEAR = """strike || "right" IN (
    SELECT strike || "right" FROM read_parquet($1) WHERE abs(delta) BETWEEN 0.3 AND 0.7
)"""


def day(folder, date, shift=0.0):
    """Seal a day of two chains, six stamps each."""
    stamps = sealed_rows.stamps_of(date, 2)[:6]
    chains = [
        sealed_rows.chain(date, "SPX", dt.date(2024, 1, 19), [4700 + shift], stamps),
        sealed_rows.chain(date, "SPXW", dt.date(2024, 1, 5), [4600, 4700, 5600], stamps),
    ]
    return sealed_rows.seal(folder, date, chains)


@pytest.fixture
def days(tmp_path):
    return [day(tmp_path / "lake", date) for date in DATES]


def done(days, folder, form="csv", selection=EVERYTHING):
    form = exports.of(form) if isinstance(form, str) else form
    found = exporting.export(days, form, folder, selection)
    return [(each.date, each.is_new) for each in found]


def both(is_new, again=None):
    return list(zip(DATES, (is_new, is_new if again is None else again), strict=True))


def entry(folder, date=DATES[0]):
    return json.loads((folder / f"_manifest/{date}.json").read_text())


def exported(folder, date=DATES[0]):
    with (folder / f"spx-options-{date}.csv").open() as stream:
        return list(csv.DictReader(stream))


def of_text(write):
    return Format.of_files("other", "", "txt", write)


def x(_, to):
    """Write what no row decides."""
    to.write(b"x")


def left_over(folder):
    return [path.name for path in folder.rglob("*") if "part" in path.name or "begun" in path.name]


# Values -------------------------------------------------------------------------------------------------


def test_csv_has_the_rows_of_the_lake(days, tmp_path):
    done(days, tmp_path / "out")

    rows = exported(tmp_path / "out")
    assert rows[0]["timestamp"] == "2024-01-02T09:30:00.000-0500"
    assert rows[0]["epsilon"] == ""  # null
    differing = duckdb.execute(
        "SELECT count(*) FROM (FROM read_parquet($1) EXCEPT FROM read_csv($2))",
        [str(days[0]), str(tmp_path / "out/spx-options-2024-01-02.csv")],
    )
    assert differing.fetchall() == [(0,)]
    assert len(rows) == 4 * 2 * 6


@pytest.mark.parametrize(
    ("selection", "condition"),
    [
        (Selection(max_dte=3), "expiration - date <= 3"),
        (Selection(roots=("SPX",)), "root = 'SPX'"),
        (Selection(every_ms=4 * 60_000), "epoch(timestamp) % 240 = 0"),
        (Selection(delta=(0.3, 0.7)), NEAR),
    ],
)
def test_a_selection_takes_the_rows_that_duckdb_takes(days, tmp_path, selection, condition):
    done(days, tmp_path / "out", selection=selection)

    keys = 'SELECT root, expiration, strike, "right", epoch_ms(timestamp) FROM'
    wanted = duckdb.execute(f"{keys} read_parquet($1) WHERE {condition}", [str(days[0])]).fetchall()
    written = str(tmp_path / "out/spx-options-2024-01-02.csv")
    assert duckdb.execute(f"{keys} read_csv($1)", [written]).fetchall() == sorted(wanted)
    assert 0 < len(wanted) < 48


def test_a_row_without_greeks_chooses_no_contract(tmp_path):
    date = DATES[0]
    rows = sealed_rows.chain(date, "SPXW", date, [4700], sealed_rows.stamps_of(date)[:2])
    failed = rows.set_column(rows.column_names.index("iv_error"), "iv_error", [np.full(4, 100.0)])
    path = sealed_rows.seal(tmp_path / "lake", date, [failed.cast(rows.schema)])

    done([path], tmp_path / "out", selection=Selection(delta=(0.0, 1.0)))

    assert exported(tmp_path / "out") == []


def test_a_lake_of_quotes_is_chosen_from_by_deltas_of_our_own(tmp_path):
    date = DATES[0]
    stamps = sealed_rows.stamps_of(date)[:2]
    rows = sealed_rows.chain(date, "SPXW", dt.date(2024, 1, 5), [4600, 4700], stamps, kind="quotes")
    path = sealed_rows.seal(tmp_path / "lake", date, [rows])

    done([path], tmp_path / "out", selection=Selection(delta=(0.4, 0.6)))

    assert {row["strike"] for row in exported(tmp_path / "out")} == {"4700.0"}


# Whole, once, and resumed -------------------------------------------------------------------------------


def test_a_second_call_writes_nothing_and_a_day_sealed_anew_is_written(days, tmp_path):
    assert done(days, tmp_path / "out") == both(True)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}

    assert done(days, tmp_path / "out") == both(False)

    assert before == {path: path.stat().st_mtime_ns for path in before}
    day(tmp_path / "lake", DATES[0], shift=5.0)
    assert done(days, tmp_path / "out") == both(True, False)
    assert exported(tmp_path / "out")[0]["strike"] == "4705.0"


def test_the_manifest_has_the_digests_of_what_was_read_and_written(days, tmp_path):
    done(days, tmp_path / "out", selection=Selection(max_dte=3))

    head = json.loads((tmp_path / "out/_manifest/export.json").read_text())
    assert head == {"export": 1, "format": "csv", "symbol": "SPX", "selection": {"max_dte": 3}}
    name = "spx-options-2024-01-02.csv"
    assert entry(tmp_path / "out") == {
        "date": "2024-01-02",
        "sealed": seals.read(days[0]).parquet,
        "files": {name: reads.digest(tmp_path / "out" / name)},
        "contracts": None,
        "links": {},
        "notes": [],
    }


def test_a_file_that_was_changed_or_an_entry_that_is_torn_is_written_again(days, tmp_path):
    done(days, tmp_path / "out")
    first, torn = tmp_path / "out/spx-options-2024-01-02.csv", tmp_path / "out/_manifest/2024-01-03.json"
    first.write_text("something")
    torn.write_text(torn.read_text()[:40])

    assert done(days, tmp_path / "out") == both(True)
    assert done(days, tmp_path / "out") == both(False)


def test_a_format_that_fails_leaves_no_file_and_the_days_before(days, tmp_path):
    def write(rows, to):
        to.write(b"half")
        if rows.select("date").head(1).collect().item() == DATES[1]:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        done(days, tmp_path / "out", of_text(write))

    assert [path.name for path in (tmp_path / "out").glob("*.txt*")] == ["spx-options-2024-01-02.txt"]
    assert not (tmp_path / "out/_manifest/2024-01-03.json").exists()
    assert left_over(tmp_path / "out") == []


def two_files(number=2):
    def write(day, out):
        for each in range(number):
            with out.file(f"{day.date}/{each}.txt") as stream:
                stream.write(b"x")
        with out.file("shared.txt") as stream:
            stream.write(b"the same each day")

    return Format("several", "", write)


@pytest.mark.parametrize("dies_at", range(3))
def test_what_dies_while_files_come_to_their_places_is_undone_by_the_next_call(
    days, tmp_path, monkeypatch, dies_at
):
    done(days[:1], tmp_path / "out", two_files())
    taken, move = [], files.move

    def dies(source, target, **how):
        taken.append(target)
        if len(taken) > dies_at:
            raise SystemExit
        move(source, target, **how)

    with monkeypatch.context() as patched:
        patched.setattr(files, "move", dies)
        with pytest.raises(SystemExit):
            done(days[1:], tmp_path / "out", two_files())
    assert left_over(tmp_path / "out")

    assert done(days[:1], tmp_path / "out", two_files()) == [(DATES[0], False)]

    assert not (tmp_path / "out/2024-01-03").exists()
    assert left_over(tmp_path / "out") == []
    assert done(days, tmp_path / "out", two_files()) == both(False, True)


@pytest.mark.parametrize("name", ["../mine.txt", "/{}/mine.txt", "a/../../mine.txt"])
def test_what_lies_outside_of_the_folder_is_never_removed(days, tmp_path, name):
    done(days[:1], tmp_path / "out")
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    begun = tmp_path / "out/_manifest/2024-01-03.begun.json"
    begun.write_text(json.dumps(entry(tmp_path / "out") | {"files": {name.format(tmp_path): ""}}))

    assert done(days, tmp_path / "out") == both(False, True)

    assert mine.read_text() == "mine"
    assert not begun.exists()


def test_a_file_that_a_day_has_no_more_goes_and_one_that_another_day_has_stays(days, tmp_path):
    done(days, tmp_path / "out", two_files(2))
    day(tmp_path / "lake", DATES[0], shift=5.0)

    done(days, tmp_path / "out", two_files(1))

    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.txt"))
    assert names == ["2024-01-02/0.txt", "2024-01-03/0.txt", "2024-01-03/1.txt", "shared.txt"]


def test_bytes_that_are_not_the_sealed_ones_are_not_exported(days, tmp_path):
    with days[1].open("ab") as stream:
        stream.write(b"x")

    with pytest.raises(FileCorruptionError, match="2024-01-03"):
        done(days, tmp_path / "out")

    assert done(days[:1], tmp_path / "out") == [(DATES[0], False)]


def test_a_day_that_is_sealed_anew_while_it_is_exported_is_refused(days, tmp_path):
    def write(day_, out):
        with out.file("x.txt") as stream:
            stream.write(b"x")
        day(tmp_path / "lake", DATES[0], shift=5.0)

    with pytest.raises(FileCorruptionError, match="sealed anew meanwhile"):
        done(days[:1], tmp_path / "out", Format("several", "", write))

    assert not (tmp_path / "out/x.txt").exists()


# Folders and calls that are refused ---------------------------------------------------------------------


@pytest.mark.parametrize("there", ["notes.txt", "spx-options-2024-01-02.csv", "a folder/"])
def test_a_folder_with_something_else_is_refused(days, tmp_path, there):
    place = tmp_path / "out" / there
    place.mkdir(parents=True) if there.endswith("/") else place.parent.mkdir() or place.write_text("mine")

    with pytest.raises(ConfigurationValidationError, match="no manifest of an export"):
        done(days, tmp_path / "out")

    assert len(list((tmp_path / "out").iterdir())) == 1


@pytest.mark.parametrize(
    ("form", "selection", "says"),
    [
        (of_text(x), EVERYTHING, "another export: format csv"),
        ("csv", Selection(max_dte=7), "another export: selection everything"),
    ],
)
def test_a_folder_of_another_export_is_refused(days, tmp_path, form, selection, says):
    done(days, tmp_path / "out")

    with pytest.raises(ConfigurationValidationError, match=says):
        done(days, tmp_path / "out", form, selection)


def test_a_folder_that_became_another_export_while_its_lock_was_waited_for_is_refused(
    days, tmp_path, monkeypatch
):
    def waited_for(path):
        monkeypatch.undo()
        done(days[:1], path.parent, of_text(x))
        return locks.alone(path)

    monkeypatch.setattr(locks, "alone", waited_for)

    with pytest.raises(ConfigurationValidationError, match="another export: format other"):
        done(days, tmp_path / "out")

    assert (tmp_path / "out/spx-options-2024-01-02.txt").exists()
    assert not list((tmp_path / "out").glob("*.csv"))


def test_a_format_without_what_it_needs_says_what_to_install(days, tmp_path, monkeypatch):
    monkeypatch.setitem(shipped._EXTRAS, "made-up", (("no_such_module",), "it is made up"))
    form = Format("made-up", "", two_files().write, extra="made-up")

    with pytest.raises(MachineError, match=r'no no_such_module here.*pip install "spx-data\[made-up\]"'):
        done(days, tmp_path / "out", form)

    assert not (tmp_path / "out").exists()


def test_an_unknown_format_is_refused_with_the_list():
    with pytest.raises(ConfigurationValidationError, match="only csv, delta"):
        exports.of("xml")


def test_every_format_is_told_in_a_line():
    for name, form in exports.known().items():
        assert name == form.name
        assert form.meaning and "\n" not in form.meaning


def test_a_format_that_is_the_files_themselves_takes_no_selection(days, tmp_path):
    with pytest.raises(ConfigurationValidationError, match="max_dte would leave rows out"):
        done(days, tmp_path / "out", "delta", Selection(max_dte=7))

    assert not (tmp_path / "out").exists()
