"""The terminal's list of every expiration of a root, asked for once and kept.

It says which expirations a date's listing might lack. What was asked for after a date's close knows all that
were listed on it; else a list of the last day will do.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spx_data.errors import ApiDataNotFoundError, SpxDataError
from spx_data.lake import calendar
from spx_data.market import sessions
from spx_data.settings import Settings
from spx_data.sources.source import Source
from spx_data.store import seals
from spx_data.store.layout import Layout

if TYPE_CHECKING:
    from spx_data.sources.session import SourceSession

_FRESH = dt.timedelta(days=1)


@dataclass(frozen=True)
class _Kept:
    """A list of expirations, as listed, and the moment at which it was asked for."""

    at: dt.datetime
    dates: tuple[dt.date, ...]

    @classmethod
    def read(cls, layout: Layout, source: Source, root: str) -> _Kept | None:
        """What is kept of *source*'s list; None where that is nothing, or damaged."""
        try:
            document = seals.read_document(layout.lake.expirations_cache(root))
            if (document["base_url"], document["api"]) != (source.base_url, source.api):
                return None
            dates = tuple(dt.date.fromisoformat(text) for text in document["dates"])
            return cls(dt.datetime.fromisoformat(document["at"]), dates)
        except (SpxDataError, KeyError, TypeError, ValueError):
            return None


def asked(layout: Layout, source: Source, root: str) -> tuple[dt.date, ...]:
    """The expirations of *root* as *source* lists them now; they are kept.

    Raises:
        ApiDataNotFoundError: it knows no such root.
    """
    at = sessions.now()
    dates = source.expirations(root)
    document = {
        "at": at.isoformat(),
        "base_url": source.base_url,
        "api": source.api,
        "dates": [date.isoformat() for date in dates],
    }
    with suppress(SpxDataError):  # it only saves time
        seals.write_document(layout.lake.expirations_cache(root), document)
    return dates


def known(settings: Settings, line: SourceSession, root: str, date: dt.date) -> tuple[dt.date, ...]:
    """The expirations of *root* as the source lists them, from what is kept where that knows *date*.

    Raises:
        SpxDataError: they had to be asked for, and could not be had.
    """
    kept = _Kept.read(settings.layout, line.source, root)
    if kept is not None and _knows(kept, settings, date):
        return kept.dates
    with suppress(ApiDataNotFoundError):
        return line.ask(lambda: asked(settings.layout, line.source, root), root=root)
    return ()


def _knows(kept: _Kept, settings: Settings, date: dt.date) -> bool:
    now = sessions.now()
    if kept.at > now:  # by a clock that was wrong
        return False
    if now - kept.at < _FRESH:
        return True
    known = calendar.known(settings, date, date)
    return any(kept.at >= session.options_close(settings.product) for session in known)
