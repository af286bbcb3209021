"""The chains' volatilities at a moment, by strike and by delta."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import altair as alt
import numpy as np

from spx_data.quality.checks import Floats
from spx_data.report.day.maps import WHICH, by_expiration, has_room, legend, rows, share
from spx_data.report.day.market import VOLATILITY, Market
from spx_data.report.day.market.smile import DELTAS
from spx_data.report.day.volatility.parts import PERCENT, by_maturity, finite, minute, names_of_maturities
from spx_data.report.drawing import CANVAS
from spx_data.report.page import Figure


def smiles(market: Market) -> Figure:
    """A few chains by strike."""
    reach, ends = _ends(market)
    base = (
        alt.Chart(alt.NamedData("smiles"))
        .transform_filter("datum.moment === minute")
        .transform_flatten(["strike", "iv"])
        .transform_calculate(
            away="log(datum.strike / datum.forward) / datum.deviation",
            call="datum.strike >= datum.forward",
            volatility=f"{VOLATILITY} * datum.iv",
        )
        .encode(
            x=alt.X(
                "away:Q",
                title="ln(strike / forward) / (iv at the money · √T)",
                scale=alt.Scale(domain=reach),
                axis=alt.Axis(tickCount=10),
            ),
            y=alt.Y("volatility:Q", title=None, axis=PERCENT, scale=alt.Scale(domain=ends, nice=True)),
            color=by_maturity(market),
            detail="call:N",
        )
    )
    tooltip = [
        *WHICH,
        alt.Tooltip("strike:Q", format=",.10~r"),
        alt.Tooltip("forward:Q", format=",.2f"),
        share("volatility", "implied volatility", 2),
    ]
    line = base.mark_line(strokeWidth=1.4, strokeJoin="round", opacity=0.75, clip=True)
    points = base.mark_circle(size=14, opacity=1, clip=True).encode(tooltip=tooltip)
    at = (
        alt.Chart(alt.InlineData(values=[{}]))
        .mark_rule(strokeDash=[3, 3], color="@grey")
        .encode(x=alt.datum(0))
    )
    chart = alt.layer(at, line, points).add_params(minute(market)).properties(width="container", height=340)
    return Figure(
        "smiles",
        "Smiles",
        chart,
        "Out of the money: puts left of the forward, calls right of it. Strikes are told in standard "
        "deviations until the expiration, so that maturities can be compared. The step at 0 is the "
        "vendor's model, which knows no dividends.",
        wide=True,
        legend=names_of_maturities(market),
    )


def _ends(market: Market) -> tuple[list[float], list[float]]:
    """Between which standard deviations and which volatilities the day's smiles lie.

    The same at every moment, and without the few points that would make the others small.
    """
    found = [smile for chain in market.with_smiles for smile in chain.smiles if smile]
    away = np.concatenate([np.log(smile.strikes / smile.forward) / smile.deviation for smile in found])
    low, high = np.quantile(np.concatenate([smile.iv for smile in found]), [0.002, 0.998]).tolist()
    reach = [math.floor(away.min(initial=-1.0)), math.ceil(away.max(initial=1.0))]
    return reach, [math.floor(100 * low) / 100, math.ceil(100 * high) / 100]


def surface(market: Market) -> Iterator[Figure]:
    """All chains by delta, where there is any."""
    each, known = len(DELTAS), _volatilities(market)
    if not len(known):
        return
    low, high = np.quantile(known, [0.01, 0.99]).tolist()
    scale = alt.Scale(scheme="viridis", domain=[round(low, 3), round(high, 3)], clamp=True)
    names = [_delta_name(delta) for delta in DELTAS]
    chart = (
        alt.Chart(alt.NamedData("deltas"), usermeta=CANVAS)
        .add_params(minute(market))
        .transform_calculate(
            # By another name: Vega would take the next moment's out of this one's.
            shown=f"slice(datum.iv, {each} * minute, {each} * (minute + 1))",
            delta=json.dumps(names),
        )
        .transform_flatten(["shown", "delta"])
        .transform_filter("isValid(datum.shown)")
        .transform_calculate(volatility=f"{VOLATILITY} * datum.shown")
        .mark_rect()
        .encode(
            x=alt.X(
                "delta:O",
                title=None,
                scale=alt.Scale(domain=names, padding=0, round=True),
                axis=_delta_axis(),
            ),
            y=by_expiration(market),
            color=alt.Color("volatility:Q", scale=scale, legend=legend(format=".0%")),
            tooltip=[
                *WHICH,
                alt.Tooltip("delta:N"),
                share("volatility", "implied volatility", 2),
            ],
        )
        .properties(width="container", **rows(market))
    )
    yield Figure(
        "surface",
        "Surface",
        chart,
        "Implied volatility by expiration and delta, on straight lines between strikes. "
        "The colours mean the same at every minute of the day.",
        wide=has_room(market),
    )


def _delta_name(delta: float) -> str:
    if delta == 0.5:
        return "50Δ"
    return f"{round(100 * min(delta, 1 - delta))}Δ {'put' if delta > 0.5 else 'call'}"


def _delta_axis() -> alt.Axis:
    shown = [_delta_name(delta) for delta in (0.9, 0.75, 0.5, 0.25, 0.1)]
    return alt.Axis(values=shown, labelAngle=0, ticks=True)


def _volatilities(market: Market) -> Floats:
    """All that the surface can show."""
    lines = [smile.by_delta for chain in market.chains for smile in chain.smiles if smile]
    return finite(lines)
