"""The pages as they are now, made on request for `ops.serving`; no file is served by its path."""

from __future__ import annotations

import datetime as dt
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from spx_data import report, status
from spx_data.errors import (
    DateValidationError,
    InsufficientDiskSpaceError,
    PermissionDeniedError,
    SpxDataError,
)
from spx_data.lake import runs
from spx_data.lake.session_states import Kind
from spx_data.market import sessions
from spx_data.ops.serving import Reply, refusal
from spx_data.report import dashboard, page, symbols
from spx_data.report.day.view import Beside, beside
from spx_data.report.page import Content, Page, Section
from spx_data.settings import Settings
from spx_data.store import files, reads, seals
from spx_data.text import commands

_KEPT_SECONDS = 3.0  # a dashboard younger than this is shown again, to however many look at it
_AT_WORK_SECONDS = 10  # between two looks at a run, at most
_DAY = re.compile(r"/days/([0-9]{4}-[0-9]{2}-[0-9]{2})\.html")
_OF_A_SYMBOL = re.compile(r"/([A-Z]{1,6})/report(/.*)")
_LINK = re.compile(r"\.\./dashboard\.html#([0-9]{4}-[0-9]{2}-[0-9]{2})")


class Watch(NamedTuple):
    """The config *files* whose changes are taken up, and what reads the settings again."""

    files: Sequence[Path] = ()
    read: Callable[[], Settings] | None = None

    @property
    def state(self) -> list[tuple[int, int] | None]:
        """What changes with the files: when they were written, and their sizes."""
        return [_written(path) for path in self.files]


class _Site:
    """What both sites have: a page that is shown again for some seconds, to however many look at it."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._text, self._made_at = "", -_KEPT_SECONDS

    @property
    def policy(self) -> str:
        """What a page of ours may do, and nobody may frame it."""
        return f"{page.policy()}; frame-ancestors 'none'"

    def _again(self, make: Callable[[], str]) -> str:
        """What *make* gives now, or gave a few seconds ago."""
        with self._making:
            if time.monotonic() - self._made_at >= _KEPT_SECONDS:
                self._text, self._made_at = make(), time.monotonic()
            return self._text


class Pages(_Site):
    """The pages of one lake, each made when it is asked for, and one at a time.

    The dashboard is that of the moment and loads itself again after *refresh* seconds, sooner during a run.
    The page of a day is kept where `spx-data report` keeps it. Settings that change meanwhile are taken up
    where they can be used; otherwise the dashboard says why not.
    """

    def __init__(
        self,
        settings: Settings,
        refresh: int,
        watch: Watch | None = None,
        switch: Sequence[page.Switch] = (),
    ) -> None:
        super().__init__()
        self._settings, self._refresh, self._switch = settings, refresh, switch
        self._watch = watch or Watch()
        self._read, self._trouble = self._watch.state, ""

    def reply(self, target: str) -> Reply:
        """What is answered to a request for *target*; trouble is a page too."""
        path = target.partition("?")[0]
        try:
            self._take_up()
            if path in {"/", f"/{self._settings.layout.dashboard.name}"}:
                return Reply(self.dashboard())
            if (named := _DAY.fullmatch(path)) and (date := _date(named[1])):
                return self._about(date)
            return refusal(HTTPStatus.NOT_FOUND, "There is no such page. / is the dashboard.")
        except SpxDataError as error:
            said = str(error)
        except Exception as error:  # whatever it is, the next page may be well
            said = f"Unexpected {type(error).__name__}: {error}. spx-data --debug report shows where."
        # What is wrong now may be right in a while.
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, said, Refresh=str(self._refresh))

    def _take_up(self) -> None:
        """Use the settings of now, where their files have changed."""
        with self._making:
            state = self._watch.state
            if state == self._read or self._watch.read is None:
                return
            self._read, self._made_at = state, -_KEPT_SECONDS
            try:
                self._settings, self._trouble = self._watch.read(), ""
            except SpxDataError as error:
                self._trouble = f"The settings have changed and cannot be used, so the old ones hold. {error}"

    def _about(self, date: dt.date) -> Reply:
        """The page of *date*, or the one that says why there is none."""
        try:
            return Reply(self.day(date))
        except DateValidationError as error:
            found = _absent(self._settings, sessions.now(), date, error)
            return Reply(page.html(found), HTTPStatus.NOT_FOUND)

    def dashboard(self) -> str:
        """The dashboard of now, or one that is a few seconds old.

        Raises:
            ConfigurationValidationError: there is no such calendar.
        """
        return self._again(self._dashboard)

    def _dashboard(self) -> str:
        at_work = runs.current(self._settings.layout) is not None
        seconds = min(self._refresh, _AT_WORK_SECONDS) if at_work else self._refresh
        found = dashboard.page(self._settings, sessions.now(), live=True, switch=self._switch)
        return page.html(replace(found, refresh_seconds=seconds, notice=self._trouble))

    def day(self, date: dt.date) -> str:
        """The page of *date*, made where there is none of its seal.

        Raises:
            DateValidationError: it is not sealed.
            FileCorruptionError, MissingFileError: what is there is not what was sealed.
        """
        layout = self._settings.layout
        target = layout.day_page(date)
        with self._making:
            if seals.is_sealed(layout.parquet(date)) and not report.is_stale(self._settings, date):
                text = reads.content(target).decode(errors="replace")
                if page.has_policy(text):
                    return _LINK.sub(r"\1.html", text)
            text = report.day_text(self._settings, sessions.now(), date)
            # A lake that can only be read is shown all the same.
            with suppress(PermissionDeniedError, InsufficientDiskSpaceError):
                files.write_text(target, text)
            return _LINK.sub(r"\1.html", text)  # made when somebody asks for it


class PagesOfAll(_Site):
    """The pages of several lakes, each where its files stand beside the page of all: `/SPY/report/…`."""

    def __init__(self, lakes: Mapping[str, Settings], refresh: int, watches: Mapping[str, Watch]) -> None:
        super().__init__()
        self._lakes, self._refresh = lakes, refresh
        self._own = {
            symbol: Pages(settings, refresh, watches.get(symbol), symbols.switch(lakes, symbol))
            for symbol, settings in lakes.items()
        }

    def reply(self, target: str) -> Reply:
        """What is answered to a request for *target*."""
        path = target.partition("?")[0]
        if path in {"/", f"/report/{next(iter(self._lakes.values())).layout.symbols_page.name}"}:
            try:
                return Reply(self._again(self._all))
            except SpxDataError as error:
                return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, str(error), Refresh=str(self._refresh))
        named = _OF_A_SYMBOL.fullmatch(path)
        if named and (pages := self._own.get(named[1])):
            return pages.reply(named[2])
        return refusal(HTTPStatus.NOT_FOUND, "There is no such page. / is the page of all symbols.")

    def _all(self) -> str:
        found = symbols.page(self._lakes, sessions.now())
        return page.html(replace(found, refresh_seconds=self._refresh))


# The page in place of one that there is not -----------------------------------------------------------------


@dataclass(frozen=True)
class _Absent:
    """What is shown of a date without a page."""

    date: dt.date
    error: DateValidationError
    beside: Beside


def _absent(
    settings: Settings, moment: dt.datetime, date: dt.date, error: DateValidationError
) -> Page[_Absent]:
    """The page that says why there is none of *date*."""
    summaries = status.summaries(settings, moment)
    sealed = [summary.date for summary in summaries if summary.state.kind is Kind.SEALED]
    return Page(
        title=f"{settings.product.symbol} {date}",
        subtitle=f"{date:%A}, no page",
        made_at=moment.astimezone(dt.UTC),
        view=_Absent(date, error, beside(settings.layout, sealed, date, sealed)),
        sections=_SECTIONS,
        styles=["day.css"],
        home=f"../{settings.layout.dashboard.name}",
    )


def _why(view: _Absent) -> Content:
    before, after = view.beside
    more = {"cure": commands.parts(view.error.cure), "before": before, "after": after}
    return Content(f"{view.error.cause}.", more=more)


_SECTIONS = (Section("absent", "No page", _why, "absent"),)


def _written(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size
    return None


def _date(text: str) -> dt.date | None:
    with suppress(ValueError):
        return dt.date.fromisoformat(text)
    return None
