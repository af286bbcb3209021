"""Every session that is not sealed: what it is, what becomes of it, what it will take, and in which order.

First is filled what has most points. Three parts, each weighed by the config: the newer, the more volatile
its market and the less often it failed, the more points. Equal points go to the newer date, so the order is
total and the same for all. Dates of which the subscription was seen to have nothing come last.
"""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spx_data import status
from spx_data.lake import calendar, session_states
from spx_data.lake.session_states import Kind, State
from spx_data.market import sessions
from spx_data.market.sessions import Session
from spx_data.ops.gaps.estimate import Costs, Estimate, Guess, costs_of
from spx_data.settings import Settings, Weights
from spx_data.sources import profile
from spx_data.status import Facts, Summary
from spx_data.store import tree
from spx_data.text import commands

_NEVER_FILLED = frozenset({Kind.NO_DATA, Kind.ACCEPTED, Kind.PENDING})
_OUTSIDE = "outside processing.start_date to end_date: the next run skips it"
_NOT_NAMED = "not among the config's dates: the next run skips it"
NEAR = 5  # sessions
Rank = tuple[bool, float, dt.date]  # not known to have nothing, points, newer
_PARKINSON = 1 / (2 * math.sqrt(math.log(2)))


@dataclass(frozen=True)
class Gap:
    """A session that is not sealed."""

    date: dt.date
    kind: Kind
    due: bool  # the next run takes it
    why: str
    cure: str | None  # the command that does something about it, where the next run does not
    tries: int
    error: str | None  # the last error's type
    staged: int  # expirations with data that are staged
    points: Points
    volatility: float | None  # of a day around the date, a fraction; None where no neighbour is sealed
    estimate: Estimate | None  # None where neither a sealed day nor a probe tells

    @property
    def bytes_to_come(self) -> int | None:
        """The bytes that it is going to add to the lake; None where it is not filled, or nothing tells."""
        return self.estimate.bytes if self.estimate and self.kind not in _NEVER_FILLED else None

    @property
    def priority(self) -> float:
        """The more, the earlier it is filled."""
        return self.points.total

    @property
    def command(self) -> str | None:
        """What does something about it at once; None where waiting is right."""
        return commands.shown(f"`spx-data process {self.date}`" if self.due else self.cure or "") or None

    @property
    def needs_you(self) -> bool:
        """Whether no later run ends it unless a person does something."""
        return self.kind is Kind.PARKED or (self.kind is Kind.CORRUPT and not self.due)


def find(
    settings: Settings,
    moment: dt.datetime,
    start: dt.date | None = None,
    end: dt.date | None = None,
    *,
    summaries: Sequence[Summary] | None = None,
) -> list[Gap]:
    """The gaps from *start* to *end*, both inclusive, the highest priority first.

    The settings' range where nothing else is said; never beyond today. The range has no say in the order.
    *summaries* are those of `status.summaries` at this moment, where they are read already.

    Raises:
        ConfigurationValidationError: there is no such calendar.
    """
    read = status.summaries(settings, moment) if summaries is None else summaries
    known = {summary.date: summary for summary in read}
    today = sessions.today(moment)
    first = start or settings.start_date
    last = min(end or settings.end_date or today, today)
    trading = sessions_known(settings, moment, first, known)
    for session in trading:
        if first <= session.date <= last and not settings.covers(session.date):
            known[session.date] = _outside(settings, session, moment, known.get(session.date))
    return [gap for gap in assess(settings, trading, known) if first <= gap.date <= last]


def order(settings: Settings, moment: dt.datetime, states: Mapping[Session, State]) -> list[dt.date]:
    """The trading dates that the next run fills, ordered as by `find`; *states* are the wanted sessions'.

    Sealed dates are read only where they can have a say: a lake that is whole, or empty, costs nothing.
    """
    missing = session_states.missing_dates(states, settings.dates)
    if len(missing) < 2:
        return missing
    found = ranks(settings, moment, states)
    return sorted(found, key=found.__getitem__, reverse=True)


def ranks(settings: Settings, moment: dt.datetime, states: Mapping[Session, State]) -> dict[dt.date, Rank]:
    """The trading dates that the next run fills, each with its rank: the greater, the earlier."""
    missing = session_states.missing_dates(states, settings.dates)
    if not missing:
        return {}
    tries = {session.date: state.tries for session, state in states.items()}
    scale = Scale(missing, _seen(settings, moment, states), settings.priority)
    points = {date: scale.points(date, tries[date]) for date in missing}
    return _ranks(points, profile.nothing_until(settings.layout.profile))


def _seen(settings: Settings, moment: dt.datetime, states: Mapping[Session, State]) -> Market:
    sealed = any(state.kind is Kind.SEALED for state in states.values())
    if not settings.priority.volatility or not (sealed or tree.dates(settings.layout)):
        return Market((), {})
    known = {summary.date: summary for summary in status.summaries(settings, moment)}
    return market(sessions_known(settings, moment, settings.start_date, known), known)


def sessions_known(
    settings: Settings, moment: dt.datetime, start: dt.date, known: Mapping[dt.date, Summary]
) -> list[Session]:
    """The sessions from *start*, the settings' start date or the first sealed date up to today."""
    sealed = (date for date, summary in known.items() if summary.state.kind is Kind.SEALED)
    return calendar.known(settings, min([start, settings.start_date, *sealed]), sessions.today(moment))


def market(trading: Sequence[Session], known: Mapping[dt.date, Summary]) -> Market:
    """What the sealed dates among *known* say about the market; *trading* are the sessions in order."""
    seen = {
        date: prices
        for date, summary in known.items()
        if summary.state.kind is Kind.SEALED and (prices := _prices(summary.facts))
    }
    return Market([session.date for session in trading], seen)


def assess(settings: Settings, trading: Sequence[Session], known: Mapping[dt.date, Summary]) -> list[Gap]:
    """The gaps among *trading*, the sessions in order, by what is *known*; the highest priority first."""
    due = {
        date
        for date, summary in known.items()
        if summary.state.due and settings.covers(date) and (settings.dates is None or date in settings.dates)
    }
    scale = Scale(due, market(trading, known), settings.priority)
    costs = costs_of(trading, known)
    estimates: Costs | Guess | None = Costs(costs) if costs else Guess.of(settings)
    gaps = {
        session.date: _gap(settings, session, summary, session.date in due, scale, estimates)
        for session in trading
        if (summary := known.get(session.date)) and summary.state.kind is not Kind.SEALED
    }
    points = {date: gap.points for date, gap in gaps.items()}
    return [gaps[date] for date in ranked(points, profile.nothing_until(settings.layout.profile))]


def _gap(
    settings: Settings,
    session: Session,
    summary: Summary,
    due: bool,
    scale: Scale,
    estimates: Costs | Guess | None,
) -> Gap:
    date, state, facts = session.date, summary.state, summary.facts
    return Gap(
        date=date,
        kind=state.kind,
        due=due,
        why=_why(settings, date, state, due),
        cure=None if due else _cure(date, state),
        tries=state.tries,
        error=state.error,
        staged=facts.chains,
        points=scale.points(date, state.tries),
        volatility=scale.volatility(date),
        estimate=estimates.estimate(session, facts.chains, facts.staged_bytes) if estimates else None,
    )


def _why(settings: Settings, date: dt.date, state: State, due: bool) -> str:
    """Why the next run takes the date, or why not."""
    words = state.reason or state.kind.value
    match state.kind:
        case Kind.FAILED:
            words = f"{state.error}: {words}"
        case Kind.PARKED:
            words = f"left alone after {state.tries} failing runs: {state.error}: {words}"
    if due or not state.due:
        return words
    return f"{words}; {_NOT_NAMED if settings.covers(date) else _OUTSIDE}"


def _cure(date: dt.date, state: State) -> str | None:
    """The command that fills a date which the next run leaves alone; None where waiting is right."""
    command = None if state.kind is Kind.ACCEPTED else commands.first(state.what_helps(date))
    return command and f"`{command}`"


def _outside(settings: Settings, session: Session, moment: dt.datetime, summary: Summary | None) -> Summary:
    """The summary of a session that is not wanted: the status knows it as a date without hours, or not."""
    state = session_states.current_state(settings, session.date, session, moment)
    return Summary(session.date, state, summary.facts if summary else Facts())


def _prices(facts: Facts) -> Prices | None:
    found = (facts.underlying_open, facts.underlying_high, facts.underlying_low, facts.underlying_close)
    known = [price for price in found if price]
    return Prices(*known) if len(known) == len(found) else None


@dataclass(frozen=True)
class Points:
    """The parts of one date's priority."""

    age: float
    volatility: float
    tries: float

    @property
    def total(self) -> float:
        """The priority."""
        return self.age + self.volatility + self.tries


class Scale:
    """Gives points to dates: *due* are the trading dates that the next run fills."""

    def __init__(self, due: Iterable[dt.date], market: Market, weights: Weights) -> None:
        self._due = sorted(due)
        self._market = market
        self._weights = weights

    def points(self, date: dt.date, tries: int) -> Points:
        """The points of a *date* that failed *tries* times; a date that is not due gets what it would get."""
        volatility = self.volatility(date)
        wildness = 0.5 if volatility is None else self._market.percentile(volatility)
        return Points(
            age=self._weights.age * self._youth(date),
            volatility=self._weights.volatility * wildness,
            tries=self._weights.tries * 0.5**tries,
        )

    def volatility(self, date: dt.date) -> float | None:
        """The volatility around *date*, a fraction; None where it is not known."""
        return self._market.around(date)

    def _youth(self, date: dt.date) -> float:
        """The date's rank among those that are due: 0 for the oldest, 1 for the newest."""
        older, steps = bisect_left(self._due, date), len(self._due) - 1
        return min(1.0, older / steps) if steps > 0 else 1.0


def ranked(points: Mapping[dt.date, Points], nothing_until: dt.date | None = None) -> list[dt.date]:
    """The dates, the one to be filled first at the head, and last those up to *nothing_until*."""
    found = _ranks(points, nothing_until)
    return sorted(found, key=found.__getitem__, reverse=True)


def _ranks(points: Mapping[dt.date, Points], nothing_until: dt.date | None) -> dict[dt.date, Rank]:
    last = nothing_until or dt.date.min
    return {date: (date > last, each.total, date) for date, each in points.items()}


@dataclass(frozen=True)
class Prices:
    """The underlying's prices on a sealed date, in dollars, all of them positive."""

    open: float
    high: float
    low: float
    close: float

    @property
    def volatility(self) -> float:
        """The date's own volatility, from its range."""
        return math.log(self.high / self.low) * _PARKINSON


class Market:
    """What the lake's sealed dates say about the market."""

    def __init__(self, trading: Sequence[dt.date], seen: Mapping[dt.date, Prices]) -> None:
        """*trading* are the sessions in order, *seen* the underlying's prices on those that are sealed."""
        self._trading = trading
        self._seen = seen
        self._usual = sorted(prices.volatility for prices in seen.values())

    def around(self, date: dt.date) -> float | None:
        """The volatility around *date*; None where no session near it was seen."""
        if not self._seen:
            return None
        after = bisect_right(self._trading, date)
        before = bisect_left(self._trading, date) - 1
        earlier = self._nearest(range(before, before - NEAR, -1))
        later = self._nearest(range(after, after + NEAR))
        ranges = [self._prices(place).volatility for place in (earlier, later) if place is not None]
        if not ranges:
            return None
        mean = sum(ranges) / len(ranges)
        if earlier is None or later is None:
            return mean
        move = abs(math.log(self._prices(later).open / self._prices(earlier).close))
        # A date that is no session may have none between its neighbours.
        return max(mean, move / math.sqrt(max(1, later - earlier - 1)))

    def percentile(self, volatility: float) -> float:
        """The share of the sealed dates that were calmer than *volatility*, from 0 to 1; ties count half."""
        if not self._usual:
            return 0.5
        calmer, not_wilder = bisect_left(self._usual, volatility), bisect_right(self._usual, volatility)
        return (calmer + not_wilder) / 2 / len(self._usual)

    def _nearest(self, places: range) -> int | None:
        """The first of *places* among the sessions that was seen."""
        known = (place for place in places if 0 <= place < len(self._trading))
        return next((place for place in known if self._trading[place] in self._seen), None)

    def _prices(self, place: int) -> Prices:
        return self._seen[self._trading[place]]
