"""The rows of a status log in a team's database: those of before deleted and those of now copied, in one go.

All of it is one transaction, alone by an advisory lock: a query of somebody else finds one log or the next,
and where anything fails, the one of before. No reader is waited for, and none waits. The tables stay where
the columns stay, and so does what others make of them; of other columns they are made anew.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from spx_data._version import __version__
from spx_data.errors import DatabaseSchemaError
from spx_data.ops.team import place as places
from spx_data.ops.team.place import Place
from spx_data.sources import postgres
from spx_data.status import tables
from spx_data.status.tables import Row
from spx_data.store import journal

if TYPE_CHECKING:
    import psycopg

# Another refresh is waited for, and so is whoever holds a table that is to be made anew.
_LOCK_TIMEOUT = "30s"
Rows = Callable[[str], Iterator[Row]]


def replace(connection: psycopg.Connection, place: Place, lake: str, rows: Rows, *, take_over: bool) -> int:
    """Put all *rows* of a status log in place as that of the lake named *lake*; gives how many they are.

    Raises:
        DatabaseSchemaError: something of somebody else's has the name of what is ours, or of another lake;
            the latter makes room where it is to be taken over. Or something rests on columns of before.
        DatabaseTransactionError: somebody held the tables for longer than we wait.
    """
    from psycopg import sql

    written = 0
    with connection.transaction():
        operator = places.role(connection, "operator")
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(operator)))
        connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        _alone(connection, place)
        _make_tables(connection, place, _ours(connection, place, lake, take_over=take_over))
        for table in every():
            connection.execute(f"DELETE FROM {table.name}")
            written += _copy(connection, table, rows(table.name))
            connection.execute(f"ANALYZE {table.name}")
        connection.execute("SET LOCAL search_path = pg_catalog")
        told: dict[str, Any] = {
            "what": "status",
            "lake": lake,
            "symbol": place.symbol,
            "release": __version__,
        }
        told |= {"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "by": journal.user()}
        told |= {"form": _form(), "tables": [table.name for table in every()]}
        places.mark(connection, "SCHEMA", place.schema, **told)
    return written


def _alone(connection: psycopg.Connection, place: Place) -> None:
    key = f"spx-data {place.schema}"
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))


def _ours(connection: psycopg.Connection, place: Place, lake: str, *, take_over: bool) -> Mapping[str, Any]:
    """What the mark of the schema says, which is made where there is none."""
    there = places.marked(connection, "SCHEMA", place.schema)
    if there is None:
        return _created(connection, place.schema)
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
    return there


def _created(connection: psycopg.Connection, schema: str) -> Mapping[str, Any]:
    """Make a schema of ours, which readers may look into."""
    from psycopg import sql

    name, reader = sql.Identifier(schema), sql.Identifier(places.role(connection, "reader"))
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(name, reader))
    return {}


def _make_tables(connection: psycopg.Connection, place: Place, told: Mapping[str, Any]) -> None:
    """Let the tables of today be there, by what the mark has *told* of those of before; they come first now.

    Raises:
        DatabaseSchemaError: something else was made of tables whose columns are others now, or has the name
            of a new one.
    """
    from psycopg import errors, sql

    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(place.schema)))
    if told.get("form") == _form():
        return
    before = told.get("tables")
    try:
        with connection.transaction():
            for name in before if isinstance(before, list) else ():
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))
            for statement in (*(table.statement for table in every()), *indexes()):
                connection.execute(statement)
    except (errors.DependentObjectsStillExist, errors.DuplicateTable) as error:
        said = " ".join((error.diag.message_detail or str(error)).split())
        raise DatabaseSchemaError(
            f"the team's database has something else in the schema {place.schema}, or made of its "
            f"tables of before: {said}; nothing was changed",
            cure=f"Drop that, and make it anew afterwards, elsewhere; {postgres.LATER}",
            expected="our tables alone",
            actual=said,
        ) from error
    reader = sql.Identifier(places.role(connection, "reader"))
    for table in every():
        grant = sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(table.name), reader)
        connection.execute(grant)


def _copy(connection: psycopg.Connection, table: Table, rows: Iterable[Row]) -> int:
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY {table.name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(table.held(row))
        return cursor.rowcount


# The tables as PostgreSQL has them: made from SQLite's own statements, row for row the same -----------------

_TABLE = re.compile(r"CREATE TABLE (\w+) \((.*?)\n?\)(?: WITHOUT ROWID)?;", re.DOTALL)
_COLUMN = re.compile(r"(?:^|,)\s*(\w+) (TEXT|INTEGER|REAL)\b")
_INDEX = re.compile(r"CREATE INDEX (\w+) ON (\w+) \((\w+)\);")
_KINDS = {"TEXT": "text", "INTEGER": "bigint", "REAL": "double precision"}
_LARGEST = 2**63


@dataclass(frozen=True)
class Table:
    """One table: its name, and what stands between its brackets in SQLite's statement."""

    name: str
    inside: str

    @cached_property
    def columns(self) -> dict[str, str]:
        """Each column with its type in PostgreSQL."""
        return {name: _KINDS[kind] for name, kind in _COLUMN.findall(self.inside)}

    @cached_property
    def statement(self) -> str:
        """What makes it, in the schema that comes first on the path."""
        told = re.sub(r"\b(TEXT|INTEGER|REAL)\b", lambda kind: _KINDS[kind[1]], self.inside)
        return f"CREATE TABLE {self.name} ({told})"

    def held(self, row: Sequence[Any]) -> list[Any]:
        """*row* as the columns can hold it: what SQLite takes in any column, and these do not, is null."""
        return [_held(value, kind) for value, kind in zip(row, self.columns.values(), strict=True)]


def _held(value: Any, kind: str) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\\x00") if kind == "text" else None
    if kind == "bigint":
        return value if isinstance(value, int) and -_LARGEST <= value < _LARGEST else None
    return value if value is None or kind != "text" else str(value)


def every() -> Iterator[Table]:
    """Each table of the status log, in the order that it has there."""
    return (Table(name, inside) for name, inside in _TABLE.findall(tables.SCHEMA))


def indexes() -> Iterator[str]:
    """What makes the indexes, once the rows are in."""
    return (
        f"CREATE INDEX {name} ON {table} ({column})" for name, table, column in _INDEX.findall(tables.INDEXES)
    )


def _form() -> str:
    """What tells the tables of one release from those of another."""
    statements = (*(table.statement for table in every()), *indexes())
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()[:16]
