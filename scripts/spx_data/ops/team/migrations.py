"""What stands in a team's database for good: its roles and the audit, brought from version to version.

The status log needs none of this, for it is made anew each time. A version is a list of statements that are
done once, all or none; who did them owns what they made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spx_data.errors import DatabaseSchemaError, SettingRefusedError
from spx_data.ops.team import place as places
from spx_data.ops.team.place import AUDIT, ROLES
from spx_data.text.words import quoted

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

# What was recorded is neither changed nor removed, by whoever it be: privileges keep the three roles from it,
# and the triggers its owner as well. Who recorded it, and when, is the server's word and not the client's.
_FIRST = """
CREATE TABLE {audit}.event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    recorded_by text NOT NULL DEFAULT session_user,
    lake text NOT NULL, symbol text NOT NULL,
    happened_at timestamptz NOT NULL, who text NOT NULL, event text NOT NULL,
    command text, date date, run text, details jsonb NOT NULL,
    digest text NOT NULL, UNIQUE (lake, digest)
);
CREATE INDEX event_happened_at ON {audit}.event (happened_at);
CREATE FUNCTION {audit}.stamp() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.recorded_at := statement_timestamp();
    NEW.recorded_by := session_user;
    RETURN NEW;
END $$;
CREATE FUNCTION {audit}.keep() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'what the audit has is neither changed nor removed'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER stamp BEFORE INSERT ON {audit}.event FOR EACH ROW EXECUTE FUNCTION {audit}.stamp();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {audit}.event
    FOR EACH STATEMENT EXECUTE FUNCTION {audit}.keep();
REVOKE ALL ON SCHEMA {audit} FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {audit} FROM PUBLIC;
GRANT USAGE ON SCHEMA {audit} TO {reader};
GRANT SELECT ON {audit}.migration TO {reader};
GRANT SELECT, INSERT (lake, symbol, happened_at, who, event, command, date, run, details, digest)
    ON {audit}.event TO {operator};
GRANT CREATE, CONNECT ON DATABASE {database} TO {operator};
GRANT CONNECT ON DATABASE {database} TO {reader};
"""

MIGRATIONS = (_FIRST,)
_LEDGER = """
CREATE TABLE {audit}.migration (
    version int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    applied_by text NOT NULL DEFAULT session_user
)
"""


def version(connection: psycopg.Connection) -> int:
    """The version of what stands there; 0 where there is nothing of ours.

    Raises:
        DatabaseSchemaError: something of somebody else's has our name.
    """
    from psycopg import sql

    if places.marked(connection, "SCHEMA", AUDIT) is None:
        return 0
    query = sql.SQL("SELECT coalesce(max(version), 0) FROM {}").format(sql.Identifier(AUDIT, "migration"))
    found = connection.execute(query).fetchone()
    return int(found[0]) if found else 0


def check(connection: psycopg.Connection) -> None:
    """Raise DatabaseSchemaError unless what stands there is of the version that this release knows."""
    there = version(connection)
    if there == len(MIGRATIONS):
        return
    if there > len(MIGRATIONS):
        raise _later(there)
    raise DatabaseSchemaError(
        f"the team's database is of version {there}, and this release writes {len(MIGRATIONS)}"
        if there
        else "the team's database is not set up for spx-data",
        cure="Have its owner bring it up to date: `spx-data database init`",
        expected=str(len(MIGRATIONS)),
        actual=str(there),
    )


def migrate(connection: psycopg.Connection) -> list[int]:
    """Make what is lacking, in one transaction; gives the versions that were added."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('spx-data migrations', 0))")
        there = version(connection)
        if there > len(MIGRATIONS):
            raise _later(there)
        _make_roles(connection)
        if not there:
            connection.execute(_filled(connection, "CREATE SCHEMA {audit}"))
            places.mark(connection, "SCHEMA", AUDIT, what="audit")
            connection.execute(_filled(connection, _LEDGER))
        added = list(range(there + 1, len(MIGRATIONS) + 1))
        for number in added:
            connection.execute(_filled(connection, MIGRATIONS[number - 1]))
            query = _filled(connection, "INSERT INTO {audit}.migration (version) VALUES (%s)")
            connection.execute(query, (number,))
    return added


def _later(there: int) -> DatabaseSchemaError:
    return DatabaseSchemaError(
        f"the team's database is of version {there}, of a later release; this one knows {len(MIGRATIONS)}",
        cure="Update spx-data here",
        expected=str(len(MIGRATIONS)),
        actual=str(there),
    )


def _make_roles(connection: psycopg.Connection) -> None:
    """Make the roles that are missing: each has the rights of the one before, and an admin may give them."""
    from psycopg import sql

    names = [places.role(connection, name) for name in ROLES]
    there = [places.marked(connection, "ROLE", name) is not None for name in names]
    for name, known in zip(names, there, strict=True):
        if not known:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
            places.mark(connection, "ROLE", name, what="role")
    reader, operator, admin = map(sql.Identifier, names)
    if not all(there):
        for lower, higher in ((reader, operator), (operator, admin)):
            connection.execute(sql.SQL("GRANT {} TO {}").format(lower, higher))
        for lower in (reader, operator):
            connection.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(lower, admin))


def _filled(connection: psycopg.Connection, statement: str) -> sql.Composed:
    from psycopg import sql

    roles = {name: sql.Identifier(places.role(connection, name)) for name in ROLES}
    database = sql.Identifier(connection.info.dbname)
    return sql.SQL(statement).format(audit=sql.Identifier(AUDIT), database=database, **roles)


# Who may do what --------------------------------------------------------------------------------------------


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
    check(connection)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is None:
        at = f"--host {quoted(connection.info.host)} --port {connection.info.port}"
        raise SettingRefusedError(
            f"the server has no role {name}",
            cure=f"Have its administrator make one: `createuser {at} --pwprompt {quoted(name)}`",
            what="NAME",
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

    info, there, events = connection.info, version(connection), None
    if there and _may(connection):
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(AUDIT, "event"))
        found = connection.execute(query).fetchone()
        events = int(found[0]) if found else 0
    number = info.server_version
    return Standing(
        server=f"PostgreSQL {number // 10000}.{number % 10000} at {info.host}:{info.port}",
        database=info.dbname,
        user=info.user,
        version=there,
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
