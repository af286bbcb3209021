"""One chain through the day, in columns: what is there, how it is quoted, its volatilities and its smiles."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from spx_data.market.chains import Chain, ListedChain, midnight_ms
from spx_data.market.products import Product
from spx_data.market.second_opinion import SecondOpinion, opinions_of
from spx_data.market.sessions import Window
from spx_data.quality import completeness, parity, quotes, smile
from spx_data.quality.checks import Floats, Ints, Mask
from spx_data.quality.panel import CALL, MINUTE_MS, PUT, Panel, Presence, judged
from spx_data.quality.parity import Fit

_MOMENTS_APART_MS = 15 * MINUTE_MS  # of those at which volatilities are drawn
_FEW = 30  # columns that are all moments

# Of calls; those above a half are puts of one less: 0.95 is a put of -0.05.
DELTAS = tuple(round(0.95 - 0.05 * step, 2) for step in range(19))

# Standard deviations from the forward: where there are quotes that say something, and how far apart points
# can be told apart.
FURTHEST = (-6.0, 4.0)
_APART = 0.1


@dataclass(frozen=True)
class Grid:
    """The session of one date: so many *columns* from the start of its *window* on, *step_ms* apart."""

    product: Product
    date: dt.date
    window: Window
    first_stamp: int  # of those of the window, the first at which records are expected
    columns: int

    @classmethod
    def of(cls, product: Product, passport: Mapping[str, Any]) -> Grid:
        """The grid of a date, to the last stamp that was expected or received."""
        dataset, session = passport["dataset"], passport["session"]
        start, end = (dt.time.fromisoformat(dataset[name]) for name in ("start_time", "end_time"))
        date = dt.date.fromisoformat(passport["date"])
        window = Window(start, end, dataset["interval"])
        step_ms = max(window.step_ms, MINUTE_MS)
        if session is None:  # no calendar has the date
            return cls(product, date, window, 0, (window.end_ms - window.start_ms) // step_ms + 1)

        def later(name: str) -> int:
            return _ms(session[name]) - midnight_ms(date) - window.start_ms

        first = later("first_stamp_expected") // window.step_ms
        ends = ("last_stamp_expected", "last_stamp_received")
        last = max(later(name) // step_ms for name in ends if session[name])
        return cls(product, date, window, first, last + 1)

    @property
    def step_ms(self) -> int:
        """Milliseconds between two columns."""
        return max(self.window.step_ms, MINUTE_MS)

    @property
    def midnight_ms(self) -> int:
        """Midnight in New York, ms since the epoch."""
        return midnight_ms(self.date)

    def places(self, stamps: Ints) -> Ints:
        """The column of each stamp (ms since the epoch)."""
        later = stamps - self.midnight_ms - self.window.start_ms
        return np.asarray(np.clip(later // self.step_ms, 0, self.columns - 1))

    def line(self, stamps: Ints, values: Floats) -> Floats:
        """*values* at their stamps as a line over all columns; NaN where there is none."""
        line = np.full(self.columns, np.nan)
        line[self.places(stamps)] = values
        return line

    def begins_ms(self, column: int) -> int:
        """When a column begins, in ms since midnight."""
        return self.window.start_ms + column * self.step_ms

    @property
    def moments(self) -> list[int]:
        """A few columns over the session: near its open, at its quarter hours, at its end."""
        first = self.first_stamp * self.window.step_ms // self.step_ms
        every = range(first, self.columns)
        if len(every) <= _FEW:
            return list(every)
        # One column after the open, where the underlying has no price yet.
        quarters = {column for column in every if self.begins_ms(column) % _MOMENTS_APART_MS == 0}
        return sorted({first + 1, *quarters, self.columns - 1} - {first})


def _ms(moment: str) -> int:
    return int(dt.datetime.fromisoformat(moment).timestamp()) * 1000


@dataclass(frozen=True)
class Smile:
    """A chain at one moment, out of the money: puts below the forward, calls above it."""

    forward: float  # dollars
    deviation: float  # of ln(strike / forward) until the expiration: iv at the money times the root of T
    strikes: Floats  # dollars; none where the deviation is not known
    iv: Floats
    by_delta: Floats  # iv at `DELTAS`; NaN beyond the strikes that there are


@dataclass(frozen=True)
class Lines:
    """A chain in figures, each a line over the columns of the day's grid; NaN where there is nothing."""

    root: str
    expiration: dt.date
    days: int
    contracts: int  # that can be there: those that the source says it has no data for are not among them
    present: Floats  # contracts with a record
    missing: Floats  # contracts without one, though they should have it
    two_sided: Floats  # of the records, the share with a bid and an ask that is not below it
    spread: Floats  # median share of the midpoint, out of the money and near it
    stale: Floats  # of the quotes that the underlying's moves concern, the share that stood still
    iv: Floats  # at the money
    smiles: Sequence[Smile | None]  # at the grid's moments

    @property
    def name(self) -> str:
        """What charts call the chain."""
        return f"{self.expiration} {self.root}"


def read(
    root: str, expiration: dt.date, records: Iterable[pl.DataFrame], proof: Mapping[str, Any], grid: Grid
) -> Lines:
    """The lines of a chain from its *records*, in any number of frames, and its *proof* in the passport."""
    census, kept = Presence(grid.window, grid.midnight_ms, ()), []
    for frame in records:
        census.add_records(frame)
        kept.append(judged(frame, grid.window.step_ms))
    panel = Panel(grid.product, root, expiration, grid.date, pl.concat(kept), grid.step_ms)
    fit = parity.fit(panel)
    contracts, present, missing = _presence(root, expiration, census, proof, grid)
    iv = smile.volatility_at_the_money(panel, fit)
    at = panel.stamps
    still, moving = quotes.stale(panel)
    return Lines(
        root=root,
        expiration=expiration,
        days=panel.days,
        contracts=contracts,
        present=present,
        missing=missing,
        two_sided=grid.line(at, _share(panel.two_sided, panel.there)),
        spread=grid.line(at, _medians(smile.relative_spreads(panel, fit))),
        stale=grid.line(at, _share(still, moving)),
        iv=grid.line(at, iv),
        smiles=at_moments(panel, fit, iv, grid),
    )


def _presence(
    root: str, expiration: dt.date, census: Presence, proof: Mapping[str, Any], grid: Grid
) -> tuple[int, Floats, Floats]:
    """How many contracts can be there, and by columns how many are, and how many should be and are not."""
    span = range(grid.first_stamp, grid.first_stamp + proof["grid"])
    entry = ListedChain(Chain(root, expiration, grid.date, expiration), (), ())
    evidence = SecondOpinion(opinions=opinions_of(proof["second_opinion"]["opinions"]))
    found = completeness.of_chain(entry, census, span, evidence)
    lost = len(proof["contracts_missing"]) + proof["more"].get("contracts_missing", 0)

    stamps = census.first_ms + np.arange(census.stamps, dtype=np.int64) * census.step_ms
    there = census.there.sum(axis=(0, 1))
    expected = np.zeros(census.stamps, dtype=np.bool_)
    expected[span.start : span.stop] = True
    # A column of several stamps has the mean of those at which there is something, or should be.
    counted = expected | (there > 0)
    places = grid.places(stamps[counted])
    of = np.bincount(places, minlength=grid.columns)
    present = np.bincount(places, weights=there[counted], minlength=grid.columns)
    missing = lost * np.bincount(grid.places(stamps[expected]), minlength=grid.columns)
    minutes, hits = found.missing_at
    missing = missing + np.bincount(grid.places(minutes), weights=hits, minlength=grid.columns)
    with np.errstate(invalid="ignore"):
        return int(census.received.sum()) + lost, present / of, missing / of


def _share(found: Mask, looked_at: Mask) -> Floats:
    """At each stamp the share of what was looked at that was found; NaN where there was nothing."""
    with np.errstate(invalid="ignore"):
        return np.asarray(found.sum(axis=(0, 1)) / looked_at.sum(axis=(0, 1)))


def _medians(values: Floats) -> Floats:
    """The median at each stamp of what is not NaN."""
    known = values[np.isfinite(values).any(axis=2)]
    if not len(known):
        return np.full(values.shape[2], np.nan)
    ordered = np.sort(known, axis=0)  # NaN last
    count = np.count_nonzero(np.isfinite(known), axis=0)
    middle = np.stack([np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(known) - 1)])
    return np.asarray(np.take_along_axis(ordered, middle, axis=0).mean(axis=0))


# Smiles -------------------------------------------------------------------------------------------------


def at_moments(panel: Panel, fit: Fit, iv: Floats, grid: Grid) -> list[Smile | None]:
    """The smile at each of the grid's moments, with *iv* at the money; None where the chain has no stamp.

    At a moment without *iv* the yardstick of strikes is that of the stamps around it.
    """
    there = np.flatnonzero(np.isfinite(iv))
    if len(there):
        iv = np.interp(np.arange(len(iv)), there, iv[there])
    places = {int(place): stamp for stamp, place in enumerate(grid.places(panel.stamps))}
    stamps = [places.get(moment) for moment in grid.moments]
    known = [stamp for stamp in stamps if stamp is not None]
    found = dict(zip(known, _smiles(panel, fit, iv, np.array(known, dtype=np.int64)), strict=True))
    return [None if stamp is None else found.get(stamp) for stamp in stamps]


def _smiles(panel: Panel, fit: Fit, iv: Floats, stamps: Ints) -> list[Smile]:
    outside = smile.out_of_the_money(panel, fit)[:, :, stamps]
    good = outside & smile.in_range(panel)[:, :, stamps]
    volatility, delta = panel.grid("implied_vol")[:, :, stamps], panel.grid("delta")[:, :, stamps]
    forward = smile.centre_of(panel, fit)[stamps]
    deviation = iv[stamps] * np.sqrt(smile.years(panel)[stamps])
    # Each strike is out of the money on one side alone.
    right = np.where(outside[CALL], CALL, PUT)[np.newaxis]
    there, line, deltas = (
        np.take_along_axis(grid, right, axis=0)[0] for grid in (good, volatility, delta + (delta < 0.0))
    )
    return [
        _smile(panel.strikes[there[:, at]], line[there[:, at], at], deltas[there[:, at], at], *around)
        for at, around in enumerate(zip(forward.tolist(), deviation.tolist(), strict=True))
    ]


def _smile(strikes: Floats, iv: Floats, delta: Floats, forward: float, deviation: float) -> Smile:
    with np.errstate(invalid="ignore", divide="ignore"):
        away = np.log(strikes / forward) / deviation
    shown = np.flatnonzero((away >= FURTHEST[0]) & (away <= FURTHEST[1]))
    _, first = np.unique(np.floor(away[shown] / _APART), return_index=True)
    shown = shown[first]
    return Smile(forward, deviation, strikes[shown], iv[shown], _by_delta(delta, iv))


def _by_delta(delta: Floats, iv: Floats) -> Floats:
    """The volatility at each of `DELTAS`, on straight lines between the strikes' own."""
    known = np.flatnonzero((delta > 0.0) & (delta < 1.0))  # the vendor writes 0 where it knows none
    order = known[np.argsort(delta[known], kind="stable")]
    if not len(order):
        return np.full(len(DELTAS), np.nan)
    return np.interp(DELTAS, delta[order], iv[order], left=np.nan, right=np.nan)
