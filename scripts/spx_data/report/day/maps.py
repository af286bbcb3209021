"""Heat maps of expirations against the session: all of one geometry, so that the eye can compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from spx_data.report.day.market import Market
from spx_data.report.drawing import CANVAS

# The tooltips that say which chain a mark is of.
WHICH = (alt.Tooltip("chain:N"), alt.Tooltip("days:Q", title="days to expiration"))

_CLOCK = "utcFormat(%s, '%%H:%%M')"

# Of the session's width: so far cells reach into the next one, which is drawn over them. Between edges that
# meet within a pixel the page would shine through.
_OVERLAP = 1 / 200

_LOW = 8  # pixels, of a row where there are many
_TICKS_APART_MS = [minutes * 60_000 for minutes in (1, 5, 15, 30, 60, 120, 360)]
_MOST_TICKS = 8


def minute_map(
    market: Market, table: str, color: alt.Color, tooltip: Sequence[alt.Tooltip], **calculated: str
) -> alt.Chart:
    """A cell for each stretch of each chain in one of the market's tables of such.

    *calculated* are more fields of a cell, as Vega's expressions.
    """
    grid = market.grid
    last = f"' to ' + {_CLOCK % f'(datum.begin + {grid.step_ms} * (datum.until - datum.from - 1))'}"
    beyond = round(_OVERLAP * grid.columns * grid.step_ms)
    lists: list[str | alt.FieldName] = [
        name for name, column in market.data[table].items() if isinstance(column[0], list)
    ]
    chart = (
        alt.Chart(alt.NamedData(table), usermeta=CANVAS)
        .transform_flatten(lists)
        .transform_calculate(
            begin=f"{grid.begins_ms(0)} + {grid.step_ms} * datum.from",
            end=f"{grid.begins_ms(0) + beyond} + {grid.step_ms} * datum.until",
        )
        .transform_calculate(at=f"{_CLOCK % 'datum.begin'} + (datum.until - datum.from > 1 ? {last} : '')")
    )
    for name, expression in calculated.items():
        chart = chart.transform_calculate(**{name: expression})
    cells: alt.Chart = (
        chart.mark_rect(clip=True)
        .encode(
            x=by_clock(market),
            x2="end:Q",
            y=by_expiration(market),
            color=color,
            tooltip=[*WHICH, alt.Tooltip("at:N"), *tooltip],
        )
        .properties(width="container", **rows(market))
    )
    return cells


def by_clock(market: Market) -> alt.X:
    """The axis of the session, in ms since midnight: the clock of New York, wherever the page is read."""
    begin, end = market.grid.begins_ms(0), market.grid.begins_ms(market.grid.columns)
    apart = next(apart for apart in _TICKS_APART_MS if (end - begin) / apart <= _MOST_TICKS)
    ticks = sorted({begin, *range(-(-begin // apart) * apart, end, apart)})
    axis = alt.Axis(
        values=ticks,
        labelExpr="utcFormat(datum.value, '%H:%M')",
        grid=False,
        labelFlush=True,
        labelSeparation=6,
    )
    return alt.X(
        "begin:Q", title=None, scale=alt.Scale(domain=[begin, end], nice=False, zero=False), axis=axis
    )


def by_expiration(market: Market) -> alt.Y:
    """The axis of the day's chains, of all of them whatever a chart has to say of each."""
    names = [chain.name for chain in market.chains]
    # Where there are many, not each has room for its name: then those that have tell the dates.
    label = "datum.label" if has_room(market) else "slice(datum.label, 0, 10)"
    axis = alt.Axis(labelExpr=label, ticks=False, domain=False, labelPadding=4)
    scale = alt.Scale(domain=names, paddingInner=0.1 if has_room(market) else 0, paddingOuter=0)
    return alt.Y("chain:N", title=None, axis=axis, scale=scale)


def rows(market: Market) -> dict[str, Any]:
    """The height of a map: few chains have room, many need to be seen at once."""
    return {
        "height": _height(market) * len(market.chains),
        "autosize": alt.AutoSizeParams(type="fit-x", contains="padding"),
    }


def has_room(market: Market) -> bool:
    """Whether a map of the chains is low."""
    return _height(market) > _LOW


def _height(market: Market) -> int:
    return next(
        (height for most, height in ((8, 22), (20, 15), (40, 10)) if len(market.chains) <= most), _LOW
    )


def share(field: str, title: str, digits: int = 1) -> alt.Tooltip:
    """The tooltip of a field that is a share."""
    return alt.Tooltip(f"{field}:Q", title=title, format=f".{digits}%")


def legend(**keys: Any) -> alt.Legend:
    """The legend of a map's colours, above it."""
    return alt.Legend(title=None, orient="top", gradientLength=180, gradientThickness=10, **keys)
