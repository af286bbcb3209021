"""The parsers of the lake's own files, of recordings, of the config and of what a person types."""

import contextlib
import datetime as dt
import functools
import hashlib
import json
import os
import re
import zlib

from spx_data import config
from spx_data.config import reading
from spx_data.fill.listing import Listing, Manifest
from spx_data.lake import passports, runs, session_states, snapshots
from spx_data.lake.verify import witnesses
from spx_data.lake.verify.quarantine import REPORT, _damages
from spx_data.market import products
from spx_data.market.dates import Dates, Now
from spx_data.ops.probe import recording as kept
from spx_data.sources import outage, profile
from spx_data.store import dataset, journal, locks, reads, seals, staging
from spx_data.store.names import Checkpoint, compressed_of
from spx_data.store.reads import read_json
from tests.fuzz import wire
from tests.fuzz.verdict import Outcome, Wrong
from tests.proof import fills
from theta_simulator import recording

_DIGEST = re.compile(rb',?\s*"document_sha256"\s*:\s*"[^"]*"')
_MOMENT = dt.datetime(2024, 12, 31, 17, tzinfo=dt.UTC)
_TODAY = dt.date(2024, 12, 31)
_NOW = Now(_TODAY, lambda count: (_TODAY - dt.timedelta(count), _TODAY))


@functools.cache
def settings(scratch):
    """Settings whose lake stands in *scratch*."""
    return fills.lake(scratch / "lake", "http://127.0.0.1:9", wire.DATE)


def _put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def signed(data):
    """A JSON document with the digest of its own bytes, as whoever writes one may make it."""
    body = _DIGEST.sub(b"", data).rstrip().removesuffix(b"}").rstrip()
    begin, end = body + b',\n "document_sha256": "', b'"\n}\n'
    return begin + hashlib.sha256(begin + b"0" * 64 + end).hexdigest().encode() + end


def _perhaps_signed(data):
    return data if zlib.crc32(data) % 4 == 0 else signed(data)


# The lake -------------------------------------------------------------------------------------------------


def journal_of(data, scratch, *, packed=False):
    """A date's journal, and the state that it leaves the date in."""
    layout = settings(scratch).layout
    path = layout.journal(wire.DATE)
    path.unlink(missing_ok=True)
    compressed_of(path).unlink(missing_ok=True)
    _put(compressed_of(path) if packed else path, data)
    events = journal.read(path)
    for event in events:
        if not all(isinstance(event[name], str) for name in ("at", "event", "stage", "run")):
            raise Wrong(f"invented: an event without its words: {event!r:.200}")
    patience = settings(scratch).patience
    session_states.state(session_states.Evidence(events=events), None, _MOMENT, patience, products.DEFAULT)
    journal.was_sealed(events, _MOMENT)
    return Outcome(len(events))


def passport(data, scratch):
    """A day's passport, as those who need little of it read it."""
    layout = settings(scratch).layout
    _put(layout.passport(wire.DATE), data)
    seals.write_sidecar(
        layout.parquet(wire.DATE), seals.Seal("0" * 64, reads.digest(layout.passport(wire.DATE)))
    )
    found = witnesses.read_passport(layout, wire.DATE)
    passports.read(layout, wire.DATE)
    return Outcome(1) if found.finding is None else Outcome(rejects=1)


def receipt(data, scratch):
    """The receipt of a checkpoint."""
    found = staging.read_receipt(_put(scratch / "one.receipt.json", data))
    return Outcome(refused="None") if found is None else Outcome(1)


def manifest(data, scratch):
    """A date's manifest."""
    return Outcome(len(Manifest.of_json(read_json(_put(scratch / "manifest.json", data))).receipts))


def listing(data, scratch):
    """A date's listing."""
    found = Listing.of_json(read_json(_put(scratch / "expirations.json", data)))
    for entry in found.chains:
        found.identity(entry)
    return Outcome(len(found.chains))


def sidecar(data, scratch):
    """The sidecar of a sealed file."""
    layout = settings(scratch).layout
    target = layout.parquet(wire.DATE)
    _put(layout.sidecar(wire.DATE), data)
    for found in seals.read(target):
        if found not in data.decode(errors="replace"):
            raise Wrong(f"invented: the sidecar does not hold {found}")
    return Outcome(1)


def profile_of(data, scratch):
    """A terminal's profile."""
    found = profile.read(_put(settings(scratch).layout.profile, _perhaps_signed(data)))
    json.dumps(found.as_json())
    return Outcome(len(found.table))


def snapshot(data, scratch):
    """A snapshot that somebody mailed."""
    layout = settings(scratch).layout
    found = snapshots.read(layout, _put(scratch / "mailed.json", _perhaps_signed(data)))
    json.dumps(found.as_json())
    return Outcome(len(snapshots.compare(layout, found, verify=False)))


def run_note(data, scratch):
    """What the last run noted of itself, and of its stop."""
    layout = settings(scratch).layout
    _put(layout.run_note, data)
    _put(layout.stop_note, data)
    runs.was_stopped(layout, "run-1")
    return Outcome(1) if runs.last(layout) else Outcome(refused="None")


def outage_note(data, scratch):
    """What a job at work, and one that gave up, say of a terminal that does not answer."""
    layout = settings(scratch).layout
    job = layout.job_lock("run-1", 7)
    _put(layout.terminal_down, data)
    _put(job.with_suffix(".json"), data)
    held = locks.hold(job)
    try:
        found = outage.of_run(layout, "run-1")
    finally:
        os.close(held)
    if found is None:
        return Outcome(refused="None")
    return Outcome(len(found.words() + found.words(dt.UTC, standing=True)))


def identity(data, scratch):
    """What the lake says that it holds."""
    path = _put(settings(scratch).layout.dataset, data)
    dataset.differences(path, {"roots": ["SPXW"]})
    return Outcome(1)


def incident(data, scratch):
    """The report of an incident in quarantine."""
    folder = settings(scratch).layout.quarantine(wire.DATE) / "2024-12-11T00-00-00"
    _put(folder / REPORT, data)
    return Outcome(len(_damages(folder)))


def staged(data, scratch, *, vouch=True):
    """Staged records, under a receipt that is right about their bytes and counts their lines of records."""
    checkpoint = Checkpoint(scratch / "one.ndjson", scratch / "one.receipt.json")
    _put(checkpoint.records, data)
    sha256 = hashlib.sha256(data).hexdigest() if vouch else None
    rows = sum(line.startswith(b"[") for line in data.split(b"\n"))
    given = staging.Receipt.empty("SPXW", wire.DATE, "x", rows=rows, bytes=len(data), sha256=sha256)
    frames = list(staging.read_blocks(checkpoint, given))
    numbers = {float(number) for number in re.findall(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", data)}
    divisors = {int(number) for number in re.findall(rb'"per" *: *([1-9]\d{0,300})', data)} | {1}
    numbers = {number / divisor for divisor in divisors for number in numbers}
    for frame in frames:
        for value in frame.select("strike", "bid", "ask").to_numpy().flat:
            if value == value and value not in numbers:
                raise Wrong(f"invented: the checkpoint does not hold {value}")
    return Outcome(sum(map(len, frames)))


def set_aside(data, scratch):
    """Staged bad rows, under a receipt that is right about their bytes."""
    checkpoint = Checkpoint(scratch / "two.ndjson", scratch / "two.receipt.json")
    _put(checkpoint.rejects, data)
    sha256 = hashlib.sha256(data).hexdigest()
    given = staging.Receipt.empty("SPXW", wire.DATE, "x", rejected=1, rejects_sha256=sha256)
    return Outcome(rejects=len(staging.read_rejects(checkpoint, given)))


def recording_of(data, scratch):
    """A recording of a terminal, from a stranger."""
    path = _put(scratch / "recording.zip", data)
    with contextlib.suppress(kept.RecordingRefusedError):
        kept.check_target(path)
    found = recording.read(path)
    for exchange in found.exchanges:
        if not (exchange.request.startswith("/") and exchange.request.isprintable()):
            raise Wrong(f"invented: a request {exchange.request!r:.100}")
    return Outcome(len(found.exchanges))


# What a person writes ------------------------------------------------------------------------------------


def settings_file(data, scratch):
    """A config file, checked as a whole and for all its mistakes."""
    path = _put(scratch / "config.yaml", data)
    document = reading.parse(reading.read(path), path)
    mistakes = config.problems(document, {})
    if any(not str(each).isprintable() for each in mistakes):
        raise Wrong("text: a mistake in a config is told with its controls")
    resolved = config.resolve(document, {})
    if mistakes:
        raise Wrong(f"lost: taken, though {mistakes[0]}")
    json.dumps(resolved)
    return Outcome(1)


def variables(data, scratch):
    """The environment's variables, one a line."""
    lines = (line.partition("=") for line in data.decode(errors="replace").splitlines())
    config.resolve({"processing": {"start_date": "2024-01-02"}}, {name: value for name, _, value in lines})
    return Outcome(1)


def dates(data, scratch):
    """Words for dates, as the command line and the config take them."""
    text = data.decode(errors="replace")
    found = Dates.of(text, _NOW if zlib.crc32(data) % 2 else None)
    for word, (first, last) in zip(text.split(","), found.ranges, strict=True):
        if not first <= last:
            raise Wrong(f"invented: {word!r} ends before it begins")
        if re.match(r"\s*[0-9]", word) and _plain(word.strip()) != (first, last):
            raise Wrong(f"invented: {word!r} does not mean {first} to {last}")
    return Outcome(len(found.ranges))


def _plain(word):
    """What years, months, days and ranges of them mean: the first day, and the last."""
    begin, _, end = word.partition("..")
    first, last = [*map(int, begin.split("-"))], [*map(int, (end or begin).split("-"))]
    latest = max(
        day
        for month in ([last[1]] if len(last) > 1 else [12])
        for number in ([last[2]] if len(last) > 2 else range(28, 32))
        if (day := _day(last[0], month, number))
    )
    return dt.date(*[*first, 1, 1][:3]), latest


def _day(*parts):
    with contextlib.suppress(ValueError):
        return dt.date(*parts)
