"""Where the day's records came from, and what vouches for them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from spx_data.report.day import course
from spx_data.report.day.course import Requests
from spx_data.report.day.drawing import time_of
from spx_data.report.day.view import View
from spx_data.report.page import Section
from spx_data.text.words import count, counted, duration, minute, size


class Card(NamedTuple):
    """Facts that belong together: names with values."""

    title: str
    facts: Sequence[tuple[str, str]]


def section(view: View) -> Section:
    """The section about the day's source, its requests and its hashes."""
    found, events = view.dossier, view.events
    return Section(
        "provenance",
        "Provenance",
        template="provenance",
        lead=f"Sealed at {minute(found['provenance']['sealed_at'])} UTC. What is sealed is what the source "
        "sent: no value is changed, and none is filled in.",
        context={
            "cards": [Card(title, list(facts)) for title, facts in _cards(view)],
            "hashes": list(_hashes(view)),
            "commands": list(_commands(view)),
            "files": view.files,
            "rejects": found["rejects"],
            "recheck": f"snakemake --cores 4 recheck --config dates={view.date}",
            "rechecks": view.rechecks,
            "stages": course.stages(events),
            "troubles": list(course.troubles(events)),
        },
    )


def _cards(view: View) -> Iterator[tuple[str, Iterator[tuple[str, str]]]]:
    requests = Requests.of(view.events)
    yield "Source", _source(view, requests)
    yield "Data set", _dataset(view)
    yield "Session", _session(view.dossier["session"])
    yield "Requests", _requests(view, requests)
    yield "Records", _records(view.dossier)
    yield "Work", _work(view)


def _source(view: View, requests: Requests) -> Iterator[tuple[str, str]]:
    source, figures = view.dossier["provenance"]["source"], view.dossier["figures"]
    yield "API", source["api"]
    yield "greeks", source["greeks_version"]
    if convention := figures.get("greeks_convention"):
        yield "their clock", str(convention)
    if (rate := figures.get("rate")) is not None:
        yield "their rate", f"{100 * rate:.2f} %"
    if requests.hosts:
        yield "terminal", ", ".join(requests.hosts)


def _dataset(view: View) -> Iterator[tuple[str, str]]:
    """What the lake held when the day was sealed, whatever the settings say now."""
    found = view.dataset
    longest = found["max_dte"]
    yield "roots", ", ".join(found["roots"])
    yield "interval", found["interval"]
    yield "window", f"{time_of(found['start_time'])} to {time_of(found['end_time'])} New York"
    yield "expirations", "all" if longest is None else f"up to {counted(longest, 'day')}"


def _session(session: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """The hours of the day: what each witness says, and what came of it."""
    if session is None:
        yield "hours", "no calendar has this date"
        return
    exchange, vendor = session["exchange"], session["vendor"]
    yield "hours", f"{_hours(session)}{', an early close' if session['early_close'] else ''}"
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
        return f"not told{f': {unknown}' if unknown else ''}"
    return f"{_hours(vendor)} ({vendor['type']})"


def _requests(view: View, requests: Requests) -> Iterator[tuple[str, str]]:
    if not requests.count:
        yield "requests", "the journal tells of none"
        return
    answers = ", ".join(f"{number:,} × {status}" for status, number in sorted(requests.statuses.items()))
    yield "requests", f"{requests.count:,}: {answers}"
    yield "failed", f"{view.summary.facts.requests_failed:,}"
    yield "retried", f"{requests.retried:,}"
    yield "received", size(requests.bytes)
    if requests.median_seconds is not None and requests.longest_seconds is not None:
        yield "median", f"{requests.median_seconds:,.3f} s"
        yield "longest", f"{requests.longest_seconds:,.3f} s"
    yield "from", f"{minute(requests.first_at or '')} UTC"
    yield "to", f"{minute(requests.last_at or '')} UTC"


def _records(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What became of the rows on the way: set aside, dropped, asked for again."""
    rejects = found["rejects"]
    opinions = [chain["second_opinion"] for chain in found["chains"]]
    yield "rows", count(found["provenance"]["rows"])
    yield "set aside", _with_reasons(rejects)
    yield "duplicates dropped", f"{rejects['duplicates_dropped']:,}"
    yield "conflicts", f"{rejects['conflicts']:,}"
    yield "contracts asked again", f"{sum(each['asked'] for each in opinions):,}"
    yield "records recovered", f"{sum(each['recovered'] for each in opinions):,}"
    if unanswered := sum(len(each["unanswered"]) for each in opinions):
        yield "left unanswered", f"{unanswered:,}"


def _with_reasons(rejects: Mapping[str, Any]) -> str:
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in rejects["reasons"].items())
    return f"{rejects['rows']:,}{f' ({reasons})' if reasons else ''}"


def _work(view: View) -> Iterator[tuple[str, str]]:
    facts, known = view.summary.facts, view.dossier["provenance"]
    yield "written by", ", ".join(f"{name} {version}" for name, version in known["written_by"].items())
    yield "judgement", f"format {known['judgement']}"
    yield "runs", f"{facts.runs:,}"
    if facts.duration_ms is not None:
        yield "working time", duration(facts.duration_ms / 1000)
    if facts.memory_peak_mb is not None:
        yield "memory at most", f"{facts.memory_peak_mb:,.0f} MB"
    yield "staged", size(facts.staged_bytes)


def _hashes(view: View) -> Iterator[tuple[str, str]]:
    known = view.dossier["provenance"]
    yield "Parquet", known["parquet"]["sha256"]
    yield "records", known["records_sha256"]
    yield from ((item.kind, item.checksum) for item in view.files if item.kind == "passport")
    if rejected := view.dossier["rejects"]["sha256"]:
        yield "set aside", rejected


def _commands(view: View) -> Iterator[tuple[str, str]]:
    """What anybody can type to see for themselves, with what it does."""
    sidecar = view.layout.sidecar(view.date)
    there = f"cd {shlex.quote(str(sidecar.parent))} && "
    yield "Linux", f"{there}sha256sum -c {sidecar.name}"
    yield "macOS", f"{there}shasum -a 256 -c {sidecar.name}"
    yield "every file", f"spx-data verify {view.date}"
    yield "for programs", f"spx-data quality {view.date} --format json"
