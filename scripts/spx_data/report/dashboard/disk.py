"""What the lake takes of the disk, how it grew, and until when there is room."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import altair as alt

from spx_data.lake import calendar
from spx_data.market import sessions
from spx_data.ops.gaps.estimate import Forecast, Room, forecast, usual_session
from spx_data.ops.health import machine
from spx_data.report import drawing
from spx_data.report.dashboard.view import View
from spx_data.report.drawing import Figure, chart_of, told
from spx_data.report.page import Content, Part
from spx_data.status import Summary
from spx_data.text.words import counted, minute, size

_LEAST_AHEAD = dt.timedelta(730)  # that a forecast is drawn
_LEVELS = {"full": "@fail", "low": "@warn"}


def content(view: View) -> Content:
    """What the lake takes, and will take."""
    disk = next(one for one in machine.disks(view.settings.layout) if "output" in one.names)
    free = f"{size(disk.free)} of {size(disk.total)} on its disk free ({disk.percent:.0f} %)"
    limit = view.settings.alerts.disk_free_percent
    room = Room(disk.free, round(disk.total * limit / 100))
    expected = _forecast(view, room)
    if expected is None:
        return Content(f"Nothing sealed yet; {free}.")
    lead = f"{size(view.overview.bytes)} sealed; {free}. {_outlook(view, expected, limit)}"
    return Content(lead, [_growth(view, expected, room), *_years(view.scene.sealed)])


def _forecast(view: View, room: Room) -> Forecast | None:
    """What becomes of the disk; None where nothing sealed tells what a session takes."""
    sealed = {summary.date: summary for summary in view.scene.sealed}
    if not sealed:
        return None
    trading = calendar.known(view.settings, min(sealed), max(sealed))
    session = usual_session(trading, sealed)
    if session is None:
        return None
    today = sessions.today(view.moment)
    return forecast(session, [gap.bytes_to_come for gap in view.gaps], room, today, view.settings.end_date)


def _outlook(view: View, expected: Forecast, limit: float) -> str:
    """What is still to come, and until when the disk lasts, in a sentence."""
    today, end = sessions.today(view.moment), view.settings.end_date
    if not expected.gaps and end and end <= today:
        return f"The range ended on {end}: no growth to expect."
    words = f"At {size(expected.session)} per session, "
    if expected.gaps:
        words += f"the {counted(expected.gaps, 'gap')} take{'s' if expected.gaps == 1 else ''} "
        words += f"{size(expected.gaps_bytes)}, and "
    if expected.full_on == today:
        return f"{words}the disk is full before that." if expected.gaps else f"{words}the disk is full today."
    if expected.low_on is None:
        return f"{words}there is room {_as_long_as(today, end)}."
    when = "as soon as the gaps are filled" if expected.gaps else "now"
    low = when if expected.low_on == today else f"in {_month(expected.low_on)}"
    if expected.full_on:
        lasts = f"lasts until {_month(expected.full_on)}"
    else:
        lasts = f"lasts until {end}" if end else "lasts for more than a century"
    return f"{words}the disk {lasts}; less than {limit:g} % of it is free {low}."


def _as_long_as(today: dt.date, end: dt.date | None) -> str:
    if end is None:
        return "for more than a century"
    return f"for all sessions until {end}" if end > today else f"for them; the range ended on {end}"


def _month(day: dt.date) -> str:
    return f"{day:%B %Y}"


# Charts -------------------------------------------------------------------------------------------------


def _growth(view: View, expected: Forecast, room: Room) -> Part:
    """The lake's bytes by the moment of the seal, and from now on as the forecast has them."""
    moments = {minute(at) for summary in view.scene.sealed if (at := summary.facts.sealed_at)}
    if len(moments) < 2:
        return "The chart of growth needs two sealing times."
    now = view.overview.bytes
    unit, per = ("GB", 1e9) if now >= 1e9 else ("MB", 1e6)
    ahead = _ahead(view, expected, min(moments))
    top = max(now + grown for _, grown in ahead)
    layers = [_past(unit), _future(ahead, now, per)]
    levels = {"full": now + room.free, "low": now + room.free - room.kept}
    reached = {name: bytes_ / per for name, bytes_ in levels.items() if now < bytes_ <= 1.02 * top}
    if reached:
        layers.extend(_levels(reached, view.settings.alerts.disk_free_percent))
    note = "Sealed Parquet by sealing time (UTC). Dashed: the gaps, then a session per trading day."
    title = "Lake growth"
    return Figure("disk-growth", title, alt.layer(*layers), note, drawing.TALL, wide=True)


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
    words = {"full": "disk full", "low": f"{limit:g} % of the disk free"}
    base = chart_of(
        {"kind": kind, "size": round(at, 3), "words": words[kind]} for kind, at in reached.items()
    ).encode(y="size:Q", color=drawing.colours({kind: _LEVELS[kind] for kind in reached}))
    # What is full lies above what is low: one is named above its line, the other below.
    low = "datum.kind == 'low'"
    said: alt.Chart = base.mark_text(
        align="left",
        baseline=alt.expr(f"{low} ? 'top' : 'bottom'"),
        dx=4,
        dy=alt.expr(f"{low} ? 3 : -3"),
        tooltip=None,
    )
    return [
        base.mark_rule(strokeDash=[2, 3], tooltip=None),
        said.encode(x=alt.value(0), text="words:N"),
    ]


def _years(sealed: Sequence[Summary]) -> list[Part]:
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
            y=alt.Y("gb:Q", title="GB", axis=drawing.numbers(max(map(sum, found.values())) / 1e9)),
            tooltip=told(
                year="year",
                gb=("GB", ",~r"),
                sessions=("sealed sessions", ",d"),
                session="average session",
            ),
        )
    )
    note = "Sealed Parquet by year of the trading date."
    return [Figure("disk-years", "Size by year", chart, note, wide=True)]
