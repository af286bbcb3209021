"""The lake itself: its calendar, its dates, its identity, its status log, and what lies about in it.

And the profile of its terminal: what a probe saw, and what sealed days have met otherwise since.
"""

from __future__ import annotations

import datetime as dt
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spx_data.errors import ConfigurationValidationError, FileCorruptionError, MissingFileError, SpxDataError
from spx_data.lake import calendar as calendars
from spx_data.lake import passports
from spx_data.lake.session_states import Kind
from spx_data.market import sessions
from spx_data.ops.health.scene import Check, Scene, fail, gigabytes, named, notice, ok, warn
from spx_data.sources import catalogue, profile
from spx_data.sources.profile import Profile
from spx_data.status import Summary, database
from spx_data.store import archive, dataset
from spx_data.store.layout import Layout
from spx_data.text.words import counted, few, quoted

_REBUILD = "`spx-data status`"
_PROBE, _ANEW = "`spx-data probe`", "`spx-data probe` makes it anew"
_OLD_DAYS = 180
_TOLD, _LONGEST = 3, 60  # rows of the table told at once, and characters of each


def calendar(scene: Scene) -> Check:
    """Which session finished last, which comes next, and how far the lake's copy of the calendar reaches."""
    settings, today = scene.settings, sessions.today(scene.moment)
    longest = calendars.LONGEST_BREAK
    near = calendars.known(settings, max(today - longest, settings.start_date), today + longest)
    finished = [session.date for session in near if session.options_close(settings.product) <= scene.moment]
    coming = [session.date for session in near if session.options_close(settings.product) > scene.moment]
    if not coming:
        raise ConfigurationValidationError(
            f"the calendar {settings.calendar} has no session in the {longest.days} days after {today}",
            cure="Update pandas-market-calendars, or set processing.calendar to another one",
            what="processing.calendar",
        )
    last = f"last finished session {finished[-1]}, " if finished else "no session finished yet, "
    words = f"{settings.calendar}: {last}next {coming[0]}"
    until = calendars.known_until(settings)
    if until is None:
        cure = f"Check that {settings.layout.cache} can be written to"
        return warn(f"{words}; no copy is kept, so every command loads the calendar anew", cure)
    return ok(f"{words}, known until {until}", value=(until - today).days, unit="days ahead")


def tree(scene: Scene) -> Check:
    """How many dates the tree knows, by kind."""
    counts = {kind.value: len(scene.of_kind(kind)) for kind in Kind}
    shown = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    found = f"{counted(len(scene.summaries), 'date')}: {shown}" if shown else "no session in the range yet"
    return ok(found, value=len(scene.summaries), unit="dates")


def data_set(scene: Scene) -> Check:
    """Whether the lake holds the data set that the settings ask for."""
    settings = scene.settings
    dataset.check_there(settings.layout)
    if not settings.layout.dataset.exists():
        if scene.sealed:
            found = f"{settings.layout.dataset} is lost, with {counted(len(scene.sealed), 'date')} sealed"
            cure = "Take it from a copy of the lake; else the next seal writes it by the settings of then"
            return warn(found, cure)
        return ok("not written yet: the first seal writes it")
    api = (scene.answer and scene.answer.api) or settings.terminal.api
    wanted = settings.identity(catalogue.likely(api).greeks_version(settings.terminal.greeks_version))
    if api == catalogue.AUTO:
        del wanted["greeks_version"]  # which model it is, the terminal's API decides
    dataset.check(settings.layout, wanted)
    if scene.summaries and not scene.sealed and (date := dataset.last_sealed(settings.layout)):
        found = f"{settings.layout.dataset} exists but holds no sealed day; the journal has {date} as sealed"
        return warn(found, "Check that the right disk is mounted: the next run would fetch all of them again")
    roots = ", ".join(settings.roots)
    return ok(f"{settings.records} of {roots} every {settings.window.interval}, as the settings say")


def there(scene: Scene) -> Check:
    """Whether the lake is there at all, as far as the journal knows of one."""
    dataset.check_there(scene.settings.layout)
    return ok("there")


def strangers(scene: Scene) -> Check:
    """What stands in the output tree and is no part of the lake."""
    tree = scene.tree
    unsealed = tuple(date for date in tree.unsealed if date not in scene.at_work)
    numbers: dict[str, Any] = {"value": tree.files, "unit": "files", "dates": unsealed}
    found, cure = tree.words, "`spx-data cleanup --dry-run` says how to move them out"
    if unsealed:
        what = f"{counted(len(unsealed), 'Parquet file')} without a checksum beside it, so not sealed"
        found = f"{found}; {what}: {named(unsealed)}".removeprefix("; ")
        cure = f"{cure}; " if tree.caught else ""
        cure += "`spx-data cleanup` moves what is not sealed away, and the next run fetches it anew"
    if tree.caught or unsealed:
        return warn(found, cure, **numbers)
    return ok(found or "no foreign file in the output directory", **numbers)


def status_log(scene: Scene) -> Check:
    """Whether the status log is ours and whole, and has every sealed date."""
    found = database.look(scene.settings.layout.database)
    if found is None:
        return ok("none yet: the next run writes it")
    path = scene.settings.layout.database
    if found.damage is not None:
        cure = f"Delete it: `rm {quoted(path)}`, and rebuild it from the tree: {_REBUILD}"
        return fail(f"{path} is damaged: {found.damage}", cure)
    words = f"{counted(len(found.dates), 'date')}, written {found.written_at:%Y-%m-%d %H:%M} UTC"
    # Every look at the lake brings the log up to date: what it lacks now could not be written.
    lacking = [summary.date for summary in scene.sealed if summary.date not in found.dates]
    numbers = {"value": len(lacking), "unit": "dates lacking"}
    if lacking:
        verb = "is" if len(lacking) == 1 else "are"
        said = f"{words}; {counted(len(lacking), 'sealed date')} {verb} not in it: {named(lacking)}"
        return warn(said, _REBUILD, **numbers)
    return ok(words, **numbers)


def staging(scene: Scene) -> Check:
    """Whether checkpoints of sealed dates lie about that a seal should have removed."""
    settings = scene.settings
    if settings.keep_ndjson:
        return ok("checkpoints of sealed dates are kept, as processing.keep_ndjson says")
    layout = settings.layout
    staged = {
        summary.date: checkpoints
        for summary in scene.sealed
        if summary.date not in scene.at_work and (checkpoints := layout.staged_files(summary.date))
    }
    if not staged:
        return ok("no leftover checkpoints", value=0, unit="bytes")
    left = tuple(staged)
    taken = sum(path.lstat().st_size for paths in staged.values() for path in paths)
    found = f"{gigabytes(taken)} of leftover checkpoints, of sealed dates: {named(left)}"
    return warn(found, "`spx-data cleanup --temp-files`", value=taken, unit="bytes", dates=left)


def logs(scene: Scene) -> Check:
    """How much the logs take, against the limit of their retention."""
    taken, limit_mb = sum(_sizes(scene.settings.layout.logs)), scene.settings.retention.logs_mb
    words = f"{gigabytes(taken)} of logs"
    if limit_mb is None:
        return ok(f"{words}, without a limit", value=taken, unit="bytes")
    limit = limit_mb * 1e6
    numbers = {"value": taken, "limit": limit, "unit": "bytes"}
    if taken > limit:
        cure = "`spx-data cleanup`, or raise retention.logs_mb"
        return warn(f"{words}, more than the {gigabytes(limit)} of retention.logs_mb", cure, **numbers)
    return ok(f"{words}, at most {gigabytes(limit)} are kept", **numbers)


def journals(scene: Scene) -> Check:
    """Whether every journal can be read to its end."""
    layout = scene.settings.layout
    paths = [*layout.journals(), layout.lake_journal]
    damaged = {path.stem: damage for path in paths if (damage := archive.damage(path))}
    if not damaged:
        return ok("all of them can be read", value=0, unit="files")
    of_lake = layout.lake_journal.stem
    dates = tuple(dt.date.fromisoformat(stem) for stem in damaged if stem != of_lake)
    first, more = next(iter(damaged.values())), len(damaged) - 1
    found = f"{first} (and {more:,} more)" if more else first
    cure = "What can be read of it counts. Put a copy from your backup in its place, or move it away"
    return warn(found, cure, value=len(damaged), unit="files", dates=dates)


def _sizes(folder: Path) -> Iterator[int]:
    """The bytes of every file in *folder*; none where it is not there."""
    for inside, _, names in os.walk(folder):
        for name in names:
            path = Path(inside, name)
            yield path.stat().st_size if path.exists() else 0


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


def terminal_profile(scene: Scene) -> Check:
    """What the terminal was seen to do and when, and whether that still holds."""
    try:
        found = profile.read(scene.settings.layout.profile)
    except MissingFileError:
        never = "this terminal was never probed (at most 15 requests, about a minute)"
        return notice(never, _PROBE)
    except FileCorruptionError as error:
        return warn(error.cause, _ANEW)
    since = Since.of(found, scene.sealed)
    numbers: dict[str, Any] = {"value": len(found.others), "unit": "assumptions", "dates": since.dates}
    words = profile_words(found)
    if found.others:
        seen = [textwrap.shorten(row.seen, _LONGEST, placeholder=" …") for row in found.others[:_TOLD]]
        told = [f"{row.code} ({said})" for row, said in zip(found.others, seen, strict=False)]
        words += f"; differs: {few([*told, *found.others[_TOLD:]], _TOLD)}"
    if against := [*profile_doubts(found, scene), *([since.words] if since.dates else [])]:
        return notice("; ".join([words, *against]), _PROBE, **numbers)
    return ok(words, **numbers)


def profile_words(found: Profile) -> str:
    """When and what was probed, and how many of the assumptions that could be looked at hold."""
    at = found.probed_at.astimezone(dt.UTC)
    server = f", {found.server}" if found.server else ""
    seen = sum(row.known for row in found.table)
    hold = f"{seen - len(found.others):,} of {counted(seen, 'assumption')} hold"
    return f"probed {at:%Y-%m-%d %H:%M} UTC: API {found.api}{server}; {hold}"


def profile_doubts(found: Profile, scene: Scene) -> Iterator[str]:
    """What speaks for another probe."""
    if not found.whole:
        yield "the probe was interrupted"
    if scene.answer and scene.answer.api and scene.answer.api != found.api:
        yield f"the terminal that answers now speaks API {scene.answer.api}"
    if (age := (scene.moment - found.probed_at).days) > _OLD_DAYS:
        yield f"that was {age:,} days ago"


def met_otherwise(layout: Layout, dates: Iterable[dt.date]) -> str:
    """What sealed *dates* of a run met otherwise than today's profile, in one line; empty where nothing."""
    found = profile.known(layout.profile)
    if found is None:
        return ""
    since = Since.met({date: _told_otherwise(layout, date, found.sha256) for date in dates})
    if not since.dates:
        return ""
    return (
        f"{counted(len(since.dates), 'date')} differ from the terminal's profile of "
        f"{found.probed_at:%Y-%m-%d}: {since.gist}. `spx-data probe` looks again"
    )


def _told_otherwise(layout: Layout, date: dt.date, sha256: str) -> Sequence[str]:
    """What the passport of a date says that it met otherwise than that profile."""
    with suppress(SpxDataError):
        told = passports.read(layout, date).document.get("profile") or {}
        if told.get("sha256") == sha256:
            return list(told["differs"])
    return ()
