"""Everything that is wrong with the settings, and not the first of it alone: each with who said so."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spx_data import config
from spx_data.config.table import DEFAULT, NOT_SET, Layers, value
from spx_data.errors import ConfigurationValidationError, SpxDataError

CALENDAR = "processing.calendar"
DEFAULT_CALENDAR = "NYSE"

_SOME_DATE = dt.date(2024, 1, 2)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the settings; no *key* where the *source*, a file, cannot be read."""

    source: str
    key: str
    finding: str
    cure: str


def problems(paths: Sequence[Path], environment: Mapping[str, str] = os.environ) -> list[Problem]:
    """Everything that is wrong with the settings, each with who said so; the files' form comes first."""
    found = [problem for path in paths for problem in _problems_of_form(path)]
    if any(not problem.key for problem in found):
        return found  # half of the settings would look wrong for what is not there
    layers = Layers.read(paths)
    wrong = config.problems(layers.document, environment)
    if not any(error.fields["what"] == CALENDAR for error in wrong):
        wrong += unknown_calendar(value(layers.document, CALENDAR))
    for error in wrong:
        key = error.fields["what"]
        source = layers.source(".".join(key.split(".")[:2]), environment)
        place = str(paths[-1]) if source in (DEFAULT, NOT_SET) else source
        finding = error.cause.removeprefix("config: ").removeprefix(f"{key}: ")
        found.append(Problem(place, key, finding, error.cure))
    return found


def _problems_of_form(path: Path) -> Iterator[Problem]:
    try:
        text = config.read(path)
        config.parse(text, path)
    except SpxDataError as error:
        yield Problem(str(path), "", error.cause, error.cure)
        return
    for key, line in duplicates(text):
        yield Problem(str(path), key, f"it stands there once more in line {line}", "Keep one of the two")


def duplicates(text: str) -> list[tuple[str, int]]:
    """Every key that stands in *text* once more, with its line."""
    from ruamel.yaml.error import YAMLError

    from spx_data.config import yaml_text

    try:
        return list(yaml_text.duplicates(text))
    except YAMLError:
        return []  # the reader of the settings has read it


def unknown_calendar(name: str) -> list[SpxDataError]:
    """What is wrong with a calendar's name; asking takes a second, so nobody asks about the default."""
    if name == DEFAULT_CALENDAR:
        return []
    from spx_data import sessions

    try:
        sessions.between(name, _SOME_DATE, _SOME_DATE)
    except ConfigurationValidationError as error:
        return [error]
    return []
