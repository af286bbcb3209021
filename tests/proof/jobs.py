"""Jobs of real runs of Snakemake are killed at random moments, and merges just after their seal.

A day that was sealed once must be there ever after, bit for bit, and nothing of it is asked for again. Each
death leaves an event. The next run ends with the bytes of an undisturbed one, and fetches again no more than
was under way in a job that died.
"""

import contextlib
import datetime as dt
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml
from rich.table import Table
from tests import at_work, dying
from tests.proof.conduct import about_a_contract, chain_of

import theta_simulator
from spx_data.store import journal
from spx_data.store.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
DATES = tuple(dt.date(2024, 12, day) for day in (2, 3, 4, 5))
NOW = "2024-12-20T08:00:00-05:00"
LIMIT = 2
# A job has two threads beyond the limit: what they have fetched they stage while others ask.
UNDER_WAY = LIMIT + 2
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGHUP)
_ROUNDS = 4  # disturbed runs of one lake


@dataclass
class Tally:
    """What was tried and what was found; *wrong* must stay empty."""

    kinds: Counter = field(default_factory=Counter)  # kills by rule and signal
    after_seal: int = 0  # merges that were killed when their sidecar was there
    sealed: int = 0  # days sealed in all
    refetched: int = 0  # chains that were asked for more than once
    wrong: list = field(default_factory=list)

    def add(self, other):
        """Take another tally in."""
        self.kinds += other.kinds
        self.after_seal += other.after_seal
        self.sealed += other.sealed
        self.refetched += other.refetched
        self.wrong += other.wrong


def share(trials, seed):
    """The tally of at least *trials* kills, of lakes from *seed* on."""
    with Proof() as proof:
        return proof.run(trials, seed)


def table(tally):
    """What was killed, by rule and signal, and what came of it."""
    found = Table(title="Jobs killed under Snakemake", title_justify="left")
    for heading in ("job", "signal", "kills"):
        found.add_column(heading, justify="right" if heading == "kills" else "left")
    for (rule, name), count in sorted(tally.kinds.items()):
        found.add_row(rule, name, f"{count:,}")
    found.add_row("together", "", f"{tally.kinds.total():,}", style="bold")
    found.caption = (
        f"{tally.after_seal:,} merges after their seal; {tally.sealed:,} days sealed, none lost; "
        f"{tally.refetched:,} chains fetched again; {len(tally.wrong):,} findings"
    )
    return found


class Proof:
    """Lakes in new folders against one simulated terminal; use it as a context."""

    def __init__(self, base=None):
        self._base = base
        self._stack = contextlib.ExitStack()
        self._truth = None

    def __enter__(self):
        market = theta_simulator.Settings(size="tiny", today=dt.date(2024, 12, 31), latency_ms=60)
        self._terminal = self._stack.enter_context(theta_simulator.running(market))
        return self

    def __exit__(self, *_):
        self._stack.close()

    def run(self, trials, seed):
        """The tally of at least *trials* kills, of lakes from *seed* on."""
        tally = Tally()
        while tally.kinds.total() < trials:
            tally.add(self._lake(seed))
            seed += 1
        return tally

    def _lake(self, seed):
        """The tally of one lake: runs whose jobs are killed, then one that is left in peace."""
        with self._folder() as folder:
            lake, tally, chance = self._new(folder), Tally(), random.Random(seed)
            for _ in range(_ROUNDS):
                with lake.watched() as found:
                    kills = lake.disturbed(chance)
                    found.kills = kills
                tally.kinds += Counter((kill.rule, kill.signal.name) for kill in kills)
                tally.after_seal += sum(kill.sealed for kill in kills)
                tally.refetched += len(found.under_way)
                tally.wrong += [f"seed {seed}: {text}" for text in found.findings()]
            with lake.watched() as found:
                code = lake.run()
            tally.wrong += [f"seed {seed}: {text}" for text in found.findings()]
            if code or lake.digests() != self._undisturbed():
                tally.wrong.append(f"seed {seed}: the last run does not end as an undisturbed one ({code})")
            tally.sealed += len(lake.digests())
        return tally

    def _undisturbed(self):
        if self._truth is None:
            with self._folder() as folder:
                lake = self._new(folder)
                assert lake.run() == 0
                self._truth = lake.digests()
        return self._truth

    def _new(self, folder):
        return Lake(folder, self._terminal)

    @contextlib.contextmanager
    def _folder(self):
        folder = Path(tempfile.mkdtemp(prefix="jobs-", dir=self._base))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@dataclass(frozen=True)
class Kill:
    """One job that was killed: its rule, its date, how, and whether the date was sealed by then."""

    rule: str
    date: dt.date
    signal: signal.Signals
    sealed: bool


@dataclass
class Found:
    """What one run did to a lake."""

    kills: list = field(default_factory=list)
    sealed: set = field(default_factory=set)  # after it
    lost: list = field(default_factory=list)  # sealed before it, and gone or changed after it
    asked_again: set = field(default_factory=set)  # sealed or staged before it, and asked for in it
    under_way: set = field(default_factory=set)  # chains asked for in it that are neither staged nor sealed
    silent: list = field(default_factory=list)  # dates with a try that has no end

    def findings(self):
        """What is wrong, in words."""
        downloads = sum(kill.rule == "download_expirations" for kill in self.kills)
        late = {kill.date for kill in self.kills if kill.sealed} - self.sealed
        yield from (f"{date} was sealed, and is lost or changed" for date in {*self.lost, *late})
        yield from (f"{date} {chain} was had, and was asked for again" for date, chain in self.asked_again)
        yield from (f"{date} has a try without an end" for date in self.silent)
        if len(self.under_way) > downloads * UNDER_WAY:
            yield f"{len(self.under_way)} chains were under way in {downloads} killed downloads"


class Lake:
    """A lake that the real Snakemake fills, in a folder of its own."""

    def __init__(self, folder, terminal, dates=DATES, project=ROOT):
        self.folder, self._terminal, self._dates = folder, terminal, dates
        self._snakefile = project / "Snakefile"
        data = folder / "data"
        self.layout = Layout(data / "parquet", data / "temp", data, data / "status.db")
        (folder / "config").mkdir()
        sections = {
            "thetadata": {"base_url": terminal.url, "retry_wait_factor": 0, "max_concurrent_requests": LIMIT},
            "processing": {
                "start_date": dates[0].isoformat(),
                "end_date": dates[-1].isoformat(),
                "max_attempts": 1000,  # a crash of the job's own counts against its date
            },
        }
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(sections))

    def run(self):
        """Fill what is missing; returns Snakemake's exit code."""
        return self._start().wait()

    def dying(self, deaths):
        """Run once, with jobs that die as *deaths* have it, and give the kills."""
        marks = self.folder / "deaths"
        self._start(dying.environment(marks, deaths)).wait()
        return [
            Kill(
                death.rule,
                dt.date.fromisoformat(death.date),
                signal.Signals(death.signal),
                death.event == journal.SEALED,
            )
            for death in dying.died(marks, deaths)
        ]

    def _start(self, others=None):
        # A signal that meets a measurement of coverage at its lock leaves the job waiting for it at its end.
        environment = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
        environment |= {"SPX_DATA_NOW": NOW, **(others or {})}
        command = [sys.executable, "-m", "snakemake", "--snakefile", self._snakefile, "--cores", "4"]
        log = (self.folder / "snakemake.log").open("ab")
        with log:
            return subprocess.Popen(
                [*command, "--quiet", "all"], cwd=self.folder, env=environment, stdout=log, stderr=log
            )

    def digests(self):
        """The SHA-256 of every sealed Parquet."""
        return {
            date: hashlib.sha256(self.layout.parquet(date).read_bytes()).hexdigest()
            for date in self._sealed()
        }

    def _sealed(self):
        return {date for date in self._dates if self.layout.sidecar(date).exists()}

    def _had(self):
        """The chains that are staged, as date and (root, expiration)."""
        names = {
            (date, path.name.removesuffix(".receipt.json"))
            for date in self._dates
            for path in self.layout.receipts(date)
        }
        return {(date, tuple(name.split("-", 1))) for date, name in names}

    @contextlib.contextmanager
    def watched(self):
        """Look at the lake before and after the run in the block; what became of it is given."""
        found, before, staged = Found(), self.digests(), self._had()
        number = len(self._terminal.requests())
        yield found
        after, sealed = self.digests(), self._sealed()
        requests = [
            (dt.date.fromisoformat(request["query"]["date"]), chain, about_a_contract(request))
            for request in self._terminal.requests()[number:]
            if (chain := chain_of(request))
        ]
        asked = {(date, chain) for date, chain, _ in requests}
        # A contract's own answer is with its chain's receipt, and that is written once all have answered:
        # a job that dies between takes it with it.
        whole = {(date, chain) for date, chain, one in requests if not one}
        found.sealed = sealed
        found.lost = [date for date in before if after.get(date) != before[date]]
        found.asked_again = {(date, chain) for date, chain in asked if date in before} | (whole & staged)
        chains = {(date, chain) for date, chain in asked if chain[1] and date not in sealed}
        found.under_way = chains - self._had()
        found.silent = [date for date in self._dates if date not in sealed and self._is_silent(date)]

    def _is_silent(self, date):
        steps = [event for event in journal.read(self.layout.journal(date)) if event["event"] in _STEPS]
        return bool(steps) and steps[-1]["event"] == journal.STARTED

    def disturbed(self, chance):
        """Run once, with jobs being killed, and give the kills.

        Half of the runs are hunted at random, in the others each merge is killed as soon as it has sealed.
        """
        process, kills, over = self._start(), [], threading.Event()
        hunt = self._at_random if chance.random() < 0.5 else self._after_seals
        hunter = threading.Thread(target=hunt, args=(process.pid, chance, kills, over))
        hunter.start()
        process.wait()
        over.set()
        hunter.join()
        return kills

    def _at_random(self, pid, chance, kills, over):
        while not over.wait(chance.uniform(0.05, 0.6)):
            if jobs := list(_jobs(pid)):
                self._kill(*chance.choice(jobs), chance.choice(SIGNALS), kills)

    def _after_seals(self, pid, chance, kills, over):
        seen = self._sealed()
        while not over.wait(0.001):
            fresh = self._sealed() - seen
            for job, rule, date in _jobs(pid) if fresh else ():
                if rule == "merge_date" and date in fresh:
                    self._kill(job, rule, date, chance.choice(SIGNALS), kills)
            seen |= fresh

    def _kill(self, job, rule, date, number, kills):
        sealed = self.layout.sidecar(date).exists()
        with contextlib.suppress(psutil.NoSuchProcess):
            job.send_signal(number)
            kills.append(Kill(rule, date, number, sealed))


_STEPS = frozenset({journal.STARTED, journal.FINISHED, journal.FAILED, journal.STOPPED, journal.SEALED})


def _jobs(pid):
    """The living jobs of the Snakemake *pid*, and what begins them: process, rule and date."""
    for process, rule, date in [*at_work.below(pid), *at_work.beginning(pid)]:
        yield process, rule, dt.date.fromisoformat(date)
