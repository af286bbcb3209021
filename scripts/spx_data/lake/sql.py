"""A lake for SQL: DuckDB over sealed days alone, on a connection that cannot write.

The views stand in a small database that is made anew for each connection and has no name on the disk once it
is open: opened read-only, so that nothing in it can be changed, and with no file within reach but those of
the days. What DuckDB itself has no lock for is a COPY that names a sealed file and says USE_TMP_FILE false;
`rows` refuses that too.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from spx_data.config import shipped
from spx_data.errors import QueryError
from spx_data.lake import contracts, frames, reader
from spx_data.lake.reader import Missing
from spx_data.lake.reader.place import LAKE, Folder, Lake, Selection, opened
from spx_data.market.columns import COLUMNS, SOLVED, VALID_GREEKS
from spx_data.market.contracts import COLUMNS as CONTRACTS
from spx_data.market.dates import ZONE
from spx_data.store.contracts import SCHEMA

if TYPE_CHECKING:
    import duckdb

_UNDERLYING = ("underlying_timestamp", "underlying_price")
_READS = frozenset({"SELECT", "EXPLAIN", "MULTI"})  # PIVOT is several statements to DuckDB


class Answer(NamedTuple):
    """What a query gave: the names of its columns, and its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def connect(
    dates: Selection = None,
    *,
    lake: Lake = LAKE,
    data: Folder | None = None,
    verify: bool = True,
    missing: Missing = "raise",
    min_score: float | None = None,
    complete: bool | None = None,
    snapshot: Folder | None = None,
    null_sentinels: bool = False,
) -> duckdb.DuckDBPyConnection:
    """A read-only connection of DuckDB whose views are sealed days: `quotes`, `chains`, `contracts`, `days`.

    `quotes` has the columns of docs/data.md, the others those of the functions of these names; `contracts` is
    of those days that have theirs. The time zone is New York's, so that "timestamp" = '2024-01-02 10:00' and
    strftime mean the exchange's clock on every machine. *null_sentinels*=True makes greeks null where there
    are none (as `valid_greeks` of `scan` has it), and the underlying where its price is 0. The other
    arguments, and the warnings, are those of `scan`.

    Raises:
        MachineError: DuckDB is not installed (the extra `sql`).
        DateValidationError, MissingFileError, FileCorruptionError, OtherVersionError: as `scan` does.
    """
    shipped.check_extra("sql")
    import duckdb

    place, dates = opened(dates, lake, data)
    paths = reader.sealed_paths(
        dates,
        lake=place,
        data=data,
        verify=verify,
        missing=missing,
        min_score=min_score,
        complete=complete,
        snapshot=snapshot,
    )
    there = [Path(path).resolve() for path in paths]
    days = [dt.date.fromisoformat(path.stem[-10:]) for path in there]
    sealed = place.seals(days)
    place.hold(sealed, contracts=True, verify=verify)
    found, damaged = contracts.files(place.layout, sealed, verify=verify)
    if damaged:
        contracts.warn(place, "have lost their contracts", damaged)
    beside = [path.resolve() for path in found.values()]
    told = {name: of(days, lake=place, missing="ignore") for name, of in _FRAMES.items()}
    with tempfile.TemporaryDirectory(prefix="spx-data-") as folder:
        database, spilled = f"{folder}/lake.duckdb", f"{folder}-spilled"
        with duckdb.connect(database) as made:
            _define(made, there, told, null_sentinels)
            _define_contracts(made, beside)
        connection = duckdb.connect(database, read_only=True)
    connection.execute(f"SET TimeZone = '{ZONE}'")
    connection.execute(f"SET temp_directory = {_text(spilled)}")  # there while something is, then gone
    connection.execute(f"SET allowed_paths = [{_listed([*there, *beside])}]")
    connection.execute("SET enable_external_access = false")
    return connection


_FRAMES = {"chains": frames.chains, "days": frames.days}


def _define(
    made: duckdb.DuckDBPyConnection, paths: Iterable[Path], told: dict[str, pl.DataFrame], nulls: bool
) -> None:
    rows = f"FROM read_parquet([{_listed(paths)}], union_by_name = true, hive_partitioning = false)"
    there = {name for name, *_ in made.execute(f"DESCRIBE {rows}").fetchall()}
    conditions = dict.fromkeys(SOLVED, VALID_GREEKS) | dict.fromkeys(_UNDERLYING, "underlying_price > 0")
    replaced = [
        f'CASE WHEN {condition} THEN "{name}" END AS "{name}"'
        for name, condition in conditions.items()
        if nulls and {name, "underlying_price"} <= there
    ]
    chosen = f"* REPLACE ({', '.join(replaced)})" if replaced else "*"
    made.execute(f"CREATE VIEW quotes AS SELECT {chosen} {rows}")
    for name, frame in told.items():
        made.register("told", frame.to_arrow())
        made.execute(f"CREATE TABLE {name} AS SELECT * FROM told")
        made.unregister("told")


def _define_contracts(made: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    """The view of the contracts; of days that have none it is empty."""
    if paths:
        rows = f"FROM read_parquet([{_listed(paths)}], hive_partitioning = false)"
        made.execute(f"CREATE VIEW contracts AS SELECT * {rows}")
        return
    made.register("none", SCHEMA.empty_table())
    made.execute("CREATE TABLE contracts AS SELECT * FROM none")
    made.unregister("none")


def _listed(paths: Iterable[Path]) -> str:
    return ", ".join(_text(str(path)) for path in paths)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> Answer:
    """The answer to one *query* that reads; moments are New York's.

    Raises:
        QueryError: it is no SQL, more than one statement, or writes.
    """
    import duckdb

    try:
        statements = duckdb.extract_statements(query)
        kinds = [statement.type.name for statement in statements]
        if len(kinds) != 1:
            raise _refused(f"there is not one statement, but {len(kinds)}", "Give one at a time")
        if kinds[0] not in _READS:
            raise _refused(
                f"{kinds[0]} writes, or changes the connection", "Sealed days are only read: SELECT"
            )
        table = connection.sql(query).to_arrow_table()
    except duckdb.Error as error:
        raise _refused(str(error).partition("\n")[0], "`spx-data views` shows what there is") from error
    columns = [column.to_pylist() for column in table.columns]
    return Answer(table.column_names, list(zip(*columns, strict=True)))


def _refused(finding: str, cure: str) -> QueryError:
    return QueryError(f"sql: {finding}", cure=cure, what="sql")


class Described(NamedTuple):
    """A column of a view."""

    view: str
    column: str
    meaning: str


def views(names: Iterable[str]) -> list[Described]:
    """Every column of the views; *names* are those of the quotes."""
    found = [Described("quotes", name, COLUMNS[name].unit) for name in names]
    chains, days = (
        [Described(table.name, name, told.meaning) for name, told in table.columns.items()]
        for table in (frames.CHAINS, frames.DAYS)
    )
    return [*found, *chains, *(Described("contracts", each.name, each.unit) for each in CONTRACTS), *days]
