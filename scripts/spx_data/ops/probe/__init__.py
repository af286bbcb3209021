"""First contact: a few questions to the user's own terminal, and what follows from its answers.

A probe asks within the lake's limit of requests and within a budget, reads the answers with the product's own
readers, holds what it saw against what the product assumes (`ASSUMPTIONS`), and keeps it as the lake's
profile, which the fill and the judges read. It seals nothing, and what it finds forbids nothing.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from spx_data.errors import SpxDataError
from spx_data.market.second_opinion import Lack
from spx_data.ops.probe import answers, listing, rows, times, wire
from spx_data.ops.probe.asking import FIRST_LISTS, Asking
from spx_data.ops.probe.heard import CHAINS, FULL, SHORT, Limits, Story, Topic
from spx_data.ops.probe.looking import Seen
from spx_data.settings import Settings
from spx_data.sources import profile
from spx_data.sources.profile import Ends, Finding, Floor, Profile, Speed, Wire
from spx_data.store import journal
from spx_data.store.journal import Journal
from spx_data.store.layout import Layout

__all__ = ["ASSUMPTIONS", "FIRST_LISTS", "FULL", "SHORT", "Limits", "Probed", "findings", "probing"]

_STAGE = "probe"
_NOT_SEEN = "nothing that tells"
_NO_OPINIONS: tuple[Mapping[Lack, int], Mapping[Lack, int]] = ({}, {})

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Probed:
    """A probe that has ended: what it found and heard, and what ended it before its time, if anything."""

    profile: Profile
    story: Story
    requests: int
    seconds: float
    layout: Layout

    @property
    def profile_path(self) -> Path:
        """Where the profile is kept."""
        return self.layout.profile

    @property
    def ended_by(self) -> SpxDataError | None:
        """What ended the probe before its time."""
        return self.story.ended_by


@contextmanager
def probing(
    settings: Settings,
    moment: dt.datetime,
    *,
    full: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Probed]:
    """Probe the terminal of *settings*, and keep its profile; the answers can be read while the block lasts.

    *tell* is told each question in words once it is answered.

    Raises:
        ThetaTerminalNotRunningError, TerminalDisconnectedError, WrongApiError: no terminal can be asked.
        SpxDataError: the machine refuses; the profile of before is as it was.
    """
    asking = Asking(settings, moment, FULL if full else SHORT, tell)
    with asking.story() as story:
        found = profile.write(settings.layout.profile, profile_of(story))
        Journal(settings.layout.lake_journal, _STAGE).mention(
            journal.PROBED, requests=asking.spent, whole=found.whole, sha256=found.sha256
        )
        yield Probed(found, story, asking.spent, asking.seconds, settings.layout)


# What the product assumes -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assumption:
    """What the product assumes of a terminal, and *look* at what tells of it: nothing, one thing, or several.

    Of several the first counts that is not as assumed, else the first.
    """

    code: str
    look: Callable[[Story], Iterable[Seen] | Seen | None]
    says: str

    def finding(self, story: Story) -> Finding:
        """The row of the table; an error in the look is told in it, and hides no other row."""
        try:
            found = self.look(story) or ()
            several = [found] if isinstance(found, Seen) else list(found)
            seen = next((each for each in several if not each.as_assumed), several[0] if several else None)
        except Exception as error:
            said = f"could not be looked at ({type(error).__name__}: {' '.join(str(error).split())[:120]})"
            seen = Seen(said, as_assumed=False, consequence="a defect of spx-data: please report this line")
        if seen is None:
            return Finding(self.code, self.says, _NOT_SEEN, "", "", known=False)
        return Finding(self.code, self.says, seen.text, seen.consequence, seen.set, True, seen.as_assumed)


# A row for each, in the order in which they are told; docs/wire.md, 17, names them all.
ASSUMPTIONS = tuple(
    Assumption(*row)
    for row in (
        ("status", answers.status, "the terminal says CONNECTED"),
        ("refusals", answers.refusals, "the subscription includes all that is asked for"),
        ("no-data", answers.no_data, "what there is not is status 472, with a sentence"),
        ("chain-answers", answers.chain_answers, "a chain answers, at the first question"),
        ("sessions", answers.sessions, "a session that is over has data"),
        ("third-friday", answers.third_friday, "a chain settled at the open has no rows on its last morning"),
        ("today", answers.today, "a session that is not over has the rows so far"),
        ("server", wire.server, "v3 calls itself Jetty, v2 nothing"),
        ("content-type", wire.content_type, "an answer is called what was asked for"),
        ("framing", wire.framing, "an answer says where it ends: by its length, or in chunks"),
        ("compression", wire.compression, "no answer is packed"),
        ("json", wire.json, "JSON has contracts with their rows (v3), or rows under a header (v2)"),
        ("ndjson", wire.ndjson, "NDJSON has an object on each line, the last with an end"),
        ("pages", wire.pages, "a history comes in one page"),
        ("quoting", wire.quoting, "CSV has words in quotation marks (v3), or bare (v2)"),
        ("line-ends", wire.line_ends, "lines of CSV end in CR LF"),
        ("last-line", wire.last_line, "the last line of CSV has an end"),
        ("beginning", wire.beginning, "CSV begins with the names of its columns"),
        ("header", wire.header, "columns have their known names, in their known order"),
        ("trailing-comma", wire.trailing_comma, "a row ends with its last value"),
        (
            "stamps",
            wire.spelt("stamps"),
            "stamps are text with milliseconds and no zone (v3), or ms and a date",
        ),
        ("dates", wire.spelt("dates"), "expirations are ISO dates (v3), or eight digits (v2)"),
        ("rights", wire.spelt("rights"), "the right is CALL or PUT (v3), or C or P (v2)"),
        (
            "numbers",
            wire.spelt("numbers"),
            "strikes have three decimals (v3) or are thousandths (v2); values have four",
        ),
        ("reading", wire.reading, "a history is read all at once"),
        ("expirations", listing.expirations, "the list of expirations has each date once, in order"),
        ("listing", listing.listing, "a listing can be had at the first question"),
        ("listed-rows", listing.listed_rows, "a listing names live contracts of its root alone"),
        (
            "listed-chains",
            listing.listed_chains,
            "what the listing names has rows, and what has rows is in it",
        ),
        ("report", listing.report, "there is an end-of-day report of a date"),
        ("report-chains", listing.report_chains, "the report names the chains that have rows"),
        ("report-rows", listing.report_rows, "the report has a contract once"),
        ("calendar", listing.calendar, "the vendor's calendar is the exchange's"),
        (
            "opening-row",
            rows.opening_row,
            "v3 has a row at 09:30 with underlying 0 and iv_error 100; v2 none",
        ),
        ("first-quotes", rows.first_quotes, "before its first quote a contract has no row"),
        ("quiet-stamps", rows.quiet_stamps, "a contract has a row at every stamp, whether its quote changes"),
        ("contract-ends", rows.contract_ends, "contracts have rows to the end of their chain"),
        ("bare-stamps", rows.bare_stamps, "every stamp of a chain has rows"),
        ("no-bid", rows.no_bid, "there are rows without a bid"),
        ("no-market", rows.no_market, "at every stamp there is a market near the money"),
        ("standstill", rows.standstill, "quotes near the money move with the underlying"),
        (
            "full-day",
            partial(times.of_days, half=False),
            "rows end at 16:15, and at 16:00 those of a chain that expires",
        ),
        (
            "half-day",
            partial(times.of_days, half=True),
            "rows of a half day end at 13:15, and at 13:00 those of a chain that expires",
        ),
        ("outside-hours", times.outside_hours, "there are no rows outside of a session's hours"),
        (
            "single-contracts",
            rows.single_contracts,
            "a contract's own answer is what its chain's answer has of it",
        ),
        (
            "never-quoted",
            rows.never_quoted,
            "a contract without rows in its chain's answer has none by itself",
        ),
        (
            "time-to-expiration",
            times.time_to_expiration,
            "whole days before the last day; on it the time left (v3 latest), or 0.15 days (version 1, v2)",
        ),
        ("greeks-version", times.greeks_version, "the greeks are of the version that is asked for"),
        ("rate", times.rate, "one plausible rate stands behind the greeks of a date"),
        ("theta", times.theta, "theta is per day of 365"),
        ("truncation", times.truncation, "values are cut off after four decimals"),
        ("unsolved", rows.unsolved, "a volatility that was not found has an iv_error of 100"),
        ("blanks", wire.blanks, "every cell of a history has a value"),
        ("first-byte", answers.first_byte, "a history's first byte comes within a minute"),
        ("throughput", answers.throughput, "an answer comes as fast as the terminal can send it"),
        ("at-once", answers.at_once, "requests that are asked together are served together"),
        ("earliest-date", answers.earliest_date, "there is data from the lake's first date on"),
    )
)


def findings(story: Story, assumptions: Iterable[Assumption] = ASSUMPTIONS) -> list[Finding]:
    """What a probe saw of each of the *assumptions*, in their order."""
    return [each.finding(story) for each in assumptions]


# The profile --------------------------------------------------------------------------------------------


def profile_of(story: Story) -> Profile:
    """What *story* tells of its terminal."""
    status = story.one(Topic.STATUS)
    server = status.raws[-1].headers.get("server") if status and status.raws else None
    confirmed, contradicted = _told(rows.opinions, story, _NO_OPINIONS)
    full_day, half_day = _told(times.ends, story, (Ends(), Ends()))
    lacking = Counter(name for each in story.of(*CHAINS) for name in each.nulls)
    return Profile(
        probed_at=story.moment,
        whole=story.ended_by is None and not story.cut_short,
        full=story.full,
        api=story.api,
        base_url=story.base_url,
        server=server,
        wire=_told(wire.wire, story, Wire()),
        blanks=tuple(sorted(name for name, chains in lacking.items() if chains > 1)),
        confirmed=confirmed,
        contradicted=contradicted,
        full_day=full_day,
        half_day=half_day,
        clocks=_told(times.clocks, story, ()),
        speed=_told(answers.speed, story, Speed()),
        volume=_told(answers.volume, story, None),
        floor=_told(answers.floor, story, Floor()),
        table=tuple(findings(story)),
        answers={raw.target: raw.sha256 for raw in story.raws},
    )


def _told(read: Callable[[Story], _Value], story: Story, otherwise: _Value) -> _Value:
    """A value of the profile; *otherwise* where it cannot be read, which a row of the table reports."""
    try:
        return read(story)
    except Exception:
        return otherwise
