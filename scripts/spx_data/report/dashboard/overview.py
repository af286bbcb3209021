"""The lake at a glance: a few figures, what needs a person, and the gaps."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from statistics import median

from spx_data.lake.session_states import Kind
from spx_data.ops import progress
from spx_data.ops.gaps import Plan
from spx_data.ops.health import Level
from spx_data.report.dashboard.calendar import shortened
from spx_data.report.dashboard.view import View
from spx_data.report.page import Content, Mark, Tile
from spx_data.text import commands, words
from spx_data.text.words import count, counted, duration, large, minute, points, size

_SEEN = 3  # alerts, of more than that
_SHOWN = 200  # gaps


def content(view: View) -> Content:
    """The lake's leading figures and its alerts."""
    worst_first = sorted(view.alerts, key=lambda alert: -list(Level).index(alert.level))
    alerts = [(alert, commands.parts(alert.cure)) for alert in worst_first]
    # What needs a person is seen at once; the rest as far as there is room.
    seen = max(_SEEN, sum(alert.level is Level.FAIL for alert in worst_first))
    return Content(
        more={
            "tiles": list(_tiles(view)),
            "alerts": alerts[:seen],
            "more": alerts[seen:],
            "calm": _calm(view),
        }
    )


def _tiles(view: View) -> Iterator[Tile]:
    if view.scene.run:
        yield _run(view)
    yield _sealed(view)
    yield _rows(view)
    yield _score(view)
    yield _gaps(view)
    yield _activity(view)


def _run(view: View) -> Tile:
    assert view.scene.run
    now = progress.Watcher(
        progress.Followed(view.settings.layout, view.scene.run), clock=lambda: view.moment
    ).look()
    if now.outage:
        left = now.outage.words(dt.UTC, standing=True)
    else:
        left = "" if now.eta is None else f"about {duration(now.eta)} left"
    since = f"since {minute(now.run.started_at.isoformat())} UTC"
    failed = f"{now.failed:,} failed" if now.failed else ""
    done = now.planned - now.left
    share = done / now.planned if now.planned else 1.0
    through = f"{done:,} of {counted(now.planned, 'date')}"
    return Tile(
        "Run in progress", through, since, left, failed, share=share, level="fail" if now.outage else "work"
    )


def _sealed(view: View) -> Tile:
    wanted = view.scene.wanted
    sealed = sum(summary.date in wanted for summary in view.scene.sealed)
    beyond = len(view.scene.sealed) - sealed
    more = f"plus {counted(beyond, 'sealed date')} out of range" if beyond else ""
    share = sealed / len(wanted) if wanted else 0.0
    of = f"of {counted(len(wanted), 'session')}, {words.share(share)}"
    return Tile("Sealed", count(sealed), of, more, share=share, href="#calendar")


def _rows(view: View) -> Tile:
    rows, size_of_all = view.overview.rows, view.overview.bytes
    each = f"{size_of_all / rows:.1f} bytes per row" if rows else ""
    return Tile("Rows", large(rows), f"in {size(size_of_all)} of Parquet", each, href="#coverage")


def _score(view: View) -> Tile:
    scores = [day.score for day in view.days if day.score is not None]
    if not scores:
        return Tile("Median score", "–", "no judged days yet", href="#quality")
    verdicts = Counter(day.verdict for day in view.days)
    doubtful = verdicts["warn"] + verdicts["fail"]
    look = f"{counted(doubtful, 'day')} to check" if doubtful else "all days are good"
    poor = f"{verdicts['fail']:,} below {view.settings.quality.fail_below:g}" if verdicts["fail"] else ""
    return Tile(
        "Median score",
        points(median(scores)),
        look,
        poor,
        href="#quality",
        level="fail" if verdicts["fail"] else "warn" if doubtful else "",
    )


def _gaps(view: View) -> Tile:
    plan = view.plan
    needy = sum(gap.needs_you for gap in view.gaps)
    needs = f"{counted(needy, 'gap')} need{'s' if needy == 1 else ''} you" if needy else ""
    level: Mark = "fail" if needy else ""
    if not plan.gaps:
        return Tile("Next run", "nothing to do", needs, href="#queue", level=level)
    time = "time unknown until a day is sealed" if plan.seconds is None else f"about {duration(plan.seconds)}"
    room = "" if plan.bytes is None else f", {size(plan.bytes)}"
    return Tile("Next run", counted(len(plan.gaps), "date"), time + room, needs, href="#queue", level=level)


def _activity(view: View) -> Tile:
    last = view.scene.last_activity
    run = "" if view.scene.run else "no run in progress"
    if last is None:
        return Tile("Last activity", "none yet", run)
    ago = max(0.0, (view.moment - last).total_seconds())
    date, time = minute(last.astimezone(dt.UTC).isoformat()).split()
    return Tile("Last activity", date, f"{time} UTC, {duration(ago)} ago", run, href="#failures")


def _calm(view: View) -> str:
    """What is said where there is no alert."""
    pending = view.overview.count(Kind.PENDING)
    if not view.dates:
        return "No sessions to fill yet."
    if not view.overview.count(Kind.SEALED):
        return "No action needed. No date is sealed yet."
    if len(view.gaps) == pending:
        return "All clear: every session that can be sealed is sealed."
    return "All clear: no action needed."


# Gaps ---------------------------------------------------------------------------------------------------


def queue(view: View) -> Content:
    """The gaps by their priority."""
    more = {
        "gaps": [(gap, shortened(gap.why)) for gap in view.gaps[:_SHOWN]],
        "more": max(0, len(view.gaps) - _SHOWN),
        "weights": view.settings.priority,
    }
    return Content(_lead(view), more=more)


def _lead(view: View) -> str:
    if not view.gaps:
        return ""
    found, plan = counted(len(view.gaps), "gap"), view.plan
    if not plan.gaps:
        return f"{found}; the next run fills none of them."
    takes = "it" if len(view.gaps) == 1 else "all of them" if len(plan.gaps) == len(view.gaps) else None
    return f"{found}; the next run fills {takes or f'{len(plan.gaps):,} of them'}{_cost(plan)}."


def _cost(plan: Plan) -> str:
    if plan.rows is None or plan.bytes is None:
        return "; cost unknown until a day is sealed"
    time = "" if plan.seconds is None else f", {duration(plan.seconds)}"
    if plan.span:
        time += f" ({duration(plan.span.p10)} to {duration(plan.span.p90)})"
    side = f", {plan.side_by_side} dates in parallel" if time and plan.side_by_side > 1 else ""
    least = "at least" if plan.at_least else "about"
    basis = f", {plan.guessed}" if plan.guessed else ""
    return f": {least} {large(plan.rows)} rows, {size(plan.bytes)}{time}{side}{basis}"
