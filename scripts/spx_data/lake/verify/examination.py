"""Look at one date and name every damage: the sealed files against each other, and against the journal.

Nothing is written. The SHA-256 of the Parquet comes first: only bytes that somebody vouches for are shown to
a Parquet library, any other are diagnosed without (`pages`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from spx_data.lake.verify import pages, witnesses
from spx_data.lake.verify.content import Inside, another_day, look_inside
from spx_data.lake.verify.damages import Damage, Depth, Examination, Finding, Standing
from spx_data.lake.verify.diagnosis import diagnose
from spx_data.store import dataset, journal, reads
from spx_data.store.layout import Layout

Observer = Callable[[int], None]  # told how many more bytes were looked at

_BLOCK = 1 << 20


def ignore(_: int) -> None:
    """An observer that looks away."""


def work(size: int, depth: Depth) -> int:
    """The bytes that an observer hears of for a healthy Parquet of *size* bytes: hashed, and then read."""
    return size * (2 if depth == "pages" else 1)


def examine(
    layout: Layout, date: dt.date, depth: Depth = "pages", observer: Observer = ignore
) -> Examination:
    """Look at what is sealed of *date*.

    With *depth* "bytes" every byte of the Parquet is hashed and its footer is read; with "pages" each page is
    read too, with its checksum, and the digest of the records is computed anew.

    Raises:
        OtherVersionError: it was sealed by another version of spx-data.
        OSError: a file cannot be read, or nobody tells whether it is there, which is no damage
            (PermissionDeniedError, DeviceError, EvictedFileError, MachineError).
    """
    present = [path for path in layout.sealed_files(date) if reads.is_there(path)]
    if len(present) < 3 and (standing := _no_damage(layout, date, present)):
        return Examination(date, depth, standing)
    return _Case(layout, date, depth, observer).examination()


def _no_damage(layout: Layout, date: dt.date, present: list[Path]) -> Standing | None:
    """The standing of an incomplete date that is no damage; None where it was sealed once.

    The sidecar is the commit: with it, or without any journal to say otherwise, the date was sealed.
    """
    if layout.sidecar(date) in present:
        return None
    events = journal.read(layout.journal(date))
    if journal.was_sealed(events, dataset.given_up(layout)) or (present and not events):
        return None
    return Standing.UNFINISHED if present else Standing.ABSENT


class _Case:
    """One date's files as they were found, held against each other."""

    def __init__(self, layout: Layout, date: dt.date, depth: Depth, observer: Observer) -> None:
        self._layout, self._date, self._depth, self._observer = layout, date, depth, observer
        self._parquet = layout.parquet(date)
        self._sidecar = witnesses.read_sidecar(layout, date)
        self._passport = witnesses.read_passport(layout, date)
        self._size, self._found = self._hashed()
        # Who speaks of another date has no say in what this one's Parquet should be.
        self._sealed = self._sidecar.sha256 if self._sidecar.name == self._parquet.name else None
        self._described = self._passport if self._passport.date == date else None
        self._truth = witnesses.truth(self._found, self._sealed, self._described, lambda: self._seal)

    @cached_property
    def _seal(self) -> witnesses.Seal | None:
        return witnesses.last_seal(journal.read(self._layout.journal(self._date)))

    def _hashed(self) -> tuple[int, str | None]:
        """The Parquet's size and digest; 0 and None where there is none."""
        if not reads.is_there(self._parquet):
            return 0, None
        digest, size = hashlib.sha256(), 0
        block = memoryview(bytearray(_BLOCK))  # one for all: threads that allocate wait for each other
        with reads.reading(self._parquet, follow=True) as stream:
            while count := stream.readinto(block):
                digest.update(block[:count])
                size += count
                self._observer(count)
        return size, digest.hexdigest()

    def examination(self) -> Examination:
        inside = self._of_parquet()
        findings = (*inside.findings, *self._of_sidecar(inside), *self._of_passport())
        described = self._described
        expected = {
            "sha256": self._truth,
            "bytes": self._sealed_size,
            "rows": described and described.rows,
            "records_sha256": described and described.records_sha256,
        }
        found = {
            "sha256": self._found,
            "bytes": self._size if self._found else None,
            "rows": inside.rows,
            "records_sha256": inside.records_sha256,
        }
        standing = Standing.DAMAGED if findings else Standing.HEALTHY
        beside = () if findings else tuple(self._of_rejects())
        named = None if findings or described is None else described.dataset
        return Examination(
            self._date, self._depth, standing, findings, self._size, expected, found, beside, named
        )

    # The Parquet ----------------------------------------------------------------------------------------

    def _of_parquet(self) -> Inside:
        """What is wrong with the Parquet; it is looked into only where somebody vouches for its bytes."""
        if self._found is None:
            return Inside((Finding(Damage.PARQUET_LOST, f"{self._parquet.name} is not there"),))
        if self._found == self._truth:
            described = self._described if self._passport.sha256 == self._truth else None
            return look_inside(self._parquet, self._date, described, self._depth, self._read())
        if self._truth is not None:
            return Inside(tuple(diagnose(self._parquet, self._date, self._sealed_size)))
        surveyed = pages.survey(self._parquet)
        swapped = another_day(surveyed.dates, self._date)
        return Inside((swapped,) if swapped else ())

    def _read(self) -> Callable[[float], None]:
        """An observer of the share of the pages that is read."""
        told = 0

        def progress(share: float) -> None:
            nonlocal told
            now = int(self._size * share)
            self._observer(now - told)
            told = now

        return progress

    @property
    def _sealed_size(self) -> int | None:
        """The bytes that the Parquet was sealed with, where somebody knows."""
        if self._described and self._described.sha256 in (self._truth, None):
            return self._described.bytes
        if self._seal and self._seal.sha256 == self._truth:
            return self._seal.bytes
        return self._described.bytes if self._described else None

    # Those that vouch for it ----------------------------------------------------------------------------

    def _of_sidecar(self, inside: Inside) -> Iterator[Finding]:
        sidecar, name = self._sidecar, self._parquet.name
        if sidecar.finding is not None:
            yield sidecar.finding
        elif sidecar.name != name:
            own = sidecar.sha256 == self._found and not inside.holds_another_date
            swapped = witnesses.is_another_days(sidecar.name, self._date) and not own
            damage = Damage.SIDECAR_SWAPPED if swapped else Damage.SIDECAR_DAMAGED
            yield Finding(damage, f"it names {sidecar.name} instead of {name}")
        elif self._truth and sidecar.sha256 and sidecar.sha256 != self._truth:
            same = witnesses.digits_in_common(sidecar.sha256, self._truth)
            damage = Damage.SIDECAR_DAMAGED if same >= witnesses.NEAR else Damage.SIDECAR_SWAPPED
            text = f"its digest is {_short(sidecar.sha256)}, sealed was {_short(self._truth)}"
            yield Finding(damage, f"{text}: {64 - same} of 64 digits differ")

    def _of_passport(self) -> Iterator[Finding]:
        passport = self._passport
        if passport.finding is not None:
            yield passport.finding
        elif passport.date != self._date:
            yield Finding(Damage.PASSPORT_SWAPPED, f"it is of {passport.date} instead of {self._date}")
        elif self._truth and passport.sha256 != self._truth:
            text = f"it says SHA-256 {_short(passport.sha256)}, sealed was {_short(self._truth)}"
            yield Finding(Damage.PASSPORT_DAMAGED, text)
        elif self._found == self._truth and passport.bytes != self._size:
            text = f"it says {passport.bytes or 0:,} bytes, the Parquet has {self._size:,}"
            yield Finding(Damage.PASSPORT_DAMAGED, text)

    def _of_rejects(self) -> Iterator[Finding]:
        """Whether the file of bad records is what the passport says.

        No row of the day comes from it, so it condemns nothing: quarantine would cost a whole day and bring
        no lost line back, for the source may send other rows the next time.
        """
        sealed = self._described.rejects_sha256 if self._described else None
        if sealed is None:
            return
        path = self._layout.rejects(self._date)
        cure = f"take {path} from a copy of the lake, or fetch the day anew with snakemake recheck"
        if not reads.is_there(path):
            yield Finding(Damage.REJECTS_LOST, f"the passport has a file of bad records, not there: {cure}")
        elif (found := reads.digest(path)) != sealed:
            said = f"its SHA-256 is {_short(found)}, the passport says {_short(sealed)}"
            yield Finding(Damage.REJECTS_CHANGED, f"{said}: {cure}")


def _short(digest: str | None) -> str:
    return f"{digest[:12]}…" if digest else "nothing"
