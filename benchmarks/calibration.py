"""How often what comes is inside of what `spx-data plan` says, on simulated histories.

    PYTHONPATH=scripts python benchmarks/calibration.py [--seeds 400]

A lake's fills are made up: rows by trading date (a trend, and a scatter that lasts for days), speeds by the
moment (a scatter of each date, one of each night, and what the scenario adds: slow hours, outages, a machine
that becomes faster). After so many fills, the next backlog is estimated, and then filled in the same way.
What is counted is how often its seconds lie inside p10 to p90, below p10, above p90; how wide that is; and
the same of the bytes of further sessions.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import results

from spx_data.ops.gaps.intervals import Interval
from spx_data.ops.gaps.learned import Filled, Learned, Wanted

_FIRST = dt.date(2016, 1, 4)
_BEGIN = dt.datetime(2024, 3, 1, 2, 10, tzinfo=dt.UTC)
_LENGTH = 390.0
HISTORIES, BACKLOGS = (10, 15, 40, 250), (1, 5, 14, 60)

Speed = Callable[[random.Random, dt.datetime, int], float]  # its logarithm: beside the usual scatter


def plain(_: random.Random, _at: dt.datetime, _number: int) -> float:
    """Nothing beside the scatter."""
    return 0.0


def _slow_at_day(_: random.Random, at: dt.datetime, _number: int) -> float:
    return -0.7 if 8 <= at.hour < 20 else 0.0


def _outages(chance: random.Random, _at: dt.datetime, _number: int) -> float:
    return -chance.uniform(0.7, 2.0) if chance.random() < 0.07 else 0.0


def _faster(_: random.Random, _at: dt.datetime, number: int) -> float:
    return 0.9 if number > 100 else 0.0


SCENARIOS: dict[str, Speed] = {
    "scatter of dates and nights": plain,
    "slow by day": _slow_at_day,
    "a date in fourteen meets an outage": _outages,
    "faster by 2.5 after 100 fills": _faster,
}


@dataclass
class Maker:
    """A lake that is filled, a few dates a night; *speed* is what the scenario adds."""

    chance: random.Random
    speed: Speed
    night: float = 0.0
    market: float = 0.0
    number: int = 0
    moment: dt.datetime = _BEGIN

    def fills(self, dates: int, a_night: int) -> Iterator[Filled]:
        """So many further dates, some of them each night."""
        for place in range(dates):
            if place % a_night == 0:
                self._sleep()
            yield self._date()

    def _sleep(self) -> None:
        """Until the next night, or some evening."""
        hour = self.chance.choice([2, 2, 2, 15])
        self.moment = (self.moment + dt.timedelta(1)).replace(hour=hour, minute=10 + self.chance.randrange(5))
        self.night = self.chance.gauss(0.0, 0.15)

    def _date(self) -> Filled:
        chance = self.chance
        self.market = 0.9 * self.market + chance.gauss(0.0, 0.06)
        rows = round(6e6 * math.exp(self.market + chance.gauss(0.0, 0.05) + 2e-4 * self.number))
        added = self.speed(chance, self.moment, self.number)
        speed = math.log(40_000) + self.night + chance.gauss(0.0, 0.15) + added
        seconds = rows / math.exp(speed)
        begun, self.moment = self.moment, self.moment + dt.timedelta(seconds=seconds)
        date = _FIRST + dt.timedelta(self.number)
        self.number += 1
        size = round(rows * 18.7 * math.exp(chance.gauss(0.0, 0.03)))
        return Filled("SPX", date, _LENGTH, begun, self.moment, rows, rows, size, seconds)


def _said(fills: list[Filled], dates: int, rows: Callable[[Filled], float]) -> float:
    """What the nearest dates say of the next ones: the median of the newest twenty, for each."""
    return median(rows(each) for each in fills[-20:]) * dates


@dataclass(frozen=True)
class Case:
    """One estimate and what came."""

    interval: Interval
    came: float


def case(speed: Speed, history: int, backlog: int, seed: int) -> tuple[Case, Case]:
    """The seconds of a backlog, and the bytes of so many sessions."""
    maker = Maker(random.Random(seed), speed)
    fills = list(maker.fills(history, a_night=3))
    learned = Learned(fills, dt.UTC)
    maker._sleep()
    at = maker.moment
    each = round(_said(fills, 1, lambda one: one.rows))
    wanted = [Wanted("SPX", _FIRST, each)] * backlog
    span, growth = learned.span(wanted, at), learned.growth(backlog)
    coming = [maker._date() for _ in range(backlog)]
    assert span and growth
    said = _said(fills, backlog, lambda one: one.bytes)
    return (
        Case(span, sum(one.seconds for one in coming)),
        Case(growth.times(said), float(sum(one.bytes for one in coming))),
    )


def inside(cases: list[Case]) -> tuple[float, float, float]:
    """The shares of *cases* inside, below and above."""
    below = sum(each.came < each.interval.p10 for each in cases) / len(cases)
    above = sum(each.came > each.interval.p90 for each in cases) / len(cases)
    return 1 - below - above, below, above


def table(seeds: int) -> str:
    """The findings in Markdown."""
    lines = [
        "| scenario | fills before | dates | seconds inside | below | above | p90 / p10 | bytes inside |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, speed in SCENARIOS.items():
        for history in HISTORIES:
            for backlog in BACKLOGS:
                found = [case(speed, history, backlog, seed) for seed in range(seeds)]
                seconds, sizes = (list(some) for some in zip(*found, strict=True))
                within, below, above = inside(seconds)
                width = fmean(each.interval.p90 / each.interval.p10 for each in seconds)
                lines.append(
                    f"| {name} | {history} | {backlog} | {within:.0%} | {below:.0%} | {above:.0%} "
                    f"| {width:.2f} | {inside(sizes)[0]:.0%} |"
                )
    return "\n".join(lines)


def main() -> None:
    """Simulate and print, and keep the table where --record says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--record", type=Path, help="keep the table in this file")
    given = parser.parse_args()

    text = f"{table(given.seeds)}\n\n{given.seeds} histories each; a simulation: the same on any machine."
    print(text)
    if given.record:
        call = f"`python benchmarks/calibration.py --seeds {given.seeds}`"
        results.keep(given.record, "Estimates and what came", call, text)


if __name__ == "__main__":
    main()
