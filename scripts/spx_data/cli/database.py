"""`spx-data database`: the database of a team, which gets the status log's rows and an audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from spx_data.cli.call import Call
from spx_data.cli.lists import in_each_lake
from spx_data.cli.output import Format, format_option, print_document, say
from spx_data.config import shipped
from spx_data.text.words import counted

if TYPE_CHECKING:
    import psycopg

    from spx_data.ops.team.migrations import Standing
    from spx_data.ops.team.place import Place

_SECONDS = 30.0
_ROLES = click.Choice(("reader", "operator", "admin"))
_role = click.argument("role", type=_ROLES, metavar="reader|operator|admin")
_name = click.argument("name")


@click.group(short_help="Write to a team's database, and say who may.")
def database() -> None:
    r"""The PostgreSQL database of a team (database.url): the rows of the status log, and an audit.

    It is written after each run, and nothing is decided by it. A reader sees the rows, an operator fills and
    writes, an admin gives roles to others; the audit says who did what, and nobody changes it. A password
    comes from ~/.pgpass, a service file or PGPASSWORD. It needs the package's extra `postgres`.

    \b
    spx-data config set database.url postgresql://db.example.org/desk
    spx-data database init                  once, as the database's owner
    spx-data database grant operator ann
    spx-data database show
    """


@database.command(short_help="Set the database up, or bring it to this release.")
@click.pass_obj
def init(call: Call) -> None:
    r"""Make the roles and the audit in the database, or bring them to the version of this release.

    Called again it does the rest, and what is there stays. It takes the right to make roles, and to make
    schemas in the database, as its owner with CREATEROLE or a superuser has it.

    \b
    Example:
      spx-data database init
    """
    from spx_data.ops.team import migrations

    with _connected(call) as connection:
        added = migrations.migrate(connection)
    said = f"brought to version {added[-1]}" if added else "up to date already"
    say(
        f"the database is {said}; `spx-data database grant operator NAME` lets somebody write there", err=True
    )


@database.command(short_help="Give somebody a role.")
@_role
@_name
@click.pass_obj
def grant(call: Call, role: str, name: str) -> None:
    r"""Give NAME, a role of the server that can log in, what a reader, an operator or an admin may do.

    A reader sees the rows of the status log. An operator writes them, and adds to the audit and reads it. An
    admin may do that too, and gives roles to others. Nobody of them changes the audit.

    \b
    Examples:
      spx-data database grant operator ann
      spx-data database grant reader grafana
    """
    from spx_data.ops.team import migrations

    with _connected(call) as connection:
        migrations.grant(connection, role, name)
    say(f"{name} is {role} now", err=True)


@database.command(short_help="Take a role from somebody.")
@_role
@_name
@click.pass_obj
def revoke(call: Call, role: str, name: str) -> None:
    r"""Take a role from NAME.

    \b
    Example:
      spx-data database revoke operator ann
    """
    from spx_data.ops.team import migrations

    with _connected(call) as connection:
        migrations.revoke(connection, role, name)
    say(f"{name} is no {role} any more", err=True)


@database.command(short_help="Write the rows, and what the audit lacks, now.")
@click.option("--take-over", is_flag=True, help="Put them in the place of another lake's.")
@in_each_lake
@click.pass_obj
def refresh(call: Call, take_over: bool) -> None:
    r"""Put the rows of the status log in place, as the end of a run does, and add what the audit lacks.

    For after a time in which the server was away. A schema that has another lake's rows is left alone,
    unless it is to be taken over: when the folder with this lake's journal was lost, say.

    \b
    Example:
      spx-data database refresh
    """
    from spx_data import status
    from spx_data.ops import team

    settings, place = call.settings, _place(call)
    status.refresh(settings, call.moment)
    done = team.refresh(settings, place, take_over=take_over)
    added = f", and {counted(done.events, 'event')} added to the audit" if done.events else ""
    say(
        f"{counted(done.rows, 'row')} in {place.schema}, in {done.seconds:.1f} s{added}",
        err=True,
    )


@database.command(short_help="Show what is there, and who may do what.")
@format_option("table", "json")
@click.pass_obj
def show(call: Call, form: Format) -> None:
    r"""Show where the database is, its version, who has which role, and whose logs are in it.

    \b
    Example:
      spx-data database show
    """
    from spx_data.ops.team import migrations

    with _connected(call) as connection:
        found = migrations.show(connection)
    if form == "json":
        print_document(asdict(found))
        return
    for line in _lines(found):
        say(line)


def _lines(found: Standing) -> Iterator[str]:
    yield f"{found.server}, database {found.database}, as {found.user}"
    if not found.version:
        yield "not set up for spx-data yet: `spx-data database init`"
        return
    audit = "closed to you" if found.events is None else counted(found.events, "event")
    yield f"version {found.version}; audit: {audit}"
    for role, names in found.members.items():
        yield f"{role}: {', '.join(names) or 'nobody'}"
    for log in found.logs:
        yield f"{log['schema']}: {log['symbol']}, written {log['at']} by {log['by']}"


@contextmanager
def _connected(call: Call) -> Iterator[psycopg.Connection]:
    """A connection to the database of the call, whose work is done if the block ends well."""
    from spx_data.ops.team import EXTRA
    from spx_data.sources import postgres

    url = _place(call).url
    shipped.check_extra(EXTRA)
    with postgres.connected(url, _SECONDS) as connection:
        yield connection


def _place(call: Call) -> Place:
    from spx_data.ops.team.place import Place

    # Lakes share the database, and each has a schema there.
    found = Place.of(call.lakes[call.at or next(iter(call.lakes))])
    if found is None:
        raise click.UsageError(
            "there is no team's database: name it with "
            "`spx-data config set database.url postgresql://HOST/DATABASE`"
        )
    return found
