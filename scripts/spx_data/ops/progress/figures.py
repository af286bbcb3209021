"""Numbers of a run at one moment, from the tallies of its dates.

The time that is left follows from the work: contracts, because a chain's size is known from the listing on.
A date that is not listed yet counts as the mean of those that are.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from spx_data.lake.alike import alike
from spx_data.lake.runs import Run
from spx_data.ops.gaps.intervals import FEWEST, FIRST, MARGIN, RECENT, Interval, of_ratios
from spx_data.ops.progress.tally import Chunk, Standing, Tally
from spx_data.sources.outage import Outage
from spx_data.store.journal import Event

WINDOW = dt.timedelta(minutes=1)  # of the speed that is shown as the present one
HORIZON = dt.timedelta(minutes=10)  # of the pace from which the time that is left follows
_TOGETHER = 4  # dates that are looked at as one at least, for dates side by side end together


@dataclass(frozen=True)
class Speed:
    """Records and bytes of checkpoints, a minute."""

    records: float = 0.0
    bytes: float = 0.0


@dataclass(frozen=True)
class DateProgress:
    """A date at work; *rows* are all that is staged of it, by this run or an earlier one."""

    date: dt.date
    stage: str  # list, download or merge
    done: int | None  # expirations; None before the listing is there
    listed: int | None
    current: str | None  # root and expiration, while it downloads
    rows: int
    speed: Speed
    retries: int
    symbol: str = ""  # where the run is at work in several lakes

    @property
    def name(self) -> str:
        """The date, and of which symbol."""
        return f"{self.symbol} {self.date}".strip()


@dataclass(frozen=True)
class Progress:
    """A run at one moment; durations are seconds, sizes bytes, and throughput is this run's alone."""

    run: Run
    done: int
    failed: int
    no_data: int
    at_work: tuple[DateProgress, ...]
    waiting: int
    expirations_done: int
    expirations_known: int
    rows: int
    bytes: int
    speed: Speed  # about the last minute
    requests: int
    requests_failed: int
    retries: int
    memory: int | None  # resident, of all the run's processes; None where that cannot be seen
    elapsed: float
    eta: float | None  # None until something is done, and while the terminal does not answer
    outage: Outage | None = None
    failures: tuple[Failure, ...] = ()
    eta_span: Interval | None = None  # the same seconds; None until the run tells how far off they are

    @property
    def planned(self) -> int:
        """The dates that the run set out to do."""
        return len(self.run.dates)

    @property
    def left(self) -> int:
        """The dates that it is not through with."""
        return len(self.at_work) + self.waiting


@dataclass(frozen=True)
class Sealed:
    """A date that the run sealed; *bytes* of Parquet."""

    date: dt.date
    rows: int
    bytes: int


@dataclass(frozen=True)
class Failure:
    """Dates that the run failed at alike, in their order: why the first of them did, and what to do."""

    dates: tuple[dt.date, ...]
    error: str
    cause: str
    cure: str


@dataclass(frozen=True)
class Summary:
    """What a run came to; *elapsed* is seconds up to its last event, *records_per_minute* what it staged."""

    sealed: tuple[Sealed, ...]
    failures: tuple[Failure, ...]
    no_data: tuple[dt.date, ...]
    left: tuple[dt.date, ...]
    elapsed: float
    records_per_minute: float

    @property
    def rows(self) -> int:
        """Sealed rows."""
        return sum(date.rows for date in self.sealed)

    @property
    def bytes(self) -> int:
        """Bytes of sealed Parquet."""
        return sum(date.bytes for date in self.sealed)


def progress(
    run: Run,
    tallies: Sequence[Tally],
    moment: dt.datetime,
    memory: int | None,
    outage: Outage | None = None,
) -> Progress:
    """The progress of *run* at *moment*; *tallies* stand in the order of its dates.

    While there is an *outage* nobody knows what time is left.
    """
    elapsed = max((moment - run.started_at).total_seconds(), 1.0)
    standings = [tally.standing for tally in tallies]
    at_work = tuple(_date(tally, moment) for tally in tallies if tally.at_work(moment))
    expirations = [found for tally in tallies if (found := tally.expirations)]
    eta = None if outage else _eta(tallies, run.started_at, moment)
    return Progress(
        run=run,
        done=standings.count(Standing.DONE),
        failed=standings.count(Standing.FAILED),
        no_data=standings.count(Standing.NO_DATA),
        at_work=at_work,
        waiting=sum(not tally.ended for tally in tallies) - len(at_work),
        expirations_done=sum(done for done, _ in expirations),
        expirations_known=sum(known for _, known in expirations),
        rows=sum(tally.rows for tally in tallies),
        bytes=sum(tally.bytes for tally in tallies),
        speed=speed([chunk for tally in tallies for chunk in tally.recent], run.started_at, moment),
        requests=sum(tally.requests for tally in tallies),
        requests_failed=sum(tally.requests_failed for tally in tallies),
        retries=sum(tally.retries for tally in tallies),
        memory=memory,
        elapsed=elapsed,
        eta=eta,
        eta_span=_span(tallies, run.started_at, eta) if eta else None,
        outage=outage,
        failures=_failures(tallies),
    )


def _date(tally: Tally, moment: dt.datetime) -> DateProgress:
    done, listed = tally.expirations or (None, None)
    return DateProgress(
        date=tally.date,
        stage=tally.stage,
        done=done,
        listed=listed,
        current=" ".join(tally.current) if tally.current else None,
        rows=sum(rows for rows, _ in tally.staging.staged.values()),
        speed=speed(tally.recent, tally.since or moment, moment) if tally.stage == "download" else Speed(),
        retries=tally.retries,
        symbol=tally.symbol,
    )


def speed(chunks: Sequence[Chunk], begun: dt.datetime, moment: dt.datetime) -> Speed:
    """What was staged a minute over the last minute, or since *begun* if that is less long ago.

    Expirations arrive whole. Where fewer than two arrived in the last minute, the window reaches back to the
    last but one: so a large one does not make the speed jump, and a stall lets it sink.
    """
    start = moment - WINDOW
    arrivals = sorted(chunk.at for chunk in chunks)
    if not arrivals:
        return Speed()
    if sum(at > start for at in arrivals) < 2:
        start = min(start, arrivals[-2] if len(arrivals) > 1 else begun)
    start = max(start, begun)
    minutes = max((moment - start).total_seconds(), 1.0) / 60
    counted = [chunk for chunk in chunks if chunk.at > start]
    return Speed(
        sum(chunk.rows for chunk in counted) / minutes, sum(chunk.bytes for chunk in counted) / minutes
    )


def _eta(tallies: Sequence[Tally], begun: dt.datetime, moment: dt.datetime) -> float | None:
    """Seconds until the last date is through, at the pace so far; None until there is one."""
    remaining = [tally for tally in tallies if not tally.ended]
    if not remaining:
        return 0.0
    sizes = [size for tally in tallies if (size := tally.size)]
    unlisted = sum(not tally.staging.listed for tally in remaining)
    work = sum(tally.waiting_contracts for tally in remaining)
    pace = _contracts_a_second(tallies, begun, moment)
    if pace and (sizes or not unlisted):
        return (work + unlisted * (fmean(sizes) if sizes else 0)) / pace
    # Where no contract had to be fetched (all was staged before), dates are what can be counted.
    ended = len(tallies) - len(remaining)
    elapsed = max((moment - begun).total_seconds(), 1.0)
    return elapsed / ended * len(remaining) if ended and not work else None


def _span(tallies: Sequence[Tally], begun: dt.datetime, eta: float) -> Interval | None:
    """How far off *eta* may be, by how far off it would have been at the dates that are done."""
    done = sorted(
        (tally.last, tally.contracts)
        for tally in tallies
        if tally.standing is Standing.DONE and tally.last and tally.contracts
    )
    moments = [begun, *(moment for moment, _ in done)]
    took = [max((b - a).total_seconds(), 0.001) for a, b in itertools.pairwise(moments)]
    contracts = [size for _, size in done]
    left, past = sum(not tally.ended for tally in tallies), len(done) - FIRST
    length = max(_TOGETHER, min(left, past // FEWEST))
    ratios = []
    for start in range(FIRST, len(done) - length + 1):
        recent = slice(max(0, start - RECENT), start)
        said = sum(took[recent]) / sum(contracts[recent]) * sum(contracts[start : start + length])
        ratios.append(sum(took[start : start + length]) / said)
    off = of_ratios(ratios, past / length, left / length, MARGIN) if ratios else None
    # The median of what it was off by is of its past: what is said now stands.
    return Interval(eta * min(off.p10, 1.0), eta, eta * max(off.p90, 1.0)) if off else None


def _contracts_a_second(tallies: Sequence[Tally], begun: dt.datetime, moment: dt.datetime) -> float:
    """The pace of the last minutes; of the whole run where nothing arrived in them."""
    start = max(begun, moment - HORIZON)
    recent = sum(chunk.contracts for tally in tallies for chunk in tally.recent if chunk.at > start)
    if recent:
        return recent / max((moment - start).total_seconds(), 1.0)
    return sum(tally.contracts for tally in tallies) / max((moment - begun).total_seconds(), 1.0)


def summary(run: Run, tallies: Sequence[Tally]) -> Summary:
    """What *run* came to; *tallies* stand in the order of its dates."""
    last = max((tally.last for tally in tallies if tally.last), default=run.started_at)
    elapsed = max((last - run.started_at).total_seconds(), 0.0)
    return Summary(
        sealed=tuple(
            Sealed(tally.date, tally.sealed_rows, tally.sealed_bytes)
            for tally in tallies
            if tally.standing is Standing.DONE
        ),
        failures=_failures(tallies),
        no_data=tuple(tally.date for tally in tallies if tally.standing is Standing.NO_DATA),
        left=tuple(tally.date for tally in tallies if not tally.ended),
        elapsed=elapsed,
        records_per_minute=sum(tally.rows for tally in tallies) * 60 / max(elapsed, 1.0),
    )


def _failures(tallies: Sequence[Tally]) -> tuple[Failure, ...]:
    """The failures of *tallies*, those that are alike as one, the largest first."""
    failed = [
        (tally.date, tally.error) for tally in tallies if tally.standing is Standing.FAILED and tally.error
    ]
    found: dict[tuple[str, str], list[tuple[dt.date, Event]]] = {}
    for date, event in sorted(failed, key=lambda each: each[1]["at"]):
        found.setdefault(alike(event["error"], event["cause"]), []).append((date, event))
    grouped = sorted(found.values(), key=len, reverse=True)
    return tuple(_failure([date for date, _ in each], each[0][1]) for each in grouped)


def _failure(dates: Sequence[dt.date], first: Event) -> Failure:
    return Failure(tuple(sorted(dates)), first["error"], first["cause"], str(first.get("cure") or ""))
