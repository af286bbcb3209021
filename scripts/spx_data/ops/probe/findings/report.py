"""Two other witnesses, whom the long probe asks: the end-of-day report, and the vendor's calendar."""

from __future__ import annotations

from collections.abc import Iterator

from spx_data.market.sessions import Session
from spx_data.market.vendor_hours import EARLY_CLOSE, OPEN
from spx_data.ops.probe.findings import listing, looking, peeking
from spx_data.ops.probe.findings.assumption import Assumption, Seen, of_places
from spx_data.ops.probe.heard import Heard, Story, Topic


def _is_had(story: Story) -> Seen | None:
    heard = story.one(Topic.EOD)
    if heard is None:
        return None
    about = f"{heard.root} on {heard.date}"
    if heard.reported is not None:
        return Seen(f"{about}: there", True, "it decides where listing and chains disagree")
    follows = "a chain or a root without data stays unexplained; a few contracts are asked instead"
    return Seen(f"{about}: {peeking.told(heard)}", False, follows)


def _names_chains(story: Story) -> Iterator[Seen]:
    """Whether the report names chains of its date that have rows."""
    heard = story.one(Topic.EOD)
    if heard is None or heard.reported is None:
        return
    named = {each.chain.listed for each in (*heard.reported.quoted, *heard.reported.silent)}
    for chain in story.of(Topic.ORDINARY, Topic.LIVING):
        if not chain.has_rows or chain.chain is None or chain.root != heard.root:
            continue
        name = looking.said(chain)
        if chain.chain.listed not in named:
            text = f"{name} has rows, and the report does not name it"
            yield Seen(text, False, "a chain without rows that it does not name may have been quoted")
        yield Seen(f"{name} has rows, and the report names it", True, "it is believed of others")


def _once(story: Story) -> Seen | None:
    """Whether a contract comes once, or in several builds (docs/wire.md, 6)."""
    heard = story.one(Topic.EOD)
    if heard is None or heard.reported is None:
        return None
    seen: set[object] = set()
    for row in sorted(listing.rows(story.api, heard), key=listing.place):
        if row.contract and row.contract in seen:
            text = f"{peeking.quoted(row.text, 44)} is not the only one of its contract"
            return Seen(text, False, "one row with a figure that is not zero is enough")
        seen.add(row.contract)
    return Seen("each contract has one row", True, "several builds would be read alike")


def _calendar(story: Story) -> Seen | None:
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
        return peeking.told(heard)
    if heard.hours.opens is None or heard.hours.closes is None:
        return heard.hours.kind
    return f"{heard.hours.kind}, {heard.hours.opens:%H:%M} to {heard.hours.closes:%H:%M}"


ASSUMPTIONS = (
    Assumption("report", "there is an end-of-day report of a date", _is_had),
    Assumption("report-chains", "the report names the chains that have rows", of_places(_names_chains)),
    Assumption("report-rows", "the report has a contract once", _once),
    Assumption("calendar", "the vendor's calendar is the exchange's", _calendar),
)
