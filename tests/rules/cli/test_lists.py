"""The lists (`list`, `errors`, `quality` and the like) on a lake of files: what they print, byte for byte.

The JSON and CSV of each stand in `tests/golden`; with GOLDEN=write in the environment they are written.
"""

import csv
import datetime as dt
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.sealed_days import fail, judged, record, reseal, seal

from spx_data import config
from spx_data.cli import commands
from spx_data.cli.table import Column
from spx_data.errors import SpxDataError
from spx_data.lake.session_states import Kind
from spx_data.settings import Settings
from spx_data.store import journal

GOLDEN = Path(__file__).parents[2] / "golden"
NOW = "2024-02-20T08:00:00-05:00"
# By the moment of the seal, which `seal` puts on the trading date itself.
SEALED = [dt.date(2024, 1, day) for day in (2, 3, 5)] + [dt.date(2024, 2, day) for day in (1, 2)]
# What is wrong with them: the second has a bad part, the third a bad score; the last was never judged.
JUDGED = [
    {},
    {"parity": 0.0},
    {"completeness": 99.97, "quotes": 40.0, "parity": 20.0, "greeks": 0.0},
    {},
    None,
]
BAD = {
    "completeness": {"contracts_missing": 2, "stamps_missing": 3, "complete": False},
    "rejects": {
        "rows": 14,
        "reasons": {"strike": 10, "conflict": 4},
        "duplicates_dropped": 1,
        "conflicts": 2,
        "sha256": "a" * 64,
    },
    "session": {"findings": ["the vendor says that it closed at 13:00"]},
}
FAILED, PARKED = dt.date(2024, 1, 4), dt.date(2024, 1, 8)
CALLS = {
    "list": ("list", "--to", "2024-02-02"),
    "errors": ("errors",),
    "errors-by-type": ("errors", "--by", "type"),
    "metrics": ("metrics",),
    "metrics-by-month": ("metrics", "--by", "month"),
    "metrics-trend": ("metrics", "--trend"),
    "quality": ("quality",),
    "quality-of-a-day": ("quality", "2024-01-05"),
    "quality-by-month": ("quality", "--by", "month"),
    "quality-trend": ("quality", "--trend"),
    "inventory": ("inventory", "2024-01-02,2024-02"),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder as the working directory, with a lake of sealed, failed and missing dates."""
    (tmp_path / "config").mkdir()
    sections = {"processing": {"start_date": "2024-01-02", "end_date": "2024-02-16"}}
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(sections))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPX_DATA_NOW", NOW)
    monkeypatch.setenv("COLUMNS", "200")
    settings = Settings.of(config.resolve(config.load(config.FILE)))
    about = {"root": "SPX", "expiration": "2024-01-19", "error": "ApiConnectionError", "cause": "hung up"}
    record(settings, SEALED[0], journal.REQUEST, at="2024-01-02T14:30:00+00:00", status=500)
    record(settings, SEALED[0], journal.RETRIED, at="2024-01-02T14:30:01+00:00", attempt=1, **about)
    record(settings, SEALED[0], journal.REQUEST, at="2024-01-02T14:30:02+00:00", status=200)
    record(
        settings, SEALED[1], journal.FINISHED, at="2024-01-03T14:30:00+00:00", seconds=0.0, memory_mb=512.25
    )
    for number, (date, points) in enumerate(zip(SEALED, JUDGED, strict=True), start=1):
        sections = {"quality": None if points is None else judged(**points), **(BAD if number == 3 else {})}
        seal(settings, date, rows=4000 * number, seconds=30.0 * number + 30, **sections)
    fail(settings, FAILED)
    fail(settings, PARKED, runs=3)
    return settings


def call(*arguments):
    return CliRunner().invoke(commands, arguments)


def printed(*arguments, code=0):
    result = call(*arguments)
    assert result.exit_code == code, result.output
    return result.stdout


def rows(*arguments, code=0):
    return json.loads(printed(*arguments, "--format", "json", code=code))


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("name", [*CALLS, "gaps"])
def test_what_programs_read_stays_as_it_is(name, form, project):
    # One of them is parked; the day is a bad one.
    code = int(name in {"gaps", "quality-of-a-day"})
    found = printed(*CALLS.get(name, (name,)), "--format", form, code=code)

    golden = GOLDEN / f"{name}.{form}"
    if os.environ.get("GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found)
    assert found == golden.read_text()


LISTS = [name for name in CALLS if name != "quality-of-a-day"]


@pytest.mark.parametrize("name", LISTS)
def test_csv_and_json_say_the_same(name, project):
    objects = rows(*CALLS[name])
    lines = list(csv.DictReader(io.StringIO(printed(*CALLS[name], "--format", "csv"))))

    assert [list(line) for line in lines] == [list(each) for each in objects]
    for line, each in zip(lines, objects, strict=True):
        texts = {key: json.dumps(value) if isinstance(value, list) else value for key, value in each.items()}
        expected = {key: "" if value is None else str(value).lower() for key, value in texts.items()}
        assert {key: text.lower() for key, text in line.items()} == expected


def fields_of(document):
    """The names of all fields of a JSON document, but for those whose names are data."""
    if isinstance(document, list):
        return {name for each in document for name in fields_of(each)}
    if not isinstance(document, dict):
        return set()
    inner = (
        value for name, value in document.items() if name not in {"hits", "reasons", "figures", "written_by"}
    )
    return {*document, *(name for value in inner for name in fields_of(value))}


@pytest.mark.parametrize("name", CALLS)
def test_every_field_is_documented(name, project):
    manual = (Path(__file__).parents[3] / "docs" / "output.md").read_text()

    found = json.loads(call(*CALLS[name], "--format", "json").stdout)

    assert sorted(field for field in fields_of(found) if f"`{field}`" not in manual) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("gaps",), 1),
        (("process-gaps", "--dry-run"), 1),  # no terminal is there
        (("cleanup", "--dry-run"), 0),
        (("verify", "--depth", "bytes"), 1),  # the days are made of nothing
        (("config", "get"), 0),
        (("config", "history"), 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_field_of_what_other_commands_print_is_documented(arguments, code, project, monkeypatch):
    manual = (Path(__file__).parents[3] / "docs" / "output.md").read_text()
    monkeypatch.setenv("THETADATA_BASE_URL", "http://127.0.0.1:9")
    if arguments[0] == "cleanup":
        (project.layout.temp / "2024-01-09").mkdir(parents=True)
    if arguments == ("config", "history"):
        printed("config", "set", "processing.batch_size", "7")

    found = json.loads(printed(*arguments, "--format", "json", code=code))

    objects = [found, *found["dates"], found["totals"], *found["conflicts"]] if "totals" in found else found
    assert objects
    assert {field for each in objects for field in each if f"`{field}`" not in manual} == set()


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_is_a_header_an_empty_array_or_words(name, project):
    command, *options = CALLS[name]
    kept = [word for word in options if not word.startswith("2024")]
    arguments = ["list", "--from", "2030"] if command == "list" else [command, *kept, "2030"]
    header = (GOLDEN / f"{name}.csv").read_text().splitlines()[0]

    assert printed(*arguments).startswith("no ")
    if not name.endswith("-trend"):  # it says of each figure that nothing can be said
        assert json.loads(printed(*arguments, "--format", "json")) == []
        assert printed(*arguments, "--format", "csv").splitlines() == [header]


# list -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "dates"),
    [
        (("--failed-only",), ["2024-01-08", "2024-01-04"]),
        (("--status", "parked"), ["2024-01-08"]),
        (("--status", "failed"), ["2024-01-08", "2024-01-04"]),
        (("--status", "success", "--limit", "2"), ["2024-02-02", "2024-02-01"]),
        (("--from", "2024-01-04", "--to", "2024-01-05"), ["2024-01-05", "2024-01-04"]),
        (("--from", "2024-02", "--to", "2024-02", "--status", "sealed"), ["2024-02-02", "2024-02-01"]),
        (("--since", "last 20 days", "--from", "2024-01-09"), ["2024-02-02", "2024-02-01"]),
        (("--status", "sealed", "--status", "parked", "--to", "2024-01-08"), None),
    ],
)
def test_list_takes_only_what_was_asked_for(options, dates, project):
    found = [row["date"] for row in rows("list", *options)]

    assert found == (dates or ["2024-01-08", "2024-01-05", "2024-01-03", "2024-01-02"])


def test_list_shows_people_what_went_wrong(project):
    shown = printed("list", "--failed-only")

    assert "parked" in shown
    assert "the answer is no CSV" in shown
    assert shown.index("2024-01-08") < shown.index("2024-01-04")


@pytest.mark.parametrize(
    "wrong",
    [
        ("list", "--from", "2024-02", "--to", "2024-01"),
        ("list", "--status", "nonsense"),
        ("list", "--since", "some day"),
        ("list", "--limit", "0"),
        ("errors", "2024-13"),
        ("errors", "--by", "weather"),
        ("metrics", "--by", "year"),
        ("quality", "2024-01-06"),
        ("quality", "--below", "101"),
        ("inventory", "--format", "xml"),
    ],
)
def test_a_wrong_call_ends_with_2(wrong, project):
    result = call(*wrong)

    assert result.exit_code == 2
    assert result.stdout == ""


# errors, metrics, inventory -------------------------------------------------------------------------------


def test_errors_mark_what_is_not_resolved(project):
    found = rows("errors")

    assert [row["at"] for row in found] == sorted((row["at"] for row in found), reverse=True)
    assert {row["date"] for row in found if not row["resolved"]} == {"2024-01-04", "2024-01-08"}
    assert {row["date"] for row in found if row["resolved"]} == {"2024-01-02"}


def test_errors_that_are_alike_are_one_row_of_a_table_with_one_cure(project, tmp_path):
    cure = "Start the Theta Terminal"
    gone = {"cause": "no Theta Terminal answers at http://127.0.0.1:1", "cure": cure, "stage": "download"}
    for number, day in enumerate((11, 12, 16, 17)):
        error = ("ThetaTerminalNotRunningError", "TerminalDisconnectedError")[number % 2]
        for event in (journal.RETRIED, journal.FAILED):
            record(project, dt.date(2024, 1, day), event, at=NOW, error=error, **gone)

    shown = printed("errors")

    assert shown.count(cure) == 1
    (row,) = [line for line in shown.splitlines() if "no Theta Terminal answers" in line]
    assert re.search(r" 4 +4 +8  (ThetaTerminalNotRunning|TerminalDisconnected)Error  ", row)
    assert "the answer is no CSV" in shown
    assert f"errors --each lists each of {len(rows('errors'))} errors" in shown
    assert printed("errors", "--each").count("no Theta Terminal answers") == 8
    assert "--each" not in printed("errors", "--type", "ApiConnectionError")  # that is one already


def test_what_is_resolved_needs_no_cure_in_the_table_of_errors(project):
    about = {"error": "ApiConnectionError", "cause": "hung up again", "cure": "Wait"}
    record(project, SEALED[0], journal.RETRIED, at="2024-01-02T14:30:03+00:00", attempt=1, **about)

    assert "Wait" not in printed("errors")


def test_errors_are_filtered_by_trading_date_moment_and_type(project):
    assert {row["date"] for row in rows("errors", "2024-01-04")} == {"2024-01-04"}
    assert [row["error"] for row in rows("errors", "--type", "apiconnectionerror")] == ["ApiConnectionError"]
    # `fail` says that it happened on the last evening of November, in New York.
    assert {row["date"] for row in rows("errors", "--since", "2024-11")} == {"2024-01-04", "2024-01-08"}
    assert len(rows("errors", "--limit", "1")) == 1


@pytest.mark.parametrize(
    ("by", "group"),
    [
        ("type", "ApiConnectionError"),
        ("hour", "09"),
        ("expiration", "SPX 2024-01-19"),
        ("date", "2024-01-02"),
    ],
)
def test_patterns_are_shown_to_people_too(by, group, project):
    assert group in printed("errors", "--by", by)


def test_metrics_show_periods_and_verdicts_together(project):
    shown = printed("metrics", "--trend")

    assert "2024-01" in shown
    assert "needs 6 periods, has 2" in shown
    assert "2024-02-02" in printed("metrics")


def test_metrics_by_week_are_more_periods_than_by_month(project):
    assert len(rows("metrics", "--by", "week")) == 2
    assert [row["period"] for row in rows("metrics", "--by", "month", "--limit", "1")] == ["2024-02"]


def test_an_inventory_has_every_sealed_file_as_the_system_sees_it(project):
    found = rows("inventory")

    on_disk = {path for path in project.layout.output.rglob("*") if path.is_file()}
    assert {Path(row["path"]) for row in found} == on_disk
    assert all(row["size"] == Path(row["path"]).stat().st_size for row in found)
    assert all(row["checksum"] == hashlib.sha256(Path(row["path"]).read_bytes()).hexdigest() for row in found)
    assert f"{len(on_disk)} files of {len(SEALED)} dates" in printed("inventory")


# quality --------------------------------------------------------------------------------------------------


def test_quality_lists_judged_days_and_what_cost_points(project):
    found = {row["date"]: row for row in rows("quality")}

    assert list(found) == ["2024-02-01", "2024-01-05", "2024-01-03", "2024-01-02"]
    assert [row["verdict"] for row in found.values()] == ["good", "fail", "warn", "good"]
    assert found["2024-01-05"]["findings"][0] == "delta: 40 of 800 values (5 %)"
    assert found["2024-01-05"]["session_findings"] == ["the vendor says that it closed at 13:00"]


@pytest.mark.parametrize(
    ("options", "dates", "code"),
    [
        (("--below", "90"), ["2024-01-05", "2024-01-03"], 0),
        (("--limit", "1"), ["2024-02-01"], 0),
        (("2024-01", "--limit", "2"), ["2024-01-05", "2024-01-03"], 1),
        (("2024-01-02,2024-01-03",), ["2024-01-03", "2024-01-02"], 0),
        (("2024-01-05", "--below", "10"), [], 0),
    ],
)
def test_quality_takes_only_what_was_asked_for_and_ends_with_1_for_a_bad_date_that_was_named(
    options, dates, code, project
):
    assert [row["date"] for row in rows("quality", *options, code=code)] == dates


def test_quality_shows_people_the_worst_first_and_how_many_days_there_are(project):
    shown = printed("quality")

    assert "delta: 40 of 800 values (5 %), and 4 more" in shown
    assert "4 days: 2 good, 1 warn, 1 fail" in shown
    assert "2024-01" in printed("quality", "--trend")
    assert "67.0" not in shown  # points are never rounded up


def test_days_that_stand_out_and_expirations_that_are_lost_are_shown(project):
    days = [dt.date(2024, 1, day) for day in (*range(9, 13), *range(16, 20), *range(22, 25))]
    for date in days:
        seal(project, date, rows=20_000, quality=judged(spread=0.04 if date == days[-1] else 0.01))
    listed = json.loads(project.layout.passport(days[5]).read_bytes())
    details = listed["details"] | {"chains": listed["details"]["chains"][:-1]}
    listed |= {"chains": listed["chains"][:-1], "details": details}
    reseal(project.layout, days[5], listed)

    found = {row["date"]: row for row in rows("quality")}
    shown = printed("quality")

    assert [each["measure"] for each in found["2024-01-24"]["outliers"]] == ["spread_median"]
    assert "spread ×4" in shown
    assert found["2024-01-17"]["expirations_lost"] == ["SPX 2024-02-09"]
    assert "SPX 2024-02-09 is not listed" in shown
    assert "absent today: SPX 2024-02-09\n" in printed("quality", "2024-01-17")
    assert re.search(r"spread +4 % +1 % +\+27\.7", printed("quality", "2024-01-24"))


def test_a_bad_day_is_told_in_full(project):
    shown = printed("quality", "2024-01-05", code=1)

    for words in (
        "2024-01-05  66.9 of 100, fail",
        "delta: SPX 2024-01-19 C 4700 at 10:31",
        "10:31 (40)",
        "nothing found by underlying-missing, butterfly, iv-range",
        "greeks 0.0, parity 20.0, quotes 40.0",
        "not complete",
        "missing: SPX 2024-01-05 C 4700, P 4705",
        "session: the vendor says that it closed at 13:00",
        "set aside: 14 records (10 strike, 4 conflict)",
        "1 repeated record dropped",
        "→ data/rejects/2024/2024-01-05.ndjson",
        "too few days around to compare with",
        "12,000 rows from API v3, greeks latest",
        "spx-data recheck 2024-01-05",
    ):
        assert words in shown


def test_gaps_are_named_up_to_what_a_person_reads(project):
    gap = {"contract": None, "first": "10:31", "last": "10:31", "stamps": 8, "explained": False}
    listed = json.loads(project.layout.passport(SEALED[0]).read_bytes())
    listed["details"]["chains"][0] |= {"gaps": [gap] * 11, "more": {"gaps": 40}}
    listed["chains"][1]["explained"] = "the source has no data for it"
    listed["quality"]["figures"]["rate"] = None
    reseal(project.layout, SEALED[0], listed)

    shown = printed("quality", "2024-01-02")

    assert shown.count("missing: SPX 2024-01-05 every contract at 10:31 (8 stamps)") == 11
    assert "… and 40 more of SPX 2024-01-05: gaps" in shown
    assert "… and 1 more: --format json has all" in shown
    assert "explained: " not in shown
    assert "rate –" in shown


def test_a_good_day_is_told_without_a_cure(project):
    shown = printed("quality", "2024-01-02")

    assert "100 of 100, good" in shown
    assert "checks that found something\nnone\n" in shown
    assert "all have 100 points" in shown
    assert "complete: expected - received - explained = 0" in shown
    assert "recheck" not in shown


@pytest.mark.parametrize(
    ("date", "says"),
    [
        (
            "2024-01-09",
            "2024-01-09 is not sealed (missing), and only sealed days are judged. `spx-data process",
        ),
        (
            "2024-02-02",
            "holds no judgement: a version before judged nothing. Move data/parquet/2024/02/02 away",
        ),
    ],
)
def test_a_day_without_a_judgement_is_one_line_with_the_cure(date, says, project):
    result = call("quality", date)

    assert isinstance(result.exception, SpxDataError)
    assert says in str(result.exception)


# Long tables and short readers ----------------------------------------------------------------------------

COLUMNS = [
    Column("date", "date"),
    Column("rows", "rows", lambda value: f"{value:,}", right=True),
    Column("kind", "kind", style=lambda row: "bold red" if row["kind"] == Kind.FAILED else ""),
    Column("reason", "a longer heading", wraps=True),
]
LINES = [
    {"date": "2024-01-02", "rows": 1_234_567, "kind": "sealed", "reason": None},
    {"date": "2024-01-03", "rows": None, "kind": "failed", "reason": "no [markup] here"},
]


def test_a_reader_who_has_read_enough_is_no_error(project):
    sections = {"processing": {"start_date": "2016-01-04", "end_date": "2024-02-16"}}
    config.FILE.write_text(yaml.safe_dump(sections))
    command = [Path(sys.executable).parent / "spx-data", "list"]
    for form in ("table", "json", "csv"):
        with subprocess.Popen(
            [*command, "--format", form], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            process.stdout.close()

            assert process.stderr.read() == b""
            assert process.wait(30) == 0
