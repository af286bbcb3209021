"""What there should be on a date, and what was staged of it: the documents that stages hand to each other."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from spx_data.errors import SchemaValidationError
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.sessions import VendorHours
from spx_data.store import staging
from spx_data.store.dataset import Identity
from spx_data.store.layout import Layout
from spx_data.store.names import Checkpoint
from spx_data.store.staging import Receipt

_ROOT = re.compile(r"[A-Z]{1,6}")


class SilentRoot(NamedTuple):
    """A root whose listing gave no chain, or doubt: why, in words, and whether that is how it should be."""

    reason: str
    explained: bool


@dataclass(frozen=True)
class Listing:
    """What there should be on *date*: the chains, and the data set and API they are listed for.

    *vendor* is what the vendor's calendar says about the date; where it says nothing, *unknown* tells why.
    """

    date: dt.date
    api: str
    dataset: Identity
    chains: tuple[ListedChain, ...]
    vendor: VendorHours | None = None
    unknown: str | None = None
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # root, reason, rows
    roots: Mapping[str, SilentRoot] = field(default_factory=dict)
    # Chains that are not asked for: those of the list of expirations alone that are too many, and those that
    # are listed under two days.
    unasked: tuple[str, ...] = ()
    expirations_unknown: Mapping[str, str] = field(default_factory=dict)  # roots without such a list, and why

    def identity(self, entry: ListedChain) -> str:
        """Tells checkpoints of *entry* under this data set and API from all others."""
        return staging.identity({"dataset": self.dataset, "api": self.api, "chain": _chain_json(entry)})

    def as_json(self) -> dict[str, Any]:
        """The listing as a JSON document."""
        return {
            "date": self.date.isoformat(),
            "api": self.api,
            "dataset": self.dataset,
            "vendor_hours": self.vendor and self.vendor.as_json(),
            "vendor_hours_unknown": self.unknown,
            "left_out": self.left_out,
            "roots": {name: root._asdict() for name, root in self.roots.items()},
            "unasked": list(self.unasked),
            "expirations_unknown": self.expirations_unknown,
            "chains": [_chain_json(entry) for entry in self.chains],
        }

    @classmethod
    def of_json(cls, document: Any) -> Listing:
        """The listing in *document*; raises SchemaValidationError where it is none."""
        try:
            date = dt.date.fromisoformat(document["date"])
            chains = tuple(_chain_of_json(date, entry) for entry in document["chains"])
            if len({(entry.chain.root, entry.chain.expiration) for entry in chains}) < len(chains):
                raise ValueError("two chains have one checkpoint")
            told, unknown = document["vendor_hours"], document["vendor_hours_unknown"]
            vendor = None if told is None else VendorHours.of_json(told)
            return cls(
                date,
                document["api"],
                document["dataset"],
                chains,
                vendor,
                unknown,
                document["left_out"],
                {name: SilentRoot(**root) for name, root in document["roots"].items()},
                tuple(document["unasked"]),
                document["expirations_unknown"],
            )
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            raise SchemaValidationError(
                f"this is no listing: {document!r:.200}", what="expirations.json", reason=str(error)
            ) from error


def _chain_json(entry: ListedChain) -> dict[str, Any]:
    return {
        "root": entry.chain.root,
        "expiration": entry.chain.expiration.isoformat(),
        "listed": entry.chain.listed.isoformat(),
        "calls": list(entry.calls),
        "puts": list(entry.puts),
        "witness": entry.witness,
    }


def _chain_of_json(date: dt.date, entry: dict[str, Any]) -> ListedChain:
    if not _ROOT.fullmatch(entry["root"]):
        raise ValueError(f"{entry['root']!r} is no root")  # files are named by it
    chain = Chain(
        entry["root"],
        dt.date.fromisoformat(entry["expiration"]),
        date,
        dt.date.fromisoformat(entry["listed"]),
    )
    return ListedChain(chain, tuple(entry["calls"]), tuple(entry["puts"]), entry["witness"])


@dataclass(frozen=True)
class Reports:
    """What the source reported of a date's contracts, as it is staged; of each report by root.

    *unknown* is why there is none, *left_out* the rows that are of no use, by reason, and *conflicts* the
    contracts of which the newest rows disagree. The figures are in a file with that *sha256*; None is none.
    """

    sha256: str | None = None
    unknown: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    left_out: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    conflicts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of_json(cls, document: Any) -> Reports:
        """The reports in *document*; raises TypeError or ValueError where it is none."""
        found = cls(**document)
        if not isinstance(found.sha256, str | None):
            raise TypeError("the checksum of the reports is text")
        for told, kind in ((found.unknown, str), (found.left_out, Mapping), (found.conflicts, int)):
            if not all(isinstance(each, kind) for by_root in told.values() for each in by_root.values()):
                raise TypeError("what is told of reports is told by root")
        return found


class Manifest(NamedTuple):
    """A date that has nothing left to fetch; *receipts* stand in the listing's order."""

    listing: Listing
    receipts: tuple[Receipt, ...]
    reports: Reports | None = None  # None where nobody asked for any

    def chains(self) -> Iterator[tuple[ListedChain, Receipt]]:
        """Every listed chain with what became of it, in the order of the sealed file."""
        return zip(self.listing.chains, self.receipts, strict=True)

    def as_json(self) -> dict[str, Any]:
        """The manifest as a JSON document."""
        return {
            "listing": self.listing.as_json(),
            "receipts": [receipt.as_json() for receipt in self.receipts],
            "reports": self.reports and asdict(self.reports),
        }

    @classmethod
    def of_json(cls, document: Any) -> Manifest:
        """The manifest in *document*; raises SchemaValidationError where it is none."""
        try:
            receipts = tuple(Receipt.of_json(entry) for entry in document["receipts"])
            listing = Listing.of_json(document["listing"])
            reports = None if document["reports"] is None else Reports.of_json(document["reports"])
        except (AttributeError, TypeError, KeyError) as error:
            raise SchemaValidationError(
                f"this is no manifest: {document!r:.200}", what="manifest.json", reason=str(error)
            ) from error
        if [(r.root, r.expiration) for r in receipts] != [
            (entry.chain.root, entry.chain.expiration) for entry in listing.chains
        ]:
            raise SchemaValidationError(
                f"the manifest of {listing.date} does not have one receipt for each listed chain",
                what="manifest.json",
                reason="receipts and listing differ",
            )
        return cls(listing, receipts, reports)


def checkpoint_of(layout: Layout, entry: ListedChain) -> Checkpoint:
    """Where a chain is staged."""
    chain = entry.chain
    return layout.checkpoint(chain.date, chain.root, chain.expiration)
