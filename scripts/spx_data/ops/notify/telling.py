"""Who is told what, and when: people of what has changed since they were told last, monitors of each run."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from spx_data.errors import SpxDataError
from spx_data.market.dates import ZONE
from spx_data.ops.notify import sending
from spx_data.ops.notify.sending import Pings
from spx_data.ops.notify.standing import WELL, Look, Standing, look, write_figures
from spx_data.settings import Metrics, Settings
from spx_data.store import faults, files, reads
from spx_data.text import commands, printable

NOTIFY = "SPX_DATA_NOTIFY"  # an environment variable: more addresses, apart by blanks
_ZONE = ZoneInfo(ZONE)


def after_a_run(
    looks: Sequence[Look], moment: dt.datetime, metrics: Metrics, pings: Pings, *, well: bool
) -> list[str]:
    """Tell monitors and people of a run that ended *well*, or did not; gives a line for each not reached."""
    lines = list[str]()
    with _heard(lines, "the monitor was not told of this run"):
        if refused := pings.end(well=well):
            lines.append(f"the monitor was not told of this run: {refused}")
    if metrics.textfile:
        with _heard(lines, "the figures for Prometheus were not written"):
            write_figures(metrics.textfile, looks, moment, well=well)
    return lines + tell(looks, moment)


def when_idle(lakes: Mapping[str, Settings], moment: dt.datetime) -> list[str]:
    """Tell of a call that found nothing to do, as of a run that ended well; gives lines as `after_a_run`."""
    metrics = next(iter(lakes.values())).metrics
    pings = Pings.of(metrics)
    if not (pings.address or metrics.textfile or any(map(addresses, lakes.values()))):
        return []
    return after_a_run([look(lake, moment) for lake in lakes.values()], moment, metrics, pings, well=True)


def addresses(settings: Settings, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The Apprise addresses of those who are told of a lake."""
    return tuple(dict.fromkeys((*settings.alerts.notify, *environment.get(NOTIFY, "").split())))


def tell(looks: Sequence[Look], moment: dt.datetime) -> list[str]:
    """Tell people what has changed since they were told last; gives a line for each who could not be told.

    What a person was told is remembered with the lake, by a digest of the address: who is new, or could not
    be reached, is told what others know already.
    """
    lines = list[str]()
    every = dict.fromkeys(address for look in looks for address in addresses(look.settings))
    for number, address in enumerate(every, start=1):
        whom = f"address {number} of {len(every)} ({_scheme(address)})"
        with _heard(lines, f"{whom} was not told how the lake is"):
            if refused := _tell(
                address, [one for one in looks if address in addresses(one.settings)], moment
            ):
                lines.append(f"{whom} was not told how the lake is: {refused}")
    return lines


def _tell(address: str, looks: Sequence[Look], moment: dt.datetime) -> str:
    """Tell one address of lakes of which there is something to tell; gives why that was not possible."""
    news = [part for look in looks if (part := _Part.of(look, address, moment, several=len(looks) > 1))]
    if not news:
        return ""
    title = f"spx-data: {', '.join(part.title for part in news)}"
    body = "\n\n".join(part.body for part in news)
    refused = sending.message(address, title, body, alarm=any(part.alarm for part in news))
    if not refused:
        for part in news:
            part.remember()
    return refused


class _Part:
    """What there is to tell one address of one lake."""

    def __init__(self, look: Look, key: str, moment: dt.datetime, *, several: bool) -> None:
        self._look, self._key, self._day = look, key, moment.astimezone(_ZONE).date().isoformat()
        self._told = _told(look.settings)
        told = self._told.get(key, {})
        self.before = Standing.remembered(told)
        self.news = look.news(self.before)
        self.digest = look.settings.alerts.digest and told.get("digest") != self._day
        self._several = several

    @classmethod
    def of(cls, look: Look, address: str, moment: dt.datetime, *, several: bool) -> _Part | None:
        """The part, if there is one."""
        part = cls(look, hashlib.sha256(address.encode()).hexdigest()[:16], moment, several=several)
        if part.news or part.digest:
            return part
        if part.before != look.standing:
            part.remember()  # less is wrong than before: what comes back later is news again
        return None

    @property
    def alarm(self) -> bool:
        """Whether it is bad news."""
        return bool(self.news) and self._look.standing.word != WELL

    @property
    def title(self) -> str:
        """Whose lake it is, and what became of it."""
        return f"{self._look.symbol} {self.news or 'today'}"

    @property
    def body(self) -> str:
        """How it is, and what a person can do, with commands that work when pasted."""
        before = commands.caller().symbol
        commands.about(self._look.symbol if self._several else before)
        try:
            lines = [
                *(self._look.why() if self.news else []),
                *([self._look.figures()] if self.digest else []),
            ]
        finally:
            commands.about(before)
        return "\n".join(printable.line(line) for line in dict.fromkeys(lines))

    def remember(self) -> None:
        """Write down that it was told."""
        digest = self._day if self.digest else self._told.get(self._key, {}).get("digest")
        told = {**self._look.standing.as_json(), "digest": digest}
        files.write_json(self._look.settings.layout.told, {**self._told, self._key: told})


def _told(settings: Settings) -> dict[str, dict[str, Any]]:
    """What each address was told of a lake; nothing where nobody can say."""
    with suppress(SpxDataError):
        found = reads.read_json(settings.layout.told)
        if isinstance(found, dict):
            return {key: each for key, each in found.items() if isinstance(each, dict)}
    return {}


def _scheme(address: str) -> str:
    """The kind of an address, which is all that is said of it."""
    with suppress(ValueError):
        return urlsplit(address).scheme or "no address"
    return "no address"


@contextmanager
def _heard(lines: list[str], what: str) -> Iterator[None]:
    """Turn an error in the block into a line: telling is never worth a run."""
    try:
        yield
    except Exception as error:
        told = error if isinstance(error, SpxDataError) else faults.of(error)
        # What a library says may hold the address.
        why = str(told) if isinstance(told, SpxDataError) else type(error).__name__
        lines.append(f"{what}: {commands.shown(why)}")
