"""The run at work: whether there is one that gets on, and whether a killed one left a lock behind."""

from __future__ import annotations

import datetime as dt

from spx_data.lake import runs
from spx_data.ops.health.check import Check, fail, ok, warn
from spx_data.ops.health.scene import Scene

# A source may be silent for as long as the settings allow, and then be asked again.
_SILENCES = 2


def run(scene: Scene) -> Check:
    """How far the run at work is, and whether anything still happens in it."""
    layout, name = scene.settings.layout, "run"
    current = runs.current(layout)
    if current is None:
        last = runs.last(layout)
        if failed := runs.last_failure(layout):
            at = failed["at"][:16].replace("T", " ")
            found = f"none at work; the last one filled nothing ({at} UTC): {failed['cause']}"
            return fail(name, found, failed["cure"] or "spx-data errors shows more")
        began = f"; the last one began {last.started_at:%Y-%m-%d %H:%M} UTC" if last else ""
        return ok(name, f"none at work{began}")
    done = sum(summary.date in scene.at_work for summary in scene.sealed)
    words = (
        f"at work since {current.started_at:%Y-%m-%d %H:%M} UTC (process {current.pid}): "
        f"{done:,} of {len(current.dates):,} dates sealed"
    )
    silence = (scene.moment - _last_sign(scene, current.started_at)).total_seconds()
    limit = _SILENCES * scene.settings.terminal.history_timeout_seconds
    numbers = {"value": max(0, round(silence)), "limit": limit, "unit": "seconds silent"}
    if silence > limit:
        found = f"{words}; nothing has happened for {silence / 60:,.0f} minutes"
        cure = "spx-data status --watch shows it; spx-data stop --now ends it, and the next run resumes"
        return warn(name, found, cure, **numbers)
    return ok(name, words, **numbers)


def _last_sign(scene: Scene, started_at: dt.datetime) -> dt.datetime:
    """The last event of any of the run's dates, or its beginning."""
    moments = [summary.facts.updated_at for summary in scene.summaries if summary.date in scene.at_work]
    return max([started_at, *(dt.datetime.fromisoformat(at) for at in moments if at)])
