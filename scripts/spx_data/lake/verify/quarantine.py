"""Move a damaged date away, so that it is a gap: nothing is deleted, and a report says what was found.

The report is written first, then sidecar, Parquet and passport are moved in this order, then the journal is
told. From the sidecar's move on the date is a gap; before, it is still sealed and found damaged again. An
incident that a crash cut short is the newest folder that no journal line names: the next call finishes it.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spx_data._version import __version__
from spx_data.errors import MissingFileError, SchemaValidationError
from spx_data.lake.verify.witnesses import Examination
from spx_data.store import files, journal, reads, seals
from spx_data.store.journal import Event, Journal
from spx_data.store.layout import Layout

REPORT = "report.json"

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_INCIDENT = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z")  # whatever else is there, somebody else put there


def quarantine(layout: Layout, date: dt.date, examination: Examination) -> Path:
    """Move what is there of the damaged *date* into a folder of its own, and return that folder.

    Raises:
        SpxDataError: the disk did not allow a step; what was not moved yet is found again next time.
    """
    events = journal.read(layout.journal(date))
    present = [path for path in layout.day_files(date) if path.exists() or path.is_symlink()]
    folder = _interrupted(layout, date, events, present) or _new_folder(layout, date)
    moved = [path.name for path in layout.day_files(date) if (folder / path.name).exists()]
    if not moved:
        seals.write_document(folder / REPORT, _report(examination, present))
    for path in present:
        _move(path, folder / path.name)
    damages = _damages(folder) or [str(damage) for damage in examination.damages]
    Journal(layout.journal(date), "verify").record(journal.QUARANTINED, damages=damages, folder=str(folder))
    return folder


def incidents(layout: Layout, date: dt.date) -> list[Path]:
    """The folders of what was found damaged of *date*, oldest first."""
    folder = layout.quarantine(date)
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if _INCIDENT.fullmatch(path.name) and path.is_dir())


def _new_folder(layout: Layout, date: dt.date) -> Path:
    """A folder that is not there yet, named for this moment (UTC), so that names sort by age."""
    moment = dt.datetime.now(dt.UTC)
    for later in itertools.count():
        stamp = moment + dt.timedelta(microseconds=later)
        folder = layout.quarantine(date) / f"{stamp:{_STAMP}}"
        if not folder.exists():
            return folder
    raise AssertionError


def _interrupted(
    layout: Layout, date: dt.date, events: Sequence[Event], present: Sequence[Path]
) -> Path | None:
    """The folder of an incident that a crash cut short, where *present* is the rest of it; else None."""
    folders = incidents(layout, date)
    if not folders:
        return None
    newest = folders[-1]
    told = {Path(str(event.get("folder"))).name for event in events if event["event"] == journal.QUARANTINED}
    if newest.name in told or any(_stamp(event) > newest.name for event in events if _is_seal(event)):
        return None
    clashing = [path for path in present if (newest / path.name).exists() and not _same(path, newest)]
    return None if clashing else newest


def _is_seal(event: Event) -> bool:
    return bool(event["event"] == journal.SEALED)


def _stamp(event: Event) -> str:
    """When *event* was, spelt like a folder's name; empty where its line does not say."""
    try:
        return f"{dt.datetime.fromisoformat(str(event['at'])).astimezone(dt.UTC):{_STAMP}}"
    except ValueError:
        return ""


def _same(path: Path, folder: Path) -> bool:
    there = folder / path.name
    return path.is_file() and there.is_file() and reads.digest(path) == reads.digest(there)


def _move(source: Path, target: Path) -> None:
    """Move *source*; where a crash left it copied to another disk and not yet removed, only remove it."""
    if target.exists():
        files.remove(source)
    else:
        files.move(source, target)


def _report(examination: Examination, present: Sequence[Path]) -> dict[str, Any]:
    return {
        "date": examination.date.isoformat(),
        "found_at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "depth": examination.depth,
        "damages": [str(damage) for damage in examination.damages],
        "findings": [
            {"damage": str(finding.damage), "finding": finding.text} for finding in examination.findings
        ],
        "expected": dict(examination.expected),
        "found": dict(examination.found),
        "files": list(_files(present)),
        "written_by": {"spx-data": __version__},
    }


def _files(present: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for path in present:
        size = path.stat().st_size if path.is_file() else None
        yield {"name": path.name, "from": str(path), "bytes": size}


def _damages(folder: Path) -> list[str]:
    """The damages that the report of an incident names."""
    try:
        return [str(damage) for damage in reads.read_json(folder / REPORT)["damages"]]
    except (MissingFileError, SchemaValidationError, KeyError, TypeError):
        return []
