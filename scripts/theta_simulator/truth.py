"""What a terminal truly has, what its answers show, and what its habits are about: for tests.

Nothing here was asked over the wire. Whatever is over after a while (`listed-472`, `date-late`, …) is over.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from theta_simulator import eod, interest, sessions
from theta_simulator.habit_rows import drawn_minute
from theta_simulator.habits import NO_CHAIN_ANSWER, OF_ONE_CHAIN, OF_ONE_ROOT, Habit, Kind
from theta_simulator.habitual import HabitualMarket, missing_root, one_chain
from theta_simulator.market import COLUMNS, Market

KEY = ["strike", "right", "ms_of_day"]
_NO_SINGLES = frozenset({Kind.SINGLES_500, Kind.SINGLES_429, Kind.SINGLES_RESET, Kind.SINGLES_472})


@dataclass(frozen=True)
class Withheld:
    """Which rows a terminal does not give, as frames of strike, right and ms_of_day (since midnight).

    *chain* and *contracts* are what the chain's answer, and those of its contracts, lack of the true rows;
    *both* is what nobody can get; *surplus* is what the answers have and the market has not.
    """

    chain: pl.DataFrame
    contracts: pl.DataFrame
    both: pl.DataFrame
    surplus: pl.DataFrame


@dataclass(frozen=True)
class About:
    """What a habit is about on a date; *first*, where it has a time, is in ms since midnight."""

    kind: Kind
    root: str | None = None
    expiration: date | None = None
    first: int | None = None


@dataclass(frozen=True)
class Truth:
    """The market of a terminal, and the same with its habits."""

    market: HabitualMarket

    @property
    def clean(self) -> Market:
        """The market without habits and blemishes."""
        return self.market.clean

    def about(self, day: date) -> list[About]:
        """Return what the habits are about on *day*; one that is about nothing there is left out."""
        found = []
        for habit in self.market.habits:
            kind = Kind(habit.kind)
            if (habit.day or day) != day:
                continue
            if kind in OF_ONE_CHAIN:
                if chain := one_chain(self.clean, habit, day):
                    found.append(About(kind, chain.root, chain.label, drawn_minute(habit, day)))
            elif kind in OF_ONE_ROOT:
                found.append(About(kind, missing_root(habit)))
            elif self.market.sits(habit, "SPXW", day):
                found.append(About(kind, habit.root, habit.expiration, drawn_minute(habit, day)))
        return found

    def quoted(self, root: str, day: date) -> list[date]:
        """Return the expirations of *root* that truly have rows on *day*."""
        return [item.label for item in self.clean.expirations(root, day)]

    def listed(self, root: str, day: date) -> pl.DataFrame:
        """Return expiration, strike and right of *root*'s listing on *day*, whatever is in it."""
        rows = self.market.contracts(root, day).select(pl.lit(root).alias("root"), pl.all())
        found = self.market.listing(rows, [root], day)
        return found.filter(pl.col("root") == root).drop("root")

    def reported(self, root: str, day: date) -> pl.DataFrame:
        """Return the end-of-day report of *root* on *day*, should anybody give it: see `eod.report`."""
        return eod.report(self.market, root, None, day, day)

    def held(self, root: str, day: date) -> pl.DataFrame:
        """Return the open interest of *root* on *day*, should anybody tell it: see `interest.report`."""
        return interest.report(self.market, root, None, day, day)

    def served(
        self,
        root: str,
        expiration: date,
        day: date,
        *,
        alone: bool = False,
        step_ms: int = sessions.MINUTE,
        greeks_version: str = "latest",
    ) -> pl.DataFrame:
        """Return all rows that a chain's answer has, or those that its contracts' own answers have."""
        never = _NO_SINGLES if alone else NO_CHAIN_ANSWER
        never = never | {Kind.LISTED_472_ALWAYS}
        if any(
            habit.kind in never and self._sits(habit, root, expiration, day) for habit in self.market.habits
        ):
            return pl.DataFrame(schema=COLUMNS)
        asked = (root, expiration, day, step_ms, sessions.OPEN, sessions.REGULAR_CLOSE, greeks_version)
        if not alone:
            return self.market.history(*asked)
        strikes = self.clean.history(*asked)["strike"].unique().sort()
        each = [self.market.history(*asked, strike) for strike in strikes]
        return pl.concat([pl.DataFrame(schema=COLUMNS), *each])

    def withheld(self, root: str, expiration: date, day: date, *, greeks_version: str = "latest") -> Withheld:
        """Return the minutes of a chain that its answer lacks, that its contracts' own lack, and both."""
        true = self.clean.history(root, expiration, day, sessions.MINUTE, greeks_version=greeks_version)
        chain, contracts = (
            self.served(root, expiration, day, alone=alone, greeks_version=greeks_version)
            for alone in (False, True)
        )
        lacking = [true.join(rows, on=KEY, how="anti").select(KEY) for rows in (chain, contracts)]
        both = lacking[0].join(lacking[1], on=KEY, how="semi")
        shown = pl.concat([chain.select(KEY), contracts.select(KEY)]).unique().sort(KEY)
        return Withheld(lacking[0], lacking[1], both, shown.join(true, on=KEY, how="anti"))

    def _sits(self, habit: Habit, root: str, expiration: date, day: date) -> bool:
        return self.market.sits(habit, root, day, expiration)
