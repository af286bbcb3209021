"""Which rows of the wire are records, which are not and why, and what becomes of a record that comes twice.

A row whose contract, stamp, bid and ask are good is a record; whatever else of it is absent, unreadable or
impossible is null in it (decision 29). A row that breaks a rule is set aside with the rule's code and its
text as it came; the others go on. The sentinels of the vendor (docs/wire.md, 2.2: zeros, an `iv_error`
of 100, an absurd lambda) are values like any other here: what they are worth is judged in `quality`.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spx_data.market import schema
from spx_data.market.second_opinion import READINGS, Reading
from spx_data.market.sessions import Window

if TYPE_CHECKING:
    import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# A call or a put, as the APIs spell it, in whatever case.
RIGHTS = {
    spelt: word[0] for word in ("C", "P", "CALL", "PUT") for spelt in (word, word.lower(), word.capitalize())
}

# An answer of which more is bad is no blemish and is refused, unless it is no more than a few rows.
MOST_BAD, A_FEW = 0.5, 100
# Bad rows of one reason whose text is kept; the others of a chain are counted.
KEPT = 1_000
# Characters that are kept of a row which may not be one.
RAW_LENGTH = 4096

DAY_MS = 86_400_000
_PRICES = ("bid", "ask")

# Reasons that need no rule: such a row has no values that could break one.
FIELDS, MISSING, UNREADABLE = "fields", "missing", "unreadable"
NOT_FINITE = "not-finite"
# Two good records that contradict each other.
CONFLICT = "conflict"


# Rules --------------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """What rows must be about: a chain, as rows spell it, and the stamps that were asked for."""

    root: str
    expiration: str
    window: Window


class Rows(NamedTuple):
    """Readable rows of the wire, column by column, in units that all APIs share."""

    root: pa.DictionaryArray
    expiration: pa.DictionaryArray
    right: pa.DictionaryArray
    strike: Floats  # dollars
    stamp: Ints  # ms since midnight in New York of the date asked for
    prices: Mapping[str, Floats]  # bid and ask (dollars), by name

    def floats(self) -> Iterator[Floats]:
        """Every column of floats."""
        yield self.strike
        yield from self.prices.values()


class Rule(NamedTuple):
    """One thing that makes a row bad: *broken* says where, one value a row."""

    code: str
    meaning: str
    broken: Callable[[Rows, Asked], Mask]


def _other(column: pa.DictionaryArray, allowed: frozenset[str]) -> Mask:
    """Where a column of words holds none of the *allowed* ones."""
    strange = np.array([word not in allowed for word in column.dictionary.to_pylist()], dtype=np.bool_)
    if not strange.any():
        return np.zeros(len(column), dtype=np.bool_)
    return np.asarray(strange[column.indices.to_numpy(zero_copy_only=False)])


def _outside_window(rows: Rows, asked: Asked) -> Mask:
    # The last stamp of a whole day is its full length, a moment after its end (docs/wire.md, 0).
    whole = asked.window.end_ms + 1000 >= DAY_MS
    end = DAY_MS if whole else asked.window.end_ms
    return (rows.stamp < asked.window.start_ms) | (rows.stamp > end)


def _not_finite(rows: Rows, _: Asked) -> Mask:
    with np.errstate(over="ignore", invalid="ignore"):
        # What is no number makes a sum of it none either.
        doubtful = [column for column in rows.floats() if not np.isfinite(column.sum())]
    return _any_of(len(rows.stamp), (~np.isfinite(column) for column in doubtful))


def _negative_price(rows: Rows, _: Asked) -> Mask:
    return _any_of(len(rows.stamp), (rows.prices[name] < 0 for name in _PRICES))


def _any_of(length: int, masks: Iterable[Mask]) -> Mask:
    return functools.reduce(operator.or_, masks, np.zeros(length, dtype=np.bool_))


RULES = (
    Rule("root", "it is of another root", lambda rows, asked: _other(rows.root, frozenset({asked.root}))),
    Rule(
        "expiration",
        "it is of another expiration",
        lambda rows, asked: _other(rows.expiration, frozenset({asked.expiration})),
    ),
    Rule("right", "its right is neither call nor put", lambda rows, _: _other(rows.right, frozenset(RIGHTS))),
    Rule("strike", "its strike is not above zero", lambda rows, _: rows.strike <= 0),
    Rule(
        "date",
        "its stamp is of another date",
        lambda rows, _: (rows.stamp < 0) | (rows.stamp > DAY_MS),
    ),
    Rule("outside-window", "its stamp is outside of the window that was asked for", _outside_window),
    Rule(
        "off-grid",
        "its stamp is not a whole number of intervals after the window's start (docs/wire.md, 2.1)",
        lambda rows, asked: (rows.stamp - asked.window.start_ms) % asked.window.step_ms != 0,
    ),
    Rule(
        NOT_FINITE,
        "its strike, its bid or its ask is no finite number",
        _not_finite,
    ),
    Rule(
        "negative-price",
        "its bid or its ask is below zero",
        _negative_price,
    ),
)


MEANINGS: Mapping[str, str] = {
    FIELDS: "it has another number of fields than the header, or is no row at all",
    MISSING: "its contract, its stamp, its bid or its ask is absent, null or empty",
    UNREADABLE: "its contract, its stamp, its bid or its ask is not of its column's type",
    **{rule.code: rule.meaning for rule in RULES},
    CONFLICT: "the same contract has another record at the same stamp",
}


def broken(rows: Rows, asked: Asked) -> Mapping[int, str]:
    """The bad ones among *rows* by their number, each with the code of the first rule that it breaks."""
    found: dict[int, str] = {}
    for rule in RULES:
        where = rule.broken(rows, asked)
        if where.any():
            found |= {int(row): rule.code for row in np.flatnonzero(where) if int(row) not in found}
    return found


# Rejects ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Reject:
    """A bad row: the code of its reason, and its text as it came; or *rows* of which no text is kept."""

    reason: str
    raw: str
    rows: int = 1


class Rejects:
    """The bad rows of one chain, and what its records lack; *strict* where no bad row is put up with.

    Of each reason some texts are kept, the first in their order, and the others are counted: so memory is
    bounded, and the order of arrival leaves no trace.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self._texts: dict[str, list[str]] = {}
        self._rows: Counter[str] = Counter()
        self._nulls: Counter[str] = Counter()
        self.reading: Reading = "typed"

    def read_by(self, reading: Reading) -> None:
        """Take note of what it took to read a block of good rows: typed, loose or parted."""
        self.reading = max(self.reading, reading, key=READINGS.index)

    def lack(self, records: pa.RecordBatch) -> None:
        """Count what *records* lack."""
        for name, column in zip(records.schema.names, records.columns, strict=True):
            if column.null_count:
                self._nulls[name] += column.null_count

    @property
    def nulls(self) -> Mapping[str, int]:
        """How many records lack a value, by column."""
        return dict(sorted(self._nulls.items()))

    def add(self, reason: str, raw: str) -> None:
        """Set a row aside."""
        self._rows[reason] += 1
        texts = self._texts.setdefault(reason, [])
        texts.append(raw[:RAW_LENGTH])
        if len(texts) > 2 * KEPT:
            self._texts[reason] = sorted(texts)[:KEPT]

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many bad rows have each reason."""
        return dict(sorted(self._rows.items()))

    @property
    def found(self) -> tuple[Reject, ...]:
        """The bad rows, whatever the order of their arrival."""
        found: list[Reject] = []
        for reason, rows in self.reasons.items():
            texts = sorted(self._texts[reason])[:KEPT]
            found += (Reject(reason, raw) for raw in texts)
            if more := rows - len(texts):
                found.append(Reject(reason, "", more))
        return tuple(found)

    def __len__(self) -> int:
        return self._rows.total()


# Records that come twice --------------------------------------------------------------------------------


class Settled(NamedTuple):
    """The records of a chain, sorted, each contract once at a stamp, and what was left out for that.

    *conflicts* holds every record of a contract and stamp that the source gives in several
    versions; its last column, `sealed`, says which of them stands in *records*.
    """

    records: pl.DataFrame
    duplicates: int  # records that repeat another one to the last bit
    conflicts: pl.DataFrame

    @property
    def conflicting(self) -> int:
        """How many contracts and stamps have several versions."""
        return int(self.conflicts["sealed"].sum())


def settle(records: pl.DataFrame) -> Settled:
    """*records* in the order of `schema.RECORD_KEY`, one for each contract and stamp.

    The vendor has sent records twice (docs/wire.md, 13). Those that are the same in every column are
    one record. Of several versions the one with the latest underlying_timestamp is kept, then with the
    smallest iv_error by amount, then the first in the order of the remaining columns, a value before none: a
    rule about what they say, so that the order of arrival leaves no trace.
    """
    import polars as pl

    # As a terminal mostly sends them (docs/wire.md, 1.1): nothing comes twice, and only contracts are sorted.
    if (found := _by_contract(records)) is not None:
        return Settled(found, 0, _conflicts(found.head(0), []))
    ordered = records.sort(schema.RECORD_KEY)
    again = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in schema.RECORD_KEY)
    repeats = ordered.select(again.fill_null(value=False)).to_series()
    if not repeats.any():
        return Settled(ordered, 0, _conflicts(ordered.head(0), []))
    several = repeats | repeats.shift(-1, fill_value=False)
    versions = _ranked(ordered.filter(several))
    distinct = versions.filter(~_same_as_before(versions))
    first = ~(distinct.select(again.fill_null(value=False)).to_series())
    kept = pl.concat([ordered.filter(~several), distinct.filter(first)]).sort(schema.RECORD_KEY)
    disputed = ~first | (~first).shift(-1, fill_value=False)
    conflicts = _conflicts(distinct.filter(disputed), first.filter(disputed).to_list())
    return Settled(kept, len(versions) - len(distinct), conflicts)


def _by_contract(records: pl.DataFrame) -> pl.DataFrame | None:
    """*records* in order, provided that those of each contract follow one another in time; None if not.

    Whole contracts are put in their places then, which costs a fifth of sorting records.
    """
    strike, stamp = records["strike"].to_numpy(), records["timestamp"].to_numpy()
    put = (records["right"] == "P").to_numpy()
    another = (strike[1:] != strike[:-1]) | (put[1:] != put[:-1])
    if not (another | (stamp[1:] > stamp[:-1])).all():
        return None
    begins = np.append(0, np.flatnonzero(another) + 1)[: len(records)]
    lengths = np.diff(np.append(begins, len(records)))
    strike, put = strike[begins], put[begins]
    order = np.lexsort((put, strike))
    strike, put = strike[order], put[order]
    if ((strike[1:] == strike[:-1]) & (put[1:] == put[:-1])).any():
        return None
    if (order[1:] > order[:-1]).all():
        return records
    begins, lengths = begins[order], lengths[order]
    return records[np.repeat(begins - np.cumsum(lengths) + lengths, lengths) + np.arange(len(records))]


def _conflicts(versions: pl.DataFrame, sealed: list[bool]) -> pl.DataFrame:
    import polars as pl

    return versions.with_columns(pl.Series("sealed", sealed, dtype=pl.Boolean))


def _ranked(versions: pl.DataFrame) -> pl.DataFrame:
    """Versions of the same records, the best of each first; those that are the same stand together."""
    import polars as pl

    others = [name for name in versions.columns if name not in schema.RECORD_KEY]
    better = {"underlying_timestamp": -pl.col("underlying_timestamp"), "iv_error": pl.col("iv_error").abs()}
    order = [
        *(pl.col(name) for name in schema.RECORD_KEY),
        *(told for name, told in better.items() if name in others),
        *(pl.col(name) for name in others),
        *(pl.Series(_bits(versions[name])) for name in others),  # 0.0 and -0.0 are equal, and not the same
    ]
    return versions.sort(order, nulls_last=True)


def _same_as_before(versions: pl.DataFrame) -> pl.Series:
    """Where a version is the one before it, to the last bit."""
    import polars as pl

    same = np.ones(len(versions), dtype=np.bool_)
    same[:1] = False
    for name in versions.columns:
        values = _bits(versions[name])
        same[1:] &= values[1:] == values[:-1]
    return pl.Series(same)


def _bits(column: pl.Series) -> npt.NDArray[np.generic]:
    """A column as values that are equal only where they are the same, absent ones too: floats as bits."""
    if column.dtype.is_integer():
        return column.fill_null(schema.ABSENT_STAMP).to_numpy()
    values = column.to_numpy()
    return values.view(np.int64) if values.dtype == np.float64 else values
