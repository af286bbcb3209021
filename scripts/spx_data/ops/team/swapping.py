"""The rows of a status log in a team's database: written beside those of before, put in their place at once.

All of it is one transaction, alone by an advisory lock: a reader has one log or the next, and where anything
fails, the one of before. What readers use are views, which stay where the columns stay; the rows behind them
are in one of two schemas, in turn. A reader within a transaction holds its tables: the exchange waits for a
moment, lets others pass, and tries again, while the rows wait in the transaction.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spx_data._version import __version__
from spx_data.errors import DatabaseSchemaError, DatabaseTransactionError
from spx_data.ops.team import place as places
from spx_data.ops.team import tables
from spx_data.ops.team.place import Place
from spx_data.sources import postgres
from spx_data.status.tables import Row
from spx_data.store import journal

if TYPE_CHECKING:
    import psycopg

# An exchange that somebody is in the way of is tried again after these seconds.
PAUSES = (0.5, 1.0, 2.0, 4.0)
LOCK_TIMEOUT_MS = 2000
Rows = Callable[[str], Iterator[Row]]


@dataclass(frozen=True)
class Written:
    """What was put in place: so many *rows*, in *seconds*, after so many *tries*."""

    rows: int
    seconds: float
    tries: int


def swap(connection: psycopg.Connection, place: Place, lake: str, rows: Rows, *, take_over: bool) -> Written:
    """Put all *rows* of a status log in place as that of the lake named *lake*.

    Raises:
        DatabaseSchemaError: something of somebody else's has the name of what is ours, or of another lake;
            the latter makes room where it is to be taken over.
        DatabaseTransactionError: somebody held the tables for longer than we wait.
    """
    from psycopg import sql

    begun = time.monotonic()
    operator = places.role(connection, "operator")
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(operator)))
        connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        tries = _patiently(connection, place, lambda: _alone(connection, place))
        here = _ours(connection, place, lake, take_over=take_over)
        old, new = place.halves if here == place.halves[0] else place.halves[::-1]
        _drop(connection, new)
        written = _write(connection, place, new, rows)
        told = {"what": "status", "lake": lake, "symbol": place.symbol, "rows": new, "release": __version__}
        told |= {"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "by": journal.user()}

        def exchange() -> None:
            _show(connection, place, old, new)
            _drop(connection, old)
            places.mark(connection, "SCHEMA", place.schema, **told)

        tries += _patiently(connection, place, exchange) - 1
    return Written(written, time.monotonic() - begun, tries)


def _alone(connection: psycopg.Connection, place: Place) -> None:
    key = f"spx-data {place.schema}"
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))


def _patiently(connection: psycopg.Connection, place: Place, do: Callable[[], None]) -> int:
    """Do what others may be in the way of, again and again; gives how many tries it took."""
    from psycopg import errors

    for number, pause in enumerate((*PAUSES, None), start=1):
        try:
            with connection.transaction():
                do()
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            if pause is None:
                raise DatabaseTransactionError(
                    f"the team's database keeps the rows of before: {_holders(connection, place)} held them "
                    f"at each of {number} tries",
                    cure=f"End that transaction; {postgres.LATER}",
                    operation="swap",
                ) from error
            time.sleep(pause)
        else:
            return number
    raise AssertionError("the last try returns or raises")


def _holders(connection: psycopg.Connection, place: Place) -> str:
    """Who uses the tables and views of *place* now, as the server knows them."""
    found = connection.execute(
        "SELECT DISTINCT a.usename, a.application_name, a.pid FROM pg_locks l "
        "JOIN pg_stat_activity a ON a.pid = l.pid LEFT JOIN pg_class c ON c.oid = l.relation "
        "LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.granted AND l.pid <> pg_backend_pid() "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND (n.nspname = ANY(%s) OR l.locktype = 'advisory') ORDER BY a.pid LIMIT 3",
        ([place.schema, *place.halves],),
    ).fetchall()
    told = (
        f"{user} ({program or 'a program without a name'}, process {pid})" for user, program, pid in found
    )
    return ", ".join(told) or "somebody"


def _ours(connection: psycopg.Connection, place: Place, lake: str, *, take_over: bool) -> str | None:
    """In which schema the rows are now; None where there is nothing yet."""
    there = places.marked(connection, "SCHEMA", place.schema)
    if there is None:
        _create(connection, place.schema, lake)
        return None
    if there.get("lake") not in (lake, None) and not take_over:
        raise DatabaseSchemaError(
            f"the team's database has the log of another lake in the schema {place.schema} "
            f"({there.get('symbol')}, written by {there.get('by')} at {there.get('at')}); it is left alone",
            cure=f"Set another name: `spx-data config set database.schema {place.schema}_2`. "
            "If that lake is this one: "
            "`spx-data database refresh --take-over`",
            expected=lake,
            actual=str(there.get("lake")),
        )
    return str(there.get("rows"))


def _create(connection: psycopg.Connection, schema: str, lake: str) -> None:
    """Make a schema of ours, which readers may look into."""
    from psycopg import sql

    reader = places.role(connection, "reader")
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    connection.execute(
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), sql.Identifier(reader))
    )
    places.mark(connection, "SCHEMA", schema, what="status", lake=lake)


def _write(connection: psycopg.Connection, place: Place, schema: str, rows: Rows) -> int:
    """Make the tables in a new *schema*, and give them their rows; how many these are."""
    from psycopg import sql

    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    names = [table.name for table in tables.every()]
    places.mark(connection, "SCHEMA", schema, what="rows", of=place.schema, tables=names)
    path = sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema))
    connection.execute(path)
    written = 0
    for table in tables.every():
        connection.execute(table.statement)
        written += _copy(connection, table, rows(table.name))
    for index in tables.indexes():
        connection.execute(index)
    for table in tables.every():
        connection.execute(f"ANALYZE {table.name}")
    connection.execute("SET LOCAL search_path = pg_catalog")
    return written


def _copy(connection: psycopg.Connection, table: tables.Table, rows: Iterable[Row]) -> int:
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY {table.name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(table.held(row))
        return cursor.rowcount


def _show(connection: psycopg.Connection, place: Place, before: str, schema: str) -> None:
    """Let the views that readers use show the rows in *schema*, and no more those in the one *before*."""
    from psycopg import errors, sql

    reader = sql.Identifier(places.role(connection, "reader"))
    for gone in {*_told(connection, before)} - {table.name for table in tables.every()}:
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(place.schema, gone)))
    for table in tables.every():
        view = sql.Identifier(place.schema, table.name)
        rows = sql.SQL("VIEW {} AS SELECT * FROM {}").format(view, sql.Identifier(schema, table.name))
        try:
            with connection.transaction():
                connection.execute(sql.SQL("CREATE OR REPLACE {}").format(rows))
        except errors.InvalidTableDefinition:  # of other columns than those of before
            connection.execute(sql.SQL("DROP VIEW {}").format(view))
            connection.execute(sql.SQL("CREATE {}").format(rows))
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(view, reader))


def _drop(connection: psycopg.Connection, schema: str) -> None:
    """Drop a schema of ours, if it is there, with our tables and nothing else.

    Raises:
        DatabaseSchemaError: something else is in it or was made of its tables, or the schema is not ours.
    """
    from psycopg import errors, sql

    if places.marked(connection, "SCHEMA", schema) is None:
        return

    try:
        with connection.transaction():
            for name in _told(connection, schema):
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(schema, name)))
            connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(schema)))
    except errors.DependentObjectsStillExist as error:
        raise DatabaseSchemaError(
            f"the team's database has something else in the schema {schema}, or made of its tables: "
            f"{' '.join((error.diag.message_detail or str(error)).split())}; nothing was changed",
            cure=f"Make views of those in {schema[:-2]}, and put tables elsewhere; {postgres.LATER}",
            expected="our tables alone",
            actual=str(error.diag.message_detail),
        ) from error


def _told(connection: psycopg.Connection, schema: str) -> list[Any]:
    """The tables that the mark of a schema of rows says it has; none where there is no such schema."""
    found = (places.marked(connection, "SCHEMA", schema) or {}).get("tables")
    return found if isinstance(found, list) else []
