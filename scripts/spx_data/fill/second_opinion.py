"""Second opinions on a date's chains: what their answers lack is asked for by contract, within a budget.

They are advice: they add records and explain what is absent, and never fail a chain. All chains are staged
before the first question, so questions go where they tell most, and what one chain has confirmed needs few
questions in the next. Where nothing is lacking, nothing is asked.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from spx_data import staging
from spx_data.errors import ApiDataNotFoundError
from spx_data.evidence import Evidence, Lack, Opinion, contract
from spx_data.fill.budget import Budget, UnansweredError
from spx_data.fill.lacking import Contract, Lacking, Roll, runs_of, spread
from spx_data.fill.source import Line
from spx_data.quality.hours import Hours
from spx_data.quality.presence import Presence
from spx_data.records import Rejects
from spx_data.settings import Settings
from spx_data.staging import Receipt
from spx_data.theta.chains import ListedChain, midnight_ms
from spx_data.theta.windows import history, joined

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from spx_data.layout import Checkpoint

_log = logging.getLogger(__name__)

ENOUGH = 5  # contracts of one chain, or of a date, that confirm a lack speak for the others
_FULLEST = 2  # contracts that speak for stamps that all of a chain lack
_SURE = 2 * ENOUGH  # confirmed so often over a date, a lack needs no question in a chain like the others
# Late first quotes are the vendor's own rule (wire-facts, section 2.1), and all chains lack the same stamps
# when the day was short: one of a date's questions looks at both, and a second one where hardly any contract
# is late; more do once one is contradicted.
_BY_RULE, _HARDLY_ANY = 1, 2
_UNUSUAL, _NOTABLE = 3.0, 5  # times what the date's chains mostly lack, and contracts, that are unlike them


@dataclass
class _Said:
    """What the asked contracts of a chain said about one lack."""

    confirmed: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)


@dataclass
class Chain:
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
        """What is in question."""
        return [lack for lack in Lack if self.doubtful(lack)]

    def is_settled(self, lack: Lack) -> bool:
        """Whether there is no question, or none that was not answered before."""
        answered = self.before[lack] is not None or len(self.said[lack].confirmed) >= self.concerned(lack)
        return answered or not self.doubtful(lack)

    def share(self, lack: Lack) -> float:
        """The part of the chain's contracts that is in question."""
        return self.doubtful(lack) / max(1, self.entry.contracts, self.receipt.contracts)


def evidence_of(roll: Roll) -> Evidence:
    """What the first answer about a chain leaves in question."""
    lacking, ends = roll.lacking(), roll.ends
    return Evidence(
        first_stamp=ends and ends[0],
        last_stamp=ends and ends[1],
        bare=tuple(runs_of(lacking.stamps, roll.census)),
        opinions={
            lack: Opinion(doubtful=lacking.count(lack))
            for lack in Lack
            if lack is not Lack.STAMPS and lacking.count(lack)
        },
    )


class SecondOpinions:
    """The second opinions on one date."""

    def __init__(
        self, settings: Settings, line: Line, budget: Budget, hours: Hours, known: frozenset[Lack]
    ) -> None:
        """*hours* are those of the date's quotes; what is *known* days beside have confirmed."""
        self._settings, self._line, self._budget = settings, line, budget
        self._hours, self._known = hours, known

    def given(self, staged: Sequence[tuple[ListedChain, Receipt]]) -> list[Receipt]:
        """The receipts of *staged* chains after the questions, in their order."""
        chains = [Chain(entry, receipt) for entry, receipt in staged]
        self._chains = [chain for chain in chains if chain.receipt.rows]
        self._tell_stamps_apart()
        for _ in range(2):  # what one chain contradicts may be wrong in those that came before it, too
            for chain in sorted(self._chains, key=lambda each: sum(map(each.doubtful, Lack))):
                if any(self._needed(chain, lack) for lack in chain.lacks):
                    self._ask(chain)
        for chain in self._chains:
            if any(said.contradicted for said in chain.said.values()):
                self._ask(chain, all_of_it=True)
        return [self._settled(chain) if chain.receipt.rows else chain.receipt for chain in chains]

    def recovered(self, entry: ListedChain, receipt: Receipt) -> Receipt:
        """The receipt of a chain without records after as many of its contracts as the budget allows."""
        chain = Chain(entry, receipt)
        self._ask(chain, all_of_it=True)
        return self._settled(chain)

    # What to ask ----------------------------------------------------------------------------------------

    def _tell_stamps_apart(self) -> None:
        """Stamps of the session that one chain lacks, and those that every chain of its kind does."""
        window = self._settings.window
        for expiring in (False, True):
            kind = [chain for chain in self._chains if self._expires(chain) is expiring]
            span = self._hours.span(window, expiring=expiring)
            bare = [self._bare(chain)[span.start : span.stop] for chain in kind]
            every = np.logical_and.reduce(bare) if bare else np.zeros(0, dtype=np.bool_)
            for chain, stamps in zip(kind, bare, strict=True):
                shared = every if len(kind) > 1 else np.zeros_like(every)
                chain.date_stamps, chain.own_stamps = int(shared.sum()), int((stamps & ~shared).sum())

    def _bare(self, chain: Chain) -> np.ndarray:
        window = self._settings.window
        first = midnight_ms(chain.entry.chain.date) + window.start_ms
        found = np.zeros(window.stamps, dtype=np.bool_)
        for begin, end in chain.receipt.evidence.bare:
            found[(begin - first) // window.step_ms : (end - first) // window.step_ms + 1] = True
        return found

    @staticmethod
    def _expires(chain: Chain) -> bool:
        return chain.entry.chain.expiration == chain.entry.chain.date

    def _needed(self, chain: Chain, lack: Lack) -> int:
        """How many more contracts of *chain* are to be asked about *lack*."""
        said = chain.said[lack]
        if not self._budget.open or said.contradicted or chain.is_settled(lack):
            return 0
        confirmed, contradicted = self._over_the_date(lack)
        target = _FULLEST if lack is Lack.STAMPS else ENOUGH
        if not contradicted:
            if self._is_by_rule(chain, lack):
                late = sum(each.doubtful(Lack.LATE) for each in self._chains)
                return int(self._asked_by_rule() < _BY_RULE + (0 < late <= _HARDLY_ANY))
            if self._is_usual(chain, lack):
                if lack in self._known:
                    return int(not confirmed)
                if confirmed >= ENOUGH:
                    target = int(confirmed < _SURE)
        return max(0, min(target, chain.concerned(lack)) - len(said.confirmed))

    def _over_the_date(self, lack: Lack) -> tuple[int, int]:
        every = [chain.said[lack] for chain in self._chains]
        return sum(len(said.confirmed) for said in every), sum(len(said.contradicted) for said in every)

    @staticmethod
    def _is_by_rule(chain: Chain, lack: Lack) -> bool:
        return lack is Lack.LATE or (lack is Lack.STAMPS and not chain.own_stamps)

    def _asked_by_rule(self) -> int:
        return sum(
            len(chain.said[lack].confirmed)
            for chain in self._chains
            for lack in (Lack.LATE, Lack.STAMPS)
            if self._is_by_rule(chain, lack)
        )

    def _is_usual(self, chain: Chain, lack: Lack) -> bool:
        """Whether *chain* lacks about as much as the date's others."""
        if lack is Lack.STAMPS:
            return not chain.own_stamps
        usual = statistics.median(each.share(lack) for each in self._chains)
        return chain.doubtful(lack) < _NOTABLE or chain.share(lack) <= _UNUSUAL * usual

    # Asking ---------------------------------------------------------------------------------------------

    def _ask(self, chain: Chain, *, all_of_it: bool = False) -> None:
        """Ask about *chain* what is needed, or all that is in doubt once its answer was contradicted."""
        case = _Case(self._settings, self._line, self._budget, chain)
        for lack in chain.lacks:
            if not all_of_it:
                number = self._needed(chain, lack)
            elif chain.said[lack].contradicted or not chain.receipt.rows:
                number = chain.concerned(lack)
            else:
                continue
            for one in case.candidates(lack, number):
                if not self._budget.open:
                    break
                if case.ask(one) and not chain.receipt.evidence.asked_again:
                    case.ask_the_chain_again()
                    self._tell_stamps_apart()
                    break
        case.close()

    # What came of it ------------------------------------------------------------------------------------

    def _settled(self, chain: Chain) -> Receipt:
        opinions = {
            lack: Opinion(
                chain.doubtful(lack),
                tuple(chain.said[lack].confirmed),
                tuple(chain.said[lack].contradicted),
                None if chain.said[lack].contradicted else self._believed(chain, lack) or chain.before[lack],
            )
            for lack in chain.lacks
        }
        receipt = replace(chain.receipt, evidence=replace(chain.receipt.evidence, opinions=opinions))
        if chain.asked:
            _log.info(
                "%s: %d contracts asked for by themselves, %d records recovered",
                *(chain.entry.chain, len(chain.asked), receipt.evidence.recovered),
            )
        return receipt

    def _believed(self, chain: Chain, lack: Lack) -> str | None:
        said, (confirmed, contradicted) = chain.said[lack], self._over_the_date(lack)
        if said.contradicted:
            return None
        if len(said.confirmed) >= min(_FULLEST if lack is Lack.STAMPS else ENOUGH, chain.concerned(lack)):
            return "chain"
        if contradicted:
            return None
        if lack is Lack.LATE:
            return "rule"
        if not confirmed or not self._is_usual(chain, lack):
            return None
        if lack in self._known:
            return "lake"
        return "date" if confirmed >= ENOUGH or lack is Lack.STAMPS else None


class _Case:
    """A chain that is asked about: its records, counted, and what its contracts' own answers add to them."""

    def __init__(self, settings: Settings, line: Line, budget: Budget, chain: Chain) -> None:
        self._settings, self._line, self._budget, self._chain = settings, line, budget, chain
        self._fresh: list[pa.RecordBatch] = []  # recovered, and not in the checkpoint yet
        self._bad = Rejects()  # of contracts that the chain's answer lacked
        self._alone: list[pl.DataFrame] = []  # recovered, and in no answer about the whole chain
        self._open()

    @property
    def _checkpoint(self) -> Checkpoint:
        chain = self._chain.entry.chain
        return self._settings.layout.checkpoint(chain.date, chain.root, chain.expiration)

    def _open(self) -> None:
        entry, window = self._chain.entry, self._settings.window
        census = Presence(window, midnight_ms(entry.chain.date), {*entry.calls, *entry.puts})
        if self._chain.receipt.rows:
            for block in staging.read_blocks(self._checkpoint, self._chain.receipt):
                census.add_records(block)
        self._roll = Roll(entry, census)
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
        chain, (right, strike), source = self._chain.entry.chain, one, self._line.source
        evidence = self._chain.receipt.evidence
        self._note(asked=evidence.asked + 1)
        received = bool(self._roll.census.received[self._roll.place(one)])
        bad = Rejects() if received else self._bad
        try:
            with self._budget.question():
                windows = [self._settings.window]
                return list(
                    joined(lambda window: source.contract_history(chain, right, strike, window, bad), windows)
                )
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
        window, chain = self._settings.window, self._chain.entry.chain
        rows = news = 0

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal rows, news
            for batch in history(self._line.source, chain, [window], Rejects()):
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
        self._lacking = self._roll.lacking()
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

    def close(self) -> None:
        """Commit what was learned, to the checkpoint and its receipt."""
        self._flush()
        if self._bad.found:
            self._chain.receipt = staging.add_rejects(self._checkpoint, self._chain.receipt, self._bad.found)
        staging.write_receipt(self._checkpoint, self._chain.receipt)


@dataclass(frozen=True)
class _Before:
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
