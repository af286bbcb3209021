"""What is listed: of a date, against the chains that were heard; and the list of expirations."""

from __future__ import annotations

import csv
import io
import itertools
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass

from spx_data.errors import ApiDataNotFoundError
from spx_data.market.chains import Contract
from spx_data.market.records import RIGHTS
from spx_data.market.sessions import EARLY_CLOSE, OPEN, Session
from spx_data.ops.probe import looking
from spx_data.ops.probe.heard import Heard, Story, Topic
from spx_data.ops.probe.looking import Seen
from spx_data.ops.probe.scrubbing import scrubbed
from spx_data.sources.theta import json_text, wire_rows
from spx_data.sources.theta.blocks import plain
from spx_data.sources.theta.usual import USUAL
from spx_data.sources.theta.wire_rows import out_of_place

_LISTINGS = (Topic.LISTING, Topic.LISTING_TODAY)
_REASONS = {
    "foreign-root": "a contract of another root",
    "expiration": "a contract without a date",
    "expired": "a contract that had expired",
    "right": "a contract that is neither call nor put",
    "strike": "a strike that is none",
    "unreadable": "a row that is none",
}


# Its rows -----------------------------------------------------------------------------------------------
_WITHOUT = "it is asked for again; then the end-of-day report says what there is"


@dataclass(frozen=True)
class Row:
    """A row of a list of contracts as it came, and whose it is; None where it is no row."""

    text: bytes
    contract: Contract | None


def rows(api: str, heard: Heard) -> Iterator[Row]:
    """The rows in the last answer to a question about contracts, on all of its pages."""
    pages = len(list(itertools.takewhile(lambda raw: "/page/" in raw.target, reversed(heard.raws))))
    for raw in heard.raws[-1 - pages :]:
        if raw.status != looking.OK:
            continue
        lines = [line for line in looking.plain(raw).splitlines() if line.strip()]
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


def listed_rows(story: Story) -> Iterator[Seen]:
    """Rows that have no business in a listing: the first of each kind by strike."""
    for heard in story.of(*_LISTINGS):
        assert heard.date
        found: dict[str, Row] = {}
        for row in sorted(rows(story.api, heard), key=place):
            reason = out_of_place(str(heard.root), heard.date, row.contract) if row.contract else "unreadable"
            found.setdefault(reason or "", row)
        good = found.pop("", None)
        if found:
            named = (f"{_REASONS[reason]}, {looking.quoted(row.text, 40)}" for reason, row in found.items())
            text = f"{heard.root} on {heard.date} names {'; '.join(named)}"
            none = "" if good else ": nothing is left, and the listing is refused"
            yield Seen(text, False, f"such rows are left out, and counted{none}")
        elif good:
            text = f"{heard.root} on {heard.date}: {looking.quoted(good.text, 40)} and its like"
            yield Seen(text, True, "what is listed is what a day must have")


# The listing itself -------------------------------------------------------------------------------------


def listing(story: Story) -> Iterator[Seen]:
    """Whether each listing can be had, and at the first question."""
    for heard in story.of(Topic.LISTING):
        about = f"{heard.root} on {heard.date}"
        if isinstance(heard.error, ApiDataNotFoundError):
            yield Seen(f"nothing is listed of {about}: {looking.told(heard)}", False, _WITHOUT)
        elif heard.error is not None:
            yield Seen(f"{about} cannot be had: {looking.told(heard)}", False, _WITHOUT)
        elif (first := heard.raws[0]).status != looking.OK:
            text = f"{about} came only the second time: at first {looking.words(first)}"
            yield Seen(text, False, "a listing that says there is nothing is asked for again")
        else:
            yield Seen(f"{about}: at the first question", True, "it says what a day must have")


def listed_chains(story: Story) -> Iterator[Seen]:
    """Whether chains of the ordinary day are listed and have rows, or neither."""
    listing = story.one(Topic.LISTING)
    for heard in story.of(Topic.ORDINARY, Topic.LIVING):
        silent = heard.was_answered
        if listing is None or listing.listed is None or not (silent and heard.raws):
            continue
        yield _one_chain(story, heard)


def _one_chain(story: Story, heard: Heard) -> Seen:
    listed, name = story.entry(heard.chain, Topic.LISTING), heard.name
    if listed and heard.has_rows:
        return Seen(f"{name} is listed, and has rows", True, "what is listed is asked for")
    answer = looking.words(heard.raws[-1])
    if listed:
        follows = "it is asked for again; the end-of-day report alone explains that it has nothing"
        return Seen(f"{name} is listed, and has no rows: {answer}", False, follows)
    if heard.has_rows:
        follows = "chains that the list of expirations names are asked for as well"
        return Seen(f"{name} has rows, and is not listed", False, follows)
    text = f"{name} is in the list of expirations, not listed of the date, and has no rows: {answer}"
    return Seen(text, False, "the end-of-day report decides whether it was quoted")


# Expirations --------------------------------------------------------------------------------------------


def expirations(story: Story) -> Seen | None:
    """The list of expirations: ascending dates, each once; old ones on Saturdays (docs/wire.md, 4)."""
    heard = story.one(Topic.EXPIRATIONS)
    if heard is None:
        return None
    if heard.expirations is None:
        follows = "what a listing lacks is known from days beside alone"
        return Seen(f"{heard.root}: {looking.told(heard)}", False, follows)
    spelt = list(_spelt_expirations(story.api, heard))
    dates = [(wire_rows.listed_date(text), text) for text in spelt]
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
    body = looking.plain(heard.raws[-1])
    if USUAL[api].expirations_as_json:
        yield from map(str, json_text.value(body.removeprefix(BOM_UTF8))["response"])
        return
    lines = [_fields(line) for line in body.splitlines() if line.strip()]
    names = plain([name.removeprefix("\ufeff") for name in lines[0]])
    for line in lines[1:]:
        row = dict(zip(names, line, strict=False))
        if row.get("symbol") == heard.root:
            yield row.get("expiration", "")


def report(story: Story) -> Seen | None:
    """Whether the end-of-day report can be had."""
    heard = story.one(Topic.EOD)
    if heard is None:
        return None
    about = f"{heard.root} on {heard.date}"
    if heard.reported is not None:
        return Seen(f"{about}: there", True, "it decides where listing and chains disagree")
    follows = "a chain or a root without data stays unexplained; a few contracts are asked instead"
    return Seen(f"{about}: {looking.told(heard)}", False, follows)


def report_chains(story: Story) -> Iterator[Seen]:
    """Whether the report names chains of its date that have rows."""
    heard = story.one(Topic.EOD)
    if heard is None or heard.reported is None:
        return
    named = {each.chain.listed for each in (*heard.reported.quoted, *heard.reported.silent)}
    for chain in story.of(Topic.ORDINARY, Topic.LIVING):
        if not chain.has_rows or chain.chain is None or chain.root != heard.root:
            continue
        name = chain.name
        if chain.chain.listed not in named:
            text = f"{name} has rows, and the report does not name it"
            yield Seen(text, False, "a chain without rows that it does not name may have been quoted")
        yield Seen(f"{name} has rows, and the report names it", True, "it is believed of others")


def report_rows(story: Story) -> Seen | None:
    """Whether a contract comes once, or in several builds (docs/wire.md, 6)."""
    heard = story.one(Topic.EOD)
    if heard is None or heard.reported is None:
        return None
    seen: set[object] = set()
    for row in sorted(rows(story.api, heard), key=place):
        if row.contract and row.contract in seen:
            text = f"{looking.quoted(row.text, 44)} is not the only one of its contract"
            return Seen(text, False, "one row with a figure that is not zero is enough")
        seen.add(row.contract)
    return Seen("each contract has one row", True, "several builds would be read alike")


def calendar(story: Story) -> Seen | None:
    """Whether the vendor's calendar agrees with the exchange's (docs/wire.md, 11.4)."""
    said = []
    for heard in story.of(Topic.CALENDAR):
        session = looking.session(story, heard.date)
        text = f"{heard.date}: {_hours(heard)}"
        if heard.hours is None or session is None or not _agree(heard, session):
            ours = f"{session.opens:%H:%M} to {session.closes:%H:%M}" if session else "no session"
            follows = "its days are asked for as the exchange's calendar has them, and what differs is told"
            return Seen(f"{text}; the exchange's: {ours}", False, follows)
        said.append(text)
    return Seen("; ".join(said), True, "it is a second witness of what is a session") if said else None


def _agree(heard: Heard, session: Session) -> bool:
    assert heard.hours
    kind = EARLY_CLOSE if session.early_close else OPEN
    ends = session.opens.time(), session.closes.time()
    return (heard.hours.kind, heard.hours.opens, heard.hours.closes) == (kind, *ends)


def _hours(heard: Heard) -> str:
    if heard.hours is None:
        return looking.told(heard)
    if heard.hours.opens is None or heard.hours.closes is None:
        return heard.hours.kind
    return f"{heard.hours.kind}, {heard.hours.opens:%H:%M} to {heard.hours.closes:%H:%M}"
