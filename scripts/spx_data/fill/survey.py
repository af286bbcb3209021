"""Stage one of a date: which chains it should have, by each root's listing and by other witnesses.

A listing is asked for again where another witness speaks against it. Those cost nothing as a rule: the
terminal's list of expirations is kept, and sealed days beside are read. Only where the listing of a root is
empty or cannot be had is its end-of-day report asked for.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
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
from spx_data.fill.witnesses import Neighbours
from spx_data.lake import session_states
from spx_data.market.chains import Chain, Listed, ListedChain, true_expiration
from spx_data.market.products import Product
from spx_data.market.sessions import VendorHours
from spx_data.settings import Settings
from spx_data.sources.session import SourceSession
from spx_data.store import files, reads

# Questions that doubt an answer are this far apart, times `thetadata.retry_wait_factor`.
_APART_SECONDS = 5.0
_MOST_ANSWERS = 3
# As many chains that only the list of expirations knows are asked for.
_MOST_UNLISTED = 20
# Rows that a terminal is known to list beside the live ones, in every answer: no reason to doubt this one.
_USUAL = frozenset({"expired"})


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


@dataclass
class Root:
    """What is known so far of one root on the date."""

    name: str
    product: Product
    date: dt.date
    max_dte: int | None
    chains: dict[dt.date, ListedChain] = field(default_factory=dict)  # by their expiration as it is listed
    left_out: Mapping[str, int] = field(default_factory=dict)
    answers: int = 0
    steady: bool = True  # the last answer left nothing unusual out, or the same as the one before
    error: SpxDataError | None = None
    entries: tuple[dt.date, ...] | None = None  # the terminal's list of expirations; None where it has none
    why_not: str = ""  # it has none
    asked_at: float = 0.0  # monotonic seconds

    @property
    def wanted(self) -> list[ListedChain]:
        """The chains that are within the settings' reach, in order, without those that are `mixed_up`."""
        return [each[0] for each in self._within_reach() if len(each) == 1]

    @property
    def mixed_up(self) -> list[list[ListedChain]]:
        """The chains within reach that are listed under two days with one true expiration, in order.

        Nobody can tell whether they are one chain or two, and what is staged and sealed is one: none of them
        is asked for.
        """
        return [each for each in self._within_reach() if len(each) > 1]

    def _within_reach(self) -> list[list[ListedChain]]:
        """The chains within the settings' reach, in order, those of one true expiration together."""
        found = sorted(self.chains.values(), key=lambda entry: entry.chain)
        by_expiration = groupby(found, key=lambda entry: entry.chain.expiration)
        return [list(each) for expiration, each in by_expiration if self.reaches(expiration)]

    @property
    def listed(self) -> set[dt.date]:
        """The true expirations of the chains."""
        return {entry.chain.expiration for entry in self.chains.values()}

    @property
    def live(self) -> list[dt.date]:
        """The true expirations in the terminal's list that can be quoted on the date."""
        found = map(true_expiration, self.entries or ())
        return [each for each in found if witnesses.is_live(self.product, self.date, self.name, each)]

    def reaches(self, expiration: dt.date) -> bool:
        """Whether the settings want an expiration."""
        return self.max_dte is None or (expiration - self.date).days <= self.max_dte

    def hears(self, answer: Listed) -> None:
        """Add an answer: what any of them lists is listed."""
        unusual = set(answer.left_out) - _USUAL
        self.steady = not unusual or (self.answers > 0 and answer.left_out == self.left_out)
        self.left_out = answer.left_out
        self.answers += 1
        self.add(answer.chains)

    def add(self, chains: Iterable[ListedChain]) -> None:
        """Add chains, and strikes to chains that are known."""
        for entry in chains:
            known = self.chains.get(entry.chain.listed)
            self.chains[entry.chain.listed] = _united(known, entry) if known else entry

    def unknown(self, expiration: dt.date, witness: str) -> Iterator[ListedChain]:
        """A chain of which no strike is known, under each day that the terminal's list has for it."""
        spelled = {each for each in self.entries or () if true_expiration(each) == expiration}
        for listed in spelled or {expiration}:
            yield ListedChain(Chain(self.name, expiration, self.date, listed), (), (), witness)


def _united(one: ListedChain, other: ListedChain) -> ListedChain:
    calls, puts = {*one.calls, *other.calls}, {*one.puts, *other.puts}
    return ListedChain(one.chain, tuple(sorted(calls)), tuple(sorted(puts)), one.witness)


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
        if not any(root.wanted for root in self._roots):
            for error in filter(None, (root.error or _nothing_but_mixed_up(root) for root in self._roots)):
                raise error
            raise self._nothing(self._vendor_hours()[0])
        silent = {root.name: self._silence(root) for root in self._roots if not root.wanted}
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
            roots=silent,
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
            root.error = None if self._add_reported(root) else error
        try:
            root.entries = witnesses.known_expirations(self._settings, self._line, root.name, self._date)
        except SpxDataError as error:
            if _is_the_works(error):
                raise
            root.why_not = error.cause

    def _ask_again(self, root: Root) -> None:
        time.sleep(max(0.0, root.asked_at + _APART_SECONDS * self._line.wait_factor - time.monotonic()))
        try:
            self._ask(root)
        except SpxDataError as error:
            if error.surroundings:
                raise
            root.answers += 1
            root.steady = True  # there is no more to be learnt

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
        """Add the chains in the end-of-day report of *root*; whether there are any."""
        source = self._line.source
        if not self._line.capabilities.eod:
            return False
        try:
            told = self._line.ask(lambda: source.eod(root.name, self._date), root=root.name)
        except SpxDataError as error:
            if _is_the_works(error):
                raise
            return False
        root.add((*told.quoted, *told.silent))
        return bool(root.wanted)

    # Doubts ---------------------------------------------------------------------------------------------

    def _is_doubtful(self, root: Root) -> bool:
        """Whether the listing of *root* is to be asked for again."""
        if root.error is not None or not root.answers or root.answers >= _MOST_ANSWERS:
            return False
        if root.answers > 1:
            return not root.steady
        if not root.chains:
            others = any(other.chains for other in self._roots)
            return others or self._beside.has(root.name)
        return not root.steady or bool(self._lost(root) or self._unlisted(root))

    def _lost(self, root: Root) -> list[dt.date]:
        """Expirations that sealed days beside have and the listing has not."""
        today = {(root.name, expiration) for expiration in root.listed}
        lost = self._beside.lost(frozenset(today))
        return [each for name, each in lost if name == root.name and root.reaches(each)]

    def _unlisted(self, root: Root) -> list[dt.date]:
        """Expirations that the terminal's own list has, and its listing should have."""
        return [each for each in witnesses.unlisted(root.live, root.listed, self._date) if root.reaches(each)]

    def _silence(self, root: Root) -> SilentRoot:
        """Why *root* has no chain; where nothing explains it, its end-of-day report is asked for."""
        if root.mixed_up:
            return SilentRoot("all that it lists is listed under two days each", explained=False)
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
        told = "; its chains are those of the end-of-day report" if self._add_reported(root) else ""
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
