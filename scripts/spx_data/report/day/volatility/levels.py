"""The chains' volatilities at the money, by days to expiration and through the day."""

from __future__ import annotations

import json
import math

import altair as alt
import numpy as np

from spx_data.report.day.drawing import colours_of_roots
from spx_data.report.day.maps import WHICH, by_clock, share
from spx_data.report.day.market import VOLATILITY, Market
from spx_data.report.day.volatility.parts import PERCENT, by_maturity, finite, minute, names_of_maturities
from spx_data.report.drawing import CANVAS
from spx_data.report.page import Figure

# Since midnight. To the vendor what expires has an hour left until the end: its volatility runs to nothing.
_LAST_HOUR_MS = 15 * 3_600_000


def terms(market: Market) -> Figure:
    """The volatility at the money by days to expiration."""
    at = f"datum.iv[{json.dumps(market.grid.moments, separators=(',', ':'))}[minute]]"
    days = [chain.days for chain in market.chains]
    low, high = _levels(market)
    roots = colours_of_roots(chain.root for chain in market.chains)
    scale = alt.Scale(domain=list(roots), range=list(roots.values()))
    ticks = [0, 1, 7, 30, 91, 182, 365, 730, 1826]
    axis = alt.Axis(values=[tick for tick in ticks if tick <= max(days)], grid=True, format="d")
    base = (
        alt.Chart(alt.NamedData("minutes"))
        # In the units that the page holds: there the highest one is not beyond the scale by a rounding.
        .transform_filter(
            f"isValid({at}) && {at} >= {round(low / VOLATILITY)} && {at} <= {round(high / VOLATILITY)}"
        )
        .transform_calculate(volatility=f"{VOLATILITY} * {at}")
        .encode(
            x=alt.X(
                "days:Q",
                title="days to expiration",
                scale=alt.Scale(type="symlog", domain=[min(days), max(days)], nice=False),
                axis=axis,
            ),
            y=alt.Y("volatility:Q", title=None, scale=alt.Scale(domain=[low, high], nice=True), axis=PERCENT),
            color=alt.Color("root:N", scale=scale, legend=None),
        )
    )
    line = base.mark_line(strokeWidth=1.2, opacity=0.5)
    points = base.mark_circle(size=34, opacity=1).encode(
        tooltip=[*WHICH, share("volatility", "iv at the money", 2)]
    )
    chart = alt.layer(line, points).add_params(minute(market)).properties(width="container", height=230)
    return Figure(
        "terms",
        "Term structure",
        chart,
        "Implied volatility at the money, at the strike next to the forward.",
        legend=roots,
    )


def _levels(market: Market) -> list[float]:
    """Between which volatilities the day's term structures lie, but for the last hour of what expires."""
    moments = np.array(market.grid.moments)
    early = moments[[market.grid.begins_ms(moment) <= _LAST_HOUR_MS for moment in moments]]
    known = finite([chain.iv[moments if chain.days else early] for chain in market.chains])
    if not len(known):
        known = finite([chain.iv for chain in market.chains])
    return [math.floor(1000 * known.min()) / 1000, math.ceil(1000 * known.max()) / 1000]


def through_the_day(market: Market) -> Figure:
    """The volatility at the money of a few chains, minute by minute."""
    grid, names = market.grid, [chain.name for chain in market.with_smiles]
    base = (
        alt.Chart(alt.NamedData("minutes"))
        .transform_filter(alt.FieldOneOfPredicate(field="chain", oneOf=names))
        .transform_calculate(column=f"sequence({grid.columns})")
        .transform_flatten(["iv", "column"])
        .transform_calculate(
            begin=f"{grid.begins_ms(0)} + {grid.step_ms} * datum.column",
            volatility=f"isValid(datum.iv) ? {VOLATILITY} * datum.iv : null",
        )
    )
    # A volatility between two minutes without one is no line: it is seen as a point.
    line = base.mark_line(strokeWidth=1.3, point=alt.OverlayMarkDef(size=2, filled=True)).encode(
        x=by_clock(market),
        y=alt.Y("volatility:Q", title=None, axis=PERCENT, scale=alt.Scale(zero=False)),
        color=by_maturity(market),
    )
    moments = json.dumps([grid.begins_ms(moment) for moment in grid.moments], separators=(",", ":"))
    now = (
        alt.Chart(alt.InlineData(values=[{}]))
        .transform_calculate(begin=f"{moments}[minute]")
        .mark_rule(strokeDash=[3, 3], color="@grey")
        .encode(x="begin:Q")
    )
    chart = (
        alt.layer(now, line, usermeta=CANVAS)
        .add_params(minute(market))
        .properties(width="container", height=230)
    )
    return Figure(
        "through-the-day",
        "Through the day",
        chart,
        "Implied volatility at the money, minute by minute. For what expires on the day, the vendor's "
        "clock stops before the end.",
        legend=names_of_maturities(market),
    )
