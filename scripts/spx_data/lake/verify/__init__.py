"""Whether what is sealed is still what was sealed, byte for byte; and moving away what is not.

`examine` looks at a date and names every damage, `quarantine` moves a damaged one away, `verify` does both
for a whole lake, and `root_of` gives one digest that stands for all of it: the root of a Merkle tree.

The tree is that of RFC 6962, section 2.1 (Certificate Transparency), with SHA-256:

    leaf(d)   = SHA-256(0x00 ‖ d)           d = the text "YYYY-MM-DD <64 hexadecimal digits>", no newline
    node(l,r) = SHA-256(0x01 ‖ l ‖ r)
    root()    = SHA-256()                    of nothing
    root(d1)  = leaf(d1)
    root(n)   = node(root(first k), root(rest)), k the largest power of two below n

Leaves are in date order; the digits are those of the date's sidecar. So two people who name the same root
mean the same bytes on the same dates, and anyone who has the sidecars can compute it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from spx_data.errors import MissingFileError, SchemaValidationError
from spx_data.lake.verify.examination import examine, work
from spx_data.lake.verify.quarantine import quarantine
from spx_data.lake.verify.witnesses import Damage, Depth, Examination, Finding, Standing
from spx_data.market.dates import Dates
from spx_data.settings import Settings
from spx_data.store import cores, dataset, faults, journal, locks, reads, tree
from spx_data.store.journal import Journal
from spx_data.store.layout import Layout
from spx_data.store.tree import Tree
from spx_data.text.words import counted

__all__ = [
    "Damage",
    "Day",
    "Examination",
    "Finding",
    "Progress",
    "Report",
    "Standing",
    "examine",
    "quarantine",
    "root_of",
    "roots_by_year",
    "subjects",
    "tree_hash",
    "verify",
]


@dataclass(frozen=True)
class Progress:
    """How far a verification has come; bytes count once hashed and once more read, where pages are read."""

    days: int
    days_total: int
    bytes: int
    bytes_total: int


Observer = Callable[[Progress], None]


@dataclass(frozen=True)
class Day:
    """One date's outcome: its examination, where its files went, and the error that got in the way."""

    date: dt.date
    examination: Examination | None = None
    folder: str | None = None
    error: Exception | None = None

    @property
    def standing(self) -> Standing | None:
        """What the date's examination came to; None where it could not be examined."""
        return self.examination.standing if self.examination else None


@dataclass(frozen=True)
class Report:
    """What a verification found, by date."""

    depth: Depth
    seconds: float
    days: Sequence[Day]
    within: Dates | None = None
    digests: dict[dt.date, str] = field(default_factory=dict)  # of the healthy days
    tree: Tree = field(default_factory=Tree)  # with what stands beside the days
    dataset: Sequence[str] = ()  # what is wrong with dataset.json, each with its cure

    def of(self, standing: Standing) -> list[Day]:
        """The days of one standing, oldest first."""
        return [day for day in self.days if day.standing is standing]

    @property
    def errors(self) -> list[Day]:
        """The days that could not be examined or moved away, oldest first."""
        return [day for day in self.days if day.error is not None]

    @property
    def beside(self) -> list[Day]:
        """The healthy days with a file beside them that is lost or changed, oldest first."""
        return [day for day in self.days if day.examination and day.examination.beside]

    @property
    def bytes(self) -> int:
        """Bytes of Parquet that were hashed."""
        return sum(day.examination.bytes for day in self.days if day.examination)

    @property
    def all_is_well(self) -> bool:
        """Whether nothing is damaged, neither a day nor what lies beside it, and all could be examined."""
        return not (self.of(Standing.DAMAGED) or self.errors or self.beside or self.dataset)

    @property
    def root(self) -> str:
        """The verification root of the healthy days (`root_of`)."""
        return root_of(self.digests)

    @property
    def roots_by_year(self) -> dict[int, str]:
        """The verification root of each year's healthy days."""
        return roots_by_year(self.digests)


def verify(
    settings: Settings,
    within: Dates | None = None,
    *,
    depth: Depth | None = None,
    workers: int = 1,
    observer: Observer | None = None,
) -> Report:
    """Examine every date *within* (all, where None) and move the damaged ones to quarantine.

    *workers* dates are looked at side by side. A date that cannot be examined or moved is reported with its
    error and stops no other. Healthy days are only read.

    Raises:
        LakeMissingError: nothing of the lake is there; days on a disk that is not mounted are not damaged.
    """
    begun, layout = time.monotonic(), settings.layout
    dataset.check_there(layout)
    depth, walked = depth or settings.verify_depth, tree.walk(layout)
    dates = list(subjects(layout, within, walked.dates))
    watch = _Watch(layout, dates, depth, observer)
    # Threads do, for hashing and decoding run free.
    found = cores.each_of(lambda date: _verify(layout, date, depth, watch), dates, max(workers, 1))
    days = [*found.values()]
    digests = {
        day.date: str(day.examination.found["sha256"])
        for day in days
        if day.examination and day.standing is Standing.HEALTHY
    }
    wrong = [*_of_dataset(layout, days)]
    report = Report(depth, time.monotonic() - begun, days, within, digests, walked, wrong)
    Journal(layout.lake_journal, "verify").mention(journal.VERIFIED, **_summary(report))
    return report


def _of_dataset(layout: Layout, days: Sequence[Day]) -> Iterator[str]:
    """What is wrong with the data set's own file, by the passports of the healthy *days*."""
    sealed = {
        day.date: day.examination.dataset for day in days if day.examination and day.examination.dataset
    }
    path, told = layout.dataset, dict[str, list[dt.date]]()
    if not sealed:
        return
    if not reads.is_there(path):
        yield (
            f"{path} is not there, and {counted(len(sealed), 'day')} were sealed with it. Take it from a "
            "copy of the lake; else the next seal writes it by the settings of then"
        )
        return
    try:
        for date, identity in sealed.items():
            if words := dataset.differences(path, identity):
                told.setdefault(words, []).append(date)
    except SchemaValidationError as error:
        held = json.dumps(next(iter(sealed.values())))
        yield f"{error.cause}. Write this into it, as the passports have it: {held}"
    for words, dates in told.items():
        first, last = dates[0], dates[-1]
        yield (
            f"{path} is not what the passports of {counted(len(dates), 'day')} have ({first} to {last}): "
            f"{words}. If it was edited, write it back; days of two data sets in one folder belong in two"
        )


def subjects(layout: Layout, within: Dates | None, on_disk: Iterable[dt.date]) -> Iterator[dt.date]:
    """The dates to look at, oldest first: on disk, or named one by one, or sealed once by their journal."""
    present = {date for date in on_disk if within is None or date in within}
    named = set(within.single) if within else set()
    yield from sorted(present | named | set(_sealed_once(layout, within, present)))


def _sealed_once(layout: Layout, within: Dates | None, present: set[dt.date]) -> Iterator[dt.date]:
    """The dates that are gone and were sealed by what their journal says."""
    since = dataset.given_up(layout)
    for path in layout.journals():
        date = dt.date.fromisoformat(path.stem)
        wanted = date not in present and (within is None or date in within)
        if wanted and journal.was_sealed(journal.read(path), since):
            yield date


def _verify(layout: Layout, date: dt.date, depth: Depth, watch: _Watch) -> Day:
    """Examine one date, and move it away where it is damaged.

    What is found wrong counts only when nobody is about to seal or to replace the day: its files are looked
    at one after the other, and may be of two versions.
    """
    examination: Examination | None = None
    try:
        with suppress(MissingFileError):  # moved away since it was seen
            examination = examine(layout, date, depth, partial(watch.looked, date))
        if examination and examination.is_well:
            return Day(date, examination)
        with locks.alone(layout.day_lock(date)):
            examination = examine(layout, date, depth)
            if examination.standing is not Standing.DAMAGED:
                return Day(date, examination)
            return Day(date, examination, str(quarantine(layout, date, examination)))
    except Exception as error:  # whatever it is, the other dates are looked at
        return Day(date, examination, error=faults.of(error))
    finally:
        watch.done(date)


def _summary(report: Report) -> dict[str, object]:
    """The lake journal's line."""
    return {
        "days": len(report.digests),
        "bytes": report.bytes,
        "seconds": round(report.seconds, 3),
        "depth": report.depth,
        "damaged": [day.date.isoformat() for day in report.of(Standing.DAMAGED)],
        "failed": [day.date.isoformat() for day in report.errors],
        "beside": [day.date.isoformat() for day in report.beside],
        "dataset": list(report.dataset),
        "within": report.within.words if report.within else None,
        "root": report.root,
    }


class _Watch:
    """Adds up what the workers did and tells the observer, one at a time."""

    def __init__(
        self, layout: Layout, dates: Sequence[dt.date], depth: Depth, observer: Observer | None
    ) -> None:
        self._lock = threading.Lock()
        self._observer = observer
        self._left = {date: work(_size(layout, date), depth) for date in dates}
        self._now = Progress(0, len(dates), 0, sum(self._left.values()))
        self._tell(0, 0)

    def looked(self, date: dt.date, count: int) -> None:
        """Somebody looked at *count* more bytes of *date*."""
        count = min(count, self._left[date])
        self._left[date] -= count
        self._tell(0, count)

    def done(self, date: dt.date) -> None:
        """Somebody is done with *date*, whatever was left of it."""
        self._tell(1, self._left.pop(date))

    def _tell(self, days: int, count: int) -> None:
        with self._lock:
            now = self._now
            self._now = Progress(now.days + days, now.days_total, now.bytes + count, now.bytes_total)
            if self._observer:
                self._observer(self._now)


def _size(layout: Layout, date: dt.date) -> int:
    try:
        return layout.parquet(date).stat().st_size
    except OSError:
        return 0


# One digest for many days ---------------------------------------------------------------------------------


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of *leaves* in their order (RFC 6962, section 2.1)."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def root_of(digests: Mapping[dt.date, str]) -> str:
    """The verification root of days, given the digest in each one's sidecar, as hexadecimal digits."""
    return tree_hash([f"{date.isoformat()} {digests[date]}".encode() for date in sorted(digests)]).hex()


def roots_by_year(digests: Mapping[dt.date, str]) -> dict[int, str]:
    """The verification root of each year's days."""
    years: dict[int, dict[dt.date, str]] = defaultdict(dict)
    for date in sorted(digests):
        years[date.year][date] = digests[date]
    return {year: root_of(days) for year, days in years.items()}
