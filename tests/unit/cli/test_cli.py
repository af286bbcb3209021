"""The command as such: wrong calls, errors in one line, formats, help; each command has its own tests."""

import datetime as dt
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from tests.loading import loaded
from tests.sealed_days import seal

from spx_data import cli, config
from spx_data.cli.lists import List, View
from spx_data.cli.table import Column
from spx_data.errors import DeviceError
from spx_data.settings import Settings
from spx_data.text import words

ROWS = [
    {"date": "2024-01-02", "rows": 1234, "whole": True, "reason": 'a "word", and\nmore', "notes": ["a"]},
    {"date": "2024-01-03", "rows": None, "whole": False, "reason": "[bold]no markup[/]", "notes": []},
]
COLUMNS = [Column("date", "date"), Column("rows", "rows", words.count, right=True), Column("reason", "why")]
NAMES = cli.commands.list_commands(click.Context(cli.commands))
GROUPS = {
    name: found.list_commands(click.Context(found))
    for name in NAMES
    if isinstance(found := cli.commands.get_command(click.Context(cli.commands), name), click.Group)
}
EVERY_NAME = [*NAMES, *(f"{name} {inner}" for name, inners in GROUPS.items() for inner in inners)]


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Return a caller of the command in a folder of its own: exit code, stdout, stderr."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(
        yaml.safe_dump({"processing": {"start_date": "2024-01-02", "end_date": "2024-01-05"}})
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPX_DATA_NOW", "2024-06-01T12:00:00-04:00")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["spx-data", *arguments])
        code = cli.run()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


# Calls --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["no-such-command"], "No such command 'no-such-command'\n"),
        (["statsu"], "No such command 'statsu'. Did you mean 'status'?"),
        (["config", "gte"], "No such command 'gte'. Did you mean 'get'?"),
        (["help", "proces"], "No such command 'proces'. (Did you mean one of: 'probe', 'process', 'pro"),
        (["help", "status", "now"], "spx-data status has no commands of its own, so no 'now'"),
        (["status", "--no-such-option"], "No such option '--no-such-option'"),
        (["status", "--ofline"], "No such option '--ofline'. Did you mean '--offline'?"),
        (["list", "--format", "xml"], "'xml' is not one of 'table', 'json', 'csv'"),
        (["list", "--format", "jsn"], "'jsn' is not one of 'table', 'json', 'csv'. Did you mean 'json'?"),
        (["list", "--status", "seald"], "Did you mean 'sealed'?"),
        (["config", "set", "start_dat", "2024-01-02"], "Did you mean processing.start_date? Others like it"),
        (["process"], "Missing argument 'DATES...'"),
        (["process", "2024-13-01"], "'2024-13-01' is not in the calendar"),
        (["process", "tomorrow"], "'tomorrow' is no date"),
        (
            ["process", "2024-01-06"],
            "2024-01-06: a Saturday, no session of NYSE. The nearest sessions are 2024-01-05 and 2024-01-08",
        ),
        (
            ["process", "2024-01-06", "2024-01-07"],
            "a Sunday, no session of NYSE. The nearest sessions",
        ),
        (
            ["process", "2024-03-29"],
            "Good Friday, no session of NYSE. The nearest sessions are 2024-03-28",
        ),
        (
            ["process", "2018-12-05"],
            "a day without trading, no session of NYSE. The nearest sessions",
        ),
        (["process", "2030-01-02"], "2030-01-02: in the future. The last finished session is 2024-05-31"),
        (
            ["process", "0001-01-02"],
            "before 2017-01-03, when greeks of SPX options begin",
        ),
        (
            ["process", "2016-12-30"],
            "Name 2017-01-03 or later",
        ),
        (
            ["process", "2024-01-06..2024-01-07"],
            "The nearest sessions are 2024-01-05 and 2024-01-08",
        ),
        (["process", "2025"], "is finished. The last finished session is 2024-05-31"),
        (["process-range", "2024-01-05", "2024-01-02"], "2024-01-02 is before 2024-01-05: swap them"),
        (["process-range", "2024-01-06", "2024-01-07"], "there is no session of NYSE"),
        (["process-gaps", "--batch-size", "0"], "0 is not in the range"),
        (["process-gaps", "--cores", "none"], "'none' is not a valid integer"),
        (["retry"], "name dates, or give --all-failed, or --last-n N"),
        (["retry", "2024-01-02", "--all-failed"], "name dates, or give --all-failed"),
        (["retry", "2024-01-02", "--since-date", "2024-01-02"], "--since-date goes with --all-failed"),
        (["retry", "2024-01-06"], "2024-01-06: a Saturday, no session"),
        (["retry", "2024-02-01"], "outside of processing.start_date and end_date, and never asked for"),
        (["quality", "2024-02-01"], "outside of processing.start_date and end_date, and never asked for"),
        (["accept", "2024-01-02"], "--reason is missing"),
        (["accept", "2024-01-06", "--reason", "weekend"], "2024-01-06: a Saturday"),
        (["accept", "2024-12-25", "--reason", "Christmas"], "2024-12-25: in the future"),
        (["accept", "2024-01-02", "--reason", " "], "without a reason"),
        (["accept", "2024-01-02", "--as-is"], "--reason is missing"),
        (["accept", "2024-01-02", "--as-is", "--reason", " "], "without a reason"),
        (["accept", "2024-01-02", "--as-is", "--reason", "enough"], "nothing of 2024-01-02 is staged"),
        (["accept", "2024-01-02", "--as-is", "--undo"], "--as-is goes with neither"),
        (["mend", "2024-13-01"], "'2024-13-01' is not in the calendar"),
        (["accept", "2024-01-02", "--undo"], "was not accepted"),
        (["verify", "2024-01-02", "--all"], "name dates or give --all, not both"),
        (["verify", "last year of school"], "is no date"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_a_wrong_call_is_one_line_with_where_to_read_on_and_leaves_nothing(call, tmp_path, arguments, says):
    code, out, err = call(*arguments)

    assert code == 2
    assert out == ""
    assert err.startswith("spx-data: ")
    assert err.count("\n") == 1
    assert says in err
    assert not (tmp_path / "data" / "journal").exists()


def test_what_needs_a_person_is_one_line_and_one(call, tmp_path):
    (tmp_path / "config" / "config.yaml").unlink()

    code, out, err = call("status")

    assert (code, out) == (1, "")
    assert re.fullmatch(r"spx-data: there is no config file spx-data\.yaml\. .+\n", err)


def test_debug_shows_where_an_error_comes_from(call, tmp_path):
    (tmp_path / "config" / "config.yaml").unlink()

    _, _, plain = call("status")
    _, _, debug = call("--debug", "status")

    assert "Traceback" not in plain
    assert "Traceback (most recent call last)" in debug
    assert debug.endswith(plain)


@pytest.mark.parametrize(
    "error, code, says",
    [
        (DeviceError("the disk hums", cure="Listen"), 1, "spx-data: the disk hums. Listen\n"),
        (ZeroDivisionError("of what?"), 1, "spx-data: unexpected ZeroDivisionError: of what?. Add --debug"),
        (KeyboardInterrupt(), 130, "spx-data: interrupted\n"),
        (click.ClickException("two\nlines"), 1, "spx-data: two lines\n"),
    ],
)
def test_every_error_is_one_line(call, monkeypatch, error, code, says):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(cli.commands.get_command(None, "status"), "invoke", fail)

    found, _, err = call("status")

    assert found == code
    assert err.startswith(says)
    assert err.count("\n") == 1


# A lake without a terminal ------------------------------------------------------------------------------


@pytest.fixture
def sealed(call, tmp_path):
    """The four sessions of the range, sealed."""
    settings = Settings.of(config.resolve(config.load(config.FILE), {}))
    for day in (2, 3, 4, 5):
        seal(settings, dt.date(2024, 1, day))
    return settings


def test_a_whole_lake_leaves_nothing_to_do(call, sealed):
    assert call("process-gaps") == (0, "nothing to do: no session is due\n", "")
    assert call("process-range", "2024-01-01", "2024-01-07")[:2] == (
        0,
        "nothing to do: all of them are sealed\n",
    )
    assert call("retry", "--all-failed") == (0, "nothing to retry: no date has failed\n", "")


def test_what_needs_no_retry_is_a_wrong_call(call, sealed):
    code, _, err = call("retry", "2024-01-02")

    assert code == 2
    assert "2024-01-02 is sealed: there is nothing to retry" in err


def test_a_date_is_accepted_left_alone_and_opened_again(call, monkeypatch):
    monkeypatch.setenv("THETADATA_BASE_URL", "http://127.0.0.1:9")

    accepted = call("accept", "2024-01-02", "--reason", "the vendor lost it")
    left, retried = call("process", "2024-01-02"), call("retry", "2024-01-02")
    opened = call("accept", "2024-01-02", "--undo")
    planned = call("process", "2024-01-02", "--dry-run", "--format", "csv")

    assert accepted[0] == opened[0] == 0
    assert left[0] == 1
    assert "(the vendor lost it). spx-data accept 2024-01-02 --undo takes that back" in left[2]
    assert retried[0] == 2
    assert "was accepted" in retried[2]
    assert planned[1].splitlines()[1].startswith("2024-01-02,missing,true")


def test_a_sealed_date_is_not_accepted(call, sealed):
    code, _, err = call("accept", "2024-01-02", "--reason", "it is ugly")

    assert code == 2
    assert "is sealed: there is nothing to accept" in err


# Help ---------------------------------------------------------------------------------------------------


def test_help_names_every_command_with_what_it_does(call):
    code, out, _ = call("--help")

    assert code == 0
    for name in NAMES:
        assert re.search(rf"^  {name} +[A-Z].+\.$", out, re.MULTILINE), name
    assert "..." not in out.partition("Commands:")[2]  # nothing is cut off


def test_help_loads_nothing_heavy():
    known = loaded(
        "import click; from spx_data.cli import commands; commands.get_help(click.Context(commands))"
    )

    assert "spx_data.cli.quality" in known
    assert {"rich", "pyarrow", "polars", "numpy", "snakemake", "psutil", "requests"}.isdisjoint(known)


@pytest.mark.parametrize("name", EVERY_NAME)
def test_every_command_has_help_with_an_example(call, name):
    code, out, _ = call(*name.split(), "--help")

    assert code == 0
    assert re.search(rf"^ +spx-data {name}\b", out, re.MULTILINE), "no example"
    for line in re.findall(r"^  +(-.*)$", out, re.MULTILINE):
        assert re.search(r"\S {2,}\S|^--\S+.*$", line), f"{name}: {line} has no help"
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert "..." not in out.partition("Commands:")[2]  # nothing is cut off


@pytest.mark.parametrize("name", ["", *GROUPS])
def test_a_command_of_commands_alone_shows_its_help_as_it_is_set(call, name):
    code, out, err = call(*name.split())

    assert (code, out) == (2, "")
    assert err == call(*name.split(), "--help")[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(call, shell):
    code, out, _ = call("completion", shell)

    assert code == 0
    assert "_SPX_DATA_COMPLETE" in out


def test_completion_offers_commands(call, monkeypatch):
    monkeypatch.setenv("_SPX_DATA_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "spx-data proc")
    monkeypatch.setenv("COMP_CWORD", "1")

    _, out, _ = call()

    assert {"process", "process-range", "process-gaps"} <= set(out.split("\n"))


# Output -------------------------------------------------------------------------------------------------


def test_json_is_one_object_a_line_with_every_field(capsys):
    View("json").show(List(COLUMNS), ROWS)

    text = capsys.readouterr().out
    assert json.loads(text) == ROWS
    assert text.count("\n") == len(ROWS)


def test_csv_is_read_back_by_somebody_else(capsys, tmp_path):
    import duckdb

    View("csv").show(List(COLUMNS), ROWS)

    target = tmp_path / "rows.csv"
    target.write_text(capsys.readouterr().out)
    assert duckdb.read_csv(str(target)).fetchall() == [
        (dt.date(2024, 1, 2), 1234, True, 'a "word", and\nmore', '["a"]'),
        (dt.date(2024, 1, 3), None, False, "[bold]no markup[/]", "[]"),
    ]


def test_no_rows_are_words_an_empty_array_and_a_header(capsys):
    for form in ("table", "json", "csv"):
        View(form).show(List(COLUMNS, empty="nothing is missing"), [])

    assert capsys.readouterr().out == "nothing is missing\n[]\ndate,rows,reason\n"


def test_a_table_in_a_pipe_neither_wraps_nor_takes_markup_from_data(capsys):
    View().show(List(COLUMNS), [{**ROWS[1], "reason": "[bold]" + "word " * 100}])

    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["date", "rows", "why"]
    assert line.split(maxsplit=2)[:2] == ["2024-01-03", "–"]
    assert "[bold]" + "word " * 99 in line


@pytest.mark.parametrize(
    "bytes_, told",
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (1_234_567, "1.2 MB"), (2.5e12, "2.50 TB")],
)
def test_sizes_are_decimal(bytes_, told):
    assert words.size(bytes_) == told


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0"),
        (842_000, "842,000"),
        (17_737_434, "17.7 million"),
        (999_949_999, "999.9 million"),
        (999_960_000, "1.0 billion"),
        (14_612_345_678, "14.6 billion"),
    ],
)
def test_large_numbers_have_words(number, told):
    assert words.large(number) == told


@pytest.mark.parametrize(
    "seconds, told",
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "2 h 00 min"),
        (11_100, "3 h 05 min"),
        (187_200, "2 d 04 h"),
    ],
)
def test_durations_are_as_long_as_they_must_be(seconds, told):
    assert words.duration(seconds) == told


def test_a_reader_that_has_had_enough_is_no_error(call):
    command = [Path(sys.executable).parent / "spx-data", "config", "get", "--format", "json"]
    listing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    listing.stdout.close()

    assert listing.stderr.read() == b""
    assert listing.wait() == 0
    listing.stderr.close()
