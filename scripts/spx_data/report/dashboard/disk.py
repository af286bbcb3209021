"""What the lake takes of the disk, and until when there is room."""

from __future__ import annotations

import datetime as dt

from spx_data import sessions
from spx_data.gaps import forecast as growth
from spx_data.gaps.forecast import Forecast, Room
from spx_data.health import machine
from spx_data.health.machine import Disk
from spx_data.report.dashboard import disk_charts, parts
from spx_data.report.dashboard.view import View
from spx_data.report.page import Section
from spx_data.words import counted, size


def section(view: View) -> Section:
    """The section: what the lake takes of the disk, and until when there is room."""
    disk = next(one for one in machine.disks(view.settings.layout) if "output" in one.names)
    free = f"{size(disk.free)} of the {size(disk.total)} of its disk are free ({disk.percent:.0f} %)"
    expected = _forecast(view, disk)
    if expected is None:
        return parts.section("disk", "Disk", f"Nothing is sealed yet; {free}.")
    limit = view.settings.alerts.disk_free_percent
    lead = f"{size(view.overview.bytes)} sealed; {free}. {_outlook(view, expected, limit)}"
    room = _room(view, disk)
    found = [disk_charts.growth(view, expected, room), disk_charts.years(view.scene.sealed)]
    return parts.section("disk", "Disk", lead, found)


def _room(view: View, disk: Disk) -> Room:
    return Room(disk.free, round(disk.total * view.settings.alerts.disk_free_percent / 100))


def _forecast(view: View, disk: Disk) -> Forecast | None:
    """What becomes of the disk; None where nothing sealed tells what a session takes."""
    sealed = {summary.date: summary for summary in view.scene.sealed}
    if not sealed:
        return None
    trading = sessions.known(view.settings, min(sealed), max(sealed))
    session = growth.usual_session(trading, sealed)
    if session is None:
        return None
    today = sessions.today(view.moment)
    return growth.forecast(session, view.gaps, _room(view, disk), today, view.settings.end_date)


def _outlook(view: View, expected: Forecast, limit: float) -> str:
    """What a session takes, what the gaps take, and until when the disk lasts, in a sentence."""
    today = sessions.today(view.moment)
    words = f"At {size(expected.session)} a session "
    if expected.gaps:
        words += f"{counted(expected.gaps, 'gap')} take{'s' if expected.gaps == 1 else ''} "
        words += f"{size(expected.gaps_bytes)}; "
    if expected.full_on == today:
        return f"{words}that is more than there is."
    if expected.low_on is None:
        return f"{words}{_lasts(today, view.settings.end_date)}."
    when = "as soon as the gaps are filled" if expected.low_on == today else f"in {_month(expected.low_on)}"
    low = f"less than {limit:g} % of it will be free {when}"
    if expected.full_on is None:
        return f"{words}the disk lasts, but {low}."
    return f"{words}the disk lasts until {_month(expected.full_on)}, and {low}."


def _lasts(today: dt.date, end: dt.date | None) -> str:
    """That there is room for all that comes."""
    if end is None:
        return "the disk lasts for more than a century"
    return (
        f"there is room for all until {end}" if end > today else f"the range ends on {end}, and there is room"
    )


def _month(day: dt.date) -> str:
    return f"{day:%B %Y}"
