"""Figures that describe a chain and a day, so that days can be compared: spreads and volatility levels."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from spx_data.quality.checks import Floats
from spx_data.quality.panel import CALL, FAILED, PUT, Panel
from spx_data.quality.parity import Fit
from spx_data.quality.smile import centre_of, out_of_the_money

TENOR = 30  # days: of the volatility level
_SPREADS_OF = (7, 60)  # days to expiration of the chains whose spreads make the day's
_NEAR = 0.025  # of the forward: what is near the money
_DIGITS = 6


def of_chain(panel: Panel, fit: Fit) -> dict[str, float | None]:
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
        "iv_atm": _median(volatility_at_the_money(panel, fit)),
        "spread_median": _median(relative_spreads(panel, fit)),
        "spread_atm_dollars": _median(
            _at_the_money(panel, fit, np.where(panel.two_sided, panel.spread, np.nan))
        ),
    }


def of_day(
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
        "rows": _sum(figures.get("records") for _, figures in chains),
        "contracts": _sum(figures.get("contracts") for _, figures in chains),
        "iv_level": _level(levels),
        "spread_median": _median(np.array(spreads)),
    }


def relative_spreads(panel: Panel, fit: Fit) -> Floats:
    """Spreads as shares of the midpoint, out of the money and near it; NaN everywhere else."""
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.abs(panel.strikes[:, np.newaxis] / centre_of(panel, fit) - 1.0) <= _NEAR
        relative = panel.spread / panel.mid
    return np.where(panel.two_sided & out_of_the_money(panel, fit) & near, relative, np.nan)


def volatility_at_the_money(panel: Panel, fit: Fit) -> Floats:
    """The mean volatility of call and put at the strike nearest to the forward, at each stamp."""
    iv = panel.grid("implied_vol")
    solved = panel.two_sided & (panel.grid("iv_error") < FAILED) & (iv > 0.0)
    return _at_the_money(panel, fit, np.where(solved, iv, np.nan))


def _at_the_money(panel: Panel, fit: Fit, values: Floats) -> Floats:
    """The mean of call's and put's *values* at the strike nearest to the forward; NaN where one lacks."""
    centre, line = centre_of(panel, fit), np.full(len(panel.stamps), np.nan)
    stamps = np.flatnonzero(np.isfinite(centre))
    if not len(stamps) or not len(panel.strikes):
        return line
    after = np.clip(np.searchsorted(panel.strikes, centre[stamps]), 1, max(1, len(panel.strikes) - 1))
    below, above = panel.strikes[after - 1], panel.strikes[np.minimum(after, len(panel.strikes) - 1)]
    nearest = np.where(centre[stamps] - below <= above - centre[stamps], after - 1, after)
    nearest = np.minimum(nearest, len(panel.strikes) - 1)
    line[stamps] = 0.5 * (values[CALL, nearest, stamps] + values[PUT, nearest, stamps])
    return line


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


def _sum(values: Iterable[float | None]) -> int:
    return int(sum(value for value in values if value is not None))


def _median(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return _rounded(float(np.median(known))) if known.size else None


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
