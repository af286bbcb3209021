"""`spx-data quality`: what sealed days are worth, where that is going, and one day in full."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import DATES, Call
from spx_data.cli.lists import List, View, show_document, tell_of_a_missing_lake
from spx_data.cli.metrics import Heading, show_over_time
from spx_data.cli.output import Choice, say
from spx_data.cli.table import VERDICTS, Column, Row
from spx_data.errors import DateValidationError
from spx_data.market.dates import Dates
from spx_data.text.words import count, counted, fraction, points

if TYPE_CHECKING:
    from spx_data.status import Summary
    from spx_data.status.neighbours import Distance
    from spx_data.status.quality import Day
    from spx_data.status.trends import Step


def _verdict(row: Row) -> str:
    return VERDICTS.get(row["verdict"], "")


def _points(row: Row) -> str:
    """The parts that lost points, the worst first."""
    from spx_data.status.quality import PARTS

    lost = sorted((row[part], part) for part in PARTS if row[part] is not None and row[part] < 100)
    return ", ".join(f"{part} {points(value)}" for value, part in lost)


def _told(row: Row) -> str:
    """What a person must know of a day: the first of it, and how much more there is."""
    lost = [f"{name} is not listed" for name in row["expirations_lost"]]
    hours = ["hours disagree"] if row["session_findings"] else []
    first, *others = [*lost, *row["findings"], *hours] or [""]
    return f"{first}, and {len(others)} more" if others else first


def _far(row: Row) -> str:
    from spx_data.status.neighbours import Distance

    return ", ".join(str(Distance(**each)) for each in row["outliers"])


DAYS = List(
    (
        Column("date", "date"),
        Column("score", "score", points, right=True, style=_verdict),
        Column("verdict", "verdict", rank=1, style=_verdict),
        Column("points", "parts below 100", rank=2, wraps=True, of=_points),
        Column("told", "because", wraps=True, of=_told),
        Column("far", "stands out", rank=3, wraps=True, of=_far),
    ),
    empty="no judged dates",
    order="-date",
)
CHECKS = List(())  # of one day, as CSV


@click.command(short_help="Show what sealed days are worth, and why.")
@click.argument("dates", type=DATES, required=False)
@click.option("--below", type=click.FloatRange(0, 100), help="Only days with a score below this.")
@click.option("--by", "step", type=Choice(["month", "week"]), help="Medians of each month or week.")
@click.option("--trend", is_flag=True, help="The trend of each figure, by month (or --by week).")
@DAYS.options(limit="At most N days or periods, the newest.")
@click.pass_context
def quality(
    ctx: click.Context,
    dates: Dates | None,
    below: float | None,
    step: Step | None,
    trend: bool,
    view: View,
) -> None:
    r"""Show what sealed days are worth: score, parts, what cost points, and what stands out.

    DATES are trading dates: a day, a month, a year, a range, or several with commas. One day by itself is
    told in full: every check, its chains, the proof of its completeness. docs/quality.md says how days are
    judged. The exit code is 1 where a day among DATES has the verdict fail.

    \b
    spx-data quality
    spx-data quality 2024-01-02
    spx-data quality 2024 --below 99
    spx-data quality --trend --by week
    """
    from spx_data.status import quality as status_quality
    from spx_data.status import summaries, trends

    call: Call = ctx.obj
    tell_of_a_missing_lake(call.settings.layout)
    lines = summaries(call.settings, call.moment)
    every = status_quality.days(lines, call.settings.quality)
    if dates is not None and _is_one(dates) and not (step or trend or view.limit or below is not None):
        ctx.exit(_tell(call, lines, every, dates.first, view))
    chosen = [
        place
        for place, day in enumerate(every)
        if (dates is None or day.date in dates)
        and (below is None or (day.score is not None and day.score < below))
    ]
    if step or trend:
        measures = status_quality.MEASURES
        periods = trends.periods([every[place] for place in chosen], measures, step or "month")
        show_over_time(periods, measures if trend else None, _headings(), step or "month", view, DAYS.empty)
        return
    names = [*(field.name for field in fields(status_quality.Day)), "expirations_lost", "outliers"]
    view.show(
        replace(DAYS, fields=names), _rows(call, lines, every, chosen[-view.limit if view.limit else 0 :])
    )
    if view.is_table and chosen:
        _tell_totals([every[place] for place in chosen], view)
        _tell_habits(lines, view)
    ctx.exit(int(dates is not None and any(every[place].verdict == "fail" for place in chosen)))


def _is_one(dates: Dates) -> bool:
    return len(dates.ranges) == 1 and dates.first == dates.last


def _tell(call: Call, lines: Sequence[Summary], every: Sequence[Day], date: dt.date, view: View) -> int:
    """Print the report on one day; returns the exit code."""
    from spx_data.cli.quality_report import print_report
    from spx_data.status import day_report

    settings = call.settings
    _check_sealed(call, lines, date)
    found = day_report.of(settings, lines, every, date)
    if view.form == "json":
        show_document(found)
    elif view.form == "csv":
        view.show(CHECKS, found["checks"])
    else:
        if call.several:
            say(f"{call.at}:")
        print_report(found, settings.quality)
    return int(found["verdict"] == "fail")


def _check_sealed(call: Call, lines: Sequence[Summary], date: dt.date) -> None:
    """Raise unless *date* is sealed."""
    from spx_data.lake import naming
    from spx_data.lake.session_states import Kind

    state = next((line.state for line in lines if line.date == date), None)
    if state is None:
        error = naming.unknown(call.settings, date, call.moment)
        raise click.BadParameter(str(error), param_hint="'DATES'")
    if state.kind is not Kind.SEALED:
        raise DateValidationError(
            f"{date} is not sealed ({state.words}), and only sealed days are judged",
            cure=state.what_helps(date),
        )


def _rows(call: Call, lines: Sequence[Summary], every: Sequence[Day], chosen: Sequence[int]) -> Iterator[Row]:
    """The days at the *chosen* places among *every* one, the newest first."""
    from spx_data.status.neighbours import Listings, Neighbourhood

    among, listings = Neighbourhood(every), Listings(call.settings.product, lines)
    threshold = call.settings.quality.outlier_z
    for place in reversed(chosen):
        yield _row(every[place], listings.lost(place), among.outliers(place, threshold))


def _row(day: Day, lost: Sequence[str], outliers: Sequence[Distance]) -> Row:
    """One day as an object: flat but for its last fields, which are arrays."""
    return {
        **asdict(day),
        "date": day.date.isoformat(),
        "findings": list(day.findings),
        "session_findings": list(day.session_findings),
        "expirations_lost": list(lost),
        "outliers": [asdict(each) for each in outliers],
    }


def _tell_totals(found: Sequence[Day], view: View) -> None:
    words = [
        f"{number:,} {verdict}"
        for verdict in VERDICTS
        if (number := sum(day.verdict == verdict for day in found))
    ]
    days = counted(len(found), "day")
    view.tell(f"{days}: {', '.join(words) or 'none with a score'}")


def _tell_habits(lines: Sequence[Summary], view: View) -> None:
    """Print what the source does on all days: told once, and held against none of them."""
    from spx_data.status.quality import habits

    for habit in habits(lines).values():
        view.tell(f"notice: {habit}", "cyan")


def _headings() -> list[Heading]:
    from spx_data.status.neighbours import WORDS
    from spx_data.status.quality import PARTS

    return [
        Heading("score", "score", points, change=False),
        *(Heading(part, part, points, shown=False) for part in PARTS),
        Heading("rows_per_minute", WORDS["rows_per_minute"], count, shown=False),
        Heading("contracts_received", WORDS["contracts_received"], count),
        Heading("spread_median", WORDS["spread_median"], fraction),
        Heading("iv_level", WORDS["iv_level"], fraction),
    ]
