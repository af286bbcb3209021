"""The charts of the disk section: how the lake grew and will grow, and which years are the large ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import altair as alt

from spx_data.market import sessions
from spx_data.ops.gaps.estimate import Forecast, Room
from spx_data.report.dashboard import drawing
from spx_data.report.dashboard.parts import Part
from spx_data.report.dashboard.view import View
from spx_data.report.drawing import chart_of
from spx_data.report.page import Figure
from spx_data.status import Summary
from spx_data.text.words import minute, size

_LEAST_AHEAD = dt.timedelta(730)  # that a forecast is drawn
_LEVELS = {"full": "@fail", "low": "@warn"}


def growth(view: View, expected: Forecast, room: Room) -> Part:
    """The lake's bytes by the moment of the seal, and from now on as the forecast has them."""
    moments = {minute(at) for summary in view.scene.sealed if (at := summary.facts.sealed_at)}
    if len(moments) < 2:
        return "How the lake grows is drawn from two moments of sealing on."
    now = view.overview.bytes
    unit, per = ("GB", 1e9) if now >= 1e9 else ("MB", 1e6)
    ahead = _ahead(view, expected, min(moments))
    top = max(now + grown for _, grown in ahead)
    layers = [_past(unit), _future(ahead, now, per)]
    levels = {"full": now + room.free, "low": now + room.free - room.kept}
    reached = {name: bytes_ / per for name, bytes_ in levels.items() if now < bytes_ <= 1.02 * top}
    if reached:
        layers.extend(_levels(reached, view.settings.alerts.disk_free_percent))
    chart = alt.layer(*layers).properties(width="container", height=drawing.TALL)
    note = (
        "Sealed Parquet by the moment of the seal (UTC); dashed: the gaps, then a session each trading day."
    )
    return Figure("disk-growth", "Growth of the lake", chart, note, wide=True)


def _ahead(view: View, expected: Forecast, first: str) -> list[tuple[dt.date, float]]:
    """Days to come, and what the lake will have grown by on each; as far ahead as the past goes back."""
    today, end = sessions.today(view.moment), view.settings.end_date
    past = today - dt.date.fromisoformat(first[:10])
    last = today + max(past / 2, _LEAST_AHEAD)
    if expected.full_on:
        last = min(last, expected.full_on)
    if end:
        last = max(today, min(last, end))
    return [
        (today, 0.0),
        (today, float(expected.gaps_bytes)),
        (last, expected.bytes_after((last - today).days)),
    ]


def _past(unit: str) -> alt.Chart:
    whole = "datum.whole / 1000" if unit == "GB" else "datum.whole"
    y = alt.Y("size:Q", title=unit, stack=None, axis=alt.Axis(tickCount=4, format=",.3~f"))
    line = {"color": "@sealed", "strokeWidth": 1.8}
    area: alt.Chart = (
        drawing.shared("isValid(datum.mb)")
        .transform_window(whole="sum(mb)", sort=[alt.SortField("sealed")])
        .transform_calculate(size=whole)
        .mark_area(interpolate="step-after", color="@sealed", fillOpacity=0.2, line=line, tooltip=None)
    )
    return area.encode(x=drawing.time("moment"), y=y)


def _future(ahead: Sequence[tuple[dt.date, float]], now: int, per: float) -> alt.Chart:
    rows = [
        {"at": day.isoformat(), "place": place, "size": round((now + grown) / per, 3)}
        for place, (day, grown) in enumerate(ahead)
    ]
    line: alt.Chart = chart_of(rows).mark_line(
        strokeDash=[5, 4], strokeWidth=1.8, color="@soft", tooltip=None
    )
    return line.encode(x=alt.X("at:T"), y=alt.Y("size:Q"), order=alt.Order("place:Q"))


def _levels(reached: Mapping[str, float], limit: float) -> list[alt.Chart]:
    """Lines at which the disk has little room left, and none; and what they are."""
    words = {"full": "the disk is full", "low": f"{limit:g} % of the disk free"}
    base = chart_of(
        {"kind": kind, "size": round(at, 3), "words": words[kind]} for kind, at in reached.items()
    ).encode(y="size:Q", color=drawing.colours({kind: _LEVELS[kind] for kind in reached}))
    said: alt.Chart = base.mark_text(align="left", baseline="bottom", dx=4, dy=-3, tooltip=None)
    return [
        base.mark_rule(strokeDash=[2, 3], tooltip=None),
        said.encode(x=alt.value(0), text="words:N"),
    ]


def years(sealed: Sequence[Summary]) -> list[Part]:
    """The bytes of the sealed dates of each year, where there are several."""
    found: dict[int, list[int]] = {}
    for summary in sealed:
        if summary.facts.bytes:
            found.setdefault(summary.date.year, []).append(summary.facts.bytes)
    if len(found) < 2:
        return []
    rows = [
        {
            "year": str(year),
            "gb": float(f"{sum(taken) / 1e9:.4g}"),
            "sessions": len(taken),
            "session": size(sum(taken) / len(taken)),
        }
        for year, taken in sorted(found.items())
    ]
    chart = (
        chart_of(rows)
        .mark_bar(color="@blue")
        .encode(
            x=alt.X("year:O", title=None, axis=alt.Axis(labelAngle=0, ticks=False)),
            y=alt.Y("gb:Q", title="GB", axis=alt.Axis(tickCount=4, format=",.3~f")),
            tooltip=[
                drawing.told("year", "year"),
                drawing.told("gb", "GB", ",~r"),
                drawing.told("sessions", "sealed sessions", ",d"),
                drawing.told("session", "a session, on average"),
            ],
        )
        .properties(width="container", height=drawing.LOW)
    )
    note = "Sealed Parquet by the year of the trading date."
    return [Figure("disk-years", "Years", chart, note, wide=True)]
