"""Clean days, and passports that must not find anything in them: false alarms are counted here.

One seed is one day of one simulated market: an API, a model of the greeks, a date, a size. Dates are drawn
from those that are special (half days, the weeks in which clocks change, monthly expirations, the first day
with greeks, days of fear and days without a rate) and from all others.
"""

import datetime as dt
import random
from collections import Counter
from dataclasses import dataclass, field

from rich.table import Table
from tests.proof import characters
from tests.proof.seeded import World, fill

from theta_simulator import sessions
from theta_simulator.habits import Kind as Habit

SPECIAL = {
    "half day": ((2024, 7, 3), (2024, 11, 29), (2024, 12, 24)),
    "clocks change": ((2024, 3, 8), (2024, 3, 11), (2024, 11, 1), (2024, 11, 4)),
    "monthly expiration": ((2024, 1, 18), (2024, 1, 19), (2024, 3, 15), (2024, 9, 20)),
    "first greeks": ((2017, 1, 3),),
    "fear": ((2018, 2, 6), (2020, 3, 16), (2020, 3, 18)),
    "no rate": ((2017, 6, 16), (2018, 4, 2), (2021, 5, 28)),
}
NONE = {"arbitrage", "parity", "smile", "greeks", "underlying", "completeness"}  # parts without a hit
# What may be the real terminal's way; half of the days have none of it.
MAYBE_REAL = {
    "half days": (Habit.HALF_DAY_1300, Habit.HALF_DAY_1315),
    "years": characters.YEARS,
    "rows": (Habit.ZERO_ROWS_FIRST, Habit.LATE_FOR_REAL),
    "lists more": (Habit.LISTS_EXPIRED,),
}
_LEAST_SCORE = 99.9
_MOST_BEYOND = 5  # requests beyond one for each chain
_FIRST, _LAST = dt.date(2017, 1, 3), dt.date(2024, 12, 30)


def draw(seed, *, narrow=False):
    """The day of *seed* and what is special about it; *narrow* days are tiny, all but a few."""
    chance = random.Random(seed)
    name = [*SPECIAL, "any"][seed % (len(SPECIAL) + 1)]
    if name == "any":
        date = chance.choice(sessions.between(_FIRST, _LAST))
    else:
        date = dt.date(*chance.choice(SPECIAL[name]))
    api, version = chance.choice((("v3", "latest"), ("v3", "1"), ("v2", "1")))
    size = "small" if chance.random() < (0.1 if narrow else 0.7) else "tiny"
    market = chance.randint(1, 10_000)
    habits = characters.draw(random.Random(f"{seed} habits"), api, date, MAYBE_REAL, (5, 3, 2))
    return World(api, version, date, size, market, habits=habits), name


@dataclass
class Tally:
    """What was looked at and what was found; *wrong* must stay empty."""

    days: Counter = field(default_factory=Counter)
    habits: Counter = field(default_factory=Counter)
    rows: int = 0
    lowest: float = 100.0
    wrong: list = field(default_factory=list)

    def add(self, other):
        """Take another tally in."""
        self.days += other.days
        self.habits += other.habits
        self.rows += other.rows
        self.lowest = min(self.lowest, other.lowest)
        self.wrong += other.wrong


def share(trials, seed, *, narrow=False):
    """The tally of *trials* clean days, one for each seed from *seed* on."""
    tally = Tally()
    for own in range(seed, seed + trials):
        world, name = draw(own, narrow=narrow)
        result = fill.__wrapped__(world)  # no day comes twice
        tally.days[name] += 1
        tally.habits.update(habit.kind for habit in world.habits)
        tally.wrong += [f"seed {own}: {world}: {finding}" for finding in complaints(result)]
        if not result.error:
            tally.rows += result.passport["rows"]
            tally.lowest = min(tally.lowest, result.passport["quality"]["score"])
    return tally


def complaints(result):
    """What the result of a clean day finds."""
    if result.error:
        yield f"ended in {result.error!r}"
        return
    quality, completeness = result.passport["quality"], result.passport["completeness"]
    for check in quality["checks"]:
        if check["part"] in NONE and check["hits"] and check["score"] is not None:
            yield f"{check['check']} finds {check['hits']} of {check['of']}, first {check['first']}"
    if quality["score"] < _LEAST_SCORE:
        yield f"its score is {quality['score']}: {quality['parts']}"
    if not completeness["complete"]:
        yield f"it is not complete: {completeness}"
    if result.passport["session"]["findings"]:
        yield f"its hours disagree: {result.passport['session']['findings']}"
    if result.rejects:
        yield f"{len(result.rejects)} records are rejected"
    if result.beyond > _MOST_BEYOND:
        yield f"it asked {result.beyond} requests beyond one for each chain"


def table(tally):
    """How many days of each kind were looked at."""
    found = Table(title="Clean days", title_justify="left", box=None, caption_justify="left")
    for heading in ("day", "how many"):
        found.add_column(heading, justify="right" if heading == "how many" else "left")
    for name, count in tally.days.most_common():
        found.add_row(name, f"{count:,}")
    found.add_row("together", f"{tally.days.total():,}", style="bold")
    for kind, count in tally.habits.most_common():
        found.add_row(f"with {kind}", f"{count:,}")
    found.caption = (
        f"{tally.rows:,} records, the lowest score {tally.lowest:g}, {len(tally.wrong)} false alarms"
    )
    return found
