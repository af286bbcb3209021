"""What is in question about a staged chain, and the questions that settle it, within a date's budget."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from spx_data.errors import (
    ApiConnectionError,
    ApiDataNotFoundError,
    ApiRateLimitError,
    ApiResponseInvalidError,
    RequestRefusedError,
    SubscriptionError,
    ThetaTerminalNotRunningError,
    WrongApiError,
)
from spx_data.fill.lacking import Contract, Lacking, Roll, evidence_of, spread
from spx_data.fill.listing import checkpoint_of
from spx_data.fill.witnesses import UnansweredError
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.records import Rejects
from spx_data.market.second_opinion import Lack, contract
from spx_data.market.sessions import Window
from spx_data.settings import Settings
from spx_data.sources.session import SourceSession
from spx_data.sources.source import history, joined
from spx_data.store import staging
from spx_data.store.staging import Receipt

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger(__name__)

# The terminal has enough to do, or will not hear such questions at all: the next one would meet the same.
_STOPS = (
    ApiConnectionError,
    ApiRateLimitError,
    ThetaTerminalNotRunningError,
    RequestRefusedError,
    SubscriptionError,
    WrongApiError,
)


class Budget:
    """The questions of one date that are advice: at most so many, and none after a first sign of overload."""

    def __init__(self, questions: int) -> None:
        self._left = questions
        self._stopped = False

    @property
    def open(self) -> bool:
        """Whether there may be another question."""
        return self._left > 0 and not self._stopped

    @contextmanager
    def question(self) -> Iterator[None]:
        """Ask one question in the block, once: advice is not insisted on.

        Raises:
            UnansweredError: the source did not answer it, or the budget is spent.
            ApiDataNotFoundError: it has nothing, which is an answer.
        """
        if not self.open:
            raise UnansweredError("not asked: the date's questions are spent")
        self._left -= 1
        try:
            yield
        except (*_STOPS, ApiResponseInvalidError) as error:
            if isinstance(error, _STOPS):
                self._stopped = True
                _log.warning("no more second opinions for this date: %s", error.cause)
            raise UnansweredError(error.cause) from error


@dataclass
class _Said:
    """What the asked contracts of a chain said about one lack."""

    confirmed: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)


@dataclass
class StagedChain:
    """A staged chain and what is in question about it."""

    entry: ListedChain
    receipt: Receipt
    own_stamps: int = 0  # stamps of the session that this chain alone lacks
    date_stamps: int = 0  # those that all chains of the date lack
    said: dict[Lack, _Said] = field(default_factory=dict)
    before: dict[Lack, str | None] = field(default_factory=dict)  # on whose word each was believed so far
    asked: set[Contract] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Take up what was said before: in an earlier try, or on a day that is mended."""
        told = self.receipt.evidence.opinion
        self.said = {lack: _Said([*told(lack).confirmed], [*told(lack).contradicted]) for lack in Lack}
        said = (name for each in self.said.values() for name in (*each.confirmed, *each.contradicted))
        self.asked = {(name[0], float(name[2:])) for name in said}
        self.before = {lack: told(lack).believed for lack in Lack}

    def doubtful(self, lack: Lack) -> int:
        """How many contracts, or stamps, are in question."""
        if lack is Lack.STAMPS:
            return self.own_stamps + self.date_stamps
        return self.receipt.evidence.opinion(lack).doubtful

    def concerned(self, lack: Lack) -> int:
        """How many contracts could say something about it."""
        return self.receipt.contracts if lack is Lack.STAMPS else self.doubtful(lack)

    @property
    def lacks(self) -> list[Lack]:
        """What is in question, or was."""
        said = {lack for lack, each in self.said.items() if each.confirmed or each.contradicted}
        return [lack for lack in Lack if self.doubtful(lack) or lack in said]

    def is_settled(self, lack: Lack) -> bool:
        """Whether there is no question, or none that was not answered before."""
        answered = self.before[lack] is not None or len(self.said[lack].confirmed) >= self.concerned(lack)
        return answered or not self.doubtful(lack)

    def share(self, lack: Lack) -> float:
        """The part of the chain's contracts that is in question."""
        return self.doubtful(lack) / max(1, self.entry.contracts, self.receipt.contracts)


def own_records(
    line: SourceSession, budget: Budget, window: Window, chain: Chain, one: Contract, bad: Rejects
) -> list[pa.RecordBatch]:
    """The records of one contract of *chain*, asked for by itself; its bad rows are added to *bad*.

    A body without content, which is no word about the contract, is believed when it comes twice.

    Raises:
        ApiDataNotFoundError: the source has none.
        UnansweredError: it did not answer.
    """
    right, strike = one
    if not line.capabilities.single_contracts:
        raise UnansweredError(f"not asked: API {line.source.api} has no answer about one contract")

    def ask() -> list[pa.RecordBatch]:
        with budget.question():
            return list(
                joined(lambda part: line.source.contract_history(chain, right, strike, part, bad), [window])
            )

    try:
        return ask()
    except ApiDataNotFoundError as error:
        if error.fields.get("status") != HTTPStatus.OK:
            raise
    return ask()


class Case:
    """A chain that is asked about: its records, counted, and what its contracts' own answers add to them."""

    def __init__(self, settings: Settings, line: SourceSession, budget: Budget, chain: StagedChain) -> None:
        self._settings, self._line, self._budget, self._chain = settings, line, budget, chain
        self._checkpoint = checkpoint_of(settings.layout, chain.entry)
        self._fresh: list[pa.RecordBatch] = []  # recovered, and not in the checkpoint yet
        self._bad = Rejects()  # of contracts that the chain's answer lacked
        self._alone: list[pl.DataFrame] = []  # recovered, and in no answer about the whole chain
        self._open()

    def _open(self) -> None:
        self._roll = Roll(self._chain.entry, self._settings.window)
        if self._chain.receipt.rows:
            for block in staging.read_blocks(self._checkpoint, self._chain.receipt):
                self._roll.census.add_records(block)
        self._lacking = self._roll.lacking()

    def candidates(self, lack: Lack, number: int) -> Iterator[Contract]:
        """At most *number* contracts to be asked about *lack* that were not yet."""
        every = self._roll.fullest() if lack is Lack.STAMPS else self._lacking.contracts.get(lack, ())
        for one in spread([each for each in every if each not in self._chain.asked], number):
            if one not in self._chain.asked:
                yield one

    def ask(self, one: Contract) -> bool:
        """Ask for a contract by itself; whether its own answer has what its chain's lacks."""
        self._chain.asked.add(one)
        answer = self._answered(one)
        if answer is None:
            return False
        before = _Before.of(one, self._lacking, self._roll)
        fresh = [news for batch in answer if len(news := self._roll.news(batch))]
        stamps = np.concatenate([batch["timestamp"].to_numpy() for batch in fresh] or [np.zeros(0)])
        name, contradicts = contract(*one), False
        for lack in before.lacks:
            has = before.concerned(lack, stamps)
            contradicts = contradicts or has
            said = self._chain.said[lack]
            (said.contradicted if has else said.confirmed).append(name)
        self._keep(fresh)
        return contradicts

    def _keep(self, fresh: list[pa.RecordBatch]) -> None:
        import polars as pl

        self._fresh += fresh
        self._alone += [pl.DataFrame(batch) for batch in fresh]
        self._note(recovered=sum(map(len, self._alone)))

    def _answered(self, one: Contract) -> list[pa.RecordBatch] | None:
        """The contract's own records, none where the source has none; None where it did not answer."""
        chain = self._chain.entry.chain
        evidence = self._chain.receipt.evidence
        self._note(asked=evidence.asked + 1)
        received = bool(self._roll.census.received[self._roll.place(one)])
        bad = Rejects() if received else self._bad
        try:
            return own_records(self._line, self._budget, self._settings.window, chain, one, bad)
        except ApiDataNotFoundError as error:
            if not received:
                return []
            cause = f"{error.cause}, though its chain has records of it"
        except UnansweredError as error:
            cause = str(error)
        self._note(unanswered=(*evidence.unanswered, f"{contract(*one)}: {cause}"))
        return None

    def ask_the_chain_again(self) -> None:
        """Ask for the whole chain once more: what only its new answer has is added."""
        self._flush()
        window, entry = self._settings.window, self._chain.entry
        rows = news = 0

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal rows, news
            for batch in history(self._line.source, entry, [window], Rejects()):
                self._forget_alone(batch)
                fresh = self._roll.news(batch)
                rows, news = rows + len(batch), news + len(fresh)
                yield fresh

        before = int(self._roll.census.there.sum())
        alone = list(self._alone)
        self._note(asked_again=1)
        try:
            with self._budget.question():
                receipt = staging.add_records(self._checkpoint, self._chain.receipt, batches())
        except (UnansweredError, ApiDataNotFoundError) as error:
            self._alone = alone
            evidence = self._chain.receipt.evidence
            self._note(unanswered=(*evidence.unanswered, f"the whole chain: {error}"))
            self._open()
            return
        # Records of its own contracts that it still lacks are counted as recovered, not as lost.
        recovered = sum(map(len, self._alone))
        self._chain.receipt = receipt
        self._note(regained=news, lost=max(0, before - (rows - news) - recovered), recovered=recovered)
        if not recovered:
            for said in self._chain.said.values():
                said.contradicted.clear()
        self._count()

    def _forget_alone(self, batch: pa.RecordBatch) -> None:
        """Records of single contracts that an answer about the chain has as well are no contradiction."""
        if any(map(len, self._alone)):
            import polars as pl

            key = ["strike", "right", "timestamp"]
            keys = pl.DataFrame(batch.select(key))
            self._alone = [frame.join(keys, on=key, how="anti") for frame in self._alone]

    def _count(self) -> None:
        """Count anew what is in doubt."""
        self._lacking = self._roll.lacking()
        found = evidence_of(self._roll)
        self._note(
            first_stamp=found.first_stamp,
            last_stamp=found.last_stamp,
            bare=found.bare,
            opinions=found.opinions,
        )

    def _note(self, **changes: object) -> None:
        receipt = self._chain.receipt
        evidence = replace(receipt.evidence, **changes)  # type: ignore[arg-type]
        self._chain.receipt = replace(receipt, evidence=evidence)

    def _flush(self) -> None:
        if self._fresh:
            self._chain.receipt = staging.add_records(self._checkpoint, self._chain.receipt, self._fresh)
            self._fresh = []
            self._count()

    def close(self) -> None:
        """Commit what was learned, to the checkpoint and its receipt."""
        self._flush()
        if self._bad.found:
            self._chain.receipt = staging.add_rejects(self._checkpoint, self._chain.receipt, self._bad.found)
        staging.write_receipt(self._checkpoint, self._chain.receipt)


class _Before(NamedTuple):
    """What a contract lacked before it was asked for by itself."""

    lacks: Sequence[Lack]
    first: int  # ms since the epoch, of its records
    last: int
    bare: np.ndarray  # stamps that its whole chain lacks

    @classmethod
    def of(cls, one: Contract, lacking: Lacking, roll: Roll) -> _Before:
        census = roll.census
        seen = np.flatnonzero(census.there[roll.place(one)])
        lacks = [lack for lack, contracts in lacking.contracts.items() if one in contracts]
        if len(seen) and lacking.stamps.any():
            lacks.append(Lack.STAMPS)
        bare = np.array([census.stamp(int(at)) for at in np.flatnonzero(lacking.stamps)])
        ends = (census.stamp(int(seen[0])), census.stamp(int(seen[-1]))) if len(seen) else (0, 0)
        return cls(lacks, *ends, bare)

    def concerned(self, lack: Lack, stamps: np.ndarray) -> bool:
        """Whether records at *stamps*, which were not there before, contradict *lack*."""
        of_chain = np.isin(stamps, self.bare)
        if lack is Lack.STAMPS:
            return bool(of_chain.any())
        own = stamps[~of_chain]
        match lack:
            case Lack.LATE:
                return bool((own < self.first).any())
            case Lack.EARLY:
                return bool((own > self.last).any())
            case Lack.HOLES:
                return bool(((own > self.first) & (own < self.last)).any())
        return len(own) > 0
