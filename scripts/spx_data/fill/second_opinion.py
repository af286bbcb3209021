"""Second opinions on a date's chains: what their answers lack is asked for by contract, within a budget.

They are advice: they add records and explain what is absent, and never fail a chain. All chains are staged
before the first question, so questions go where they tell most, and what one chain has confirmed needs few
questions in the next. Where nothing is lacking, nothing is asked.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from spx_data.errors import ApiDataNotFoundError, ApiResponseInvalidError
from spx_data.fill.lacking import Contract, listed_contracts
from spx_data.fill.listing import checkpoint_of
from spx_data.fill.questions import Budget, Case, StagedChain, own_records
from spx_data.fill.reports import DayReports
from spx_data.fill.witnesses import APART_SECONDS, UnansweredError
from spx_data.market.chains import Chain, ListedChain, midnight_ms
from spx_data.market.contracts import REPORTED, Report
from spx_data.market.records import Rejects
from spx_data.market.second_opinion import (
    CLOSED,
    ENOUGH,
    NAMED,
    NOT_NAMED,
    UNQUOTED,
    Lack,
    Opinion,
    SecondOpinion,
    Silence,
    contract,
)
from spx_data.quality.hours import Hours
from spx_data.settings import Settings
from spx_data.sources.session import SourceSession
from spx_data.store import staging
from spx_data.store.staging import Receipt

_log = logging.getLogger(__name__)

_FULLEST = 2  # contracts that speak for stamps that all of a chain lack
_SURE = 2 * ENOUGH  # confirmed so often over a date, a lack needs no question in a chain like the others
# Late first quotes are the vendor's own rule (docs/wire.md, 2.1), and all chains lack the same stamps
# when the day was short: one of a date's questions looks at both, and a second one where hardly any contract
# is late; more do once one is contradicted.
_BY_RULE, _HARDLY_ANY = 1, 2
_UNUSUAL, _NOTABLE = 3.0, 5  # times what the date's chains mostly lack, and contracts, that are unlike them

_ASKED = 3  # contracts of a chain that is not in a report: around its middle
_SPREAD = 10  # and a tenth of its contracts to either side


class SecondOpinions:
    """The second opinions on one date."""

    def __init__(
        self, settings: Settings, line: SourceSession, budget: Budget, hours: Hours, known: frozenset[Lack]
    ) -> None:
        """*hours* are those of the date's quotes; what is *known* days beside have confirmed."""
        self._settings, self._line, self._budget = settings, line, budget
        self._hours, self._known = hours, known

    def given(self, staged: Sequence[tuple[ListedChain, Receipt]]) -> list[Receipt]:
        """The receipts of *staged* chains after the questions, in their order."""
        chains = [StagedChain(entry, receipt) for entry, receipt in staged]
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
        chain = StagedChain(entry, receipt)
        self._ask(chain, all_of_it=True)
        return self._settled(chain)

    # What to ask ----------------------------------------------------------------------------------------

    def _tell_stamps_apart(self) -> None:
        """Stamps of the session that one chain lacks, and those that every chain of the date does."""
        bare = [self._bare(chain) for chain in self._chains]
        quoted = [self._quoted(chain) for chain in self._chains]
        by_all = [stamps | ~session for stamps, session in zip(bare, quoted, strict=True)]
        outage = np.logical_and.reduce(by_all) & (len(by_all) > 1)
        for chain, stamps, session in zip(self._chains, bare, quoted, strict=True):
            chain.date_stamps = int((stamps & session & outage).sum())
            chain.own_stamps = int((stamps & session & ~outage).sum())

    def _quoted(self, chain: StagedChain) -> np.ndarray:
        """The stamps of the window that lie in a chain's session."""
        window = self._settings.window
        span = self._hours.span(window, expiring=self._expires(chain))
        found = np.zeros(window.stamps, dtype=np.bool_)
        found[span.start : span.stop] = True
        return found

    def _bare(self, chain: StagedChain) -> np.ndarray:
        window = self._settings.window
        first = midnight_ms(chain.entry.chain.date) + window.start_ms
        found = np.zeros(window.stamps, dtype=np.bool_)
        for begin, end in chain.receipt.evidence.bare:
            found[(begin - first) // window.step_ms : (end - first) // window.step_ms + 1] = True
        return found

    @staticmethod
    def _expires(chain: StagedChain) -> bool:
        return chain.entry.chain.expiration == chain.entry.chain.date

    def _needed(self, chain: StagedChain, lack: Lack) -> int:
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
    def _is_by_rule(chain: StagedChain, lack: Lack) -> bool:
        return lack is Lack.LATE or (lack is Lack.STAMPS and not chain.own_stamps)

    def _asked_by_rule(self) -> int:
        return sum(
            len(chain.said[lack].confirmed)
            for chain in self._chains
            for lack in (Lack.LATE, Lack.STAMPS)
            if self._is_by_rule(chain, lack)
        )

    def _is_usual(self, chain: StagedChain, lack: Lack) -> bool:
        """Whether *chain* lacks about as much as the date's others."""
        if lack is Lack.STAMPS:
            return not chain.own_stamps
        usual = statistics.median(each.share(lack) for each in self._chains)
        return chain.doubtful(lack) < _NOTABLE or chain.share(lack) <= _UNUSUAL * usual

    # Asking ---------------------------------------------------------------------------------------------

    def _ask(self, chain: StagedChain, *, all_of_it: bool = False) -> None:
        """Ask about *chain* what is needed, or all that is in doubt once its answer was contradicted."""
        case = Case(self._settings, self._line, self._budget, chain)
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
                # A chain that gave nothing was asked for again before.
                contradicts = case.ask(one) and chain.receipt.rows > 0
                if contradicts and not chain.receipt.evidence.asked_again:
                    case.ask_the_chain_again()
                    self._tell_stamps_apart()
                    break
        case.close()
        self._tell_stamps_apart()

    # What came of it ------------------------------------------------------------------------------------

    def _settled(self, chain: StagedChain) -> Receipt:
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
            staging.write_receipt(checkpoint_of(self._settings.layout, chain.entry), receipt)
        return receipt

    def _believed(self, chain: StagedChain, lack: Lack) -> str | None:
        said, (confirmed, contradicted) = chain.said[lack], self._over_the_date(lack)
        # What the whole date lacks is an outage of the source: one question tells no reason for it.
        if said.contradicted or (lack is Lack.STAMPS and chain.date_stamps):
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


# Chains that gave nothing -----------------------------------------------------------------------------


@dataclass
class Silent:
    """A listed chain without data: when the source first said so, and how often since."""

    entry: ListedChain
    since: float = field(default_factory=time.monotonic)
    until: float = field(default_factory=time.monotonic)
    answers: int = 1

    def again(self) -> None:
        """It said so once more."""
        self.answers, self.until = self.answers + 1, time.monotonic()

    def wait(self, factor: float) -> None:
        """Let some time pass since the first answer."""
        time.sleep(max(0.0, self.since + factor * APART_SECONDS - time.monotonic()))


class Witnesses:
    """What the source itself says against its "no data" on a date."""

    def __init__(
        self, settings: Settings, line: SourceSession, budget: Budget, hours: Hours, reports: DayReports
    ) -> None:
        self._settings, self._line, self._budget, self._hours = settings, line, budget, hours
        self._reports = reports

    def evidence(self, silent: Silent) -> SecondOpinion:
        """What is known of a chain that gave nothing."""
        chain, window = silent.entry.chain, self._settings.window
        quoted = self._hours.span(window, expiring=chain.expiration == chain.date)
        word = self._in_report(chain) if quoted else CLOSED
        evidence = SecondOpinion(
            silence=Silence(silent.answers, round(silent.until - silent.since, 1), word),
            opinions={Lack.ABSENT: Opinion(doubtful=silent.entry.contracts)},
        )
        return evidence if word in (CLOSED, NAMED, NOT_NAMED) else self._by_contracts(silent.entry, evidence)

    def _in_report(self, chain: Chain) -> str:
        """What the report of the day says of *chain*, or why there is none."""
        told = self._reports.of(Report.END_OF_DAY, chain.root)
        if isinstance(told, str):
            return told
        # By its true expiration, for a report may list another day for it than the listing does.
        rows = told.rows.filter(expiration=chain.expiration)
        if not len(rows):
            return NOT_NAMED
        lively = (rows[each.name] > 0 for each in REPORTED[Report.END_OF_DAY])
        return NAMED if any(figures.any() for figures in lively) else UNQUOTED

    def _by_contracts(self, entry: ListedChain, evidence: SecondOpinion) -> SecondOpinion:
        """The same after a few contracts were asked for by themselves."""
        confirmed, contradicted, unanswered = list[str](), list[str](), list[str]()
        for one in _around_the_middle(entry):
            name = contract(*one)
            try:
                (contradicted if self._has_records(entry.chain, one) else confirmed).append(name)
            except UnansweredError as error:
                unanswered.append(f"{name}: {error}")
                break
        opinion = Opinion(entry.contracts, tuple(confirmed), tuple(contradicted))
        return SecondOpinion(
            silence=evidence.silence,
            opinions={Lack.ABSENT: opinion},
            asked=len(confirmed) + len(contradicted) + len(unanswered),
            unanswered=tuple(unanswered),
        )

    def _has_records(self, chain: Chain, one: Contract) -> bool:
        window = self._settings.window
        try:
            return any(map(len, own_records(self._line, self._budget, window, chain, one, Rejects())))
        except ApiDataNotFoundError:
            return False


def contradiction(entry: ListedChain, evidence: SecondOpinion) -> ApiResponseInvalidError | None:
    """The error that a "no data" is which another answer of the source contradicts."""
    silence, singles = evidence.silence, evidence.opinion(Lack.ABSENT).contradicted
    if singles:
        witness = f"{singles[0]} has records when it is asked for by itself"
    elif silence is not None and silence.eod == NAMED:
        witness = "its report of the day has quotes or trades of it"
    else:
        return None
    return ApiResponseInvalidError(
        f"the source says that it has no data for {entry.chain}, and {witness}",
        cure="It is asked for again in the next run",
        expected="records, or a report of the day without the chain",
        excerpt="",
    )


def _around_the_middle(entry: ListedChain) -> list[Contract]:
    contracts = sorted(listed_contracts(entry), key=lambda one: (one[1], one[0]))
    middle, apart = len(contracts) // 2, max(1, len(contracts) // _SPREAD)
    return contracts[max(0, middle - apart) : middle + apart + 1 : apart][:_ASKED]
