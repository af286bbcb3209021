"""What the day is worth: its score, what cost points, and how far it is from the days around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt

from spx_data.quality import points_lost
from spx_data.report.day.tables import checks
from spx_data.report.day.view import View, around
from spx_data.report.drawing import MONTH_AND_DAY, VERDICTS, Figure, chart_of, colours, told
from spx_data.report.page import Content, Tile
from spx_data.settings import Quality
from spx_data.status import day_report, quality
from spx_data.status.neighbours import WORDS
from spx_data.status.quality import Day
from spx_data.text.words import count, counted, size

_HEIGHT = 150  # pixels

_MEANINGS = {
    "good": "No issues found.",
    "warn": "Use with care: first check what cost points.",
    "fail": "Do not use before you know what went wrong.",
    None: "Nothing could be judged.",
}


def content(view: View) -> Content:
    """The score, the parts of it, and the checks behind them."""
    found, rules = view.dossier, view.settings.quality
    before, after = view.beside
    more = {
        "date": view.date,
        "before": before,
        "after": after,
        "score": found["score"],
        "verdict": found["verdict"],
        "meaning": _MEANINGS[found["verdict"]],
        "because": _because(found, rules),
        "rules": rules,
        "parts": _parts(found, rules),
        "costly": bool(found["findings"]),
        "tiles": list(_tiles(view)),
        "checks": checks(found),
        "lost": found["expirations_lost"],
        "told": bool(found["outliers"]),
        "session_findings": (found["session"] or {}).get("findings", ()),
    }
    return Content(parts=list(_figures(view)), more=more)


def _because(found: Mapping[str, Any], rules: Quality) -> str:
    """What made the verdict, in a sentence."""
    if found["score"] is None:
        return "No part of the score had data."
    if not found["findings"]:
        return f"None of the {_looked(found)} with data cost points."
    ruined = [part["part"] for part in found["parts"] if part["weight"] and part["score"] < rules.fail_below]
    words = f"{counted(len(found['findings']), 'check')} cost points, above all {found['findings'][0]}."
    if found["verdict"] == "warn" and ruined:
        words += f" A part below {rules.fail_below:g} is a warning whatever the mean: {', '.join(ruined)}."
    return words


def _looked(found: Mapping[str, Any]) -> str:
    return counted(sum(1 for check in found["checks"] if check["of"]), "check")


def _parts(found: Mapping[str, Any], rules: Quality) -> list[dict[str, Any]]:
    """Each part with the points of the score that it cost, and where that shows first."""
    lost = points_lost({part["part"]: part["score"] for part in found["parts"]}, rules.weights)
    return [
        {
            **part,
            "lost": lost[part["part"]],
            "worst": _costliest(found, part),
            "level": quality.verdict(part["score"], {}, rules),
        }
        for part in found["parts"]
    ]


def _costliest(found: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The check that *part* has its points from, where it lost any."""
    return day_report.worst(found["checks"], part["part"]) if part["score"] < 100 else None


def _tiles(view: View) -> Iterator[Tile]:
    """The day's leading figures."""
    found, facts = view.dossier, view.summary.facts
    balance, figures, rows = found["completeness"], found["figures"], found["provenance"]["rows"]
    stamps = max((chain["grid"] for chain in found["chains"] if chain["grid"]), default=0)
    yield Tile("rows", count(rows), f"{count(rows / stamps)} per stamp" if stamps else "")
    yield Tile("contracts", count(balance["contracts_received"]), _of_those_listed(balance))
    yield Tile("expirations", count(balance["chains_received"]), f"of {balance['chains_listed']:,} listed")
    yield Tile("stamps", count(stamps), f"every {view.dataset['interval']}")
    parquet = found["provenance"]["parquet"]["bytes"]
    yield Tile("Parquet", size(parquet), f"{parquet / rows:.1f} bytes per row" if rows else "")
    yield Tile("median spread", _share(figures["spread_median"]), "of the midpoint, near the money")
    yield Tile("volatility", _share(figures["iv_level"]), "at the money, 30 days")
    if facts.duration_ms:
        yield Tile("filled in", f"{facts.duration_ms / 1000:,.1f} s", counted(facts.requests, "request"))


def _of_those_listed(balance: Mapping[str, int]) -> str:
    left = {"explained": balance["contracts_explained"], "absent": balance["contracts_missing"]}
    words = ", ".join(f"{number:,} {name}" for name, number in left.items() if number)
    return f"of {balance['contracts_expected']:,} listed{'; ' if words else ''}{words}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.3g} %"


# Among the days around ----------------------------------------------------------------------------------


def _figures(view: View) -> Iterator[Figure]:
    """Charts of the day among its neighbours, as far as there are any."""
    beside = around(view.others, view.date)
    if len(beside) > 1:
        yield Figure(
            "scores-around",
            "Scores of neighbouring days",
            _scores(view, beside),
            f"{len(beside):,} judged days; this one is filled. Dashed: limits of warn and fail.",
            _HEIGHT,
            wide=not view.dossier["outliers"],
        )
    if view.dossier["outliers"]:
        yield Figure(
            "distances",
            "Compared with neighbouring days",
            _distances(view),
            f"Robust z-scores; beyond ±{view.settings.quality.outlier_z:g} is an outlier.",
            _HEIGHT,
        )


def _scores(view: View, beside: Sequence[Day]) -> alt.TopLevelMixin:
    rows = [
        {
            "date": day.date.isoformat(),
            "score": day.score,
            "verdict": day.verdict,
            "worst": day.findings[0] if day.findings else "no points lost",
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
        color=colours(VERDICTS, "verdict:N"),
        fill=alt.condition("datum.is_it", alt.value("@accent"), alt.value("@card")),
        size=alt.condition("datum.is_it", alt.value(150), alt.value(50)),
        tooltip=told(date="date", score=("score", ".1f"), verdict="verdict", worst="worst"),
    )
    return alt.layer(_limits(rules, scale), stem, point)


def _limits(rules: Quality, scale: alt.Scale) -> alt.Chart:
    limits = [{"verdict": "warn", "at": rules.warn_below}, {"verdict": "fail", "at": rules.fail_below}]
    lines: alt.Chart = chart_of(limits).mark_rule(strokeDash=[4, 3], clip=True)
    return lines.encode(y=alt.Y("at:Q", scale=scale), color=colours(VERDICTS, "verdict:N"))


def _distances(view: View) -> alt.TopLevelMixin:
    threshold = view.settings.quality.outlier_z
    rows: list[dict[str, Any]] = [
        {**each, "figure": WORDS[each["measure"]]} for each in view.dossier["outliers"]
    ]
    reach = 1.15 * max(threshold, *(abs(row["z"]) for row in rows))
    base = chart_of(rows).encode(
        y=alt.Y("figure:N", title=None, sort=None, axis=alt.Axis(domain=False, ticks=False)),
        x=alt.X(
            "z:Q",
            title="z",
            scale=alt.Scale(domain=[-reach, reach], nice=False),
            axis=alt.Axis(tickCount=alt.ExprRef("max(2, floor(width / 60))")),
        ),
        tooltip=told(
            figure="figure",
            value=("this day", ",.4~g"),
            median=("median of neighbours", ",.4~g"),
            z=("z", "+.1f"),
        ),
    )
    band = (
        chart_of([{"from": -threshold, "to": threshold}])
        .mark_rect(opacity=0.5)
        .encode(x=alt.X("from:Q"), x2="to:Q", color=alt.value("@grid"))
    )
    colour = alt.condition("datum.stands_out", alt.value("@vermilion"), alt.value("@blue"))
    stem = base.mark_rule(strokeWidth=2).encode(x2=alt.datum(0), color=colour)
    point = base.mark_circle(size=110, opacity=1).encode(color=colour)
    return alt.layer(band, stem, point)
