"""What the lake takes of the disk, and until when there is room."""

from __future__ import annotations

import datetime as dt

from spx_data.lake import calendar
from spx_data.market import sessions
from spx_data.ops.gaps.estimate import Forecast, Room, forecast, usual_session
from spx_data.ops.health import machine
from spx_data.ops.health.machine import Disk
from spx_data.report.dashboard import disk_charts, parts
from spx_data.report.dashboard.view import View
from spx_data.report.page import Section
from spx_data.text.words import counted, size


def section(view: View) -> Section:
    """The section: what the lake takes of the disk, and until when there is room."""
    disk = next(one for one in machine.disks(view.settings.layout) if "output" in one.names)
    free = f"{size(disk.free)} of the {size(disk.total)} of its disk are free ({disk.percent:.0f} %)"
    room = _room(view, disk)
    expected = _forecast(view, room)
    if expected is None:
        return parts.section("disk", "Disk", f"Nothing is sealed yet; {free}.")
    limit = view.settings.alerts.disk_free_percent
    lead = f"{size(view.overview.bytes)} sealed; {free}. {_outlook(view, expected, limit)}"
    found = [disk_charts.growth(view, expected, room), *disk_charts.years(view.scene.sealed)]
    return parts.section("disk", "Disk", lead, found)


def _room(view: View, disk: Disk) -> Room:
    return Room(disk.free, round(disk.total * view.settings.alerts.disk_free_percent / 100))


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
        return f"The range ended on {end}, and nothing more comes."
    words = f"At {size(expected.session)} a session "
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
