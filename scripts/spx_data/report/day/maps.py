"""Heat maps of expirations against the session: what is there, how wide spreads are, what stands still.

All are of one geometry, so that the eye can compare them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import altair as alt
import numpy as np

from spx_data.report.day.market import LACKING, SPREAD, STALE, Market
from spx_data.report.day.view import View
from spx_data.report.drawing import Figure, colours, told
from spx_data.report.page import Content
from spx_data.text import words

# The lines of a tooltip that say which chain a mark is of.
WHICH = told(chain="chain", days=("days to expiration", "d"))
# As wide as there is room, as high as its rows are.
FIT = alt.AutoSizeParams(type="fit-x", contains="padding")

_CLOCK = "utcFormat(%s, '%%H:%%M')"

# Of the session's width: so far cells reach into the next one, which is drawn over them. Between edges that
# meet within a pixel the page would shine through.
_OVERLAP = 1 / 200

_LOW = 8  # pixels, of a row where there are many
_TICKS_APART_MS = [minutes * 60_000 for minutes in (1, 5, 15, 30, 60, 120, 360)]
_MOST_TICKS = 8


def _minute_map(
    market: Market, table: str, color: alt.Color, tooltip: list[alt.Tooltip], **calculated: str
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
        alt.Chart(alt.NamedData(table), autosize=FIT)
        .transform_flatten(lists)
        .transform_calculate(
            begin=f"{grid.begins_ms(0)} + {grid.step_ms} * datum.from",
            end=f"{grid.begins_ms(0) + beyond} + {grid.step_ms} * datum.until",
        )
        .transform_calculate(at=f"{_CLOCK % 'datum.begin'} + (datum.until - datum.from > 1 ? {last} : '')")
    )
    for name, expression in calculated.items():
        chart = chart.transform_calculate(**{name: expression})
    cells: alt.Chart = chart.mark_rect(clip=True).encode(
        x=by_clock(market),
        x2="end:Q",
        y=by_expiration(market),
        color=color,
        tooltip=[*WHICH, *told(at="at"), *tooltip],
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
    scale = alt.Scale(domain=[begin, end], nice=False, zero=False)
    return alt.X("begin:Q", title=None, scale=scale, axis=axis)


def by_expiration(market: Market) -> alt.Y:
    """The axis of the day's chains, of all of them whatever a chart has to say of each."""
    names = [chain.name for chain in market.chains]
    # Where there are many, not each has room for its name: then those that have tell the dates.
    label = "datum.label" if has_room(market) else "slice(datum.label, 0, 10)"
    axis = alt.Axis(labelExpr=label, ticks=False, domain=False, labelPadding=4)
    scale = alt.Scale(domain=names, paddingInner=0.1 if has_room(market) else 0, paddingOuter=0)
    return alt.Y("chain:N", title=None, axis=axis, scale=scale)


def height(market: Market) -> int:
    """The height of a map: few chains have room, many need to be seen at once."""
    return _row(market) * len(market.chains)


def has_room(market: Market) -> bool:
    """Whether a map of the chains is low."""
    return _row(market) > _LOW


def _row(market: Market) -> int:
    return next((row for most, row in ((8, 22), (20, 15), (40, 10)) if len(market.chains) <= most), _LOW)


def legend(**keys: Any) -> alt.Legend:
    """The legend of a map's colours, above it."""
    return alt.Legend(title=None, orient="top", gradientLength=180, gradientThickness=10, **keys)


# What is there ------------------------------------------------------------------------------------------

_MOST = 40  # gaps that are named

# What a cell says, with the colour it has; of contracts that are missing, up to which share.
_THERE = (("all", "@whole"), ("some not quoted yet", "@waiting"))
_MISSING = (
    ("up to 1 % absent", 0.01, "@missing-1"),
    ("up to 10 %", 0.1, "@missing-2"),
    ("up to half", 0.5, "@missing-3"),
    ("more", 1.0, "@missing-4"),
)


def presence(view: View) -> Content:
    """What is there, expiration by expiration and minute by minute."""
    market, gaps = view.market, _gaps(view.dossier["chains"])
    more = {
        "gaps": gaps[:_MOST],
        "more": max(0, len(gaps) - _MOST),
        "date": view.date.isoformat(),
        "unknown": view.dossier["completeness"]["unknown"],
        "explained": [chain for chain in view.dossier["chains"] if chain["explained"]],
    }
    return Content(_lead(view), [_contracts(market), _lacking(market)] if market.chains else [], more)


def _lead(view: View) -> str:
    found = view.dossier["completeness"]
    late, missing, contracts = (
        found[name] for name in ("stamps_explained", "stamps_missing", "contracts_missing")
    )
    received, expected = found["stamps_received"], found["stamps_expected"]
    parts = [f"{received:,} of {expected:,} possible records are present"]
    if late:
        parts.append(f"{late:,} do not exist at the source, mostly from before a contract's first quote")
    if missing:
        parts.append(f"{missing:,} are absent without explanation")
    if contracts:
        parts.append(f"none of {words.counted(contracts, 'listed contract')}")
    if not missing and not contracts:
        parts.append("none is absent without explanation")
    return "; ".join(parts) + "."


def _gaps(chains: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is not there by name, as far as the passport names it, most records first."""
    found: list[dict[str, Any]] = []
    for chain in chains:
        which = {"chain": f"{chain['expiration']} {chain['root']}"}
        found += [{**which, **gap} for gap in chain["gaps"]]
        whole = {"first": None, "last": None, "stamps": chain["grid"], "explained": False}
        found += [{**which, **whole, "contract": name} for name in chain["contracts_missing"]]
    return sorted(found, key=lambda gap: -gap["stamps"])


def _contracts(market: Market) -> Figure:
    states = [*_THERE, *((name, colour) for name, _, colour in _MISSING)]
    if not any((chain.missing > 0).any() for chain in market.chains):
        waited = any((chain.present < chain.contracts).any() for chain in market.chains)
        states = states[: 1 + waited]
    tooltip = told(
        present=("contracts with a record", ",.4~r"), contracts=("of", ","), missing=("absent", ",.4~r")
    )
    return Figure(
        "contracts",
        "Contracts with a record",
        _minute_map(market, "presence", colours(dict(states), "state:N"), tooltip, state=_state()),
        "By expiration and minute. A contract has no record before its first quote of the day.",
        height(market),
        canvas=True,
        legend=dict(states),
    )


def _state() -> str:
    """What a cell says, as an expression of Vega."""
    text = f"datum.missing > 0 ? (%s) : datum.present < datum.contracts ? '{_THERE[1][0]}' : '{_THERE[0][0]}'"
    *shares, (rest, _, _) = _MISSING
    each = (f"datum.missing <= {most} * datum.contracts ? '{name}' : " for name, most, _ in shares)
    return text % (f"{''.join(each)}'{rest}'")


def _lacking(market: Market) -> Figure:
    scale = alt.Scale(type="sqrt", domain=[0, 1], range=["@quiet", "@blue"], interpolate="lab")
    color = alt.Color("lacking:Q", scale=scale, legend=legend(format=".0%", values=[0, 0.1, 0.5, 1]))
    tooltip = told(lacking=("share of records", ".0%"))
    return Figure(
        "lacking",
        "Records without a bid or an ask",
        _minute_map(market, "lacking", color, tooltip, lacking=f"{LACKING} * datum.share"),
        "Typical of contracts without buyers: far out of the money, or about to expire worthless.",
        height(market),
        canvas=True,
    )


# Quotes -------------------------------------------------------------------------------------------------

# The same on every page, so that days can be compared: shares of the midpoint.
_SPREADS = (0.002, 0.5)
_NONE_STALE = (
    "No stale quotes: none stayed the same for 30 minutes while the underlying moved enough to change it."
)


def quotes(view: View) -> Content:
    """How wide the spreads are, and how long quotes stand still, by expiration and minute."""
    market = view.market
    stale = any(np.nanmax(chain.stale, initial=0.0) > 0 for chain in market.chains)
    lead = "" if stale or not market.chains else _NONE_STALE
    return Content(lead, [*_spread(market, wide=not stale), *([_stale(market)] if stale else [])])


def _spread(market: Market, *, wide: bool) -> Iterator[Figure]:
    if not any(np.isfinite(chain.spread).any() for chain in market.chains):
        return
    scale = alt.Scale(type="log", scheme="viridis", domain=_SPREADS, clamp=True)
    color = alt.Color(
        "median:Q", scale=scale, legend=legend(format="~%", values=[0.002, 0.005, 0.02, 0.05, 0.2, 0.5])
    )
    yield Figure(
        "spread",
        "Median spread",
        _minute_map(
            market,
            "spread",
            color,
            told(median=("median spread", ".2%")),
            median=f"{SPREAD} * datum.share",
        ),
        "(Ask − bid) / midpoint of out-of-the-money options within 2.5 % of the forward.",
        height(market),
        wide,
        canvas=True,
    )


def _stale(market: Market) -> Figure:
    scale = alt.Scale(
        type="symlog",
        constant=0.01,
        domain=[0, 0.03, 1],
        range=["@quiet", "@missing-1", "@missing-4"],
        interpolate="rgb",
    )
    color = alt.Color("stale:Q", scale=scale, legend=legend(format="~%", values=[0, 0.02, 0.1, 0.3, 1]))
    tooltip = told(stale=("stale", ".1%"))
    return Figure(
        "stale",
        "Stale quotes",
        _minute_map(market, "stale", color, tooltip, stale=f"{STALE} * datum.share"),
        "Share of two-sided quotes with |delta| of 0.1 or more whose bid and ask stayed the same for 30 "
        "minutes while the underlying moved enough to change them.",
        height(market),
        canvas=True,
    )
