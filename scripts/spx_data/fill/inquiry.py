"""A second opinion on a chain's answer: contracts that it lacks, or breaks off, are asked for by themselves.

A row appears for every stamp once a contract has had a quote (wire-facts, section 2.1), so a hole, an end
before the chain's own, and a listed contract without any row are either facts of the source or faults of one
answer. The contract's own answer tells them apart. Where nothing is missing, nothing is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spx_data.errors import (
    ApiDataNotFoundError,
    ApiResponseInvalidError,
    SpxDataError,
)
from spx_data.evidence import Evidence, contract
from spx_data.fill.rejects import Doubt
from spx_data.fill.source import Line
from spx_data.quality.checks import Mask
from spx_data.quality.hours import REGULAR, Hours
from spx_data.quality.panel import PUT, RIGHTS
from spx_data.quality.presence import Presence, first_and_last
from spx_data.records import Rejects
from spx_data.settings import Window
from spx_data.theta.chains import ListedChain, midnight_ms
from spx_data.theta.windows import joined

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

MOST_ASKED = 40  # contracts of one chain
ENOUGH = 5  # contracts that have the holes of their chain's answer: the others' are believed too
_APART = 10  # an empty chain is tried at its middle and a tenth of its contracts to either side
_FIRST_PRINT_MS = 60_000  # the index has printed by then
# Statuses of a question that the terminal will not hear: they leave a contract missing, and fail no chain.
_UNHEARD = (400, 404, 410, 473, 475)

Contract = tuple[str, float]  # right and strike


class Inquiry:
    """The second opinion on one try to fetch a chain."""

    def __init__(
        self,
        line: Line,
        entry: ListedChain,
        windows: list[Window],
        hours: Hours | None,
        rejects: Rejects | None = None,
    ) -> None:
        """*windows* and *rejects* as in `windows.history`; *hours* as far as the vendor tells."""
        self._line, self._entry, self._windows, self._rejects = line, entry, windows, rejects
        window, chain = Window(windows[0].start, windows[-1].end, windows[0].interval), entry.chain
        self._census = Presence(window, midnight_ms(chain.date), {*entry.calls, *entry.puts})
        hours = hours or REGULAR
        if line.source.api == "v2":  # no rows before the index prints (wire-facts, section 2.1)
            hours = replace(hours, opens_ms=hours.opens_ms + _FIRST_PRINT_MS)
        self._span = hours.span(window, expiring=chain.expiration == chain.date)
        self._asked = self._recovered = self._left_out = 0
        self._unquoted: list[str] = []
        self._confirmed: list[str] = []
        self._unanswered: list[str] = []

    def completed(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """*batches* (`schema.RECORD`) of the chain's answer, and the records that it lacked.

        Raises:
            ApiDataNotFoundError: the source has no data for the chain, nor for contracts of it.
            ApiResponseInvalidError: the answer lacks what its contracts have, and more than can be mended.
        """
        try:
            for batch in batches:
                self._take(batch)
                yield batch
        except ApiDataNotFoundError:
            self._doubt_an_empty_chain()
            raise
        yield from self._second_opinions()

    def evidence(self) -> Evidence:
        """What has come of it."""
        seen = np.flatnonzero(self._common())
        return Evidence(
            first_stamp=self._census.stamp(int(seen[0])) if len(seen) else None,
            last_stamp=self._census.stamp(int(seen[-1])) if len(seen) else None,
            asked=self._asked,
            unquoted=tuple(self._unquoted),
            confirmed=tuple(self._confirmed),
            unanswered=tuple(self._unanswered),
            recovered=self._recovered,
            left_out=self._left_out,
        )

    # The chain's answer ---------------------------------------------------------------------------------

    def _take(self, batch: pa.RecordBatch) -> Mask:
        """Count the records of *batch* in; says which of them are new."""
        import pyarrow.compute as pc

        put = pc.equal(batch["right"], RIGHTS[PUT]).to_numpy(zero_copy_only=False)
        return self._census.add(batch["strike"].to_numpy(), put, batch["timestamp"].to_numpy())

    def _common(self) -> Mask:
        """The stamps that any contract has."""
        return np.asarray(self._census.there.any(axis=(0, 1)))

    def _doubt_an_empty_chain(self) -> None:
        """Ask for a few contracts around the middle: any record of them proves the "no data" false."""
        entry = self._entry
        listed = sorted(
            [*((strike, "C") for strike in entry.calls), *((strike, "P") for strike in entry.puts)]
        )
        middle, apart = len(listed) // 2, max(1, len(listed) // _APART)
        for strike, right in listed[max(0, middle - apart) : middle + apart + 1 : apart]:
            if self._answer(right, strike):
                raise self._contradicted(right, strike)

    def _contradicted(self, right: str, strike: float) -> ApiResponseInvalidError:
        chain, name = self._entry.chain, contract(right, strike)
        return ApiResponseInvalidError(
            f"the answer about {chain} lacks records that {name} has when it is asked for by itself",
            cure="If it stays, restart the terminal: its answers contradict each other",
            expected="the same records for a contract in its chain and by itself",
            excerpt="",
        )

    # What it lacks --------------------------------------------------------------------------------------

    def _second_opinions(self) -> Iterator[pa.RecordBatch]:
        common = self._common()
        doubtful = self._doubtful(common)
        some = _spread(doubtful, MOST_ASKED)
        self._left_out = len(doubtful) - len(some)
        for right, strike in {**dict.fromkeys(self._witness(common)), **dict.fromkeys(some)}:
            if self._believed(right, strike):
                self._left_out += 1
                continue
            news = [self._news(batch) for batch in self._answer(right, strike)]
            found = sum(map(len, news))
            if found and (self._left_out or (self._common() & ~common).any()):
                # Mending it one by one would take as many requests as the chain has contracts.
                raise self._contradicted(right, strike)
            if news and not found:
                self._confirmed.append(contract(right, strike))
            self._recovered += found
            yield from news
        if self._asked:
            _log.info(
                "%s: %d contracts asked for by themselves: %d have no data, %d records were recovered",
                *(self._entry.chain, self._asked, len(self._unquoted), self._recovered),
            )

    def _believed(self, right: str, strike: float) -> bool:
        """Whether the holes of a contract need no asking: a source with holes has them in many contracts."""
        return (
            len(self._confirmed) >= ENOUGH
            and not self._recovered
            and bool(self._census.received[self._place(right, strike)])
        )

    def _place(self, right: str, strike: float) -> tuple[int, int]:
        return RIGHTS.index(right), int(np.searchsorted(self._census.strikes, strike))

    def _news(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The records of *batch* that the chain's answer lacked."""
        import pyarrow as pa

        return batch.filter(pa.array(self._take(batch)))

    def _doubtful(self, common: Mask) -> list[Contract]:
        """The contracts that are listed and have no stamp; then those with holes or an early end.

        A stamp that no contract has (*common* is false) is a hole of the chain and none of theirs.
        """
        census, received = self._census, self._census.received
        first, last = first_and_last(census.there)
        before = np.concatenate([[0], np.cumsum(common)])
        end = max(np.flatnonzero(common), default=-1)
        ragged = (last < end) | (census.there.sum(axis=2) < before[-1] - before[first])
        lacking = census.listed(self._entry.calls, self._entry.puts) & ~received
        return [
            (RIGHTS[right], float(census.strikes[strike]))
            for right, strike in (*np.argwhere(lacking), *np.argwhere(ragged & received))
        ]

    def _witness(self, common: Mask) -> list[Contract]:
        """The fullest contract, where the whole chain lacks a stamp that the session should have."""
        if common[self._span.start : self._span.stop].all() or not common.any():
            return []
        there = self._census.there
        right, strike = np.unravel_index(int(np.argmax(there.sum(axis=2))), there.shape[:2])
        return [(RIGHTS[right], float(self._census.strikes[strike]))]

    # Asking ---------------------------------------------------------------------------------------------

    def _answer(self, right: str, strike: float) -> list[pa.RecordBatch]:
        """The contract's own records; none where the source has none, or will not be asked."""
        chain, name, source = self._entry.chain, contract(right, strike), self._line.source
        about = {"root": chain.root, "expiration": chain.expiration.isoformat(), "contract": name}

        doubt = Doubt(f"{name} of {chain}")

        def ask() -> tuple[list[pa.RecordBatch], Rejects]:
            bad = Rejects()

            def history(window: Window) -> Iterator[pa.RecordBatch]:
                return source.contract_history(chain, right, strike, window, bad)

            return list(doubt.resolved(joined(history, self._windows), bad)), bad

        self._asked += 1
        try:
            batches, bad = self._line.ask(ask, **about)
            self._set_aside(right, strike, bad)
            return batches
        except ApiDataNotFoundError:
            self._unquoted.append(name)
        except SpxDataError as error:
            if not isinstance(error, ApiResponseInvalidError) and error.fields.get("status") not in _UNHEARD:
                raise error.final() from None
            self._unanswered.append(f"{name}: {error.cause}")
        return []

    def _set_aside(self, right: str, strike: float, bad: Rejects) -> None:
        """Keep the bad rows of a contract unless the chain's answer brought them before."""
        if self._rejects is not None and not self._census.received[self._place(right, strike)]:
            for reject in bad.found:
                self._rejects.add(reject.reason, reject.raw)


def _spread(contracts: list[Contract], most: int) -> list[Contract]:
    """At most *most* of the *contracts*, evenly spread."""
    if len(contracts) <= most:
        return contracts
    return [contracts[number * len(contracts) // most] for number in range(most)]
