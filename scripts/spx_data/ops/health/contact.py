"""The profile of the terminal: what a probe saw, and what sealed days have met otherwise since."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from spx_data.errors import FileCorruptionError, MissingFileError, SpxDataError
from spx_data.lake import passports
from spx_data.ops.health.check import Check, named, notice, ok, warn
from spx_data.ops.health.scene import Scene
from spx_data.sources import profile
from spx_data.sources.profile import Profile
from spx_data.status import Summary
from spx_data.store.layout import Layout
from spx_data.text.words import counted

_PROBE, _ANEW = "spx-data probe", "spx-data probe makes it anew"
_OLD_DAYS = 180
_TOLD, _LONGEST = 3, 60  # rows of the table told at once, and characters of each


@dataclass(frozen=True)
class Since:
    """What sealed days met otherwise than the profile they were judged by has it."""

    dates: tuple[dt.date, ...]  # oldest first
    texts: tuple[str, ...]  # each once, in the order of the dates

    @classmethod
    def of(cls, found: Profile, sealed: Sequence[Summary]) -> Since:
        """What the *sealed* days that were judged by the profile *found* met."""
        return cls.met({line.date: _met(line, found.sha256) for line in sealed})

    @classmethod
    def met(cls, told: Mapping[dt.date, Sequence[str]]) -> Since:
        """What days met by what is *told* of each."""
        met = {date: texts for date, texts in told.items() if texts}
        return cls(tuple(met), tuple(dict.fromkeys(text for texts in met.values() for text in texts)))

    @property
    def words(self) -> str:
        """It in words; empty where nothing differs."""
        if not self.dates:
            return ""
        days = f"{counted(len(self.dates), 'day')} met something else"
        return f"since then {days}, {named(self.dates)}: {self.gist}"

    @property
    def gist(self) -> str:
        """The first text, and how many more there are."""
        more = f" (and {len(self.texts) - 1:,} more)" if len(self.texts) > 1 else ""
        return f"{self.texts[0]}{more}"


def _met(line: Summary, sha256: str) -> Sequence[str]:
    """What a sealed day met otherwise, if it is this profile that it was judged by."""
    judged_by, texts = (line.facts.quality or {}).get("profile") or (None, ())
    return texts if judged_by == sha256 else ()


def look(scene: Scene) -> Check:
    """What the terminal was seen to do and when, and whether that still holds."""
    name = "profile"
    try:
        found = profile.read(scene.settings.layout.profile)
    except MissingFileError:
        never = "this terminal was never probed: about 15 requests and two minutes tell how it behaves"
        return notice(name, never, _PROBE)
    except FileCorruptionError as error:
        return warn(name, error.cause, _ANEW)
    since = Since.of(found, scene.sealed)
    numbers: dict[str, Any] = {"value": len(found.others), "unit": "assumptions", "dates": since.dates}
    words = "; ".join([in_words(found), *_otherwise(found)])
    if against := [*doubts(found, scene), *([since.words] if since.dates else [])]:
        return notice(name, "; ".join([words, *against]), _PROBE, **numbers)
    return ok(name, words, **numbers)


def in_words(found: Profile) -> str:
    """When and what was probed, and how many of the assumptions that could be looked at hold."""
    at = found.probed_at.astimezone(dt.UTC)
    server = f", {found.server}" if found.server else ""
    seen = sum(row.known for row in found.table)
    hold = f"{seen - len(found.others):,} of {counted(seen, 'assumption')} hold"
    return f"probed {at:%Y-%m-%d %H:%M} UTC: API {found.api}{server}; {hold}"


def _otherwise(found: Profile) -> Iterator[str]:
    """The first things that are not as assumed."""
    others = found.others
    if not others:
        return
    rows = (
        f"{row.code} ({textwrap.shorten(row.seen, _LONGEST, placeholder=' …')})" for row in others[:_TOLD]
    )
    more = f" and {len(others) - _TOLD:,} more" if len(others) > _TOLD else ""
    yield f"seen otherwise: {', '.join(rows)}{more}"


def doubts(found: Profile, scene: Scene) -> Iterator[str]:
    """What speaks for another probe."""
    if not found.whole:
        yield "that probe ended before its time"
    if scene.answer and scene.answer.api and scene.answer.api != found.api:
        yield f"the terminal that answers now speaks API {scene.answer.api}"
    if (age := (scene.moment - found.probed_at).days) > _OLD_DAYS:
        yield f"that was {age:,} days ago"


def of_a_run(layout: Layout, dates: Iterable[dt.date]) -> str:
    """What sealed *dates* of a run met otherwise than today's profile, in one line; empty where nothing."""
    found = profile.known(layout.profile)
    if found is None:
        return ""
    since = Since.met({date: _told(layout, date, found.sha256) for date in dates})
    if not since.dates:
        return ""
    return (
        f"{counted(len(since.dates), 'date')} met something else than the terminal's profile of "
        f"{found.probed_at:%Y-%m-%d}: {since.gist}. spx-data probe looks again"
    )


def _told(layout: Layout, date: dt.date, sha256: str) -> Sequence[str]:
    """What the passport of a date says that it met otherwise than that profile."""
    with suppress(SpxDataError):
        told = passports.read(layout, date).document.get("profile") or {}
        if told.get("sha256") == sha256:
            return list(told["differs"])
    return ()
