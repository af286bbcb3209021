"""Read a lake: sealed days alone, checked before the first row is read, named by one digest.

import spx_data

days = spx_data.scan("2024-01..2024-03", add=["iv_mid"])  # … with volatilities of our own
days = spx_data.scan("2024-01..2024-03")                # a polars.LazyFrame, every byte checked
name = spx_data.verification_root("2024-01..2024-03")   # what a backtest notes down
days = spx_data.scan("2024-01..2024-03", root=name)     # … and later asks for: these bytes or an error
paths = spx_data.sealed_paths("2024-01..2024-03")       # the same files for DuckDB: read_parquet(paths)
days = spx_data.scan("2024-01", lake="s3://bucket/spx") # the lake that was published there
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Literal, get_args

from spx_data.errors import DateValidationError, SchemaValidationError
from spx_data.lake.reader import computed, days
from spx_data.lake.reader.place import LAKE, Folder, Lake, Place, Selection, check_root, opened, parsed
from spx_data.lake.verify import root_of
from spx_data.market import schema
from spx_data.market.columns import VALID_GREEKS
from spx_data.market.dates import Dates
from spx_data.market.products import Product
from spx_data.store import dataset
from spx_data.store.seals import Seal
from spx_data.text.words import counted

if TYPE_CHECKING:
    import polars as pl

Missing = Literal["raise", "warn", "ignore"]


class DaysWarning(UserWarning):
    """Some of the *dates* that were asked for are not there, or not complete."""

    def __init__(self, text: str, dates: Iterable[dt.date]) -> None:
        super().__init__(text)
        self.dates = tuple(dates)


class MissingDaysWarning(DaysWarning):
    """Sessions that should be there were left out."""


class IncompleteDaysWarning(DaysWarning):
    """Of some days not everything could be had."""


def scan(
    dates: Selection = None,
    *,
    lake: Lake = LAKE,
    data: Folder | None = None,
    verify: bool = True,
    root: str | None = None,
    missing: Missing = "raise",
    min_score: float | None = None,
    complete: bool | None = None,
    snapshot: Folder | None = None,
    valid_greeks: bool = False,
    schema_version: int | None = None,
    add: Collection[str] = (),
    product: Product | None = None,
) -> pl.LazyFrame:
    """The rows of sealed days, in date order, as a lazy frame of Polars.

    *dates* selects: None is every day of the lake; else a day, a month, a year or a range as text
    ("2024-01-02", "2024-03", "2024-01-02..2024-02-01"), the recent past ("last 5 days", "last 20 sessions"),
    a date, or several of these. *lake* is the folder of the sealed days (`processing.output_directory`), or
    the URL that they were published to (`publish.url`), which alone, in the place of *dates*, is all of that
    lake; whatever else lies in it is not read. With *verify* each
    day's bytes are hashed and held against its sidecar before anything is returned. *root* is the
    `verification_root` that the days of *dates* must have; it is computed from the sidecars, so it says
    something about the bytes only together with *verify*.

    *data* is the data directory (`processing.data_directory`), whose journals know which dates were sealed,
    accepted as they are, or closed; the folder around *lake* unless told, where *lake* has its usual name.

    *missing* says what becomes of sessions that should be there and are not: those that have traces, and
    those between two sealed days (`reader.days`). "warn" leaves them out with one `MissingDaysWarning`,
    "ignore" without a word. *min_score* (of 100, by the shipped weights) and *complete*=True leave out days
    by their passports, and a day that nobody judged has no score. Incomplete days come with one
    `IncompleteDaysWarning`, unless *complete* is False: asked for.

    *snapshot* names a set of days (`spx-data snapshot`), or is the path of its file: these days as they were
    then, of them those of *dates*, and an error that names each day that differs.

    *valid_greeks*=True leaves out the rows whose greeks are none: no volatility was solved for, or there was
    no underlying to solve with (`market.columns.VALID_GREEKS`, and docs/data.md).

    Days may be of several versions of the schema: the frame has the columns of the newest of them, null in
    days that were sealed without, or those of the *schema_version* that is asked for.

    *add* names columns to compute from the quotes, beside the vendor's (docs/data.md): `forward` and
    `discount` of each expiration and stamp; `iv_bid`, `iv_mid`, `iv_ask`; `own_delta`, `own_gamma`,
    `own_theta`, `own_vega`, `own_rho`; `moneyness`, the strike over the forward; `mid`; `dte`, days to the
    expiration; `years` to the settlement. One that a day holds is as sealed. *product* says what the lake
    is of where `market.products` does not have its symbol.

    Raises:
        DateValidationError: *dates* names no date, or selects no sealed day; *missing* is another word.
        SchemaValidationError: there is no such *schema_version*, or no such column to *add*; or the lake has
            no greeks that could be valid.
        ConfigurationValidationError: nobody says what the lake is of, which columns to *add* hang on; or no
            lake is published at the URL, or it refuses.
        ApiConnectionError: the URL cannot be reached.
        OtherVersionError: the lake, or one of the days, was written by another version of spx-data.
        MissingFileError: sessions are missing, and none of them was ever sealed.
        FileCorruptionError: such sessions were sealed once; or bytes are not those that were sealed, or a
            day's passport, footer or sidecar is of other data, and then every such day is named; or the days
            are not those that *root* stands for, or of the *snapshot*.
    """
    import polars as pl

    computed.check(add)
    place, dates = opened(dates, lake, data)
    layout = place.layout
    chosen = _chosen(dates, place, verify, root, missing, min_score, complete, snapshot)
    kind, newest = max(chosen.values())
    columns = _schema(kind, newest if schema_version is None else schema_version)
    paths = {date: layout.parquet(date) for date in chosen}
    held = set(columns).intersection(schema.SCHEMAS[kind][min(chosen.values())[1]].day.names)
    if set(add) - held:
        rows = computed.scan(paths, columns, list(add), product or dataset.product(layout.output))
    else:
        rows = pl.scan_parquet(
            list(map(str, paths.values())),
            glob=False,
            hive_partitioning=False,
            schema=columns,
            cast_options=pl.ScanCastOptions(categorical_to_string="allow"),  # of days that declare none
            missing_columns="insert",
            extra_columns="ignore",
        )
    return rows.filter(pl.sql_expr(_valid(columns.names()))) if valid_greeks else rows


def _valid(names: Iterable[str]) -> str:
    """The condition for rows with valid greeks, of rows with these columns."""
    if not {"implied_vol", "iv_error", "vega", "underlying_price"} <= set(names):
        raise SchemaValidationError(
            "valid_greeks: this lake holds no greeks of the vendor's",
            cure="Leave it out: those of our own are null where there are none",
            what="valid_greeks",
        )
    return VALID_GREEKS


def _schema(kind: str, version: int) -> pl.Schema:
    """The columns of a *version* of a *kind* of records as Polars reads them."""
    import polars as pl

    if version not in (known := schema.SCHEMAS[kind]):
        raise SchemaValidationError(
            f"schema_version: there is no version {version!r} of {kind}",
            cure=f"Ask for one from 1 to {max(known)}, or for none: the union of all",
            what="schema_version",
        )
    return pl.DataFrame(schema.declared(known[version].day).empty_table()).schema


def sealed_paths(
    dates: Selection = None,
    *,
    lake: Lake = LAKE,
    data: Folder | None = None,
    verify: bool = True,
    root: str | None = None,
    missing: Missing = "raise",
    min_score: float | None = None,
    complete: bool | None = None,
    snapshot: Folder | None = None,
) -> list[str]:
    """The Parquet files of sealed days, in date order: what DuckDB, pandas and others are to read.

    Days of several versions of the schema make one table where columns go by name: in DuckDB
    `read_parquet(paths, union_by_name=true)`.

    A pattern like `*.parquet` finds copies and other files as well, and rows would count twice. Arguments,
    warnings and errors are those of `scan`.
    """
    place, dates = opened(dates, lake, data)
    layout = place.layout
    chosen = _chosen(dates, place, verify, root, missing, min_score, complete, snapshot)
    return [str(layout.parquet(date)) for date in chosen]


def verification_root(
    dates: Selection = None,
    *,
    lake: Lake = LAKE,
    data: Folder | None = None,
    missing: Missing = "raise",
) -> str:
    """The one digest that stands for the selected sealed days, by their sidecars; see `verify.root_of`.

    Raises:
        DateValidationError, MissingFileError, FileCorruptionError: as `scan` does for *dates*.
    """
    place, dates = opened(dates, lake, data)
    return root_of(_digests(_selected(place, dates, missing)))


def named(dates: Selection, *, lake: Lake, data: Folder | None) -> tuple[Place, Dates | None]:
    """The lake, and the dates that are named; None is every day.

    Raises:
        DateValidationError: *dates* names no date.
        OtherVersionError: the lake was written by another version of spx-data.
    """
    place, dates = opened(dates, lake, data)
    return place, parsed(dates)


def sealed(
    dates: Selection, *, lake: Lake, data: Folder | None, missing: Missing
) -> tuple[Place, dict[dt.date, Seal]]:
    """The lake, and the sealed days of *dates* with what their sidecars vouch for.

    Raises:
        DateValidationError, MissingFileError, FileCorruptionError: as `scan` does for *dates*.
    """
    place, dates = opened(dates, lake, data)
    return place, _selected(place, dates, missing)


def _chosen(
    dates: Selection,
    place: Place,
    verify: bool,
    root: str | None,
    missing: Missing,
    min_score: float | None,
    complete: bool | None,
    snapshot: Folder | None,
) -> dict[dt.date, tuple[str, int]]:
    """The days whose files `sealed_paths` gives, each with the kind of its records and its schema's version.

    A lake holds one kind.
    """
    if snapshot is None:
        sealed = _selected(place, dates, missing)
    else:
        sealed = place.seals(place.held(snapshot, parsed(dates)))
    place.hold(sealed, rows=True, verify=verify)
    layout, digests = place.layout, _digests(sealed)
    if root is not None:
        check_root(digests, root)
    described = days.described(layout, digests)
    lacking = days.incomplete(described)
    poor = set() if min_score is None else set(days.below(described, min_score))
    chosen = {day: digests[day] for day in digests if day not in poor and not (complete and day in lacking)}
    if not chosen:
        scored = None if min_score is None else f"a score of {min_score:g}"
        asked = filter(None, (scored, "complete=True" if complete else None))
        what = f"none of the {len(digests)} selected days of {place.name} has {' and '.join(asked)}"
        raise DateValidationError(what, cure="Ask for less; `spx-data quality` shows each day")
    if complete is None and (told := {date: why for date, why in lacking.items() if date in chosen}):
        _warn_of_incomplete(place, told)
    return {date: (described[date]["records"], described[date]["schema_version"]) for date in chosen}


def _warn_of_incomplete(place: Place, lacking: dict[dt.date, str]) -> None:
    first = min(lacking)
    text = (
        f"{place.name}: {len(lacking)} days are incomplete: {days.named(lacking)}; {first}: "
        f"{lacking[first][:200]}. `spx-data mend` fetches what they lack; complete=True leaves them "
        "out, complete=False takes them without this warning"
    )
    warnings.warn(IncompleteDaysWarning(text, lacking), stacklevel=4)


def _digests(found: Mapping[dt.date, Seal]) -> dict[dt.date, str]:
    return {date: seal.parquet for date, seal in found.items()}


def _selected(place: Place, dates: Selection, missing: Missing) -> dict[dt.date, Seal]:
    """The sealed days that *dates* selects, oldest first, with what their sidecars vouch for."""
    if missing not in get_args(Missing):
        raise DateValidationError(
            f"missing: {missing!r} is none of {', '.join(get_args(Missing))}",
            cure='Write missing="raise", "warn" or "ignore"',
            what="missing",
        )
    within = parsed(dates)
    found = place.look(within)
    if found.missing and missing == "raise":
        raise found.error(place.layout)
    if not found.sealed:
        raise _nothing(place, within)
    if found.missing and missing == "warn":
        text = f"{place.name}: left out {len(found.missing)} sessions, {found.words}"
        warnings.warn(MissingDaysWarning(text, found.missing), stacklevel=5)
    return place.seals(found.sealed)


def _nothing(place: Place, within: Dates | None) -> DateValidationError:
    """The error that no day *within* is sealed: it says which are."""
    what = "holds no sealed day"
    cure = "Fill it with `spx-data process-gaps`, or name another lake's folder"
    if within is not None:
        what = f"{what} of {', '.join(within.words) or 'no dates'}"
        if there := place.look(None).sealed:
            cure = f"Name other dates: its {counted(len(there), 'day')} are of {there[0]} to {there[-1]}"
    return DateValidationError(f"{place.name} {what}", cure=cure)
