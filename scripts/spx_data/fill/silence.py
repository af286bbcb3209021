"""Chains that the source has no data for, by its own word: how far that word is believed.

"No data" (472) may be a fact, and may be a fault of the moment. So the chain is asked for once more at the
end of the date, some time after the first answer; and the source's report of the day, one request for a root,
is the second witness: it names every chain that was quoted or traded. Where the terminal has no such report,
a few contracts are asked for by themselves. Only the report explains a chain that gave nothing, or hours that
have no stamp in the window.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from spx_data.errors import ApiDataNotFoundError, ApiResponseInvalidError
from spx_data.fill.budget import Budget, UnansweredError
from spx_data.fill.lacking import Contract, listed_contracts
from spx_data.fill.questions import own_records
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.records import Rejects
from spx_data.market.second_opinion import (
    CLOSED,
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

# Between the first answer and the last, times `thetadata.retry_wait_factor`: a hiccup is over by then.
_APART_SECONDS = 5.0
_ASKED = 3  # contracts of a chain that is not in a report: around its middle
_SPREAD = 10  # and a tenth of its contracts to either side


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
        time.sleep(max(0.0, self.since + factor * _APART_SECONDS - time.monotonic()))


class Witnesses:
    """What the source itself says against its "no data" on a date."""

    def __init__(self, settings: Settings, line: SourceSession, budget: Budget, hours: Hours) -> None:
        self._settings, self._line, self._budget, self._hours = settings, line, budget, hours
        self._reports: dict[str, Mapping[dt.date, str] | str] = {}

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
        if chain.root not in self._reports:
            self._reports[chain.root] = self._report(chain)
        report = self._reports[chain.root]
        return report if isinstance(report, str) else report.get(chain.expiration, NOT_NAMED)

    def _report(self, chain: Chain) -> Mapping[dt.date, str] | str:
        """What it says of each true expiration, for it may list another day for one than the listing does."""
        if not self._line.capabilities.eod:
            return f"not asked for: API {self._line.source.api} has no end-of-day report"
        try:
            with self._budget.question():
                report = self._line.source.eod(chain.root, chain.date)
        except UnansweredError as error:
            return str(error)
        except ApiDataNotFoundError as error:
            # It names nothing at all of a root whose contracts are listed: that is no report.
            return error.cause
        silent = dict.fromkeys((entry.chain.expiration for entry in report.silent), UNQUOTED)
        return silent | dict.fromkeys((entry.chain.expiration for entry in report.quoted), NAMED)

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
