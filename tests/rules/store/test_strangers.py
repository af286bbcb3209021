"""Strangers beside sealed days: every look at the lake tells of them, every recipe reads past them."""

import contextlib
import datetime as dt
import gzip
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner
from tests import pages, strangers

import spx_data
from spx_data.cli import commands
from spx_data.lake.verify import Standing, verify
from spx_data.ops.cleanup import Choice, clean, clear
from spx_data.store import tree

ROOT = Path(__file__).resolve().parents[3]
DAYS = [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]
MOMENT = dt.datetime(2024, 1, 8, 13, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Return a folder to keep a filled lake in."""
    return tmp_path_factory.mktemp("filled") / "project"


@pytest.fixture
def project(day, terminals, tmp_path, filled, monkeypatch):
    """Return the settings of a project folder with two sealed days, filled once and copied for each test."""
    places = {f"{name}_directory": f"data/{name}" for name in ("temp",)}
    places |= {"output_directory": "data/parquet", "data_directory": "data"}
    monkeypatch.chdir(tmp_path)
    dates = [
        day(terminals["v3"], date, interval="30m", end_date="2024-01-03", start_date="2024-01-02", **places)
        for date in DAYS
    ]
    if filled.exists():
        shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    else:
        for date in dates:
            date.fill()
        (tmp_path / "config").mkdir()
        document = dict(dates[0].settings.document)
        (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(document))
        shutil.copytree(tmp_path, filled)
    monkeypatch.setenv("SPX_DATA_NOW", MOMENT.isoformat())
    return dates[0].settings


def call(*arguments):
    return CliRunner().invoke(commands, arguments)


def everything(folder):
    """Every file with its bytes, but for what commands keep for themselves."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path: path.read_bytes() for path in found}


# Who tells of them --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["verify"], "stdout"),
        (["verify", "--format", "json"], "stderr"),
        (["health"], "stdout"),
        (["inventory"], "stderr"),
        (["inventory", "--format", "csv"], "stderr"),
        (["status", "--offline"], "stdout"),
        (["cleanup", "--dry-run"], "stdout"),
        (["cleanup"], "stdout"),
    ],
    ids=" ".join,
)
def test_whoever_looks_at_the_lake_says_what_else_is_there(arguments, where, project):
    put, caught = strangers.put_beside(project.layout.parquet(DAYS[0]))

    said = getattr(call(*arguments), where)

    count = tree.walk(project.layout).files
    assert count >= len(put)
    told = " ".join(said.split())
    assert f"{count} files are no part of this lake (" in told
    assert f"would read {caught} of them" in told


@pytest.mark.parametrize("command", ["verify", "inventory", "status --offline", "cleanup --dry-run"])
def test_nobody_tells_of_strangers_where_there_are_none(command, project):
    said = call(*command.split())

    assert "no part of this lake" not in said.output


def test_health_warns_of_what_globs_read_and_names_the_rest(project):
    day = project.layout.parquet(DAYS[0]).parent

    def row():
        rows = json.loads(call("health", "--format", "json").stdout)
        return next(row for row in rows if row["check"] == "strangers")

    clean_ = row()
    (day / ".DS_Store").touch()
    harmless = row()
    (day / "x.parquet").touch()
    harmful = row()

    assert [one["level"] for one in (clean_, harmless, harmful)] == ["ok", "ok", "warn"]
    assert [one["value"] for one in (clean_, harmless, harmful)] == [0, 1, 2]
    assert ".DS_Store" in harmless["found"]
    assert harmful["cure"].startswith("spx-data cleanup --dry-run")


def test_health_warns_of_a_parquet_that_is_not_sealed(project):
    project.layout.sidecar(DAYS[0]).unlink()

    rows = json.loads(call("health", "--format", "json").stdout)

    (row,) = [row for row in rows if row["check"] == "strangers"]
    assert (row["level"], row["dates"]) == ("warn", ["2024-01-02"])
    assert "without a checksum beside it, so not sealed: 2024-01-02" in row["found"]
    assert call("cleanup").exit_code == 0
    assert not tree.walk(project.layout).unsealed


def test_status_tells_programs_where_they_are(project):
    (project.layout.output / "caf\udce9.parquet").touch()

    told = json.loads(call("status", "--offline", "--format", "json").stdout)

    assert told["strangers"] == {
        "files": 1,
        "caught": 1,
        "more": False,
        "paths": ["data/parquet/caf\\xe9.parquet"],
    }
    assert "strangers" in [row["check"] for row in told["alerts"]]


def test_a_list_of_sealed_files_has_no_strangers_in_it(project):
    before = call("inventory", "--format", "csv").stdout
    strangers.put_beside(project.layout.parquet(DAYS[0]))

    assert call("inventory", "--format", "csv").stdout == before


# Who leaves them alone ----------------------------------------------------------------------------------


def test_cleanup_leaves_them_and_the_command_it_names_moves_them_out(project):
    _, caught = strangers.put_beside(project.layout.parquet(DAYS[0]))
    before = everything(project.layout.output)

    said = call("cleanup")

    assert said.exit_code == 0, said.output
    assert everything(project.layout.output) == before
    (line,) = [line for line in said.stdout.splitlines() if line.startswith("mkdir")]
    while line:
        subprocess.run(["bash", "-c", line], check=True)
        rest = call("cleanup", "--dry-run").stdout.splitlines()
        again = next((line for line in rest if line.startswith("mkdir")), "")
        line = again if again != line else ""
    left = tree.walk(project.layout).strangers
    # Names that are there already: nothing is overwritten.
    assert all((project.layout.strangers / stranger.path.name).exists() for stranger in left)
    assert len(left) < 10
    assert caught > 10
    assert [day.standing for day in verify(project).days] == [Standing.HEALTHY] * 2


def test_a_program_finds_each_of_them_among_cleanups_rows(project):
    strangers.put_beside(project.layout.parquet(DAYS[0]))

    rows = json.loads(call("cleanup", "--dry-run", "--format", "json").stdout)

    left = [row for row in rows if row["action"] == "leave"]
    assert len(left) == len(tree.walk(project.layout).strangers)


def test_verify_finds_the_days_as_sealed_and_nothing_else(project):
    strangers.put_beside(project.layout.parquet(DAYS[0]))
    before = everything(project.layout.output)

    report = verify(project)

    assert [(day.date, day.standing) for day in report.days] == [(date, Standing.HEALTHY) for date in DAYS]
    assert everything(project.layout.output) == before


def test_a_quarantine_takes_a_days_own_files_and_nothing_else(project):
    layout, date = project.layout, DAYS[0]
    put, _ = strangers.put_beside(layout.parquet(date))
    layout.parquet(date).write_bytes(b"PAR1 spoilt PAR1")

    (found,) = [day for day in verify(project).days if day.folder]

    assert {path.name for path in Path(found.folder).iterdir()} == {
        "report.json",
        *(path.name for path in layout.day_files(date)),
    }
    assert sorted(stranger.path for stranger in tree.walk(layout).strangers) == put
    assert tree.dates(layout) == (DAYS[1],)


def test_a_folder_beside_incidents_is_none_of_them(project):
    layout, date = project.layout, DAYS[0]
    mine = layout.quarantine(date) / "what I looked into"
    mine.mkdir(parents=True)
    layout.parquet(date).write_bytes(b"PAR1 spoilt PAR1")

    (found,) = [day for day in verify(project).days if day.folder]

    assert found.folder != str(mine)
    assert not list(mine.iterdir())


@pytest.mark.parametrize("place", ["2025", "2024/02", "2024/01/04", "temp"])
@pytest.mark.parametrize("kind", ["a link to itself", "a link to what is gone", "a file"])
def test_what_is_named_like_a_folder_and_is_none_stops_no_command(place, kind, project):
    path = project.layout.temp / "2024-01-05" if place == "temp" else project.layout.output / place
    path.parent.mkdir(exist_ok=True)
    if kind == "a file":
        path.write_text("mine")
    else:
        path.symlink_to(path.name if "itself" in kind else "nowhere")

    for arguments in (["status", "--offline"], ["list"], ["inventory"], ["gaps"], ["verify"], ["cleanup"]):
        said = call(*arguments)
        assert said.exit_code == 0, said.output

    assert path.is_symlink() or path.read_text() == "mine"
    assert tree.dates(project.layout) == tuple(DAYS)


@pytest.mark.parametrize("name", ["parquet", "sidecar"])
def test_a_folder_in_a_files_place_makes_no_sealed_day_and_stops_no_command(name, project):
    path = getattr(project.layout, name)(DAYS[0])
    path.unlink()
    path.mkdir()
    (path / "part-0.parquet").write_text("somebody's")

    for arguments in (["status", "--offline"], ["list"], ["inventory"], ["gaps"], ["cleanup", "--dry-run"]):
        said = call(*arguments)
        assert said.exit_code == 0, said.output
    assert call("verify").exit_code == 1

    kept = list((project.layout.data / "quarantine").rglob("part-0.parquet"))
    assert [path.read_text() for path in kept] == ["somebody's"]


@pytest.mark.parametrize("name", ["sidecar", "passport", "parquet"])
def test_a_link_to_itself_in_a_files_place_stops_no_command(name, project):
    path = getattr(project.layout, name)(DAYS[0])
    path.unlink()
    path.symlink_to(path.name)

    for arguments in (["status", "--offline"], ["list"], ["inventory"], ["gaps"]):
        assert call(*arguments).exit_code == 0


# In the temp directory ----------------------------------------------------------------------------------


def put_into(folder):
    """Put files of somebody else into a date's *folder*."""
    (folder / "mine").mkdir(parents=True)
    found = ["notes.txt", "SPXW-2024-01-05 2.ndjson", "SPXW-2024-01-05 2.receipt.json", ".DS_Store", "x.part"]
    found += ["mine/SPXW-2024-01-05.ndjson"]
    for name in found:
        (folder / name).write_text("mine")
    return {folder / name for name in found}


@pytest.fixture
def staged(project):
    """Return a date whose chains are staged, with files of somebody else beside them."""
    from tests.rules.conftest import Date

    date = Date(project, dt.date(2024, 1, 4))
    date.fetch()
    date.download()
    return date, put_into(project.layout.staging(date.date))


def files_in(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("keys", [{"keep_ndjson": False}])
def test_a_seal_leaves_what_it_did_not_put_there(keys, staged, day, terminals):
    from dataclasses import replace

    date, mine = staged
    date.settings = replace(date.settings, **keys)

    date.merge()

    assert date.layout.parquet(date.date).exists()
    assert files_in(date.layout.staging(date.date)) == mine
    assert {path.read_text() for path in mine} == {"mine"}


def test_cleanup_leaves_what_no_fill_put_there_and_says_so(staged):
    date, mine = staged

    said = call("cleanup", "--staged", "--yes")

    assert said.exit_code == 0, said.output
    assert files_in(date.layout.staging(date.date)) == mine
    assert "6 files are no part of this lake" in said.stdout
    assert call("cleanup", "--dry-run", "--staged").stdout.startswith("nothing to clean up")


def test_what_a_retry_clears_is_the_fills_alone(staged, lake, terminals):
    date, mine = staged
    listing = json.loads(date.layout.listing(date.date).read_text())
    listing["dataset"]["interval"] = "5m"
    date.layout.listing(date.date).write_text(json.dumps(listing))

    done = clear(date.settings, [date.date])

    assert [one.error for one in done] == [None]
    assert files_in(date.layout.staging(date.date)) == mine


def test_a_copy_of_a_receipt_is_no_checkpoint(staged):
    date, _ = staged

    assert not any(" " in path.name for path in date.layout.receipts(date.date))


def test_a_recheck_that_is_cleaned_up_leaves_what_is_not_its_own(project):
    aside = project.layout.aside("recheck")
    ours = [*aside.sealed_files(DAYS[0]), aside.listing(DAYS[0]), aside.journal(DAYS[0]), aside.dataset]
    for path in ours:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    mine = aside.output / "notes.txt"
    mine.write_text("mine")

    report = clean(project, MOMENT, Choice(logs=False))

    assert not report.errors
    assert files_in(project.layout.temp / "recheck") == {mine}


def test_a_recheck_without_anything_else_is_gone_with_its_folder(project):
    aside = project.layout.aside("recheck")
    for path in (*aside.sealed_files(DAYS[0]), aside.listing(DAYS[0])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    clean(project, MOMENT, Choice(logs=False))

    assert not (project.layout.temp / "recheck").exists()


# Recipes ------------------------------------------------------------------------------------------------


def recipes():
    """The blocks of code that pages show for reading the data: language and text."""
    told = (ROOT / "docs" / "how-to" / "read-the-data.md").read_text()
    told += pages.section(ROOT / "README.md", "Reading the data")
    # The tiny market has an expiration on that Wednesday instead.
    blocks = pages.blocks(told.replace("'2024-01-05'", "'2024-01-03'"))
    return list(dict.fromkeys(block for block in blocks if block[0] not in ("sh", "r")))


def answer(language, code, *, here=False):
    """What a recipe prints, in a process of its own unless it runs *here*; or its rows."""
    if language == "sql":
        return duckdb.connect().sql(code).fetchall()
    if here:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(code, {"__name__": "__main__"})
        return said.getvalue()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return said.stdout


@pytest.mark.parametrize(("language", "code"), recipes(), ids=lambda part: part.splitlines()[0])
def test_recipes_read_what_is_sealed_whatever_lies_beside_it(language, code, project):
    before = answer(language, code, here=True)
    strangers.put_beside(project.layout.parquet(DAYS[0]))

    assert before
    assert answer(language, code) == before


def by_hand(project):
    """The question that each tool is asked, by a loop over rows: date, number and median volatility."""
    found = {}
    for date in DAYS:
        for row in pq.read_table(project.layout.parquet(date)).to_pylist():
            solved = row["underlying_price"] and row["implied_vol"] and row["iv_error"] != 100
            asked = f"{row['timestamp']:%H:%M}" == "10:00" and row["expiration"] == row["date"]
            if asked and solved and row["vega"]:
                found.setdefault(date, []).append(row["implied_vol"])
    return [(date, len(values), statistics.median(values)) for date, values in sorted(found.items())]


ASKED = ["Polars: lazily", "DuckDB in Python", "pandas: one day"]


@pytest.mark.parametrize("tool", ASKED)
def test_each_tool_has_the_answer_that_a_loop_has(tool, project, capsys):
    page = (ROOT / "docs" / "how-to" / "read-the-data.md").read_text()
    (code,) = [code for _, code in pages.blocks(page) if code.startswith(f"# {tool}")]

    names = {}
    exec(code, names)
    found = names["found"]

    if tool.startswith("Polars"):
        rows = found.rows()
    elif tool.startswith("pandas"):
        rows = list(found.itertuples(index=False, name=None))
    else:
        rows = found.fetchall()
    expected = by_hand(project)
    assert [date for date, *_ in expected] == DAYS and all(count > 3 for _, count, _ in expected)
    assert rows == expected[-1 if tool.startswith("pandas") else 0 :]


@pytest.mark.skipif(not shutil.which("Rscript"), reason="R is not here (Debian: apt-get install r-base-core)")
def test_r_has_the_answer_that_a_loop_has(project):
    page = (ROOT / "docs" / "how-to" / "read-the-data.md").read_text()
    (code,) = [code for language, code in pages.blocks(page) if language == "r"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    said = subprocess.run(
        ["Rscript", "--vanilla", "-e", f"{code}\nwrite.csv(found, 'found.csv', row.names = FALSE)"],
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"},
    )

    assert said.returncode == 0, said.stderr
    found = pd.read_csv("found.csv", parse_dates=["date"])
    rows = [(date.date(), *rest) for date, *rest in found.itertuples(index=False)]
    expected = by_hand(project)
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    assert [row[2] for row in rows] == pytest.approx([row[2] for row in expected], abs=1e-9)
    assert all(str(date) in said.stdout for date in DAYS)


def test_the_traps_of_the_page_are_traps(project):
    """Each of these is silent: what the page has instead finds rows."""
    path = project.layout.parquet(DAYS[1])
    frame = pd.read_parquet(path)
    assert not (frame["expiration"] == pd.Timestamp("2024-01-03")).any()
    assert (frame["expiration"] == dt.date(2024, 1, 3)).any()
    assert (pd.to_datetime(frame["expiration"]) == pd.Timestamp("2024-01-03")).any()

    with duckdb.connect() as plain:
        plain.execute("SET TimeZone = 'UTC'")
        asked = f"SELECT count(*) FROM '{path}' WHERE strftime(\"timestamp\", '%H:%M') = '10:00'"
        assert plain.execute(asked).fetchone() == (0,)
        plain.execute("SET TimeZone = 'America/New_York'")
        assert plain.execute(asked).fetchone() > (0,)
        unsolved = f"SELECT count(*) FROM '{path}' WHERE iv_error < 100 AND implied_vol = 0"
        assert plain.execute(unsolved).fetchone() > (0,)
    with pytest.raises(Exception, match=r"json|Parquet|parquet|schema"):
        pd.read_parquet(project.layout.output)


def test_there_are_recipes_for_polars_duckdb_and_pandas():
    told = [code.splitlines()[0] for _, code in recipes()]

    assert len(told) >= 5
    assert all(
        any(word in line for line in told) for word in ("Polars", "DuckDB alone", "DuckDB in", "pandas")
    )


def test_no_page_tells_to_read_by_a_glob():
    texts = [*pages.PAGES, *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs" / "examples").glob("*.*")]
    read_by = re.compile(r"(scan_parquet|read_parquet|FROM)\s*\(?['\"][^'\"]*\*")

    assert [path.name for path in texts if read_by.search(path.read_text())] == []


def test_the_demos_question_has_the_same_answer(project):
    examples = ROOT / "docs" / "examples"
    command = [sys.executable, examples / "query.py", examples / "atm_straddle.sql", "data/parquet/"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}

    def said():
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    before = said()
    strangers.put_beside(project.layout.parquet(DAYS[0]))

    assert all(str(date) in before for date in DAYS)
    assert said() == before


def test_the_examples_sql_is_that_of_a_recipe():
    example = (ROOT / "docs" / "examples" / "sealed.sql").read_text()
    statement = example[example.index("SET VARIABLE sealed") :].strip()

    assert any(statement in code for _, code in recipes())


def test_sealed_paths_are_those_of_sealed_days_and_no_others(project):
    expected = [str(project.layout.parquet(date)) for date in DAYS]
    strangers.put_beside(project.layout.parquet(DAYS[0]))

    assert spx_data.sealed_paths() == expected
    assert spx_data.sealed_paths("2024-01-03", lake=project.layout.output) == expected[1:]
    rows = sum(pl.read_parquet(path).height for path in expected)
    assert duckdb.read_parquet(spx_data.sealed_paths()).aggregate("count(*)").fetchall() == [(rows,)]
    assert spx_data.scan().select(pl.len()).collect().item() == rows


def test_a_day_without_its_seal_is_in_no_recipe(project):
    sql = next(code for language, code in recipes() if "DuckDB alone" in code)
    project.layout.sidecar(DAYS[0]).unlink()

    assert [row[0] for row in answer("sql", sql)] == DAYS[1:]
    assert spx_data.sealed_paths(missing="ignore") == [str(project.layout.parquet(DAYS[1]))]


# In the place of a file of ours -------------------------------------------------------------------------

BOMB = gzip.compress(bytes(1 << 20)) * 200


def put(kind, path, folder):
    """Put what is no file of ours in the place of *path*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "a link":
        (folder / "victim").write_text("root:x:0:0\n")
        path.symlink_to(folder / "victim")
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "deep JSON":
        path.write_bytes(b"[" * 100_000)
    else:
        path.write_bytes(BOMB)


@pytest.mark.parametrize("kind", ["a link", "a pipe", "a device", "deep JSON", "a bomb"])
def test_what_stands_in_a_files_place_ends_no_command_and_stays_as_it_is(kind, project):
    layout, folder = project.layout, project.layout.data
    journal = layout.journal(DAYS[0])
    places = [journal.with_name(f"{journal.name}.gz"), layout.journal(DAYS[1]), layout.passport(DAYS[1])]
    places += [layout.lake_journal, layout.profile, layout.run_note, layout.dashboard]
    places += [layout.staging(dt.date(2024, 1, 4)) / "SPXW-2024-01-05.receipt.json"]
    for place in places:
        put(kind, place, folder)

    for words in (["status", "--offline"], ["list"], ["errors"], ["inventory"], ["gaps"], ["quality"]):
        said = call(*words)
        assert said.exit_code == 0, said.output
    assert f"no page of {DAYS[1]}: " in call("report").output
    assert not layout.dashboard.is_symlink()
    assert layout.dashboard.read_text().endswith("</html>")
    assert call("verify").exit_code == 1
    health = {row["check"]: row for row in json.loads(call("health", "--format", "json").stdout)}

    assert not [row for row in health.values() if "could not be looked at" in row["found"]]
    assert health["journals"]["level"] == "warn"
    if kind == "a link":
        assert (folder / "victim").read_text() == "root:x:0:0\n"
