"""Defects at the source, and passports that must name each of them: nothing less, and nothing more.

One seed is one blemish (see `theta_simulator.blemishes`) in one world: an API, a format, a model of the
greeks, a date, a market. The date is listed, downloaded and merged over HTTP, and its passport is held
against that of the same date without the blemish. `expected` says what must be found, and where.
"""

import datetime as dt
import functools
import itertools
import json
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.table import Table
from tests.habits import beyond_one_per_chain
from tests.proof import characters, expected, fills

import theta_simulator
from spx_data.errors import ApiDataNotFoundError, SpxDataError
from spx_data.fill.preflight import preflight
from theta_simulator import Blemish
from theta_simulator.blemishes import V3_ONLY, Kind, Scope
from theta_simulator.flawed import place
from theta_simulator.habits import Kind as Habit
from theta_simulator.habitual import HabitualMarket

KINDS = [*expected.JUDGED, *expected.PROVEN]
TODAY = dt.date(2024, 12, 31)
ORDINARY = dt.date(2024, 1, 2)
HALF_DAY = dt.date(2024, 7, 3)
DATES = (
    ORDINARY,
    HALF_DAY,
    dt.date(2024, 1, 19),  # a third Friday
    dt.date(2024, 3, 11),  # the first day of summer time
    dt.date(2020, 3, 17),  # a market in fear, a rate near zero
    dt.date(2018, 2, 6),  # SOFR did not exist yet
)
# Strikes of a tiny market are too far apart for a smile, its chains too few to tell the day's rate.
_SMALL = (Kind.IV_KINK, Kind.DELTA_RISING, Kind.CALENDAR, Kind.IV_OUT_OF_RANGE, Kind.RATE_CHANGED)
# None of these hides a blemish, or has something for a check to find.
_BESIDE = {name: characters.ANY[name] for name in ("spelling", "at first")} | {
    "lists more": characters.LISTS_MORE,
    "lists less": (Habit.ROOT_MISSING_ONCE,),
    "the report": (Habit.EOD_TWICE,),
}
# Everywhere they are the day's rate, and the source's way of counting.
_WAYS = (Kind.RATE_CHANGED, Kind.DAY_COUNT_OFF)
_DRAWS = 200
_FEW = 3  # complaints of one trial that are kept


@dataclass(frozen=True)
class World:
    """Where a blemish is put; without one it is the clean day."""

    api: str
    version: str
    date: dt.date
    size: str
    market: int
    format: str = "csv"
    page_size: int = 500_000
    blemish: Blemish | None = None
    everywhere: bool = False  # one in each chain of the date
    habits: tuple = ()  # how its terminal is, blemish or not

    @property
    def model(self):
        """The market's name of the greeks model."""
        return "v2" if self.api == "v2" else self.version

    @property
    def source(self):
        """The market as its source has it, the blemish included."""
        clean = HabitualMarket(self.market, self.size, (), self.habits)
        if not self.everywhere:
            return replace(clean, blemishes=(self.blemish,) if self.blemish else ())
        chains = [
            (root, item.label) for root in ("SPX", "SPXW") for item in clean.expirations(root, self.date)
        ]
        each = (replace(self.blemish, root=root, expiration=label) for root, label in chains)
        return replace(clean, blemishes=tuple(each))

    @property
    def clean(self):
        """The same world without the blemish; how it is spelled makes no difference."""
        habits = tuple(habit for habit in self.habits if habit.kind not in characters.SPELLING)
        return replace(self, format="csv", page_size=500_000, blemish=None, everywhere=False, habits=habits)


def draw(seed, *, narrow=False):
    """The world of *seed* and where its blemish is; *narrow* draws from few worlds, which cost less."""
    kind, chance = KINDS[seed % len(KINDS)], random.Random(seed)
    for _ in range(_DRAWS):
        world = _drawn(kind, chance, narrow)
        if where := place(world.source.clean, world.blemish, world.date):
            return world, where
    raise AssertionError(f"seed {seed}: no world has a place for {kind}")


def _drawn(kind, chance, narrow):
    small = kind in _SMALL or (not narrow and chance.random() < 0.2)
    dear = small and narrow
    api = "v3" if kind in V3_ONLY or dear else chance.choice(("v3", "v2"))
    latest = api == "v3" and (narrow or kind is Kind.CLOCK_SHIFTED or chance.random() < 0.6)
    half = kind is Kind.CALENDAR_OPEN  # right on every other day
    dates = (HALF_DAY,) if half else (ORDINARY,) if narrow else DATES
    if kind is Kind.CALENDAR_EARLY or kind is Kind.ENDS_EARLY:
        dates = [date for date in dates if date != HALF_DAY]
    world = World(
        api=api,
        version="latest" if latest else "1",
        date=chance.choice(dates),
        size="small" if small else "tiny",
        market=1 if narrow else chance.randint(1, 3),
        format="csv"
        if dear
        else chance.choice(("csv", "json", "ndjson") if api == "v3" else ("csv", "json")),
        page_size=chance.choice((1_000, 500_000)),
        blemish=(blemish := Blemish(kind, chance.getrandbits(32))),
        everywhere=not narrow and _lies_in_chains(blemish) and chance.random() < 0.3,
    )
    habits = characters.draw(random.Random(f"{blemish.seed} habits"), api, world.date, _BESIDE, (7, 2, 1))
    return replace(world, habits=habits)


def _lies_in_chains(blemish):
    """Whether each chain may have a blemish of its own."""
    widely = blemish.scope in (Scope.CHAIN, Scope.STAMPS) and blemish.kind not in _WAYS
    return widely and blemish.kind in expected.JUDGED


# The tally ----------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was put in and what was found; *wrong* must stay empty."""

    kinds: Counter = field(default_factory=Counter)
    found: Counter = field(default_factory=Counter)
    beside: dict = field(default_factory=dict)  # what else found the kind, and how often
    wrong: list = field(default_factory=list)

    def add(self, other):
        """Take another tally in."""
        self.kinds += other.kinds
        self.found += other.found
        self.wrong += other.wrong
        for kind, codes in other.beside.items():
            self.beside[kind] = self.beside.get(kind, Counter()) + codes


def share(trials, seed, *, narrow=False):
    """The tally of *trials* blemishes, one for each seed from *seed* on."""
    tally = Tally()
    for own in range(seed, seed + trials):
        _try(own, narrow, tally)
    return tally


def _try(seed, narrow, tally):
    world, where = draw(seed, narrow=narrow)
    wrong, beside = complaints(world, where, fill(world), fill(world.clean))
    tally.kinds[where.kind.value] += 1
    tally.found[where.kind.value] += not wrong
    tally.beside.setdefault(where.kind.value, Counter()).update(beside)
    tally.wrong += [f"seed {seed}: {world}: {where}: {finding}" for finding in wrong[:_FEW]]


def table(tally):
    """Each kind, how often it was put in and found, and what else found it."""
    found = Table(title="Defects at the source", title_justify="left", box=None)
    for heading in ("blemish", "put in", "found", "also found by"):
        found.add_column(heading, justify="right" if heading in ("put in", "found") else "left")
    for kind, count in sorted(tally.kinds.items()):
        others = ", ".join(f"{code} {times}" for code, times in tally.beside[kind].most_common())
        found.add_row(kind, f"{count:,}", f"{tally.found[kind]:,}", others)
    found.add_row("together", f"{tally.kinds.total():,}", f"{tally.found.total():,}", "", style="bold")
    return found


# One trial ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What a fill left: a passport, rejects and rows, or an error; in how many runs the date was held."""

    error: SpxDataError | None = None
    held: int = 0
    beyond: int = 0  # requests beyond one for each chain
    passport: dict = field(default_factory=dict)
    rejects: tuple = ()
    rows: object = None


@functools.lru_cache(maxsize=64)
def fill(world):
    """The result of filling the date of *world* from a terminal of its own."""
    own = Path(tempfile.mkdtemp(prefix="seeded-"))
    settings = theta_simulator.Settings(
        api=world.api,
        size=world.size,
        seed=world.market,
        page_size=world.page_size,
        today=TODAY,
        blemishes=world.source.blemishes,
        habits=world.habits,
    )
    try:
        with theta_simulator.running(settings) as terminal:
            lake = fills.lake(
                own,
                terminal.url,
                world.date,
                api=world.api,
                format=world.format,
                greeks_version=world.version,
                interval="1m",
            )
            lake = replace(lake, terminal=preflight(lake))  # once for a run, and not for a date
            before = len(terminal.requests())
            one = fills.Fill(lake, world.date)
            errors = list(itertools.takewhile(bool, (one.run() for _ in range(expected.HELD_RUNS + 2))))
            if not one.sealed:
                return Result(errors[-1])
            beyond = beyond_one_per_chain(one, terminal, before)
        rejects = lake.layout.rejects(world.date)
        return Result(
            held=sum(not isinstance(error, ApiDataNotFoundError) for error in errors),
            beyond=beyond,
            passport=one.passport(),
            rejects=tuple(map(json.loads, rejects.read_text().splitlines())) if rejects.exists() else (),
            rows=fills.sealed_rows(lake.layout.parquet(world.date)),
        )
    finally:
        shutil.rmtree(own)


def complaints(world, where, result, clean):
    """What is wrong with the result of a blemish, and the codes that found it beside those that had to."""
    case = expected.Case(world, where, result, clean)
    if result.error:
        return [f"ended in {result.error!r}"], ()
    if world.everywhere:
        return list(_everywhere(world, result, clean)), ()
    if where.kind in expected.PROVEN:
        return list(expected.PROVEN[where.kind](case)), case.codes
    return list(_judged(case)), case.codes - expected.JUDGED[where.kind].must


def _everywhere(world, result, clean):
    for where in world.source.places(world.date):
        case = expected.Case(world, where, result, clean)
        # Where all chains are wrong alike, none differs from the others.
        for code in sorted(expected.JUDGED[where.kind].must - case.codes - {"underlying-differs"}):
            yield f"{code} does not find it in {where.root} {where.expiration}; found: {sorted(case.codes)}"


def _judged(case):
    finds, where = expected.JUDGED[case.where.kind], case.where
    for code in sorted(finds.must - case.codes):
        yield f"{code} does not find it; found: {sorted(case.codes)}"
    for code in sorted(case.codes - finds.must - finds.may - expected.FACTS):
        yield f"{code} finds something too"
    for chain, code in sorted(case.elsewhere):
        yield f"{code} finds something in {chain}"
    if where.first is not None:
        yield from case.misplaced(finds.must & case.codes)
    rows = fills.day_truth(case.world.source, case.world.model, case.world.date, 60_000)
    if not case.result.rows.equals(rows):
        yield "the sealed rows are not what the source sent"
    if case.changed("completeness", "rejects"):
        yield f"completeness and rejects differ: {case.changed('completeness', 'rejects')}"
