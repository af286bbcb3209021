"""Where a lake's status log stands in a team's database, and the marks by which what is ours is known.

Each schema and role of ours has a comment that says so. What has none is somebody else's: it is named, and
nothing of it is touched.
"""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spx_data.errors import DatabaseSchemaError
from spx_data.settings import Settings
from spx_data.store import foreign, journal, locks
from spx_data.store.journal import Journal
from spx_data.store.layout import Layout

if TYPE_CHECKING:
    import psycopg

AUDIT = "spx_data_audit"  # the schema of the audit
_LONGEST = 63  # bytes of a name in PostgreSQL
_OURS = "spx-data"  # the key that a comment of ours begins with
ROLES = ("reader", "operator", "admin")


@dataclass(frozen=True)
class Place:
    """The database at *url*, and the schema in it that lists and dashboards read."""

    url: str
    schema: str
    symbol: str

    @classmethod
    def of(cls, settings: Settings) -> Place | None:
        """That of a lake; None where it has none."""
        told = settings.database
        return (told.url and cls(told.url, told.schema, settings.product.symbol)) or None


def role(connection: psycopg.Connection, name: str) -> str:
    """The role *name* (of `ROLES`) of the database that *connection* is to: roles are a whole server's."""
    return f"spx_data_{name}_{connection.info.dbname}".encode()[:_LONGEST].decode(errors="ignore")


def lake_name(layout: Layout) -> str:
    """By which a lake is told from others, wherever it lies: given once, and kept in its journal."""
    with locks.locked(layout.lock("team")):
        for event in journal.read(layout.lake_journal):
            if event["event"] == journal.JOINED and event["lake"]:
                return str(event["lake"])
        name = str(uuid.uuid4())
        Journal(layout.lake_journal, "team").record(journal.JOINED, lake=name)
        return name


def mark(connection: psycopg.Connection, kind: str, name: str, **told: Any) -> None:
    """Say in the comment of the schema or role *name* (*kind*: SCHEMA, ROLE) that it is ours, and more."""
    from psycopg import sql

    comment = json.dumps({_OURS: 1, **told})
    connection.execute(
        sql.SQL("COMMENT ON {} {} IS {}").format(sql.SQL(kind), sql.Identifier(name), sql.Literal(comment))
    )


def marked(connection: psycopg.Connection, kind: str, name: str) -> dict[str, Any] | None:
    """What the mark of a schema or role says; None where there is no such thing.

    Raises:
        DatabaseSchemaError: there is one, and it is not ours.
    """
    comments = {
        "SCHEMA": "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s",
        "ROLE": "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s",
    }
    found = connection.execute(comments[kind], (name,)).fetchone()
    if found is None:
        return None
    with suppress(ValueError, TypeError):
        told = foreign.parsed((found[0] or "").encode())
        if isinstance(told, dict) and told.get(_OURS):
            return told
    raise DatabaseSchemaError(
        f"the team's database has a {kind.lower()} {name} that is not of spx-data; it is left alone",
        cure="Set another database: `spx-data config set database.url postgresql://HOST/DATABASE`"
        if kind == "ROLE" or name == AUDIT
        else f"Set another name: `spx-data config set database.schema {name}_2`",
        expected="a comment of spx-data",
        actual=str(found[0] or "none"),
    )
