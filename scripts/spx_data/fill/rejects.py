"""The bad records of a date: which are believed, how many are too many, and the file that keeps them.

A bad row may be the source's or damage on the way. What the source says twice is its own: it is set aside
and the rest goes on. The file has a line for each bad row, and for each version of a record that the source
gives in several (`records.settle`): its reason, its chain, the API, and its text as it came. Of the bad rows
of one chain and reason some thousand have a line of their own; one line counts the others (`rows`).
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from spx_data.errors import ApiResponseInvalidError, TooManyRejectsError
from spx_data.fill.listing import Listing, checkpoint_of
from spx_data.market.chains import Chain
from spx_data.market.records import CONFLICT, MEANINGS, Reject, Rejects
from spx_data.settings import Settings
from spx_data.store import files, staging
from spx_data.store.staging import Receipt
from spx_data.text.printable import shown

if TYPE_CHECKING:
    import polars as pl


_CHAINS = 2  # that confirm a pattern, before others are believed at once


class Believed:
    """Patterns of bad rows that the source has confirmed on one date; threads may share it.

    A source that garbles rows in a way of its own does so in every chain. Once bad rows of the same reason
    have come twice and alike in two chains, they are its habit, and asking others again only costs.
    """

    def __init__(self, blanks: Iterable[str] = ()) -> None:
        """Values of the columns *blanks* are known to lack: a probe has seen it."""
        self._lock = threading.Lock()
        self._confirmed: dict[str, set[str]] = {}
        self._known = frozenset(map(_no, blanks))

    def confirm(self, what: object, reasons: Iterable[str]) -> None:
        """Take note that a second answer about *what* had the very same bad rows, of these *reasons*."""
        with self._lock:
            for reason in reasons:
                self._confirmed.setdefault(reason, set()).add(str(what))

    def covers(self, reasons: Iterable[str]) -> bool:
        """Whether each of the *reasons* is a habit."""
        with self._lock:
            return all(
                reason in self._known or len(self._confirmed.get(reason, ())) >= _CHAINS for reason in reasons
            )


def _no(column: str) -> str:
    """The pattern of records that lack a value of *column*."""
    return f"no {column}"


class DoubtedRowsError(ApiResponseInvalidError):
    """An answer with bad rows that are not believed yet; its good ones are as good as any."""


class ConfirmedRejects:
    """Bad rows in the answer about *what* are believed when two tries have brought the very same.

    Values that records lack are doubted once, and keep no chain out: the second answer is taken, whatever
    it lacks. Of a pattern that is *believed* on this date already nothing is doubted. Where no *believed* is
    given, each chain stands for itself, and what records lack is not doubted.
    """

    def __init__(self, what: object, believed: Believed | None = None) -> None:
        self._what, self._believed = what, believed
        self._before: set[tuple[Reject, ...]] = set()
        self._lacked: Mapping[str, int] | None = None  # by the first answer

    def resolved(self, batches: Iterator[pa.RecordBatch], rejects: Rejects) -> Iterator[pa.RecordBatch]:
        """*batches* of one try, which adds its bad rows to *rejects* meanwhile.

        Raises:
            DoubtedRowsError: at their end, where there are bad rows that no try before had brought, or
                values lack for the first time.
        """
        yield from batches
        found, lacks = rejects.found, rejects.nulls
        known, lacked = found in self._before, self._lacked
        self._before.add(found)
        self._lacked = lacks if lacked is None else lacked
        if found and not known and not self._is_habit(rejects.reasons):
            raise self._error(
                f"has {len(rejects):,} bad rows, like {shown(found[0].raw)!r} "
                f"({MEANINGS[found[0].reason]}), expected none, or the same ones twice",
                found[0].raw,
            )
        absent = list(map(_no, lacks))
        if absent and lacked is None and self._believed is not None and not self._is_habit(absent):
            counts = ", ".join(f"{name} {count:,}" for name, count in lacks.items())
            raise self._error(f"lacks values ({counts}), expected all, or another try that lacks some", "")
        if self._believed is not None:
            self._believed.confirm(self._what, rejects.reasons if known else ())
            self._believed.confirm(self._what, absent if lacks == lacked else ())

    def _is_habit(self, reasons: Iterable[str]) -> bool:
        return self._believed is not None and self._believed.covers(reasons)

    def _error(self, finding: str, raw: str) -> DoubtedRowsError:
        return DoubtedRowsError(
            f"the answer about {self._what} {finding}",
            cure="If it stays, the terminal garbles its answers: restart it",
            expected="no bad rows",
            excerpt=shown(raw),
        )


# The file -----------------------------------------------------------------------------------------------


class RejectsFile(NamedTuple):
    """What a date's file of bad records holds; *sha256* is None where there is no such file."""

    reasons: Mapping[str, int]
    sha256: str | None

    @property
    def rows(self) -> int:
        """The rows that its lines stand for."""
        return sum(self.reasons.values())


class RejectsWriter:
    """Collects the bad records of a date, chain by chain, for `write`."""

    def __init__(self, api: str) -> None:
        self._api = api
        self._lines: list[dict[str, Any]] = []

    def add(self, chain: Chain, rejects: Sequence[Reject], conflicts: pl.DataFrame | None = None) -> None:
        """Take in a chain's bad rows and the records of which it has several versions."""
        for reject in rejects:
            more = {"rows": reject.rows} if reject.rows > 1 else {}
            self._lines.append(self._line(chain, reject.reason, reject.raw) | more)
        if conflicts is not None and len(conflicts):
            text = io.BytesIO()
            conflicts.drop("sealed").write_ndjson(text)
            versions = text.getvalue().decode().splitlines()
            for raw, sealed in zip(versions, conflicts["sealed"], strict=True):
                self._lines.append(self._line(chain, CONFLICT, raw) | {"sealed": sealed})

    def _line(self, chain: Chain, reason: str, raw: str) -> dict[str, Any]:
        about = {"root": chain.root, "expiration": chain.expiration.isoformat()}
        return {"reason": reason, **about, "api": self._api, "raw": raw}

    def write(self, path: Path) -> RejectsFile:
        """Write all to *path*, atomically and in order; where there is nothing, no file is left."""
        reasons = Counter[str]()
        for line in self._lines:
            reasons[line["reason"]] += line.get("rows", 1)
        counts = {code: reasons[code] for code in MEANINGS if code in reasons}
        if not self._lines:
            files.remove(path)
            return RejectsFile(counts, None)
        order = ("root", "expiration", "reason", "raw")
        self._lines.sort(key=lambda line: [line[name] for name in order])
        text = "".join(json.dumps(line) + "\n" for line in self._lines)
        files.write_text(path, text)
        return RejectsFile(counts, hashlib.sha256(text.encode()).hexdigest())


# Too many -----------------------------------------------------------------------------------------------


def check(settings: Settings, listing: Listing, receipts: Sequence[Receipt]) -> None:
    """Raise TooManyRejectsError if more of a date's staged rows are bad than the settings allow.

    The bad ones are written down for a person to look at, and their chains are asked for again by the next
    run.
    """
    rejected = sum(receipt.rejected for receipt in receipts)
    rows = rejected + sum(receipt.rows for receipt in receipts)
    if 100 * rejected <= settings.quality.rejected_percent * rows:
        return
    kept, path = RejectsWriter(listing.api), settings.layout.rejects(listing.date)
    checkpoints = [checkpoint_of(settings.layout, entry) for entry in listing.chains]
    for entry, checkpoint, receipt in zip(listing.chains, checkpoints, receipts, strict=True):
        kept.add(entry.chain, staging.read_rejects(checkpoint, receipt))
    reasons = kept.write(path).reasons
    for checkpoint, receipt in zip(checkpoints, receipts, strict=True):
        if receipt.rejected:
            files.remove(checkpoint.receipt)
    raise TooManyRejectsError(
        f"{rejected:,} of {rows:,} rows of {listing.date} are bad ({_counted(reasons)}), and "
        f"quality.rejected_percent allows {settings.quality.rejected_percent:g} %",
        cure=f"Look at {path}; if the rest is good enough for you, raise quality.rejected_percent; "
        "the next run asks for these expirations again",
        date=listing.date,
        rejected=rejected,
        rows=rows,
        path=path,
    )


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in reasons.items())
