"""A fill is stopped, or meets an error of the disk, at any of its operations, thousands of times.

After each stop the tree must hold no wrong day; the next run must end with the bytes of an undisturbed run,
and fetch again no expiration that was staged.
"""

import contextlib
import datetime as dt
import errno
import json
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table
from tests.proof import fills
from tests.proof.conduct import chain_of
from tests.proof.disk import Disk

import theta_simulator
from spx_data.errors import DeviceError, InsufficientDiskSpaceError, PermissionDeniedError
from spx_data.store import reads, seals

DAYS = (dt.date(2024, 1, 2), dt.date(2024, 7, 3))  # the second is a half day
TODAY = dt.date(2024, 12, 31)
ERRORS = {
    errno.ENOSPC: InsufficientDiskSpaceError,
    errno.EIO: DeviceError,
    errno.EACCES: PermissionDeniedError,
}
# A terminal's log grows; a new one now and then keeps reading it cheap.
_TRIALS_OF_A_TERMINAL = 100


@dataclass(frozen=True)
class Variant:
    """One way to fill a date."""

    api: str
    format: str
    date: dt.date
    concurrent: int
    keep_ndjson: bool


VARIANTS = tuple(
    Variant(api, form, date, concurrent, keep)
    for api, form in (("v3", "csv"), ("v3", "json"), ("v2", "csv"))
    for date in DAYS
    for concurrent, keep in ((1, False), (3, True))
)


class Fill(fills.Fill):
    """A fill of one date in a folder of its own, in the way that *variant* says."""

    def __init__(self, folder, url, variant):
        settings = fills.lake(
            folder,
            url,
            variant.date,
            api=variant.api,
            format=variant.format,
            interval="1h",
            keep_ndjson=variant.keep_ndjson,
            max_concurrent_requests=variant.concurrent,
        )
        super().__init__(settings, variant.date)
        self.variant = variant


@dataclass
class Tally:
    """What was tried and what was found; *wrong* must stay empty."""

    kinds: Counter = field(default_factory=Counter)
    operations: Counter = field(default_factory=Counter)
    sealed: int = 0  # stops after which the date was sealed already
    refetched: int = 0  # expirations in flight that had to be fetched again
    wrong: list = field(default_factory=list)

    def add(self, other):
        """Take another tally in."""
        self.kinds += other.kinds
        self.operations += other.operations
        self.sealed += other.sealed
        self.refetched += other.refetched
        self.wrong += other.wrong


def share(trials, seed):
    """The tally of *trials* stops and errors from *seed* on."""
    with Proof() as proof:
        return proof.run(trials, seed)


def table(tally):
    """What was tried, operation by operation, and what came of it."""
    found = Table(title="Stops and disk errors at every operation of a fill", title_justify="left")
    for heading in ("what happened", "how often", "wrong days and other findings"):
        found.add_column(heading, justify="left" if heading == "what happened" else "right")
    for kind, count in sorted(tally.kinds.items()):
        found.add_row(kind, f"{count:,}", "")
    found.add_row("together", f"{tally.kinds.total():,}", f"{len(tally.wrong):,}", style="bold")
    found.caption = ", ".join(f"{name} {count:,}" for name, count in tally.operations.most_common())
    return found


class Proof:
    """Trials in new folders against simulated terminals; use it as a context."""

    def __init__(self, base=None):
        self._base = base
        self._tally = Tally()
        self._truth = {}
        self._terminals = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def run(self, trials, seed):
        """At least *trials* more stops and errors, of *seed* and the seeds after it; the tally of all yet."""
        number, enough = 0, self._tally.kinds.total() + trials
        while self._tally.kinds.total() < enough:
            if number % _TRIALS_OF_A_TERMINAL == 0:
                self._new_terminals()
            (self._fail if number % 4 == 3 else self._stop)(seed + number)
            number += 1
        return self._tally

    def _new_terminals(self):
        self._stack.close()
        for api in ("v3", "v2"):
            market = theta_simulator.Settings(api=api, size="tiny", today=TODAY, page_size=90)
            self._terminals[api] = self._stack.enter_context(theta_simulator.running(market))

    @contextlib.contextmanager
    def _fill(self, variant):
        folder = Path(tempfile.mkdtemp(prefix="stops-", dir=self._base))
        try:
            yield Fill(folder, self._terminals[variant.api].url, variant)
        finally:
            shutil.rmtree(folder)

    def _truth_of(self, variant):
        """The bytes and the number of operations of an undisturbed fill."""
        if variant not in self._truth:
            with self._fill(variant) as fill, Disk() as disk:
                assert fill.run() is None
                self._truth[variant] = (fill.parquet, fill.contracts), disk.count
        return self._truth[variant]

    def _stop(self, seed):
        """Stop a fill once or several times, by a kill or a power cut; then let it finish."""
        chance, variant = random.Random(seed), VARIANTS[seed % len(VARIANTS)]
        truth, operations = self._truth_of(variant)
        with self._fill(variant) as fill:
            for _ in range(chance.choice((1, 1, 1, 2, 3))):
                power = chance.random() < 0.5
                with (
                    self._refetching_nothing(seed, fill),
                    Disk(chance.randint(1, operations), power=power, seed=seed) as disk,
                ):
                    fill.run()
                self._count("power cut" if power else "kill", disk)
                self._check_tree(seed, fill, truth)
                if not disk.stopped:
                    break
            self._check_finish(seed, fill, truth)

    def _fail(self, seed):
        """Let an operation fail, once or from there on; then mend the disk and let the fill finish."""
        chance, variant = random.Random(seed), VARIANTS[seed % len(VARIANTS)]
        truth, operations = self._truth_of(variant)
        number = chance.choice(list(ERRORS))
        with self._fill(variant) as fill:
            at, lasting = chance.randint(1, operations), chance.random() < 0.5
            with Disk(at, error=number, lasting=lasting) as disk:
                error = fill.run()
            self._count(errno.errorcode[number], disk)
            if error is None and not fill.sealed:
                self._wrong(seed, f"{disk.where}: no error, and not sealed")
            if error is not None and not (isinstance(error, ERRORS[number]) and error.fields["path"]):
                self._wrong(seed, f"{disk.where}: {errno.errorcode[number]} became {error!r}")
            self._check_tree(seed, fill, truth)
            self._check_finish(seed, fill, truth)

    def _count(self, kind, disk):
        if disk.where:  # a run that resumes may end before that operation
            self._tally.kinds[kind] += 1
            self._tally.operations[disk.where] += 1

    def _check_tree(self, seed, fill, truth):
        """What counts as sealed is right to the last bit, and has its passport."""
        if not fill.sealed:
            return None
        self._tally.sealed += 1
        try:
            if (fill.parquet, fill.contracts) != truth:
                self._wrong(seed, "a wrong day is sealed")
            passport = json.loads(fill.layout.passport(fill.date).read_text())
        except (OSError, ValueError) as error:
            return self._wrong(seed, f"a sealed day lacks a file, or its passport is none: {error}")
        own, beside = (
            reads.digest(path) for path in (fill.layout.passport(fill.date), fill.layout.contracts(fill.date))
        )
        if (passport["parquet"]["sha256"], own, beside) != seals.read(fill.layout.parquet(fill.date)):
            self._wrong(seed, "passport and contracts are not those that were sealed")
        return None

    def _check_finish(self, seed, fill, truth):
        """The next run ends as an undisturbed one."""
        with self._refetching_nothing(seed, fill):
            error = fill.run()
        if error is not None or not fill.sealed:
            self._wrong(seed, f"the next run does not finish: {error!r}")
        elif (fill.parquet, fill.contracts) != truth:
            self._wrong(seed, "the bytes are not those of an undisturbed run")
        if left := [path.name for path in fill.layout.output.rglob("*.part")]:
            self._wrong(seed, f"left behind: {left}")

    @contextlib.contextmanager
    def _refetching_nothing(self, seed, fill):
        """In the block no chain is asked for that is staged, and few that are not staged at its end."""
        terminal = self._terminals[fill.variant.api]
        staged, before = fill.staged(), terminal.requests()
        yield
        chains = filter(None, map(chain_of, terminal.requests()[len(before) :]))
        asked = {(root, expiration) for root, expiration in chains if expiration}
        if again := staged & asked:
            self._wrong(seed, f"fetched again though staged: {sorted(again)}")
        in_flight = asked - fill.staged()
        self._tally.refetched += len(in_flight)
        # Some are in flight, and two more may be on their way to a checkpoint.
        if not fill.sealed and len(in_flight) > fill.variant.concurrent + 2:
            self._wrong(seed, f"too many were begun at once: {sorted(in_flight)}")

    def _wrong(self, seed, finding):
        self._tally.wrong.append(f"seed {seed}: {finding}")
