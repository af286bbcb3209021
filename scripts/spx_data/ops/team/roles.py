"""Who may do what in a team's database: given and taken by GRANT and REVOKE, and shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spx_data.errors import SettingRefusedError
from spx_data.ops.team import migrations
from spx_data.ops.team import place as places
from spx_data.ops.team.place import AUDIT, ROLES
from spx_data.text.words import quoted

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql


def grant(connection: psycopg.Connection, role: str, name: str) -> None:
    """Give *name*, who can log in, a *role* of `ROLES`; an admin may give roles on.

    Raises:
        SettingRefusedError: the server has nobody of that name.
        DatabaseSchemaError: the database is not set up.
    """
    from psycopg import sql

    _check(connection, name)
    query = "GRANT {} TO {} WITH ADMIN OPTION" if role == "admin" else "GRANT {} TO {}"
    _do(connection, sql.SQL(query), role, name)


def revoke(connection: psycopg.Connection, role: str, name: str) -> None:
    """Take a *role* of `ROLES` from *name*; raises as `grant`."""
    from psycopg import sql

    _check(connection, name)
    _do(connection, sql.SQL("REVOKE {} FROM {}"), role, name)


def _do(connection: psycopg.Connection, statement: sql.SQL, role: str, name: str) -> None:
    from psycopg import sql

    ours = sql.Identifier(places.role(connection, role))
    connection.execute(statement.format(ours, sql.Identifier(name)))


def _check(connection: psycopg.Connection, name: str) -> None:
    migrations.check(connection)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is None:
        at = f"--host {quoted(connection.info.host)} --port {connection.info.port}"
        raise SettingRefusedError(
            f"the server has no role {name}",
            cure=f"Have its administrator make one: `createuser {at} --pwprompt {quoted(name)}`",
            what="NAME",
            reason="no such role",
        )


@dataclass(frozen=True)
class Standing:
    """How a team's database stands: where, as whom, its version, who has which role, and what is in it."""

    server: str
    database: str
    user: str
    version: int
    members: dict[str, list[str]]
    logs: list[dict[str, str]]
    events: int | None  # of the audit; None for whom it is closed


def show(connection: psycopg.Connection) -> Standing:
    """How it stands; raises DatabaseSchemaError where something of somebody else's has our name."""
    from psycopg import sql

    info, version, events = connection.info, migrations.version(connection), None
    if version and _may(connection):
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(AUDIT, "event"))
        found = connection.execute(query).fetchone()
        events = int(found[0]) if found else 0
    number = info.server_version
    return Standing(
        server=f"PostgreSQL {number // 10000}.{number % 10000} at {info.host}:{info.port}",
        database=info.dbname,
        user=info.user,
        version=version,
        members={name: _members(connection, places.role(connection, name)) for name in ROLES},
        logs=_logs(connection),
        events=events,
    )


def _may(connection: psycopg.Connection) -> bool:
    query = "SELECT has_table_privilege(%s, 'SELECT')"
    found = connection.execute(query, (f"{AUDIT}.event",)).fetchone()
    return bool(found and found[0])


def _members(connection: psycopg.Connection, role: str) -> list[str]:
    found = connection.execute(
        "SELECT m.rolname FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid "
        "JOIN pg_roles m ON m.oid = a.member WHERE r.rolname = %s AND m.rolcanlogin ORDER BY 1",
        (role,),
    )
    return list(dict.fromkeys(name for (name,) in found.fetchall()))


def _logs(connection: psycopg.Connection) -> list[dict[str, str]]:
    """The mark of each status log there, with the name of its schema."""
    found = connection.execute(
        "SELECT nspname FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') LIKE %s ORDER BY 1",
        ('{"spx-data"%"status"%',),
    )
    logs = []
    for (name,) in found.fetchall():
        told = places.marked(connection, "SCHEMA", name) or {}
        logs.append(
            {"schema": name, **{key: str(told.get(key, "")) for key in ("symbol", "at", "by", "lake")}}
        )
    return logs
