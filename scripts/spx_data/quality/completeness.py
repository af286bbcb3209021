"""The proof that a date is complete, chain by chain: expected, received, explained, and what is left over.

For contracts, expected is what the source listed; for contract-stamps, every stamp of the session for every
received contract (a row appears for every stamp once a contract has had a quote: docs/wire.md, 2.1).
Explained is what the source does not have by its own second word: contracts that were asked for by themselves
lack the same, or speak for others (`second_opinion.Opinion`). What is left over is missing, and named.
Nothing is missing where both differences are zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from spx_data.market.chains import ListedChain
from spx_data.market.second_opinion import Lack, SecondOpinion, contract
from spx_data.quality.checks import Check, Count, Ints, Mask, Part
from spx_data.quality.hours import surplus
from spx_data.quality.panel import MINUTE_MS, Presence, clock, first_and_last, runs

MOST_NAMED = 200  # of each list and chain

MISSING = Check(
    "missing",
    Part.COMPLETENESS,
    "contract-stamps",
    "a stamp of the session that a listed contract lacks although it was quoted before, or that all of its "
    "chain lack, or any stamp of a listed contract without a record, unless the source has none for it",
    "docs/wire.md, 2.1: a row appears for every stamp once the contract has had a quote that day",
    ruinous=0.05,
)
NONE_AT_SOURCE = Check(
    "none-at-source",
    Part.COMPLETENESS,
    "contract-stamps",
    "a stamp of the session that a contract lacks although it was quoted before, or that all of its chain "
    "lack, and that the source does not have: contracts asked for by themselves lack it too",
    "docs/wire.md, 2.1, which promises a row; the passport's `second_opinion` says who was asked",
    ruinous=0.05,
)
LATE = Check(
    "late-first-quote",
    Part.COMPLETENESS,
    "contracts",
    "a contract whose first record comes after the first stamp of its chain's session",
    "docs/wire.md, 2.1: before the first quote of the day there is no row",
    ruinous=None,
)
CHECKS = (MISSING, NONE_AT_SOURCE, LATE)

# Rows that are no records, and records that come twice (`market.records`).
REJECTED = Check(
    "rejected",
    Part.COMPLETENESS,
    "rows",
    "a row that breaks a rule of ingest, and that the source sends again when it is asked again",
    "spx_data.market.records; docs/wire.md, 0 and 2.1",
    ruinous=0.01,
)
CONFLICTING = Check(
    "conflicting",
    Part.COMPLETENESS,
    "records",
    "a contract of which the source has several records at one stamp, which are not the same",
    "docs/wire.md, 13: the vendor has sent records twice",
    ruinous=0.01,
)
REPEATED = Check(
    "repeated",
    Part.COMPLETENESS,
    "records",
    "a record that repeats another one in every column, and is dropped",
    "docs/wire.md, 13: the vendor has sent records twice",
    ruinous=None,
)
ROW_CHECKS = (REJECTED, CONFLICTING, REPEATED)


class Gap(NamedTuple):
    """Stamps that are missing without a break, from *first* to *last*; no contract means all of the chain."""

    contract: str | None
    first: int  # ms since the epoch
    last: int
    stamps: int  # contract-stamps
    explained: bool  # the source does not have them

    def as_json(self) -> dict[str, Any]:
        """The gap as a JSON document."""
        return {
            "contract": self.contract,
            "first": clock(self.first),
            "last": clock(self.last),
            "stamps": self.stamps,
            "explained": self.explained,
        }


@dataclass(frozen=True)
class Balance:
    """Of contracts or of contract-stamps."""

    expected: int = 0
    received: int = 0
    explained: int = 0

    @property
    def missing(self) -> int:
        """What is left over."""
        return self.expected - self.received - self.explained

    def __add__(self, other: Balance) -> Balance:
        return Balance(
            self.expected + other.expected, self.received + other.received, self.explained + other.explained
        )

    def as_json(self, what: str) -> dict[str, int]:
        """The four numbers under names like `contracts_missing`."""
        return {
            f"{what}_{name}": getattr(self, name) for name in ("expected", "received", "explained", "missing")
        }


@dataclass(frozen=True)
class Completeness:
    """What one chain should have, has, and lacks."""

    contracts: Balance
    stamps: Balance = Balance()
    grid: int = 0  # stamps of the session that a contract of this chain can have
    unlisted: int = 0  # contracts received that were not listed
    unexpected: int = 0  # records outside of the session
    explained_contracts: Sequence[str] = ()
    missing_contracts: Sequence[str] = ()
    late: Sequence[tuple[str, int, int]] = ()  # contract, first stamp, stamps before it
    gaps: Sequence[Gap] = ()
    missing_at: tuple[Ints, Ints] = field(default_factory=lambda: (np.zeros(0, np.int64),) * 2)
    none_at_source: int = 0  # contract-stamps after the first quote that the source does not have
    none_at: tuple[Ints, Ints] = field(default_factory=lambda: (np.zeros(0, np.int64),) * 2)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return not self.contracts.missing and not self.stamps.missing

    def as_json(self) -> dict[str, Any]:
        """What stands in the passport for the chain; lists are cut off, `more` tells the rest of each."""
        lists: Mapping[str, Sequence[Any]] = {
            "contracts_explained": self.explained_contracts,
            "contracts_missing": self.missing_contracts,
            "late_first_quotes": [
                {"contract": name, "first": clock(first), "stamps": stamps}
                for name, first, stamps in self.late[:MOST_NAMED]
            ],
            "gaps": [gap.as_json() for gap in self.gaps[:MOST_NAMED]],
        }
        lengths = (self.explained_contracts, self.missing_contracts, self.late, self.gaps)
        return {
            "contracts_unlisted": self.unlisted,
            **self.stamps.as_json("stamps"),
            "stamps_unexpected": self.unexpected,
            "grid": self.grid,
            **{name: list(found[:MOST_NAMED]) for name, found in lists.items()},
            "more": {
                name: len(found) - MOST_NAMED
                for name, found in zip(lists, lengths, strict=True)
                if len(found) > MOST_NAMED
            },
        }

    def counts(self) -> list[Count]:
        """The checks of this room; a contract that is missing lacks every stamp."""
        lost = len(self.missing_contracts) * self.grid
        first = self.missing_contracts[0] if self.missing_contracts else self._first_gap(explained=False)
        none = self._first_gap(explained=True)
        late = next((f"{name} at {clock(stamp)}" for name, stamp, _ in self.late), None)
        received, expected = self.contracts.received + self.unlisted, self.stamps.expected
        return [
            Count(MISSING, self.stamps.missing + lost, expected + lost, first, *self.missing_at),
            Count(NONE_AT_SOURCE, self.none_at_source, expected, none, *self.none_at),
            Count(LATE, len(self.late), received, late),
            surplus(self.stamps.received, self.unexpected),
        ]

    def _first_gap(self, *, explained: bool) -> str | None:
        """The first gap of a kind by name."""
        gaps = (gap for gap in self.gaps if gap.explained is explained)
        return next((f"{gap.contract or 'every contract'} at {clock(gap.first)}" for gap in gaps), None)


def without_data(entry: ListedChain, evidence: SecondOpinion) -> Completeness:
    """A chain that gave nothing: explained where the source's report of the day does not name it either."""
    explained = evidence.silence is not None and evidence.silence.is_explained
    rights = (("C", entry.calls), ("P", entry.puts))
    names = [contract(right, strike) for right, strikes in rights for strike in strikes]
    return Completeness(
        Balance(expected=entry.contracts, explained=entry.contracts if explained else 0),
        explained_contracts=names if explained else (),
        missing_contracts=() if explained else names,
    )


def of_chain(entry: ListedChain, census: Presence, span: range, evidence: SecondOpinion) -> Completeness:
    """What a chain lacks of the stamps at the places *span* of its *census*."""
    listed, received = census.listed(entry.calls, entry.puts), census.received
    absent = [census.name(*at) for at in _indices(listed & ~received)]
    opinion = evidence.opinion(Lack.ABSENT)
    explained = [name for name in absent if opinion.explains(name)]
    missing = [name for name in absent if not opinion.explains(name)]
    session = _Session(census, span, received, evidence)
    stamps = Balance(
        expected=int(received.sum()) * len(span),
        received=int(session.there.sum()),
        explained=int(session.explained.sum()),
    )
    return Completeness(
        contracts=Balance(int(listed.sum()), int((listed & received).sum()), len(explained)),
        stamps=stamps,
        grid=len(span),
        unlisted=int((received & ~listed).sum()),
        unexpected=int(census.there.sum()) - stamps.received,
        explained_contracts=explained,
        missing_contracts=missing,
        late=session.late_first_quotes(),
        gaps=[*session.chain_gaps(), *session.contract_gaps()],
        missing_at=session.by_minute(session.missing, len(missing)),
        none_at_source=int(session.none_at_source.sum()),
        none_at=session.by_minute(session.none_at_source),
    )


def row_counts(rows: int, rejected: int, *, sealed: int, conflicts: int, duplicates: int) -> list[Count]:
    """What came of a chain's good *rows*, and of those that were *rejected* beside them.

    Of the good ones *sealed* are left, because *duplicates* repeat another one; *conflicts* contracts and
    stamps have several versions (`records.Settled`).
    """
    return [
        Count(REJECTED, rejected, rows + rejected),
        Count(CONFLICTING, conflicts, sealed),
        Count(REPEATED, duplicates, rows),
    ]


class _Session:
    """A census within the session: what is there, what the source does not have, what is missing."""

    def __init__(self, census: Presence, span: range, received: Mask, evidence: SecondOpinion) -> None:
        self._census, self._span, self._received, self._evidence = census, span, received, evidence
        self.there: Mask = census.there[:, :, span.start : span.stop]
        self._all_lack: Mask = np.asarray(~self.there.any(axis=(0, 1)) & received.any())
        first, last = first_and_last(self.there)
        quoted = np.asarray(self.there.any(axis=2))[..., np.newaxis]
        places = np.arange(len(span))
        own = ~self.there & received[..., np.newaxis] & ~self._all_lack
        before, after = places < first[..., np.newaxis], places > last[..., np.newaxis]
        late: Mask = before & quoted & own
        self._first = first
        self.late: Mask = late & self._explained(Lack.LATE)
        # One that has records outside of the session alone lacks all of it; its end is what is in question.
        early = own & np.where(quoted, after, True)
        gone = (early & self._explained(Lack.EARLY)) | (own & ~late & ~early & self._explained(Lack.HOLES))
        chain = self._all_lack & received[..., np.newaxis]
        if evidence.opinion(Lack.STAMPS).believed is not None:
            gone = gone | chain
        self.none_at_source: Mask = gone
        self.explained: Mask = self.late | gone
        self.missing: Mask = (own | chain) & ~self.explained

    def _explained(self, lack: Lack) -> Mask:
        """Of which contracts the source does not have what they lack so: shape (2, strikes, 1)."""
        opinion = self._evidence.opinion(lack)
        if opinion.believed is not None:
            return np.ones((*self._received.shape, 1), dtype=np.bool_)
        found = np.zeros((*self._received.shape, 1), dtype=np.bool_)
        confirmed = set(opinion.confirmed)
        for at in _indices(self._received) if confirmed else ():
            found[at] = self._census.name(*at) in confirmed
        return found

    def late_first_quotes(self) -> list[tuple[str, int, int]]:
        """The contracts whose first quote came late: name, first stamp, stamps before it."""
        stamps = self.late.sum(axis=2)
        return [
            (self._census.name(*at), self._stamp(int(self._first[at])), int(stamps[at]))
            for at in _indices(stamps > 0)
        ]

    def chain_gaps(self) -> list[Gap]:
        """What every contract of the chain lacks."""
        contracts = int(self._received.sum())
        explained = self._evidence.opinion(Lack.STAMPS).believed is not None
        return [
            Gap(None, self._stamp(first), self._stamp(last), contracts * (last - first + 1), explained)
            for first, last in runs(self._all_lack)
        ]

    def contract_gaps(self) -> list[Gap]:
        """What single contracts lack beyond that."""
        found = []
        for explained, mask in ((False, self.missing), (True, self.none_at_source)):
            own = mask & ~self._all_lack
            for at in _indices(np.asarray(own.any(axis=2))):
                name = self._census.name(*at)
                found += [
                    Gap(name, self._stamp(first), self._stamp(last), last - first + 1, explained)
                    for first, last in runs(own[at])
                ]
        return found

    def by_minute(self, mask: Mask, more: int = 0) -> tuple[Ints, Ints]:
        """At which stamps how many contract-stamps are in *mask*, and *more* at each; by minutes."""
        hits = mask.sum(axis=(0, 1), dtype=np.int64) + more
        stamps = self._stamp(0) + np.arange(len(self._span), dtype=np.int64) * self._census.step_ms
        if self._census.step_ms >= MINUTE_MS:
            return stamps, hits
        minutes, place = np.unique(stamps // MINUTE_MS * MINUTE_MS, return_inverse=True)
        return minutes, np.bincount(place, weights=hits, minlength=len(minutes)).astype(np.int64)

    def _stamp(self, place: int) -> int:
        return self._census.stamp(self._span.start + place)


def _indices(found: Mask) -> Iterable[tuple[int, int]]:
    """Where *found* is true: right and strike."""
    return [(int(right), int(strike)) for right, strike in np.argwhere(found)]
