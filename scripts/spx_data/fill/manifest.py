"""What was staged for a date: the listing and a receipt for every chain in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spx_data.errors import SchemaValidationError
from spx_data.fill.listing import Listing
from spx_data.market.chains import ListedChain
from spx_data.store.staging import Receipt


@dataclass(frozen=True)
class Manifest:
    """A date that has nothing left to fetch; *receipts* stand in the listing's order."""

    listing: Listing
    receipts: tuple[Receipt, ...]

    def chains(self) -> Iterator[tuple[ListedChain, Receipt]]:
        """Every listed chain with what became of it, in the order of the sealed file."""
        return zip(self.listing.chains, self.receipts, strict=True)

    def as_json(self) -> dict[str, Any]:
        """The manifest as a JSON document."""
        return {
            "listing": self.listing.as_json(),
            "receipts": [receipt.as_json() for receipt in self.receipts],
        }

    @classmethod
    def of_json(cls, document: Any) -> Manifest:
        """The manifest in *document*; raises SchemaValidationError where it is none."""
        try:
            receipts = tuple(Receipt.of_json(entry) for entry in document["receipts"])
            listing = Listing.of_json(document["listing"])
        except (TypeError, KeyError) as error:
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
        return cls(listing, receipts)
