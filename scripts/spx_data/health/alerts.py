"""The alerts about the dates (requirements, section H), each with the dates it means and what mends them.

A failure names dates that nobody will get back without somebody; a warning names what the next run, or time,
may mend.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from spx_data import journal
from spx_data.errors import (
    ApiConnectionError,
    TerminalDisconnectedError,
    TerminalSessionTakenError,
    ThetaTerminalNotRunningError,
)
from spx_data.health.check import Check, fail, named, of_these, ok, warn
from spx_data.health.scene import Scene
from spx_data.ledger import Kind
from spx_data.status import Summary

_FAILURE_DAYS, _CONNECTION_DAYS = 30, 7
_HOLES = frozenset({Kind.MISSING, Kind.PARTIAL, Kind.FAILED, Kind.PARKED, Kind.CORRUPT})
_UNREACHED = frozenset(
    kind.__name__
    for kind in (
        ApiConnectionError,
        TerminalDisconnectedError,
        TerminalSessionTakenError,
        ThetaTerminalNotRunningError,
    )
)
# Each is one attempt that got no answer; `failed` only repeats what became of the date.
_ATTEMPTS = frozenset({journal.RETRIED, journal.EXPIRATION_FAILED})
_COMPLETE_PERCENT = 99.9  # requirements, E8

Streak = tuple[dt.date, ...]


def failure_rate(scene: Scene) -> Check:
    """Dates whose last try failed, of those worked on in the last 30 days."""
    name, limit = "failure-rate", scene.settings.alerts.failure_rate_percent
    worked = scene.worked_on(_FAILURE_DAYS)
    failed = tuple(line.date for line in worked if line.state.kind in {Kind.FAILED, Kind.PARKED})
    rate = 100 * len(failed) / len(worked) if worked else 0.0
    found = f"{len(failed):,} of {len(worked):,} dates of the last {_FAILURE_DAYS} days failed ({rate:.1f} %)"
    numbers = {"value": round(rate, 2), "limit": limit, "unit": "%", "dates": failed}
    if rate > limit:
        cure = "spx-data errors shows why; then spx-data retry --all-failed"
        return fail(name, f"{found}, more than {limit:g} %: {named(failed)}", cure, **numbers)
    return ok(name, found, **numbers)


def consecutive_missing(scene: Scene) -> Check:
    """Sessions that finished and are not there, in a row.

    What lies before the first sealed date is not filled yet, and no hole; what a run is filling now is a hole
    that closes.
    """
    name, limit = "consecutive-missing", scene.settings.alerts.consecutive_missing
    ahead, streaks = _streaks(scene)
    longest = max(streaks, key=len, default=())
    numbers = {"value": len(longest), "limit": limit, "unit": "sessions"}
    if len(longest) > limit:
        others = sum(len(streak) > limit for streak in streaks) - 1
        found = f"{len(longest):,} sessions in a row are missing: {longest[0]} to {longest[-1]}"
        found += f", and {others:,} more such gaps" if others else ""
        if scene.at_work.issuperset(longest):
            return warn(name, f"{found}; the run at work is filling them", "spx-data status --watch",
                        **numbers, dates=longest)  # fmt: skip
        cure = "spx-data gaps shows them, spx-data process-gaps fills them"
        return fail(name, found, cure, **numbers, dates=longest)
    if ahead:
        what = "before the first sealed date" if scene.sealed else "so far"
        found = f"not filled yet: {len(ahead):,} sessions {what}, {ahead[0]} to {ahead[-1]}"
        if not scene.at_work.isdisjoint(ahead):
            return ok(name, f"{found}; the run at work is filling them", **numbers, dates=ahead)
        return warn(name, found, "spx-data process-gaps", **numbers, dates=ahead)
    return ok(name, f"{len(longest):,} at the most", **numbers, dates=longest)


def _streaks(scene: Scene) -> tuple[Streak, list[Streak]]:
    """The missing sessions before the first sealed date, and every later row of missing sessions."""
    first = scene.sealed[0].date if scene.sealed else dt.date.max
    sessions = [line for line in scene.summaries if line.date in scene.wanted]
    ahead = tuple(line.date for line in sessions if line.date < first and line.state.kind in _HOLES)
    return ahead, list(_rows([line for line in sessions if line.date > first]))


def _rows(sessions: list[Summary]) -> Iterator[Streak]:
    row: list[dt.date] = []
    for line in sessions:
        if line.state.kind in _HOLES:
            row.append(line.date)
        elif row:
            yield tuple(row)
            row = []
    if row:
        yield tuple(row)


def connectivity(scene: Scene) -> Check:
    """Requests that the terminal did not answer, of those of the dates worked on in the last 7 days."""
    name, limit = "connectivity", scene.settings.alerts.connectivity_percent
    asked = sum(line.facts.requests for line in scene.worked_on(_CONNECTION_DAYS))
    unanswered = [
        trouble
        for trouble in scene.troubles(_CONNECTION_DAYS)
        if trouble.error in _UNREACHED and trouble.event in _ATTEMPTS
    ]
    rate = 100 * len(unanswered) / max(asked, len(unanswered), 1)
    found = f"{len(unanswered):,} of {asked:,} requests of the last {_CONNECTION_DAYS} days came to nothing"
    dates = tuple(sorted({dt.date.fromisoformat(trouble.date) for trouble in unanswered}))
    numbers = {"value": round(rate, 2), "limit": limit, "unit": "%", "dates": dates}
    if rate > limit:
        cure = "Look into the terminal's log and at your network; spx-data errors shows when it happened"
        words = f"{found} ({rate:.1f} %), more than {limit:g} %: {named(dates)}"
        return warn(name, words, cure, **numbers)
    return ok(name, f"{found} ({rate:.1f} %)", **numbers)


def parked(scene: Scene) -> Check:
    """Dates that failed so often that they are left alone until somebody asks for them."""
    dates = tuple(line.date for line in scene.of_kind(Kind.PARKED) if line.date in scene.wanted)
    numbers = {"value": len(dates), "limit": 0, "unit": "dates", "dates": dates}
    if not dates:
        return ok("parked", "no date is parked", **numbers)
    retry = of_these(dates, "spx-data retry DATE --force")
    found = f"{len(dates):,} dates failed too often and are left alone: {named(dates)}"
    cure = f'{retry}, or leave it for good: spx-data accept {dates[0]} --reason "…"'
    return fail("parked", found, cure, **numbers)


def corrupt(scene: Scene) -> Check:
    """Dates that were sealed once, and are damaged or in quarantine."""
    dates = tuple(line.date for line in scene.of_kind(Kind.CORRUPT))
    numbers = {"value": len(dates), "limit": 0, "unit": "dates", "dates": dates}
    if not dates:
        return ok("corrupt", "no damage is known (spx-data verify --all looks at every byte)", **numbers)
    found = f"{len(dates):,} sealed dates were damaged: {named(dates)}; the next run fetches them again"
    cure = of_these(dates, "spx-data process DATE") if len(dates) < 3 else "spx-data process-gaps"
    return warn("corrupt", found, f"{cure}, and look at the disk's health", **numbers)


def completeness(scene: Scene) -> Check:
    """Contracts that the source listed and never sent, in sealed dates."""
    sent = sum(line.facts.contracts or 0 for line in scene.sealed)
    missing = sum(line.facts.contracts_missing or 0 for line in scene.sealed)
    share = 100 * sent / (sent + missing) if sent + missing else 100.0
    dates = tuple(line.date for line in scene.sealed if _share(line) < _COMPLETE_PERCENT)
    numbers = {"value": round(share, 3), "limit": _COMPLETE_PERCENT, "unit": "%", "dates": dates}
    found = f"{missing:,} of {sent + missing:,} contracts of sealed dates are missing"
    if not dates:
        return ok("completeness", found, **numbers)
    words = f"{found}; {len(dates):,} dates have less than {_COMPLETE_PERCENT} %: {named(dates)}"
    cure = of_these(dates, "snakemake --cores 4 recheck --config dates=DATE")
    return warn("completeness", words, f"{cure} asks the source whether it has them by now", **numbers)


def _share(line: Summary) -> float:
    """The percentage of a date's contracts that were sent."""
    sent, missing = line.facts.contracts or 0, line.facts.contracts_missing or 0
    return 100 * sent / (sent + missing) if sent + missing else 100.0
