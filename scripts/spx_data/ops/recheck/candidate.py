"""A sealed date fetched again, into a lake aside: the same requests, checks, retries and seal as any fill.

What an interrupted recheck has staged is taken up by the next one, within a day: a recheck is about what the
source says now.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from spx_data.errors import SpxDataError
from spx_data.fill.download import download_expirations
from spx_data.fill.listing import fetch_expirations
from spx_data.fill.merge import merge_date
from spx_data.market.sessions import Session
from spx_data.settings import Settings
from spx_data.sources.catalogue import AUTO
from spx_data.store import files, reads, seals, staging, tree
from spx_data.store.layout import Layout

_FRESH_SECONDS = 24 * 3600

NAME = "recheck"  # of the lake aside

Passport = dict[str, Any]


def aside(settings: Settings) -> Settings:
    """*settings* for the lake aside, in which candidates are made."""
    return replace(settings, layout=settings.layout.aside(NAME), keep_ndjson=False)


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
    passport: Passport = reads.read_json(layout.passport(date))
    return passport


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
    for path in layout.sealed_files(date):  # the commit first
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
        found += [*layout.sealed_files(date), layout.rejects(date), *layout.staged_files(date)]
    return [path for path in (*found, *map(files.part_of, found)) if path.is_file() or path.is_symlink()]
