"""Where the day's records came from, how they came to be sealed, and what vouches for them."""

from __future__ import annotations

import shlex
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from spx_data.report.day.view import View
from spx_data.report.drawing import time_of
from spx_data.report.page import Content
from spx_data.store import journal
from spx_data.store.journal import Event
from spx_data.text import commands
from spx_data.text.words import count, counted, duration, minute, size

_TROUBLES = (journal.RETRIED, journal.EXPIRATION_FAILED, journal.FAILED)
_TURNS = (journal.QUARANTINED, journal.ACCEPTED, journal.REOPENED, journal.NO_DATA)


# Facts that belong together: names with values.
Facts = Iterator[tuple[str, str]]


def content(view: View) -> Content:
    """The day's source, its requests and its hashes."""
    found, events = view.dossier, view.events
    lead = (
        f"Sealed {minute(found['provenance']['sealed_at'])} UTC. The values are those that the source sent: "
        "none changed, none filled in."
    )
    more = {
        "cards": {
            "Source": _source(view),
            "Data set": _dataset(view),
            "Session": _session(view.dossier["session"]),
            "Requests": requests(events, view.summary.facts.requests_failed),
            "Records": _records(view.dossier),
            "Work": _work(view),
        },
        "hashes": list(_hashes(view)),
        "commands": list(_commands(view)),
        "files": view.files,
        "rejects": found["rejects"],
        "recheck": f"spx-data recheck {view.date}",
        "rechecks": view.rechecks,
        "stages": stages(events),
        "troubles": list(troubles(events)),
    }
    return Content(lead, more=more)


def _source(view: View) -> Facts:
    source, figures = view.dossier["provenance"]["source"], view.dossier["figures"]
    yield "API", source["api"]
    yield "greeks version", source["greeks_version"]
    if convention := figures.get("greeks_convention"):
        yield "day count", str(convention)
    if (rate := figures.get("rate")) is not None:
        yield "implied rate", f"{100 * rate:.2f} %"
    if terminals := hosts(view.events):
        yield "terminal", ", ".join(terminals)


def _dataset(view: View) -> Facts:
    """What the lake held when the day was sealed, whatever the settings say now."""
    found = view.dataset
    longest = found["max_dte"]
    yield "roots", ", ".join(found["roots"])
    yield "interval", found["interval"]
    yield "window", f"{time_of(found['start_time'])} to {time_of(found['end_time'])} New York"
    yield "expirations", "all" if longest is None else f"up to {counted(longest, 'day')}"


def _session(session: Mapping[str, Any] | None) -> Facts:
    """The hours of the day: what each witness says, and what came of it."""
    if session is None:
        yield "hours", "no calendar has this date"
        return
    exchange, vendor = session["exchange"], session["vendor"]
    yield "hours", f"{_hours(session)}{', early close' if session['early_close'] else ''}"
    yield "exchange", f"{_hours(exchange)} ({exchange['calendar']})" if exchange else "closed"
    yield "vendor", _vendor(vendor, session["vendor_unknown"])
    for what in ("expected", "received"):
        first, last = session[f"first_stamp_{what}"], session[f"last_stamp_{what}"]
        yield f"stamps {what}", f"{time_of(first)} to {time_of(last)}" if first and last else "none"
    yield from (("disagreement", finding) for finding in session["findings"])


def _hours(told: Mapping[str, Any]) -> str:
    return f"{time_of(told['opens'])} to {time_of(told['closes'])}" if told["opens"] else "no hours"


def _vendor(vendor: Mapping[str, Any] | None, unknown: str | None) -> str:
    if not vendor:
        return f"not given{f': {unknown}' if unknown else ''}"
    return f"{_hours(vendor)} ({vendor['type']})"


def requests(events: Sequence[Event], failed: int) -> Facts:
    """The requests among *events*, oldest first, of which so many *failed*."""
    asked = _asked(events)
    if not asked:
        yield "requests", "none in the journal"
        return
    statuses = Counter(str(event.get("status") or "none") for event in asked)
    answers = ", ".join(f"{number:,} × {status}" for status, number in sorted(statuses.items()))
    yield "requests", f"{len(asked):,}: {answers}"
    yield "failed", f"{failed:,}"
    yield "retried", f"{sum(event['event'] == journal.RETRIED for event in events):,}"
    yield "received", size(sum(_numbers(asked, "bytes")))
    if seconds := list(_numbers(asked, "seconds")):
        yield "median", f"{statistics.median(seconds):,.3f} s"
        yield "longest", f"{max(seconds):,.3f} s"
    yield "from", f"{minute(asked[0]['at'])} UTC"
    yield "to", f"{minute(asked[-1]['at'])} UTC"


def hosts(events: Iterable[Event]) -> list[str]:
    """Where the terminal was that was asked."""
    return sorted(set(filter(None, map(_host, _asked(events)))))


def _asked(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event["event"] == journal.REQUEST]


def _records(found: Mapping[str, Any]) -> Facts:
    """What became of the rows on the way: set aside, dropped, asked for again."""
    rejects = found["rejects"]
    opinions = [chain["second_opinion"] for chain in found["chains"]]
    yield "rows", count(found["provenance"]["rows"])
    yield "rejected", _with_reasons(rejects)
    yield "duplicates dropped", f"{rejects['duplicates_dropped']:,}"
    yield "conflicts", f"{rejects['conflicts']:,}"
    yield "contracts re-requested", f"{sum(each['asked'] for each in opinions):,}"
    yield "records recovered", f"{sum(each['recovered'] for each in opinions):,}"
    if unanswered := sum(len(each["unanswered"]) for each in opinions):
        yield "unanswered", f"{unanswered:,}"


def _with_reasons(rejects: Mapping[str, Any]) -> str:
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in rejects["reasons"].items())
    return f"{rejects['rows']:,}{f' ({reasons})' if reasons else ''}"


def _work(view: View) -> Facts:
    facts, known = view.summary.facts, view.dossier["provenance"]
    yield "written by", ", ".join(f"{name} {version}" for name, version in known["written_by"].items())
    yield "judgement", f"format {known['judgement']}"
    yield "runs", f"{facts.runs:,}"
    if facts.duration_ms is not None:
        yield "working time", duration(facts.duration_ms / 1000)
    if facts.memory_peak_mb is not None:
        yield "memory peak", f"{facts.memory_peak_mb:,.0f} MB"
    yield "staged", size(facts.staged_bytes)


def _hashes(view: View) -> Facts:
    known = view.dossier["provenance"]
    yield "Parquet", known["parquet"]["sha256"]
    yield "records", known["records_sha256"]
    yield from ((item.kind, item.checksum) for item in view.files if item.kind == "passport")
    if rejected := view.dossier["rejects"]["sha256"]:
        yield "rejects", rejected


def _commands(view: View) -> Facts:
    """Commands that check the day, by name."""
    sidecar = view.layout.sidecar(view.date)
    there = f"cd {shlex.quote(str(sidecar.parent))} && "
    yield "Linux", f"{there}sha256sum -c {sidecar.name}"
    yield "macOS", f"{there}shasum -a 256 -c {sidecar.name}"
    yield "with spx-data", commands.shown(f"`spx-data verify {view.date}`")
    yield "as JSON", commands.shown(f"`spx-data quality {view.date} --format json`")


# How the day came to be sealed, as its journal tells it -------------------------------------------------


def stages(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Each stage of each run that touched the day, oldest first, with what it did."""
    return [
        _stage(run, stage, list(found))
        for (run, stage), found in groupby(events, key=lambda event: (event["run"], event["stage"]))
    ]


def troubles(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Each failure and each retry, oldest first; and what else became of the day."""
    for event in events:
        if event["event"] in _TROUBLES:
            yield _told(event, event["error"], event["cause"])
        elif event["event"] in _TURNS:
            yield _told(event, "", _turn(event))


def _stage(run: str, stage: str, found: Sequence[Event]) -> dict[str, Any]:
    kinds = Counter(event["event"] for event in found)
    ends = [event for event in found if event["event"] in (journal.FINISHED, journal.FAILED)]
    return {
        "run": run,
        "stage": stage,
        "at": found[0]["at"],
        "seconds": sum(event["seconds"] for event in ends) if ends else None,
        "requests": kinds[journal.REQUEST],
        "bytes": int(sum(_numbers(_asked(found), "bytes"))),
        "staged": kinds[journal.STAGED],
        "retried": kinds[journal.RETRIED],
        "failed": kinds[journal.EXPIRATION_FAILED],
        "end": _end(kinds),
    }


def _end(kinds: Mapping[str, int]) -> str:
    """How a stage ended; nothing is known of one that was killed."""
    for kind in (journal.SEALED, journal.FAILED, journal.FINISHED, *_TURNS):
        if kinds.get(kind):
            return kind
    return "interrupted" if kinds.get(journal.STARTED) else ""


def _told(event: Event, error: str, cause: str) -> dict[str, Any]:
    chain = f"{event.get('root') or ''} {event.get('expiration') or ''}".strip()
    return {
        "at": event["at"],
        "event": event["event"],
        "stage": event["stage"],
        "chain": chain,
        "error": error,
        "cause": cause,
        "attempt": event.get("attempt") or None,
    }


def _turn(event: Event) -> str:
    """What is known of an event that is no error: a reason, a cause, damages."""
    return str(event.get("reason") or event.get("cause") or "; ".join(event.get("damages") or ()))


def _numbers(events: Iterable[Event], name: str) -> Iterator[float]:
    """The values of *name* that are numbers: a journal may hold anything."""
    for event in events:
        value = event.get(name)
        if isinstance(value, int | float) and abs(value) < 1e15:
            yield value


def _host(event: Event) -> str | None:
    with suppress(ValueError, TypeError, AttributeError):
        parts = urlsplit(event["url"])
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None
    return None
