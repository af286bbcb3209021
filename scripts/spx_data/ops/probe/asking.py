"""The questions of a probe, asked one after the other within a budget; what is heard is kept as it came.

Answers are read with the product's own readers, so what a probe reads is what a fill would. A question that
cannot be answered costs itself; what ends the probe before its time is a terminal that is gone, or the
machine. Single contracts are asked for together, but for the first: so queueing shows.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import polars as pl

from spx_data.errors import (
    ApiConnectionError,
    ApiDataNotFoundError,
    SpxDataError,
    SubscriptionError,
    TerminalDisconnectedError,
    ThetaTerminalNotRunningError,
    is_the_machines,
)
from spx_data.errors import ConfigurationValidationError as Refused
from spx_data.lake import calendar
from spx_data.market import schema, sessions
from spx_data.market.chains import Chain
from spx_data.market.records import Rejects
from spx_data.market.sessions import Window
from spx_data.ops.probe import choosing
from spx_data.ops.probe.heard import FULL, Heard, Limits, ProbeLine, SpentError, Story, Topic, target_of
from spx_data.settings import Settings
from spx_data.sources.catalogue import capabilities

_GONE = (ThetaTerminalNotRunningError, TerminalDisconnectedError)
_APART_SECONDS = 2.0  # before a question is asked again, times `thetadata.retry_wait_factor`
_CHECKS = 2  # questions how it is, after answers that did not come
FIRST_LISTS = dt.date(2012, 6, 1)  # docs/wire.md: nothing is older

Tell = Callable[[str], None]


class Asking:
    """One probe at work; open while its answers are needed."""

    def __init__(self, settings: Settings, moment: dt.datetime, limits: Limits, tell: Tell) -> None:
        self._settings, self._moment, self._limits, self._tell = settings, moment, limits, tell
        self._line = ProbeLine(settings, limits)
        self._main, self._morning = choosing.main_root(settings), choosing.morning_root(settings)
        self._checks, self._begun = 0, time.monotonic()

    @property
    def spent(self) -> int:
        """How many requests were sent."""
        return self._line.budget.spent

    @property
    def seconds(self) -> float:
        """How long the probe has been at work."""
        return time.monotonic() - self._begun

    @contextmanager
    def story(self) -> Iterator[Story]:
        """What was heard; its answers can be read while the block lasts.

        Raises:
            SpxDataError: no terminal can be asked (see `ProbeLine.open`), or the machine refuses.
        """
        with self._line.open() as found:
            terminal = self._line.terminal
            full = self._limits is FULL
            self._story = Story(
                str(terminal.api), str(terminal.base_url), self._moment, full, self._settings.product, [found]
            )
            try:
                self._ask_everything()
            except _GONE as error:
                self._story.ended_by = error
            yield self._story

    # The questions --------------------------------------------------------------------------------------

    def _ask_everything(self) -> None:
        expirations = self._ask(Heard(Topic.EXPIRATIONS, root=self._main), again=True)
        self._chains = choosing.Chains(self._settings.product, self._main, expirations.expirations or ())
        today = sessions.today(self._moment)
        looked_back = today - dt.timedelta(days=choosing.LOOKED_BACK_DAYS)
        near = calendar.known(self._settings, looked_back, today + dt.timedelta(days=7))
        self._story.sessions.update(near)
        days = choosing.Days.of(near, self._moment, self._chains.listed, self._settings.product)
        if days.ordinary is None:
            return
        self._ask_about_the_ordinary_day(days.ordinary)
        self._ask_about_other_days(days)
        if self._limits is FULL:
            self._ask_more(days)
        self._look_for_the_floor(days.ordinary)

    def _ask_about_the_ordinary_day(self, date: dt.date) -> None:
        listing = self._ask(Heard(Topic.LISTING, date, self._main), again=True)
        chains = listing.listed.chains if listing.listed else ()
        if not self._chains.listed:
            listed = [each.chain.listed for each in chains]
            self._chains = choosing.Chains(self._settings.product, self._main, listed)
        chain = self._chains.first(date)
        ordinary = self._history(Topic.ORDINARY, date, chain, again=True)
        if ordinary is None or chain is None:
            return
        entry = self._story.entry(chain, Topic.LISTING)
        formats = capabilities(self._line.terminal.api).formats
        asked = choosing.telling(ordinary.records, entry, self._limits.contracts)
        heard = [
            self._contract(Topic.CONTRACT, chain, *one, form=formats[number % len(formats)])
            for number, one in enumerate(asked)
        ]
        if never := choosing.never_quoted(ordinary.there, entry):
            heard.append(self._contract(Topic.NEVER_QUOTED, chain, *never[0], form="csv"))
        self._ask_together(heard)

    def _ask_about_other_days(self, days: choosing.Days) -> None:
        chains = self._chains
        if days.half:
            self._history(Topic.HALF_DAY, days.half, chains.living(days.half))
        if days.before_clocks:
            self._history(Topic.CLOCK_CHANGE, days.before_clocks, self._after_the_change(days.before_clocks))
        if days.last:
            wide = choosing.wide(self._settings.window)
            self._history(Topic.LAST_SESSION, days.last, chains.living(days.last), wide)
        if days.today:
            self._history(Topic.TODAY, days.today, chains.living(days.today))
        else:
            self._story.unasked[Topic.TODAY] = "there is no session today that is not finished"
        if days.third_friday and self._morning:
            friday = days.third_friday
            self._history(Topic.THIRD_FRIDAY, friday, Chain(self._morning, friday, friday, friday))
        else:
            self._story.unasked[Topic.THIRD_FRIDAY] = "no root of this lake is settled at the open"
        if days.closed:
            self._history(Topic.NO_SESSION, days.closed, chains.living(days.closed))

    def _after_the_change(self, date: dt.date) -> Chain | None:
        """A chain that is quoted on *date* and expires after the change, in the morning if any does."""
        if self._morning is None:
            return self._chains.living(date)
        friday = choosing.third_friday_from(date + dt.timedelta(days=1))
        return Chain(self._morning, friday, date, friday)

    def _ask_more(self, days: choosing.Days) -> None:
        """The questions of the long probe."""
        assert days.ordinary is not None
        for root in self._settings.roots:
            if root != self._main:
                self._ask(Heard(Topic.LISTING, days.ordinary, root))
        self._history(Topic.LIVING, days.ordinary, self._chains.living(days.ordinary))
        if days.half:
            self._history(Topic.HALF_DAY_EXPIRING, days.half, self._chains.expiring(days.half))
        self._ask(Heard(Topic.EOD, days.ordinary, self._main))
        for date in filter(None, (days.half, days.ordinary)):
            if capabilities(self._line.terminal.api).calendar:
                self._ask(Heard(Topic.CALENDAR, date))
        if latest := days.today or days.last:
            self._ask(Heard(Topic.LISTING_TODAY, latest, self._main))

    def _look_for_the_floor(self, ordinary: dt.date) -> None:
        """Bisect for the earliest date with data, from the lake's start, as far as the budget goes."""
        start = self._settings.start_date
        earliest = FIRST_LISTS if self._limits is FULL else start
        known = calendar.known(self._settings, min(earliest, start), ordinary)
        self._story.sessions.update(known)
        dates = [session.date for session in known]
        if not dates:
            return
        low, high = -1, len(dates) - 1  # the last one without data, and the first with
        at = next((number for number, date in enumerate(dates) if date >= start), high)
        while high - low > 1 and self._line.budget.left:
            told = self._has_data(dates[at])
            if told is None:
                return
            low, high = (low, at) if told else (at, high)
            at = (low + high) // 2

    def _has_data(self, date: dt.date) -> bool | None:
        """Whether there is data of *date*; None where that cannot be told."""
        heard = self._history(
            Topic.FLOOR, date, self._chains.first(date), choosing.coarse(self._settings.window)
        )
        if heard is None or (
            heard.error is not None and not isinstance(heard.error, ApiDataNotFoundError | SubscriptionError)
        ):
            return None
        return heard.has_rows

    # One question ---------------------------------------------------------------------------------------

    def _history(
        self,
        topic: Topic,
        date: dt.date,
        chain: Chain | None,
        window: Window | None = None,
        *,
        again: bool = False,
    ) -> Heard | None:
        if chain is None:
            self._story.unasked[topic] = f"no expiration of {self._main} is listed for it"
            return None
        window = window or self._settings.window
        heard = Heard(topic, date, chain.root, chain, window, format=self._line.terminal.format)
        return self._ask(heard, again=again)

    def _contract(self, topic: Topic, chain: Chain, right: str, strike: float, *, form: str) -> Heard:
        window = self._settings.window
        return Heard(topic, chain.date, chain.root, chain, window, right, strike, form)

    def _ask(self, heard: Heard, *, again: bool = False) -> Heard:
        """Ask one question, and once more where an answer that others hang on cannot be had."""
        if not self._line.budget.left:
            self._story.unasked.setdefault(heard.topic, "the budget was used up")
            self._story.cut_short |= heard.topic is not Topic.FLOOR
            return heard
        self._story.heard.append(heard)
        begun = time.monotonic()
        self._tried(heard)
        if again and heard.error is not None and self._line.budget.left:
            time.sleep(_APART_SECONDS * self._settings.terminal.retry_wait_factor)
            self._tried(heard)
        self._tell(
            f"{self.spent:>2}/{self._limits.requests}  {_said(heard)}, {time.monotonic() - begun:.1f} s"
        )
        return heard

    def _ask_together(self, heard: Sequence[Heard]) -> None:
        """Ask for single contracts: the first alone, the others as many at once as the settings allow."""
        for first in heard[:1]:
            self._ask(first)
        limit = self._settings.terminal.max_concurrent_requests
        others = heard[1 : 1 + max(0, self._line.budget.left)]
        self._story.heard += others
        for one in others:
            one.together = min(limit, len(others))
        if others:
            with ThreadPoolExecutor(max_workers=limit, thread_name_prefix="probe") as pool:
                for done in [pool.submit(self._tried, one) for one in others]:
                    done.result()
        for one in others:
            self._tell(f"{self.spent:>2}/{self._limits.requests}  {_said(one)}")

    def _tried(self, heard: Heard) -> None:
        """Ask, and keep what came of it; raises where the terminal is gone, or the machine is at fault."""
        self._line.hears(heard)
        heard.error = None
        try:
            self._read(heard)
        except SpentError as error:
            heard.error = error
        except SpxDataError as error:
            heard.error = error
            if isinstance(error, _GONE) or (
                isinstance(error, ApiConnectionError) and "status" not in error.fields
            ):
                if url := error.fields.get("url"):
                    heard.lost.append((len(heard.raws), target_of(str(url))))
                self._check_that_it_lives(error)
            elif is_the_machines(error) and not isinstance(error, Refused):  # that is an answer
                raise

    def _check_that_it_lives(self, error: SpxDataError) -> None:
        """Ask how it is after an answer that did not come; raises where it is gone."""
        if self._checks < _CHECKS and self._line.budget.left:
            self._checks += 1
            self._line.hears(Heard(Topic.STATUS))
            self._line.source().check()
        elif isinstance(error, _GONE):
            raise error

    def _read(self, heard: Heard) -> None:
        """Ask the question, and keep what is read in the answer."""
        source, root = self._line.source(), str(heard.root)
        if heard.topic is Topic.EXPIRATIONS:
            heard.expirations = source.expirations(root)
            return
        assert heard.date
        if heard.chain is not None:
            self._read_history(heard, heard.chain)
        elif heard.topic is Topic.EOD:
            heard.reported = source.eod(root, heard.date)
        elif heard.topic is Topic.CALENDAR:
            heard.hours = source.hours(heard.date)
        else:
            heard.listed = source.listing(root, heard.date)

    def _read_history(self, heard: Heard, chain: Chain) -> None:
        """Read the history of a chain, or of one contract."""
        assert heard.window
        source, rejects = self._line.source(heard.format), Rejects()
        if heard.contract is None:
            batches = source.history(chain, heard.window, rejects)
        else:
            batches = source.contract_history(chain, *heard.contract, heard.window, rejects)
        try:
            frames = [pl.DataFrame(batch) for batch in batches]
        finally:
            heard.nulls, heard.bad, heard.reading = rejects.nulls, rejects.reasons, rejects.reading
            heard.examples = {each.reason: each.raw for each in reversed(rejects.found) if each.raw}
        records = choosing.with_every_column(pl.concat(frames)).sort(schema.RECORD_KEY) if frames else None
        if records is not None:
            heard.rows = len(records)
            heard.there = frozenset(records.select("right", "strike").unique().rows())
            if heard.right is None:  # what tells is a fortieth of a chain of real size
                records = choosing.left_of(records, self._limits.contracts)
        heard.records = records


def _said(heard: Heard) -> str:
    """A question in words."""
    about = [heard.topic.value]
    if heard.chain:
        about.append(f"{heard.chain.root} {heard.chain.listed}")
    elif heard.root:
        about.append(heard.root)
    if heard.strike is not None:
        about.append(f"{heard.right} {heard.strike:g} in {heard.format}")
    if heard.date:
        about.append(f"on {heard.date}")
    said, error = " ".join(about), heard.error
    if error is None:
        return said
    if isinstance(error, ApiDataNotFoundError):
        return f"{said}: no data"
    status = error.fields.get("status")
    return f"{said}: status {status}" if status not in (None, 200) else f"{said}: {type(error).__name__}"
