"""Where checks found something: at which stamps of the day, and in which of its chains."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt

from spx_data.report.day.checks import is_costly
from spx_data.report.day.drawing import clock, layered, moment
from spx_data.report.day.view import View
from spx_data.report.drawing import CANVAS, Row, chart_of
from spx_data.report.page import Figure
from spx_data.status import day_report

_ROW, _LEAST = 30, 110  # pixels for each check, and for few of them
_TALL = 0.86  # of its row: the highest bar


def figures(view: View, codes: Sequence[str], name: str, title: str) -> Iterator[Figure]:
    """What the checks *codes* found by stamp and by chain; *title* has a place for which of the two."""
    hits = (view.dossier["minutes"] or {}).get("hits", {})
    if most := {code: max(hits[code]) for code in codes if any(hits.get(code, ()))}:
        yield Figure(
            f"{name}-by-minute",
            title.format("minute"),
            _through_the_day(_by_stamp(view, most), view.dossier["minutes"]),
            f"Each row has a scale of its own; the number is its highest bar.{_colours(view, codes)}",
            wide=True,
        )
    if rows := _by_chain(view, codes):
        yield Figure(
            f"{name}-by-chain",
            title.format("expiration"),
            _over_the_chains(rows, view, codes),
            "Hits for each thousand records of the chain; nothing where there are none.",
            wide=True,
        )


# By stamp -------------------------------------------------------------------------------------------------


def _by_stamp(view: View, most: Mapping[str, int]) -> list[dict[str, Any]]:
    """A row for each check: its hits at each stamp, and at the foot of which row of the chart they stand."""
    costly, hits = _costly(view), view.dossier["minutes"]["hits"]
    return [
        {"check": code, "row": place + 1, "most": number, "costly": code in costly, "all": hits[code]}
        for place, (code, number) in enumerate(most.items())
    ]


def _costly(view: View) -> set[str]:
    """The checks that cost points."""
    return {check["check"] for check in view.dossier["checks"] if is_costly(check)}


def _colours(view: View, codes: Sequence[str]) -> str:
    return " Orange cost points, blue did not." if _costly(view) & set(codes) else ""


def _through_the_day(rows: Sequence[Row], minutes: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Bars through the day, a row of them for each check."""
    labels = [f"{row['check']}  {row['most']:,}" for row in rows]
    axis = alt.Axis(
        values=[row["row"] - 0.4 for row in rows],
        labelExpr=f"{json.dumps(labels)}[floor(datum.value)]",
        labelOverlap=False,
        labelLimit=220,
        grid=False,
        ticks=False,
        domain=False,
    )
    scale = alt.Scale(domain=[0, len(rows)], reverse=True, nice=False)
    floor = (
        chart_of({"row": row["row"], **_session(minutes)} for row in rows)
        .mark_rule(strokeWidth=1)
        .encode(
            x=clock("at"),
            x2="until:T",
            y=alt.Y("row:Q", title=None, scale=scale, axis=axis),
            color=alt.value("@grid"),
        )
    )
    bars = (
        _stamp_by_stamp(chart_of(rows), minutes)
        .mark_rect()
        .encode(
            x=clock("at"),
            x2="until:T",
            y=alt.Y("top:Q", title=None, scale=scale, axis=axis),
            y2="row:Q",
            color=alt.condition("datum.costly", alt.value("@vermilion"), alt.value("@blue")),
            tooltip=["check:N", alt.Tooltip("clock:N", title="at"), alt.Tooltip("hits:Q", format=",")],
        )
    )
    return layered(max(_LEAST, _ROW * len(rows)), floor, bars, usermeta=CANVAS)


def _session(minutes: Mapping[str, Any]) -> dict[str, int]:
    """From the first stamp to where the bar of the last one ends."""
    stamps = day_report.stamps(minutes)
    return {"at": moment(stamps[0])["at"], "until": moment(stamps[-1])["at"] + 1000 * minutes["step_seconds"]}


def _stamp_by_stamp(chart: alt.Chart, minutes: Mapping[str, Any]) -> alt.Chart:
    """*chart* with a row for each check and stamp that has hits: from where to where, and how high."""
    first, step = day_report.stamps(minutes)[0], 1000 * minutes["step_seconds"]
    found: alt.Chart = (
        chart.transform_flatten(["all"], as_=["hits"])
        .transform_window(place="row_number()", groupby=["check"])
        .transform_filter("datum.hits > 0")
        .transform_calculate(at=f"{moment(first)['at']} + (datum.place - 1) * {step}")
        .transform_calculate(
            until=f"datum.at + {step}",
            top=f"datum.row - {_TALL} * datum.hits / datum.most",
            clock="utcFormat(datum.at, '%H:%M')",
        )
    )
    return found


# By chain -------------------------------------------------------------------------------------------------


def _by_chain(view: View, codes: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each check and chain that has hits."""
    return [
        {
            "chain": f"{chain['expiration']} {chain['root']}",
            "check": code,
            "hits": number,
            "records": chain["rows"],
            "thousandth": round(1000 * number / max(1, chain["rows"]), 4),
        }
        for chain in view.dossier["chains"]
        if chain["quality"]
        for code, number in chain["quality"]["hits"].items()
        if code in codes and number
    ]


def _over_the_chains(rows: Sequence[Row], view: View, codes: Sequence[str]) -> alt.TopLevelMixin:
    chains = sorted(f"{chain['expiration']} {chain['root']}" for chain in view.dossier["chains"])
    seen, most = {row["check"] for row in rows}, max(row["thousandth"] for row in rows)
    labels = alt.Axis(labelAngle=-90, ticks=False, domain=False)
    order = alt.Scale(domain=[code for code in codes if code in seen])
    cells = (
        chart_of(rows)
        .mark_rect()
        .encode(
            x=alt.X("chain:O", title=None, scale=alt.Scale(domain=chains), axis=labels),
            y=alt.Y("check:N", title=None, scale=order, axis=alt.Axis(ticks=False, domain=False)),
            color=alt.Color(
                "thousandth:Q",
                title="per thousand records",
                scale=alt.Scale(
                    type="symlog", constant=0.1, domain=[0, most], range=["@few", "@many"], interpolate="rgb"
                ),
                legend=alt.Legend(format="~r", gradientLength=220, gradientThickness=9, values=_legend(most)),
            ),
            tooltip=[
                "chain:N",
                "check:N",
                alt.Tooltip("hits:Q", format=","),
                alt.Tooltip("records:Q", format=","),
            ],
        )
    )
    return layered(max(2, len(seen)) * 18, cells)


def _legend(most: float) -> list[float]:
    """Values to name beside the colours from 0 to *most*."""
    return [0, *(10.0**power for power in range(-1, 4) if 10.0**power <= 0.7 * most), float(f"{most:.2g}")]
