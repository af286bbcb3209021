"""A fill is stopped, or meets an error of the disk, at any of its operations, thousands of times.

After each stop the tree must hold no wrong day; the next run must end with the bytes of an undisturbed run,
and fetch again no expiration that was staged.
"""

import contextlib
import datetime as dt
import errno
import functools
import json
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table
from tests.proof.disk import Disk

import theta_simulator
from spx_data import config, files, ledger, sessions
from spx_data.config import Settings
from spx_data.errors import DeviceError, InsufficientDiskSpaceError, PermissionDeniedError, SpxDataError
from spx_data.fill.download import download_expirations
from spx_data.fill.listing import fetch_expirations
from spx_data.fill.merge import merge_date

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


@functools.cache
def session_of(date):
    """The session of *date*: the calendar is slow."""
    (session,) = sessions.between("NYSE", date, date)
    return session


class Fill:
    """A fill of one date in a folder of its own; its stages are called as Snakemake would call them."""

    def __init__(self, folder, url, variant):
        document = {
            "thetadata": {
                "base_url": url,
                "api": variant.api,
                "format": variant.format,
                "retry_wait_factor": 0,
            },
            "processing": {
                "start_date": variant.date.isoformat(),
                "interval": "1h",
                "keep_ndjson": variant.keep_ndjson,
                "output_directory": str(folder / "parquet"),
                "temp_directory": str(folder / "temp"),
                "data_directory": str(folder / "data"),
            },
            "database": {"path": str(folder / "status.db")},
        }
        self.settings = Settings.of(config.resolve(document, {}))
        self.layout, self.date, self.variant = self.settings.layout, variant.date, variant
        self.running = None  # the stage that was begun last
        date, layout = self.date, self.layout
        listing, manifest, parquet = layout.listing(date), layout.manifest(date), layout.parquet(date)
        self._stages = (
            (functools.partial(fetch_expirations, self.settings, date, listing), [listing]),
            (
                functools.partial(
                    download_expirations,
                    self.settings,
                    date,
                    listing,
                    manifest,
                    concurrent=variant.concurrent,
                ),
                [manifest],
            ),
            (
                functools.partial(
                    merge_date, self.settings, date, manifest, parquet, session=session_of(date)
                ),
                [parquet, layout.passport(date), layout.sidecar(date)],
            ),
        )

    def run(self):
        """Do what is missing, and return the error of the stage that failed.

        Like Snakemake it removes the outputs of a stage that failed, or that a dead run left unfinished, and
        leaves a sealed date alone.
        """
        if self.sealed:
            return None
        for number, (stage, outputs) in enumerate(self._stages):
            if number == self.running:
                _delete(outputs)
            if all(path.exists() for path in outputs):
                continue
            self.running = number
            try:
                stage()
            except SpxDataError as error:
                _delete(outputs)
                return error
            self.running = None
        return None

    @property
    def sealed(self):
        """Whether the ledger takes the date for done."""
        return ledger.gather(self.layout, self.date).sealed

    @property
    def parquet(self):
        """The sealed bytes."""
        return self.layout.parquet(self.date).read_bytes()

    def staged(self):
        """The chains that count as staged, as (root, expiration)."""
        names = (path.name.removesuffix(".receipt.json") for path in self.layout.receipts(self.date))
        return {tuple(name.split("-", 1)) for name in names}


def _delete(paths):
    for path in paths:
        path.unlink(missing_ok=True)


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
        """At least *trials* stops and errors, those of *seed* and the seeds after it; returns the tally."""
        number = 0
        while self._tally.kinds.total() < trials:
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
                self._truth[variant] = (fill.parquet, disk.count)
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
        if fill.parquet != truth:
            self._wrong(seed, "a wrong day is sealed")
        try:
            passport = json.loads(fill.layout.passport(fill.date).read_text())
        except (OSError, ValueError) as error:
            return self._wrong(seed, f"a sealed day has no passport: {error}")
        if passport["parquet"]["sha256"] != files.sealed_checksum(fill.layout.parquet(fill.date)):
            self._wrong(seed, "the passport is another day's")
        return None

    def _check_finish(self, seed, fill, truth):
        """The next run ends as an undisturbed one."""
        with self._refetching_nothing(seed, fill):
            error = fill.run()
        if error is not None or not fill.sealed:
            self._wrong(seed, f"the next run does not finish: {error!r}")
        elif fill.parquet != truth:
            self._wrong(seed, "the bytes are not those of an undisturbed run")
        if left := [path.name for path in fill.layout.output.rglob("*.part")]:
            self._wrong(seed, f"left behind: {left}")

    @contextlib.contextmanager
    def _refetching_nothing(self, seed, fill):
        """In the block no chain is asked for that is staged, and few that are not staged at its end."""
        terminal = self._terminals[fill.variant.api]
        staged, before = fill.staged(), terminal.requests()
        yield
        asked = Counter(map(_chain, terminal.requests()[len(before) :]))
        if again := staged & asked.keys():
            self._wrong(seed, f"fetched again though staged: {sorted(again)}")
        in_flight = {chain for chain in asked if chain} - fill.staged()
        self._tally.refetched += len(in_flight)
        if not fill.sealed and len(in_flight) > fill.variant.concurrent:
            self._wrong(seed, f"more in flight than allowed: {sorted(in_flight)}")

    def _wrong(self, seed, finding):
        self._tally.wrong.append(f"seed {seed}: {finding}")


def _chain(request):
    """The root and the expiration of a request's chain; None where it asks for none."""
    query = request["query"]
    if "exp" in query:
        return query["root"], dt.date.fromisoformat(query["exp"]).isoformat()
    return (query["symbol"], query["expiration"]) if "expiration" in query else None
