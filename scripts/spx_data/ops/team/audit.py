"""The audit of a team's database: what people did with a lake, taken from the lake's journal.

The journal is written first, whether a server can be reached or not, so nothing is lost while there is none:
what the audit lacks is added whenever somebody connects. Each event goes in once, by its digest.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from spx_data.ops.team.place import AUDIT
from spx_data.store import journal
from spx_data.store.journal import Event
from spx_data.store.layout import Layout

if TYPE_CHECKING:
    import psycopg

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


def add(connection: psycopg.Connection, lake: str, symbol: str, layout: Layout) -> int:
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
