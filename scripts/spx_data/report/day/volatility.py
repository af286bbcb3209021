"""Smiles, term structure and surface at any minute of a few, and the day's volatilities minute by minute."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence

import altair as alt
import numpy as np

from spx_data.quality.checks import Floats
from spx_data.quality.hours import clock
from spx_data.report.day.chain import DELTAS
from spx_data.report.day.maps import FIT, WHICH, by_clock, by_expiration, has_room, height, legend
from spx_data.report.day.market import VOLATILITY, Market
from spx_data.report.day.view import View
from spx_data.report.drawing import Figure, chart_of, colours, colours_of_roots, told
from spx_data.report.page import Content
from spx_data.text import words

_PERCENT = alt.Axis(format="~%")  # as exact as ticks are close

_FIRST_SHOWN_MS = 10 * 3_600_000  # since midnight: when all of the market has opened

# Since midnight. To the vendor what expires has an hour left until the end: its volatility runs to nothing.
_LAST_HOUR_MS = 15 * 3_600_000


def content(view: View) -> Content:
    """The figures, and what the slider of moments needs."""
    market, grid = view.market, view.market.grid
    figures = []
    if market.with_smiles:
        figures = [_smiles(market), *_surface(market), _terms(market), _through_the_day(market)]
    labels = [clock(grid.begins_ms(moment)) for moment in grid.moments]
    return Content(parts=figures, more={"labels": labels, "first": _first(market)})


def _first(market: Market) -> int:
    """The moment that is shown first."""
    begins = [market.grid.begins_ms(moment) for moment in market.grid.moments]
    return min(range(len(begins)), key=lambda place: abs(begins[place] - _FIRST_SHOWN_MS), default=0)


def _minute(market: Market) -> alt.Parameter:
    """The number of the moment that is shown, which the slider sets."""
    return alt.param(name="minute", value=_first(market))


def _maturities(market: Market) -> Mapping[int, str]:
    """A colour for the days of each chain that has a smile: what expires soon comes first."""
    days = [chain.days for chain in market.with_smiles]
    return {day: f"@maturity-{place}" for day, place in zip(days, _spread_over(len(days)), strict=True)}


def _by_maturity(market: Market) -> alt.Color:
    """The colour of a mark that is of one of these chains."""
    return colours(_maturities(market), "days:O")


def _names_of_maturities(market: Market) -> Mapping[str, str]:
    """What these colours mean."""
    return {words.counted(days, "day"): colour for days, colour in _maturities(market).items()}


def _spread_over(count: int) -> list[int]:
    """So many of the nine colours of maturities, as far apart as they can be."""
    return [1 + round(8 * place / max(1, count - 1)) for place in range(count)]


def _finite(lines: Sequence[Floats]) -> Floats:
    """The values of all *lines* that are there."""
    joined = np.concatenate([np.zeros(0), *lines])
    return np.asarray(joined[np.isfinite(joined)])


# By strike, and by delta --------------------------------------------------------------------------------


def _smiles(market: Market) -> Figure:
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
            y=alt.Y("volatility:Q", title=None, axis=_PERCENT, scale=alt.Scale(domain=ends, nice=True)),
            color=_by_maturity(market),
            detail="call:N",
        )
    )
    tooltip = [
        *WHICH,
        *told(
            strike=("strike", ",.10~r"),
            forward=("forward", ",.2f"),
            volatility=("implied volatility", ".2%"),
        ),
    ]
    line = base.mark_line(strokeWidth=1.4, strokeJoin="round", opacity=0.75, clip=True)
    points = base.mark_circle(size=14, opacity=1, clip=True).encode(tooltip=tooltip)
    at = chart_of([{}]).mark_rule(strokeDash=[3, 3], color="@grey").encode(x=alt.datum(0))
    chart = alt.layer(at, line, points).add_params(_minute(market))
    return Figure(
        "smiles",
        "Smiles",
        chart,
        "Out of the money: puts left of the forward, calls right of it. x: standard deviations to expiry, "
        "so that maturities compare. The step at 0 comes from the vendor's model, which has no dividends.",
        340,
        wide=True,
        legend=_names_of_maturities(market),
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


def _surface(market: Market) -> Iterator[Figure]:
    """All chains by delta, where there is any."""
    each, known = len(DELTAS), _volatilities(market)
    if not len(known):
        return
    low, high = np.quantile(known, [0.01, 0.99]).tolist()
    scale = alt.Scale(scheme="viridis", domain=[round(low, 3), round(high, 3)], clamp=True)
    names = [_delta_name(delta) for delta in DELTAS]
    chart = (
        alt.Chart(alt.NamedData("deltas"), autosize=FIT)
        .add_params(_minute(market))
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
            tooltip=[*WHICH, *told(delta="delta", volatility=("implied volatility", ".2%"))],
        )
    )
    yield Figure(
        "surface",
        "Surface",
        chart,
        "Implied volatility by expiration and delta, interpolated between strikes. "
        "The colour scale is that of the whole day.",
        height(market),
        canvas=True,
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
    return _finite(lines)


# At the money -------------------------------------------------------------------------------------------


def _terms(market: Market) -> Figure:
    """The volatility at the money by days to expiration."""
    at = f"datum.iv[{json.dumps(market.grid.moments, separators=(',', ':'))}[minute]]"
    days = [chain.days for chain in market.chains]
    low, high = _levels(market)
    roots = colours_of_roots(chain.root for chain in market.chains)
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
            y=alt.Y(
                "volatility:Q", title=None, scale=alt.Scale(domain=[low, high], nice=True), axis=_PERCENT
            ),
            color=colours(roots, "root:N"),
        )
    )
    line = base.mark_line(strokeWidth=1.2, opacity=0.5)
    points = base.mark_circle(size=34, opacity=1).encode(
        tooltip=[*WHICH, *told(volatility=("iv at the money", ".2%"))]
    )
    return Figure(
        "terms",
        "Term structure",
        alt.layer(line, points).add_params(_minute(market)),
        "At-the-money implied volatility: at the strike next to the forward.",
        230,
        legend=roots,
    )


def _levels(market: Market) -> list[float]:
    """Between which volatilities the day's term structures lie, but for the last hour of what expires."""
    moments = np.array(market.grid.moments)
    early = moments[[market.grid.begins_ms(moment) <= _LAST_HOUR_MS for moment in moments]]
    known = _finite([chain.iv[moments if chain.days else early] for chain in market.chains])
    if not len(known):
        known = _finite([chain.iv for chain in market.chains])
    return [math.floor(1000 * known.min()) / 1000, math.ceil(1000 * known.max()) / 1000]


def _through_the_day(market: Market) -> Figure:
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
        y=alt.Y("volatility:Q", title=None, axis=_PERCENT, scale=alt.Scale(zero=False)),
        color=_by_maturity(market),
    )
    moments = json.dumps([grid.begins_ms(moment) for moment in grid.moments], separators=(",", ":"))
    now = (
        chart_of([{}])
        .transform_calculate(begin=f"{moments}[minute]")
        .mark_rule(strokeDash=[3, 3], color="@grey")
        .encode(x="begin:Q")
    )
    return Figure(
        "through-the-day",
        "Through the day",
        alt.layer(now, line).add_params(_minute(market)),
        "At-the-money implied volatility by minute. For chains that expire today the vendor's clock stops "
        "before the close.",
        230,
        canvas=True,
        legend=_names_of_maturities(market),
    )
