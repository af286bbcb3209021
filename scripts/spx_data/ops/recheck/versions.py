"""Two versions of a date: the new one fetched, both kept, or the new one put in place; and the report of it.

A candidate is fetched into a lake aside: the same requests, checks, retries and seal as any fill. What an
interrupted recheck has staged is taken up by the next one, within a day: a recheck is about what the source
says now.

Nothing is deleted that is not there a second time. Both versions stand whole in the report's folder before
the sealed day is touched; then its sidecar is taken out, the new files are put in place, the new sidecar
last. A crash in between leaves a date that is not sealed, which the next run fills, and both versions in the
folder. Each step is on the device before the next begins.

The report is one JSON document, complete: it names the two versions by their checksums and says where each of
them is, so that a backtest can tell which one it used.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from spx_data.errors import FileCorruptionError, SpxDataError
from spx_data.fill.download import download_expirations
from spx_data.fill.merge import merge_date
from spx_data.fill.survey import fetch_expirations
from spx_data.lake import passports
from spx_data.market.sessions import Session
from spx_data.ops.recheck.differences import Differences
from spx_data.settings import Settings
from spx_data.sources.catalogue import AUTO
from spx_data.store import files, reads, seals, staging, tree
from spx_data.store.layout import Layout

_FRESH_SECONDS = 24 * 3600

RECHECK, MEND = "recheck", "mend"  # lakes aside, in which days are made again

REPORT = "report.json"
_FORMAT = 1  # of the report
_OTHER_API = (
    "sealed from API {before}, asked again through {after}: left out is what these two always say "
    "differently, rows without an underlying and the leftovers of the model where no volatility was found "
    "(docs/decisions/0009)"
)

Passport = dict[str, Any]

BEFORE, AFTER = "before", "after"


def aside(settings: Settings) -> Settings:
    """*settings* for the lake aside, in which candidates are made."""
    return replace(settings, layout=settings.layout.aside(RECHECK), keep_ndjson=False)


def fetch(there: Settings, date: dt.date, session: Session | None) -> Passport:
    """Seal *date* in the lake aside; returns its passport.

    Raises:
        ApiDataNotFoundError: the source has nothing for the date.
        SpxDataError: whatever else can stop a fill; what is staged stays for the next try.
    """
    layout = there.layout
    with suppress(SpxDataError):
        if _is_current(there, found := _sealed(layout, date)):
            return found
    _drop_sealed(layout, date)
    # The identity of the lake aside is that of the real lake, whose settings may have changed since.
    files.remove(layout.dataset)
    listing, manifest = layout.listing(date), layout.manifest(date)
    if not listing.exists():
        fetch_expirations(there, date, listing)
    # Also where there is a manifest: it may be about the API of another terminal.
    download_expirations(there, date, listing, manifest, session=session)
    merge_date(there, date, manifest, layout.parquet(date), session=session)
    return _sealed(layout, date)


def _sealed(layout: Layout, date: dt.date) -> Passport:
    seals.verify(layout.parquet(date))
    return passports.read(layout, date, whole=True).document


def _is_current(there: Settings, passport: Passport) -> bool:
    """Whether a candidate that was left behind was made for the settings and the API of today."""
    held, api = passport.get("dataset", {}), passport.get("source", {}).get("api")
    wanted = there.identity(held.get("greeks_version"))
    return bool(held == wanted and there.terminal.api in {AUTO, api})


def drop(layout: Layout, date: dt.date) -> None:
    """Remove from the lake aside all that is about *date*."""
    _drop_sealed(layout, date)
    staging.clear(layout.staging(date))
    for path in (layout.rejects(date), layout.journal(date)):
        files.remove(path)


def _drop_sealed(layout: Layout, date: dt.date) -> None:
    for path in layout.day_files(date):  # the commit first
        files.remove(path)


def drop_all(layout: Layout, *, stale_only: bool = False) -> None:
    """Remove the lake aside; with *stale_only*, if it was begun more than a day ago."""
    folder = layout.database.parent
    # The folder changes when the lake in it is begun, and no more when that lake is filled.
    if not stale_only or (folder.exists() and time.time() - folder.stat().st_mtime > _FRESH_SECONDS):
        for path in everything(layout):
            files.remove(path)
        for top in (folder, layout.data):
            for inside, _, _ in os.walk(top, topdown=False):
                files.remove_empty(Path(inside), top.parent)


def everything(layout: Layout) -> list[Path]:
    """Every file of the lake aside, by the names of a lake's files; whatever else is there is not ours."""
    journals = layout.journals()
    dates = {*tree.dates(layout), *layout.staged_dates()} | {dt.date.fromisoformat(j.stem) for j in journals}
    found = [layout.dataset, layout.terminal_down, layout.lake_journal, *journals]
    for date in sorted(dates):
        found += [*layout.day_files(date), layout.rejects(date), *layout.staged_files(date)]
    return [path for path in (*found, *map(files.part_of, found)) if path.is_file() or path.is_symlink()]


def keep(lake: Layout, date: dt.date, folder: Path) -> None:
    """Copy what *lake* holds of *date* to *folder*: its bad records, Parquet, passport, and last the sidecar.

    Raises:
        FileCorruptionError: the copy is not what the sidecar vouches for.
    """
    _copy_rejects(lake.rejects(date), folder / lake.rejects(date).name)
    copy_sealed(lake.day_files(date), folder)


def exchange(lake: Layout, date: dt.date, folder: Path) -> None:
    """Put the version in *folder*/after in place of the sealed *date*, which goes to *folder*/before."""
    keep(lake, date, folder / BEFORE)
    _move_checkpoints(lake, date, folder / BEFORE / "checkpoints")
    sidecar, *others = lake.day_files(date)
    files.move(sidecar, folder / BEFORE / sidecar.name)  # onto its copy: from here on the date is not sealed
    _copy_rejects(folder / AFTER / lake.rejects(date).name, lake.rejects(date))
    copy_sealed([folder / AFTER / path.name for path in (sidecar, *others)], sidecar.parent)


def _copy_rejects(source: Path, target: Path) -> None:
    """Let *target* hold the bad records that *source* holds; none where there are none."""
    if source.exists():
        files.copy(source, target)
    else:
        files.remove(target)


def _move_checkpoints(lake: Layout, date: dt.date, folder: Path) -> None:
    """Move what `keep_ndjson` kept of the old version: else a later fill would seal it again."""
    staging = lake.staging(date)
    for path in lake.staged_files(date):
        files.move(path, folder / path.name)
    files.remove_empty(staging, lake.temp)


def copy_sealed(version: Sequence[Path], folder: Path) -> None:
    """Copy a sidecar, its Parquet, passport and contracts to *folder*, in the order of a seal: it goes last.

    Contracts that it does not vouch for are not copied: the day is whole without them.
    """
    sidecar, *vouched = version
    for path, expected in zip(vouched, seals.read(version[1]), strict=True):
        target = folder / path.name
        if path is version[-1] and (not reads.is_there(path) or reads.digest(path) != expected):
            files.remove(target)
            continue
        files.copy(path, target)
        if (found := reads.digest(target)) != expected:
            raise FileCorruptionError(
                f"{target} is not the copy it should be: the sidecar of {path} says {str(expected)[:12]}…, "
                f"the copy is {found[:12]}…",
                cure="Check the disk; `spx-data verify` says whether the original is whole",
                path=target,
                expected=expected,
                actual=found,
            )
    files.copy(sidecar, folder / sidecar.name)


# What was found, and the report of it ------------------------------------------------------------------


class Kind(StrEnum):
    """What the source says about a sealed date when it is asked again."""

    UNCHANGED = "unchanged"
    RESTATED = "restated"
    WITHDRAWN = "withdrawn"  # it has no data for the date any more
    MENDED = "mended"  # what the day lacked was asked for, and some of it was there (`ops.mend`)


class Action(StrEnum):
    """What became of the source's new version."""

    REPORTED = "reported"  # only this report is left of it
    KEPT = "kept"  # in `after`, beside the report; the sealed day is the old one
    REPLACING = "replacing"  # begun and not yet ended: both versions are beside the report
    REPLACED = "replaced"  # it is the sealed day; the old one is in `before`, beside the report


_PLACES = {
    Action.REPORTED: ("sealed", "not kept"),
    Action.KEPT: ("sealed", "after/"),
    Action.REPLACING: ("before/, or still sealed", "after/"),
    Action.REPLACED: ("before/", "sealed"),
}


@dataclass(frozen=True)
class Listing:
    """How two listings of a date differ; chains are spelt like `SPXW 2024-01-05`."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    contracts: dict[str, tuple[int, int]]  # their number before and after, where both list the chain

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.contracts)

    @classmethod
    def of(cls, before: Passport, after: Passport) -> Listing:
        """What the listing behind the second passport says differently from that behind the first."""
        old, new = _listed(before), _listed(after)
        return cls(
            added=tuple(chain for chain in new if chain not in old),
            removed=tuple(chain for chain in old if chain not in new),
            contracts={
                chain: (old[chain], new[chain]) for chain in old if chain in new and old[chain] != new[chain]
            },
        )

    def as_json(self) -> dict[str, Any]:
        """The differences as a JSON document."""
        return {
            "chains_added": self.added,
            "chains_removed": self.removed,
            "contracts_listed": {
                chain: {"before": old, "after": new} for chain, (old, new) in self.contracts.items()
            },
        }


def _listed(passport: Passport) -> dict[str, int]:
    return {
        f"{chain['root']} {chain['expiration']}": chain["contracts_listed"] for chain in passport["chains"]
    }


@dataclass(frozen=True)
class Finding:
    """One date, asked for again; there is no second passport where the source has no data any more."""

    date: dt.date
    before: Passport
    after: Passport | None
    differences: Differences
    listing: Listing
    answer: str = ""  # the source's "no data", in our words
    mends: bool = False  # only what the sealed day lacks was asked for

    @property
    def kind(self) -> Kind:
        """What became of the date."""
        if self.mends:
            return Kind.MENDED
        if self.after is None:
            return Kind.WITHDRAWN
        return Kind.RESTATED if self.differences or self.listing else Kind.UNCHANGED

    @property
    def notes(self) -> list[str]:
        """What a reader must know to judge the differences."""
        notes = [self.answer] if self.answer else []
        if self.after is not None and is_of_other_api(self.before, self.after):
            notes.append(_OTHER_API.format(before=_api(self.before), after=_api(self.after)))
        return notes

    def summary(self) -> dict[str, Any]:
        """The counts alone, for the journal."""
        found = self.differences
        return {
            "changed": self.kind is not Kind.UNCHANGED,
            "found": self.kind.value,
            "rows_added": found.rows_added,
            "rows_removed": found.rows_removed,
            "rows_changed": found.rows_changed,
            "cells": {name: change.cells for name, change in found.columns.items()},
            "listing": bool(self.listing),
            "api_before": _api(self.before),
            "api_after": self.after and _api(self.after),
            "before": self.before["records_sha256"],
            "after": self.after and self.after["records_sha256"],
        }


def is_of_other_api(before: Passport, after: Passport) -> bool:
    """Whether the two versions came through different versions of the terminal's API."""
    return _api(before) != _api(after)


def _api(passport: Passport) -> str:
    return str(passport["source"]["api"])


def write_report(finding: Finding, action: Action, folder: Path) -> None:
    """Write the report on *finding* to *folder*; written again, it says what became of the new version."""
    before, after = _PLACES[action]
    document = {
        "format": _FORMAT,
        "date": finding.date.isoformat(),
        "written_at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "found": finding.kind.value,
        "action": action.value,
        "notes": finding.notes,
        "versions": {
            "before": _version(finding.before, before),
            "after": finding.after and _version(finding.after, after),
        },
        "listing": finding.listing.as_json(),
        "records": finding.differences.as_json(),
    }
    files.write_json(folder / REPORT, document)


def _version(passport: Passport, place: str) -> dict[str, Any]:
    """Which version it is, and where: `sealed` is the date's own place, the rest is beside the report."""
    return {
        "where": place,
        "sha256": passport["parquet"]["sha256"],
        "records_sha256": passport["records_sha256"],
        "rows": passport["rows"],
        "sealed_at": passport["sealed_at"],
        "source": passport["source"],
        "completeness": passport["completeness"],
        "written_by": passport["written_by"],
    }
