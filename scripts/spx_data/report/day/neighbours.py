"""The day among those around it: their scores side by side, and how far its figures are from theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from spx_data.report.day.drawing import MONTH_AND_DAY, around, layered
from spx_data.report.day.view import View
from spx_data.report.drawing import chart_of
from spx_data.report.page import Figure
from spx_data.settings import Quality
from spx_data.status.outliers import WORDS
from spx_data.status.quality import Day

_HEIGHT = 150


def figures(view: View) -> Iterator[Figure]:
    """Charts of the day among its neighbours, as far as there are any."""
    beside = around(view.others, view.date)
    if len(beside) > 1:
        yield Figure(
            "scores-around",
            "Scores of the days around",
            _scores(view, beside),
            f"{len(beside):,} judged days; this one is filled. Lines: warn and fail.",
            wide=not view.dossier["outliers"],
        )
    if view.dossier["outliers"]:
        yield Figure(
            "distances",
            "Figures against the days around",
            _distances(view),
            f"Robust z-scores: beyond ±{view.settings.quality.outlier_z:g} a figure stands out.",
        )


def _scores(view: View, beside: Sequence[Day]) -> alt.TopLevelMixin:
    rows = [
        {
            "date": day.date.isoformat(),
            "score": day.score,
            "verdict": day.verdict,
            "worst": day.findings[0] if day.findings else "nothing lost",
            "is_it": day.date == view.date,
        }
        for day in beside
        if day.score is not None
    ]
    rules = view.settings.quality
    lowest = max(0, min([rules.fail_below, *(day.score for day in beside if day.score is not None)]) - 3)
    scale = alt.Scale(domain=[lowest, 101], nice=False, zero=False)
    base = chart_of(rows).encode(
        x=alt.X("date:O", title=None, axis=MONTH_AND_DAY),
        y=alt.Y("score:Q", title="score", scale=scale),
    )
    stem = base.mark_rule(strokeWidth=1).encode(y2=alt.datum(100), color=alt.value("@line"))
    point = base.mark_point(size=70, strokeWidth=1.5, opacity=1).encode(
        color=alt.Color("verdict:N", scale=_VERDICT_COLOURS, legend=None),
        fill=alt.condition("datum.is_it", alt.value("@accent"), alt.value("@card")),
        size=alt.condition("datum.is_it", alt.value(150), alt.value(50)),
        tooltip=["date:N", alt.Tooltip("score:Q", format=".1f"), "verdict:N", "worst:N"],
    )
    return layered(_HEIGHT, _limits(rules, scale), stem, point)


_VERDICT_COLOURS = alt.Scale(domain=["good", "warn", "fail"], range=["@sealed", "@warn", "@fail"])


def _limits(rules: Quality, scale: alt.Scale) -> alt.Chart:
    limits = [{"verdict": "warn", "at": rules.warn_below}, {"verdict": "fail", "at": rules.fail_below}]
    colour = alt.Color("verdict:N", scale=_VERDICT_COLOURS, legend=None)
    lines = chart_of(limits).mark_rule(strokeDash=[4, 3], clip=True)
    found: alt.Chart = lines.encode(y=alt.Y("at:Q", scale=scale), color=colour)
    return found


def _distances(view: View) -> alt.TopLevelMixin:
    threshold = view.settings.quality.outlier_z
    rows: list[dict[str, Any]] = [
        {**each, "figure": WORDS[each["measure"]]} for each in view.dossier["outliers"]
    ]
    reach = 1.15 * max(threshold, *(abs(row["z"]) for row in rows))
    base = chart_of(rows).encode(
        y=alt.Y("figure:N", title=None, sort=None, axis=alt.Axis(domain=False, ticks=False)),
        x=alt.X("z:Q", title="z", scale=alt.Scale(domain=[-reach, reach], nice=False)),
        tooltip=[
            alt.Tooltip("figure:N"),
            alt.Tooltip("value:Q", title="this day", format=",.4~g"),
            alt.Tooltip("median:Q", title="median around", format=",.4~g"),
            alt.Tooltip("z:Q", format="+.1f"),
        ],
    )
    band = (
        chart_of([{"from": -threshold, "to": threshold}])
        .mark_rect(opacity=0.5)
        .encode(x=alt.X("from:Q"), x2="to:Q", color=alt.value("@grid"))
    )
    colour = alt.condition("datum.stands_out", alt.value("@vermilion"), alt.value("@blue"))
    stem = base.mark_rule(strokeWidth=2).encode(x2=alt.datum(0), color=colour)
    point = base.mark_circle(size=110, opacity=1).encode(color=colour)
    return layered(_HEIGHT, band, stem, point)
