"""Put-call parity of the day's chains: how well it holds, and the forwards and rates that it implies."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from spx_data.report.day.drawing import colours_of_roots, dashed, layered
from spx_data.report.day.view import View
from spx_data.report.drawing import Row, chart_of
from spx_data.report.page import Figure

# Days are whole ones, and the rest of the session weighs in what is near; so does a cent of a price.
_FEWEST_DAYS = 30
_YEAR = 365.0
_FLOOR = 1e-6  # of a misfit: figures have six digits, and tell no better one
_ROOM = 0.001  # a tenth of a percent of rate above and below, so that trifles look like trifles
_HEIGHT = 210


def figures(view: View) -> Iterator[Figure]:
    """Charts of what put-call parity says of each expiration, as far as it does."""
    rows = _rows(view)
    if residuals := [row for row in rows if row["residual"] is not None]:
        yield Figure(
            "parity-residual",
            "How far from put-call parity",
            _residuals(residuals),
            "Median distance of the midpoints from the parity line, in halves of both spreads: "
            "beyond 1 the line leaves the quotes.",
        )
    if forwards := [row for row in rows if row["forward"] is not None]:
        yield Figure(
            "parity-forward",
            "Forward by days to expiration",
            _forwards(forwards, view),
            "The strike at which a call is worth a put: the median through the day. "
            "Dashed: the underlying's close.",
        )
    if rates := [row for row in rows if row["rate"] is not None]:
        yield Figure(
            "parity-rate",
            "Rate by days to expiration",
            _rates(rates, view.dossier["figures"].get("rate")),
            f"−ln(discount factor) a year, from {_FEWEST_DAYS} days on. "
            "Dashed: the rate that the deltas imply.",
        )
    fits = [row for row in rows if row["fit"] is not None]
    if any(row["fit"] > _FLOOR for row in fits):
        yield Figure(
            "parity-fit",
            "How much of it one line explains",
            _fits(fits),
            "1 − R² of the parity line through all strikes, the median through the day. "
            "Above the dashed line it does not fit.",
        )


def _rows(view: View) -> list[dict[str, Any]]:
    """A row for each judged chain, with what its figures imply."""
    rows = []
    for chain in view.dossier["chains"]:
        found = (chain["quality"] or {}).get("figures", {})
        days = (dt.date.fromisoformat(chain["expiration"]) - view.date).days
        squared = found.get("parity_r_squared")
        rows.append(
            {
                "root": chain["root"],
                "expiration": chain["expiration"],
                "days": days,
                "residual": found.get("parity_residual"),
                "forward": found.get("forward"),
                "discount": found.get("discount"),
                "rate": _rate(found.get("discount"), days),
                "fit": None if squared is None else max(1.0 - squared, _FLOOR),
            }
        )
    return rows


def _rate(discount: float | None, days: int) -> float | None:
    if not discount or discount <= 0 or days < _FEWEST_DAYS:
        return None
    return round(-math.log(discount) * _YEAR / days, 6)


_DAYS = alt.Scale(type="symlog", constant=3, nice=False, padding=6)
_TICKS = [0, 1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1095, 1825]
_DAYS_AXIS = alt.Axis(values=_TICKS, grid=False, format=",.0f")


def _base(rows: Sequence[Row], *shown: alt.Tooltip) -> alt.Chart:
    roots = colours_of_roots(row["root"] for row in rows)
    scale = alt.Scale(domain=list(roots), range=list(roots.values()))
    found: alt.Chart = chart_of(rows).encode(
        x=alt.X("days:Q", title="days to expiration", scale=_DAYS, axis=_DAYS_AXIS),
        color=alt.Color("root:N", title=None, scale=scale),
        tooltip=["root:N", "expiration:N", "days:Q", *shown],
    )
    return found


def _dots(base: alt.Chart, y: alt.Y) -> alt.Chart:
    found: alt.Chart = base.mark_circle(size=55, opacity=0.85).encode(y=y)
    return found


def _residuals(rows: Sequence[Row]) -> alt.TopLevelMixin:
    scale = alt.Scale(type="sqrt", domain=[0, max(1.1, *(row["residual"] for row in rows))], nice=False)
    base = _base(rows, alt.Tooltip("residual:Q", format=".3f"))
    return layered(
        _HEIGHT, dashed("residual", 1), _dots(base, alt.Y("residual:Q", title="half spreads", scale=scale))
    )


def _forwards(rows: Sequence[Row], view: View) -> alt.TopLevelMixin:
    base = _base(rows, alt.Tooltip("forward:Q", format=",.2f"))
    axis = alt.Axis(format=",.8~g")
    dots = _dots(base, alt.Y("forward:Q", title="dollars", scale=alt.Scale(zero=False), axis=axis))
    close = (view.dossier["underlying"] or {}).get("close")
    return layered(_HEIGHT, *([dashed("forward", close)] if close else []), dots)


def _rates(rows: Sequence[Row], rate: float | None) -> alt.TopLevelMixin:
    base = _base(rows, alt.Tooltip("rate:Q", format=".2%"), alt.Tooltip("discount:Q", format=".5f"))
    known = [row["rate"] for row in rows] + ([] if rate is None else [rate])
    room = max(_ROOM, 0.05 * (max(known) - min(known)))
    scale = alt.Scale(domain=[min(known) - room, max(known) + room], zero=False)
    y = alt.Y("rate:Q", title="a year", scale=scale, axis=alt.Axis(format=".2%"))
    return layered(_HEIGHT, *([dashed("rate", rate)] if rate is not None else []), _dots(base, y))


def _fits(rows: Sequence[Row]) -> alt.TopLevelMixin:
    base = _base(rows, alt.Tooltip("fit:Q", title="1 − R²", format=".2~e"))
    scale = alt.Scale(type="log", domain=[_FLOOR, max(0.01, *(row["fit"] for row in rows))])
    axis = alt.Axis(format=".0e", values=[10.0**power for power in range(-6, 1)])
    return layered(
        _HEIGHT, dashed("fit", 0.001), _dots(base, alt.Y("fit:Q", title="1 − R²", scale=scale, axis=axis))
    )
