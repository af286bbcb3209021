"""What happened to a trading date, one JSON line an event, only ever appended.

The journal is evidence: tries, errors, requests, seals. A line torn by a crash is the last one or stands
before a healthy one; it is skipped, never fatal.

Every event has `at` (UTC, ISO 8601, milliseconds), `event` (one of the constants below), `stage` (`list`,
`download` or `merge`) and `run`, which tells one call of the workflow from another.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spx_data import files
from spx_data.errors import ApiDataNotFoundError, SpxDataError

RUN_VARIABLE = "SPX_DATA_RUN"

STARTED = "started"
FINISHED = "finished"
FAILED = "failed"
REQUEST = "request"  # one HTTP exchange: url, status, bytes, seconds
RETRIED = "retried"  # an error that is answered by asking again: error, cause, attempt, wait
STAGED = "staged"  # an expiration became a checkpoint: root, expiration, rows, bytes, attempts
EXPIRATION_FAILED = "expiration-failed"  # an error that outlived its retries: root, expiration, error, cause
NO_DATA = "no-data"  # the source's answer: nothing for the expiration, or for the whole date
SEALED = "sealed"  # rows, bytes, sha256
QUARANTINED = "quarantined"  # what was sealed was found damaged and moved away: damages, folder
ACCEPTED = "accepted"  # a person said: leave it as it is: reason
REOPENED = "reopened"  # a person took that back, or wants a parked date tried anew: reason
RECHECKED = "rechecked"  # fetched again and compared with what is sealed: changed, folder
VERIFIED = "verified"  # of the lake: days, bytes, damaged, root

Event = dict[str, Any]

_log = logging.getLogger(__name__)


def new_run() -> str:
    """A name for one call of the workflow; its jobs find it in the environment (`RUN_VARIABLE`)."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


@dataclass(frozen=True)
class Journal:
    """The journal of one date, as one stage of the fill writes it."""

    path: Path
    stage: str

    def record(self, event: str, **fields: Any) -> None:
        """Append one event; values that JSON does not know are written as text."""
        at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        run = os.environ.get(RUN_VARIABLE, "")
        line = {"at": at, "event": event, "stage": self.stage, "run": run, **fields}
        files.append_line(self.path, json.dumps(line, default=str))

    def mention(self, event: str, **fields: Any) -> None:
        """Append one event if that can be done: what it tells of has happened, and stands without it."""
        try:
            self.record(event, **fields)
        except SpxDataError as error:
            _log.warning("the journal misses the event %s: %s", event, error)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Record the start of a try and how it ends; the error goes on to the caller."""
        begun = time.monotonic()
        self.record(STARTED)
        try:
            yield
        except ApiDataNotFoundError as error:
            self.mention(NO_DATA, cause=error.cause, **error.fields)
            raise
        except Exception as error:
            seconds = round(time.monotonic() - begun, 3)
            self.mention(FAILED, **described(error), traceback=traceback.format_exc(), seconds=seconds)
            raise
        self.mention(FINISHED, seconds=round(time.monotonic() - begun, 3))


def described(error: BaseException) -> dict[str, Any]:
    """An error as fields of an event: error, cause, cure, fields, surroundings."""
    if isinstance(error, SpxDataError):
        return {
            "error": type(error).__name__,
            "cause": error.cause,
            "cure": error.cure,
            "fields": error.fields,
            "surroundings": error.surroundings,
        }
    return {"error": type(error).__name__, "cause": str(error), "cure": "", "fields": {}}


def read(path: Path) -> list[Event]:
    """The events of one journal, oldest first; an empty list where there is none."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return []
    return [event for line in text.splitlines() if (event := _parse(line))]


def _parse(line: str) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and {"at", "event", "stage"} <= event.keys() else None
