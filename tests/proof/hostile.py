"""A terminal that does whatever a seed says, and a fill that must come through it.

One seed is one *history*: an API, a format, a date, a few kinds of faults and outages, up to three habits,
and as many runs of the workflow as the date needs. After every run what is staged and what is sealed is what
the terminal has, cell by cell; what is lacking is told; and nothing stands where it should not. At the end
the terminal's own log is judged: see `conduct`.
"""

import contextlib
import datetime as dt
import os
import random
import re
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

import polars as pl
from rich.table import Table
from tests import schemas
from tests.habits import strange, untold
from tests.proof import characters, conduct, fills

import theta_simulator
from spx_data.errors import ApiDataNotFoundError, SpxDataError, SubscriptionError
from spx_data.fill.listing import Listing
from spx_data.fill.preflight import preflight
from spx_data.fill.survey import fetch_expirations
from spx_data.lake import session_states
from spx_data.market import products, schema
from spx_data.store import journal, reads, seals, staging
from theta_simulator import Faults, Outage
from theta_simulator.faults import OUTAGES, TRANSIENT, Kind
from theta_simulator.habits import Kind as Habit

DATES = (
    dt.date(2024, 1, 2),
    dt.date(2024, 7, 3),  # a half day
    dt.date(2024, 11, 29),  # a half day on which weeklies expire
    dt.date(2024, 1, 18),  # the last day of a monthly that settles in the morning
    dt.date(2024, 1, 19),  # the third Friday itself
)
TODAY = dt.date(2024, 12, 31)
_STAMPS = {"1h": 7, "30m": 14, "5m": 79, "1m": 391}
_STEPS_MS = {"1h": 3_600_000, "30m": 1_800_000, "5m": 300_000, "1m": 60_000}
_CONTRACTS = {"tiny": 8, "small": 40}  # of a chain
_RUNS = 100
_FEW_RUNS = 5  # of a date that is not sealed
_SLOW_SECONDS = 60.0
# What a listing lacks at first, and has later.
_PASSING = (Habit.ROOT_MISSING_ONCE, Habit.DATE_LATE, *characters.REPORTED)
_NAMES = re.compile(
    r"""parquet/dataset\.json
    | parquet/\d{4}/\d\d/\d\d/spx-options-DATE\.(parquet|parquet\.sha256|json)
    | parquet/\d{4}/\d\d/\d\d/spx-contracts-DATE\.parquet
    | temp/DATE/(expirations|manifest)\.json
    | temp/DATE/reports\.arrow
    | temp/DATE/SPXW?-\d{4}-\d\d-\d\d\.(ndjson|receipt\.json|rejects\.ndjson)
    | data/rejects/\d{4}/DATE\.ndjson
    | temp/terminal-down\.json
    | data/journal/\d{4}/DATE\.jsonl
    | data/cache/expirations-SPXW?\.json
    | data/locks/(data-set|outage|lead)\.lock""".replace("DATE", r"\d{4}-\d\d-\d\d"),
    re.VERBOSE,
)


@dataclass(frozen=True)
class History:
    """What one seed stands for."""

    seed: int
    terminal: theta_simulator.Settings
    format: str
    date: dt.date
    interval: str
    version: str
    concurrent: int
    silence_seconds: float
    looks_first: bool  # every run begins with the preflight, as the workflow does
    permanent: bool  # the fault stays until somebody lifts it
    most_runs: int | None = None  # processing.max_attempts
    questions: int = 100  # processing.second_opinions

    @property
    def habits(self):
        """How the terminal always is."""
        return self.terminal.habits

    @property
    def model(self):
        """The market's name of the greeks model."""
        return "v2" if self.terminal.api == "v2" else self.version


def draw(seed, kinds=None):
    """The history of *seed*; *kinds* are the only faults then."""
    chance = random.Random(seed)
    api = chance.choice(("v3", "v2"))
    interval = chance.choices(list(_STAMPS), (5, 5, 2, 1))[0]
    permanent = kinds is None and chance.random() < 0.05
    faults = _lasting(chance) if permanent else _passing(chance, interval, kinds)
    size = "small" if permanent or (interval == "1h" and chance.random() < 0.2) else "tiny"
    stalls = Kind.STALL in faults.kinds and faults.stall_seconds > 1
    history = History(
        seed=seed,
        terminal=theta_simulator.Settings(
            api=api,
            size=size,
            seed=chance.randint(1, 3),
            style=chance.choice(("live", "docs")),
            page_size=_STAMPS[interval] * _CONTRACTS[size] // chance.randint(1, 4),
            today=TODAY,
            faults=faults,
        ),
        format=chance.choice(("csv", "json", "ndjson") if api == "v3" else ("csv", "json")),
        date=chance.choice(DATES),
        interval=interval,
        version=chance.choice(("latest", "1")) if api == "v3" else "1",
        concurrent=chance.randint(1, 4),
        silence_seconds=0.4 if stalls else 30.0,
        looks_first=chance.random() < 0.5,
        permanent=permanent,
    )
    alone = permanent or kinds is not None
    return history if alone else _with_habits(history, random.Random(f"{seed} habits"))


def _with_habits(history, chance):
    """The same history at a terminal of some habits, and with limits of its own."""
    habits = characters.draw(chance, history.terminal.api, history.date)
    faults = history.terminal.faults
    if chance.random() < 0.4:  # what a habit alone comes to is not lost among faults
        faults = replace(faults, rate=0.0, outages=())
    faults = replace(faults, kinds=characters.without_twins(habits, faults.kinds))
    return replace(
        history,
        terminal=replace(history.terminal, faults=faults, habits=habits),
        most_runs=chance.choice((None, 1, 2, 3)),
        questions=chance.choice((100, 100, 10, 0)),
    )


def _lasting(chance):
    rate = chance.choice((1.0, 0.4))
    return Faults(chance.getrandbits(32), rate, (Kind.REFUSED_TIER,), most_per_request=10**9)


def _passing(chance, interval, kinds):
    if kinds is None:
        several = chance.choices((1, chance.randint(2, 6), len(TRANSIENT)), (3, 4, 2))[0]
        kinds = chance.sample(TRANSIENT, several)
    outages, large = (), None
    if chance.random() < 0.25:
        outages = tuple(_outage(chance) for _ in range(chance.randint(1, 2)))
    if chance.random() < 0.2:
        large = chance.randint(_STAMPS[interval] // 5 + 1, _STAMPS[interval])
    return Faults(
        seed=chance.getrandbits(32),
        rate=chance.uniform(0.1, 0.6),
        kinds=tuple(kinds),
        most_per_request=chance.randint(1, 3),
        outages=outages,
        large=large,
        stall_seconds=chance.choice((60.0, 0.02, 0.02)),
    )


def _outage(chance):
    first = chance.randint(1, 15)
    return Outage(first, first + chance.choice((1, 4, 12, 24)), chance.choice(OUTAGES))


# The tally ----------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was tried and what was found; *wrong* must stay empty."""

    histories: int = 0
    requests: int = 0
    kinds: Counter = field(default_factory=Counter)  # faults that really hit a request
    errors: Counter = field(default_factory=Counter)  # what runs ended in
    retried: Counter = field(default_factory=Counter)  # what was answered by asking again
    runs: Counter = field(default_factory=Counter)  # histories by the number of runs they took
    habits: Counter = field(default_factory=Counter)  # of terminals
    days: Counter = field(default_factory=Counter)  # what became of the dates: complete, incomplete, open
    chains: Counter = field(default_factory=Counter)  # of sealed days by their state
    slowest: tuple = (0.0, None)  # seconds and seed
    wrong: list = field(default_factory=list)

    def add(self, other):
        """Take another tally in."""
        names = ("histories", "requests", "kinds", "errors", "retried", "runs", "habits", "days", "chains")
        for name in (*names, "wrong"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest = max(self.slowest, other.slowest)


def share(histories, seed):
    """The tally of *histories*, one for each seed from *seed* on."""
    with Soak() as soak:
        return soak.run(histories, seed)


def table(tally):
    """What was injected, what the runs made of it, and what came of it."""
    found = Table(
        title="Histories with a hostile terminal", title_justify="left", box=None, caption_justify="left"
    )
    for heading in ("fault", "times", "habit", "times", "a run ended in", "times"):
        counts = heading == "times"
        justify = "right" if counts else "left"
        found.add_column(heading, justify=justify, no_wrap=True, min_width=6 if counts else None)
    columns = (tally.kinds.most_common(), tally.habits.most_common(), tally.errors.most_common())
    for row in zip_longest(*columns, fillvalue=("", 0)):
        found.add_row(*(cell for name, count in row for cell in (str(name), f"{count:,}" if name else "")))
    sums = ("together", f"{tally.kinds.total():,}", "together", f"{tally.habits.total():,}")
    found.add_row(*sums, "wrong", f"{len(tally.wrong):,}", style="bold")
    runs = sum(number * count for number, count in tally.runs.items())
    seconds, seed = tally.slowest
    asked_again = ", ".join(f"{name} {count:,}" for name, count in tally.retried.most_common())
    found.caption = (
        f"{tally.histories:,} histories, {tally.requests:,} requests, {runs:,} runs, "
        f"at most {max(tally.runs, default=0)} of one date; the slowest took {seconds:.1f} s (seed {seed}). "
        f"Dates: {_listed(tally.days)}; chains of the sealed: {_listed(tally.chains)}. "
        f"Asked again after {asked_again}."
    )
    return found


def _listed(counts):
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


# Histories ----------------------------------------------------------------------------------------------


class Soak:
    """Histories in new folders, each against a terminal of its own; use it as a context.

    Args:
        base: the folder for the histories' folders.
        kinds: the faults to draw from; None draws from all.
    """

    def __init__(self, base=None, kinds=None):
        self._base, self._kinds = base, kinds
        self._tally = Tally()

    def __enter__(self):
        # Names that lead upwards must end in here.
        self._folder = Path(tempfile.mkdtemp(prefix="hostile-", dir=self._base))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._folder)

    def run(self, histories, seed):
        """As many *histories*, those of *seed* and the seeds after it; returns the tally."""
        for own in range(seed, seed + histories):
            begun = time.monotonic()
            trial = Trial(draw(own, self._kinds), self._folder / str(own) / "deep" / "down", self._tally)
            try:
                trial.run()
            finally:
                shutil.rmtree(self._folder / str(own), ignore_errors=True)
            seconds = time.monotonic() - begun
            if seconds > _SLOW_SECONDS:
                trial.wrong(f"took {seconds:.0f} s")
            self._tally.histories += 1
            self._tally.slowest = max(self._tally.slowest, (seconds, own))
        return self._tally


@dataclass(frozen=True)
class Run:
    """One run of the workflow: the last request it made, whether a listing stood at its end, its error."""

    last: int
    listed: bool
    error: SpxDataError | None


class Trial:
    """One history as it goes."""

    def __init__(self, history, folder, tally):
        self.history, self.folder, self._tally = history, folder, tally
        self._terminal = None
        self._settings = None
        self._fill = None
        self._runs = []

    def wrong(self, finding):
        """Note what should not be."""
        self._tally.wrong.append(f"seed {self.history.seed}: {finding}")

    def run(self):
        """Fill the date in as many runs as it needs, and judge everything."""
        history = self.history
        if history.permanent and history.terminal.faults.rate == 1:
            self._list()
        with self._running(history.terminal):
            self._fill = fills.Fill(self._settings, history.date)
            if history.permanent:
                self._run()
                self._check_refused()
            else:
                self._run_to_the_end()
            self._check_log()
            self._count()
        if history.permanent:
            self._lift()
        self._tally.runs[len(self._runs)] += 1

    @contextlib.contextmanager
    def _running(self, terminal):
        """A terminal in the block, and settings that lead to it."""
        history = self.history
        with theta_simulator.running(terminal) as self._terminal:
            self._settings = fills.lake(
                self.folder,
                self._terminal.url,
                history.date,
                api="auto" if history.looks_first else history.terminal.api,
                format=history.format,
                greeks_version=history.version,
                history_timeout_seconds=history.silence_seconds,
                interval=history.interval,
                max_attempts=history.most_runs,
                second_opinions=history.questions,
                max_concurrent_requests=history.concurrent,
                keep_ndjson=True,
            )
            yield

    def _run_to_the_end(self):
        history = self.history
        nothing = characters.gives_nothing(history.habits)
        held = history.most_runs is None and characters.has(
            history.habits, characters.HELD | characters.REPORTED
        )
        most = _FEW_RUNS if nothing or held else _RUNS
        for _ in range(most):
            self._run()
            if self._fill.sealed:
                break
        if not self._fill.sealed and not nothing and not held:
            self.wrong(f"not sealed after {most} runs, the last one ended in {self._runs[-1].error!r}")
        self._tally.habits.update(habit.kind for habit in history.habits)
        self._tally.days[self._outcome()] += 1

    def _outcome(self):
        if not self._fill.sealed:
            return "open"
        passport = self._fill.passport()
        self._tally.chains.update(chain["state"] for chain in passport["chains"])
        return "complete" if passport["completeness"]["complete"] else "incomplete"

    def _run(self):
        """Call the workflow once, and judge everything it left."""
        try:
            error = self._call()
        except (Exception, pl.exceptions.PanicException) as unexpected:
            self.wrong(f"{type(unexpected).__name__}, not an error of ours: {unexpected}")
            error = None
        last = max((request["n"] for request in self._terminal.requests()), default=0)
        listed = self._fill.layout.listing(self.history.date).exists()
        self._runs.append(Run(last, listed, error))
        if error is not None:
            self._tally.errors[type(error).__name__] += 1
            self._check_error(error)
        for check in (self._check_listing, self._check_staged, self._check_sealed, self._check_places):
            try:
                check()
            except SpxDataError as unreadable:
                self.wrong(f"what a run left cannot be read: {unreadable!r}")

    def _call(self):
        self._fill.settings = self._settings
        if self.history.looks_first:
            try:
                found = preflight(self._settings)
            except SpxDataError as error:
                return error
            self._fill.settings = replace(self._settings, terminal=found)
        return self._fill.run()

    def _list(self):
        """Make the listing while all is well: or nobody would ask for a chain."""
        with self._running(replace(self.history.terminal, faults=None)):
            fetch_expirations(
                self._settings, self.history.date, self._settings.layout.listing(self.history.date)
            )

    def _lift(self):
        """Let the subscription be what it should: the next run ends well, and asks for what is not there."""
        had = self._fill.staged()
        if self._runs[-1].listed:
            had |= {("SPX", None), ("SPXW", None)}
        with self._running(replace(self.history.terminal, faults=None)):
            self._run()
            if not self._fill.sealed:
                self.wrong(f"the fault is lifted, and the next run ends in {self._runs[-1].error!r}")
            chains = (each for each in self._terminal.requests() if not conduct.about_a_contract(each))
            if again := had & set(map(conduct.chain_of, chains)):
                self.wrong(f"fetched again though staged: {sorted(again, key=str)}")
            self._count()

    def _count(self):
        requests = self._terminal.requests()
        self._tally.requests += len(requests)
        self._tally.kinds.update(request["fault"] for request in requests if request["fault"])
        events = journal.read(self._fill.layout.journal(self.history.date))
        self._tally.retried.update(event["error"] for event in events if event["event"] == journal.RETRIED)

    # What a run leaves --------------------------------------------------------------------------------

    def _check_error(self, error):
        """It says what happened and what to do, and the date stays due, unless there is nothing of it."""
        if not error.cause or not error.cure:
            self.wrong(f"an error without a cause or a cure: {error!r}")
        history, moment = self.history, dt.datetime.now(dt.UTC)
        evidence = session_states.gather(self._fill.layout, history.date)
        patience = self._fill.settings.patience
        state = session_states.state(
            evidence, fills.session_of(history.date), moment, patience, products.DEFAULT
        )
        nothing = isinstance(error, ApiDataNotFoundError) or history.most_runs is not None
        if not state.due and (not nothing or any(receipt.rows for receipt in self._receipts())):
            self.wrong(f"after {error!r} the date is {state.kind} and not due")

    def _receipts(self):
        for path in self._fill.layout.receipts(self.history.date):
            yield staging.Receipt.of_json(reads.read_json(path))

    def _check_listing(self):
        """A listing that stands is the terminal's; what it does not list is there by another's word alone."""
        history, path = self.history, self._fill.layout.listing(self.history.date)
        if not path.exists():
            return
        standing = Listing.of_json(reads.read_json(path))
        chains = standing.chains
        found = {
            (entry.chain.root, entry.chain.listed): (entry.calls, entry.puts)
            for entry in chains
            if entry.witness == "listing"
        }
        listed = fills.listed(self._terminal.truth, history.date)
        strange = {
            key for key, strikes in found.items() if not self._is_of(strikes, listed.get(key, ((), ())))
        }
        lost = listed.keys() - {(entry.chain.root, entry.chain.listed) for entry in chains}
        lost = {key for key in lost if key[0] not in standing.roots}
        if strange or (lost and not characters.has(history.habits, _PASSING)):
            self.wrong(f"a wrong listing stands: {sorted(strange)} are others, {sorted(lost)} are not there")

    def _is_of(self, strikes, listed):
        """Whether calls and puts are those *listed*, but for one that cannot be read, twice alike."""
        pairs = [(set(found), set(whole)) for found, whole in zip(strikes, listed, strict=True)]
        most = int(Kind.NOT_A_NUMBER in self.history.terminal.faults.kinds)
        lost = sum(len(whole - found) for found, whole in pairs)
        return all(found <= whole for found, whole in pairs) and lost <= most

    def _check_staged(self):
        """Every receipt vouches for rows that the terminal has: for all of an answer about the chain."""
        for receipt in self._receipts():
            had, answer = self._had(receipt.root, receipt.expiration)
            checkpoint = self._fill.layout.checkpoint(self.history.date, receipt.root, receipt.expiration)
            if not receipt.rows:
                if len(answer) and receipt.error is None and receipt.evidence.silence is None:
                    self.wrong(f"no records are staged of {receipt.root} {receipt.expiration}")
                continue
            found = staging.read_records(checkpoint, receipt)
            # An answer that lacks a value is asked for once more, and the second is taken as it is.
            spoilt = {Kind.NOT_A_NUMBER, Kind.MISSING_COLUMN} & {*self.history.terminal.faults.kinds}
            wrong = [*strange(found, had, self.history.habits, schemas.RECORD.names if spoilt else ())]
            if lost := self._lost(receipt, answer.join(found, on=schema.RECORD_KEY, how="anti")):
                wrong.append(f"lacks {lost} rows of its answer")
            for finding in wrong:
                self.wrong(f"wrong records are staged: {receipt.root} {receipt.expiration} {finding}")

    def _lost(self, receipt, lacking):
        """How many rows its receipt does not know to be lacking."""
        if receipt.evidence.silence is not None:
            return 0
        known = (pl.col("timestamp").is_between(*ends) for ends in receipt.evidence.bare)
        return len(lacking.filter(~pl.any_horizontal(pl.lit(value=False), *known)))

    def _had(self, root, expiration):
        """The rows of a chain that the terminal has, and those that its answer about the chain has."""
        history, truth = self.history, self._terminal.truth
        asked = (history.model, root, expiration, history.date, _STEPS_MS[history.interval])
        return fills.gettable(truth, *asked), fills.answer(truth, *asked)

    def _check_sealed(self):
        """A date that counts as sealed is the terminal's, to the last cell, and passes its own checksum."""
        if not self._fill.sealed:
            return
        history, parquet = self.history, self._fill.layout.parquet(self.history.date)
        for finding in untold(self._fill, self._terminal):
            self.wrong(f"a wrong day is sealed: {finding}")
        if not history.habits and self._fill.passport()["completeness"]["complete"]:
            step_ms = _STEPS_MS[history.interval]
            truth = fills.day_truth(self._terminal.market, history.model, history.date, step_ms)
            key = ["root", "expiration", *schema.RECORD_KEY]
            found = fills.sealed_rows(parquet)
            if not found.select(key).equals(truth.select(key)):
                self.wrong(f"a wrong day is sealed: {len(found)} rows, the market has {len(truth)}")
        if not self._fill.passport()["rows"]:
            self.wrong("a day without a record is sealed")
        seals.verify(parquet)

    def _check_places(self):
        """Everything stands where a lake keeps it, and nothing has a name that a terminal chose."""
        everything = list(self.folder.parents[2].rglob("*"))
        names = [os.path.relpath(path, self.folder) for path in everything if path.is_file()]
        if strange := [name for name in names if not _NAMES.fullmatch(name)]:
            self.wrong(f"files in strange places: {strange}")
        if evil := [str(path) for path in everything if "evil" in path.name]:
            self.wrong(f"a hostile name was used: {evil}")

    # What the terminal's log says ---------------------------------------------------------------------

    def _check_log(self):
        log, runs = self._terminal.requests(), list(self._requests_of_runs())
        history = self.history
        limit, outages = history.concurrent, len(history.terminal.faults.outages)
        at_work = limit + 2  # two chains are staged, or wait for a slot, beside those that are asked for
        findings = [
            *conduct.too_many_at_once(log, limit, history.silence_seconds),
            *conduct.hammered(runs, outages, at_work),
            *conduct.went_on_refused(log, at_work),
        ]
        if history.terminal.faults.large is None:
            findings += conduct.doubted_too_much(runs, history.questions)
        if not history.habits:
            findings += conduct.failed_without_cause(runs)
            findings += conduct.asked_without_cause(runs, self._fill.sealed, self._given_up())
        for finding in findings:
            self.wrong(finding)

    def _given_up(self):
        """The chains that the sealed date lacks something of, and the roots whose listing did not come."""
        if not self._fill.sealed:
            return set()
        passport = self._fill.passport()
        chains = {
            (chain["root"], chain["expiration"]) for chain in passport["chains"] if chain["state"] != "whole"
        }
        witnessed = {(chain["root"], None) for chain in passport["chains"] if chain["witness"] != "listing"}
        return chains | witnessed | {(root, None) for root in passport["listing"]["silent_roots"]}

    def _requests_of_runs(self):
        """Each run with the requests it made."""
        log, first = self._terminal.requests(), 0
        for run in self._runs:
            yield run, [request for request in log if first < request["n"] <= run.last]
            first = run.last

    def _check_refused(self):
        """A subscription that lacks the data ends the run, and the error says what to do."""
        error = self._runs[-1].error
        asked = filter(conduct.is_no_advice, self._terminal.requests())
        refused = any(request["fault"] == Kind.REFUSED_TIER for request in asked)
        if refused and not (isinstance(error, SubscriptionError) and "Upgrade" in error.cure):
            self.wrong(f"a refused subscription became {error!r}")
