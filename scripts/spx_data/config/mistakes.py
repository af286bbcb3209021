"""Everything that is wrong with the settings, and not the first of it alone: each with who said so."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from spx_data import config
from spx_data.config import checking
from spx_data.config.checking import Fault
from spx_data.config.table import value
from spx_data.errors import ConfigurationValidationError, SpxDataError

CALENDAR = "processing.calendar"
DEFAULT_CALENDAR = "NYSE"

_SOME_DATE = dt.date(2024, 1, 2)


def problems(paths: Sequence[Path], environment: Mapping[str, str] = os.environ) -> list[Fault]:
    """Everything that is wrong with the settings, the calendar's name included; the files' form is first."""
    found = checking.faults(paths, environment)
    if any(fault.is_of_form or fault.key == CALENDAR for fault in found):
        return found
    texts = {path: config.read(path) for path in paths}
    document = config.merged(config.parse(text, path) for path, text in texts.items())
    for error in unknown_calendar(value(document, CALENDAR)):
        finding = error.cause.removeprefix(f"config: {CALENDAR}: ")
        found.append(Fault(checking.place(CALENDAR, texts, environment), CALENDAR, finding, error.cure))
    return found


def unknown_calendar(name: str) -> list[SpxDataError]:
    """What is wrong with a calendar's name; asking takes a second, so nobody asks about the default."""
    if name == DEFAULT_CALENDAR:
        return []
    from spx_data.market import sessions

    try:
        sessions.between(name, _SOME_DATE, _SOME_DATE)
    except ConfigurationValidationError as error:
        return [error]
    return []
