"""Pages of days that are kept: which of them are stale.

A page is stale when its day was sealed after it, or when it was made by another release of this project or
under other rules of quality. What it says of neighbouring days is as old as the page.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json

from spx_data import __version__
from spx_data.errors import FileCorruptionError
from spx_data.lake import session_states
from spx_data.settings import Settings
from spx_data.store import reads

_HEAD = 512  # bytes: the release and the rules stand at the beginning of a page


def rules(settings: Settings) -> str:
    """The short digest of the rules by which days are judged."""
    return hashlib.sha256(json.dumps(settings.quality, default=dict).encode()).hexdigest()[:12]


def newest_stale(settings: Settings) -> list[dt.date]:
    """Those of the newest sealed dates whose page is stale; of so many as `report.day_pages` says."""
    count = settings.report.day_pages
    newest = session_states.sealed_dates(settings.layout)[-count:] if count else []
    return [date for date in newest if is_stale(settings, date)]


def is_stale(settings: Settings, date: dt.date) -> bool:
    """Whether the page of a sealed *date* is stale, or not there."""
    layout = settings.layout
    page = layout.day_page(date)
    try:
        with reads.reading(page) as stream:
            head = stream.read(_HEAD)
        return (
            page.stat().st_mtime < layout.sidecar(date).stat().st_mtime
            or f'"spx-data {__version__}"'.encode() not in head
            or f'"{rules(settings)}"'.encode() not in head
        )
    except (OSError, FileCorruptionError):
        return True
