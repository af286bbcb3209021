"""The settings as a whole, checked alike for all: a run, a command, `spx-data config validate`.

What spends a user's requests refuses what `validate` refuses, in the same words: who said it, in which
line of which file, what stands there, and what to write.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spx_data import config, symbols
from spx_data.config import reading, rulebook
from spx_data.config.rulebook import Document
from spx_data.config.table import value
from spx_data.errors import ConfigurationValidationError, SpxDataError
from spx_data.market import sessions

CALENDAR = "processing.calendar"
DEFAULT_CALENDAR = "NYSE"

_SOME_DATE = dt.date(2024, 1, 2)
_OF_A_KEY = re.compile(r"config: ([a-z_]+(?:\.[a-z_]+)?): ")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the settings; no *key* where the *source*, a file, cannot be read."""

    source: str
    key: str
    finding: str
    cure: str
    raised: SpxDataError | None = None
    is_of_form: bool = False  # of a file, whatever its settings

    @property
    def error(self) -> SpxDataError:
        """The fault as an error, in the same words."""
        return self.raised or ConfigurationValidationError(
            f"{self.source}: {self.key}: {self.finding}", cure=self.cure, what=self.key, reason=self.finding
        )


def checked(
    paths: Sequence[Path],
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
) -> Document:
    """The files at *paths*, each laid over those before it, then *overrides*: what a run goes by.

    Raises:
        ConfigurationValidationError: the first of `faults`, in the same words.
        MissingFileError, PermissionDeniedError: a file is not there, or may not be read.
    """
    given = dict(overrides or {})
    try:
        found = config.resolve(config.merged([*map(_parsed, paths), given]), environment)
        _check_apart(found)
        return found
    except SpxDataError:
        for fault in faults(paths, environment, given):
            raise fault.error from None
        raise


def _check_apart(document: Document) -> None:
    """Raise unless each symbol has directories of its own: by a link, two may have one."""
    owners: dict[str, str] = {}
    for symbol in document.get(symbols.SECTION) or ():
        processing = symbols.document_of(document, symbol)["processing"]
        for folder in {os.path.realpath(processing[key]) for key in symbols.FOLDERS}:
            other = owners.setdefault(folder, symbol)
            if other != symbol:
                raise rulebook.invalid(
                    f"{symbols.SECTION}.{symbol}",
                    f"its directory is that of {other}: {folder}",
                    "Take away the link that leads there: each symbol has a folder of its name",
                )


def checked_from(paths: Sequence[Path], start: dt.date) -> Document:
    """Like `checked`, where a start date is not needed: at *start* if none is set."""
    named = config.merged([*map(_parsed, paths)]).get("processing") or {}
    has_one = isinstance(named, Mapping) and named.get("start_date") is not None
    if has_one or os.environ.get("PROCESSING_START_DATE"):
        return checked(paths)
    return checked(paths, overrides={"processing": {"start_date": start.isoformat()}})


def files_of_a_run(named: Sequence[Path], *, alone: bool = False) -> list[Path]:
    """The config files of a run, the lowest first, as a person in this folder would name them."""
    here = Path.cwd()
    found = [path.relative_to(here) if path.is_relative_to(here) else path for path in named]
    return found if alone and found else [*config.base(), *config.laid_over(found)]


def _parsed(path: Path) -> Document:
    return config.parse(config.read(path), path)


def faults(
    paths: Sequence[Path],
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
) -> list[Fault]:
    """All that `checked` would refuse, and not the first of it alone; the files' form comes first."""
    given = dict(overrides or {})
    texts, documents, found = dict[Path, str](), list[Document](), list[Fault]()
    for path in paths:
        try:
            texts[path] = config.read(path)
            document, repeated = reading.parsed(texts[path], path)
        except SpxDataError as error:
            found.append(Fault(str(path), "", error.cause, error.cure, error, is_of_form=True))
            continue
        documents.append(document)
        found += [
            Fault(
                f"{path} line {again.line}",
                again.key,
                str(again),
                reading.KEEP_ONE,
                is_of_form=True,
            )
            for again in repeated
        ]
    if found:
        return found  # half of the settings would look wrong for what is not there, or not meant
    for wrong in config.problems(config.merged([*documents, given]), environment):
        key = str(wrong.fields["what"])
        finding = wrong.cause.removeprefix("config: ").removeprefix(f"{key}: ")
        found.append(Fault(place(key, texts, environment, given), key, finding, wrong.cure))
    return found


def place(
    key: str,
    texts: Mapping[Path, str],
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, Any] | None = None,
) -> str:
    """Who said what *key* is, the last who did, with the line in a file; the last file where nobody did."""
    names = key.split(".")[: 3 if key.startswith(f"{symbols.SECTION}.") else 2]
    if variable := config.overriding(".".join(names), environment):
        return f"environment variable {variable}"
    named, inside = names, dict[str, Any](overrides or {})
    while names and isinstance(inside, Mapping) and names[0] in inside:
        inside, names = inside[names[0]], names[1:]
    if not names:
        return "--config"
    for path in reversed(list(texts)):
        inner = [name for name in named if not name.isdecimal()]  # an item stands with its list
        if line := _line_of(texts[path], inner):
            return f"{path} line {line}"
    return str([*config.base(), *texts][-1])


def _line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line in which the last of *keys*, each inside of the one before, stands; None where it does not."""
    try:
        node, line = reading.composed(text.removeprefix("\ufeff")), 0
    except yaml.YAMLError:
        return None
    for name in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        inside = [pair for pair in pairs if str(pair[0].value) == name]
        if not inside:
            return None
        key, node = inside[-1]
        line = key.start_mark.line + 1
    return line


def located(said: str, paths: Sequence[Path]) -> str:
    """*said* of a key by code that does not know the files, with the file and line in which it stands."""
    match = _OF_A_KEY.match(said)
    if match is None or match[1] not in dict(rulebook.rules()):
        return said
    try:
        texts = {path: config.read(path) for path in paths}
    except SpxDataError:
        return said
    return f"{place(match[1], texts)}: {said.removeprefix('config: ')}"


def problems(paths: Sequence[Path], environment: Mapping[str, str] = os.environ) -> list[Fault]:
    """Everything that is wrong with the settings, the calendar's name included; the files' form is first."""
    found = faults(paths, environment)
    if any(fault.is_of_form or fault.key == CALENDAR for fault in found):
        return found
    texts = {path: config.read(path) for path in paths}
    document = config.merged(config.parse(text, path) for path, text in texts.items())
    for error in unknown_calendar(value(document, CALENDAR)):
        finding = error.cause.removeprefix(f"config: {CALENDAR}: ")
        found.append(Fault(place(CALENDAR, texts, environment), CALENDAR, finding, error.cure))
    return found


def unknown_calendar(name: str) -> list[SpxDataError]:
    """What is wrong with a calendar's name; asking takes a second, so nobody asks about the default."""
    if name == DEFAULT_CALENDAR:
        return []
    try:
        sessions.between(name, _SOME_DATE, _SOME_DATE)
    except ConfigurationValidationError as error:
        return [error]
    return []
