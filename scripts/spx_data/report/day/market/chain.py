"""One chain through the day: which of its contracts are there, how they are quoted, their volatilities."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from spx_data.market.chains import Chain, ListedChain
from spx_data.market.second_opinion import SecondOpinion, opinions_of
from spx_data.quality import completeness, figures, parity, quotes
from spx_data.quality.checks import Floats, Mask
from spx_data.quality.panel import Panel, judged
from spx_data.quality.presence import Presence
from spx_data.report.day.market.grid import Grid
from spx_data.report.day.market.smile import Smile, at_moments


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
    panel = Panel(root, expiration, grid.date, pl.concat(kept), grid.step_ms)
    fit = parity.fit(panel)
    contracts, present, missing = _presence(root, expiration, census, proof, grid)
    iv = figures.volatility_at_the_money(panel, fit)
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
        spread=grid.line(at, _medians(figures.relative_spreads(panel, fit))),
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
