"""Publish what is sealed and not published yet, several days at a time; and hold against the lake what is.

A day's objects come into being in the order of the disk: Parquet, passport, contracts, sidecar, and last the
pointer that says that it holds. Each is created only where absent, and hashed as it comes back, so an object
that was cut off, or that somebody else put there, is found before anything points to it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from spx_data.config import shipped
from spx_data.errors import (
    ConfigurationValidationError,
    DatasetMismatchError,
    MissingFileError,
    SpxDataError,
)
from spx_data.lake import published as keys
from spx_data.lake import session_states
from spx_data.lake.published import Published, Sealed
from spx_data.market.dates import Dates
from spx_data.ops import publish
from spx_data.settings import Settings
from spx_data.sources.objects import Objects
from spx_data.sources.places import check_url
from spx_data.store import dataset, files, foreign, journal, reads
from spx_data.store.journal import Journal
from spx_data.store.layout import Layout

AS_PUBLISHED, OTHER, ABSENT, DAMAGED = "as sealed", "another version", "not published", "damaged"


@dataclass(frozen=True)
class Done:
    """What became of a date: *what* is published or how it stands, or the error that got in the way."""

    date: dt.date
    what: str = ""
    bytes: int = 0
    error: SpxDataError | None = None


@contextmanager
def begun(settings: Settings, place: str | None, *, several: bool = False) -> Iterator[Publisher]:
    """A publisher to *place* for the block, of which the journal tells, whatever ends it.

    Of *several* lakes it is one's folder in the place of all, which is made in a folder that is there.

    Raises:
        ConfigurationValidationError: there is no place; else as `Publisher`.
    """
    log = Journal(settings.layout.lake_journal, "publish")
    named = None  # what may have a credential in it is no place, and the journal does not learn it
    try:
        if place is None:
            raise _nowhere()
        check_url(place)
        named = place
        if several and place.startswith("file:"):
            _make_own_folder(place)
        publisher = Publisher(settings, place)
    except SpxDataError as error:
        log.mention(journal.PUBLISHED, url=named, **_event([], error))
        raise
    failure: SpxDataError | None = None
    try:
        yield publisher
    except SpxDataError as error:
        failure = error
        raise
    finally:
        publisher.note()
        if publisher.done or failure:
            log.mention(journal.PUBLISHED, url=place, **_event(publisher.done, failure))


def _event(done: Sequence[Done], failure: SpxDataError | None) -> dict[str, Any]:
    """What became of days as fields of an event, in the order of the days: they end as they end."""
    done = sorted(done, key=attrgetter("date"))
    good = [each for each in done if each.error is None]
    return {
        "days": [each.date.isoformat() for each in good],
        "bytes": sum(each.bytes for each in good),
        "failed": [each.date.isoformat() for each in done if each.error],
        "by": journal.user(),
        **(journal.described(failure) if failure else {}),
    }


def _make_own_folder(place: str) -> None:
    folder = Path(unquote(urlsplit(place).path))
    if reads.is_folder(folder.parent):  # or its disk is not mounted: the place refuses
        files.make_directory(folder)


def _nowhere() -> ConfigurationValidationError:
    return ConfigurationValidationError(
        "publish.url: nobody says where to publish to",
        cure="Name the place: `spx-data config set publish.url s3://bucket/spx`",
        what="publish.url",
    )


class Publisher:
    """The published lake of one lake, by a listing of the moment."""

    def __init__(self, settings: Settings, url: str) -> None:
        """List what is there.

        Raises:
            MachineError: the extra `publish` is not installed.
            ConfigurationValidationError: there is no such place, or it refuses.
            DatasetMismatchError: another lake is published there.
        """
        shipped.check_extra("publish")
        self._layout: Layout = settings.layout
        dataset.check_there(self._layout)
        self._objects = Objects.at(url)
        sizes = self._objects.sizes()
        self._check_lake(sizes)
        self._there = keys.listed(sizes)
        self._known: dict[dt.date, str] = {}
        self.done: list[Done] = []

    def _check_lake(self, sizes: Mapping[str, int]) -> None:
        """Raise unless what is published there, if anything is, is of this lake."""
        if keys.DATASET in sizes:
            self._check_identity()
        elif keys.listed(sizes):
            raise not_ours(self._objects.url, f"it has days and no {keys.DATASET}")

    def _check_identity(self) -> None:
        identity = self._objects.content(keys.DATASET, lambda content: not self._other_lake(content))
        if finding := self._other_lake(identity):
            raise not_ours(self._objects.url, finding)

    def _other_lake(self, identity: bytes) -> str:
        """What is published there instead of this lake, by its *identity*; empty where it is this one."""
        try:
            found = foreign.parsed(identity)
        except ValueError as error:
            return f"its {keys.DATASET} is none: {error}"
        there: Mapping[str, Any] = found if isinstance(found, dict) else {}
        ours = dataset.check(self._layout, {}) or {}
        names = sorted({*ours, *there} - {keys.RAISED})
        differing = [name for name in names if there.get(name) != ours.get(name)]
        return f"another lake is published there ({', '.join(differing)})" if differing else ""

    def due(self, within: Dates | None) -> list[Sealed]:
        """The sealed days that are not published as they are sealed, the oldest first."""
        return [day for day in self._sealed(within) if day.date not in self._known]

    def _sealed(self, within: Dates | None) -> list[Sealed]:
        """The sealed days *within*, the oldest first; of all days it is known then which are published."""
        found = []
        for date in session_states.sealed_dates(self._layout):
            day = Sealed.of(self._layout, date)
            if self.is_published(day):
                self._known[date] = day.seal
            if within is None or date in within:
                found.append(day)
        return found

    def note(self) -> None:
        """Note which days are published as they are sealed, as `due`, `publish` and `verify` have found."""
        publish.write(self._layout, self._objects.url, self._known)

    def is_published(self, day: Sealed) -> bool:
        """Whether *day* is published as it is sealed, by the listing; of several versions, by its pointer."""
        there = self._there.get(day.date)
        if there is None or not there.pointers or day.seal not in there.versions:
            return False
        if not there.versions[day.seal].has(day):
            return False
        return len(there.versions) == 1 or self._current(day.date, there) == day.seal

    def _current(self, date: dt.date, there: Published) -> str:
        """The seal of the version of *date* that holds."""
        return keys.seal_at(self._objects, date, max(there.pointers))

    def publish(self, days: Sequence[Sealed], workers: int) -> Iterator[Done]:
        """Publish *days*, so many at a time; an error of one is told, and one that all would meet ends it."""
        if days:
            is_new = self._objects.create(keys.DATASET, self._layout.dataset)
            self._check_identity()  # another publisher may have been faster, with another lake
            if is_new:
                self._check(keys.DATASET, reads.digest(self._layout.dataset))
        for each in _side_by_side(days, self._publish, workers):
            self.done.append(each)
            yield each

    def _publish(self, day: Sealed) -> Done:
        size = 0
        for file, key in zip(day.files, day.keys(), strict=True):
            if (found := reads.digest(file.path)) != file.sha256:
                raise keys.damaged(
                    str(file.path), file.sha256, found, "`spx-data verify` says what is damaged"
                )
            self._objects.create(key, file.path)
            self._check(key, file.sha256)
            size += reads.size(file.path)
        self._point(day)
        self._known[day.date] = day.seal
        return Done(day.date, day.seal, size)

    def _check(self, key: str, sha256: str) -> None:
        if (found := self._objects.digest(key, sha256)) != sha256:
            place = f"{self._objects.url}/{key}"
            raise keys.damaged(place, sha256, found)

    def _point(self, day: Sealed) -> None:
        """Create the pointer to *day*, behind all that are there; another publisher may be faster."""
        there = self._there.get(day.date)
        number = max(there.pointers, default=0) if there else 0
        if number and self._names(number, day) == day.seal:
            return
        content = json.dumps(day.pointer(), indent=1).encode() + b"\n"
        while not self._objects.create(keys.pointer_key(day.date, number + 1), content):
            number += 1
            if self._names(number, day) == day.seal:
                return
        if (found := self._names(number + 1, day)) != day.seal:
            key = f"{self._objects.url}/{keys.pointer_key(day.date, number + 1)}"
            raise keys.damaged(
                key, day.seal, found, "Another publisher wrote it at the same time: publish again"
            )

    def _names(self, number: int, day: Sealed) -> str:
        """The seal that a pointer to a version of *day* names."""
        return keys.seal_at(self._objects, day.date, number, day.seal)

    # What is published ------------------------------------------------------------------------------------

    def verify(self, within: Dates | None, workers: int) -> Iterator[Done]:
        """Read back each sealed day that is published, whole, and say how it stands against the lake."""
        yield from _side_by_side(self._sealed(within), self._looked_at, workers)

    def _looked_at(self, day: Sealed) -> Done:
        there = self._there.get(day.date)
        if there is None or not there.pointers:
            return Done(day.date, ABSENT)
        if self._current(day.date, there) != day.seal:
            return Done(day.date, OTHER)
        size = 0
        self._known.pop(day.date, None)
        for file, key in zip(day.files, day.keys(), strict=True):
            try:
                is_good = self._objects.digest(key, file.sha256) == file.sha256
            except MissingFileError:
                is_good = False
            if not is_good:
                return Done(day.date, f"{DAMAGED}: {key}", size)
            size += reads.size(file.path)
        self._known[day.date] = day.seal
        return Done(day.date, AS_PUBLISHED, size)


def _side_by_side(days: Sequence[Sealed], work: Callable[[Sealed], Done], workers: int) -> Iterator[Done]:
    """What *work* gives for each of *days* as it is done; what would meet all of them is raised."""
    with ThreadPoolExecutor(workers, thread_name_prefix="publish") as pool:
        begun = {pool.submit(work, day): day.date for day in days}
        try:
            for future in as_completed(begun):
                yield _done(begun[future], future)
        finally:  # also where nobody asks for the rest
            pool.shutdown(cancel_futures=True)


def _done(date: dt.date, future: Future[Done]) -> Done:
    try:
        return future.result()
    except ConfigurationValidationError:
        raise
    except SpxDataError as error:
        return Done(date, error=error)


def not_ours(url: str, finding: str) -> DatasetMismatchError:
    """The error that what is published at *url* is of another lake."""
    return DatasetMismatchError(
        f"{url}: {finding}", cure="Publish each lake to a folder of its own (publish.url)", what="publish.url"
    )
