"""Every parser of the outside: its name, the form of its inputs, and how one of them is run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spx_data.market.contracts import Report
from tests.fuzz import lake, wire
from tests.fuzz.verdict import Outcome
from theta_simulator.recording import RecordingError


@dataclass(frozen=True)
class Parser:
    """One parser; *run* takes an input and a folder of its own, and raises what the product raises."""

    name: str
    form: str  # how inputs are mutated, and the ending of their files in the corpus
    run: Callable[[bytes, Path], Outcome]
    share: int = 1  # of all inputs, against the others
    known: tuple[type[Exception], ...] = ()  # errors of the simulator, which has none of the library's

    @property
    def ending(self) -> str:
        """Of a file with an input."""
        return {"words": "txt", "http": "http"}.get(self.form, self.form)


def _histories():
    for form in ("csv", "json", "ndjson"):
        yield Parser(f"v3-{form}", form, partial(wire.history, "v3", form), share=6)
    for form in ("csv", "json"):
        yield Parser(f"v2-{form}", form, partial(wire.history, "v2", form), share=4)
        yield Parser(f"v2-contract-{form}", form, partial(wire.history, "v2", form, alone=True), share=2)
    # Of the other kinds of records.
    for kind in ("quotes", "greeks-all"):
        yield Parser(f"v3-{kind}-csv", "csv", partial(wire.history, "v3", "csv", kind=kind), share=2)
        yield Parser(f"v3-{kind}-json", "json", partial(wire.history, "v3", "json", kind=kind))
        yield Parser(f"v2-{kind}-csv", "csv", partial(wire.history, "v2", "csv", kind=kind), share=2)
    # What the body is, and not what was asked for, tells how it is read.
    yield Parser("v3-history-http", "http", partial(wire.history, "v3", "csv", whole=True), share=3)
    yield Parser("v2-history-http", "http", partial(wire.history, "v2", "json", whole=True), share=4)


def _lists():
    for api in ("v3", "v2"):
        yield Parser(f"{api}-listing", "csv", partial(wire.listing, api), share=2)
        yield Parser(f"{api}-eod", "csv", partial(wire.listing, api, eod=True), share=2)
        yield Parser(f"{api}-report", "csv", partial(wire.figures, api, Report.END_OF_DAY), share=2)
        yield Parser(f"{api}-interest", "csv", partial(wire.figures, api, Report.OPEN_INTEREST))
        yield Parser(f"{api}-listing-http", "http", partial(wire.listing, api, whole=True), share=2)
        yield Parser(f"{api}-status-http", "http", partial(wire.status, api), share=2)
    yield Parser("v3-expirations", "csv", partial(wire.expirations, "v3"))
    yield Parser("v2-expirations", "json", partial(wire.expirations, "v2"))
    yield Parser("v3-calendar", "csv", wire.hours)


_LAKE = (
    Parser("journal", "ndjson", lake.journal_of, share=3),
    Parser("journal-gz", "gz", partial(lake.journal_of, packed=True), share=2),
    Parser("passport", "json", lake.passport, share=2),
    Parser("receipt", "json", lake.receipt, share=2),
    Parser("manifest", "json", lake.manifest, share=2),
    Parser("listing", "json", lake.listing, share=2),
    Parser("sidecar", "words", lake.sidecar),
    Parser("profile", "json", lake.profile_of, share=2),
    Parser("snapshot", "json", lake.snapshot),
    Parser("run-note", "json", lake.run_note),
    Parser("outage-note", "json", lake.outage_note),
    Parser("dataset", "json", lake.identity),
    Parser("incident", "json", lake.incident),
    Parser("staged", "ndjson", lake.staged, share=2),
    Parser("rejects", "ndjson", lake.set_aside),
    Parser("recording", "zip", lake.recording_of, share=2, known=(RecordingError,)),
    Parser("config", "yaml", lake.settings_file, share=3),
    Parser("environment", "words", lake.variables),
    Parser("dates", "words", lake.dates, share=2),
)

PARSERS = {parser.name: parser for parser in (*_histories(), *_lists(), *_LAKE)}
