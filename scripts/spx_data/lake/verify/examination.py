"""Look at one date and name every damage: the sealed files against each other, and against the journal.

Nothing is written. The SHA-256 of the files decides; what is inside a Parquet says why (`content`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

from spx_data.lake import passports
from spx_data.lake.verify import witnesses
from spx_data.lake.verify.content import Inside, another_day, look_inside, short
from spx_data.lake.verify.diagnosis import diagnose, survey_apart
from spx_data.lake.verify.witnesses import Damage, Depth, Examination, Finding, Recorded, Standing
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
        _, *named = (path.name for path in layout.day_files(date))
        told = self._sidecar.names
        self._own = self._sidecar if told == tuple(named[: len(told)]) else witnesses.Sidecar()
        self._described = self._passport if self._passport.date == date else witnesses.Passport()
        self._is_whole = self._passport_is_vouched()
        self._truth = witnesses.truth(
            self._found, self._own.parquet, self._described, self._is_whole, lambda: self._recorded
        )
        self._sealed_passport = self._passport.found if self._is_whole else self._passport_elsewhere()
        if self._is_whole or self._sealed_passport is None:  # else what it says of its format may be damaged
            passports.check_format(layout, layout.passport(date), {"format": self._passport.format})

    @cached_property
    def _recorded(self) -> Recorded:
        return witnesses.last_seal(journal.read(self._layout.journal(self._date)))

    def _passport_is_vouched(self) -> bool:
        """Whether sidecar or journal have the digest that the passport has."""
        found, said = self._passport.found, self._own.passport
        if found is None:
            return False
        return bool(said and witnesses.are_near(found, said)) or found == self._recorded.passport

    def _passport_elsewhere(self) -> str | None:
        """The digest that the passport should have instead of its own; None where nobody knows."""
        if self._recorded.passport and self._recorded.parquet == self._truth:
            return self._recorded.passport
        return self._own.passport if self._own.parquet == self._truth else None

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
            "rows": described.rows,
            "records_sha256": described.records_sha256,
        }
        found = {
            "sha256": self._found,
            "bytes": self._size if self._found else None,
            "rows": inside.rows,
            "records_sha256": inside.records_sha256,
        }
        standing = Standing.DAMAGED if findings else Standing.HEALTHY
        beside = () if findings else (*self._of_rejects(), *self._of_contracts())
        named = None if findings else described.dataset
        return Examination(
            self._date, self._depth, standing, findings, self._size, expected, found, beside, named
        )

    # The Parquet ----------------------------------------------------------------------------------------

    def _of_parquet(self) -> Inside:
        """What is wrong with the Parquet; it is looked into only where somebody vouches for its bytes."""
        if self._found is None:
            return Inside((Finding(Damage.PARQUET_LOST, f"{self._parquet.name} is not there"),))
        if self._found == self._truth:
            is_of_it = self._is_whole and self._described.sha256 == self._truth
            described = self._described if is_of_it else None
            return look_inside(self._parquet, self._date, described, self._depth, self._read())
        if self._truth is not None:
            return Inside(tuple(diagnose(self._parquet, self._date, self._sealed_size)))
        swapped = another_day(survey_apart(self._parquet).dates, self._date)
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
        if self._described.sha256 == self._truth or self._truth is None:
            return self._described.bytes
        recorded = self._recorded
        return recorded.bytes if recorded.parquet == self._truth else self._described.bytes

    # Those that vouch for it ----------------------------------------------------------------------------

    def _of_sidecar(self, inside: Inside) -> Iterator[Finding]:
        sidecar, name = self._sidecar, self._parquet.name
        if sidecar.finding is not None:
            yield sidecar.finding
        elif sidecar is not self._own:
            own = sidecar.parquet == self._found and not inside.holds_another_date
            swapped = witnesses.is_another_days(sidecar.names[0], self._date) and not own
            damage = Damage.SIDECAR_SWAPPED if swapped else Damage.SIDECAR_DAMAGED
            beside = self._layout.passport(self._date).name
            yield Finding(damage, f"it names {' and '.join(sidecar.names)} instead of {name} and {beside}")
        else:
            sealed = ((sidecar.parquet, self._truth), (sidecar.passport, self._sealed_passport))
            found = (_of_digest(said, truth) for said, truth in sealed)
            yield from islice(filter(None, (*found, self._of_third_line())), 1)

    def _of_third_line(self) -> Finding | None:
        """A line on contracts that was lost: the passport has them, and a sidecar never gives them up."""
        lost = self._is_whole and self._described.has_contracts and self._own.contracts is None
        return Finding(Damage.SIDECAR_DAMAGED, "it does not name the contracts") if lost else None

    def _of_passport(self) -> Iterator[Finding]:
        passport, found, sealed = self._passport, self._passport.found, self._sealed_passport
        is_anothers = passport.date not in (None, self._date)
        if is_anothers and (self._truth is None or passport.sha256 != self._truth):
            yield Finding(Damage.PASSPORT_SWAPPED, f"it is of {passport.date} instead of {self._date}")
        elif passport.finding is not None:
            yield passport.finding
        elif sealed and found != sealed:
            text = f"its own SHA-256 is {short(found)}, sealed was {short(sealed)}"
            yield Finding(Damage.PASSPORT_DAMAGED, text)
        elif is_anothers:
            yield Finding(Damage.PASSPORT_DAMAGED, f"it is of {passport.date} instead of {self._date}")
        elif self._truth and passport.sha256 != self._truth:
            text = f"it says SHA-256 {short(passport.sha256)}, sealed was {short(self._truth)}"
            yield Finding(Damage.PASSPORT_DAMAGED, text)
        elif self._found == self._truth and passport.bytes != self._size:
            text = f"it says {passport.bytes or 0:,} bytes, the Parquet has {self._size:,}"
            yield Finding(Damage.PASSPORT_DAMAGED, text)

    def _of_rejects(self) -> Iterator[Finding]:
        """Whether the file of bad records is what the passport says.

        No row of the day comes from it, so it condemns nothing: quarantine would cost a whole day and bring
        no lost line back, for the source may send other rows the next time.
        """
        sealed = self._described.rejects_sha256
        if sealed is None:
            return
        path = self._layout.rejects(self._date)
        anew = f"`spx-data recheck {self._date} --restated replace`"
        cure = f"take {path} from a copy of the lake, or fetch the day anew with {anew}"
        if not reads.is_there(path):
            yield Finding(Damage.REJECTS_LOST, f"the passport has a file of bad records, not there: {cure}")
        elif (found := reads.digest(path)) != sealed:
            said = f"its SHA-256 is {short(found)}, the passport says {short(sealed)}"
            yield Finding(Damage.REJECTS_CHANGED, f"{said}: {cure}")

    def _of_contracts(self) -> Iterator[Finding]:
        """Whether the file of the day's contracts is what the sidecar says.

        No row of the day comes from it either, and `mend` makes it again.
        """
        sealed, path = self._own.contracts, self._layout.contracts(self._date)
        if sealed is None:
            return
        cure = f"`spx-data mend {self._date}` makes it again"
        if not reads.is_there(path):
            yield Finding(Damage.CONTRACTS_LOST, f"{path.name} is not there: {cure}")
        elif (found := reads.digest(path)) != sealed:
            said = f"the SHA-256 of {path.name} is {short(found)}, the sidecar says {short(sealed)}"
            near = witnesses.are_near(found, sealed)
            damage = Damage.SIDECAR_DAMAGED if near else Damage.CONTRACTS_CHANGED
            yield Finding(damage, f"{said}: {cure}")


def _of_digest(said: str | None, sealed: str | None) -> Finding | None:
    """What is wrong with a digest that the sidecar *said*; the right one is *sealed*, if that is known."""
    if said is None or sealed is None or said == sealed:
        return None
    same = witnesses.digits_in_common(said, sealed)
    damage = Damage.SIDECAR_DAMAGED if witnesses.are_near(said, sealed) else Damage.SIDECAR_SWAPPED
    text = f"its digest is {short(said)}, sealed was {short(sealed)}: {64 - same} of 64 digits differ"
    return Finding(damage, text)
