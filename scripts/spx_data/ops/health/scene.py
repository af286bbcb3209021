"""What the checks look at, read once for all of them; what a check finds; and the question to the terminal.

It is asked in a thread of its own while others read files, and no longer than a deadline: a terminal that
hangs must hang nobody else.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from spx_data.errors import SpxDataError, ThetaTerminalNotRunningError, WrongApiError
from spx_data.lake import calendar
from spx_data.lake.alike import OUTAGE
from spx_data.lake.runs import Run
from spx_data.lake.session_states import Kind
from spx_data.settings import Settings, Terminal
from spx_data.status import Summary, Trouble
from spx_data.status.quality import Day, days
from spx_data.store import faults, limits, tree
from spx_data.store.limits import Volume
from spx_data.store.tree import Tree
from spx_data.text.words import counted, few

_NAMED = 3
CONNECTED = "connected"
ABSENT = "absent"  # nothing listens there
SILENT = "silent"  # something does, and did not answer in time
WRONG_API = "wrong-api"
STRANGE = "strange"  # no Theta Terminal, or one that answers with an error


class Level(StrEnum):
    """How bad it is, the best first."""

    OK = "ok"
    NOTICE = "notice"  # how this lake's source is: told, and nobody has to do anything
    WARN = "warn"  # worth knowing: nothing is lost, and the work goes on
    FAIL = "fail"  # needs somebody


@dataclass(frozen=True)
class Check:
    """The result of one check; *value* is its leading number in *unit*, *limit* what it is held against."""

    name: str  # as the table of all checks has it
    level: Level
    found: str
    cure: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str | None = None
    dates: tuple[dt.date, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """The check as a flat document, for JSON and CSV."""
        return {
            "check": self.name,
            "level": self.level.value,
            "found": self.found,
            "cure": self.cure or None,
            "value": self.value,
            "limit": self.limit,
            "unit": self.unit,
            "dates": [date.isoformat() for date in self.dates],
        }


def _check(level: Level, found: str, cure: str = "", *, name: str = "", **numbers: Any) -> Check:
    """A check whose name its caller gives (`guarded`)."""
    return Check(name, level, found, cure, **numbers)


def ok(found: str, **numbers: Any) -> Check:
    """A check that found nothing to mend."""
    return _check(Level.OK, found, **numbers)


def notice(found: str, cure: str, **numbers: Any) -> Check:
    """A check that found how things are, which is nobody's to mend."""
    return _check(Level.NOTICE, found, cure, **numbers)


def warn(found: str, cure: str, **numbers: Any) -> Check:
    """A check that found something worth knowing."""
    return _check(Level.WARN, found, cure, **numbers)


def fail(found: str, cure: str, **numbers: Any) -> Check:
    """A check that found something that needs somebody."""
    return _check(Level.FAIL, found, cure, **numbers)


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """What *look* finds, by its *name*; an error in it is a failed check, so that it hides no other one."""
    try:
        found = look()
    except Exception as error:
        told = error if isinstance(error, SpxDataError) else faults.of(error)
        if isinstance(told, SpxDataError):
            found = fail(told.cause, told.cure)
        else:
            said = f"could not be checked: {type(error).__name__}: {' '.join(str(error).split())}"
            found = fail(said, "If the reason is unclear, please report this line")
    return replace(found, name=name)


def worst(checks: Sequence[Check]) -> Level:
    """The worst level among *checks*."""
    return max((check.level for check in checks), key=list(Level).index, default=Level.OK)


def named(dates: Sequence[dt.date]) -> str:
    """*dates* in words: the first few by name, the others as a number."""
    return few(dates, _NAMED)


def of_these(dates: Sequence[dt.date], command: str, *, at_once: int = 1) -> str:
    """*command* for each of *dates* (where it has DATE), written out for the first *at_once*."""
    told = command.replace("DATE", ",".join(map(str, dates[:at_once])))
    more = len(dates) - at_once
    return f"{told} ({counted(more, 'more date')})" if more > 0 else told


def gigabytes(count: float) -> str:
    """Bytes as a person reads them on a disk."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"


@dataclass(frozen=True)
class Answer:
    """What came of asking the terminal how it is.

    *word* is its own status word in lower case, or one of the words above; *seconds* what the answer took.
    """

    word: str
    base_url: str | None = None
    api: str | None = None
    seconds: float | None = None
    error: SpxDataError | None = None


class Asking:
    """A question to the terminal that is under way."""

    def __init__(self, terminal: Terminal, seconds: float) -> None:
        """Ask now; *seconds* is the longest that anybody waits for the answer."""
        self._terminal = replace(terminal, timeout_seconds=min(terminal.timeout_seconds, seconds))
        self._seconds, self._begun = seconds, time.monotonic()
        self._answers: list[Answer] = []
        # A daemon: the process may end before a terminal that hangs gives in.
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def answer(self) -> Answer:
        """What the terminal answered, or that it did not in time."""
        self._thread.join(max(0.0, self._begun + self._seconds - time.monotonic()))
        return self._answers[0] if self._answers else self._silence()

    def _ask(self) -> None:
        from spx_data.sources import access

        try:
            found = access.sight(self._terminal)
        except SpxDataError as error:
            self._answers.append(Answer(_word(error), self._terminal.base_url, error=error))
        except Exception as error:
            strange = SpxDataError(f"the terminal could not be asked: {type(error).__name__}: {error}")
            self._answers.append(Answer(STRANGE, self._terminal.base_url, error=strange))
        else:
            self._answers.append(Answer(found.word.lower(), found.base_url, found.api, found.seconds))

    def _silence(self) -> Answer:
        where = self._terminal.base_url or "its usual addresses"
        error = SpxDataError(
            f"the terminal at {where} did not answer within {self._seconds:g} s",
            cure="See the terminal's log, or restart it",
        )
        return Answer(SILENT, self._terminal.base_url, error=error)


def _word(error: SpxDataError) -> str:
    if "status" in error.fields or "excerpt" in error.fields:
        return STRANGE
    if isinstance(error, WrongApiError):
        return WRONG_API
    return ABSENT if isinstance(error, ThetaTerminalNotRunningError) else SILENT


@dataclass(frozen=True)
class Scene:
    """One lake at one *moment*: its dates, the run at work, and the terminal's answer if it was asked."""

    settings: Settings
    moment: dt.datetime
    summaries: Sequence[Summary] = ()
    run: Run | None = None
    answer: Answer | None = None
    walked: Tree | None = None  # the output tree, where it is walked already

    @cached_property
    def wanted(self) -> frozenset[dt.date]:
        """The sessions that the settings ask for."""
        return frozenset(session.date for session in calendar.wanted(self.settings, self.moment))

    @cached_property
    def tree(self) -> Tree:
        """What stands in the output tree."""
        return self.walked or tree.walk(self.settings.layout)

    @cached_property
    def sealed(self) -> list[Summary]:
        """The sealed dates, oldest first."""
        return self.of_kind(Kind.SEALED)

    @cached_property
    def left_by_an_outage(self) -> list[Summary]:
        """The dates whose last try met a terminal that was gone, oldest first."""
        return [line for line in self.of_kind(Kind.FAILED) if line.state.error in OUTAGE]

    @cached_property
    def outage_dates(self) -> frozenset[dt.date]:
        """The dates of `left_by_an_outage`: one alert tells of all of them."""
        return frozenset(line.date for line in self.left_by_an_outage)

    @cached_property
    def judged(self) -> list[Day]:
        """The sealed dates that were judged, oldest first."""
        return days(self.summaries, self.settings.quality)

    @cached_property
    def volumes(self) -> Sequence[Volume]:
        """The volumes under the lake; raises where one cannot be written to."""
        return limits.of_lake(self.settings.layout)

    @property
    def last_activity(self) -> dt.datetime | None:
        """When something last happened to any date."""
        last = max((at for summary in self.summaries if (at := summary.facts.updated_at)), default=None)
        return dt.datetime.fromisoformat(last) if last else None

    @property
    def at_work(self) -> frozenset[dt.date]:
        """The dates that the run at work set out to do."""
        return frozenset(self.run.dates) if self.run else frozenset()

    def of_kind(self, *kinds: Kind) -> list[Summary]:
        """The dates of these kinds, oldest first."""
        return [summary for summary in self.summaries if summary.state.kind in kinds]

    def since(self, days: int) -> str:
        """The moment *days* ago, spelt as journals spell theirs, so that the two compare as text."""
        return (self.moment - dt.timedelta(days)).astimezone(dt.UTC).isoformat(timespec="milliseconds")

    def worked_on(self, days: int) -> list[Summary]:
        """The dates that were tried within the last *days*."""
        since = self.since(days)
        return [summary for summary in self.summaries if _last_try(summary) >= since]

    def troubles(self, days: int) -> list[Trouble]:
        """Failures and retries of the last *days*, by date."""
        since = self.since(days)
        return [
            trouble for summary in self.summaries for trouble in summary.facts.troubles if trouble.at >= since
        ]


def _last_try(summary: Summary) -> str:
    """The last moment at which the workflow worked on a date; empty where it never did."""
    facts = summary.facts
    moments = (facts.started_at, facts.completed_at, facts.sealed_at, *(one.at for one in facts.troubles))
    return max((at for at in moments if at), default="")
