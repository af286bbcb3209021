"""A probe's line to the terminal: found by asking, within a budget, and every answer kept as it came."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spx_data.errors import NEVER, SpxDataError, WrongApiError
from spx_data.ops.probe.heard import (
    RECORDED_BYTES,
    RECORDED_FIRST_BYTE,
    RECORDED_SECONDS,
    Heard,
    Raw,
    Topic,
    target_of,
)
from spx_data.settings import Settings
from spx_data.sources import access, slots
from spx_data.sources.retry import retrying
from spx_data.sources.source import Source
from spx_data.store import files

if TYPE_CHECKING:
    from spx_data.sources.source import Tapped

_LONGEST_SILENCE = 120.0  # seconds
_HIDDEN = ("date", "set-cookie")  # headers that are no habit of a terminal


@dataclass(frozen=True)
class Limits:
    """What a probe may take: requests, seconds after which no other question is asked, and contracts."""

    requests: int
    seconds: float
    contracts: int


SHORT, FULL = Limits(15, 300.0, 3), Limits(40, 900.0, 8)


class SpentError(SpxDataError):
    """The budget of requests or of time is used up."""

    retry = NEVER


class Budget:
    """The requests that are left; every one that is sent counts, tries again and pages too."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._lock, self._begun = limits, threading.Lock(), time.monotonic()
        self.spent = 0

    @property
    def left(self) -> int:
        """Requests; none when time is up."""
        late = time.monotonic() - self._begun > self._limits.seconds
        return 0 if late else self._limits.requests - self.spent

    def spend(self) -> None:
        """Count a request; raises SpentError where none is left."""
        with self._lock:
            if self.left < 1:
                raise SpentError("the probe's budget is used up")
            self.spent += 1


class ProbeLine:
    """The terminal of a probe; open while its answers are needed."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings, self._here, self._open = settings, threading.local(), ExitStack()
        self.budget = Budget(limits)
        self._scratch = files.make_directory(settings.layout.temp)
        self._sources: dict[str, Source] = {}
        self.terminal = settings.terminal

    @contextmanager
    def open(self) -> Iterator[Heard]:
        """Find the terminal and its API; gives the answers to the question how it is.

        Raises:
            ThetaTerminalNotRunningError, TerminalDisconnectedError, WrongApiError: no terminal can be asked.
        """
        with self._open:
            yield self._found()

    def hears(self, heard: Heard) -> None:
        """Keep the answers to what this thread asks from now on with *heard*."""
        self._here.heard = heard

    def _found(self) -> Heard:
        """Find the terminal and its API: the answers to the question how it is."""
        heard = Heard(Topic.STATUS)
        terminal, failed = self._settings.terminal, list[SpxDataError]()
        for api, base_url in access.addresses(terminal):
            self.terminal = replace(terminal, api=api, base_url=base_url)
            self._sources.clear()
            limit = terminal.max_concurrent_requests
            shared = slots.shared(self._settings.layout, base_url, limit, brief=True)
            self._slots = self._open.enter_context(shared)
            self.hears(heard)
            try:
                retrying(self.source().check, wait_factor=terminal.retry_wait_factor)
            except SpxDataError as error:
                failed.append(error)
                self.budget.spent = len(heard.raws)  # where nothing listens, nothing was asked
                heard.error = error
                if len(heard.raws) and not isinstance(error, WrongApiError):
                    break  # it is there, and says how it is
                continue
            heard.error = None
            return heard
        telling = [error for error in failed if not isinstance(error, WrongApiError)] or failed
        raise telling[-1] if heard.raws else telling[0]

    def source(self, form: str | None = None) -> Source:
        """The terminal, asked for histories in one transport format."""
        form = form or self.terminal.format
        if form not in self._sources:
            silence = min(self.terminal.history_timeout_seconds, _LONGEST_SILENCE)
            terminal = replace(self.terminal, format=form, history_timeout_seconds=silence)
            source = access.connect(terminal, self._scratch, gate=self._gate, tap=self._keep)
            self._open.callback(source.close)
            self._sources[form] = source
        return self._sources[form]

    @contextmanager
    def _gate(self, continues: bool) -> Iterator[None]:
        self.budget.spend()
        with self._slots.slot(continues):
            yield

    def _keep(self, tapped: Tapped) -> None:
        """Keep an answer with the question that this thread asks."""
        body = self._open.enter_context(files.spool(self._scratch))
        tapped.body.seek(0)
        shutil.copyfileobj(tapped.body, body)
        told = tapped.headers
        raw = Raw(
            target=target_of(tapped.url),
            status=tapped.status,
            headers={
                name: value
                for name, value in told.items()
                if name not in _HIDDEN and not name.startswith("x-recorded")
            },
            body=body,
            first_byte_seconds=_figure(told, RECORDED_FIRST_BYTE, tapped.first_byte_seconds),
            seconds=_figure(told, RECORDED_SECONDS, tapped.seconds),
            size=int(_figure(told, RECORDED_BYTES, body.tell())),
        )
        self._here.heard.raws.append(raw)


def _figure(headers: Mapping[str, str], name: str, measured: float) -> float:
    """What a replay tells of its original, or what was measured."""
    try:
        return float(headers.get(name, measured))
    except ValueError:
        return measured
