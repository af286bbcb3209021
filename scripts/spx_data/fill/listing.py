"""Stage one of a date: which chains had quotes on it, by the source's own word."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spx_data import dataset, files, staging
from spx_data.dataset import Identity
from spx_data.errors import ApiDataNotFoundError, SchemaValidationError, SpxDataError
from spx_data.settings import Settings
from spx_data.theta.calendar import VendorHours
from spx_data.theta.chains import Chain, ListedChain

if TYPE_CHECKING:
    from spx_data.fill.source import Line


@dataclass(frozen=True)
class Listing:
    """What the source lists for *date*: the chains, and the data set and API they are listed for.

    *vendor* is what the vendor's calendar says about the date; where it says nothing, *unknown* tells why.
    """

    date: dt.date
    api: str
    dataset: Identity
    chains: tuple[ListedChain, ...]
    vendor: VendorHours | None = None
    unknown: str | None = None

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
            "chains": [_chain_json(entry) for entry in self.chains],
        }

    @classmethod
    def of_json(cls, document: Any) -> Listing:
        """The listing in *document*; raises SchemaValidationError where it is none."""
        try:
            date = dt.date.fromisoformat(document["date"])
            chains = tuple(_chain_of_json(date, entry) for entry in document["chains"])
            told, unknown = document["vendor_hours"], document["vendor_hours_unknown"]
            vendor = None if told is None else VendorHours.of_json(told)
            return cls(date, document["api"], document["dataset"], chains, vendor, unknown)
        except (TypeError, KeyError, ValueError) as error:
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
    }


def _chain_of_json(date: dt.date, entry: dict[str, Any]) -> ListedChain:
    chain = Chain(
        entry["root"],
        dt.date.fromisoformat(entry["expiration"]),
        date,
        dt.date.fromisoformat(entry["listed"]),
    )
    return ListedChain(chain, tuple(entry["calls"]), tuple(entry["puts"]))


def fetch_expirations(settings: Settings, date: dt.date, target: Path) -> None:
    """Write the listing of *date* to *target*.

    Raises:
        ApiDataNotFoundError: the source has nothing for any root: evidence that the date has no data.
    """
    from spx_data.fill.source import Line  # here, because a merge reads listings and asks nobody

    with Line.open(settings, date, "list", brief=True) as line:
        files.write_json(target, _ask(settings, line, date).as_json())


def current(settings: Settings, line: Line, date: dt.date, path: Path) -> Listing:
    """The listing at *path*, made anew where it is damaged or was made for other settings or another API."""
    wanted = dataset.identity(settings, line.source.greeks_version)
    with suppress(SchemaValidationError):
        listing = Listing.of_json(files.read_json(path))
        if (listing.date, listing.api, listing.dataset) == (date, line.source.api, wanted):
            return listing
    listing = _ask(settings, line, date)
    files.write_json(path, listing.as_json())
    return listing


def _ask(settings: Settings, line: Line, date: dt.date) -> Listing:
    chains = sorted(
        (entry for root in settings.roots for entry in _listed(line, settings, root, date)),
        key=lambda entry: entry.chain,
    )
    if not chains:
        raise ApiDataNotFoundError(
            f"the source lists no contracts of {', '.join(settings.roots)} on {date}",
            cure=f"It is asked again in {settings.patience.no_data_recheck_days:g} days",
            date=date,
        )
    wanted = dataset.identity(settings, line.source.greeks_version)
    return Listing(date, line.source.api, wanted, tuple(chains), *_vendor_hours(line, date))


def _vendor_hours(line: Line, date: dt.date) -> tuple[VendorHours | None, str | None]:
    """What the vendor's calendar says, or why nothing is known: asked once, and no date waits for it."""
    try:
        told = line.source.hours(date)
    except SpxDataError as error:
        return None, error.cause
    return told, None if told else f"API {line.source.api} has no calendar"


def _listed(line: Line, settings: Settings, root: str, date: dt.date) -> list[ListedChain]:
    try:
        found = line.ask(lambda: line.source.listing(root, date), root=root).chains
    except ApiDataNotFoundError:
        return []
    return [
        entry
        for entry in found
        if settings.max_dte is None or (entry.chain.expiration - date).days <= settings.max_dte
    ]
