"""What the passports of sealed days say of them, each held against the day that it lies with.

A day copied over another one with a sidecar made anew has healthy bytes, and another day's rows: so the date
in the path, in the passport and in the Parquet's footer must be the same. No row group is read for that.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from spx_data import config
from spx_data.errors import FileCorruptionError, MissingFileError, SchemaValidationError
from spx_data.lake import passports
from spx_data.lake.reader.presence import named
from spx_data.lake.verify import pages
from spx_data.quality import score
from spx_data.settings import Settings
from spx_data.store import parquet
from spx_data.store.layout import Layout

Passport = Mapping[str, Any]


def read(layout: Layout, digests: Mapping[dt.date, str]) -> dict[dt.date, Passport]:
    """The passports, without their details, of the days whose sidecars have these *digests*.

    Raises:
        FileCorruptionError: one is lost or damaged, or it, the footer or the sidecar is of other data; every
            such day is named.
        OtherVersionError: one was sealed by another version of spx-data.
    """
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="passports") as pool:
        found = list(pool.map(lambda date: _looked_at(layout, date, digests[date]), digests))
    wrong = {date: word for date, word in zip(digests, found, strict=True) if isinstance(word, str)}
    if not wrong:
        return {date: word for date, word in zip(digests, found, strict=True) if not isinstance(word, str)}
    first = min(wrong)
    raise FileCorruptionError(
        f"{layout.output}: {len(wrong):,} of {len(digests):,} days are not what their names say: "
        f"{named(wrong)}; {first}: {wrong[first]}",
        cure="Run snakemake verify, which moves them away, then snakemake --cores 4 to fetch them again",
        path=layout.parquet(first),
        expected="the same date and the same bytes in the path, passport, sidecar and footer",
        actual={date.isoformat(): word for date, word in wrong.items()},
    )


def _looked_at(layout: Layout, date: dt.date, sha256: str) -> Passport | str:
    """The passport of *date*, or what is wrong with the day."""
    try:
        passport = passports.read(layout, date).document
        told, described = passport["date"], passport["parquet"]["sha256"]
    except MissingFileError:
        return "its passport is not there"
    except FileCorruptionError as error:
        return error.cause
    except (LookupError, TypeError):
        return "its passport is none of ours"
    if told != date.isoformat():
        return f"its passport is of {told}"
    if described != sha256:
        return f"its passport is of a Parquet with the SHA-256 {str(described)[:12]}…, its sidecar of another"
    return _misfit(layout, date, passport) or passport


def _misfit(layout: Layout, date: dt.date, passport: Passport) -> str | None:
    """How the footer of *date* is none of its passport's day; None where it is."""
    survey = pages.footer_alone(layout.parquet(date))
    if survey.footer is None:
        return f"its {survey.faults[0]}"
    try:
        version = parquet.version_of(survey.footer.schema_version, layout.parquet(date))
    except SchemaValidationError as error:
        return error.cause
    if version != passport["schema_version"]:
        return f"its passport says schema version {passport['schema_version']}, its footer {version}"
    if survey.footer.dates != {date}:
        return f"its rows are of {named(sorted(survey.footer.dates)) or 'no date'}"
    return None


def incomplete(passports: Mapping[dt.date, Passport]) -> dict[dt.date, str]:
    """The days of which something is unknown, each with what, as far as it is told."""
    return {
        date: "; ".join(map(str, completeness.get("unknown") or ())) or "not said what"
        for date, passport in passports.items()
        if not (completeness := passport.get("completeness") or {}).get("complete")
    }


def below(passports: Mapping[dt.date, Passport], least: float) -> Sequence[dt.date]:
    """The days that were not judged, or have a score below *least* by the weights of the shipped settings."""
    weights = _shipped_weights()
    scores = {date: _score(passport, weights) for date, passport in passports.items()}
    return [date for date, found in scores.items() if found is None or found < least]


def _score(passport: Passport, weights: Mapping[str, float]) -> float | None:
    parts = (passport.get("quality") or {}).get("parts", {})
    return score.weighted({name: part["score"] for name, part in parts.items()}, weights)


def _shipped_weights() -> Mapping[str, float]:
    """The weights of whoever says nothing about them: a lake is read without its config file."""
    document = {"processing": {"start_date": "2024-01-02"}}
    return Settings.of(config.resolve(document, {})).quality.weights
