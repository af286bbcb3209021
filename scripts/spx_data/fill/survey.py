"""Stage one of a date: which chains it should have, by each root's listing and by other witnesses.

A listing is asked for again where another witness speaks against it. Those cost nothing as a rule: the
terminal's list of expirations is kept, and sealed days beside are read. Only where the listing of a root is
empty or cannot be had is its end-of-day report asked for.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from spx_data.errors import (
    ApiDataNotFoundError,
    ApiResponseInvalidError,
    ConfigurationValidationError,
    SchemaValidationError,
    SpxDataError,
)
from spx_data.fill import witnesses
from spx_data.fill.listing import Listing, SilentRoot
from spx_data.fill.surveyed import Root
from spx_data.fill.witnesses import APART_SECONDS, MOST_ANSWERS, Neighbours
from spx_data.lake import session_states
from spx_data.market.chains import Listed, ListedChain, Reported
from spx_data.market.sessions import VendorHours
from spx_data.settings import Settings
from spx_data.sources.session import SourceSession
from spx_data.store import files, reads

# As many chains that only the list of expirations knows are asked for.
_MOST_UNLISTED = 20
_OF_ANOTHER_DAY = "its listing may be of another day, and its end-of-day report cannot be had"


def fetch_expirations(settings: Settings, date: dt.date, target: Path) -> None:
    """Write the listing of *date* to *target*.

    Raises:
        ApiDataNotFoundError: the source has nothing for any root: evidence that the date has no data.
    """
    with SourceSession.open(settings, date, "list", brief=True) as line:
        files.write_json(target, Survey(settings, line, date).listing().as_json())


def current(settings: Settings, line: SourceSession, date: dt.date, path: Path) -> Listing:
    """The listing at *path*, made anew where it is damaged or was made for other settings or another API."""
    wanted = settings.identity(line.source.greeks_version)
    with suppress(SchemaValidationError):
        listing = Listing.of_json(reads.read_json(path))
        if (listing.date, listing.api, listing.dataset) == (date, line.source.api, wanted):
            return listing
    listing = Survey(settings, line, date).listing()
    files.write_json(path, listing.as_json())
    return listing


class Survey:
    """The questions about one date's roots, and what came of them."""

    def __init__(self, settings: Settings, line: SourceSession, date: dt.date) -> None:
        self._settings, self._line, self._date = settings, line, date
        self._roots = [Root(name, settings.product, date, settings.max_dte) for name in settings.roots]
        self._beside = Neighbours.of(settings.product, settings.layout.lake, date)

    def listing(self) -> Listing:
        """What there should be on the date.

        Raises:
            ApiDataNotFoundError: no root has a chain.
            SpxDataError: a listing could not be had, and this is not the date's last try or there is no other
                witness of any chain.
        """
        for root in self._roots:
            self._ask_first(root)
        for root in self._roots:
            while self._is_doubtful(root):
                self._ask_again(root)
        self._doubt_listings_of_today()
        if not any(root.wanted for root in self._roots):
            for error in filter(None, (root.error or _nothing_but_mixed_up(root) for root in self._roots)):
                raise error
            raise self._nothing(self._vendor_hours()[0])
        odd = {root.name: told for root in self._roots if (told := self._oddity(root)) is not None}
        unasked = [text for root in self._roots for text in self._add_unlisted(root)]
        vendor, unknown = self._vendor_hours()
        source, roots = self._line.source, sorted(self._roots, key=lambda root: root.name)
        return Listing(
            self._date,
            source.api,
            self._settings.identity(source.greeks_version),
            tuple(entry for root in roots for entry in root.wanted),
            vendor,
            unknown,
            left_out={root.name: left_out for root in self._roots if (left_out := _left_out(root))},
            roots=odd,
            unasked=tuple(unasked),
            expirations_unknown={root.name: root.why_not for root in self._roots if root.entries is None},
        )

    def _nothing(self, vendor: VendorHours | None) -> ApiDataNotFoundError:
        """Nothing is listed for any root; the vendor's word on the date tells a closure from a lack."""
        said = f"; the vendor's calendar says {vendor.kind}" if vendor else ""
        return ApiDataNotFoundError(
            f"the source lists no contracts of {', '.join(self._settings.roots)} on {self._date}{said}",
            cure="It is asked again by itself, less and less often, unless the vendor's calendar says closed",
            date=self._date,
            **({"vendor": vendor.kind} if vendor else {}),
        )

    def _vendor_hours(self) -> tuple[VendorHours | None, str | None]:
        """What the vendor's calendar says, or why nothing is known: no date fails for it."""
        source = self._line.source
        try:
            told = self._line.ask(lambda: source.hours(self._date), about="calendar")
        except SpxDataError as error:
            return None, error.cause
        return told, None if told else f"API {source.api} has no calendar"

    # Questions ------------------------------------------------------------------------------------------

    def _ask_first(self, root: Root) -> None:
        """Ask for the listing of *root*; on the last try its report stands in for one that cannot be had."""
        try:
            self._ask(root)
        except SpxDataError as error:
            if error.surroundings or not session_states.is_last_try(self._settings, self._date):
                raise
            root.error = None if self._add_reported(root) and root.wanted else error
        try:
            root.entries = witnesses.known_expirations(self._settings, self._line, root.name, self._date)
        except SpxDataError as error:
            if _is_the_works(error):
                raise
            root.why_not = error.cause

    def _ask_again(self, root: Root) -> None:
        time.sleep(max(0.0, root.asked_at + APART_SECONDS * self._line.wait_factor - time.monotonic()))
        try:
            self._ask(root)
        except SpxDataError as error:
            if error.surroundings:
                raise
            root.answers += 1
            root.settled = True

    def _ask(self, root: Root) -> None:
        source = self._line.source
        try:
            answer = self._line.ask(lambda: source.listing(root.name, self._date), root=root.name)
        except ApiDataNotFoundError:
            answer = Listed(())
        finally:
            root.asked_at = time.monotonic()
        if answer.chains or not root.chains:
            root.hears(answer)
        else:
            root.answers += 1

    def _add_reported(self, root: Root) -> bool:
        """Add the chains in the end-of-day report of *root*; whether it could be had."""
        source = self._line.source
        if not self._line.capabilities.eod:
            return False

        def ask() -> Reported:
            return self._line.ask(lambda: source.eod(root.name, self._date), root=root.name)

        try:
            answers, root.steady = witnesses.steady(self._line, ask)
        except SpxDataError as error:
            if _is_the_works(error):
                raise
            return False
        root.left_out = answers[-1].left_out
        for told in answers:
            root.add((*told.quoted, *told.silent))
        return True

    # Doubts ---------------------------------------------------------------------------------------------

    def _is_doubtful(self, root: Root) -> bool:
        """Whether the listing of *root* is to be asked for again."""
        if root.settled or root.error is not None or not root.answers or root.answers >= MOST_ANSWERS:
            return False
        if root.answers > 1:
            return not root.steady
        if not root.chains:
            others = any(other.chains for other in self._roots)
            return others or self._beside.has(root.name)
        return not root.steady or bool(self._lost(root) or self._unlisted(root))

    def _doubt_listings_of_today(self) -> None:
        """Where a listing has nothing near the date, add what the report has; without one, believe none."""
        had = [self._add_reported(root) for root in self._roots if root.lists_nothing_near]
        for root in self._roots:
            root.out_of_time = bool(root.chains) and not all(had)

    def _lost(self, root: Root) -> list[dt.date]:
        """Expirations that sealed days beside have and the listing has not."""
        today = {(root.name, expiration) for expiration in root.listed}
        lost = self._beside.lost(frozenset(today))
        return [each for name, each in lost if name == root.name and root.reaches(each)]

    def _unlisted(self, root: Root) -> list[dt.date]:
        """Expirations that the terminal's own list has, and its listing should have."""
        return [each for each in witnesses.unlisted(root.live, root.listed, self._date) if root.reaches(each)]

    def _oddity(self, root: Root) -> SilentRoot | None:
        """What is to be told of *root* as a whole."""
        if not root.wanted:
            return self._silence(root)
        if root.out_of_time:
            return SilentRoot(_OF_ANOTHER_DAY, explained=False)
        return None if root.steady else _doubted(root)

    def _silence(self, root: Root) -> SilentRoot:
        """Why *root* has no chain; where nothing explains it, its end-of-day report is asked for."""
        if root.mixed_up:
            return SilentRoot("all that it lists is listed under two days each", explained=False)
        if root.out_of_time:
            return SilentRoot(_OF_ANOTHER_DAY, explained=False)
        if root.chains:
            return SilentRoot("it lists nothing within processing.max_dte", explained=True)
        if root.error is not None:
            said = f"its listing cannot be had ({root.error.cause}), nor its end-of-day report"
            return SilentRoot(said, explained=False)
        said = f"the source lists nothing of it (asked {root.answers} times)"
        live = [each for each in root.live if root.reaches(each)]
        if root.entries is not None and not live and not self._beside.has(root.name):
            return SilentRoot(f"{said}, and no expiration of it is live", explained=True)
        against = self._against(root, len(live))
        had = self._add_reported(root) and root.wanted
        told = "; its chains are those of the end-of-day report" if had else ""
        return SilentRoot(f"{said}, {against}{told}", explained=False)

    def _against(self, root: Root, live: int) -> str:
        """What speaks against an empty listing of *root*."""
        if self._beside.has(root.name):
            return f"though it is there on the days beside ({' and '.join(map(str, self._beside.days))})"
        if root.entries is None:
            return f"and its list of expirations cannot be had ({root.why_not})"
        return f"though {live:,} of its expirations are live"

    def _add_unlisted(self, root: Root) -> list[str]:
        """Add the chains of *root* that only other witnesses know; what is not asked for is named."""
        root.add(entry for each in self._lost(root) for entry in root.unknown(each, "days"))
        found = self._unlisted(root)
        root.add(entry for each in found[:_MOST_UNLISTED] for entry in root.unknown(each, "expirations"))
        return [f"{root.name} {each}" for each in found[_MOST_UNLISTED:]] + list(map(_told, root.mixed_up))


def _doubted(root: Root) -> SilentRoot:
    """That chains of *root* may be among the rows that were left out."""
    rows = ", ".join(f"{count:,} {reason}" for reason, count in sorted(root.left_out.items()))
    said = f"what names its chains leaves out other rows each time, at last {rows}: some may be missing"
    return SilentRoot(said, explained=False)


def _told(mixed_up: Sequence[ListedChain]) -> str:
    """Which chains are not asked for, and why."""
    chain, days = mixed_up[0].chain, " and as ".join(str(entry.chain.listed) for entry in mixed_up)
    return f"{chain.root} {chain.expiration}: it is listed as {days}, and not asked for as either"


def _left_out(root: Root) -> Mapping[str, int]:
    """The rows of the listing of *root* that are left out, with those of chains that are `mixed_up`."""
    rows = sum(entry.contracts for each in root.mixed_up for entry in each)
    return {**root.left_out, **({"two-days": rows} if rows else {})}


def _nothing_but_mixed_up(root: Root) -> ApiResponseInvalidError | None:
    """The error that a listing of such chains alone is; None where *root* has none of them."""
    if not root.mixed_up:
        return None
    return ApiResponseInvalidError(
        f"the listing of {root.name} on {root.date} cannot be used: {_told(root.mixed_up[0])}",
        cure="It is asked again in the next run",
        expected="each expiration once",
        excerpt="",
    )


def _is_the_works(error: SpxDataError) -> bool:
    """Whether a witness cannot be had because the terminal is down, or the machine; else it just has none."""
    return error.surroundings and not isinstance(error, ConfigurationValidationError)
