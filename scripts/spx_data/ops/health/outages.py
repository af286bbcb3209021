"""The alerts about the terminal as dates met it: when it was gone, and how often it did not answer.

An outage is one event, however many dates and requests it met; it is over when they are sealed.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from typing import Any

from spx_data.errors import ApiConnectionError
from spx_data.lake.alike import OUTAGE
from spx_data.lake.runs import Run
from spx_data.ops.health.scene import Check, Scene, fail, named, ok, warn
from spx_data.status import Summary, Trouble
from spx_data.store import journal
from spx_data.text.words import counted, minute

_CONNECTION_DAYS = 7
_LONGEST = 160  # characters of a cause
# Each is one attempt that got no answer; `failed` only repeats what became of the date.
_ATTEMPTS = frozenset({journal.RETRIED, journal.EXPIRATION_FAILED})


def outage(scene: Scene) -> Check:
    """Dates whose last try met a terminal that was gone, until each of them is sealed."""
    lines = scene.left_by_an_outage
    dates = tuple(line.date for line in lines)
    numbers: dict[str, Any] = {"value": len(dates), "limit": 0, "unit": "dates", "dates": dates}
    if not lines:
        return ok("no date waits for a terminal that was gone", **numbers)
    first = min(lines, key=_met)
    since = f" from {minute(_met(first))} UTC on" if _met(first) else ""
    why = textwrap.shorten(first.state.reason, _LONGEST, placeholder=" …")
    found = (
        f"the terminal did not answer{since}: {counted(len(dates), 'date')} failed, {named(dates)} ({why})"
    )
    if scene.run and all(line.date in scene.at_work and _is_before(line, scene.run) for line in lines):
        return warn(f"{found}; being filled now", "`spx-data status --watch`", **numbers)
    return fail(found, f"{first.state.cure.rstrip('.')}; then `spx-data process-gaps`", **numbers)


def _met(line: Summary) -> str:
    """When the last run that tried a date first found the terminal gone for it; empty where nothing tells."""
    met = [trouble for trouble in line.facts.troubles if trouble.error in OUTAGE]
    return next((trouble.at for trouble in met if trouble.run == met[-1].run), "")


def _is_before(line: Summary, run: Run) -> bool:
    """Whether that was before *run* began."""
    return bool(met := _met(line)) and dt.datetime.fromisoformat(met) < run.started_at


def _try(trouble: Trouble, number: int) -> tuple[object, ...]:
    """The try of that *number* to ask for the same."""
    return trouble.date, trouble.run, trouble.stage, trouble.root, trouble.expiration, number


def connectivity(scene: Scene) -> Check:
    """Requests that the terminal did not answer, of those of the dates worked on in the last 7 days.

    Those of an outage count as one for each run that met it, with the connections that broke as it began.
    """
    limit = scene.settings.alerts.connectivity_percent
    asked = sum(line.facts.requests for line in scene.worked_on(_CONNECTION_DAYS))
    attempts = [trouble for trouble in scene.troubles(_CONNECTION_DAYS) if trouble.event in _ATTEMPTS]
    gone = [trouble for trouble in attempts if trouble.error in OUTAGE]
    tried = {_try(trouble, trouble.attempt) for trouble in gone}
    broken = [
        trouble
        for trouble in attempts
        if trouble.error == ApiConnectionError.__name__ and _try(trouble, trouble.attempt + 1) not in tried
    ]
    unanswered = len(broken) + len({trouble.run for trouble in gone})
    rate = 100 * unanswered / max(asked, unanswered, 1)
    of = counted(asked, "request")
    found = f"{unanswered:,} of {of} of the last {_CONNECTION_DAYS} days failed ({rate:.1f} %)"
    dates = tuple(sorted({dt.date.fromisoformat(trouble.date) for trouble in [*broken, *gone]}))
    numbers = {"value": round(rate, 2), "limit": limit, "unit": "%", "dates": dates}
    if rate > limit:
        cure = "Look into the terminal's log and at your network; `spx-data errors` shows when it happened"
        return warn(f"{found}, more than {limit:g} %: {named(dates)}", cure, **numbers)
    return ok(found, **numbers)
