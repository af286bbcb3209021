"""Where the rows of full days and of half days begin and end."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from spx_data.market.products import settles_at_the_open
from spx_data.ops.probe import oddities
from spx_data.ops.probe.findings import looking
from spx_data.ops.probe.findings.assumption import Assumption, Seen
from spx_data.ops.probe.heard import Heard, Story, Topic
from spx_data.quality.panel import clock
from spx_data.sources.profile import Ends

if TYPE_CHECKING:
    import polars as pl

_FINISHED = (
    Topic.LAST_SESSION,
    Topic.ORDINARY,
    Topic.LIVING,
    Topic.HALF_DAY,
    Topic.HALF_DAY_EXPIRING,
    Topic.CLOCK_CHANGE,
)
_STOCKS_CLOSE = dt.time(16)  # a window that ends before tells nothing of a session's end
_OPENS = dt.time(9, 30)
_REST_MS = 600_000  # for which quotes near the money must have stood still to count as repeated


class _End(NamedTuple):
    heard: Heard
    half: bool
    last_day: bool
    last: int  # ms since the epoch
    expected: int
    rests: int | None  # since when nothing near the money changes; None where it does to the end


def _ends(story: Story) -> list[_End]:
    """The last stamps of finished days, in windows wide enough to tell them: the widest windows first."""
    found = []
    for heard, records in looking.chains(story, *_FINISHED):
        session, window = looking.session(story, heard.date), heard.window
        last_day = looking.is_last_day(heard)
        assert heard.chain
        if not session or not window or window.end < _STOCKS_CLOSE:
            continue
        if last_day and settles_at_the_open(heard.chain.root):
            continue
        last = looking.ends(records)[1]
        expected = int(session.last_stamp(window, story.product, expiring=last_day).timestamp() * 1000)
        found.append(_End(heard, session.early_close, last_day, last, expected, _rests(records, last)))
    return found


def _rests(records: pl.DataFrame, last: int) -> int | None:
    """Since when no quote near the money changes, should that be long before the *last* stamp."""
    import polars as pl

    moved = (pl.col("bid") != pl.col("bid").shift()) | (pl.col("ask") != pl.col("ask").shift())
    near = oddities.near(records).filter(moved.over("right", "strike"))
    since = near["timestamp"].max()
    return since if isinstance(since, int) and last - since >= _REST_MS else None


def ends(story: Story) -> tuple[Ends, Ends]:
    """Last stamps of a full day and of a half day."""
    found = _ends(story)

    def last(*, half: bool, last_day: bool) -> int | None:
        of_kind = (end for end in found if (end.half, end.last_day) == (half, last_day))
        return next((looking.since_midnight(end.heard, end.last) for end in of_kind), None)

    full, short = (
        Ends(last(half=half, last_day=False), last(half=half, last_day=True)) for half in (False, True)
    )
    return full, short


def _of_days(story: Story, *, half: bool) -> Seen | None:
    found = {end.last_day: end for end in reversed(_ends(story)) if end.half is half}
    texts = [_said(found[last_day], last_day) for last_day in (False, True) if last_day in found]
    if not texts:
        return None
    usual = all(end.last == end.expected and not end.rests for end in found.values())
    if usual:
        follows = "stamps until then are expected, and none after it"
    else:
        follows = "each day's end is read from its own rows; what comes after the close is kept besides"
    return Seen("; ".join(texts), usual, follows, "half_day" if half else "full_day")


def _said(end: _End, last_day: bool) -> str:
    assert end.heard.window
    kind = "expiring" if last_day else "living"
    text = (
        f"{kind} chain of {end.heard.date} to {clock(end.last)} (asked for to {end.heard.window.end:%H:%M})"
    )
    return text + (f", quotes near the money the same since {clock(end.rests)}" if end.rests else "")


def _outside(story: Story) -> Seen | None:
    """Whether there are rows before 09:30 or after the options' close, in a window that would have them."""
    for heard, records in looking.chains(story, Topic.LAST_SESSION):
        session, window = looking.session(story, heard.date), heard.window
        if not session or not window or window.start >= _OPENS:
            return None
        begin, end = looking.ends(records)
        text = f"{looking.said(heard)}, asked for from {window.start:%H:%M} to {window.end:%H:%M}: "
        text += f"rows from {clock(begin)} to {clock(end)}"
        both = session.opens, session.options_close(story.product)
        opens, closes = (moment.timestamp() * 1000 for moment in both)
        within = opens <= begin and end <= closes
        return Seen(text, within, "a window wider than the session adds " + ("nothing" if within else "rows"))
    return None


ASSUMPTIONS = (
    Assumption(
        "full-day",
        "rows end at 16:15, and at 16:00 those of a chain that expires",
        lambda story: _of_days(story, half=False),
    ),
    Assumption(
        "half-day",
        "rows of a half day end at 13:15, and at 13:00 those of a chain that expires",
        lambda story: _of_days(story, half=True),
    ),
    Assumption("outside-hours", "there are no rows outside of a session's hours", _outside),
)
