"""Stage one of a date: which chains had quotes on it, by the source's own word and by other witnesses."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spx_data.errors import ApiDataNotFoundError, SchemaValidationError, SpxDataError
from spx_data.fill.survey import SilentRoot, Survey
from spx_data.market.chains import Chain, ListedChain
from spx_data.market.vendor_hours import VendorHours
from spx_data.settings import Settings
from spx_data.store import files, reads, staging
from spx_data.store.dataset import Identity

if TYPE_CHECKING:
    from spx_data.sources.session import SourceSession


_ROOT = re.compile(r"[A-Z]{1,6}")


@dataclass(frozen=True)
class Listing:
    """What there should be on *date*: the chains, and the data set and API they are listed for.

    *vendor* is what the vendor's calendar says about the date; where it says nothing, *unknown* tells why.
    What the listing left out and leaves open: see `survey.Findings`.
    """

    date: dt.date
    api: str
    dataset: Identity
    chains: tuple[ListedChain, ...]
    vendor: VendorHours | None = None
    unknown: str | None = None
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    roots: Mapping[str, SilentRoot] = field(default_factory=dict)
    unasked: tuple[str, ...] = ()
    expirations_unknown: Mapping[str, str] = field(default_factory=dict)

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
            "roots": {name: asdict(root) for name, root in self.roots.items()},
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


def fetch_expirations(settings: Settings, date: dt.date, target: Path) -> None:
    """Write the listing of *date* to *target*.

    Raises:
        ApiDataNotFoundError: the source has nothing for any root: evidence that the date has no data.
    """
    from spx_data.sources.session import SourceSession  # here, because a merge reads listings and asks nobody

    with SourceSession.open(settings, date, "list", brief=True) as line:
        files.write_json(target, _ask(settings, line, date).as_json())


def current(settings: Settings, line: SourceSession, date: dt.date, path: Path) -> Listing:
    """The listing at *path*, made anew where it is damaged or was made for other settings or another API."""
    wanted = settings.identity(line.source.greeks_version)
    with suppress(SchemaValidationError):
        listing = Listing.of_json(reads.read_json(path))
        if (listing.date, listing.api, listing.dataset) == (date, line.source.api, wanted):
            return listing
    listing = _ask(settings, line, date)
    files.write_json(path, listing.as_json())
    return listing


def _ask(settings: Settings, line: SourceSession, date: dt.date) -> Listing:
    found = Survey(settings, line, date).findings()
    vendor, unknown = _vendor_hours(line, date)
    if found is None:
        raise _nothing(settings, date, vendor)
    wanted = settings.identity(line.source.greeks_version)
    return Listing(date, line.source.api, wanted, vendor=vendor, unknown=unknown, **vars(found))


def _nothing(settings: Settings, date: dt.date, vendor: VendorHours | None) -> ApiDataNotFoundError:
    """Nothing is listed for any root; the vendor's word on the date tells a closure from a lack."""
    said = f"; the vendor's calendar says {vendor.kind}" if vendor else ""
    return ApiDataNotFoundError(
        f"the source lists no contracts of {', '.join(settings.roots)} on {date}{said}",
        cure="It is asked again by itself, less and less often, unless the vendor's calendar says closed",
        date=date,
        **({"vendor": vendor.kind} if vendor else {}),
    )


def _vendor_hours(line: SourceSession, date: dt.date) -> tuple[VendorHours | None, str | None]:
    """What the vendor's calendar says, or why nothing is known: no date fails for it."""
    try:
        told = line.ask(lambda: line.source.hours(date), about="calendar")
    except SpxDataError as error:
        return None, error.cause
    return told, None if told else f"API {line.source.api} has no calendar"
