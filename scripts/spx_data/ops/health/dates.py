"""The alerts about the dates, each with the dates it means and what mends them.

A failure names dates that nobody will get back without somebody; a warning names what the next run, or time,
may mend. What the source sent badly once it may have sent so for ever, and nobody can mend it: so a bad day
fails while it is news and only warns later, and records and figures that stand out are told of the newest
dates alone.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from spx_data.errors import ApiDataNotFoundError
from spx_data.lake.session_states import Kind
from spx_data.ops.health.scene import Check, Scene, fail, named, notice, of_these, ok, warn
from spx_data.settings import Quality
from spx_data.status import Summary
from spx_data.status.failures import Group, groups
from spx_data.status.neighbours import Listings, Neighbourhood
from spx_data.status.quality import PARTS, Day, verdict
from spx_data.status.quality import habits as of_the_source
from spx_data.text.words import counted

_FAILURE_DAYS = 30
_HOLES = frozenset({Kind.MISSING, Kind.PARTIAL, Kind.FAILED, Kind.PARKED, Kind.CORRUPT})
_TROUBLED = frozenset({Kind.NO_DATA, Kind.FAILED, Kind.PARKED})
_ASKED_AGAIN = frozenset({Kind.MISSING, Kind.PARTIAL, Kind.PENDING})
_GROUPS, _LONGEST = 3, 160  # kinds of failure told at once, and characters of a cause
Streak = tuple[dt.date, ...]
_NEWS_DAYS = 30  # since the seal
_NEWEST = 30  # judged dates
_AT_ONCE = 3  # dates that a cure's command names
_LOOK = "`spx-data quality DATE`"
_MEND = "`spx-data mend` fetches what they lack"
_ASK = "`spx-data recheck DATE` asks the source again"


def _counted(dates: Streak) -> dict[str, Any]:
    """The numbers of a check that wants none of these dates."""
    return {"value": len(dates), "limit": 0, "unit": "dates", "dates": dates}


def failure_rate(scene: Scene) -> Check:
    """Dates whose last try failed, of those worked on in the last 30 days; but for those of an outage."""
    limit = scene.settings.alerts.failure_rate_percent
    worked = [line for line in scene.worked_on(_FAILURE_DAYS) if line.date not in scene.outage_dates]
    failed = tuple(line.date for line in worked if line.state.kind in {Kind.FAILED, Kind.PARKED})
    rate = 100 * len(failed) / len(worked) if worked else 0.0
    of = counted(len(worked), "date")
    found = f"{len(failed):,} of {of} worked on in the last {_FAILURE_DAYS} days failed ({rate:.1f} %)"
    numbers = {"value": round(rate, 2), "limit": limit, "unit": "%", "dates": failed}
    if rate > limit:
        lines = [line for line in worked if line.date in failed]
        cure = f"{_cure(lines)}`spx-data errors` shows why; then `spx-data retry --all-failed`"
        return fail(f"{found}, more than {limit:g} %: {_alike(lines)}", cure, **numbers)
    return ok(found, **numbers)


def consecutive_missing(scene: Scene) -> Check:
    """Sessions that finished and are not there, in a row.

    What lies before the first sealed date is not filled yet, and no hole; what a run is filling now is a hole
    that closes. What an outage left is told by `outage`.
    """
    limit = scene.settings.alerts.consecutive_missing
    ahead, streaks = _streaks(scene)
    closing = [streak for streak in streaks if scene.at_work.issuperset(streak)]
    holes = [streak for streak in streaks if len(streak) > limit and streak not in closing]
    longest = max(holes or streaks, key=len, default=())
    numbers = {"value": len(longest), "limit": limit, "unit": "sessions"}
    if holes:
        more = f", and {counted(len(holes) - 1, 'more such gap')}" if len(holes) > 1 else ""
        found = f"{len(longest):,} consecutive sessions are missing: {longest[0]} to {longest[-1]}{more}"
        cure = "`spx-data gaps` shows what is missing, `spx-data process-gaps` fills it"
        dates = tuple(date for streak in holes for date in streak)
        return fail(found, cure, **numbers, dates=dates)
    if len(longest) > limit:
        found = (
            f"{len(longest):,} consecutive sessions missing: {longest[0]} to {longest[-1]}; being filled now"
        )
        return warn(found, "`spx-data status --watch`", **numbers, dates=longest)
    if ahead:
        return _not_filled_yet(scene, ahead, numbers)
    return ok(f"{len(longest):,} at most", **numbers, dates=longest)


def _not_filled_yet(scene: Scene, ahead: Streak, numbers: dict[str, Any]) -> Check:
    what = "before the first sealed date" if scene.sealed else "so far"
    found = f"not filled yet: {counted(len(ahead), 'session')} {what}, {ahead[0]} to {ahead[-1]}"
    if not scene.at_work.isdisjoint(ahead):
        return ok(f"{found}; being filled now", **numbers, dates=ahead)
    if len(ahead) > scene.settings.alerts.consecutive_missing:
        return warn(found, "`spx-data process-gaps`", **numbers, dates=ahead)
    return ok(found, **numbers, dates=ahead)


def _streaks(scene: Scene) -> tuple[Streak, list[Streak]]:
    """The missing sessions before the first sealed date, and every later row of missing sessions."""
    first = scene.sealed[0].date if scene.sealed else dt.date.max
    asked_for = scene.wanted - scene.outage_dates
    sessions = [line for line in scene.summaries if line.date in asked_for]
    ahead = tuple(line.date for line in sessions if line.date < first and line.state.kind in _HOLES)
    return ahead, list(_rows([line for line in sessions if line.date > first]))


def _rows(sessions: list[Summary]) -> Iterator[Streak]:
    row: list[dt.date] = []
    for line in sessions:
        if line.state.kind in _HOLES:
            row.append(line.date)
        elif row:
            yield tuple(row)
            row = []
    if row:
        yield tuple(row)


def parked(scene: Scene) -> Check:
    """Dates that failed so often that they are left alone until somebody asks for them."""
    lines = [line for line in scene.of_kind(Kind.PARKED) if line.date in scene.wanted]
    dates = tuple(line.date for line in lines)
    numbers = _counted(dates)
    if not dates:
        return ok("no date is parked", **numbers)
    retry = of_these(dates, "`spx-data retry DATE --force`", at_once=_AT_ONCE)
    found = f"{counted(len(dates), 'date')} parked after too many failures: {_alike(lines)}"
    cure = f'{_cure(lines)}{retry}, or leave it for good: `spx-data accept {dates[0]} --reason "…"`'
    return fail(found, cure, **numbers)


def _alike(lines: Sequence[Summary]) -> str:
    """The failures of *lines*, those that are alike once, the most frequent first."""
    found = groups(lines)
    told = [f"{named(group.dates)}{_why(group)}" for group in found[:_GROUPS]]
    more = sum(len(group.dates) for group in found[_GROUPS:])
    return "; ".join([*told, *([f"{counted(more, 'date')} for other reasons"] if more else [])])


def _why(group: Group) -> str:
    reason = textwrap.shorten(group.state.reason, _LONGEST, placeholder=" …")
    return f" ({group.state.error}: {reason})" if reason else ""


def _cure(lines: Sequence[Summary]) -> str:
    """What mends the most frequent failure of *lines*, as the beginning of a cure."""
    found = groups(lines)
    return f"{found[0].state.cure.rstrip('.')}; " if found and found[0].state.cure else ""


def holes(scene: Scene) -> Check:
    """Sessions without data, or that failed, between two sealed ones: the source had the days beside.

    Those that a person accepted are none, nor those that the vendor's calendar has as closed, nor those of an
    outage.
    """
    known = scene.at_work | scene.outage_dates
    found = [line for row in _enclosed(scene) for line in row if line.date not in known]
    dates = tuple(line.date for line in found)
    numbers = _counted(dates)
    if not dates:
        return ok("no gap between sealed dates", **numbers)
    kinds = Counter(line.state.kind for line in found)
    told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    words = f"{counted(len(dates), 'hole')} between sealed days ({told}): {named(dates)}"
    cure = of_these(dates, "`spx-data retry DATE` asks the source now", at_once=_AT_ONCE)
    leave = f'if there was no trading: `spx-data accept {dates[0]} --reason "…"`'
    return warn(words, f"Later runs ask again, {cure}; {leave}", **numbers)


def _enclosed(scene: Scene) -> Iterator[list[Summary]]:
    """Each row of troubled sessions that has a sealed one on either side."""
    sessions = [line for line in scene.summaries if line.date in scene.wanted and not line.state.is_settled]
    rows = [(key, list(lines)) for key, lines in groupby(sessions, key=_of_a_hole)]
    for (_, before), (key, row), (_, after) in zip(rows, rows[1:], rows[2:], strict=False):
        if key and before[-1].state.kind is after[0].state.kind is Kind.SEALED:
            yield row


def _of_a_hole(line: Summary) -> bool:
    """Whether a date failed, or was asked for in vain (also where it is due again)."""
    return line.state.kind in _TROUBLED or (
        line.state.kind in _ASKED_AGAIN and line.state.error == ApiDataNotFoundError.__name__
    )


def corrupt(scene: Scene) -> Check:
    """Dates that were sealed once, and are damaged or in quarantine."""
    dates = tuple(line.date for line in scene.of_kind(Kind.CORRUPT))
    numbers = _counted(dates)
    if not dates:
        return ok("no damage is known (`spx-data verify --all` looks at every byte)", **numbers)
    damaged = f"{counted(len(dates), 'date')} damaged since sealing: {named(dates)}"
    found = f"{damaged}; the next run fetches {'it' if len(dates) == 1 else 'them'} again"
    cure = (
        f"`spx-data process {','.join(map(str, dates))}`"
        if len(dates) <= _AT_ONCE
        else "`spx-data process-gaps`"
    )
    return warn(found, f"{cure}, and look at the disk's health", **numbers)


def _asking_again(bad: Sequence[Day]) -> str:
    dates = [day.date for day in bad]
    return f"See why: {of_these(dates, _LOOK)}; {of_these(dates[:1], _ASK)}"


def quality(scene: Scene) -> Check:
    """Sealed dates whose score is below the thresholds of the settings."""
    rules = scene.settings.quality
    judged = scene.judged
    failing = [day for day in judged if day.verdict == "fail"]
    doubtful = [day for day in judged if day.verdict == "warn" and not _lacks_alone(day, rules)]
    dates = tuple(day.date for day in judged if day in failing or day in doubtful)
    scores = [day.score for day in judged if day.score is not None]
    numbers = {
        "value": min(scores, default=None),
        "limit": rules.warn_below,
        "unit": "points",
        "dates": dates,
    }
    if not dates:
        return ok(f"{counted(len(judged), 'date')} judged, none below {rules.warn_below:g}", **numbers)
    words = []
    if failing:
        listed = named([day.date for day in failing])
        words.append(f"{counted(len(failing), 'date')} below {rules.fail_below:g} of 100: {listed}")
    if doubtful:
        words.append(f"{counted(len(doubtful), 'date')} to look at: {named([day.date for day in doubtful])}")
    words.append(_most_of_all([*failing, *doubtful]))
    news = {line.date for line in scene.sealed if (line.facts.sealed_at or "") >= scene.since(_NEWS_DAYS)}
    level = fail if any(day.date in news for day in failing) else warn
    return level("; ".join(filter(None, words)), _asking_again(failing or doubtful), **numbers)


def _lacks_alone(day: Day, rules: Quality) -> bool:
    """Whether nothing but what is missing makes it a day to look at: the check `completeness` tells those."""
    points = {part: value for part in PARTS if (value := getattr(day, part)) is not None}
    return day.complete is False and verdict(day.score, points, rules) == "good"


def _most_of_all(bad: Sequence[Day]) -> str:
    """What cost these days most, days of one check together: like `most of all crossed (12), parity (1)`."""
    codes = Counter(day.findings[0].partition(":")[0] for day in bad if day.findings)
    return f"most of all {', '.join(f'{code} ({n:,})' for code, n in codes.most_common())}" if codes else ""


def habits(scene: Scene) -> Check:
    """What the source does on nearly all judged dates: our model may not explain it, and the data be good."""
    found = of_the_source(scene.summaries)
    numbers = {"value": len(found), "unit": "habits"}
    if not found:
        return ok("nothing in this source that the model does not explain", **numbers)
    cure = "Nothing to do: no day loses points by it; see docs/quality.md"
    return notice("; ".join(map(str, found.values())), cure, **numbers)


def completeness(scene: Scene) -> Check:
    """Contracts and stamps that are missing without an explanation; expirations that were not even listed."""
    judged = scene.judged
    listings = Listings(scene.settings.product, scene.summaries)
    newest = range(max(0, len(judged) - _NEWEST), len(judged))
    lost = {judged[place].date: found for place in newest if (found := listings.lost(place))}
    holes = [day for day in judged if day.complete is False or day.date in lost]
    dates = tuple(day.date for day in holes)
    numbers = _counted(dates)
    if not holes:
        return ok(f"nothing lacking in {counted(len(judged), 'sealed date')}", **numbers)
    counts = {
        "contract": sum(day.contracts_missing or 0 for day in holes),
        "stamp": sum(day.stamps_missing or 0 for day in holes),
    }
    told = [f"{counted(number, noun)} lacking" for noun, number in counts.items() if number]
    if unlisted := sum(map(len, lost.values())):
        told.append(f"{counted(unlisted, 'expiration')} not listed")
    words = f"{', '.join(told) or 'incomplete'} on {named(dates)}"
    # What only days beside know of is not asked for by a mend.
    cure = _asking_again(holes) if lost else f"See why: {of_these(list(dates), _LOOK)}; {_MEND}"
    return warn(words, cure, **numbers)


def rejects(scene: Scene) -> Check:
    """Bad records of the newest dates, and records that contradict each other."""
    judged = scene.judged[-_NEWEST:]
    bad = [day for day in judged if day.rejected or day.conflicts]
    dates = tuple(day.date for day in bad)
    rejected, conflicts = (sum(getattr(day, what) or 0 for day in bad) for what in ("rejected", "conflicts"))
    numbers = {"value": rejected + conflicts, "unit": "records", "dates": dates}
    if not bad:
        return ok(f"no bad record in the newest {counted(len(judged), 'date')}", **numbers)
    found = (
        f"{counted(rejected, 'bad record')} and {counted(conflicts, 'conflict')} "
        f"in {counted(len(dates), 'date')} of the newest {len(judged)}: {named(dates)}"
    )
    cure = f"{of_these(dates, _LOOK)} counts them by reason and names their file"
    return warn(found, cure, **numbers)


def outliers(scene: Scene) -> Check:
    """Figures of the newest dates that stand out from those of the dates around them."""
    rules = scene.settings.quality
    judged = scene.judged
    among = Neighbourhood(judged)
    newest = range(max(0, len(judged) - _NEWEST), len(judged))
    far = {place: found for place in newest if (found := among.outliers(place, rules.outlier_z))}
    dates = tuple(judged[place].date for place in far)
    z = max((abs(each.z) for found in far.values() for each in found), default=None)
    numbers = {"value": z, "limit": rules.outlier_z, "unit": "z", "dates": dates}
    if not far:
        return ok(f"none of the newest {counted(len(newest), 'date')} stands out", **numbers)
    told = [f"{judged[place].date} ({', '.join(map(str, found))})" for place, found in list(far.items())[-3:]]
    more = f" and {len(far) - 3:,} more" if len(far) > 3 else ""
    stand = "stands" if len(far) == 1 else "stand"
    words = f"{counted(len(far), 'date')} of the newest {len(newest)} {stand} out: {', '.join(told)}{more}"
    return warn(words, f"{of_these(dates, _LOOK)} shows its figures beside those of other days", **numbers)
