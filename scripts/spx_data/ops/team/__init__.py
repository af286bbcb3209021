"""A team's database: the status log's rows where all can query them, and an audit of what people did.

It is written and never read to decide anything: all that a fill needs is in the tree, and what the server
lacks after a time without it is added at the next refresh. So whatever is wrong with it is one line.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from spx_data.config import shipped
from spx_data.errors import SpxDataError
from spx_data.ops.team import migrations, rows
from spx_data.ops.team import place as places
from spx_data.ops.team.place import AUDIT, Place
from spx_data.settings import Settings
from spx_data.sources import postgres
from spx_data.status import database
from spx_data.store import journal
from spx_data.store.journal import Event, Journal
from spx_data.store.layout import Layout
from spx_data.text import commands

if TYPE_CHECKING:
    import psycopg

EXTRA = "postgres"
# That a refresh, or the audit of one command, may take at all.
_SECONDS, _SECONDS_OF_AN_AUDIT = 120.0, 15.0


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did: the rows that it wrote, in *seconds*, and how many events it added to the audit."""

    rows: int
    seconds: float
    events: int


def refresh(settings: Settings, place: Place, *, take_over: bool = False) -> Refreshed:
    """Put the rows of the status log in place, and add to the audit what it lacks.

    Raises:
        MachineError: the extra `postgres` is not installed.
        DatabaseConnectionError: there is no status log yet, or the server cannot be reached.
        DatabaseSchemaError: the database is of another version, or what is not ours is in the way.
        DatabaseTransactionError: it does not allow that, or is held by others.
    """
    shipped.check_extra(EXTRA)
    with (
        database.rows(settings.layout.database) as found,
        postgres.connected(place.url, _SECONDS) as connection,
    ):
        migrations.check(connection)
        lake = places.lake_name(settings.layout)
        events = add_to_audit(connection, lake, place.symbol, settings.layout)
        connection.commit()  # whatever becomes of the rows
        begun = time.monotonic()
        written = rows.replace(connection, place, lake, found, take_over=take_over)
        return Refreshed(written, time.monotonic() - begun, events)


def note(settings: Settings, words: Sequence[str]) -> None:
    """Write the command that these *words* are into the lake's journal, where a team has an audit of it."""
    if settings.database.url:
        log = Journal(settings.layout.lake_journal, "command")
        log.mention(journal.COMMANDED, command=harmless(words), by=journal.user())


def after_a_run(settings: Settings) -> str:
    """Refresh the team's database, where the lake has one; gives why that was not possible, in one line."""
    place = Place.of(settings)
    if place is None:
        return ""
    try:
        refresh(settings, place)
    except (SpxDataError, OSError) as error:
        return f"the team's status log is as it was: {commands.shown(str(error))}"
    return ""


def after_a_command(settings: Settings) -> str:
    """Add to the audit what it lacks; gives why that was not possible, in one line."""
    place = Place.of(settings)
    if place is None:
        return ""
    try:
        shipped.check_extra(EXTRA)
        with postgres.connected(place.url, _SECONDS_OF_AN_AUDIT) as connection:
            migrations.check(connection)
            add_to_audit(connection, places.lake_name(settings.layout), place.symbol, settings.layout)
    except (SpxDataError, OSError) as error:
        return f"the team's audit has not got it yet: {commands.shown(str(error))}"
    return ""


# The audit: what people did with a lake, from its journal ---------------------------------------------------
#
# The journal is written first, whether a server can be reached or not, so nothing is lost while there is
# none: what the audit lacks is added whenever somebody connects. Each event goes in once, by its digest.


# What a person did, or had done: a command, a change of the config, a word about a date, a mend, what was
# copied elsewhere.
KINDS = frozenset(
    {
        *(journal.COMMANDED, journal.CONFIGURED, journal.ACCEPTED, journal.REOPENED),
        *(journal.GIVEN_UP, journal.MENDED, journal.PUBLISHED, journal.SCHEMA_RAISED),
    }
)
_OF_ITS_OWN = frozenset({"at", "event", "stage", "run", "by", "command", "date"})
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"\],}]*")


def harmless(words: Sequence[str]) -> str:
    """A command line that may be kept: of every address in it the kind alone, as it may hold a secret."""
    return _ADDRESS.sub(r"\1***", " ".join(words))


def add_to_audit(connection: psycopg.Connection, lake: str, symbol: str, layout: Layout) -> int:
    """Add what the audit lacks of the journal of the lake named *lake*; gives how many events that were."""
    from psycopg import sql
    from psycopg.types.json import Json

    table = sql.Identifier(AUDIT, "event")
    events = [event for event in journal.read(layout.lake_journal) if event["event"] in KINDS]
    with connection.transaction():
        query = sql.SQL("SELECT digest FROM {} WHERE lake = %s").format(table)
        known = {digest for (digest,) in connection.execute(query, (lake,)).fetchall()}
        new = [row for event in events if (row := _row(event))["digest"] not in known]
        if not new:
            return 0
        names = ("lake", "symbol", *new[0])
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (lake, digest) DO NOTHING").format(
            table,
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(map(sql.Placeholder, names)),
        )
        with connection.cursor() as cursor:
            values = (row | {"lake": lake, "symbol": symbol, "details": Json(row["details"])} for row in new)
            cursor.executemany(statement, values)
    return len(new)


def _row(event: Event) -> dict[str, Any]:
    """An event of the lake's journal as a row of the audit."""
    text = json.dumps(event, sort_keys=True, default=str)
    day = None
    with suppress(ValueError, TypeError):
        day = date.fromisoformat(event.get("date"))  # type: ignore[arg-type]
    return {
        "happened_at": event["at"],
        "who": _text(event.get("by")) or "",
        "event": event["event"],
        "command": _text(event.get("command")),
        "date": day,
        "run": _text(event["run"]) or None,
        "details": _clean({name: value for name, value in event.items() if name not in _OF_ITS_OWN}),
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }


def _text(value: Any) -> str | None:
    return _clean(value) if isinstance(value, str) else None


def _clean(value: Any) -> Any:
    """*value* without what PostgreSQL cannot hold: zeros and half characters, numbers that are none."""
    if isinstance(value, str):
        return value.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
