"""The site's reference, made of the code: commands, settings, the Python functions, columns, decisions."""

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import click

import spx_data
from spx_data import config, errors
from spx_data.cli import commands as root
from spx_data.config import rulebook, table
from spx_data.lake import reader
from spx_data.lake.contracts import LackingContractsWarning
from spx_data.market.columns import COLUMNS, KINDS, Type
from spx_data.market.contracts import COLUMNS as CONTRACTS

ROOT = Path(__file__).parents[1]
_READERS = tuple(getattr(spx_data, name) for name in spx_data.__all__ if not name.startswith("_"))
_TYPES = {
    Type.DATE: "date",
    Type.WORD: "text",
    Type.STAMP: "time",
    Type.NUMBER: "double",
    Type.WHOLE: "integer",
}
_WARNINGS = (reader.MissingDaysWarning, reader.IncompleteDaysWarning, LackingContractsWarning)


def rows(heads: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    cells = [[" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in (heads, *lines)]
    head, *rest = (f"| {' | '.join(line)} |" for line in cells)
    return "\n".join([head, "|---" * len(cells[0]) + "|", *rest])


# Commands -----------------------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its arguments and options, as click knows them."""
    told = _command(root, click.Context(root, info_name="spx-data", **root.context_settings), 1)
    return "\n\n".join(told).replace("# spx-data\n", "# Commands\n", 1)


def _command(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"{'#' * level} {context.command_path}\n\n```text\n{usage}\n```"
    yield from map(_paragraph, inspect.cleandoc(command.help or "").split("\n\n"))
    options = [found for each in command.get_params(context) if (found := each.get_help_record(context))]
    # Each has the last one.
    if options := options if level == 1 else options[:-1]:
        yield rows(("option", ""), ((f"`{names}`", _plain(what)) for names, what in options))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            yield from _command(found, click.Context(found, context, info_name=name), level + 1)


def _paragraph(text: str) -> str:
    """A paragraph of a help text; click marks the blocks that stay as they are written."""
    if not text.startswith("\b\n"):
        return _plain(text)
    head, _, rest = text.removeprefix("\b\n").partition("\n")
    if head.endswith(":"):
        return f"{head}\n\n```text\n{textwrap.dedent(rest)}\n```"
    return f"```text\n{text.removeprefix(chr(8)).strip()}\n```"


def _plain(text: str) -> str:
    """*text* of a terminal with nothing in it that Markdown would take for its own."""
    return re.sub(r"(`[^`]*`)|([*_<\[\]])", lambda match: match[1] or rf"\{match[2]}", text)


# Settings -----------------------------------------------------------------------------------------------


def settings() -> str:
    """Every key of the config: what config/config.yaml says about it, and what the schema allows."""
    told = ["# Config", _INTRODUCTION]
    comments, section = dict(_comments()), None
    for key, rule in rulebook.rules():
        above, _, _ = key.rpartition(".")
        if above != section:
            section = above
            told += [f"## {section}"] if section else ["## At the top"]
            told += [comments[section]] if section in comments else []
        told += [f"### {key}", comments.get(key) or rule["description"], _facts(key, rule)]
    return "\n\n".join(told)


_INTRODUCTION = """\
Your settings are in `spx-data.yaml`, laid over `config/config.yaml` where the folder has one; every key but
`processing.start_date` may be left out.
`spx-data config get` shows each with the place that it comes from, `spx-data config set KEY VALUE` changes
one and keeps the comments of the file, `spx-data config validate` checks them all. Another file goes over
these with `--configfile FILE`; an environment variable wins over all of them."""


def _facts(key: str, rule: Mapping[str, Any]) -> str:
    variables = [name for name, (named, _) in config.ENVIRONMENT.items() if named == key]
    default = f"default `{_yaml(rule['default'])}`" if "default" in rule else "required"
    of = [
        f"Type: {_plain(table.type_of(rule))}",
        default,
        *(f"environment variable `{name}`" for name in variables),
    ]
    return f"*{'; '.join(of)}.*"


def _yaml(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _comments() -> Iterator[tuple[str, str]]:
    """What config/config.yaml says above each key and each section."""
    section, said = "", []
    for line in (ROOT / "config" / "config.yaml").read_text().splitlines():
        key = re.match(r"( *)(?:# )?(\w+):(?: |$)", line)
        if key and key[2] in _NAMES:
            section = section if key[1] else key[2]
            yield f"{section}.{key[2]}" if key[1] else section, " ".join(said)
            said = []
        else:
            said = [*said, line.strip("# ")] if "#" in line else []


_NAMES = {part for key, _ in rulebook.rules() for part in key.split(".")}


# Python -------------------------------------------------------------------------------------------------


def python() -> str:
    """The functions that read a lake, with their warnings and errors, and the library's rooms."""
    told = ["# Python", _example(reader.__doc__ or "")]
    for function in _READERS:
        told += [f"## spx_data.{function.__name__}", _signature(function), _docstring(function)]
    told += ["## Warnings"]
    for warning in _WARNINGS:
        told += [f"**`{warning.__module__}.{warning.__name__}`**: {inspect.getdoc(warning)}"]
    told += ["## Errors", f"All of them are in `{errors.__name__}`."]
    told += [rows(("error", ""), ((f"`{each.__name__}`", _first(each)) for each in _errors()))]
    told += ["## The rooms of the library", *_rooms(spx_data.__doc__ or "")]
    return "\n\n".join(told)


def _signature(function: FunctionType) -> str:
    parameters = inspect.signature(function).parameters.values()
    named = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    lines = [
        *map(_parameter, (each for each in parameters if each not in named)),
        "*",
        *map(_parameter, named),
    ]
    listed = "".join(f"    {line},\n" for line in lines)
    result = inspect.signature(function).return_annotation
    return f"```python\n{function.__name__}(\n{listed}) -> {result}\n```"


def _parameter(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{parameter.name}: {parameter.annotation}{default}"


def _docstring(thing: object) -> str:
    """A docstring as Markdown: what it raises is a list."""
    text, _, raised = (inspect.getdoc(thing) or "").partition("\nRaises:\n")
    if not raised:
        return text
    items = re.findall(r"^([\w, ]+): ([^\n]+(?:\n +[^\n]+)*)", textwrap.dedent(raised), re.MULTILINE)
    return "\n".join([text, "Raises:", "", *(f"- `{name}`: {' '.join(why.split())}" for name, why in items)])


def _example(text: str) -> str:
    head, _, code = text.partition("\n\n")
    return f"{head}\n\n```python\n{code.strip()}\n```"


def _rooms(text: str) -> list[str]:
    """The package's docstring: what is set in by four is code."""
    return [
        f"```text\n{textwrap.dedent(part)}\n```" if part.startswith("    ") else part
        for part in text.strip("\n").split("\n\n")
    ]


def _errors() -> list[type[Exception]]:
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.SpxDataError)
    ]


def _first(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


# Data and decisions -------------------------------------------------------------------------------------


def columns() -> str:
    """The columns of a sealed day, and which kinds of records have each."""
    lines = (
        (
            f"`{each.name}`",
            _TYPES[each.type],
            each.unit,
            ", ".join(f"`{kind.name}`" for kind in KINDS.values() if each in kind.every),
        )
        for each in COLUMNS.values()
    )
    return rows(("column", "type", "unit, or what it is", "in records of"), lines)


def contracts() -> str:
    """The columns of the file of a day's contracts."""
    lines = ((f"`{each.name}`", _TYPES[each.type], each.unit) for each in CONTRACTS)
    return rows(("column", "type", "unit, or what it is"), lines)


def decisions() -> str:
    """The list of decisions: number and title of each."""
    titles = [
        (path.name, path.read_text().partition("\n")[0].removeprefix("# "))
        for path in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    ]
    listed = (f"- [{title}]({name})" for name, title in titles)
    return "\n".join(["# Decisions", "", "Why things are as they are, a page for each choice.", "", *listed])
