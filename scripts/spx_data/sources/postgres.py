"""The connection to a PostgreSQL server: one with an end, and what psycopg says in our words.

A password comes from PGPASSWORD, ~/.pgpass or a service file, as with any client of PostgreSQL; none stands
in an address, and nothing here ever says one. A server that stops answering is left when the time is up.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from spx_data.errors import (
    DatabaseConnectionError,
    DatabaseSchemaError,
    DatabaseTransactionError,
    SpxDataError,
    without_userinfo,
)

if TYPE_CHECKING:
    import psycopg

_CONNECT_SECONDS = 10
LATER = "`spx-data database refresh` brings it up to date once that is mended"


@contextmanager
def connected(url: str, seconds: float) -> Iterator[psycopg.Connection]:
    """A connection to the database at *url* for at most so many *seconds*; what is not committed is undone.

    Needs the extra `postgres`.

    Raises:
        DatabaseConnectionError: nobody answers there, it does not let us in, or it stopped answering.
        DatabaseSchemaError: what stands there rests on something else, or is of somebody else.
        DatabaseTransactionError: the server refuses what is asked of it.
    """
    import psycopg

    late = threading.Event()
    with _explained(late, "connect"):
        connection = psycopg.connect(url, **_options(url))
    watch = threading.Timer(seconds, _hang_up, (connection, late))
    watch.daemon = True
    watch.start()
    try:
        with _explained(late, "write"), connection:
            yield connection
    finally:
        watch.cancel()
        with suppress(psycopg.Error):
            connection.close()


def _options(url: str) -> dict[str, Any]:
    """What a connection needs beside its address, where that does not say otherwise."""
    told = {"application_name": "spx-data", "connect_timeout": _CONNECT_SECONDS}
    # A service file may have a time of its own, and the environment too.
    if "connect_timeout=" in url or "PGCONNECT_TIMEOUT" in os.environ:
        told.pop("connect_timeout")
    return told


def _hang_up(connection: psycopg.Connection, late: threading.Event) -> None:
    """End what a thread waits for at a server that does not answer: nothing else would."""
    late.set()
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


@contextmanager
def _explained(late: threading.Event, operation: str) -> Iterator[None]:
    import psycopg
    from psycopg import errors

    try:
        yield
    except SpxDataError:
        raise
    except errors.InsufficientPrivilege as error:
        raise DatabaseTransactionError(
            f"the team's database does not allow that: {_said(error)}",
            cure="Have an admin give you the role: `spx-data database grant operator NAME`",
            operation=operation,
        ) from error
    except errors.DependentObjectsStillExist as error:
        raise DatabaseSchemaError(
            f"the team's database holds what rests on an older form of the status log: {_said(error)}",
            cure=f"Drop that, and make it anew afterwards; {LATER}",
            expected="nothing that rests on columns of before",
            actual=_said(error),
        ) from error
    except (errors.LockNotAvailable, errors.QueryCanceled) as error:
        raise DatabaseTransactionError(
            f"the team's database was busy: {_said(error)}", cure=LATER.capitalize(), operation=operation
        ) from error
    except psycopg.OperationalError as error:
        why = "it stopped answering" if late.is_set() else _said(error)
        raise DatabaseConnectionError(
            f"the team's database cannot be reached: {why}",
            cure=f"Check database.url, the server, and how you sign in (~/.pgpass, PGPASSWORD); {LATER}",
            operation=operation,
        ) from error
    except psycopg.Error as error:
        raise DatabaseTransactionError(
            f"the team's database refuses: {_said(error)}", cure=LATER.capitalize(), operation=operation
        ) from error


def _said(error: psycopg.Error) -> str:
    """What the server says, with what it points at, on one line."""
    told = error.diag
    words = [told.message_primary or str(error), told.message_detail or ""]
    return without_userinfo("; ".join(" ".join(word.split()) for word in words if word))[:400]
