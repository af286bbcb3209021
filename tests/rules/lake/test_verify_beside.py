"""verify beside whoever seals or replaces a day: stopped between any two steps, nothing is condemned."""

import contextlib
import dataclasses
import fcntl
import threading

import pytest
from tests.restating import cells
from tests.rules.conftest import DAY

from spx_data.lake.verify import Standing, verify
from spx_data.market.dates import Dates
from spx_data.ops import recheck
from spx_data.ops.recheck import versions
from spx_data.settings import Recheck
from spx_data.store import disk, journal, locks, reads, seals
from spx_data.store.journal import Journal

WEEKLY = ("SPXW", "2024-01-03")
SECONDS = 60  # after which a test is stuck


@pytest.fixture
def sealed(day, source):
    """Return a sealed date whose source says something else since."""
    date = day(source, interval="1h", keep_ndjson=False)
    date.fill()
    source.edit = cells(*WEEKLY, {(0, "bid"): "0.35"})
    return date


def replaced(date):
    """Ask again for the date, and put what the source says today in place."""
    settings = dataclasses.replace(
        date.settings, recheck=Recheck(3, "replace"), dates=Dates.of([DAY.isoformat()])
    )
    (outcome,) = recheck.recheck(settings)
    return outcome


class Beside:
    """Verifies the lake in a thread at each step by which *date*'s sealed files change, before and after it.

    The step goes on when the verification has ended, or waits for the day's lock.
    """

    def __init__(self, date, monkeypatch):
        self._date, self.looks, self.verified = date, 0, []
        self._waiting, self._threads = threading.Event(), []
        real_rename, real_lock = disk.rename, disk.lock

        def rename(source, target):
            touches = not {source, target}.isdisjoint(date.layout.sealed_files(date.date))
            if touches:
                self._look()
            real_rename(source, target)
            if touches:
                self._look()

        def lock(descriptor, operation):
            if _verifies() and operation == fcntl.LOCK_EX:
                self._waiting.set()
            real_lock(descriptor, operation)

        monkeypatch.setattr(disk, "rename", rename)
        monkeypatch.setattr(disk, "lock", lock)

    def _look(self):
        if _verifies():
            return  # it moves a day away: the assertions will say so
        self.looks += 1
        self._waiting.clear()
        self._threads.append(threading.Thread(target=self._verify))
        self._threads[-1].start()
        assert self._waiting.wait(SECONDS)

    def _verify(self):
        try:
            (found,) = verify(self._date.settings, Dates.of([DAY.isoformat()])).days
            self.verified.append(found)
        finally:
            self._waiting.set()

    def end(self):
        """Wait until all verifications have ended; returns what they found."""
        for thread in self._threads:
            thread.join(SECONDS)
        assert len(self.verified) == self.looks
        return self.verified


def _verifies():
    """Whether this thread is one of those that look at days for a verification (`cores.each_of`)."""
    return threading.current_thread().name.startswith("each")


def assert_nothing_condemned(date, found, standings):
    assert [day.error for day in found] == [None] * len(found)
    assert {day.standing for day in found} <= standings
    assert not date.layout.quarantine(DAY).exists()
    assert date.events(journal.QUARANTINED) == []
    seals.verify(date.layout.parquet(DAY))
    assert [day.standing for day in verify(date.settings).days] == [Standing.HEALTHY]


def test_a_day_that_is_being_replaced_is_not_condemned(sealed, monkeypatch):
    before = reads.digest(sealed.layout.parquet(DAY))
    beside = Beside(sealed, monkeypatch)

    outcome = replaced(sealed)

    found = beside.end()
    assert (outcome.error, outcome.action) == (None, recheck.Action.REPLACED)
    assert reads.digest(sealed.layout.parquet(DAY)) != before
    assert beside.looks == 8  # the old sidecar goes; Parquet, passport and sidecar come
    assert_nothing_condemned(sealed, found, {Standing.HEALTHY, Standing.UNFINISHED})


@pytest.mark.parametrize("left", [[], [0], [1], [2], [0, 2], [1, 2]], ids=str)
def test_a_day_that_is_being_sealed_is_not_condemned(left, day, terminals, monkeypatch):
    date = day(terminals["v3"], interval="1h", keep_ndjson=True)
    date.fill()
    gone = date.layout.sealed_files(DAY)
    for number, path in enumerate(gone):
        if number not in left:
            path.unlink()
    beside = Beside(date, monkeypatch)

    date.merge()

    found = beside.end()
    assert beside.looks == 6
    assert_nothing_condemned(date, found, {Standing.HEALTHY, Standing.UNFINISHED, Standing.ABSENT})


def test_a_day_that_was_replaced_between_two_looks_at_it_is_not_condemned(sealed, tmp_path, monkeypatch):
    other, now = tmp_path / "other", tmp_path / "now"
    versions.keep(sealed.layout, DAY, now / versions.AFTER)
    assert replaced(sealed).error is None
    versions.keep(sealed.layout, DAY, other / versions.AFTER)
    folders, left, found = [now, other], [0], []
    for name in ("is_there", "reading", "content", "digest"):
        real = getattr(reads, name)

        def stands_in(*arguments, real=real, **keys):
            left[0] -= 1
            if left[0] == 0:
                swap(sealed, folders[0])
                folders.reverse()
            return real(*arguments, **keys)

        monkeypatch.setattr(reads, name, stands_in)

    left[0] = 1 << 20
    assert verify(sealed.settings).all_is_well
    steps = (1 << 20) - left[0]
    for step in range(1, steps + 1):
        left[0] = step
        found += verify(sealed.settings).days

    assert steps > 8
    assert_nothing_condemned(sealed, found, {Standing.HEALTHY, Standing.UNFINISHED})


def swap(date, folder):
    """Put the version in *folder* in place, as a recheck does."""
    log = Journal(date.layout.journal(DAY), "merge")
    with locks.alone(date.layout.day_lock(DAY)), log.attempt():
        versions.exchange(date.layout, DAY, folder)
        digest = reads.digest(date.layout.parquet(DAY))
        log.mention(journal.SEALED, bytes=reads.size(date.layout.parquet(DAY)), sha256=digest)


def test_two_verifications_move_a_damaged_day_away_once(sealed, monkeypatch):
    parquet = sealed.layout.parquet(DAY)
    parquet.write_bytes(parquet.read_bytes()[:-1])
    looked, real, found = threading.Barrier(2), locks.alone, []

    @contextlib.contextmanager
    def alone(path):
        looked.wait(SECONDS)  # both have found it damaged
        with real(path):
            yield

    monkeypatch.setattr(locks, "alone", alone)
    threads = [threading.Thread(target=lambda: found.extend(verify(sealed.settings).days)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)

    assert sorted(str(day.standing) for day in found) == ["absent", "damaged"]
    assert [day.error for day in found] == [None, None]
    assert len(sealed.events(journal.QUARANTINED)) == 1
    assert not sealed.layout.day_lock(DAY).exists()


def test_a_lock_that_is_removed_by_its_holder_keeps_others_out_all_the_same(tmp_path):
    path, inside, most = tmp_path / "a.lock", [], []

    def work():
        for _ in range(50):
            with locks.alone(path):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)

    assert (len(most), max(most)) == (200, 1)
    assert not path.exists()
