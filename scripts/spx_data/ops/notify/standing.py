"""How a lake stands: in a word, which is told when it changes and every day; in figures, for Prometheus."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from spx_data.config import shipped
from spx_data.errors import MissingFileError, SpxDataError
from spx_data.lake.session_states import Kind
from spx_data.ops.health import Check, Level, Scene, alerts
from spx_data.ops.health.machine import disks
from spx_data.settings import Settings
from spx_data.status import Summary, overview
from spx_data.status.failures import groups
from spx_data.store import files
from spx_data.text import commands
from spx_data.text.words import counted

if TYPE_CHECKING:
    from prometheus_client import Gauge

Word = Literal["well", "failed", "needs you"]
WELL: Final = "well"
FAILED: Final = "failed"
NEEDS_YOU: Final = "needs you"
# What a fill may still bring: no data is an answer, and so is what a person has accepted.
_MISSING = frozenset({Kind.MISSING, Kind.PARTIAL, Kind.FAILED, Kind.PARKED, Kind.PENDING, Kind.CORRUPT})


class Standing(NamedTuple):
    """How a lake stands. What stays as it is, is told once."""

    word: Word = WELL
    about: tuple[str, ...] = ()  # the checks that need somebody, by name

    @classmethod
    def remembered(cls, document: Mapping[str, Any]) -> Standing:
        """The one in a *document* of `as_json`; that nothing is wrong, where it says anything else."""
        word, about = document.get("standing"), document.get("about")
        if word not in (FAILED, NEEDS_YOU) or not isinstance(about, list):
            return cls()
        return cls(word, tuple(map(str, about)))

    def as_json(self) -> dict[str, Any]:
        """The standing as a document."""
        return {"standing": self.word, "about": list(self.about)}


def look(settings: Settings, moment: dt.datetime, failure: str = "") -> Look:
    """Look at a lake; *failure* is why it took no part in a run."""
    try:
        dates = overview(settings, moment).dates
    except SpxDataError as error:
        return Look(settings, failure=failure or str(error))
    return Look(settings, dates, alerts(Scene(settings, moment, dates)), failure)


@dataclass(frozen=True)
class Look:
    """One lake as it is found: its dates, what is not ok, and why it took no part in a run, if so."""

    settings: Settings
    dates: Sequence[Summary] = ()
    alerts: Sequence[Check] = ()
    failure: str = ""

    @property
    def symbol(self) -> str:
        """Whose lake it is."""
        return self.settings.product.symbol

    @property
    def standing(self) -> Standing:
        """What its people have to know: the worst of what is so."""
        if names := sorted(check.name for check in self.alerts if check.level is Level.FAIL):
            return Standing(NEEDS_YOU, tuple(names))
        return Standing(FAILED if self.failure or self._failed else WELL)

    @property
    def _failed(self) -> list[Summary]:
        return [line for line in self.dates if line.state.kind is Kind.FAILED]

    def news(self, before: Standing) -> str:
        """What changed since it stood so, as a title; nothing where that is nothing to tell."""
        now = self.standing
        if now.word == before.word:
            return NEEDS_YOU if set(now.about) - set(before.about) else ""
        return "recovered" if now.word == WELL else now.word

    def why(self) -> list[str]:
        """Lines that say how it stands, each with what a person can do."""
        lines = [self.failure] if self.failure else []
        lines += [f"{check.found} → {check.cure}" for check in self.alerts if check.level is Level.FAIL]
        lines += [
            f"{counted(len(group.dates), 'date')}, the newest is {group.dates[-1]}: {group.state.words}"
            for group in groups(self._failed)
        ]
        return [commands.shown(line) for line in lines] or [self.figures()]

    def figures(self) -> str:
        """The lake in one line: how many days are sealed, the newest of them, and what is missing."""
        sealed = [line.date for line in self.dates if line.state.kind is Kind.SEALED]
        missing = sum(line.state.kind in _MISSING for line in self.dates)
        newest = f", the newest is {sealed[-1]}" if sealed else ""
        lacking = sum(line.is_incomplete for line in self.dates)
        return (
            f"{counted(len(sealed), 'day')} sealed{newest}; {missing:,} missing; {lacking:,} incomplete; "
            f"{counted(len(self.alerts), 'alert')}"
        )


# Figures for Prometheus -------------------------------------------------------------------------------------


_FOR_ALL_TO_READ = 0o644
_LEVELS = {level: number for number, level in enumerate(Level)}


def write_figures(path: Path, looks: Sequence[Look], moment: dt.datetime, *, well: bool) -> None:
    """Write what a run that ended *well*, or did not, has left in its lakes, for node exporter's collector.

    Others may read the file.

    Raises:
        MachineError: prometheus-client is not installed.
        MissingFileError: there is no such folder.
    """
    shipped.check_extra("alerts")
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()

    def gauge(name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"spx_data_{name}", says, labels, registry=registry)

    gauge("last_run_timestamp_seconds", "When the last run ended.").set(moment.timestamp())
    gauge("last_run_success", "Whether it ended well.").set(well)
    _of_dates(gauge, looks)
    _of_alerts(gauge, looks)
    free = gauge("disk_free_bytes", "Free bytes of a disk.", "symbol", "directories")
    for look in looks:
        for disk in disks(look.settings.layout):
            free.labels(look.symbol, ",".join(disk.names)).set(disk.free)
    # The folder is the exporter's, not ours to make; it runs as another user.
    if not path.parent.is_dir():
        cure = "Make it, or name a file in another one"
        raise MissingFileError(f"{path.parent} is no folder", cure=cure, what=str(path))
    files.rewrite(path, generate_latest(registry).decode(), _FOR_ALL_TO_READ)


def _of_dates(gauge: Callable[..., Gauge], looks: Sequence[Look]) -> None:
    sessions = gauge("sessions", "Trading days by their state.", "symbol", "state")
    rows = gauge("sealed_rows", "Rows of sealed days.", "symbol")
    size = gauge("sealed_bytes", "Bytes of sealed Parquet.", "symbol")
    lacking = gauge("incomplete_days", "Sealed days that lack something.", "symbol")
    newest = gauge("newest_sealed_timestamp_seconds", "Midnight (UTC) of the newest sealed day.", "symbol")
    for look in looks:
        counted = Counter(line.state.kind for line in look.dates)
        for kind in Kind:
            sessions.labels(look.symbol, kind.value).set(counted[kind])
        sealed = [line for line in look.dates if line.state.kind is Kind.SEALED]
        rows.labels(look.symbol).set(sum(line.facts.rows for line in sealed))
        size.labels(look.symbol).set(sum(line.facts.bytes for line in sealed))
        lacking.labels(look.symbol).set(sum(line.is_incomplete for line in sealed))
        if sealed:
            day = dt.datetime.combine(sealed[-1].date, dt.time(), dt.UTC)
            newest.labels(look.symbol).set(day.timestamp())


def _of_alerts(gauge: Callable[..., Gauge], looks: Sequence[Look]) -> None:
    levels = ", ".join(f"{number} {name}" for name, number in _LEVELS.items())
    level = gauge("alert", f"What is not ok: {levels}.", "symbol", "check")
    stands = gauge("needs_you", "Whether something needs somebody.", "symbol")
    for look in looks:
        for check in look.alerts:
            level.labels(look.symbol, check.name).set(_LEVELS[check.level])
        stands.labels(look.symbol).set(any(check.level is Level.FAIL for check in look.alerts))
