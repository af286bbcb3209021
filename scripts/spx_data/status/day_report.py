"""All that is known of what one sealed day is worth: its passport's judgement among its neighbours'."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from spx_data.errors import SchemaValidationError
from spx_data.lake import passports
from spx_data.quality import DETAILS, weighted
from spx_data.settings import Settings
from spx_data.status import neighbours
from spx_data.status import quality as of_the_source
from spx_data.status.neighbours import Listings
from spx_data.status.quality import PARTS, Day, Habits, is_habit
from spx_data.status.summary import Summary
from spx_data.store.layout import Layout

Document = Mapping[str, Any]


def of(settings: Settings, summaries: Sequence[Summary], days: Sequence[Day], date: dt.date) -> Document:
    """The report on *date*, one of the sealed dates; *days* are those of *summaries*, oldest first.

    Raises:
        SchemaValidationError: it was sealed without a judgement.
        FileCorruptionError, MissingFileError: its passport is not what was sealed with it.
    """
    layout, rules = settings.layout, settings.quality
    passport = passports.read(layout, date, whole=True).document
    place = next((number for number, day in enumerate(days) if day.date == date), None)
    if place is None:
        raise SchemaValidationError(
            f"{layout.passport(date)} holds no judgement: a version before judged nothing",
            cure=f"Move {layout.parquet(date).parent} away and fill it again: `spx-data process {date}`",
            what=str(layout.passport(date)),
        )
    day, quality, details = days[place], passport["quality"], passport[DETAILS]
    habits = of_the_source.habits(summaries)
    return {
        "date": date.isoformat(),
        "score": day.score,
        "verdict": day.verdict,
        "parts": [
            {"part": part, "score": getattr(day, part), "weight": rules.weights.get(part, 0.0)}
            for part in PARTS
            if part in quality["parts"]
        ],
        "checks": [
            {**check, "does_not_apply": check.get("does_not_apply"), "habit": _is_habit(check, habits)}
            for check in quality["checks"]
        ],
        "findings": list(day.findings),
        "expirations_lost": Listings(settings.product, summaries).lost(place),
        "outliers": distances(days, place, rules.outlier_z),
        "chains": [
            _chain(chain, detail, rules.weights)
            for chain, detail in zip(passport["chains"], details["chains"], strict=True)
        ],
        "completeness": passport["completeness"],
        "rejects": {**passport["rejects"], "path": rejects_path(layout, date, passport["rejects"])},
        "nulls": passport["nulls"],
        "session": passport["session"],
        "figures": quality["figures"],
        "underlying": passport["underlying"],
        "minutes": details["minutes"],
        "provenance": _provenance(passport),
    }


def distances(days: Sequence[Day], place: int, threshold: float) -> list[dict[str, Any]]:
    """How far each figure of a day is from those around it, and whether it stands out."""
    found = neighbours.Neighbourhood(days).distances(place)
    return [{**asdict(each), "stands_out": abs(each.z) >= threshold} for each in found]


def worst(checks: Sequence[Document], part: str) -> Document | None:
    """The check that a part of the score has its points from; None where none of its checks scored."""
    scored = (
        check
        for check in checks
        if check["part"] == part and check["score"] is not None and not check["habit"]
    )
    return min(scored, key=lambda check: float(check["score"]), default=None)


def _is_habit(check: Document, habits: Habits) -> bool:
    return is_habit(check["check"], check["hits"], check["of"], habits)


def stamps(minutes: Mapping[str, Any]) -> list[dt.datetime]:
    """The stamps at which a dossier's `minutes` counts hits, on a day without a date."""
    if not minutes:
        return []
    first = dt.datetime.combine(dt.date.min, dt.time.fromisoformat(minutes["first"]))
    step = dt.timedelta(seconds=minutes["step_seconds"])
    longest = max(map(len, minutes["hits"].values()), default=0)
    return [first + number * step for number in range(longest)]


def busiest(minutes: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """The first stamp at which each check of a dossier's `minutes` found most, and how much that was."""
    clock = stamps(minutes)
    return {
        code: (f"{clock[hits.index(max(hits))]:%H:%M}", max(hits))
        for code, hits in (minutes["hits"] if minutes else {}).items()
        if any(hits)
    }


def rejects_path(layout: Layout, date: dt.date, rejects: Mapping[str, Any]) -> str | None:
    """Where the bad records of a date stand; None where there are none."""
    return str(layout.rejects(date)) if rejects["sha256"] else None


def _chain(
    chain: Mapping[str, Any], detail: Mapping[str, Any], weights: Mapping[str, float]
) -> dict[str, Any]:
    """Both parts of the passport that are about a chain, with its score by the weights of now."""
    quality = detail["quality"]
    points = weighted(quality["parts"], weights) if quality else None
    return {"nulls": {}, **chain, **detail, "quality": quality and {**quality, "score": points}}


def _provenance(passport: Mapping[str, Any]) -> dict[str, Any]:
    """Where the day's records came from, and what vouches for them."""
    return {
        "source": passport["source"],
        "sealed_at": passport["sealed_at"],
        "written_by": passport["written_by"],
        "rows": passport["rows"],
        "records_sha256": passport["records_sha256"],
        "parquet": passport["parquet"],
        "judgement": passport["quality"]["format"],
    }
