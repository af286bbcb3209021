"""What a lake lives on: the machine with its disks and memory, the terminal, and the run at work.

Of the terminal also how dates met it: when it was gone, and how often it did not answer. An outage is one
event, however many dates and requests it met; it is over when they are sealed.
"""

from __future__ import annotations

import datetime as dt
import os
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from spx_data.errors import ApiConnectionError, ApiRateLimitError, SubscriptionError
from spx_data.fill import DISK_MARGIN
from spx_data.lake import runs
from spx_data.lake.alike import OUTAGE
from spx_data.lake.runs import Run
from spx_data.ops.gaps import sharing
from spx_data.ops.health.scene import CONNECTED, Check, Scene, fail, gigabytes, named, notice, ok, warn
from spx_data.settings import Alerts
from spx_data.sources import catalogue, profile
from spx_data.sources import outage as outages
from spx_data.status import Summary, Trouble
from spx_data.store import journal, limits, reads, room
from spx_data.store.layout import Layout
from spx_data.store.limits import Lack
from spx_data.text.words import counted, minute

_OF_WINDOWS = frozenset({"9p", "drvfs", "virtiofs"})  # file systems of /mnt/c under WSL
_EVIDENCE_DAYS = 30
_WHEN_AWAY = "Check that the Theta Terminal runs and is connected: the run goes on by itself once it answers"
# A source may be silent for as long as the settings allow, and then be asked again.
_SILENCES = 2


@dataclass(frozen=True)
class Disk:
    """One disk under the lake: which of its directories are there, and the disk's bytes."""

    names: tuple[str, ...]
    folder: Path
    free: int
    total: int

    @property
    def percent(self) -> float:
        """How much of it is free."""
        return 100 * self.free / self.total

    def __str__(self) -> str:
        return f"{listed(self.names)}: {self.percent:.0f} % free ({gigabytes(self.free)})"


def disks(layout: Layout) -> list[Disk]:
    """The disks of the output, temp and data directories."""
    found: dict[int, dict[str, Path]] = defaultdict(dict)
    for name, folder in _folders(layout).items():
        found[reads.device(folder)][name] = folder
    return [
        Disk(
            tuple(folders),
            folder := next(iter(folders.values())),
            reads.free_bytes(folder),
            reads.total_bytes(folder),
        )
        for folders in found.values()
    ]


def _folders(layout: Layout) -> dict[str, Path]:
    return {"output": layout.output, "temp": layout.temp, "data": layout.data}


def disk(scene: Scene) -> Check:
    """Whether the disks have room, in percent and for a next date."""
    limit, need = scene.settings.alerts.disk_free_percent, _need_of_a_date(scene)
    there = disks(scene.settings.layout)
    least = min(one.percent for one in there)
    found, numbers = "; ".join(map(str, there)), {"value": round(least, 1), "limit": limit, "unit": "% free"}
    demands = {one: sum(need.get(name, 0.0) for name in one.names) for one in there}
    full = [
        f"it needs about {gigabytes(demand)} on the disk of {one.folder}"
        for one, demand in demands.items()
        if one.free < demand
    ]
    if full:
        cure = "Make room there, or set other directories; the next run goes on where it stopped"
        return fail(f"{found}; the next date does not fit: {'; '.join(full)}", cure, **numbers)
    if slow := windows_drives({"project": Path(), **_folders(scene.settings.layout)}):
        cure = "Move the project into WSL's own files: `cp -r . ~/spx-data && cd ~/spx-data && make env`"
        words = f"{listed(slow)} on a Windows drive: slow under WSL, with unreliable locks"
        return warn(f"{found}; {words}", cure, **numbers)
    if least < limit:
        cure = "Make room: `spx-data cleanup --dry-run` shows what can go, or move the lake to a larger disk"
        return warn(f"{found}, less than {limit:g} %", cure, **numbers)
    return ok(found, **numbers)


def _need_of_a_date(scene: Scene) -> dict[str, float]:
    """Bytes that a fill demands of each directory for a usual date; none where no date is sealed yet."""
    facts = [summary.facts for summary in scene.sealed]
    if not facts:
        return {}
    return {
        "temp": DISK_MARGIN * median(fact.staged_bytes for fact in facts),
        "output": DISK_MARGIN * median(fact.bytes for fact in facts),
    }


def windows_drives(folders: Mapping[str, Path]) -> list[str]:
    """The names of those *folders* that Linux under Windows (WSL2) reaches only through Windows."""
    if "microsoft" not in os.uname().release.lower():
        return []
    import psutil

    types = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}

    def type_of(folder: Path) -> str:
        there = folder.resolve()
        return next((types[above] for above in (there, *there.parents) if above in types), "")

    return [name for name, folder in folders.items() if type_of(folder) in _OF_WINDOWS]


def memory(alerts: Alerts) -> Check:
    """How much is in use of the machine's memory, or of a container's that may have less."""
    import psutil

    limit, most = alerts.memory_percent, sharing.JOB + sharing.BESIDE
    if limited := room.limited():
        percent = 100 * limited.used / limited.allowed
        words = f"the {gigabytes(limited.allowed)} that are allowed here"
    else:
        found = psutil.virtual_memory()
        percent, words = found.percent, gigabytes(found.total)
    words = f"{percent:.0f} % of {words} in use"
    numbers = {"value": round(percent, 1), "limit": limit, "unit": "% used"}
    if limited and limited.allowed < most:
        cure = "Allow it more (of a container: --memory 2g): the system ends what takes too much"
        return warn(f"{words}, and a date of full size takes up to {gigabytes(most)}", cure, **numbers)
    if percent > limit:
        cure = "Close other programs, or give Snakemake fewer cores: each job takes memory of its own"
        return warn(f"{words}, more than {limit:g} %", cure, **numbers)
    return ok(words, **numbers)


def volumes(scene: Scene) -> Check:
    """Whether the volumes can do what a fill does there: locks in the data directory, flushes, renames."""
    found = scene.volumes
    if fatal := [volume for volume in found if volume.fatal]:
        return fail("; ".join(volume.words(volume.fatal) for volume in fatal), fatal[0].cure)
    if weak := [volume for volume in found if Lack.FLUSH in volume.lacks]:
        cure = "After a power cut run `spx-data verify --all`; a local disk loses nothing"
        return warn("; ".join(volume.words([Lack.FLUSH]) for volume in weak), cure)
    if scene.settings.owner_only and (bare := [volume for volume in found if Lack.MODES in volume.lacks]):
        cure = "`spx-data config set processing.owner_only false`, or mount it for you alone (umask=077)"
        return warn("; ".join(volume.words([Lack.MODES]) for volume in bare), cure)
    notes = [volume.words(list(volume.lacks)) for volume in found if volume.lacks]
    can = "the data directory locks, and every volume flushes and renames"
    return ok(f"{can}; {'; '.join(notes)}, which a fill does without" if notes else can)


def open_files(scene: Scene) -> Check:
    """Whether a job may have open what a run needs."""
    need = limits.files_needed(scene.settings.terminal.max_concurrent_requests)
    limit = limits.files_allowed()
    numbers = {"value": limit, "limit": need, "unit": "files"}
    if limit < need:
        return fail(limits.lack_of_files(need, limit), limits.cure_of_files(need), **numbers)
    return ok(f"a process may open {limit:,} files, a run needs {need:,}", **numbers)


def listed(words: Sequence[str]) -> str:
    """*words* as an enumeration."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def terminal(scene: Scene) -> Check:
    """Whether a terminal is there, connected to its server, and speaks the API asked for."""
    answer = scene.answer
    if answer is None:
        return ok("not asked")
    if answer.error is not None:
        return fail(answer.error.cause, answer.error.cure or "See the terminal's log")
    milliseconds = round(1000 * (answer.seconds or 0.0), 1)
    numbers = {"value": milliseconds, "unit": "ms"}
    where = f"API {answer.api} at {answer.base_url}"
    if answer.word == CONNECTED:
        return ok(f"connected, {where}, answers in {milliseconds:,.0f} ms", **numbers)
    cure = "Wait until it is connected; if it stays so, restart it and check its login"
    return fail(f"{answer.word}, {where}: it has no connection to its server", cure, **numbers)


def request_limit(scene: Scene) -> Check:
    """Whether the limit of requests fits a subscription, by what is known of them and by what happened.

    No terminal says which subscription it has: its refusals of the last 30 days are the evidence. A full
    queue is none by itself, for it is asked again with fewer in flight: it matters where that was in vain.
    """
    limit = scene.settings.terminal.max_concurrent_requests
    api = (scene.answer and scene.answer.api) or scene.settings.terminal.api
    tiers = catalogue.likely(api).tiers
    numbers: dict[str, Any] = {"value": limit, "limit": max(tiers), "unit": "requests"}
    lower = max((known for known in tiers if known < limit), default=1)
    set_lower = f"`spx-data config set thetadata.max_concurrent_requests {lower}`"
    troubles = scene.troubles(_EVIDENCE_DAYS)
    if refused := _dates(each for each in troubles if each.error == SubscriptionError.__name__):
        found = f"the subscription does not include: {named(refused)}"
        cure = (
            "Upgrade it, or set processing.start_date to where its history begins; `spx-data errors` has more"
        )
        return warn(found, cure, **numbers, dates=refused)
    if limit > max(tiers):
        found = f"{limit} at once are more than any subscription allows ({_tiers(tiers)})"
        return warn(found, set_lower, **numbers)
    lately = scene.troubles(_CONNECTION_DAYS)
    full = [each for each in lately if each.error == ApiRateLimitError.__name__]
    if limited := _dates(each for each in full if each.event != journal.RETRIED):
        found = f"{limit} at once, and the terminal's queue stayed full: {named(limited)}"
        cure = f"Stop other programs that use this terminal, or {set_lower}"
        return warn(found, cure, **numbers, dates=limited)
    # Beyond that many the terminal queued or refused when it was probed.
    probed = profile.known(scene.settings.layout.profile)
    if probed and (served := probed.most_at_once) and served < limit:
        found = f"{limit} at once, and the terminal served {served} when it was probed, while others waited"
        cure = f"`spx-data config set thetadata.max_concurrent_requests {served}`"
        return notice(found, cure, **numbers)
    words = f"{limit} at once; subscriptions allow {_tiers(tiers)}"
    if full:
        words += f"; asked again after a full queue {counted(len(full), 'time')} in {_CONNECTION_DAYS} days"
    return ok(words, **numbers)


def _dates(troubles: Iterable[Trouble]) -> tuple[dt.date, ...]:
    return tuple(sorted({dt.date.fromisoformat(trouble.date) for trouble in troubles}))


def _tiers(tiers: Mapping[int, str]) -> str:
    return ", ".join(f"{tier} {count}" for count, tier in tiers.items())


def run(scene: Scene) -> Check:
    """How far the run at work is, and whether anything still happens in it."""
    layout = scene.settings.layout
    current = runs.current(layout)
    if current is None:
        last = runs.last(layout)
        if failed := runs.last_failure(layout):
            at = failed["at"][:16].replace("T", " ")
            found = f"idle; the last run filled nothing ({at} UTC): {failed['cause']}"
            return fail(found, failed["cure"] or "`spx-data errors` shows more")
        began = f"; last run started {last.started_at:%Y-%m-%d %H:%M} UTC" if last else ""
        return ok(f"idle{began}")
    done = sum(summary.date in scene.at_work for summary in scene.sealed)
    words = (
        f"running since {current.started_at:%Y-%m-%d %H:%M} UTC (process {current.pid}): "
        f"{done:,} of {len(current.dates):,} dates sealed"
    )
    if away := outages.of_run(layout, current.name):
        return warn(f"{words}; {away.words(dt.UTC)}", _WHEN_AWAY)
    silence = (scene.moment - _last_sign(scene, current.started_at)).total_seconds()
    limit = _SILENCES * scene.settings.terminal.history_timeout_seconds
    numbers = {"value": max(0, round(silence)), "limit": limit, "unit": "seconds silent"}
    if silence > limit:
        found = f"{words}; no activity for {silence / 60:,.0f} minutes"
        cure = "`spx-data status --watch` shows it; `spx-data stop --now` ends it, and the next run resumes"
        return warn(found, cure, **numbers)
    return ok(words, **numbers)


def _last_sign(scene: Scene, started_at: dt.datetime) -> dt.datetime:
    """The last event of any of the run's dates, or its beginning."""
    moments = [summary.facts.updated_at for summary in scene.summaries if summary.date in scene.at_work]
    return max([started_at, *(dt.datetime.fromisoformat(at) for at in moments if at)])


# The terminal as dates met it -------------------------------------------------------------------------------


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
    dates = _dates([*broken, *gone])
    numbers = {"value": round(rate, 2), "limit": limit, "unit": "%", "dates": dates}
    if rate > limit:
        cure = "Look into the terminal's log and at your network; `spx-data errors` shows when it happened"
        return warn(f"{found}, more than {limit:g} %: {named(dates)}", cure, **numbers)
    return ok(found, **numbers)
