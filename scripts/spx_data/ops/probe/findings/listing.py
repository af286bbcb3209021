"""What is listed: of a date, against the chains that were heard; and the list of expirations."""

from __future__ import annotations

import csv
import io
import itertools
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass

from spx_data.errors import ApiDataNotFoundError
from spx_data.market.chains import Contract, ListedChain
from spx_data.market.records import RIGHTS
from spx_data.ops.probe.findings import looking, peeking
from spx_data.ops.probe.findings.assumption import Assumption, Seen, of_places
from spx_data.ops.probe.heard import Heard, Story, Topic
from spx_data.ops.probe.scrubbing import scrubbed
from spx_data.sources.theta import contract_lists, json_text
from spx_data.sources.theta.blocks import plain
from spx_data.sources.theta.contract_lists import out_of_place
from spx_data.sources.theta.usual import USUAL

_LISTINGS = (Topic.LISTING, Topic.LISTING_TODAY)
_REASONS = {
    "foreign-root": "a contract of another root",
    "expiration": "a contract without a date",
    "expired": "a contract that had expired",
    "right": "a contract that is neither call nor put",
    "strike": "a strike that is none",
    "unreadable": "a row that is none",
}
_LEFT_OUT = "such rows are left out, and counted"


# Its rows -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A row of a list of contracts as it came, and whose it is; None where it is no row."""

    text: bytes
    contract: Contract | None


def rows(api: str, heard: Heard) -> Iterator[Row]:
    """The rows in the last answer to a question about contracts, on all of its pages."""
    pages = len(list(itertools.takewhile(lambda raw: "/page/" in raw.target, reversed(heard.raws))))
    for raw in heard.raws[-1 - pages :]:
        if raw.status != peeking.OK:
            continue
        lines = [line for line in peeking.plain(raw).splitlines() if line.strip()]
        names = plain(next(csv.reader([lines[0].decode("utf-8-sig", errors="replace")]))) if lines else []
        for line in lines[1:]:
            yield Row(line, _contract(api, dict(zip(names, _fields(line), strict=False))))


def _fields(line: bytes) -> list[str]:
    return next(csv.reader(io.StringIO(line.decode(errors="replace"))), [])


def _contract(api: str, row: dict[str, str]) -> Contract | None:
    try:
        strike = float(row["strike"]) / USUAL[api].strike_units
        return row[USUAL[api].root], row["expiration"], strike, row["right"].strip()
    except (KeyError, ValueError):
        return None


def place(row: Row) -> tuple[float, str, str]:
    """What examples are ordered by: strike, right, expiration."""
    if row.contract is None:
        return 0.0, "", ""
    _, expiration, strike, right = row.contract
    return strike, RIGHTS.get(right.upper(), ""), expiration


def _live_alone(story: Story) -> Seen | None:
    """Rows that have no business in a listing: the first of each kind by strike."""
    said = None
    for heard in story.of(*_LISTINGS):
        found: dict[str, Row] = {}
        for row in sorted(rows(story.api, heard), key=place):
            found.setdefault(_reason(heard, row) or "", row)
        good = found.pop("", None)
        if found:
            named = (f"{_REASONS[reason]}, {peeking.quoted(row.text, 40)}" for reason, row in found.items())
            text = f"{heard.root} on {heard.date} names {'; '.join(named)}"
            none = "" if good else ": nothing is left, and the listing is refused"
            return Seen(text, False, _LEFT_OUT + none)
        if good and said is None:
            text = f"{heard.root} on {heard.date}: {peeking.quoted(good.text, 40)} and its like"
            said = Seen(text, True, "what is listed is what a day must have")
    return said


def _reason(heard: Heard, row: Row) -> str | None:
    assert heard.root
    assert heard.date
    return "unreadable" if row.contract is None else out_of_place(heard.root, heard.date, row.contract)


# The listing itself -------------------------------------------------------------------------------------


def _is_had(story: Story) -> Seen | None:
    """Whether each listing can be had, and at the first question."""
    said = None
    for heard in story.of(Topic.LISTING):
        about = f"{heard.root} on {heard.date}"
        if isinstance(heard.error, ApiDataNotFoundError):
            return Seen(f"nothing is listed of {about}: {peeking.told(heard)}", False, _WITHOUT)
        if heard.error is not None:
            return Seen(f"{about} cannot be had: {peeking.told(heard)}", False, _WITHOUT)
        first = heard.raws[0]
        if first.status != peeking.OK:
            text = f"{about} came only the second time: at first {peeking.words(first)}"
            return Seen(text, False, "a listing that says there is nothing is asked for again")
        said = said or Seen(f"{about}: at the first question", True, "it says what a day must have")
    return said


_WITHOUT = "it is asked for again; then the end-of-day report says what there is"


def entry(story: Story, heard: Heard) -> ListedChain | None:
    """The chain of a history, as the listing of its date has it."""
    for listing in story.of(Topic.LISTING):
        if listing.listed and heard.chain and (listing.root, listing.date) == (heard.root, heard.date):
            there = listing.listed.chains
            return next((each for each in there if each.chain.listed == heard.chain.listed), None)
    return None


def _against_chains(story: Story) -> Iterator[Seen]:
    """Whether chains of the ordinary day are listed and have rows, or neither."""
    listing = story.one(Topic.LISTING)
    for heard in story.of(Topic.ORDINARY, Topic.LIVING):
        silent = heard.error is None or isinstance(heard.error, ApiDataNotFoundError)
        if listing is None or listing.listed is None or not (silent and heard.raws):
            continue
        yield _one_chain(story, heard)


def _one_chain(story: Story, heard: Heard) -> Seen:
    listed, name = entry(story, heard), looking.said(heard)
    if listed and heard.has_rows:
        return Seen(f"{name} is listed, and has rows", True, "what is listed is asked for")
    answer = peeking.words(heard.raws[-1])
    if listed:
        follows = "it is asked for again; the end-of-day report alone explains that it has nothing"
        return Seen(f"{name} is listed, and has no rows: {answer}", False, follows)
    if heard.has_rows:
        follows = "chains that the list of expirations names are asked for as well"
        return Seen(f"{name} has rows, and is not listed", False, follows)
    text = f"{name} is in the list of expirations, not listed of the date, and has no rows: {answer}"
    return Seen(text, False, "the end-of-day report decides whether it was quoted")


# Expirations --------------------------------------------------------------------------------------------


def _expirations(story: Story) -> Seen | None:
    """The list of expirations: ascending dates, each once; old ones on Saturdays (docs/wire.md, 4)."""
    heard = story.one(Topic.EXPIRATIONS)
    if heard is None:
        return None
    if heard.expirations is None:
        follows = "what a listing lacks is known from days beside alone"
        return Seen(f"{heard.root}: {peeking.told(heard)}", False, follows)
    spelt = list(_spelt_expirations(story.api, heard))
    dates = [(contract_lists.listed_date(text), text) for text in spelt]
    undated = [text for date, text in dates if date is None]
    known = [date for date, _ in dates if date]
    told = []
    if undated:
        told.append(f"{scrubbed(undated[0])[:20]!r} is no date")
    if len(set(known)) < len(known):
        told.append("a date comes twice")
    if known != sorted(known):
        told.append("not in order")
    begins = f"{heard.root} from {spelt[0]!r} to {spelt[-1]!r}" if spelt else str(heard.root)
    saturday = next((date for date in heard.expirations if date.weekday() == 5), None)
    text = "; ".join([begins, *told, *([f"{saturday} is a Saturday"] if saturday else [])])
    follows = "what is no date is left out; to February 2015 a Saturday stands for its Friday"
    return Seen(text, not told, follows)


def _spelt_expirations(api: str, heard: Heard) -> Iterator[str]:
    """The dates as they came."""
    body = peeking.plain(heard.raws[-1])
    if USUAL[api].expirations_as_json:
        yield from map(str, json_text.value(body.removeprefix(BOM_UTF8))["response"])
        return
    lines = [_fields(line) for line in body.splitlines() if line.strip()]
    names = plain([name.removeprefix("\ufeff") for name in lines[0]])
    for line in lines[1:]:
        row = dict(zip(names, line, strict=False))
        if row.get("symbol") == heard.root:
            yield row.get("expiration", "")


ASSUMPTIONS = (
    Assumption("expirations", "the list of expirations has each date once, in order", _expirations),
    Assumption("listing", "a listing can be had at the first question", _is_had),
    Assumption("listed-rows", "a listing names live contracts of its root alone", _live_alone),
    Assumption(
        "listed-chains",
        "what the listing names has rows, and what has rows is in it",
        of_places(_against_chains),
    ),
)
