"""Lakes that somebody filled with hostile text: each field that a page shows holds what would like to run.

Made through the real writers where there is one, and by hand where they would refuse. A text stands in each
field whole; which of them comes first differs from field to field, for some fields are shown cut.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from tests import profiled, sealed_days
from tests.browser import made
from tests.report import lakes

from spx_data import config
from spx_data.lake import runs
from spx_data.settings import Settings
from spx_data.store import files, journal
from spx_data.store.layout import Layout

SHORT = (
    "<script>window.hit=1</script>",
    '<img src=x onerror="window.hit=1">',
    '"><svg onload=window.hit=1>',
    "'><iframe src=javascript:window.hit=1>",
    "</script><script>window.hit=1</script>",
    "</style><style>*{display:none}",
    "<!--<script>",
    "]]><b>",
    "javascript:window.hit=1",
    "{{7*7}}{%if 1%}",
    "%3Cscript%3Ewindow.hit=1%3C/script%3E",
    "&lt;script&gt;&#60;",
    "@failed",
    "a.b[0]['c']\\",
    "__proto__",
    'datum["constructor"]["constructor"]("window.hit=1")()',
    "'+(window.hit=1)+'",
    "\u202egnp.exe\u202c",
    "\u2028\u2029\x00\x1b[2J\x9b31m",
    "שלום عليكم",
)
LONG = "w" * 10_000
HALF = "half a character \ud800"  # JSON and names of files can hold it
SEEN = SHORT[0]  # which is on each page somewhere, as text
FOLDER = '<img src=x onerror="window.hit=1">'  # a name that a folder can have
_DAY = made.DAY
_turns = itertools.cycle(range(len(SHORT)))


def text() -> str:
    """All of the texts, another one first at each call."""
    turn = next(_turns)
    return "  ".join([*SHORT[turn:], *SHORT[:turn], LONG])


# Journals -------------------------------------------------------------------------------------------------


def events(at: dt.datetime) -> Iterator[dict[str, Any]]:
    """An event of each kind, with hostile text in each of its fields."""
    base = {"run": text(), "traceback": text(), "cure": text(), "fields": {text(): text()}}
    base |= {"root": text(), "expiration": text(), "attempt": 2, "seconds": 1.0, "status": text()}
    base |= {"url": f"http://{text()}/{text()}", "reason": text(), "damages": [text(), text()]}
    base |= {"folder": text(), "key": text(), "old": text(), "new": text(), "by": text(), "file": text()}
    base |= {"found": text(), "action": text(), "memory_mb": 1.0, "rows": text(), "bytes": 10}
    kinds = ("request", "retried", "expiration-failed", "quarantined", "accepted", "reopened")
    kinds += ("rechecked", "mended", "configured", "verified", "run-failed", "probed", text(), "failed")
    for number, kind in enumerate(kinds):
        moment = (at + dt.timedelta(minutes=number)).isoformat(timespec="milliseconds")
        told = {"error": text(), "cause": text(), "stage": text()}
        yield {"at": moment, "event": kind, **base, **told}


def _spoil_journal(path: Path, at: dt.datetime, *, ends_well: bool) -> None:
    for event in events(at):
        if not (ends_well and event["event"] in ("quarantined", "accepted", "failed")):
            files.append_line(path, json.dumps(event))
    if ends_well:  # a merge that ended leaves the day sealed
        for kind in (journal.SEALED, journal.FINISHED):
            sealed = {"at": (at + dt.timedelta(hours=1)).isoformat(), "event": kind, "stage": "merge"}
            files.append_line(path, json.dumps({**sealed, "run": text(), "seconds": 1.0}))
    files.append_line(path, text())  # and what is no event at all


# Lakes ----------------------------------------------------------------------------------------------------


def lake(folder: Path) -> lakes.Lake:
    """The lake of every kind of session, whose journals, passports, profile and files are hostile."""
    found = lakes.every_kind(folder)
    settings = found.settings
    layout = settings.layout
    for date in lakes.UNSEALED:
        if layout.journal(date).exists():
            _spoil_journal(layout.journal(date), lakes._evening(date) + dt.timedelta(5), ends_well=False)
    for date in (*lakes.WARNED, *lakes.FAILING):
        _spoil_passport(layout, date)
        _spoil_journal(layout.journal(date), lakes._evening(date) + dt.timedelta(5), ends_well=True)
    _spoil_journal(layout.lake_journal, lakes.MOMENT.astimezone(dt.UTC) - dt.timedelta(1), ends_well=False)
    _spoil_rest(settings)
    return found


def _spoil_rest(settings: Settings) -> None:
    layout = settings.layout
    row = profiled.OTHERWISE._replace(
        code=text(), assumption=text(), seen=text(), consequence=text(), set=text()
    )
    same = profiled.AS_ASSUMED._replace(code=text(), assumption=text(), seen=text(), consequence=text())
    profiled.write(
        settings,
        probed_at=lakes.MOMENT,
        api=text(),
        base_url=f"http://{text()}",
        server=text(),
        table=[row, same],
        floor=profiled.FLOORED._replace(refusal=text()),
        whole=False,
    )
    run = runs.begin(layout, text(), [])
    note = json.loads(layout.run_note.read_text())
    files.write_json(layout.run_note, {**note, "command": text(), "host": text(), "name": run.name})
    for name in (*SHORT, "\udcff half"):
        for place in (layout.output, layout.output / "2024", layout.temp, layout.data):
            with suppress(ValueError, OSError, UnicodeEncodeError):  # NUL, and slashes: no file has them
                stranger = place / f"{name.replace('/', '_')}.parquet"
                stranger.parent.mkdir(parents=True, exist_ok=True)
                stranger.write_text("stranger")
    files.write_json(layout.dataset, {**json.loads(layout.dataset.read_text()), "symbol": text()})


def day(folder: Path) -> Settings:
    """A lake of one real sealed day in a folder named like markup, with a hostile passport and journal."""
    folder = folder / FOLDER
    made.day_page(folder)
    settings = made.settings_of(folder)
    _spoil_journal(settings.layout.journal(_DAY), dt.datetime.now(dt.UTC), ends_well=True)
    _spoil_passport(settings.layout, _DAY)
    files.write_text(settings.layout.rejects(_DAY), json.dumps({"reason": text(), "raw": text()}) + "\n")
    _spoil_rest(settings)
    shutil.rmtree(settings.layout.dashboard.parent)
    target = folder / "config" / "config.yaml"
    target.write_text(yaml.safe_dump(config.load(target)))
    return settings


def _spoil_passport(layout: Layout, date: dt.date) -> None:
    """Write hostile text into each field of a passport that holds words, and vouch for it again."""
    document = json.loads(layout.passport(date).read_text())
    _spoil_quality(document)
    if session := document.get("session"):
        session["findings"] = [text(), HALF]
        session["vendor_unknown"] = text()
        for of, name in (("exchange", "calendar"), ("vendor", "type")):
            if session.get(of):
                session[of][name] = text()
    if "dataset" in document:
        document["dataset"] |= {"symbol": text(), "roots": [text(), text()], "greeks_version": text()}
    document["source"] = {**(document.get("source") or {}), "api": text(), "greeks_version": text()}
    if told := document.get("completeness"):
        told["unknown"] = [text(), HALF]
    document["rejects"] = {**(document.get("rejects") or {}), "reasons": {text(): 3, text(): 4}, "rows": 7}
    document["profile"] = {"sha256": text(), "differs": [text()], "otherwise": [text()]}
    document["written_by"] = {text(): text()}
    for chain in document.get("chains") or ():
        chain |= {"state": text(), "explained": text(), "error": text(), "witness": text()}
    sealed_days.reseal(layout, date, document)


def _spoil_quality(document: dict[str, Any]) -> None:
    quality = document.get("quality")
    if not quality:
        return
    names = {}
    for check in quality["checks"]:
        names[check["check"]] = check["check"] = (
            f"{check['check']} {text()}" if check["hits"] else check["check"]
        )
        check |= {"unit": text(), "first": text()}
    quality.setdefault("figures", {})["greeks_convention"] = text()
    minutes = (document.get("details") or {}).get("minutes") or {}
    if "hits" in minutes:
        minutes["hits"] = {names.get(name, name): found for name, found in minutes["hits"].items()}
