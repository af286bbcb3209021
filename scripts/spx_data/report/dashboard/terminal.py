"""How soon the terminal answers, how often it does not, and what a probe saw of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import altair as alt

from spx_data.ops.health import lake
from spx_data.report import drawing
from spx_data.report.dashboard import periods
from spx_data.report.dashboard.periods import Step, Stretch
from spx_data.report.dashboard.view import View
from spx_data.report.drawing import Figure, chart_of, told
from spx_data.report.page import Content, Part
from spx_data.sources import profile
from spx_data.status import digest
from spx_data.status.digest import Traffic
from spx_data.text import commands
from spx_data.text.words import count, counted, size

_HIGH = 0.95
_LATENCIES = {"median": "@blue", "p95": "@orange"}


def content(view: View) -> Content:
    """The requests of all journals, and the profile."""
    days = digest.by_day(summary.facts.traffic for summary in view.dates)
    if not days:
        return Content("No requests yet.", more=_contact(view))
    whole = Traffic()
    for one in days.values():
        whole.add(one)
    step = periods.fitting(min(days), max(days))
    rows = [_row(stretch, one) for stretch, one in _by(step, days).items()]
    found: list[Part] = [f"All on {rows[0]['name']} (UTC)."]
    if len(rows) > 1:
        found = [_latency(rows, step), _requests(rows, step), _failed(rows, step)]
    return Content(_lead(whole), found, _contact(view))


def _lead(whole: Traffic) -> str:
    asked = (
        f"{counted(whole.requests, 'request')}, {size(whole.bytes)} received; "
        f"{count(whole.failed) if whole.failed else 'none'} failed"
    )
    asked += f" ({whole.failed_percent:.2g} %)" if whole.failed else ""
    middle, high = whole.latency(0.5), whole.latency(_HIGH)
    if middle is None or high is None:
        return f"{asked}."
    soon = f"Median {_seconds(middle)}, p95 {_seconds(high)}"
    return f"{soon}. {asked}."


def _seconds(value: float) -> str:
    """A latency with two digits that count: classes of latencies are not told finer."""
    short = float(f"{value:.2g}")
    return f"{1000 * short:g} ms" if short < 1 else f"{short:,g} s"


def _by(step: Step, days: Mapping[dt.date, Traffic]) -> dict[Stretch, Traffic]:
    found: dict[Stretch, Traffic] = {}
    for day, one in days.items():
        found.setdefault(periods.stretch(day, step), Traffic()).add(one)
    return found


def _row(stretch: Stretch, one: Traffic) -> dict[str, Any]:
    middle, high = one.latency(0.5), one.latency(_HIGH)
    return stretch.as_row() | {
        "middle": stretch.middle.isoformat(),
        "median": middle and float(f"{middle:.3g}"),
        "high": high and float(f"{high:.3g}"),
        "requests": one.requests,
        "failed": one.failed,
        "percent": round(one.failed_percent, 2),
    }


def _without(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """The rows without what a chart does not show."""
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


def _latency(rows: list[dict[str, Any]], step: Step) -> Part:
    answered = [row for row in rows if row["median"] is not None]
    if len(answered) < 2:
        return "Too few answers for a chart of latency."
    values = [row[name] for row in answered for name in ("median", "high")]
    chart = (
        chart_of(_without(answered, "from", "to", "failed", "percent"))
        .transform_calculate(p95="datum.high")
        .transform_fold(list(_LATENCIES), as_=["kind", "seconds"])
        .mark_line(strokeWidth=1.8, point={"size": 26} if len(answered) < 40 else {"size": 30, "opacity": 0})
        .encode(
            x=drawing.time("middle"),
            y=drawing.amounts("seconds:Q", "seconds", values),
            color=drawing.colours(_LATENCIES),
            tooltip=told(
                name=step,
                median=("median, s", "~g"),
                high=("p95, s", "~g"),
                requests=("requests", ",d"),
            ),
        )
    )
    note = f"Request to last byte of answered requests, by {step} (UTC)."
    return Figure("terminal-latency", "Latency", chart, note, drawing.TALL, wide=True, legend=_LATENCIES)


def _requests(rows: list[dict[str, Any]], step: Step) -> Figure:
    chart = drawing.bars(_without(rows, "middle", "median", "high", "percent")).encode(
        y=drawing.counts("requests:Q", "requests", max(row["requests"] for row in rows)),
        color=alt.value("@blue"),
        tooltip=told(name=step, requests=("requests", ",d")),
    )
    return Figure("terminal-requests", "Requests", chart, f"By {step} (UTC).")


def _failed(rows: list[dict[str, Any]], step: Step) -> Part:
    if not any(row["failed"] for row in rows):
        return "No failed requests."
    chart = drawing.bars(_without(rows, "middle", "median", "high")).encode(
        y=alt.Y("percent:Q", title="% of requests", axis=alt.Axis(tickCount=4)),
        color=alt.value("@failed"),
        tooltip=told(
            name=step, percent=("failed, %", ".2~f"), failed=("failed", ",d"), requests=("requests", ",d")
        ),
    )
    note = f"Answered with an error or not at all, by {step} (UTC)."
    return Figure("terminal-failed", "Failed requests", chart, note)


def _contact(view: View) -> dict[str, Any]:
    """What the template sees: `said` in sentences, `cure` in parts, and the `rows` of the table.

    Rows that are not as assumed come first; there is none where there is no profile that can be read.
    """
    found = profile.known(view.settings.layout.profile)
    check = lake.terminal_profile(view.scene)
    if found is None:
        return {"said": [check.found], "cure": commands.parts(check.cure), "rows": [], "others": []}
    since = lake.Since.of(found, view.scene.sealed)
    said = [lake.profile_words(found), *lake.profile_doubts(found, view.scene), *filter(None, [since.words])]
    return {
        "said": said,
        "cure": commands.parts(check.cure),
        "others": found.others,
        "rows": [row for row in found.table if row not in found.others],
    }
