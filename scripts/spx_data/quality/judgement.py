"""A trading date, judged chain by chain in sealed order, in memory bounded by the minutes of one chain.

Two chains are held at a time, the one at hand and the one before it (calendar arbitrage compares them). What
only the whole day can tell is asked at its end, of what each chain leaves behind: its underlying, stamp by
stamp, a sample of its greeks, whose rate is the day's and not a chain's, and whether its market was alive.
Beside what is found stand figures that describe a chain and a day, so that days can be compared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spx_data.market.columns import COLUMNS
from spx_data.market.products import Product
from spx_data.quality import (
    DIGITS,
    arbitrage,
    early_exercise,
    greeks,
    parity,
    quotes,
    smile,
    underlying,
    weighted,
)
from spx_data.quality.catalogue import CHECKS
from spx_data.quality.checks import Check, Count, Floats, Ints, parts
from spx_data.quality.panel import MINUTE_MS, Panel, clock
from spx_data.quality.parity import Fit
from spx_data.quality.quotes import Activity
from spx_data.quality.underlying import Line

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
TENOR = 30  # days: of the volatility level

_SPREADS_OF = (7, 60)  # days to expiration of the chains whose spreads make the day's
_DIGITS = 6  # of a figure


@dataclass(frozen=True)
class Rules:
    """What a date is judged by."""

    product: Product
    greeks_version: str  # the vendor's model: latest or 1
    step_ms: int  # of the stamps
    closes_ms: int | None  # when the stock market closed, ms since the epoch; None where no calendar says
    weights: Mapping[str, float]  # of the parts of a score
    clocks: Mapping[greeks.Kind, str] = field(default_factory=dict)  # how a probe saw greeks count time
    columns: Container[str] = tuple(COLUMNS)  # that records have

    def apply(self, check: Check) -> bool:
        """Whether *check* applies to such records of such options."""
        return check.unmet(self.product, self.columns) is None


@dataclass
class _Chain:
    root: str
    expiration: dt.date
    counts: list[Count]
    figures: dict[str, float | None]
    underlying: Line
    sample: greeks.Sample
    activity: Activity

    def __str__(self) -> str:
        return f"{self.root} {self.expiration}"


@dataclass(frozen=True)
class Judgement:
    """What a date's checks found: for the day, at each stamp, and for each chain by (root, expiration)."""

    day: dict[str, Any]
    minutes: dict[str, Any] | None = None
    chains: Mapping[tuple[str, dt.date], dict[str, Any]] = field(default_factory=dict)
    differs: tuple[str, ...] = ()  # from what a probe saw, in words

    def of(self, chain: tuple[str, dt.date]) -> dict[str, Any] | None:
        """What was found in one chain; None where there was nothing to judge."""
        return self.chains.get(chain)


class Judge:
    """Takes a date's chains in sealed order; `finish` says what they are worth."""

    def __init__(self, date: dt.date, rules: Rules) -> None:
        self._date, self._rules = date, rules
        self._chains: list[_Chain] = []
        self._before: tuple[Panel, Fit] | None = None

    def add(self, root: str, expiration: dt.date, records: pl.DataFrame) -> None:
        """Judge one chain by its *records* (sorted, each contract once at a stamp)."""
        panel = Panel(self._rules.product, root, expiration, self._date, records, self._rules.step_ms)
        fit = parity.fit(panel)
        before = self._before if self._before and self._before[0].root == root else None
        counts = [
            *quotes.judge(panel),
            *underlying.judge(panel, self._rules.closes_ms),
            *arbitrage.judge(panel, fit, before),
            *parity.judge(panel, fit),
            *early_exercise.judge(panel, before[0] if before else None),
            *smile.judge(panel, fit),
        ]
        figured = chain_figures(panel, fit)
        alive = Activity.of(panel, self._rules.closes_ms)
        self._chains.append(
            _Chain(root, expiration, counts, figured, Line.of(panel), greeks.sample(panel), alive)
        )
        self._before = panel, fit

    def finish(self, more: Mapping[tuple[str, dt.date], Iterable[Count]]) -> Judgement:
        """The judgement on the date; *more* are counts from elsewhere, by (root, expiration)."""
        rules = self._rules
        examined = greeks.examine([one.sample for one in self._chains], rules.greeks_version, rules.clocks)
        compared = underlying.across([chain.underlying for chain in self._chains])
        for chain, differing, counts in zip(self._chains, compared, examined.counts, strict=True):
            chain.counts.extend((differing, *counts))
        known = {(chain.root, chain.expiration): chain for chain in self._chains}
        every = {
            key: [
                *(count for count in (known[key].counts if key in known else ()) if rules.apply(count.check)),
                *more.get(key, ()),
            ]
            for key in [*known, *(key for key in more if key not in known)]
        }
        chains = {
            key: self._of_chain(counts, known[key].figures if key in known else {})
            for key, counts in every.items()
        }
        figured = day_figures([(chain.expiration, chain.figures) for chain in self._chains], self._date)
        across = quotes.across([chain.activity for chain in self._chains])
        sums = [*_sums(every), *(count for count in across if rules.apply(count.check))]
        day = self._of_day(sums, figured | examined.figures)
        differs = tuple(greeks.differences(examined, rules.clocks))
        return Judgement(day, _minutes(sums, max(rules.step_ms, MINUTE_MS)), chains, differs)

    def _of_chain(self, counts: list[Count], figured: Mapping[str, float | None]) -> dict[str, Any]:
        points = parts(counts)
        return {
            "score": weighted(points, self._rules.weights),
            "parts": points,
            "hits": {count.check.code: count.hits for count in counts if count.hits},
            "figures": figured,
        }

    def _of_day(self, sums: list[Count], figured: Mapping[str, Any]) -> dict[str, Any]:
        points = parts(sums)
        weights = self._rules.weights
        return {
            "format": FORMAT,
            "score": weighted(points, weights),
            "parts": {part: {"score": value, "weight": weights.get(part)} for part, value in points.items()},
            "checks": [*map(_as_json, sums), *_not_applying(self._rules)],
            "figures": figured,
        }


def _sums(every: Mapping[tuple[str, dt.date], list[Count]]) -> list[Count]:
    """Each check's counts over all chains, in the order in which the checks first appear."""
    by_check: dict[Check, list[tuple[str, Count]]] = {}
    for (root, expiration), counts in every.items():
        for count in counts:
            by_check.setdefault(count.check, []).append((f"{root} {expiration}", count))
    return [_sum(check, counts) for check, counts in by_check.items()]


def _sum(check: Check, counts: list[tuple[str, Count]]) -> Count:
    named = next((f"{chain} {count.first}" for chain, count in counts if count.first), None)
    timed = [
        (count.stamps, count.by_stamp)
        for _, count in counts
        if count.stamps is not None and count.by_stamp is not None and count.hits
    ]
    stamps, by_stamp = _joined(timed)
    return Count(
        check,
        sum(count.hits for _, count in counts),
        sum(count.of for _, count in counts),
        named,
        stamps,
        by_stamp,
        sum(count.hits > 0 for _, count in counts),
        sum(count.of > 0 for _, count in counts),
    )


def _joined(timed: list[tuple[Ints, Ints]]) -> tuple[Ints | None, Ints | None]:
    if not timed:
        return None, None
    every = np.concatenate([stamps for stamps, _ in timed])
    stamps, place = np.unique(every, return_inverse=True)
    by_stamp = np.zeros(len(stamps), dtype=np.int64)
    np.add.at(by_stamp, place, np.concatenate([hits for _, hits in timed]))
    return stamps, by_stamp


def _as_json(count: Count) -> dict[str, Any]:
    share = count.hits / count.of if count.of else None
    points = count.check.score(share) if share is not None else None
    return {
        "check": count.check.code,
        "part": count.check.part.value,
        "unit": count.check.unit,
        "hits": count.hits,
        "of": count.of,
        "share": share and float(f"{share:.6g}"),
        "score": points if points is None else round(points, DIGITS),
        "first": count.first,
        "chains": count.chains,
        "chains_of": count.chains_of,
        "does_not_apply": None,
    }


def _not_applying(rules: Rules) -> Iterator[dict[str, Any]]:
    """The checks that do not apply by *rules*, with the reason."""
    for check in CHECKS:
        if need := check.unmet(rules.product, rules.columns):
            reason = f"it holds for {need} alone"
            yield _as_json(Count(check, 0, 0, chains=0, chains_of=0)) | {"does_not_apply": reason}


def _minutes(sums: list[Count], step_ms: int) -> dict[str, Any] | None:
    """The hits of every check at each stamp of the day, from the first to the last stamp that any knows."""
    timed = [
        (count.check.code, count.stamps, count.by_stamp)
        for count in sums
        if count.stamps is not None and count.by_stamp is not None
    ]
    if not timed:
        return None
    first = min(int(stamps[0]) for _, stamps, _ in timed)
    last = max(int(stamps[-1]) for _, stamps, _ in timed)
    places = (last - first) // step_ms + 1
    lines = {}
    for code, stamps, hits in timed:
        line = np.zeros(places, dtype=np.int64)
        line[(stamps - first) // step_ms] = hits
        lines[code] = line.tolist()
    return {"first": clock(first), "step_seconds": step_ms // 1000, "hits": lines}


# Figures ----------------------------------------------------------------------------------------------


def chain_figures(panel: Panel, fit: Fit) -> dict[str, float | None]:
    """The figures of one chain, each a median over stamps or quotes; None where there is nothing to tell.

    `forward` (dollars), `discount`, `parity_r_squared` and `parity_residual` (of half of both spreads) are
    those of the parity line; `iv_atm` is the mean volatility of call and put at the strike nearest to the
    forward, `spread_atm_dollars` the mean of their spreads; `spread_median` is that of the spreads, as a
    share of the midpoint, of options out of the money within 2.5 % of the forward.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(fit.residual) / fit.half
    return {
        "contracts": int(np.count_nonzero(panel.there.any(axis=2))),
        "records": int(np.count_nonzero(panel.there)),
        "forward": _median(fit.forward),
        "discount": _median(fit.discount),
        "parity_r_squared": _median(fit.r_squared),
        "parity_residual": _median(off),
        "iv_atm": _median(smile.volatility_at_the_money(panel, fit)),
        "spread_median": _median(smile.relative_spreads(panel, fit)),
        "spread_atm_dollars": _median(
            smile.at_the_money(panel, fit, np.where(panel.two_sided, panel.spread, np.nan))
        ),
    }


def day_figures(
    chains: Sequence[tuple[dt.date, Mapping[str, float | None]]], date: dt.date
) -> dict[str, float | None]:
    """The figures of a date from those of its chains, each with its expiration.

    `iv_level` is the volatility at the money at 30 days; `spread_median` the median of the chains' with 7 to
    60 days to expiration; `contracts` and `rows` are sums.
    """
    spreads = [
        spread
        for expiration, figures in chains
        if _SPREADS_OF[0] <= (expiration - date).days <= _SPREADS_OF[1]
        and (spread := figures.get("spread_median")) is not None
    ]
    levels = [
        ((expiration - date).days, iv)
        for expiration, figures in chains
        if expiration > date and (iv := figures.get("iv_atm")) is not None
    ]
    return {
        "rows": _total(figures.get("records") for _, figures in chains),
        "contracts": _total(figures.get("contracts") for _, figures in chains),
        "iv_level": _level(levels),
        "spread_median": _median(np.array(spreads)),
    }


def _level(levels: Sequence[tuple[int, float]]) -> float | None:
    """The volatility at `TENOR`, from (days, volatility): linear in total variance, else the nearest."""
    by_days: dict[int, list[float]] = {}
    for days, iv in levels:
        by_days.setdefault(days, []).append(iv)
    if not by_days:
        return None
    listed = sorted(by_days)
    mean = np.array([np.mean(by_days[days]) for days in listed])
    if not listed[0] <= TENOR <= listed[-1]:
        return _rounded(float(mean[0] if listed[0] > TENOR else mean[-1]))
    variance = np.interp(TENOR, listed, mean * mean * listed)
    return _rounded(float(np.sqrt(variance / TENOR)))


def _total(values: Iterable[float | None]) -> int:
    return int(sum(value for value in values if value is not None))


def _median(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return _rounded(float(np.median(known))) if known.size else None


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
