"""`spx-data plan`: when to run, how long that takes, until when the disk lasts; what that rests on."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import click

from spx_data.cli.call import Call, Spelt
from spx_data.cli.gaps import took
from spx_data.cli.lists import List, View, tell_of_a_missing_lake
from spx_data.cli.output import Choice
from spx_data.cli.table import Column, Row
from spx_data.text.words import count, counted, duration, size

if TYPE_CHECKING:
    from spx_data.ops.gaps.learned import Group
    from spx_data.ops.outlook import LastDay, Met, Outlook, Start

Sort = Literal["hour", "weekday", "size", "flight"]
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")

STARTS = List(
    (
        Column("begins", "begins", lambda at: at[:16].replace("T", " ")),
        Column("why", "why"),
        Column("dates", "dates", count, right=True),
        Column("rows", "rows", count, rank=3, right=True),
        Column("bytes", "size", size, rank=2, right=True),
        Column("seconds", "about", duration, right=True),
        Column("seconds_p10", "from", duration, rank=1, right=True),
        Column("seconds_p90", "to", duration, right=True),
    ),
    empty="nothing to fill",
)
SPEEDS = List(
    (
        Column("group", "group"),
        Column("fills", "fills", count, right=True),
        Column("rows_per_second_p10", "rows/s, p10", count, right=True),
        Column("rows_per_second_p50", "p50", count, right=True),
        Column("rows_per_second_p90", "p90", count, right=True),
    ),
    empty="no fill is on record yet",
)
SIZES = List(
    (
        Column("symbol", "symbol"),
        Column("contracts", "contracts up to", count, right=True),
        Column("chains", "chains", count, right=True),
        Column("rows", "rows of one", count, right=True),
        Column("bytes", "checkpoint of one", size, right=True),
        Column("seconds", "seconds of one", "{:.2f}".format, right=True),
    ),
    empty="no chain is sealed yet",
)
FLIGHT = List(
    (
        Column("symbol", "symbol"),
        Column("in_flight", "in flight", count, right=True),
        Column("requests", "requests", count, right=True),
        Column("refused", "refused (429)", count, right=True),
        Column("seconds", "seconds of one", "{:.2f}".format, right=True),
        Column("mb_per_second", "MB/s of one", "{:.2f}".format, right=True),
    ),
    empty="no request is on record yet",
)


def _moment(text: str) -> dt.datetime | dt.time:
    """A time of day, the next one; or a date with a time."""
    if found := _CLOCK.fullmatch(text):
        return dt.time(int(found[1]), int(found[2]))
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 02:10, or 2026-01-31T02:10") from None


@click.command(short_help="Say when to run, and how long that takes.")
@click.option(
    "--at", type=Spelt("TIME", _moment), help="A run that begins then, like 02:10 or 2026-01-31T02:10."
)
@click.option(
    "--by",
    "sort",
    type=Choice(["hour", "weekday", "size", "flight"]),
    help="What it rests on: fills by hour or weekday, chains by size, requests by how many were in flight.",
)
@STARTS.options(of_lakes=False)
@click.pass_obj
def plan(call: Call, at: dt.datetime | dt.time | None, sort: Sort | None, view: View) -> None:
    r"""Say what a run would fill, now and when runs usually begin, and how long that takes.

    Times are those of this machine's clock. "From" and "to" are p10 and p90: of ten such runs, eight took a
    time between them. They come from what filling this lake took so far; where that is too little to tell,
    they are left out, and said to be. Lakes of several symbols are planned as one run.

    \b
    spx-data plan
    spx-data plan --at 02:10
    spx-data plan --by hour
    spx-data plan --format json
    """
    from spx_data.ops.outlook import Outlook

    for layout in call.layouts.values():
        tell_of_a_missing_lake(layout)
    outlook = Outlook(call.lakes, call.moment)
    if sort:
        _show_basis(outlook, sort, view)
        return
    starts = outlook.starts(_next(at, outlook, call.moment) if at else None)
    told = starts if not view.is_table or any(each.dates for each in starts) else []
    view.show(STARTS, (_row(each, outlook) for each in told))
    if view.is_table:
        view.tell("")
        for line in _lines(outlook, starts):
            view.tell(line)


def _next(at: dt.datetime | dt.time, outlook: Outlook, moment: dt.datetime) -> dt.datetime:
    """The moment that *at* means: the next such time, or that of this machine's clock."""
    local = outlook.learned.local(moment)
    if isinstance(at, dt.time):
        found = local.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
        return found if found >= local.replace(second=0, microsecond=0) else found + dt.timedelta(1)
    found = at if at.tzinfo else at.replace(tzinfo=local.tzinfo)
    if found < local:
        raise click.BadParameter(f"{found:%Y-%m-%d %H:%M} is over", param_hint="--at")
    return found


def _row(start: Start, outlook: Outlook) -> Row:
    span = start.span
    return {
        "begins": outlook.learned.local(start.at).isoformat(timespec="minutes"),
        "why": start.why,
        "dates": start.dates,
        "rows": start.total("rows"),
        "bytes": start.total("bytes"),
        "seconds": None if start.seconds is None else round(start.seconds, 3),
        "seconds_p10": round(span.p10, 3) if span else None,
        "seconds_p90": round(span.p90, 3) if span else None,
    }


def _lines(outlook: Outlook, starts: list[Start]) -> Iterator[str]:
    last = starts[-1]
    if last.dates:
        backlog = f"the backlog of {counted(last.dates, 'date')} takes"
        if last.seconds is None:
            yield f"what {backlog} is not known"
        else:
            yield f"{_when(outlook, last.at)} {backlog} {took(last.seconds, last.span)}"
        yield _basis(outlook, starts)
    yield from map(_room, outlook.last_days())
    yield from filter(None, map(_terminal, outlook.met()))


def _when(outlook: Outlook, at: dt.datetime) -> str:
    """A moment as one speaks of it: now, tonight at 02:10, on 2026-02-01 at 02:10."""
    now, local = outlook.learned.local(outlook.moment), outlook.learned.local(at)
    if at <= outlook.moment:
        return "now"
    if local - now > dt.timedelta(1):
        return f"on {local:%Y-%m-%d at %H:%M}"
    night = local.hour < 6 or local.hour >= 18
    if local.date() == now.date() or night:
        return f"{'tonight' if night else 'today'} at {local:%H:%M}"
    return f"tomorrow at {local:%H:%M}"


def _basis(outlook: Outlook, starts: list[Start]) -> str:
    from spx_data.ops.gaps.learned import ENOUGH

    fills = len(outlook.learned.fills)
    if fills < ENOUGH:
        have = f"{counted(fills, 'fill')} on record" if fills else "no fill is on record yet"
        return f"how far off that may be is not known: {have}, and an interval needs {ENOUGH}"
    if any(each.dates and each.span is None for each in starts):
        return f"by {counted(fills, 'fill')}; of some dates nothing tells what they take, so no interval"
    return f"by {counted(fills, 'fill')}; eight of ten such runs lie within the interval"


def _room(disk: LastDay) -> str:
    pace = f"disk of {disk.folder}: {size(disk.free)} free; at this pace ({size(disk.session)} a session)"
    if disk.full_on is None:
        return f"{pace} there is room for all that is to come"
    if not disk.told:
        return f"{pace} it is full on {disk.full_on}; too few fills tell how far off that may be"
    late = disk.latest or "later than anybody can tell"
    return f"{pace} it is full on {disk.full_on} (between {disk.earliest} and {late})"


def _terminal(met: Met) -> str:
    allowed, refused = met.pace.allowed(met.limit), met.pace.refused
    told = f"terminal {met.base_url}: {allowed} of {met.limit} requests in flight"
    if met.pace.slow:
        return f"{told}, for with more it delivers less"
    return f"{told}; it has refused {counted(refused, 'request')} so far" if refused else ""


# What it rests on -------------------------------------------------------------------------------------------


def _show_basis(outlook: Outlook, sort: Sort, view: View) -> None:
    if sort == "hour":
        view.show(SPEEDS, [_speed(each, f"{each.key:02}:00") for each in outlook.by_hour()])
    elif sort == "weekday":
        view.show(SPEEDS, [_speed(each, _DAYS[each.key]) for each in outlook.by_weekday()])
    elif sort == "size":
        view.show(SIZES, _sizes(outlook.sizes))
    else:
        view.show(FLIGHT, _flight(outlook.flight))


def _speed(group: Group, name: str) -> Row:
    speed = group.speed
    return {
        "group": name,
        "fills": group.fills,
        "rows_per_second_p10": round(speed.p10, 1),
        "rows_per_second_p50": round(speed.p50, 1),
        "rows_per_second_p90": round(speed.p90, 1),
    }


def _sizes(lakes: Mapping[str, Mapping[int, list[float]]]) -> Iterator[Row]:
    for symbol, found in lakes.items():
        for largest, (chains, _, rows, stored, seconds) in found.items():
            yield {
                "symbol": symbol,
                "contracts": largest,
                "chains": chains,
                "rows": round(rows / chains),
                "bytes": round(stored / chains),
                "seconds": round(seconds / chains, 3),
            }


def _flight(lakes: Mapping[str, Mapping[int, list[float]]]) -> Iterator[Row]:
    for symbol, found in lakes.items():
        for number, (requests, refused, stored, seconds) in found.items():
            answered = max(1, requests - refused)
            yield {
                "symbol": symbol,
                "in_flight": number,
                "requests": requests,
                "refused": refused,
                "seconds": round(seconds / answered, 3),
                "mb_per_second": round(stored / 1e6 / seconds, 3) if seconds else None,
            }
