"""A market as a terminal with habits shows it: what is listed, which rows there are, what the report names.

Only what holds for ever is here; what depends on how often something was asked is `conduct`'s.
"""

import random
from collections.abc import Set
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import polars as pl

from theta_simulator import chance, habit_rows, sessions
from theta_simulator.bad_rows import Wire
from theta_simulator.flawed import FlawedMarket
from theta_simulator.habit_fields import blanked
from theta_simulator.habit_rows import Question
from theta_simulator.habits import OF_ONE_CHAIN, OF_ONE_ROOT, OF_SOME_DATES, Habit, Kind
from theta_simulator.listing import EVERY_ROOT, ROOTS, Expiration
from theta_simulator.market import COLUMNS, Market

_ONE_DATE_IN = 5
_EXPIRED_STRIKES = 250
_UNLISTED = (Kind.UNLISTED_OWN_DATE, Kind.UNLISTED_CHAIN, Kind.UNLISTED_AND_GONE)
_WITHOUT_ROWS = (Kind.UNLISTED_AND_GONE, Kind.LISTED_EMPTY)
_MORE = (Kind.LISTS_ZERO_STRIKE, Kind.LISTS_FOREIGN_ROOT, Kind.LISTS_ONLY_EXPIRED, Kind.LISTS_EXPIRED)
_NO_DATE = (Kind.DATE_472, Kind.DATE_CLOSED)
# What the reports of a date's contracts are about is what a terminal without these has.
OF_REPORTS = (*_WITHOUT_ROWS, *_NO_DATE, Kind.LISTS_UNQUOTED)


@dataclass(frozen=True)
class HabitualMarket(FlawedMarket):
    """A market, its blemishes, and its terminal's habits."""

    habits: tuple[Habit, ...] = ()

    def with_only(self, kinds: Set[str]) -> "HabitualMarket":
        """Return a market with the habits of these *kinds* alone, and without blemishes."""
        kept = tuple(habit for habit in self.habits if habit.kind in kinds)
        return HabitualMarket(self.seed, self.size, habits=kept)

    def sits(self, habit: Habit, root: str, day: date, label: date | None = None) -> bool:
        """Say whether a habit is about a root, or one of its chains, on *day*; True for a habit about all."""
        kind = Kind(habit.kind)
        if (habit.day or day) != day:
            return False
        if kind in OF_ONE_ROOT:
            return root == missing_root(habit)
        if kind in OF_SOME_DATES:
            return (habit.root or root) == root and (habit.day == day or _on_some_dates(habit, day))
        if kind in OF_ONE_CHAIN:
            chain = one_chain(self.clean, habit, day)
            return chain is not None and (chain.root, chain.label) == (root, label)
        return (habit.root or root) == root and (label is None or (habit.expiration or label) == label)

    def expirations(self, root: str, day: date) -> list[Expiration]:
        """Return the expirations quoted on *day*: none on a date of which there is nothing."""
        if self._any(_NO_DATE, root, day):
            return []
        return super().expirations(root, day)

    def listed_day(self, day: date, today: date) -> date:
        """Return the date whose contracts a listing of *day* names."""
        mine = [habit for habit in self.habits if habit.kind == Kind.LISTS_TODAY]
        return sessions.on_or_before(today) if any((habit.day or day) == day for habit in mine) else day

    def listing(self, found: pl.DataFrame, roots: list[str], day: date) -> pl.DataFrame:
        """Return a listing (root, expiration, strike, right) as this terminal gives it."""
        for habit in self.habits:
            kind = Kind(habit.kind)
            for root in roots if kind in _UNLISTED and len(found) else ():
                chain = one_chain(self.clean, habit, day)
                if chain is not None and chain.root == root and (habit.day or day) == day:
                    here = (pl.col("root") == root) & (pl.col("expiration") == chain.label)
                    found = found.filter(~here)
            if kind is Kind.ROOT_MISSING and (habit.day or day) == day:
                found = found.filter(pl.col("root") != missing_root(habit))
        for habit in self.habits:
            if habit.kind in _MORE and (habit.day or day) == day:
                mine = (pl.col("root") == habit.root) if habit.root else pl.lit(True)
                others = found.filter(~mine)
                found = _with_more(found.filter(mine), Kind(habit.kind), day)
                found = pl.concat([found, others])
        return found

    def history(
        self,
        root: str,
        expiration: date,
        day: date,
        step_ms: int,
        start_ms: int = sessions.OPEN,
        end_ms: int = sessions.REGULAR_CLOSE,
        greeks_version: str = "latest",
        strike: float | None = None,
    ) -> pl.DataFrame:
        """Return the rows of a chain, or of one strike, as this terminal has them."""
        rows = super().history(root, expiration, day, step_ms, start_ms, end_ms, greeks_version, strike)
        here = [habit for habit in self.habits if self.sits(habit, root, day, expiration)]
        if not here:
            return rows
        if any(habit.kind in _WITHOUT_ROWS for habit in here):
            return pl.DataFrame(schema=COLUMNS)
        if not self._quotes(root, expiration, day):
            return rows
        asked = Question(self, root, expiration, day, step_ms, start_ms, end_ms, greeks_version, strike)
        # In the order of the edits: what a quote is comes before who is told of it.
        for kind, edit in habit_rows.EDITS.items():
            for habit in here:
                if habit.kind == kind:
                    rows = edit(rows, asked, habit)
        return rows

    def before_habits(self, asked: Question, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Return the rows of another window of a question, without habits."""
        return super().history(
            asked.root,
            asked.expiration,
            asked.day,
            asked.step_ms,
            start_ms,
            end_ms,
            asked.greeks_version,
            asked.strike,
        )

    def reported(self, root: str, day: date) -> list[Expiration]:
        """Return the expirations that the end-of-day report of *day* names."""
        return self._without(root, day, (*_WITHOUT_ROWS, Kind.EOD_LACKS_CHAIN))

    def held(self, root: str, day: date) -> list[Expiration]:
        """Return the expirations of which there is open interest on *day*."""
        return self._without(root, day, _WITHOUT_ROWS)

    def _without(self, root: str, day: date, kinds: tuple[Kind, ...]) -> list[Expiration]:
        """Return the expirations on *day* but for those that habits of *kinds* are about."""
        if self._any(_NO_DATE, root, day):
            return []
        found = self.clean.expirations(root, day)
        return [item for item in found if not self._any(kinds, root, day, item.label)]

    def on_the_wire(
        self, frame: pl.DataFrame, root: str, expiration: date, days: list[date], wire: Wire
    ) -> pl.DataFrame:
        """Return the spelled rows of an answer with their fields emptied, and then their blemishes."""
        for habit in self.habits:
            frame = blanked(frame, Kind(habit.kind), wire)
        return super().on_the_wire(frame, root, expiration, days, wire)

    def calendar_kind(self, day: date, kind: str) -> str:
        """Return the vendor calendar's word for *day*."""
        if kind in ("open", "early_close") and self._any((Kind.DATE_CLOSED,), "", day):
            return "full_close"
        return super().calendar_kind(day, kind)

    def _quotes(self, root: str, label: date, day: date) -> bool:
        return root in EVERY_ROOT and label in {item.label for item in self.expirations(root, day)}

    def never_quoted(self, item: Expiration, day: date) -> pl.DataFrame:
        """Return the contracts (strike and right) of a chain that its terminal lists and has no rows of."""
        mine = [habit for habit in self.habits if habit.kind == Kind.LISTS_UNQUOTED]
        here = [habit for habit in mine if self.sits(habit, item.root, day, item.label)]
        found = [habit_rows.unquoted(self.clean, (item.root, item.label, day), habit) for habit in here]
        return pl.concat([self.clean.chain(item, day).select("strike", "right").clear(), *found])

    def _any(self, kinds: tuple[Kind, ...], root: str, day: date, label: date | None = None) -> bool:
        mine = [habit for habit in self.habits if habit.kind in kinds]
        return any(self.sits(habit, root, day, label) for habit in mine)


def _with_more(found: pl.DataFrame, kind: Kind, day: date) -> pl.DataFrame:
    """Return a listing with what has no business in it; where nothing is listed, nothing is added."""
    if kind is Kind.LISTS_ZERO_STRIKE:
        return pl.concat([found, found.head(2).with_columns(strike=pl.lit(0.0))])
    if kind is Kind.LISTS_FOREIGN_ROOT:
        return pl.concat([found, found.head(6).with_columns(root=pl.lit("XSP"))])
    if kind is Kind.LISTS_ONLY_EXPIRED:
        expired = found.with_columns(expiration=pl.lit(sessions.before(day)))
        return expired.unique(["root", "strike", "right"], maintain_order=True)
    if kind is Kind.LISTS_EXPIRED:
        return pl.concat([found, *(_expired(root, found, day) for root in found["root"].unique().sort())])
    return found


def _expired(root: str, found: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return contracts that expired the session before; weeklies alone do so on any day."""
    middle = float(found["strike"].to_numpy().mean()) // 5 * 5
    strikes = [middle + 5.0 * (number - _EXPIRED_STRIKES // 2) for number in range(_EXPIRED_STRIKES)]
    gone = {"strike": [k for k in strikes for _ in "CP"], "right": ["C", "P"] * len(strikes)}
    frame = pl.DataFrame(gone).select(
        pl.lit(root).alias("root"), pl.lit(sessions.before(day)).alias("expiration"), "strike", "right"
    )
    return frame.filter(pl.col("strike") > 0.0) if root == "SPXW" else frame.clear()


def missing_root(habit: Habit) -> str:
    """Return the root that a listing does not name."""
    return habit.root or ROOTS[chance.key(habit.seed, "habit", habit.kind) % len(ROOTS)]


def _on_some_dates(habit: Habit, day: date) -> bool:
    drawn = chance.key(habit.seed, "habit", habit.kind, day.isoformat())
    return sessions.is_session(day) and habit.day is None and drawn % _ONE_DATE_IN == 0


@lru_cache(maxsize=4096)
def one_chain(market: Market, habit: Habit, day: date) -> Expiration | None:
    """Return the chain of *market* that a habit is about on *day*; None where none suits it."""
    chains = [
        item
        for root in ((habit.root,) if habit.root else ROOTS)
        for item in market.expirations(root, day)
        if (habit.expiration or item.label) == item.label
    ]
    if habit.kind == Kind.UNLISTED_OWN_DATE:
        chains = [item for item in chains if item.label == day]
    elif habit.kind == Kind.UNLISTED_CHAIN and habit.expiration is None:
        chains = [item for item in chains if item.label != day]
    dice = random.Random(chance.key(habit.seed, "habit", habit.kind, day.isoformat()))
    return dice.choice(chains) if chains else None
