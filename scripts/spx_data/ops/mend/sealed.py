"""A sealed day as it was staged: its listing, and of each chain its records, bad rows and receipt.

All of it is read back from the day's three files and its bad records, so that a mend asks the source for
nothing that is sealed. Merged again, it is the same day to the last bit.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from spx_data.fill.lacking import Roll, evidence_of
from spx_data.fill.listing import Listing, SilentRoot, checkpoint_of
from spx_data.market import schema
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.records import CONFLICT, Reject
from spx_data.market.second_opinion import ChainState, SecondOpinion, contract
from spx_data.market.sessions import VendorHours, Window
from spx_data.quality import DETAILS
from spx_data.store import foreign, parquet, reads, staging
from spx_data.store.layout import Layout
from spx_data.store.names import Checkpoint
from spx_data.store.staging import Receipt

Key = tuple[str, dt.date]  # root and expiration


@dataclass(frozen=True)
class SealedChain:
    """What a passport says of one chain: its *report*, and its *proof* among the details."""

    report: Mapping[str, Any]
    proof: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """What tells the chain from the day's others."""
        return self.report["root"], dt.date.fromisoformat(self.report["expiration"])

    @property
    def state(self) -> ChainState:
        """What the day knows of it."""
        return ChainState(self.report["state"])

    @property
    def has_data(self) -> bool:
        """Whether it has records."""
        return bool(self.report["rows"])

    @property
    def named(self) -> set[str]:
        """The contracts without records that the passport names: like C 4700."""
        return {*self.proof["contracts_missing"], *self.proof["contracts_explained"]}

    @property
    def is_cut_off(self) -> bool:
        """Whether the passport names only some of its contracts."""
        return bool({"contracts_missing", "contracts_explained"} & set(self.proof["more"]))

    def evidence(self, found: SecondOpinion) -> SecondOpinion:
        """Its evidence; *found* is what its records say."""
        told = SecondOpinion.of_json({**found.as_json(), **self.proof["second_opinion"]})
        return replace(told, first_stamp=found.first_stamp, last_stamp=found.last_stamp, bare=found.bare)


class SealedDay:
    """One sealed date of a lake, every byte of which has been looked at."""

    def __init__(self, layout: Layout, date: dt.date, passport: Mapping[str, Any]) -> None:
        self._layout, self.date, self.passport = layout, date, passport
        details = passport[DETAILS]["chains"]
        self.chains = [SealedChain(*both) for both in zip(passport["chains"], details, strict=True)]

    @property
    def lacking(self) -> list[SealedChain]:
        """The chains that are not whole."""
        return [chain for chain in self.chains if chain.state is not ChainState.WHOLE]

    @property
    def lacks_listing(self) -> bool:
        """Whether the listing is to be asked for anew: it is in doubt, or the passport does not tell it."""
        told = self.passport["completeness"]
        unknown = len(told["unknown"]) + told["unknown_more"]
        return unknown > len(self.lacking) or self.listing_is_cut_off

    @property
    def listing_is_cut_off(self) -> bool:
        """Whether the passport does not name all that was listed."""
        return any(chain.is_cut_off for chain in self.chains)

    # The listing ----------------------------------------------------------------------------------------

    @cached_property
    def listing(self) -> Listing:
        """What was listed for the date, as far as the passport and the records tell."""
        passport, session = self.passport, self.passport["session"] or {}
        vendor, listing = session.get("vendor"), passport["listing"]
        return Listing(
            date=self.date,
            api=passport["source"]["api"],
            dataset=passport["dataset"],
            chains=tuple(self._entry(chain) for chain in self.chains),
            vendor=vendor and VendorHours.of_json(vendor),
            unknown=session.get("vendor_unknown"),
            left_out=listing["left_out"],
            roots={root: SilentRoot(**each) for root, each in listing["silent_roots"].items()},
            unasked=tuple(listing["unasked"]),
            expirations_unknown=listing["expirations_unknown"],
        )

    def _entry(self, chain: SealedChain) -> ListedChain:
        root, expiration = chain.key
        report, names = chain.report, set(chain.named)
        if report["contracts_listed"]:
            names |= self._received.get(chain.key, set())
        contracts = [name.split(" ") for name in names]
        calls, puts = (
            tuple(sorted(float(strike) for right, strike in contracts if right == wanted)) for wanted in "CP"
        )
        listed = dt.date.fromisoformat(report["listed"])
        return ListedChain(Chain(root, expiration, self.date, listed), calls, puts, report["witness"])

    @cached_property
    def _received(self) -> Mapping[Key, set[str]]:
        """The contracts of each chain that have records."""
        found: dict[Key, set[str]] = {}
        with self._file() as file:
            for root, expiration, tables in parquet.chains(file, ["strike", "right"]):
                keys = pl.concat([_frame(rows, ["strike", "right"]).unique() for rows in tables]).unique()
                found[root, expiration] = {contract(right, strike) for strike, right in keys.iter_rows()}
        return found

    # What was staged ------------------------------------------------------------------------------------

    def stage(self, there: Layout, window: Window, listing: Listing, asked: Sequence[Key]) -> None:
        """Stage in the lake *there*, for *listing*, all that is known of the day's chains.

        Of those *asked* for, which the source is to be asked about again, only what has records.
        """
        entries = {(entry.chain.root, entry.chain.expiration): entry for entry in listing.chains}
        told = {chain.key: chain for chain in self.chains}
        rejects, conflicts = self._rejects()
        names = schema.newest(listing.dataset["records"]).record.names
        with self._file() as file:
            for root, expiration, tables in parquet.chains(file, names):
                key = root, expiration
                records = (_frame(rows, names) for rows in tables)
                stage = _Stage(there, window, listing, entries[key], told[key])
                stage.records(records, conflicts[key], rejects[key], whole=key not in asked)
        for key, chain in told.items():
            if not chain.has_data and key not in asked:
                _Stage(there, window, listing, entries[key], chain).silence()

    def _rejects(self) -> tuple[Mapping[Key, list[Reject]], Mapping[Key, list[dict[str, Any]]]]:
        """Of each chain its bad rows, and the versions of records that stand behind a sealed one."""
        bad, versions = defaultdict[Key, list[Reject]](list), defaultdict[Key, list[dict[str, Any]]](list)
        path = self._layout.rejects(self.date)
        held = reads.content(path, foreign.MOST_REJECTS_BYTES) if self.passport["rejects"]["sha256"] else b""
        for line in held.splitlines():
            told = foreign.exactly(line)
            key = told["root"], dt.date.fromisoformat(told["expiration"])
            if told["reason"] != CONFLICT:
                bad[key].append(Reject(told["reason"], told["raw"], told.get("rows", 1)))
            elif not told["sealed"]:
                versions[key].append(foreign.exactly(told["raw"].encode()))
        return bad, versions

    def _file(self) -> pq.ParquetFile:
        return parquet.opened(self._layout.parquet(self.date), page_checksum_verification=True)


@dataclass(frozen=True)
class _Stage:
    """One chain of a sealed day on its way back into a checkpoint."""

    there: Layout
    window: Window
    listing: Listing
    entry: ListedChain
    told: SealedChain

    @property
    def checkpoint(self) -> Checkpoint:
        return checkpoint_of(self.there, self.entry)

    def records(
        self,
        records: Iterator[pl.DataFrame],
        versions: list[dict[str, Any]],
        rejects: list[Reject],
        *,
        whole: bool,
    ) -> None:
        """Stage a chain with records; what is *whole* leaves no question open."""
        roll = Roll(self.entry, self.window)

        def every() -> Iterator[pl.DataFrame]:
            names: list[str] = []
            for frame in records:
                roll.census.add_records(frame)
                names = frame.columns
                yield frame
            if versions:
                yield pl.DataFrame(versions, schema=schema.polars_record(names))

        contracts, rows, size, checksum = staging.write_records(self.checkpoint, every())
        evidence = self.told.evidence(evidence_of(roll))
        receipt = replace(
            self._receipt(_settled(evidence) if whole else evidence),
            contracts=contracts,
            rows=rows,
            bytes=size,
            sha256=checksum,
            duplicates=self.told.report["duplicates_dropped"],
            rejected=sum(reject.rows for reject in rejects),
            rejects_sha256=staging.write_rejects(self.checkpoint, sorted(rejects)),
        )
        staging.write_receipt(self.checkpoint, receipt)

    def silence(self) -> None:
        """Stage a chain that gave nothing, as it was found."""
        staging.write_receipt(self.checkpoint, self._receipt(self.told.evidence(SecondOpinion())))

    def _receipt(self, evidence: SecondOpinion) -> Receipt:
        report, chain = self.told.report, self.entry.chain
        return Receipt.empty(
            chain.root,
            chain.expiration,
            self.listing.identity(self.entry),
            attempts=report["attempts"],
            seconds=report["seconds"],
            evidence=evidence,
            error=report["error"],
        )


def _settled(evidence: SecondOpinion) -> SecondOpinion:
    """The evidence on a whole chain: what nobody asked about is outside of its session, and no question."""
    opinions = {
        lack: opinion if opinion.believed else opinion._replace(doubtful=len(opinion.confirmed))
        for lack, opinion in evidence.opinions.items()
    }
    return replace(evidence, opinions=opinions)


def _frame(rows: pa.Table, names: list[str]) -> pl.DataFrame:
    """Rows of a sealed file as records, of which only the columns *names*."""
    return pl.DataFrame(rows.select(names).cast(schema.records(names)))
