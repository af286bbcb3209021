"""What the pages and the files in contrib tell people to type exists."""

import configparser
import os
import plistlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests import pages

from spx_data import config
from spx_data.cli import commands
from spx_data.config import rulebook
from spx_data.settings import Settings
from spx_data.store import names

ROOT = Path(__file__).resolve().parents[2]
CONTRIB = ROOT / "contrib"
HOW_TO = ROOT / "docs" / "how-to"
WHICH = HOW_TO / "which-command.md"
OURS = ("spx-data", "snakemake")


def calls(text):
    """The calls of our commands in one line of a shell: program and arguments."""
    lexer = shlex.shlex(re.sub(r"\d?>+\s*&?\S+", "", text), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found = [[]]
    try:
        for token in lexer:
            if token in ("exec", "--") or set(token) <= set("();<>|&"):
                found.append([])
            else:
                found[-1].append(token)
    except ValueError:  # prose with an apostrophe
        return []
    return [(Path(words[0]).name, words[1:]) for words in found if words and Path(words[0]).name in OURS]


def shown(program, *texts):
    """The arguments of each call of *program* that these pages show, or all of them."""
    texts = texts or pages.PAGES
    lines = [*pages.pasted(*texts), *(span for page in texts for span in pages.spans(page))]
    found = [call for line in lines for call in calls(line)]
    return sorted({tuple(arguments) for name, arguments in found if name == program and arguments})


def contrib():
    """The arguments of each call of contrib/nightly; with none it fills."""
    texts = [(CONTRIB / "crontab").read_text(), unit("service")["Service"]["ExecStart"]]
    texts += plistlib.loads((CONTRIB / "spx-data.plist").read_bytes())["ProgramArguments"]
    found = [words for text in texts for words in re.findall(r'contrib/nightly"?([\w -]*)', text)]
    return [words.split() or ["process-gaps"] for words in found]


def unit(kind):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(CONTRIB / f"spx-data.{kind}")
    return parser


def understood(arguments):
    """The command that click finds for *arguments*; a wrong call raises."""
    command, rest, context = commands, list(arguments), None
    while True:
        context = command.make_context(command.name, rest, parent=context)
        if not isinstance(command, click.Group):
            return command
        _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])


# The pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", shown("spx-data"), ids=" ".join)
def test_commands_that_pages_show_are_known_with_their_options(arguments):
    assert understood(arguments).help


def test_a_page_says_what_each_command_is_for():
    named = {word for arguments in shown("spx-data", WHICH) for word in arguments}

    assert set(commands.list_commands(None)) <= named


def test_the_keys_that_pages_set_exist():
    known = dict(rulebook.rules())
    named = [arguments[2] for arguments in shown("spx-data") if arguments[:2] == ("config", "set")]

    assert named
    assert set(named) <= set(known)


@pytest.mark.parametrize("arguments", shown("snakemake"), ids=" ".join)
def test_calls_of_snakemake_that_pages_show_are_understood(arguments):
    from snakemake.cli import get_argument_parser

    told = get_argument_parser().parse_args(list(arguments))

    rules = re.findall(r"^rule (\w+):", "".join(path.read_text() for path in workflow_files()), re.MULTILINE)
    for target in [*told.targets, *told.until]:
        assert target in rules or names.date_of(Path(target))


def workflow_files():
    return [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]


def test_the_files_that_pages_on_running_by_itself_name_are_there():
    told = "".join((HOW_TO / page).read_text() for page in ("every-night.md", "container.md"))
    named = set(re.findall(r"\bcontrib/[\w.-]+", told))

    assert {path.name for path in CONTRIB.iterdir()} == {"nightly", *(Path(name).name for name in named)}


@pytest.mark.parametrize("page, said", [("two-lakes.md", "5m SPX"), ("add-a-symbol.md", "1m TLT")])
def test_another_lake_of_a_page_is_a_valid_one(page, said, tmp_path):
    (text,) = (code for language, code in pages.blocks((HOW_TO / page).read_text()) if language == "yaml")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text)
    base = tmp_path / "config.yaml"
    base.write_text('processing: {start_date: "2024-01-02"}')

    first, second = (
        Settings.of(config.resolve(config.load(*paths), {})) for paths in ([base], [base, overlay])
    )

    assert f"{second.window.interval} {second.product.symbol}" == said
    one, other = (vars(settings.layout) for settings in (first, second))
    assert all(one[name] != other[name] for name in ("output", "temp", "data", "database"))


# Contrib ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", contrib(), ids=" ".join)
def test_what_contrib_starts_every_night_exists(arguments):
    assert understood(arguments)
    assert CliRunner().invoke(commands, [*arguments, "--help"]).exit_code == 0


def test_each_of_contribs_files_starts_a_fill():
    assert [arguments[0] for arguments in contrib()].count("process-gaps") == 3


def test_the_crontab_is_one():
    lines = [line for line in (CONTRIB / "crontab").read_text().splitlines() if not line.startswith("#")]

    assert all(
        re.fullmatch(r"(\d+ \d+ \* \* [\d-]+) +\"\$HOME/.spx-data/contrib/nightly\".*", line)
        for line in lines
    )
    assert not any("%" in line for line in lines)  # to cron that is the end of the command


def test_the_timer_starts_the_service_on_nights_after_trading_days():
    assert unit("timer")["Timer"]["OnCalendar"] == "Tue..Sat 02:30"
    assert unit("service")["Service"]["Type"] == "oneshot"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    names = ("spx-data.service", "spx-data.timer", "spx-data-failed.service")
    units = [str(shutil.copy(CONTRIB / name, tmp_path)) for name in names]
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    found = subprocess.run(
        ["systemd-analyze", "verify", "--user", *units], env=environment, capture_output=True, text=True
    )

    if "Failed to initialize manager" in found.stderr:
        pytest.skip("systemd cannot be asked here")
    assert (found.returncode, found.stderr) == (0, "")


def test_the_job_for_a_mac_is_complete():
    job = plistlib.loads((CONTRIB / "spx-data.plist").read_bytes())

    assert job["Label"] == "spx-data"
    assert [day["Weekday"] for day in job["StartCalendarInterval"]] == [2, 3, 4, 5, 6]
    assert job["ProgramArguments"][:2] == ["/bin/sh", "-c"]
    subprocess.run(["/bin/sh", "-n", "-c", job["ProgramArguments"][2]], check=True)


# Help ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", commands.list_commands(None))
def test_every_command_has_an_example_on_lines_of_its_own(name):
    told = CliRunner().invoke(commands, [name, "--help"]).output

    assert re.search(rf"^ +spx-data {name}\b", told, re.MULTILINE)
    assert "\\b" not in told
