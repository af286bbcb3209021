"""The alerts about what sealed dates are worth.

What the source sent badly once it may have sent so for ever, and nobody can mend it: so a bad day fails while
it is news and only warns later, and records and figures that stand out are told of the newest dates alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from spx_data.ops.health.check import Check, fail, named, notice, of_these, ok, warn
from spx_data.ops.health.scene import Scene
from spx_data.settings import Quality
from spx_data.status.listings import Listings
from spx_data.status.outliers import Neighbourhood
from spx_data.status.quality import PARTS, Day, verdict
from spx_data.status.quality import habits as of_the_source
from spx_data.text.words import counted

_NEWS_DAYS = 30  # since the seal
_NEWEST = 30  # judged dates
_LOOK = "spx-data quality DATE"
_MEND = "spx-data mend asks again for what is lacking"
_ASK = "snakemake --cores 4 recheck --config dates="


def _cure(bad: Sequence[Day]) -> str:
    dates = [day.date for day in bad]
    return f"{of_these(dates, _LOOK)} says why; {_ASK}{dates[0]} asks the source again"


def quality(scene: Scene) -> Check:
    """Sealed dates whose score is below the thresholds of the settings."""
    name, rules = "quality", scene.settings.quality
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
        return ok(name, f"{counted(len(judged), 'date')} judged, none below {rules.warn_below:g}", **numbers)
    words = []
    if failing:
        listed = named([day.date for day in failing])
        words.append(f"{counted(len(failing), 'date')} below {rules.fail_below:g} of 100: {listed}")
    if doubtful:
        words.append(f"{counted(len(doubtful), 'date')} to look at: {named([day.date for day in doubtful])}")
    words.append(_most_of_all([*failing, *doubtful]))
    news = {line.date for line in scene.sealed if (line.facts.sealed_at or "") >= scene.since(_NEWS_DAYS)}
    level = fail if any(day.date in news for day in failing) else warn
    return level(name, "; ".join(filter(None, words)), _cure(failing or doubtful), **numbers)


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
        return ok("habits", "the source has no habit that our model does not explain", **numbers)
    cure = "Nothing to do: no day loses points by it; docs/quality.md says how days are judged"
    return notice("habits", "; ".join(map(str, found.values())), cure, **numbers)


def completeness(scene: Scene) -> Check:
    """Contracts and stamps that are missing without an explanation; expirations that were not even listed."""
    name = "completeness"
    judged = scene.judged
    listings = Listings(scene.summaries)
    newest = range(max(0, len(judged) - _NEWEST), len(judged))
    lost = {judged[place].date: found for place in newest if (found := listings.lost(place))}
    holes = [day for day in judged if day.complete is False or day.date in lost]
    dates = tuple(day.date for day in holes)
    numbers = {"value": len(dates), "limit": 0, "unit": "dates", "dates": dates}
    if not holes:
        return ok(name, f"nothing is missing in {counted(len(judged), 'sealed date')}", **numbers)
    missing = {
        "contract": sum(day.contracts_missing or 0 for day in holes),
        "stamp": sum(day.stamps_missing or 0 for day in holes),
        "expiration": sum(map(len, lost.values())),
    }
    what = ", ".join(counted(number, noun) for noun, number in missing.items() if number)
    words = f"missing in {counted(len(dates), 'date')}: {named(dates)}{f' ({what})' if what else ''}"
    # What only days beside know of is not asked for by a mend.
    cure = _cure(holes) if lost else f"{of_these(list(dates), _LOOK)} says why; {_MEND}"
    return warn(name, words, cure, **numbers)


def rejects(scene: Scene) -> Check:
    """Bad records of the newest dates, and records that contradict each other."""
    name = "rejects"
    judged = scene.judged[-_NEWEST:]
    bad = [day for day in judged if day.rejected or day.conflicts]
    dates = tuple(day.date for day in bad)
    rejected, conflicts = (sum(getattr(day, what) or 0 for day in bad) for what in ("rejected", "conflicts"))
    numbers = {"value": rejected + conflicts, "unit": "records", "dates": dates}
    if not bad:
        return ok(name, f"no bad record in the newest {counted(len(judged), 'date')}", **numbers)
    found = (
        f"{counted(rejected, 'bad record')} and {counted(conflicts, 'conflict')} "
        f"in {counted(len(dates), 'date')} of the newest {_NEWEST}: {named(dates)}"
    )
    cure = f"{of_these(dates, _LOOK)} counts them by reason and names their file"
    return warn(name, found, cure, **numbers)


def outliers(scene: Scene) -> Check:
    """Figures of the newest dates that stand out from those of the dates around them."""
    name, rules = "outliers", scene.settings.quality
    judged = scene.judged
    among = Neighbourhood(judged)
    newest = range(max(0, len(judged) - _NEWEST), len(judged))
    far = {place: found for place in newest if (found := among.outliers(place, rules.outlier_z))}
    dates = tuple(judged[place].date for place in far)
    z = max((abs(each.z) for found in far.values() for each in found), default=None)
    numbers = {"value": z, "limit": rules.outlier_z, "unit": "z", "dates": dates}
    if not far:
        return ok(name, f"none of the newest {counted(len(newest), 'date')} stands out", **numbers)
    told = [f"{judged[place].date} ({', '.join(map(str, found))})" for place, found in list(far.items())[-3:]]
    more = f" and {len(far) - 3:,} more" if len(far) > 3 else ""
    words = f"{counted(len(far), 'date')} of the newest {_NEWEST} stand out: {', '.join(told)}{more}"
    return warn(name, words, f"{of_these(dates, _LOOK)} shows the figures around it", **numbers)
