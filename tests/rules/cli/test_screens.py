"""Every list on terminals of several widths: no character of a figure, date or name is lost on any."""

import datetime as dt
import json
import os
import pty
import re
import subprocess
import sys
import time

import pytest
import yaml
from click.testing import CliRunner
from rich.text import Text
from tests.sealed_days import fail, judged, record, seal

from spx_data import config
from spx_data.cli import commands, configuration, gaps, health, listing, metrics, quality, reading
from spx_data.cli.screen import SafeConsole, Table
from spx_data.cli.table import Column, laid_out
from spx_data.settings import Settings
from spx_data.store import journal

WIDTHS = [60, 80, 100, 160]
LONG = (
    "GET http://127.0.0.1:25503/v3/option/history/greeks/all?symbol=SPXW&expiration=20240216&date=20240109"
    " answered 200 with a body that ends in the middle of a row; asked again 5 times within 312 seconds"
)
LISTS = {
    "list": (listing.SESSIONS, ("list", "--all")),
    "errors": (listing.ERRORS, ("errors", "--each")),
    "errors by cause": (listing._patterns("cause"), ("errors", "--by", "cause")),
    "inventory": (listing.FILES, ("inventory",)),
    "metrics": (metrics.FILLS, ("metrics",)),
    "metrics by week": (
        metrics._periods(metrics._HEADINGS, "week", ""),
        ("metrics", "--by", "week"),
    ),
    "quality": (quality.DAYS, ("quality",)),
    "quality by month": (metrics._periods(quality._headings(), "month", ""), ("quality", "--by", "month")),
    "gaps": (gaps.GAPS, ("gaps", "--all")),
    "health": (health.CHECKS, ("health",)),
    "views": (reading.VIEWS, ("views",)),
    "config get": (configuration.SETTINGS, ("config", "get")),
    "config history": (configuration.CHANGES, ("config", "history")),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake of large sealed days, of failures with long reasons, and of days that lack something."""
    folder = tmp_path_factory.mktemp("lake")
    (folder / "config").mkdir()
    sections = {
        "processing": {"start_date": "2024-01-02", "end_date": "2024-04-30"},
        "thetadata": {"base_url": "http://127.0.0.1:9"},
    }
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(sections))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setenv("SPX_DATA_NOW", "2024-05-10T08:00:00-04:00")
        make(Settings.of(config.resolve(config.load(config.FILE), {})))
        assert CliRunner().invoke(commands, ["config", "set", "processing.batch_size", "7"]).exit_code == 0
        yield folder


def make(settings):
    rejects = {"rows": 1_234_567, "reasons": {"strike": 1_234_000, "conflict": 567}, "sha256": "a" * 64}
    rejects |= {"duplicates_dropped": 1, "conflicts": 2}
    for number in range(30):
        date = dt.date(2024, 1, 2) + dt.timedelta(days=number)
        if date.weekday() > 4 or date in (dt.date(2024, 1, 9), dt.date(2024, 1, 11), dt.date(2024, 1, 15)):
            continue
        sections = {"rejects": rejects} if number == 6 else {}
        worth = judged(quotes=40.0, parity=20.0, greeks=0.0) if number % 7 == 1 else judged()
        rows = 281_365 if number % 2 else 12_345_678
        seal(settings, date, rows=rows, seconds=4711.0, quality=worth, **sections)
    about = {"root": "SPXW", "expiration": "2024-02-16", "error": "ApiConnectionError", "cause": LONG}
    record(settings, dt.date(2024, 1, 3), journal.RETRIED, at="2024-01-03T14:30:01+00:00", attempt=1, **about)
    fail(settings, dt.date(2024, 1, 9))
    at = "2024-02-01T09:00:00+00:00"
    for run in range(3):
        about = {"error": "ApiResponseInvalidError", "cause": LONG, "seconds": 3.0, "run": f"run-{run}"}
        record(settings, dt.date(2024, 1, 11), journal.FAILED, at=at, **about)


def screen(width, *arguments, terminal=True):
    """What a command prints on a terminal of that width, without its colours."""
    env = {"COLUMNS": str(width), "TTY_COMPATIBLE": str(int(terminal)), "TERM": "xterm"}
    result = CliRunner().invoke(commands, arguments, env=env)
    assert result.exit_code in (0, 1), result.output
    return Text.from_ansi(result.stdout).plain


def stands_there(text, shown):
    """Whether *text* is on the screen as it is: no part of a longer figure or name."""
    return re.search(rf"(?<![\w.,:-]){re.escape(text)}(?![\w:]|[.,-]\w)", shown) is not None


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", LISTS)
def test_a_list_loses_no_character_at_any_width(name, width):
    what, arguments = LISTS[name]
    rows = json.loads(CliRunner().invoke(commands, [*arguments, "--format", "json"]).stdout)
    # What is free, in use and written changes from one call to the next.
    rows = [row for row in rows if row.get("check") not in ("disk", "memory", "database")]

    shown = screen(width, *arguments)

    note = re.search(r"no room for (.+?) \(see --wide", " ".join(shown.split()))
    gone = note[1].split(", ") if note else []
    assert rows
    for column in what.columns:
        if column.heading in gone:
            assert column.rank
            continue
        cells = [column.text(row) for row in rows]
        for text in [part for cell in cells for part in (cell.split() if column.wraps else [cell])]:
            # What breaks at all is longer than any figure, date or name.
            assert len(text) > 40 or "/" in text or stands_there(text, shown), column
    first = what.columns[0].heading or what.columns[0].field
    if not shown.startswith(f"{first}: "):
        assert max(map(len, shown.split("\n")[: len(rows) + 1])) <= width


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize("name", ["list", "gaps"])
def test_a_long_list_shows_40_rows_and_says_how_to_see_the_others(name):
    every, code = json.loads(CliRunner().invoke(commands, [name, "--format", "json"]).stdout), 160
    few, all_of_them = screen(code, name), screen(code, name, "--all")

    dates = re.compile(r"^2024-\d\d-\d\d", re.MULTILINE)
    assert len(every) > 40
    assert len(dates.findall(few)) == 40
    assert f"40 of {len(every)}, " in few
    assert "--all shows the others" in few
    assert [row["date"] for row in every] == dates.findall(all_of_them)
    assert len(dates.findall(screen(code, name, "--limit", "50"))) == 50
    assert (
        len(json.loads(CliRunner().invoke(commands, [name, "--format", "json", "--limit", "3"]).stdout)) == 3
    )


@pytest.mark.usefixtures("lake")
def test_wide_shows_every_column_and_so_does_a_pipe():
    wide, pipe = screen(60, "metrics", "--wide"), screen(60, "metrics", terminal=False)

    assert wide == pipe
    assert wide.split("\n")[0].split("  ")[-1].strip() == "MB of memory"


@pytest.mark.usefixtures("lake")
def test_the_overview_keeps_its_figures_at_sixty_columns():
    shown = screen(60, "status", "--offline")

    assert "no room for expirations, contracts, MB (see spx-data list)" in shown
    assert stands_there("2024-04-30", shown)


# A real terminal ------------------------------------------------------------------------------------------


def test_a_terminal_of_eighty_columns_is_seen(lake):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from spx_data.cli import main; main()", "list", "--status", "sealed"]
    env = {**os.environ, "COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(command, cwd=lake, stdout=theirs, env=env) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 65_536)
            except OSError:
                break
        process.wait(60)
    os.close(ours)

    shown = Text.from_ansi(said.decode().replace("\r\n", "\n")).plain
    assert "281,364" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "no room for " in shown


# The layout alone -----------------------------------------------------------------------------------------

COLUMNS = [
    Column("date", "date"),
    Column("rows", "rows of the day", "{:,}".format, right=True),
    Column("path", "path", wraps=True),
    Column("more", "more", rank=1),
]
ROW = {"date": "2024-01-02", "rows": 12_345_678, "path": "/srv/lake/parquet/2024/01/02", "more": "x" * 30}


def lines(rows, columns, width):
    return ["".join(text for text, _ in line) for line in laid_out(rows, columns, width).lines]


def test_headings_wrap_before_a_column_goes():
    assert lines([ROW], COLUMNS, 95)[0].split("  ")[0] == "date"
    assert lines([ROW], COLUMNS, 84)[:2] == [
        "date          rows of the  path                       more",
        "                      day",
    ]


def test_the_least_important_column_goes_first_and_is_named():
    layout = laid_out([ROW], COLUMNS, 60)

    assert layout.left_out == ("more",)
    assert "".join(text for text, _ in layout.lines[1]).startswith("2024-01-02")


def test_where_not_even_the_essential_ones_fit_rows_are_stacked_and_whole():
    assert lines([ROW, ROW], COLUMNS, 30)[:5] == [
        "date: 2024-01-02",
        "rows of the day: 12,345,678",
        "path: ",
        "/srv/lake/parquet/2024/01/02",
        f"more: {'x' * 30}",
    ]


def test_long_words_break_behind_a_slash_and_else_only_beyond_40_characters():
    row = {"text": f"in /srv/{'a' * 38}/b, and {'c' * 50} then", "more": None}
    columns = [Column("text", "text", wraps=True), Column("more", "more")]

    assert lines([row], columns, 46)[1:] == [
        "in                                        –",
        "/srv/",
        f"{'a' * 38}/",
        "b, and",
        "c" * 40,
        f"{'c' * 10} then",
    ]


def test_a_command_of_the_last_column_stays_on_one_line_to_be_copied():
    command = "spx-data retry 2024-01-03,2024-01-04 --force"
    row = {"text": f"`{command}`", "more": f"what became of it:\n→ `{command}`, or wait for the next run"}
    columns = [Column("text", "text", wraps=True), Column("more", "more", wraps=True)]

    first = [line[:31].rstrip() for line in lines([row], columns, 65)[1:]]
    last = [line[31:].strip() for line in lines([row], columns, 65)[1:]]

    assert " ".join(first).strip() == command  # at its blanks, beside another one
    assert last == ["what became of it:", "→", f"{command},", "or wait for the next run"]
    assert f"→ {command}, or wait" in "\n".join(lines([row], columns, None))


@pytest.mark.parametrize("width", [None, 200, 70])
def test_ten_thousand_rows_are_quick(width):
    rows = [{**ROW, "path": f"/srv/lake/parquet/{number}"} for number in range(10_000)]
    begun = time.process_time()

    found = laid_out(rows, COLUMNS, width)

    assert len(found.lines) > 10_000
    assert time.process_time() - begun < 5  # a second at the most, on a machine at rest


def test_a_line_has_colours_where_the_console_has():
    column = Column("date", "date", style=lambda _: "bold red")
    for colours in (True, False):
        console = SafeConsole(width=80, force_terminal=True, color_system="standard" if colours else None)
        with console.capture() as captured:
            console.print(Table([ROW], [column]), crop=False)

        assert ("\x1b[1;31m2024-01-02\x1b[0m" in captured.get()) is colours
