"""What commands print: nothing of it does anything to a screen or in a spreadsheet; JSON keeps it exactly."""

import csv
import io
import json
import logging
import subprocess
import sys

import pytest
from rich.live import Live
from rich.text import Text

from spx_data.cli import output
from spx_data.cli.lists import List, View
from spx_data.cli.screen import SafeConsole
from spx_data.cli.table import Column
from spx_data.jobs import process
from spx_data.text import printable

# A window's title, a cleared screen, a colour by C1, letters turned round, another line, half a letter.
HOSTILE = "\x1b]0;x\x07 \x1b[2J \x9b31m \u202eabc \u2028 \ud800"
VISIBLE = r"\x1b]0;x\x07 \x1b[2J \x9b31m \u202eabc \u2028 \ud800"
COLUMNS = [Column("text", "text"), Column("more", "more", style=lambda _: "bold red")]


def screen():
    return SafeConsole(
        file=io.StringIO(), force_terminal=True, color_system="truecolor", width=200, highlight=False
    )


def shown(console):
    """What stands on the screen, without the colours, which are ours."""
    text = console.file.getvalue()
    for ours in ("\x1b[1;31m", "\x1b[1m", "\x1b[0m"):
        text = text.replace(ours, "")
    return text


@pytest.mark.parametrize("rows", [1, 300])
def test_a_table_shows_what_would_do_something_and_keeps_its_colours(rows):
    console = screen()

    output.print_table([{"text": HOSTILE, "more": HOSTILE}] * rows, COLUMNS, console)

    assert console.file.getvalue().count("\x1b[1;31m") == rows
    assert shown(console).count(VISIBLE) == 2 * rows
    assert shown(console).replace("\n", "").isprintable()


def test_a_line_shows_it_whatever_way_it_comes():
    console = screen()

    console.print(HOSTILE, markup=False, soft_wrap=True)
    console.print(HOSTILE, style="bold red", soft_wrap=True)
    console.print(f"[bold]{HOSTILE}[/]", soft_wrap=True)
    console.print(Text(HOSTILE), soft_wrap=True)

    *lines, last = shown(console).splitlines()
    assert lines == [VISIBLE] * 3
    assert last == VISIBLE.replace(r"\x07", "")  # Rich's own text knows no bell


def test_what_is_said_to_a_person_ends_between_words_and_what_is_handed_out_nowhere(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr("sys.stdout", Terminal())
    text = f"no first date is set: `spx-data config set processing.start_date 2024-01-02`\n{'word ' * 9}"

    output.say(text, err=True)
    output.hand_out(text)

    assert sys.stderr.getvalue().splitlines() == [
        "no first date is set:",
        "spx-data config set processing.start_date 2024-01-02",
        "word word word word word word word word",
        "word",
    ]
    assert sys.stdout.getvalue() == f"{text.replace('`', '')}\n"


def test_a_display_still_moves_the_cursor_itself():
    console = screen()

    with Live("x" + HOSTILE, console=console, auto_refresh=False) as live:
        live.update("y" + HOSTILE, refresh=True)

    said = console.file.getvalue()
    assert "y" + VISIBLE in said
    assert "\x1b[?25l" in said  # the cursor is hidden meanwhile
    assert HOSTILE[:6] not in said


def test_json_keeps_the_text_in_its_own_escapes(capsys):
    View("json").show(List(COLUMNS), [{"text": HOSTILE}])
    output.print_document({"text": HOSTILE})

    said = capsys.readouterr().out
    assert said.replace("\n", "").isascii()
    assert said.replace("\n", "").isprintable()
    rows, document = said.split("]\n")
    assert json.loads(rows + "]") == [{"text": HOSTILE}]
    assert json.loads(document) == {"text": HOSTILE}


@pytest.mark.parametrize(
    "value, cell",
    [
        ('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")'),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-1+1", "'-1+1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", r"\r=1"),
        ("\n=1", "'\n=1"),
        ("\uff1d1", "'\uff1d1"),
        ("-", "'-"),
        ("--", "'--"),
        (-1, "-1"),
        (-1.5, "-1.5"),
        (-1e-7, "-1e-07"),
        ("-1", "-1"),
        ("+1.25e-3", "+1.25e-3"),
        ("-1\n", "'-1\n"),
        (True, "true"),
        (None, ""),
        ("plain = text", "plain = text"),
        (["=1"], '["=1"]'),
        (HOSTILE, VISIBLE),
    ],
)
def test_a_cell_of_csv_is_no_formula_and_a_number_stays_one(value, cell, capsys):
    View("csv").show(List(COLUMNS), [{"text": value}])

    assert list(csv.reader(io.StringIO(capsys.readouterr().out, newline=""))) == [["text"], [cell]]


def test_a_log_shows_it_with_the_traceback():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(printable.log_format("%(levelname)s %(message)s"))
    logger = logging.Logger("of this test")
    logger.addHandler(handler)

    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logger.exception("a body: %s", HOSTILE)

    lines = stream.getvalue().splitlines()
    assert lines[0] == f"ERROR a body: {VISIBLE}"
    assert lines[-1] == f"ValueError: {VISIBLE}"


@pytest.mark.parametrize(
    "code",
    [
        "output.make_safe(); raise ValueError(TEXT)",
        "output.make_safe(); logging.getLogger('spx_data').warning('%s', TEXT)",
        "process.logged().__enter__(); logging.error('%s', TEXT)",
        "process.settings('SPX'); raise ValueError(TEXT)",
    ],
)
def test_what_a_process_says_last_shows_it(code, lake):
    program = (
        "import logging; from spx_data.jobs import process; from spx_data.cli import output; "
        f"TEXT = {HOSTILE!r}; "
    )

    done = subprocess.run(
        [sys.executable, "-c", program + code],
        capture_output=True,
        env=process.environment(lake().document),
        check=False,
    )

    said = done.stderr.decode()
    assert said.splitlines()[-1].endswith(VISIBLE)
    assert said.replace("\n", "").isprintable()
