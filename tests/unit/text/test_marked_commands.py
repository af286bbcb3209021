"""Every command in a text of ours is marked, and is one that can be typed."""

import re
import shlex

import click
import pytest
from snakemake.cli import get_argument_parser
from tests.commands import MARKED, TEXTS, VALUE, WORKFLOW

from spx_data.cli import _ALIASES, _COMMANDS
from spx_data.cli import commands as program
from spx_data.cli.call import Call
from spx_data.text import commands

NAMES = sorted({*_COMMANDS, *_ALIASES}, key=len, reverse=True)
RULES = {name for path in WORKFLOW for name in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)}
CALL = re.compile(rf"\b(?:spx-data (?:{'|'.join(NAMES)})\b(?!-)|snakemake (?:--|(?:{'|'.join(RULES)})\b))")

# No commands among words: a page makes each of them a code to copy, or somebody is named who did something.
BARE = {
    'spx-data accept --lost --reason "they are gone for good"',
    "spx-data mend",
    "spx-data process …",
    "spx-data quality … --format json",
    "spx-data recheck",
    "spx-data recheck …",
    "spx-data report …",
    "spx-data retry",
    "spx-data serve: %s. This is said once",
    "spx-data verify …",
    "asked for with spx-data process",
}


PIECES = {
    path: [part for text in texts if text not in BARE for part in commands.parts(text)]
    for path, texts in TEXTS.items()
}


@pytest.mark.parametrize("path", PIECES)
def test_no_text_has_a_command_without_a_mark(path):
    words = [part.text for part in PIECES[path] if not part.is_command]

    assert [text for text in words if CALL.search(text)] == []


@pytest.mark.parametrize("path", WORKFLOW, ids=lambda path: path.name)
def test_no_text_of_the_workflow_has_one_either(path):
    words = [part.text for part in commands.parts(path.read_text()) if not part.is_command]

    assert [text for text in words if CALL.search(text)] == []


@pytest.mark.parametrize("command", [one for one in MARKED if one.startswith("spx-data")])
def test_a_command_is_one_of_ours_with_options_of_its_own(command):
    assert any(parses(filled(command, value)) for value in ("2024-01-02", "2", "folder"))


@pytest.mark.parametrize("command", [one for one in MARKED if one.startswith("snakemake")])
def test_a_call_of_snakemake_has_options_and_targets_that_there_are(command):
    asked = get_argument_parser().parse_args(filled(command, "2024-01-02")[1:])

    assert asked.cores or asked.list_rules
    assert {*asked.targets} <= {*RULES, "2024-01-02"}


def test_many_are_known():
    assert len(MARKED) > 60


def filled(command, value):
    return shlex.split(re.sub(rf"{VALUE}|{{\w+}}|\bDATE\b|\bFOLDER\b", value, command))


def parses(words):
    try:
        known(program, "spx-data", words[1:], None)
    except click.UsageError:
        return False
    return True


def known(command, name, arguments, parent):
    """Have click read *arguments*, those of a group's command by that command."""
    context = command.make_context(name, arguments, parent=parent, **({} if parent else {"obj": Call()}))
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]  # click reads no deeper by itself
        if rest:
            name, found, rest = command.resolve_command(context, rest)
            known(found, name, rest, context)
