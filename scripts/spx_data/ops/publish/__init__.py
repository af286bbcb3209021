"""Sealed days as objects beside the lake, none ever written over (decision 68); what is known of them here.

The record of that is written by who last looked there, and read without the network.

It says as of when it is. A day counts as published where the seal that it had then is the one that it has
now, so what was sealed or mended since does not; what somebody did to objects since is not known here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from spx_data.errors import FileCorruptionError, MissingFileError, SpxDataError
from spx_data.lake import published
from spx_data.settings import Settings
from spx_data.store import reads, seals
from spx_data.store.layout import Layout
from spx_data.text.words import counted

FORMAT = 1


@dataclass(frozen=True)
class Known:
    """Of so many *sealed* days, those that are *lacking* at *place*, as it was found there *at* a moment.

    Without a moment nobody has looked there yet.
    """

    place: str
    sealed: int
    lacking: Sequence[dt.date]
    at: dt.datetime | None

    @property
    def words(self) -> str:
        """The same for people; what is to be typed where days are lacking."""
        there = self.sealed - len(self.lacking)
        when = f"as of {self.at:%Y-%m-%d %H:%M} UTC" if self.at else "nobody has looked yet"
        told = f"{there:,} of {counted(self.sealed, 'sealed day')} published to {self.place}, {when}"
        return f"{told}; {len(self.lacking):,} not: `spx-data publish`" if self.lacking else told

    def as_json(self) -> dict[str, Any]:
        """The same as a document."""
        return {
            "url": self.place,
            "as_of": self.at.isoformat(timespec="seconds") if self.at else None,
            "sealed": self.sealed,
            "not_published": [date.isoformat() for date in self.lacking],
        }


def place_of(settings: Settings, url: str | None, *, several: bool) -> str | None:
    """Where a lake is published: *url*, or as the settings say; of *several*, in a folder of its symbol."""
    place = url or settings.publish_url
    if place is None or not several:
        return place
    return f"{place.rstrip('/')}/{settings.product.symbol}"


def write(layout: Layout, place: str, days: Mapping[dt.date, str]) -> None:
    """Note that the *days*, each with the name of its version, are published at *place* now."""
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    told = {date.isoformat(): days[date] for date in sorted(days)}
    seals.write_document(layout.published, {"format": FORMAT, "url": place, "at": at, "days": told})


def look(layout: Layout, place: str, sealed: Iterable[dt.date]) -> Known:
    """What is known of the *sealed* days of a lake that is published at *place*."""
    every, (at, days) = sorted(sealed), _read(layout, place.rstrip("/"))
    lacking = [date for date in every if days.get(date.isoformat()) != _seal(layout, date)]
    return Known(place, len(every), lacking, at)


def _read(layout: Layout, place: str) -> tuple[dt.datetime | None, Mapping[str, str]]:
    """The moment and the days of the record, where there is one of that *place*; it only saves questions."""
    with suppress(MissingFileError, FileCorruptionError, ValueError, LookupError, TypeError, AttributeError):
        told = seals.read_document(layout.published)
        if told["format"] == FORMAT and told["url"] == place:
            return dt.datetime.fromisoformat(told["at"]), dict(told["days"])
    return None, {}


def _seal(layout: Layout, date: dt.date) -> str | None:
    try:
        return published.name_of(reads.content(layout.sidecar(date)))
    except SpxDataError:  # it is no sealed day any more
        return None
