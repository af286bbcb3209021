"""Days that a lake has lost, back from where they were published: byte for byte, and checked first.

A day comes into the lake aside that mends use, each file hashed as it comes; there it is examined as `verify`
does, every page of it, and held against what the lake is of. Only then it is copied into place in the order
of a seal, its sidecar last. A call that is killed leaves a day that is sealed or one that is not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from spx_data.errors import (
    ApiConnectionError,
    ConfigurationValidationError,
    FileCorruptionError,
    MissingFileError,
    SpxDataError,
)
from spx_data.lake import passports, runs
from spx_data.lake.published import PublishedLake
from spx_data.lake.reader import days
from spx_data.lake.verify.examination import examine
from spx_data.lake.verify.quarantine import quarantine
from spx_data.lake.verify.witnesses import Standing, last_seal
from spx_data.market.dates import Dates
from spx_data.ops.mend.remake import aside
from spx_data.ops.publish.publishing import not_ours
from spx_data.ops.recheck import alone, versions
from spx_data.settings import Settings
from spx_data.sources.places import PUBLISH_URL
from spx_data.store import dataset, files, journal, locks, reads, seals
from spx_data.store.journal import Journal
from spx_data.store.layout import Layout


@dataclass(frozen=True)
class Restored:
    """What became of a date: the *bytes* that came back, or the error that got in the way.

    *is_other* says that the lake had sealed another version since, which was not published.
    """

    date: dt.date
    bytes: int = 0
    is_other: bool = False
    error: SpxDataError | None = None


def lost(settings: Settings, there: PublishedLake, within: Dates | None) -> list[dt.date]:
    """The dates to bring back, the oldest first: those that were sealed once and are not whole any more.

    Of those *within*, also what is published and was never sealed here.
    """
    found = {*days.look(settings.layout, within).lost}
    if within is not None:
        known = {*there.days, *there.broken, *within.single}
        found |= {date for date in known if date in within and not _is_sealed(settings.layout, date)}
    return sorted(found)


def _is_sealed(layout: Layout, date: dt.date) -> bool:
    return seals.is_sealed(layout.parquet(date))


def published_for(settings: Settings, url: str) -> PublishedLake:
    """The lake that is published at *url*, which is to be that of the *settings*.

    Raises:
        DatasetMismatchError: another lake is published there.
        LakeMissingError: the lake's disk may not be mounted.
        ConfigurationValidationError: there is no such place, it refuses, or no lake is published there.
    """
    there = PublishedLake(url, PUBLISH_URL)
    dataset.check_there(settings.layout)
    _check_same(settings, there.told, there.url)
    return there


def _check_same(settings: Settings, told: Mapping[str, Any], place: str) -> None:
    wanted = settings.identity(str(told.get("greeks_version")))
    dataset.check(settings.layout, wanted)
    if finding := dataset.differing(told, wanted):
        raise not_ours(place, f"another lake is published there: {finding}")


def restore(settings: Settings, there: PublishedLake, dates: Sequence[dt.date]) -> Iterator[Restored]:
    """Bring *dates* back, one after the other; an error of one is told, and one that all would meet ends it.

    Raises:
        AnotherRunError: a run is at work in the lake.
    """
    layout = aside(settings).layout
    with runs.excluded(settings.layout), alone(settings, versions.MEND):
        versions.drop_all(layout)
        for date in dates:
            try:
                found = _restored(settings, there, layout, date)
            except SpxDataError as error:
                found = Restored(date, error=error)
            yield found
            if found.error is not None and _ends_all(found.error):
                break
            with suppress(SpxDataError):
                versions.drop(layout, date)
        with suppress(SpxDataError):
            versions.drop_all(layout)


def _ends_all(error: SpxDataError) -> bool:
    """Whether every date would meet it."""
    return error.surroundings or isinstance(error, ConfigurationValidationError | ApiConnectionError)


def _restored(settings: Settings, there: PublishedLake, layout: Layout, date: dt.date) -> Restored:
    passport = _fetched(there, layout, date)
    _check_same(settings, passport["dataset"], there.url)
    target = settings.layout
    # To the date it is the second half of a merge: readers of its journal after a stop know that word.
    log = Journal(target.journal(date), "merge")
    with locks.alone(target.day_lock(date)):
        last = last_seal(journal.read(target.journal(date)))
        examination = examine(target, date, "bytes")
        if examination.standing is Standing.HEALTHY:
            return Restored(date)
        if examination.standing is Standing.DAMAGED:
            quarantine(target, date, examination)
        with log.attempt():
            dataset.claim(target, passport["dataset"])
            folder = files.make_directory(target.parquet(date).parent)
            versions.copy_sealed(layout.day_files(date), folder)
            vouched = seals.read(target.parquet(date))
            told = {"rows": passport["rows"], **passport["parquet"], "passport_sha256": vouched.passport}
            log.mention(journal.SEALED, **told, published=there.url)
    size = sum(reads.size(path) for path in target.day_files(date) if reads.is_there(path))
    is_other = last.parquet is not None and (last.parquet, last.passport) != vouched[:2]
    return Restored(date, size, is_other)


def _fetched(there: PublishedLake, layout: Layout, date: dt.date) -> dict[str, Any]:
    """The passport of *date*, which is in the lake aside as it was sealed, and looked at page by page.

    Raises:
        MissingFileError: it is not published.
        FileCorruptionError: it is not published whole, or is not what was sealed.
    """
    if date not in there.days:
        raise _not_there(there, date)
    parquet, sidecar, passport, contracts = (
        path(date) for path in (layout.parquet, layout.sidecar, layout.passport, layout.contracts)
    )
    versions.drop(layout, date)
    content = there.sidecar(date, sidecar.name)
    with files.atomic(sidecar) as stream:
        stream.write(content)
    vouched = seals.read(parquet)
    for path, sha256 in zip((parquet, passport, contracts), vouched, strict=True):
        if sha256 is not None:
            there.fetch(date, sha256, path)
    found = examine(layout, date, "pages")
    if found.standing is not Standing.HEALTHY:
        raise FileCorruptionError(
            f"{date} was published damaged, and is not put in place: {'; '.join(map(str, found.findings))}",
            cure=f"`spx-data process {date}` asks the source for it",
            path=there.url,
            expected=dict(found.expected),
            actual=dict(found.found),
        )
    return passports.read(layout, date, whole=True).document


def _not_there(there: PublishedLake, date: dt.date) -> SpxDataError:
    cure = f"`spx-data process {date}` asks the source for it"
    if date in there.broken:
        return FileCorruptionError(
            f"{date} is not whole any more in {there.url}: an object of it is gone, or its pointer is none",
            cure=cure,
            path=there.url,
            expected="every object of the day",
            actual="fewer",
        )
    return MissingFileError(f"{date} is not published in {there.url}", cure=cure, path=there.url)
