"""What a sealed day lacks is asked for again, and the day is sealed anew with what there was.

Only chains that are not whole are asked for, and the listing where it is in doubt; and of a day's contracts
what is lacking (`contracts`). The day is made again in a
lake aside, of what is sealed and of what is new; it takes the sealed one's place only where it knows more,
and the version before stays under the restatements, as with `recheck`. A mend never makes a day smaller, and
a chain that cannot be had stays as it is.

The first mends come soon, for a source often has in the evening what it lacked in the morning; the longer
they brought nothing, the longer the next one waits. In the end it is one a month, and never none.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from spx_data import status
from spx_data.errors import DateValidationError, FileCorruptionError, SpxDataError
from spx_data.lake import runs, session_states
from spx_data.lake.session_states import Kind
from spx_data.market.dates import ZONE
from spx_data.market.sessions import Session
from spx_data.ops.mend import contracts
from spx_data.ops.mend.remake import aside, asked, remade
from spx_data.ops.mend.sealed import SealedDay
from spx_data.ops.recheck import alone, hours_of, new_folder, put_in_place, sealed_passport, versions
from spx_data.ops.recheck.compare import compare
from spx_data.ops.recheck.versions import Finding, Listing, Passport
from spx_data.settings import Settings
from spx_data.sources import access, catalogue
from spx_data.status import Summary
from spx_data.store import dataset, faults, journal
from spx_data.store.journal import Event, Journal

__all__ = ["Outcome", "after_a_run", "due", "mend", "named"]


_log = logging.getLogger(__name__)
# After the seal, and after each mend without gain: as for a date without data, and rarer in the end.
PAUSES = (*session_states.PAUSES, dt.timedelta(days=30))


@dataclass(frozen=True)
class Gain:
    """Of a day made again: rows more than before; and what is unknown or missing, and is not any more."""

    rows: int = 0
    unknown: int = 0  # roots, expirations and chains
    missing: int = 0  # contracts and contract-stamps

    def __bool__(self) -> bool:
        return self.rows > 0 or self.unknown > 0 or (self.unknown == 0 and self.missing > 0)

    @classmethod
    def of(cls, before: Passport, after: Passport) -> Gain:
        """The gain from one passport to the next."""
        (unknown, missing), (still_unknown, still_missing) = _lacks(before), _lacks(after)
        return cls(after["rows"] - before["rows"], unknown - still_unknown, missing - still_missing)


@dataclass(frozen=True)
class Outcome:
    """A date that was to be mended: its passports, and where the version before is; or the error instead.

    Without *after* nothing was lacking, or nothing came of it.
    """

    date: dt.date
    before: Passport | None = None
    after: Passport | None = None
    gain: Gain = field(default_factory=Gain)
    asked: int = 0  # requests
    folder: Path | None = None
    error: Exception | None = None
    lacked: Sequence[str] = ()  # of its contracts
    lacks: Sequence[str] = ()  # likewise, still

    @property
    def was_complete(self) -> bool:
        """Whether there was nothing to mend."""
        return self.before is not None and bool(self.before["completeness"]["complete"]) and not self.lacked

    @property
    def has_new_contracts(self) -> bool:
        """Whether the day has contracts now of which nobody has asked what is reported."""
        if self.before is None or self.after is None:
            return False
        before, after = (passport.get("contracts") or {"rows": 0} for passport in (self.before, self.after))
        return bool(after["rows"] > before["rows"])

    @property
    def gained_contracts(self) -> bool:
        """Whether more is known of its contracts."""
        return len(self.lacks) < len(self.lacked)


def mend(settings: Settings, moment: dt.datetime) -> Iterator[Outcome]:
    """Mend the dates that the settings name, or all that lack something; one bad date never stops the others.

    What every date would meet alike (the terminal is down, the disk is full) ends it: that outcome is the
    last one.
    """
    return _each(settings, named(settings, moment), None)


def after_a_run(settings: Settings, moment: dt.datetime) -> Iterator[Outcome]:
    """Mend the incomplete days that are due, newest first, until `mend.requests` are spent."""
    return _each(settings, due(settings, moment), settings.mend.requests)


def _each(settings: Settings, dates: Sequence[dt.date], most: int | None) -> Iterator[Outcome]:
    """The outcome of each of *dates*, as long as there are requests left of *most*."""
    if not dates:
        return
    there, log = aside(settings), Journal(settings.layout.lake_journal, versions.MEND)
    with alone(settings, versions.MEND):
        versions.drop_all(there.layout)
        hours = hours_of(settings, dates)
        for date in dates:
            if most is not None and most <= 0:
                break
            outcome = _outcome(settings, there, date, hours.get(date), most)
            ends_all = isinstance(outcome.error, SpxDataError) and outcome.error.surroundings
            if not outcome.was_complete and not ends_all:
                log.mention(journal.MENDED, date=date.isoformat(), **_event(outcome))
            yield outcome
            if ends_all or _is_stopped(settings):
                break
            with suppress(SpxDataError):  # what stays is taken away by the next one
                versions.drop(there.layout, date)
            most = None if most is None else most - outcome.asked
        with suppress(SpxDataError):
            versions.drop_all(there.layout)


def _is_stopped(settings: Settings) -> bool:
    run = runs.current(settings.layout)
    return run is not None and runs.was_stopped(settings.layout, run.name)


def _event(outcome: Outcome) -> dict[str, object]:
    """An outcome as fields of an event; one that failed counts too, or it would be asked for in every run."""
    changed = outcome.folder is not None or outcome.gained_contracts
    fields = {"changed": changed, "asked": outcome.asked, "contracts": list(outcome.lacks)}
    if outcome.error is not None:
        return fields | journal.described(outcome.error)
    before, after = outcome.before, outcome.after or outcome.before
    assert before is not None
    assert after is not None
    return fields | {
        "gained": outcome.gain.rows,
        "chains_before": before["completeness"]["chains"],
        "chains_after": after["completeness"]["chains"],
        "complete": after["completeness"]["complete"],
        "folder": outcome.folder,
    }


def _outcome(
    settings: Settings, there: Settings, date: dt.date, session: Session | None, most: int | None
) -> Outcome:
    try:
        before = sealed_passport(settings.layout, date)
        complete, lacked = before["completeness"]["complete"], contracts.lacking(_contracts(settings, date))
        if complete and not lacked:
            return Outcome(date, before)
        _check_same_source(settings, date, before)
        outcome = Outcome(date, before) if complete else _remade(settings, there, before, session, most)
        if lacked or outcome.has_new_contracts:
            contracts.add(settings, there, SealedDay(settings.layout, date, outcome.after or before))
        lacks = contracts.lacking(_contracts(settings, date))
        return replace(outcome, asked=asked(there, date), lacked=lacked, lacks=lacks)
    except Exception as error:
        if not isinstance(error, SpxDataError):
            _log.error("%s: %s", date, traceback.format_exc())
        return Outcome(date, asked=asked(there, date), error=faults.of(error))


def _contracts(settings: Settings, date: dt.date) -> contracts.Told | None:
    return contracts.told(settings.layout, date)


def _remade(
    settings: Settings, there: Settings, before: Passport, session: Session | None, most: int | None
) -> Outcome:
    """What came of making an incomplete day again, and in its place where it knows more."""
    date = dt.date.fromisoformat(before["date"])
    day = SealedDay(settings.layout, date, before)
    carried = functools.partial(contracts.carried, settings.layout, there.layout, date)
    after = remade(there, day, session, most, carried)
    dataset.check(settings.layout, after["dataset"])
    folder = _put_in_place(settings, there, date, before, after)
    gain = Gain.of(before, after) if folder else Gain()
    return Outcome(date, before, after if folder else None, gain, folder=folder)


def _check_same_source(settings: Settings, date: dt.date, before: Passport) -> None:
    """Raise where the terminal of today would add records of another making to a day.

    Raises:
        DatasetMismatchError: the settings ask for another data set.
        DateValidationError: the day was sealed from another API.
    """
    dataset.check(settings.layout, settings.identity(before["dataset"]["greeks_version"]))
    api = settings.terminal.api
    if api == catalogue.AUTO:
        api = access.locate(settings.terminal).api
    if api != before["source"]["api"]:
        reason = f"it was sealed from API {before['source']['api']}, and the terminal speaks {api}"
        raise DateValidationError(
            f"{date} is not mended: {reason}",
            cure="Two APIs never make one day. Mend it with the API that it was sealed from, or replace it: "
            f"`spx-data recheck {date} --restated replace`",
        )


def _put_in_place(
    settings: Settings, there: Settings, date: dt.date, before: Passport, after: Passport
) -> Path | None:
    """Let the new day be the sealed one where it knows more; returns where the one before is then."""
    if not Gain.of(before, after):
        return None
    layout = settings.layout
    differences = compare(layout.parquet(date), there.layout.parquet(date))
    finding = Finding(date, before, after, differences, Listing.of(before, after), mends=True)
    check_nothing_lost(finding)
    folder = new_folder(layout, date)
    put_in_place(layout, there.layout, finding, folder)
    return folder


def named(settings: Settings, moment: dt.datetime) -> list[dt.date]:
    """The dates that a person asks to mend, newest first: all that are named, else all that lack something.

    These are incomplete days, and those of whose contracts more may be had. A date named by itself is among
    them sealed or not; of a range, only what is sealed.
    """
    if settings.dates is None:
        today = moment.astimezone(ZoneInfo(ZONE)).date()
        without = [
            date
            for date in session_states.sealed_dates(settings.layout, None)
            if contracts.is_worth_asking(_contracts(settings, date), date, today)
        ]
        return sorted({*without, *(summary.date for summary in _incomplete(settings, moment))}, reverse=True)
    sealed = session_states.sealed_dates(settings.layout, settings.dates)
    return sorted({*settings.dates.single, *sealed}, reverse=True)


def due(settings: Settings, moment: dt.datetime) -> list[dt.date]:
    """The incomplete days whose pause is over at *moment*, newest first."""
    incomplete = _incomplete(settings, moment)
    events = journal.read(settings.layout.lake_journal) if incomplete else []
    return [
        each.date for each in incomplete if next_mend(each.facts.sealed_at, mends(events, each)) <= moment
    ]


def mends(events: Sequence[Event], of: Summary) -> Iterable[Event]:
    """Those of the lake's *events* that are mends of a date without gain, since it was sealed."""
    return [
        event
        for event in events
        if event["event"] == journal.MENDED
        and event.get("date") == of.date.isoformat()
        and not event.get("changed")
        and event["at"] >= (of.facts.sealed_at or "")
    ]


def next_mend(sealed_at: str | None, tries: Iterable[Event]) -> dt.datetime:
    """When a day is due that was sealed then, and mended without gain in these events."""
    moments = [event["at"] for event in tries]
    last = max([*moments, sealed_at or dt.datetime.min.replace(tzinfo=dt.UTC).isoformat()])
    return dt.datetime.fromisoformat(last) + PAUSES[min(len(moments), len(PAUSES) - 1)]


def _incomplete(settings: Settings, moment: dt.datetime) -> list[Summary]:
    """The sealed days whose passport names something unknown, newest first."""
    return [
        summary
        for summary in reversed(status.summaries(settings, moment))
        if summary.state.kind is Kind.SEALED
        and summary.facts.quality is not None
        and summary.facts.quality["complete"] is False
    ]


def _lacks(passport: Passport) -> tuple[int, int]:
    told = passport["completeness"]
    unknown = len(told["unknown"]) + told["unknown_more"]
    return unknown, told["contracts_missing"] + told["stamps_missing"]


def check_nothing_lost(finding: Finding) -> None:
    """Raise unless all that is sealed is in the new version too, bit for bit.

    Raises:
        FileCorruptionError: it is not, which would be a mistake of this project's own.
    """
    found = finding.differences
    if found.rows_removed or found.rows_changed:
        raise FileCorruptionError(
            f"the mended {finding.date} lacks {found.rows_removed:,} sealed rows and has "
            f"{found.rows_changed:,} others: it was not put in place",
            cure="Report it; the sealed day is as it was",
            path=None,
            expected="every sealed row",
            actual=f"{found.rows_removed} removed, {found.rows_changed} changed",
        )
