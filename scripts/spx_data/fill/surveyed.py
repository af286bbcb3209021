"""One root on a date while it is surveyed: what its answers and other witnesses have said so far."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from spx_data.errors import SpxDataError
from spx_data.fill import witnesses
from spx_data.market.chains import Chain, Listed, ListedChain, is_unusual, true_expiration
from spx_data.market.products import Product


@dataclass
class Root:
    """What is known so far of one root on the date."""

    name: str
    product: Product
    date: dt.date
    max_dte: int | None
    chains: dict[dt.date, ListedChain] = field(default_factory=dict)  # by their expiration as it is listed
    left_out: Mapping[str, int] = field(default_factory=dict)
    answers: int = 0
    steady: bool = True  # the last answer left nothing unusual out, or the same as the one before
    settled: bool = False  # there is no more to be learnt
    out_of_time: bool = False  # its listing, or another root's, has nothing near, and no report tells more
    error: SpxDataError | None = None
    entries: tuple[dt.date, ...] | None = None  # the terminal's list of expirations; None where it has none
    why_not: str = ""  # it has none
    asked_at: float = 0.0  # monotonic seconds

    @property
    def wanted(self) -> list[ListedChain]:
        """The chains that are within the settings' reach, in order, without those that are `mixed_up`."""
        return [each[0] for each in self._within_reach() if len(each) == 1]

    @property
    def mixed_up(self) -> list[list[ListedChain]]:
        """The chains within reach that are listed under two days with one true expiration, in order.

        Nobody can tell whether they are one chain or two, and what is staged and sealed is one: none of them
        is asked for.
        """
        return [each for each in self._within_reach() if len(each) > 1]

    def _within_reach(self) -> list[list[ListedChain]]:
        """The chains within the settings' reach, in order, those of one true expiration together."""
        found = sorted(self.chains.values(), key=lambda entry: entry.chain)
        by_expiration = groupby(found, key=lambda entry: entry.chain.expiration)
        return [list(each) for expiration, each in by_expiration if self.reaches(expiration)]

    @property
    def listed(self) -> set[dt.date]:
        """The true expirations of the chains."""
        return {entry.chain.expiration for entry in self.chains.values()}

    @property
    def live(self) -> list[dt.date]:
        """The true expirations in the terminal's list that can be quoted on the date."""
        found = map(true_expiration, self.entries or ())
        return [each for each in found if witnesses.is_live(self.product, self.date, self.name, each)]

    @property
    def lists_nothing_near(self) -> bool:
        """Whether the chains have none of the near ones in the terminal's list: they may be of today."""
        near = [each for each in self.live if self._is_near(each)]
        return bool(self.chains and near) and self.listed.isdisjoint(near)

    def _is_near(self, expiration: dt.date) -> bool:
        return witnesses.is_near(self.date, expiration) or (
            self.max_dte is not None and self.reaches(expiration)
        )

    def reaches(self, expiration: dt.date) -> bool:
        """Whether the settings want an expiration."""
        return self.max_dte is None or (expiration - self.date).days <= self.max_dte

    def hears(self, answer: Listed) -> None:
        """Add an answer: what any of them lists is listed."""
        again = self.answers > 0 and answer.left_out == self.left_out
        self.steady = again or not is_unusual(answer.left_out)
        self.left_out = answer.left_out
        self.answers += 1
        self.add(answer.chains)

    def add(self, chains: Iterable[ListedChain]) -> None:
        """Add chains, and strikes to chains that are known."""
        for entry in chains:
            known = self.chains.get(entry.chain.listed)
            self.chains[entry.chain.listed] = known.united(entry) if known else entry

    def unknown(self, expiration: dt.date, witness: str) -> Iterator[ListedChain]:
        """A chain of which no strike is known, under each day that the terminal's list has for it."""
        spelled = {each for each in self.entries or () if true_expiration(each) == expiration}
        for listed in spelled or {expiration}:
            yield ListedChain(Chain(self.name, expiration, self.date, listed), (), (), witness)
