"""What happened to a trading date, one JSON line an event, only ever appended.

The journal is evidence: tries, errors, requests, seals. A line torn by a crash is the last one or stands
before a healthy one; it is skipped, never fatal. The older part of it may be compressed (`archive`).

Every event has `at` (UTC, ISO 8601, milliseconds), `event` (one of the constants below), `stage` (`list`,
`download` or `merge`) and `run`, which tells one call of the workflow from another.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import logging
import os
import re
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spx_data.errors import ApiDataNotFoundError, SpxDataError, is_the_machines, without_userinfo
from spx_data.store import archive, faults, files, foreign
from spx_data.text import commands, printable

RUN_VARIABLE = "SPX_DATA_RUN"

STARTED = "started"
FINISHED = "finished"
FAILED = "failed"
STOPPED = "stopped"  # a person ended the run, and with it this try
REQUEST = "request"  # one HTTP exchange: url, status, bytes, seconds
RETRIED = "retried"  # an error that is answered by asking again: error, cause, attempt, wait
STAGED = "staged"  # an expiration became a checkpoint: root, expiration, rows, bytes, attempts
EXPIRATION_FAILED = "expiration-failed"  # an error that outlived its retries: root, expiration, error, cause
NO_DATA = "no-data"  # the source's answer: nothing for the expiration, or for the whole date
SEALED = "sealed"  # rows, bytes, sha256 (of the Parquet), passport_sha256
QUARANTINED = "quarantined"  # what was sealed was found damaged and moved away: damages, folder
ACCEPTED = "accepted"  # a person said: leave it as it is: reason
REOPENED = "reopened"  # a person took that back, or wants a parked date tried anew: reason
RECHECKED = "rechecked"  # fetched again and compared with what is sealed: changed, folder
MENDED = "mended"  # what it lacks was asked for again: date, changed, gained (rows), asked (requests)
CONFIGURED = "configured"  # of the lake, a setting was changed: key, old, new, by, file
VERIFIED = "verified"  # of the lake: days, bytes, damaged, root
GIVEN_UP = "given-up"  # of the lake: a person said that what was sealed is gone for good: reason
RUN_FAILED = "run-failed"  # of the lake: a run that could not begin, or ended untimely: error, cause, cure
SCHEMA_RAISED = (
    "schema-raised"  # of the lake: new days have more columns from now on: before, after (versions)
)
PUBLISHED = (
    "published"  # of the lake: url, days (dates), bytes, failed (dates), by; error, cause if it ended early
)
COMMANDED = "commanded"  # of the lake: a person's command that changes something: command, by
JOINED = "joined"  # of the lake: it writes to a team's database, under this name: lake
PROBED = "probed"  # of the lake: its terminal was asked how it is: requests, whole, sha256 of the profile

Event = dict[str, Any]

_log = logging.getLogger(__name__)


def new_run() -> str:
    """A name for one call of the workflow; its jobs find it in the environment (`RUN_VARIABLE`)."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


def user() -> str:
    """Who works here, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # a container's user may have no name


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
        """Record the start of a try and how it ends; the error goes on, in our words if there are any."""
        begun = time.monotonic()
        self.record(STARTED)
        try:
            yield
        except ApiDataNotFoundError as error:
            self.mention(NO_DATA, cause=error.cause, **error.fields)
            raise
        except Exception as error:
            told = faults.of(error)
            self.mention(
                FAILED,
                **described(told),
                traceback=printable.visible(traceback.format_exc()),
                **_spent(begun),
            )
            if told is error:
                raise
            raise told from error
        self.mention(FINISHED, **_spent(begun))


def was_sealed(events: Sequence[Event], since: dt.datetime | None = None) -> bool:
    """Whether *events* leave the date sealed: the last of a merge or a quarantine decides.

    Listing and downloading do not touch what is sealed. A merge that began and did not end may be at work
    this very moment. What a person accepted as it is counts as not sealed, where it is gone. So does what was
    sealed before *since*, the moment at which the whole lake was given up.
    """
    for event in reversed(events):
        if since is not None and dt.datetime.fromisoformat(event["at"]) <= since:
            return False
        if event["event"] == SEALED:
            return True
        if event["event"] in (QUARANTINED, ACCEPTED):
            return False
        if event["stage"] == "merge" and event["event"] in _OF_A_MERGE:
            return bool(event["event"] == FINISHED)
    return False


_OF_A_MERGE = frozenset({STARTED, FINISHED, FAILED})


def _spent(begun: float) -> dict[str, float]:
    """What a try took since *begun* (monotonic seconds): time, and the most memory of this process."""
    return {"seconds": round(time.monotonic() - begun, 3), "memory_mb": round(_peak_memory() / 1e6, 1)}


def _peak_memory() -> int:
    """The largest resident set of this process, in bytes."""
    with suppress(OSError, AttributeError):
        # Linux's other figure also counts the process that this one was forked from: Snakemake's.
        return int(_PEAK.search(Path("/proc/self/status").read_text())[1]) * 1024  # type: ignore[index]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)

# 472 is the source's "nothing there": an answer like any other.
_ANSWERS = frozenset({200, 472})


def is_answered(request: Event) -> bool:
    """Whether a request was answered, and not with an error."""
    return request.get("status") in _ANSWERS


def described(error: BaseException) -> dict[str, Any]:
    """An error as fields of an event: error, cause, cure, fields, surroundings.

    The last says that it must not count against the date (`errors.is_the_machines`).
    """
    not_its_own = is_the_machines(error)
    if isinstance(error, SpxDataError):
        return {
            "error": type(error).__name__,
            "cause": error.cause,
            "cure": error.cure,
            "fields": error.fields,
            "surroundings": not_its_own,
        }
    kind, cause = type(error).__name__, without_userinfo(printable.line(str(error)))
    return {"error": kind, "cause": cause, "cure": "", "fields": {}, "surroundings": not_its_own}


def _is_text(value: Any) -> bool:
    # JSON can spell half a character, which no file and no database takes.
    return isinstance(value, str) and (
        value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    )


def _is_text_or_none(value: Any) -> bool:
    return value is None or _is_text(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < _LARGEST


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_LARGEST = 1e15

# What every event of a kind has, and what stands for a field that is missing or of another kind: a journal is
# a text file, and whatever somebody wrote into it, the ledger and the status log must be able to read it.
_Field = tuple[Callable[[Any], bool], Any]
_EVERY: dict[str, _Field] = {"run": (_is_text, "")}
_ERROR: dict[str, _Field] = {
    "error": (_is_text, "UnknownError"),
    "cause": (_is_text, "no reason recorded"),
    "cure": (_is_text, ""),
    "traceback": (_is_text, ""),
    "attempt": (_is_number, 0),
    # Of the chain that it was about, where it was about one.
    **dict.fromkeys(("root", "expiration"), (_is_text_or_none, None)),
}
_SPENT: dict[str, _Field] = {"seconds": (_is_number, 0.0), "memory_mb": (_is_number, 0.0)}
_CHAIN: dict[str, _Field] = {"root": (_is_text, ""), "expiration": (_is_text, "")}
_FIELDS: dict[str, dict[str, _Field]] = {
    FINISHED: _SPENT,
    FAILED: {**_ERROR, **_SPENT},
    RETRIED: _ERROR,
    EXPIRATION_FAILED: {**_ERROR, **_CHAIN},
    NO_DATA: {"cause": (_is_text, "")},
    QUARANTINED: {"damages": (_are_words, [])},
    ACCEPTED: {"reason": (_is_text, "")},
    GIVEN_UP: {"reason": (_is_text, "")},
    COMMANDED: dict.fromkeys(("command", "by"), (_is_text, "")),
    JOINED: {"lake": (_is_text, "")},
    CONFIGURED: dict.fromkeys(("key", "by", "file"), (_is_text, "")),
    RUN_FAILED: _ERROR,
}


# A journal has hundreds of lines and a lake thousands of journals: what can be put together once, is.
_CHECKS = {
    kind: [(name, *field) for name, field in {**_EVERY, **fields}.items()] for kind, fields in _FIELDS.items()
}
_CHECKS_OF_OTHERS = [(name, *field) for name, field in _EVERY.items()]


def read(path: Path) -> list[Event]:
    """The events of one journal, oldest first; an empty list where there is none.

    What is no event is left out. Every event has `at` with a zone, `event`, `stage` and `run` as text, and
    the fields that belong to its kind.
    """
    return list(_events(_values(archive.read(path))))


def parse(line: bytes) -> Event | None:
    """The event in one line of a journal, as `read` gives it; None where it is none."""
    return checked(_value(line))


def _values(content: bytes) -> list[Any]:
    """What is on each line of *content* as JSON; None where that is nothing."""
    body = content.removesuffix(b"\n")
    with suppress(ValueError):
        # All at one go, which takes half the time; where one of them is torn, one by one.
        found: list[Any] = foreign.parsed(b"[" + body.replace(b"\n", b",") + b"]")
        if len(found) == body.count(b"\n") + 1 and b"\r" not in body:  # which ends a line as well
            return found
    return list(_newest(content))[::-1]


def _newest(content: bytes) -> Iterator[Any]:
    """What is on each line of *content*, the last one first, until there is more than one should hold."""
    left = foreign.MOST_VALUES
    for line in _backwards(content):
        left -= max(_FEWEST_VALUES, foreign.values(line))
        if left < 0:
            return
        yield _value(line)


_FEWEST_VALUES = 20  # what a line counts for, if it is empty: looking at it takes time as well


def _backwards(content: bytes) -> Iterator[bytes]:
    end = len(content)
    while end >= 0:
        start = content.rfind(b"\n", 0, end) + 1
        line = content[start:end]
        inner = line.splitlines() if len(line) <= foreign.MOST_LINE_BYTES else []
        yield from reversed(inner or [b""])  # an empty one counts as well
        end = start - 1


def _value(line: bytes) -> Any:
    with suppress(ValueError):
        return foreign.parsed(line) if len(line) <= foreign.MOST_LINE_BYTES else None
    return None


def _events(values: list[Any]) -> Iterator[Event]:
    """Those of *values* that are events, with all the fields of their kinds."""
    # Nearly all are of a few kinds that have no fields of their own, in the same stages of the same runs:
    # what has been found to be text in one of them needs no look in the next.
    usual: set[tuple[Any, Any, Any]] = set()
    moment_of = dt.datetime.fromisoformat
    for value in values:
        try:
            words = value["event"], value["stage"], value["run"]
            if words in usual and moment_of(value["at"]).tzinfo is not None:
                yield value
                continue
        except (ValueError, TypeError, LookupError):
            pass  # `checked` knows what to do
        if event := checked(value):
            yield event
            if event["event"] not in _CHECKS:
                usual.add((event["event"], event["stage"], event["run"]))


def checked(event: Any) -> Event | None:
    """*event* with all the fields of its kind; None where it is none."""
    try:
        kind = event["event"]
        moment = dt.datetime.fromisoformat(event["at"])
        known = _is_text(kind) and _is_text(event["stage"])
    except (ValueError, TypeError, LookupError):
        return None
    if not known or moment.tzinfo is None:
        return None
    for name, holds, default in _CHECKS.get(kind, _CHECKS_OF_OTHERS):
        if not holds(event.get(name)):
            event[name] = default
    if isinstance(cure := event.get("cure"), str):
        event["cure"] = commands.read_back(cure)
    found: Event = event
    return found
