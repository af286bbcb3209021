"""The days of a selection: which are sealed, which should be there and are not, and what passports say.

What has traces must be there: a file of a sealed day, or the journal's word that it was sealed. So must every
session between two sealed days. Beyond the first and the last sealed day nothing was filled yet, and nothing
is missed; nor is a session that a person accepted as it is, or that the vendor's calendar has as closed.

A day copied over another one with a sidecar made anew has healthy bytes, and another day's rows: so the date
in the path, in the passport and in the Parquet's footer must be the same. No row group is read for that.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spx_data import config
from spx_data.errors import FileCorruptionError, MissingFileError, SchemaValidationError
from spx_data.lake import calendar, passports, session_states
from spx_data.lake.session_states import Evidence
from spx_data.lake.verify.content import read_footer
from spx_data.market import products, sessions
from spx_data.market.dates import Dates
from spx_data.quality import weighted
from spx_data.settings import Patience, Settings
from spx_data.store import cores, dataset, journal, parquet, seals, tree
from spx_data.store.journal import Event
from spx_data.store.layout import Layout
from spx_data.text.words import few

Passport = Mapping[str, Any]

READS_THE_OTHERS = 'missing="warn", in a shell --missing warn, reads the others'
WHERE_JOURNALS_ARE = "data=… tells where the journals are, which know of dates that were accepted as they are"

_NAMED = 20
# The clock and the settings have no say in whether a date is settled.
_PATIENCE = Patience(publication_hours=0, max_attempts=None)


@dataclass(frozen=True)
class Presence:
    """The sessions of a selection, oldest first: sealed ones, those lost, and those never filled."""

    sealed: Sequence[dt.date]
    lost: Sequence[dt.date]  # sealed once, and not whole any more
    unfilled: Sequence[dt.date]

    @property
    def missing(self) -> tuple[dt.date, ...]:
        """Those that should be there and are not."""
        return tuple(sorted({*self.lost, *self.unfilled}))

    @property
    def words(self) -> str:
        """What is missing, in words."""
        lost = f"sealed once and not whole any more: {named(self.lost)}" if self.lost else ""
        unfilled = f"never filled: {named(self.unfilled)}" if self.unfilled else ""
        return "; ".join(filter(None, (lost, unfilled)))

    def error(self, layout: Layout, /) -> FileCorruptionError | MissingFileError:
        """The error that names what is missing of the lake at *layout*."""
        found = f"{layout.output}: {len(self.missing):,} of the selected sessions are not there, {self.words}"
        otherwise = f"`spx-data status` says what stands in the way; {READS_THE_OTHERS}"
        if next(iter(layout.journals()), None) is None:
            otherwise += f", and {WHERE_JOURNALS_ARE}"
        if not self.lost:
            them = "it" if len(self.missing) == 1 else "them"
            cure = f"Fill {them} with `spx-data process-gaps`; {otherwise}"
            return MissingFileError(found, cure=cure, path=layout.parquet(self.unfilled[0]))
        remains = [path for path in layout.sealed_files(self.lost[0]) if path.exists()]
        return FileCorruptionError(
            found,
            cure=f"Run `spx-data verify` to see what is wrong, then `spx-data process-gaps`; {otherwise}",
            path=remains[0] if remains else layout.parquet(self.lost[0]),
            expected="a Parquet, its passport and its sidecar",
            actual=", ".join(path.name for path in remains) or "nothing",
        )


def look(layout: Layout, within: Dates | None) -> Presence:
    """What is there of the sessions *within* (None: all), and what should be.

    The journals of *layout* are read for what is not sealed alone; it may have none.
    """
    on_disk = tree.dates(layout)
    sealed = [date for date in on_disk if _is_within(date, within) and seals.is_sealed(layout.parquet(date))]
    case = _Case(layout, frozenset(on_disk), dataset.given_up(layout))
    journalled = (dt.date.fromisoformat(path.name[:10]) for path in layout.journals())
    there = set(sealed)
    doubtful = {date for date in (*on_disk, *journalled) if _is_within(date, within)} - there
    lost = {date for date in doubtful if case.is_lost(date)}
    single = set(within.single if within else ())
    between = set(_between(layout, on_disk, within)) - there - lost - single
    unfilled = {date for date in between if not is_settled(layout, date)} | (single - there - lost)
    return Presence(sealed, sorted(lost), sorted(unfilled))


def named(dates: Iterable[dt.date]) -> str:
    """*dates* in words: up to twenty by name, the others as a number."""
    return few([*dates], _NAMED)


def _is_within(date: dt.date, within: Dates | None) -> bool:
    return within is None or date in within


def _between(layout: Layout, on_disk: Sequence[dt.date], within: Dates | None) -> Iterator[dt.date]:
    """The sessions *within* that lie between the first and the last sealed day of the lake."""
    first = next((date for date in on_disk if seals.is_sealed(layout.parquet(date))), None)
    last = next((date for date in reversed(on_disk) if seals.is_sealed(layout.parquet(date))), None)
    if first is not None and last is not None:
        yield from between(layout, first, last, within)


def between(layout: Layout, first: dt.date, last: dt.date, within: Dates | None) -> Iterator[dt.date]:
    """The sessions *within* from *first* to *last*."""
    for start, end in within.ranges if within else [(first, last)]:
        start, end = max(start, first), min(end, last)
        if start <= end:
            found = calendar.remembered(layout.calendar(sessions.STOCKS), sessions.STOCKS, start, end)
            yield from (session.date for session in found)


@dataclass(frozen=True)
class _Case:
    """What the files and the journals of a lake say about dates that are not sealed."""

    layout: Layout
    on_disk: frozenset[dt.date]
    given_up: dt.datetime | None

    def is_lost(self, date: dt.date) -> bool:
        """Whether *date* was sealed once; without the sidecar, the last one, a fill may be at work on it."""
        if self.layout.sidecar(date).exists():
            return True
        events = journal.read(self.layout.journal(date))
        return _was_sealed(events, self.given_up) or (date in self.on_disk and not events)


def is_settled(layout: Layout, date: dt.date) -> bool:
    """Whether *date*, which is not sealed, is rightly without data."""
    evidence = Evidence(events=journal.read(layout.journal(date)))
    return session_states.state(evidence, None, sessions.now(), _PATIENCE, products.DEFAULT).is_settled


def _was_sealed(events: Sequence[Event], since: dt.datetime | None) -> bool:
    """Whether *events* have the date as sealed after *since*, and no person accepted it without data then."""
    for event in reversed(events):
        if since is not None and dt.datetime.fromisoformat(event["at"]) <= since:
            return False
        if event["event"] in (journal.SEALED, journal.ACCEPTED):
            return bool(event["event"] == journal.SEALED)
    return False


# What the passports say -----------------------------------------------------------------------------------


def described(layout: Layout, digests: Mapping[dt.date, str]) -> dict[dt.date, Passport]:
    """The passports, without their details, of the days whose sidecars have these *digests*.

    Raises:
        FileCorruptionError: one is lost or damaged, or it, the footer or the sidecar is of other data; every
            such day is named.
        OtherVersionError: one was sealed by another version of spx-data.
    """
    found = cores.each_of(lambda date: _looked_at(layout, date, digests[date]), digests)
    wrong = {date: word for date, word in found.items() if isinstance(word, str)}
    if not wrong:
        return {date: word for date, word in found.items() if not isinstance(word, str)}
    first = min(wrong)
    raise FileCorruptionError(
        f"{layout.output}: {len(wrong):,} of {len(digests):,} days are not what their names say: "
        f"{named(wrong)}; {first}: {wrong[first]}",
        cure="Run `spx-data verify`, which moves them away, then `spx-data process-gaps` to fetch them again",
        path=layout.parquet(first),
        expected="the same date and the same bytes in the path, passport, sidecar and footer",
        actual={date.isoformat(): word for date, word in wrong.items()},
    )


def _looked_at(layout: Layout, date: dt.date, sha256: str) -> Passport | str:
    """The passport of *date*, or what is wrong with the day."""
    try:
        passport = passports.read(layout, date).document
        told, described = passport["date"], passport["parquet"]["sha256"]
    except MissingFileError:
        return "its passport is not there"
    except FileCorruptionError as error:
        return error.cause
    except (LookupError, TypeError):
        return "its passport is none of ours"
    if told != date.isoformat():
        return f"its passport is of {told}"
    if described != sha256:
        return f"its passport is of a Parquet with the SHA-256 {str(described)[:12]}…, its sidecar of another"
    return _misfit(layout, date, passport) or passport


def _misfit(layout: Layout, date: dt.date, passport: Passport) -> str | None:
    """How the footer of *date* is none of its passport's day; None where it is."""
    path = layout.parquet(date)
    try:
        footer = read_footer(path)
        columns = parquet.named(footer.records, footer.schema_version, path)
    except (FileCorruptionError, SchemaValidationError) as error:
        return error.cause
    if columns.kind != passport["records"]:
        return f"its passport says that it holds {passport['records']}, its footer {columns.kind}"
    if columns.version != passport["schema_version"]:
        return f"its passport says schema version {passport['schema_version']}, its footer {columns.version}"
    if footer.dates != {date}:
        return f"its rows are of {named(sorted(footer.dates)) or 'no date'}"
    return None


def incomplete(found: Mapping[dt.date, Passport]) -> dict[dt.date, str]:
    """The days of which something is unknown, each with what, as far as it is told."""
    return {
        date: "; ".join(map(str, completeness.get("unknown") or ())) or "not said what"
        for date, passport in found.items()
        if not (completeness := passport.get("completeness") or {}).get("complete")
    }


def below(found: Mapping[dt.date, Passport], least: float) -> Sequence[dt.date]:
    """The days that were not judged, or have a score below *least* by the weights of the shipped settings."""
    weights = shipped_weights()
    scores = {date: _score(passport, weights) for date, passport in found.items()}
    return [date for date, points in scores.items() if points is None or points < least]


def _score(passport: Passport, weights: Mapping[str, float]) -> float | None:
    parts = (passport.get("quality") or {}).get("parts", {})
    return weighted({name: part["score"] for name, part in parts.items()}, weights)


def shipped_weights() -> Mapping[str, float]:
    """The default weights: a lake is read without its config file."""
    document = {"processing": {"start_date": "2024-01-02"}}
    return Settings.of(config.resolve(document, {})).quality.weights
