"""A team's database: the status log's rows where all can query them, and an audit of what people did.

It is written and never read to decide anything: all that a fill needs is in the tree, and what the server
lacks after a time without it is added at the next refresh. So whatever is wrong with it is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spx_data.config import shipped
from spx_data.errors import SpxDataError
from spx_data.ops.team import audit, migrations, swapping
from spx_data.ops.team import place as places
from spx_data.ops.team.place import Place
from spx_data.ops.team.swapping import Written
from spx_data.settings import Settings
from spx_data.sources import postgres
from spx_data.status import database
from spx_data.store import journal
from spx_data.store.journal import Journal
from spx_data.text import commands

EXTRA = "postgres"
# That a refresh, or the audit of one command, may take at all.
_SECONDS, _SECONDS_OF_AN_AUDIT = 120.0, 15.0


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did: the rows that were written, and how many events were added to the audit."""

    written: Written
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
        database.rows(settings.layout.database) as rows,
        postgres.connected(place.url, _SECONDS) as connection,
    ):
        migrations.check(connection)
        lake = places.lake_name(settings.layout)
        events = audit.add(connection, lake, place.symbol, settings.layout)
        connection.commit()  # whatever becomes of the rows
        return Refreshed(swapping.swap(connection, place, lake, rows, take_over=take_over), events)


def note(settings: Settings, words: Sequence[str]) -> None:
    """Write the command that these *words* are into the lake's journal, where a team has an audit of it."""
    if settings.database.url:
        log = Journal(settings.layout.lake_journal, "command")
        log.mention(journal.COMMANDED, command=audit.harmless(words), by=journal.user())


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
            audit.add(connection, places.lake_name(settings.layout), place.symbol, settings.layout)
    except (SpxDataError, OSError) as error:
        return f"the team's audit has not got it yet: {commands.shown(str(error))}"
    return ""
