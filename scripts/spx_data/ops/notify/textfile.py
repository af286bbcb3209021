"""The figures of lakes as a text file for Prometheus' node exporter (its textfile collector)."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spx_data.config import shipped
from spx_data.errors import MissingFileError
from spx_data.lake.session_states import Kind
from spx_data.ops.health import Level
from spx_data.ops.health.machine import disks
from spx_data.ops.notify.standing import Look
from spx_data.store import files

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_FOR_ALL_TO_READ = 0o644
_LEVELS = {level: number for number, level in enumerate(Level)}


def write(path: Path, looks: Sequence[Look], moment: dt.datetime, *, well: bool) -> None:
    """Write what a run that ended *well*, or did not, has left in its lakes; others may read the file.

    Raises:
        MachineError: prometheus-client is not installed.
        MissingFileError: there is no such folder.
    """
    shipped.check_extra("alerts")
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    _of_the_run(registry, moment, well=well)
    for fill in (_of_dates, _of_alerts, _of_disks):
        fill(registry, looks)
    # The folder is the exporter's, not ours to make; it runs as another user.
    if not path.parent.is_dir():
        cure = "Make it, or name a file in another one"
        raise MissingFileError(f"{path.parent} is no folder", cure=cure, what=str(path))
    files.rewrite(path, generate_latest(registry).decode(), _FOR_ALL_TO_READ)


def _of_the_run(registry: CollectorRegistry, moment: dt.datetime, *, well: bool) -> None:
    from prometheus_client import Gauge

    ended = Gauge("spx_data_last_run_timestamp_seconds", "When the last run ended.", registry=registry)
    ended.set(moment.timestamp())
    Gauge("spx_data_last_run_success", "Whether it ended well.", registry=registry).set(well)


def _of_dates(registry: CollectorRegistry, looks: Sequence[Look]) -> None:
    from prometheus_client import Gauge

    sessions = Gauge(
        "spx_data_sessions", "Trading days by their state.", ["symbol", "state"], registry=registry
    )
    rows = Gauge("spx_data_sealed_rows", "Rows of sealed days.", ["symbol"], registry=registry)
    size = Gauge("spx_data_sealed_bytes", "Bytes of sealed Parquet.", ["symbol"], registry=registry)
    lacking = Gauge(
        "spx_data_incomplete_days", "Sealed days that lack something.", ["symbol"], registry=registry
    )
    newest = Gauge(
        "spx_data_newest_sealed_timestamp_seconds",
        "Midnight (UTC) of the newest sealed day.",
        ["symbol"],
        registry=registry,
    )
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


def _of_alerts(registry: CollectorRegistry, looks: Sequence[Look]) -> None:
    from prometheus_client import Gauge

    level = Gauge(
        "spx_data_alert",
        f"What is not ok: {', '.join(f'{number} {name}' for name, number in _LEVELS.items())}.",
        ["symbol", "check"],
        registry=registry,
    )
    stands = Gauge("spx_data_needs_you", "Whether something needs somebody.", ["symbol"], registry=registry)
    for look in looks:
        for check in look.alerts:
            level.labels(look.symbol, check.name).set(_LEVELS[check.level])
        stands.labels(look.symbol).set(any(check.level is Level.FAIL for check in look.alerts))


def _of_disks(registry: CollectorRegistry, looks: Sequence[Look]) -> None:
    from prometheus_client import Gauge

    free = Gauge(
        "spx_data_disk_free_bytes", "Free bytes of a disk.", ["symbol", "directories"], registry=registry
    )
    for look in looks:
        for disk in disks(look.settings.layout):
            free.labels(look.symbol, ",".join(disk.names)).set(disk.free)
