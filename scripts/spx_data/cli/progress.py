"""Progress as it is shown: a picture that stands still in a terminal, a line now and then anywhere else.

The display belongs to nobody's work: whatever goes wrong with it ends the display, and nothing else.
"""

from __future__ import annotations

import atexit
import datetime as dt
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import Any

from rich.console import Console
from rich.live import Live

from spx_data.cli.output import console as plain_console
from spx_data.cli.output import print_words, say
from spx_data.cli.progress_view import Picture, line
from spx_data.lake import runs
from spx_data.lake.runs import Run
from spx_data.ops.progress import INTERVAL_VARIABLE, QUIET_VARIABLE, Followed, Progress, Summary, Watcher
from spx_data.store.layout import Layout
from spx_data.text.words import count, counted, duration, few, size

_LINE_SECONDS = 30.0
_NAMED = 3  # dates that failed alike
_ALIVE_SECONDS = 0.5  # between two looks whether a watched run is still there
_FOLLOWING_SECONDS = 60.0  # a batch has the next one begun long before
_LOOK_SECONDS = 1.0  # the tree is not read more often than that
_PICTURES_A_SECOND = 3
_PATIENCE_SECONDS = 2.0  # for the display to end; it never keeps a run waiting longer

Look = Callable[[], Progress | None]


@contextmanager
def progress_shown(
    lakes: Mapping[str, Layout],
    run_name: str,
    *,
    stderr: bool = True,
    every: float | None = None,
    loggers: Sequence[logging.Logger] = (),
) -> Iterator[Shown]:
    """Show the run of that name in *lakes*, by symbol, until the block ends; it may take its time to begin.

    In a terminal a picture stands at the bottom of the screen, and what *loggers* say there scrolls above
    it. Elsewhere there is a line *every* so many seconds (30 unless the environment says otherwise).
    """
    shown = _open(_Looking(lakes, run_name), stderr, every or _seconds(os.environ), loggers)
    # A process that is killed within the block must not leave a terminal without its cursor.
    atexit.register(shown.close)
    try:
        yield shown
    finally:
        shown.close()
        atexit.unregister(shown.close)


@contextmanager
def accompanied(followed: Sequence[Followed], logger: logging.Logger) -> Iterator[None]:
    """Show the run that is *followed*, this process's own, unless its starter does so or it fills no date."""
    filling = {each.symbol: each.layout for each in followed if each.run.dates}
    if os.environ.get(QUIET_VARIABLE) or not filling:
        yield
        return
    with progress_shown(filling, followed[0].run.name, loggers=[logger]):
        yield


def watch(lakes: Mapping[str, Layout]) -> None:
    """Show the run at work in *lakes*, by symbol, until it ends; where none is, wait for one to begin."""
    run = _at_work(lakes)
    if run is None:
        say("no run in progress: waiting for one to begin (Ctrl-C ends this)")
    while run is None:
        time.sleep(_ALIVE_SECONDS)
        run = _at_work(lakes)
    while run is not None:
        with progress_shown(lakes, run.name, stderr=False):
            at_work: Run | None = run
            while at_work is not None and at_work.name == run.name:
                time.sleep(_ALIVE_SECONDS)
                at_work = _at_work(lakes)
        run = at_work or _next(lakes, run)


def _at_work(lakes: Mapping[str, Layout]) -> Run | None:
    """The run at work in the first of *lakes* that has one."""
    return next(filter(None, map(runs.current, lakes.values())), None)


def _next(lakes: Mapping[str, Layout], run: Run) -> Run | None:
    """The run that follows *run*, where one is to; it takes some seconds to begin."""
    deadline = time.monotonic() + _FOLLOWING_SECONDS
    while run.more and time.monotonic() < deadline:
        if following := _at_work(lakes):
            return following
        time.sleep(_ALIVE_SECONDS)
    return None


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Print what a run came to: what is sealed, what failed and its cure, what is left."""
    console = console or plain_console()
    if summary.sealed:
        told = f"{count(summary.rows)} rows in {size(summary.bytes)}"
        console.print(f"{counted(len(summary.sealed), 'date')} sealed: {told}", style="green")
    for failure in summary.failures:
        print_words(f"{_these(failure.dates)} failed: {failure.error}: {failure.cause}", console, "bold red")
        if failure.cure:
            print_words(f"→ {failure.cure}", console)
    for date in summary.no_data:
        console.print(f"{date} has no data at the source", style="cyan")
    if summary.left:
        console.print(
            f"{counted(len(summary.left), 'date')} left; the next run goes on where this one stopped"
        )
    pace = f", {count(summary.records_per_minute)} records/min" if summary.records_per_minute else ""
    console.print(f"{duration(summary.elapsed)}{pace}", style="dim")


def _these(dates: Sequence[dt.date]) -> str:
    """*dates* in words: how many where they are more than one, and the first few by name."""
    return f"{counted(len(dates), 'date')} ({few(dates, _NAMED)})" if len(dates) > 1 else str(dates[0])


def _seconds(environment: Mapping[str, str]) -> float:
    try:
        return float(environment[INTERVAL_VARIABLE])
    except (KeyError, ValueError):
        return _LINE_SECONDS


def _open(look: Look, stderr: bool, seconds: float, loggers: Sequence[logging.Logger]) -> Shown:
    console = plain_console(stderr=stderr)
    try:
        # Colours can be forced on a file; a picture in it would be no picture.
        if (sys.stderr if stderr else sys.stdout).isatty() and console.is_interactive:
            return Picturing(look, console, loggers)
        return Lines(look, console, seconds)
    except Exception:
        return Shown(console)


class _Looking:
    """Looks at the run of a name in each of *lakes*, once it has begun there."""

    def __init__(self, lakes: Mapping[str, Layout], run_name: str) -> None:
        self._waited_for, self._name = dict(lakes), run_name
        self._followed: list[Followed] = []
        self._watcher: Watcher | None = None

    def __call__(self) -> Progress | None:
        for symbol, layout in list(self._waited_for.items()):
            run = runs.last(layout)
            if run is not None and run.name == self._name:
                self._followed.append(Followed(self._waited_for.pop(symbol), run, symbol))
                self._watcher = Watcher(*self._followed)
        return self._watcher.look() if self._watcher else None


class Shown:
    """What is shown of a run. This one is for where nothing can be: it only says what it is told to say."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line of its own, above the display."""
        with suppress(Exception):
            print_words(text, self._console)

    def note(self, text: str) -> None:
        """Show *text* until another one comes, or an empty one; where nothing stands still, say it."""
        if text:
            self.say(text)

    def close(self) -> None:
        """End the display; what it changed is as it was."""


class Lines(Shown):
    """A line every so many *seconds*, by a thread, until it is closed or something goes wrong with it."""

    def __init__(self, look: Look, console: Console, seconds: float) -> None:
        super().__init__(console)
        self._look, self._seconds = look, seconds
        self._over, self._lock, self._restored = Event(), Lock(), False
        self._thread = Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the display; what it changed is as it was."""
        self._over.set()
        self._thread.join(_PATIENCE_SECONDS)
        self._end()

    def _run(self) -> None:
        with suppress(Exception):
            while not self._over.wait(self._seconds):
                self._show()
        self._end()

    def _end(self) -> None:
        with self._lock:
            if not self._restored:
                self._restored = True
                self._restore()

    def _show(self) -> None:
        """Show how things are now; stamped as Snakemake's own messages are: in local time."""
        self.say(f"{dt.datetime.now().astimezone():%H:%M:%S} {line(self._look())}")

    def _restore(self) -> None:
        """Put back what the display changed."""


class Picturing(Lines):
    """A picture at the bottom of the terminal; what *loggers* say, and what is printed, scrolls above it."""

    def __init__(self, look: Look, console: Console, loggers: Sequence[logging.Logger] = ()) -> None:
        self._looked_at = 0.0
        self._progress: Progress | None = None
        self._note = ""
        self._streams: list[tuple[logging.StreamHandler[Any], Any]] = []
        self._live = Live(
            Picture(None),
            console=console,
            auto_refresh=False,
            transient=True,
            # What goes elsewhere must go on going there.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )
        self._live.start(refresh=True)
        self._redirect(loggers)
        super().__init__(look, console, 1 / _PICTURES_A_SECOND)

    def note(self, text: str) -> None:
        """Show *text* below the picture until another one comes, or an empty one."""
        self._note = text

    def _redirect(self, loggers: Sequence[logging.Logger]) -> None:
        """Send handlers that write to the terminal through the display: they took hold of it long ago."""
        proxies = {getattr(stream, "rich_proxied_file", None): stream for stream in (sys.stdout, sys.stderr)}
        for handler in (handler for logger in loggers for handler in logger.handlers):
            if isinstance(handler, logging.StreamHandler) and (proxy := proxies.get(handler.stream)):
                self._streams.append((handler, handler.setStream(proxy)))

    def _show(self) -> None:
        if time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._progress, self._looked_at = self._look(), time.monotonic()
        self._live.update(Picture(self._progress, self._note), refresh=True)

    def _restore(self) -> None:
        with suppress(Exception):
            self._live.stop()
        for handler, stream in self._streams:
            handler.setStream(stream)
