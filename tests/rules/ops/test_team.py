"""A team's database, on a real PostgreSQL: equal rows, roles, an audit that stays, what gets in the way."""

import dataclasses
import datetime as dt
import json
import os
import signal
import sqlite3
import threading
import time

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import errors as refusals
from psycopg import sql
from tests import postgres_server, sealed_days

from spx_data import cli, config, status
from spx_data.errors import (
    DatabaseConnectionError,
    DatabaseSchemaError,
    DatabaseTransactionError,
    SettingRefusedError,
    SpxDataError,
)
from spx_data.lake import acceptance
from spx_data.ops import team
from spx_data.ops.team import migrations, rows
from spx_data.ops.team.place import AUDIT, Place
from spx_data.settings import Database, Settings
from spx_data.sources import postgres
from spx_data.status import tables as of_status
from spx_data.store import journal
from spx_data.store.journal import Journal
from spx_data.text import commands

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4)]
NOW = dt.datetime(2024, 1, 8, 13, tzinfo=dt.UTC)
PEOPLE = ("rita", "otto", "ada", "nobody-yet")


@pytest.fixture(scope="module")
def server():
    """Return a server on which there are people without a role."""
    try:
        with postgres_server.running() as there:
            there.login(*PEOPLE)
            yield there
    except postgres_server.NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _called_by_nobody():
    """Let no call of a test be that of the next one's texts."""
    yield
    commands.called_by([])


@pytest.fixture
def desk(server):
    """Return the name of a database that is set up, in which three people have a role each."""
    name = server.database()
    with postgres.connected(server.url(name, "chief"), 30) as connection:
        migrations.migrate(connection)
        for role, person in (("reader", "rita"), ("operator", "otto"), ("admin", "ada")):
            migrations.grant(connection, role, person)
    return name


@pytest.fixture
def lake(server, desk, tmp_path):
    """Return the settings of a lake of two sealed days, whose operator is otto."""
    settings = sealed_days.settings_of(tmp_path / "lake")
    for date in DAYS[:2]:
        sealed_days.seal(settings, date)
    status.refresh(settings, NOW)
    return as_(settings, server.url(desk, "otto"))


def as_(settings, url, schema="spx_status"):
    return dataclasses.replace(settings, database=Database(url, schema))


def refresh(settings, **how):
    return team.refresh(settings, Place.of(settings), **how)


def in_sqlite(settings):
    """Return all rows of each table of the status log, in some order of theirs."""
    connection = sqlite3.connect(settings.layout.database)
    found = {
        table.name: connection.execute(f"SELECT * FROM {table.name}").fetchall() for table in rows.every()
    }
    connection.close()
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def in_postgres(server, database, user="rita", schema="spx_status"):
    """Return all rows of each view, as *user* sees them."""
    with server.connect(database, user) as connection:
        found = {
            table.name: connection.execute(
                sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table.name))
            ).fetchall()
            for table in rows.every()
        }
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def schemas(server, database):
    with server.connect(database) as connection:
        found = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)' ORDER BY 1"
        )
        return [name for (name,) in found.fetchall()]


# Rows ---------------------------------------------------------------------------------------------------


def test_every_table_and_index_of_the_status_log_has_its_like():
    made = {table.name: set(table.columns) for table in rows.every()}
    connection = sqlite3.connect(":memory:")
    connection.executescript(of_status.SCHEMA + of_status.INDEXES)
    known = connection.execute("SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL").fetchall()

    assert set(made) == {name for kind, name in known if kind == "table"}
    assert len(list(rows.indexes())) == sum(kind == "index" for kind, _ in known)
    for name, columns in made.items():
        assert columns == {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}


def test_readers_find_the_rows_that_sqlite_has_and_those_that_follow(lake, server, desk):
    first = refresh(lake)
    assert in_postgres(server, desk) == in_sqlite(lake)
    assert first.rows == sum(map(len, in_sqlite(lake).values())) > 20

    sealed_days.seal(lake, DAYS[2])
    sealed_days.fail(lake, DAYS[1])
    status.refresh(lake, NOW)
    for _ in range(2):
        refresh(lake)

        assert in_postgres(server, desk) == in_sqlite(lake)
    assert len(in_postgres(server, desk)["processing_log"]) == 3
    assert len(schemas(server, desk)) == 3  # the rows', the audit's, and public


def test_what_postgresql_cannot_hold_is_there_as_well_as_it_can_be(lake, server, desk, monkeypatch):
    path = lake.layout.database
    connection = sqlite3.connect(path)
    connection.execute("UPDATE processing_log SET error_message = ?, record_count = ?", ("a\0b", 1e30))
    connection.commit()
    connection.close()
    monkeypatch.setattr("spx_data.status.database._damage", lambda _: None)

    refresh(lake)

    with server.connect(desk, "rita") as there:
        found = there.execute("SELECT error_message, record_count FROM spx_status.processing_log").fetchall()
    assert set(found) == {("a\\x00b", None)}


def test_each_symbol_of_a_config_has_a_schema_of_its_own():
    document = {
        "processing": {"start_date": "2024-01-02"},
        "database": {"url": "postgresql:///desk"},
        "symbols": {"SPX": {}, "SPY": {}},
    }

    def told(**more):
        from spx_data.settings import Lakes

        given = document | {"database": document["database"] | more}
        lakes = Lakes.of(config.resolve(given, {}))
        return {symbol: settings.database.schema for symbol, settings in lakes.items()}

    assert told() == {"SPX": "spx_status", "SPY": "spy_status"}
    assert told(schema="night") == {"SPX": "night_spx", "SPY": "night_spy"}


# What gets in the way -----------------------------------------------------------------------------------


def test_a_reader_sees_one_log_or_the_next_and_is_in_nobodys_way(lake, server, desk):
    refresh(lake)
    before = in_postgres(server, desk)
    sealed_days.seal(lake, DAYS[2])
    status.refresh(lake, NOW)

    with psycopg.connect(server.url(desk, "rita")) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        seen = reader.execute("SELECT * FROM spx_status.inventory").fetchall()
        refresh(lake)  # which waits for no reader
        others = reader.execute("SELECT * FROM spx_status.processing_log").fetchall()

    assert (sorted(seen, key=repr), sorted(others, key=repr)) == (
        before["inventory"],
        before["processing_log"],
    )
    assert in_postgres(server, desk) == in_sqlite(lake) != before


def test_a_refresh_that_fails_halfway_leaves_the_rows_of_before(lake, server, desk, monkeypatch):
    refresh(lake)
    before = in_postgres(server, desk)
    sealed_days.seal(lake, DAYS[2])
    status.refresh(lake, NOW)
    real = rows.Table.held

    def held(table, row):
        if table.name == "inventory":
            raise DatabaseTransactionError("the line broke")
        return real(table, row)

    with monkeypatch.context() as broken, pytest.raises(DatabaseTransactionError, match="the line broke"):
        broken.setattr(rows.Table, "held", held)
        refresh(lake)

    assert in_postgres(server, desk) == before
    refresh(lake)
    assert in_postgres(server, desk) == in_sqlite(lake)


def test_who_keeps_a_refresh_waiting_for_too_long_is_one_line(lake, server, desk, monkeypatch):
    monkeypatch.setattr(rows, "_LOCK_TIMEOUT", "50ms")
    refresh(lake)

    with server.connect(desk) as chief, chief.transaction():
        chief.execute("LOCK TABLE spx_status.inventory")
        with pytest.raises(DatabaseTransactionError, match="the team's database was busy"):
            refresh(lake)


def test_two_who_refresh_at_once_do_so_one_after_the_other(lake, server, desk):
    done = []
    workers = [threading.Thread(target=lambda: done.append(refresh(lake))) for _ in range(3)]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)

    assert len(done) == 3
    assert in_postgres(server, desk) == in_sqlite(lake)


def test_views_of_others_follow_the_rows(lake, server, desk):
    refresh(lake)
    with server.connect(desk) as chief:
        chief.execute("CREATE SCHEMA theirs")
        chief.execute("CREATE VIEW theirs.done AS SELECT date FROM spx_status.processing_log")
    sealed_days.seal(lake, DAYS[2])
    status.refresh(lake, NOW)

    refresh(lake)
    refresh(lake)

    with server.connect(desk) as chief:
        assert len(chief.execute("SELECT * FROM theirs.done").fetchall()) == 3


def test_columns_of_another_release_make_room_unless_somebody_rests_on_them(lake, server, desk, monkeypatch):
    older = of_status.SCHEMA.replace("kind TEXT NOT NULL", "kind TEXT NOT NULL, gone TEXT")
    older = older.replace("CREATE TABLE form", "CREATE TABLE past (name TEXT);\nCREATE TABLE form")
    with monkeypatch.context() as before:
        before.setattr(of_status, "SCHEMA", older)
        before.setattr(of_status, "INDEXES", "")
        before.setattr("spx_data.status.database.rows", rows_of_none)
        refresh(lake)
    with server.connect(desk) as chief:
        chief.execute("CREATE VIEW public.theirs AS SELECT gone FROM spx_status.processing_log")

    with pytest.raises(DatabaseSchemaError, match=r"view public\.theirs depends on"):
        refresh(lake)
    with server.connect(desk) as chief:
        chief.execute("DROP VIEW public.theirs")
    refresh(lake)

    assert in_postgres(server, desk) == in_sqlite(lake)
    with server.connect(desk) as chief, pytest.raises(refusals.UndefinedTable):
        chief.execute("SELECT * FROM spx_status.past")


class rows_of_none:  # noqa: N801  # as the function that it stands for
    def __init__(self, _):
        pass

    def __enter__(self):
        return lambda _: iter(())

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize("name", ["spx_status", AUDIT])
def test_a_schema_of_somebody_else_is_left_alone(name, server, tmp_path):
    database = server.database()
    with server.connect(database) as chief:
        chief.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        chief.execute(sql.SQL("CREATE TABLE {} AS SELECT 7 AS kept").format(sql.Identifier(name, "theirs")))
    settings = as_(sealed_days.settings_of(tmp_path), server.url(database, "chief"))
    status.rebuild(settings, NOW)

    with pytest.raises(DatabaseSchemaError, match=f"schema {name} that is not of spx-data; it is left alone"):
        with postgres.connected(settings.database.url, 30) as connection:
            migrations.migrate(connection)
        refresh(settings)

    with server.connect(database) as chief:
        kept = sql.SQL("SELECT kept FROM {}").format(sql.Identifier(name, "theirs"))
        assert chief.execute(kept).fetchone() == (7,)


def test_a_table_of_somebody_else_among_ours_is_kept_and_named_where_it_is_in_the_way(
    lake, server, desk, monkeypatch
):
    refresh(lake)
    with server.connect(desk) as chief:
        chief.execute("CREATE TABLE spx_status.theirs AS SELECT 7 AS kept")
    refresh(lake)
    before = in_postgres(server, desk)

    with monkeypatch.context() as later:
        later.setattr(of_status, "SCHEMA", f"{of_status.SCHEMA}CREATE TABLE theirs (name TEXT);\n")
        with pytest.raises(DatabaseSchemaError, match=r"something else in the schema spx_status.*theirs"):
            refresh(lake)

    with server.connect(desk) as chief:
        assert chief.execute("SELECT kept FROM spx_status.theirs").fetchone() == (7,)
    assert in_postgres(server, desk) == before


def test_the_log_of_another_lake_is_left_alone_unless_it_is_to_be_taken_over(lake, server, desk, tmp_path):
    refresh(lake)
    before = in_postgres(server, desk)
    other = as_(sealed_days.settings_of(tmp_path / "other"), lake.database.url)
    status.rebuild(other, NOW)

    with pytest.raises(DatabaseSchemaError, match="has the log of another lake in the schema spx_status"):
        refresh(other)
    assert in_postgres(server, desk) == before
    refresh(as_(other, lake.database.url, "other_status"))
    refresh(other, take_over=True)

    assert in_postgres(server, desk) == in_sqlite(other)


def test_a_database_of_another_version_is_one_line(lake, server, desk):
    with server.connect(desk) as chief:
        chief.execute(f"INSERT INTO {AUDIT}.migration (version) VALUES (7)")
    with pytest.raises(DatabaseSchemaError, match="of version 7, of a later release; this one knows 1"):
        refresh(lake)
    with pytest.raises(DatabaseSchemaError, match="of version 7"):
        team_of_chief(server, desk)

    empty = as_(lake, server.url(server.database(), "chief"))
    with pytest.raises(DatabaseSchemaError, match="is not set up for spx-data"):
        refresh(empty)


def team_of_chief(server, database):
    with postgres.connected(server.url(database, "chief"), 30) as connection:
        return migrations.migrate(connection)


def test_what_a_later_release_adds_is_added_once(server, desk, monkeypatch):
    assert team_of_chief(server, desk) == []
    monkeypatch.setattr(
        migrations, "MIGRATIONS", (*migrations.MIGRATIONS, "CREATE TABLE {audit}.more (one int)")
    )

    assert (team_of_chief(server, desk), team_of_chief(server, desk)) == ([2], [])

    broken = (*migrations.MIGRATIONS, "CREATE TABLE {audit}.half (one int); SELECT 1/0")
    monkeypatch.setattr(migrations, "MIGRATIONS", broken)
    with pytest.raises(DatabaseTransactionError, match="division by zero"):
        team_of_chief(server, desk)
    with server.connect(desk) as chief:
        assert chief.execute("SELECT to_regclass(%s)", (f"{AUDIT}.half",)).fetchone() == (None,)


def test_a_server_that_is_not_there_is_one_line_and_no_password_is_in_it(lake, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "hush-hush")

    said = team.after_a_run(as_(lake, "postgresql://otto@127.0.0.1:1/desk"))

    assert said.startswith("the team's status log is as it was: the team's database cannot be reached: ")
    assert "`" not in said
    assert "spx-data database refresh" in said
    assert "hush-hush" not in said


def test_a_wrong_password_is_refused_and_the_right_one_comes_from_a_file(
    lake, server, desk, tmp_path, monkeypatch
):
    place, passes = as_(lake, server.url_by_tcp(desk, "otto")), tmp_path / "pgpass"
    monkeypatch.setenv("PGPASSFILE", str(passes))
    for password in ("n0t-that", postgres_server.PASSWORD):
        passes.write_text(f"*:*:*:otto:{password}\n")
        passes.chmod(0o600)
        said = team.after_a_run(place)
        assert ("password authentication failed" in said) == (password != postgres_server.PASSWORD)
        assert password not in said

    assert in_postgres(server, desk) == in_sqlite(lake)


def test_a_server_that_does_not_answer_is_left_when_the_time_is_up(lake, server, desk, monkeypatch):
    monkeypatch.setattr(team, "_SECONDS", 1.0)
    begun = time.monotonic()

    real = rows._alone

    def alone(connection, place):
        backend = connection.info.backend_pid  # of a server that runs as we do, or we are root
        os.kill(backend, signal.SIGSTOP)
        try:
            real(connection, place)
        finally:
            os.kill(backend, signal.SIGCONT)

    monkeypatch.setattr(rows, "_alone", alone)
    with pytest.raises(DatabaseConnectionError, match="it stopped answering"):
        refresh(lake)

    assert time.monotonic() - begun < 60
    monkeypatch.setattr(rows, "_alone", real)
    monkeypatch.setattr(team, "_SECONDS", 120.0)
    refresh(lake)
    assert in_postgres(server, desk) == in_sqlite(lake)


# Roles --------------------------------------------------------------------------------------------------

EVENT = f"{AUDIT}.event"
COLUMNS = "lake, symbol, happened_at, who, event, details, digest"
VALUES = "'l', 'SPX', now(), 'me', 'commanded', '{}', 'd'"
DENIED = refusals.InsufficientPrivilege
OK = None

DOES = {
    "read rows": ("SELECT * FROM spx_status.processing_log", (OK, OK, OK, DENIED)),
    "change rows": ("DELETE FROM spx_status.processing_log", (DENIED, OK, OK, DENIED)),
    "drop a table": ("DROP TABLE spx_status.inventory", (DENIED, OK, OK, DENIED)),
    "read the audit": (f"SELECT * FROM {EVENT}", (DENIED, OK, OK, DENIED)),
    "add to the audit": (f"INSERT INTO {EVENT} ({COLUMNS}) VALUES ({VALUES})", (DENIED, OK, OK, DENIED)),
    "say who recorded it": (
        f"INSERT INTO {EVENT} ({COLUMNS}, recorded_by) VALUES ({VALUES}, 'ada')",
        (DENIED, DENIED, DENIED, DENIED),
    ),
    "say when": (
        f"INSERT INTO {EVENT} ({COLUMNS}, recorded_at) VALUES ({VALUES}, now())",
        (DENIED, DENIED, DENIED, DENIED),
    ),
    "change the audit": (f"UPDATE {EVENT} SET who = 'you'", (DENIED,) * 4),
    "delete from the audit": (f"DELETE FROM {EVENT}", (DENIED,) * 4),
    "empty the audit": (f"TRUNCATE {EVENT}", (DENIED,) * 4),
    "drop the audit": (f"DROP TABLE {EVENT}", (DENIED,) * 4),
    "take its keeper away": (f"ALTER TABLE {EVENT} DISABLE TRIGGER keep", (DENIED,) * 4),
    "raise the version": (f"INSERT INTO {AUDIT}.migration (version) VALUES (9)", (DENIED,) * 4),
    "give a role on": ('GRANT {reader} TO "nobody-yet"', (DENIED, DENIED, OK, DENIED)),
    "make an admin": ('GRANT {admin} TO "nobody-yet"', (DENIED, DENIED, OK, DENIED)),
}


@pytest.fixture(scope="module")
def settled(server, tmp_path_factory):
    """Return a database with rows and an event, at which people do what they may not."""
    name = server.database()
    with postgres.connected(server.url(name, "chief"), 30) as connection:
        migrations.migrate(connection)
        for role, person in (("reader", "rita"), ("operator", "otto"), ("admin", "ada")):
            migrations.grant(connection, role, person)
    settings = sealed_days.settings_of(tmp_path_factory.mktemp("settled"))
    status.rebuild(settings, NOW)
    settings = as_(settings, server.url(name, "otto"))
    team.note(settings, ["spx-data", "stop"])
    refresh(settings)
    return name


@pytest.mark.parametrize("what", DOES)
def test_a_role_may_do_what_it_is_for_and_nothing_else(what, server, settled):
    statement, outcomes = DOES[what]
    for name in ("reader", "admin"):
        statement = statement.replace(f"{{{name}}}", f'"spx_data_{name}_{settled}"')

    for person, refused in zip(PEOPLE, outcomes, strict=True):
        with psycopg.connect(server.url(settled, person)) as connection:
            if refused is None:
                connection.execute(statement)
            else:
                with pytest.raises(refused):
                    connection.execute(statement)
            connection.rollback()


def test_not_even_the_owner_of_the_audit_changes_it(server, settled):
    for statement in (f"UPDATE {EVENT} SET who = 'you'", f"DELETE FROM {EVENT}", f"TRUNCATE {EVENT}"):
        with server.connect(settled) as chief, pytest.raises(DENIED, match="neither changed nor removed"):
            chief.execute(statement)
    with psycopg.connect(server.url(settled, "chief")) as chief:
        chief.execute(f"INSERT INTO {EVENT} ({COLUMNS}, recorded_by) VALUES ({VALUES}, 'ada')")
        assert chief.execute(f"SELECT recorded_by FROM {EVENT} WHERE digest = 'd'").fetchone() == ("chief",)
        chief.rollback()


def test_a_reader_who_fills_is_told_which_role_that_takes(lake, server, desk):
    said = team.after_a_run(as_(lake, server.url(desk, "rita")))

    assert "the team's database does not allow that: permission denied" in said
    assert "spx-data database grant operator NAME" in said


def test_a_role_of_somebody_else_is_left_alone(server):
    database = server.database()
    with server.connect(database) as chief:
        chief.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(f"spx_data_reader_{database}")))

    with pytest.raises(DatabaseSchemaError, match="that is not of spx-data"):
        team_of_chief(server, database)

    assert schemas(server, database) == ["public"]


def test_roles_are_given_taken_and_shown(server, desk):
    with postgres.connected(server.url(desk, "ada"), 30) as connection:
        migrations.grant(connection, "reader", "nobody-yet")
        assert migrations.show(connection).members["reader"] == ["nobody-yet", "rita"]
        migrations.revoke(connection, "reader", "nobody-yet")
        found = migrations.show(connection)
        with pytest.raises(SettingRefusedError, match="the server has no role zoe"):
            migrations.grant(connection, "reader", "zoe")

    assert found.members == {"reader": ["rita"], "operator": ["otto"], "admin": ["ada"]}
    assert (found.database, found.user, found.version, found.events) == (desk, "ada", 1, 0)


# The audit ----------------------------------------------------------------------------------------------


def events(server, database):
    with server.connect(database, "otto") as connection:
        query = (
            f"SELECT event, command, who, date, details, recorded_by FROM {EVENT} ORDER BY happened_at, id"
        )
        return connection.execute(query).fetchall()


def test_what_people_did_is_in_the_audit_once_also_after_a_time_without_a_server(lake, server, desk):
    me = journal.user()
    away = as_(lake, "postgresql://otto@127.0.0.1:1/desk")
    team.note(away, ["spx-data", "accept", "2024-01-04", "--reason", "fine"])
    acceptance.accept(away, DAYS[2], "fine")
    assert "the team's audit has not got it yet" in team.after_a_command(away)
    Journal(lake.layout.lake_journal, "config").record(
        journal.CONFIGURED, key="processing.max_dte", old=None, new=30, by="ann", file="config.yaml"
    )

    for _ in range(2):
        assert team.after_a_command(lake) == ""

    assert events(server, desk) == [
        ("commanded", "spx-data accept 2024-01-04 --reason fine", me, None, {}, "otto"),
        ("accepted", None, me, DAYS[2], {"reason": "fine"}, "otto"),
        (
            *("configured", None, "ann", None),
            {"key": "processing.max_dte", "old": None, "new": 30, "file": "config.yaml"},
            "otto",
        ),
    ]


def test_no_secret_of_a_command_is_kept():
    words = [
        "spx-data",
        "config",
        "set",
        "alerts.notify",
        '["slack://TOKEN@x/y","mailto://a:b@c"]',
        "--debug",
    ]

    assert team.harmless(words) == (
        'spx-data config set alerts.notify ["slack://***","mailto://***"] --debug'
    )


def test_what_json_of_postgresql_cannot_hold_is_in_the_audit_as_well_as_it_can_be(lake, server, desk):
    log = Journal(lake.layout.lake_journal, "config")
    log.record(journal.CONFIGURED, key="a\0b", old=float("nan"), new="\ud800", by="x", file="y")

    assert team.after_a_command(lake) == ""

    (found,) = events(server, desk)
    assert found[4] == {"key": "a\\x00b", "old": "nan", "new": "\\ud800", "file": "y"}


def test_commands_by_which_something_changes_are_audited_and_others_not(
    lake, server, desk, monkeypatch, tmp_path
):
    monkeypatch.setenv("SPX_DATA_NOW", NOW.isoformat())
    file = tmp_path / "own.yaml"
    file.write_text(json.dumps({name: lake.document[name] for name in ("processing", "database")}))
    told = json.loads(file.read_text())
    told["database"]["url"] = server.url(desk, "otto")
    file.write_text(json.dumps(told))

    def call(*words):
        monkeypatch.setattr("sys.argv", ["spx-data", "--configfile", str(file), *words])
        return CliRunner().invoke(cli.commands, ["--configfile", str(file), *words])

    assert call("accept", "2024-01-04", "--reason", "fine").exit_code == 0
    assert call("accept", "--help").exit_code == 0
    assert call("list").exit_code == 0
    assert call("config", "get", "processing.interval").exit_code == 0
    shown = call("database", "show")
    done = call("database", "refresh")

    assert done.exit_code == 0, done.output
    assert "rows in spx_status, in " in done.stderr
    assert "operator: otto" in shown.stdout
    assert "spx_status: SPX, written" in call("database", "show").stdout
    given = [command for event, command, *_ in events(server, desk) if event == "commanded"]
    assert [command.split(str(file))[1] for command in given] == [
        " accept 2024-01-04 --reason fine",
        " database refresh",
    ]
    assert in_postgres(server, desk) == in_sqlite(lake)


def test_the_database_is_set_up_and_roles_are_given_by_commands(server, monkeypatch, tmp_path):
    name, file = server.database(), tmp_path / "own.yaml"
    settings = sealed_days.settings_of(tmp_path / "lake")
    database = settings.document["database"] | {"url": server.url(name, "chief")}
    file.write_text(json.dumps({"processing": settings.document["processing"], "database": database}))

    def call(*words):
        return CliRunner().invoke(cli.commands, ["--configfile", str(file), "database", *words])

    begun = f"spx-data --configfile {file}"
    assert call("show").stdout.splitlines()[-1] == f"not set up for spx-data yet: {begun} database init"
    assert "brought to version 1" in call("init").stderr
    assert "up to date already" in call("init").stderr
    assert "otto is operator now" in call("grant", "operator", "otto").stderr
    assert json.loads(call("show", "--format", "json").stdout)["members"]["operator"] == ["otto"]
    assert "otto is no operator any more" in call("revoke", "operator", "otto").stderr
    assert call("grant", "owner", "otto").exit_code == 2
    missing = call("grant", "reader", "zoe")
    assert isinstance(missing.exception, SpxDataError)
    assert "createuser --host " in missing.exception.cure


def test_without_a_database_a_command_says_how_to_name_one(tmp_path):
    file = tmp_path / "own.yaml"
    settings = sealed_days.settings_of(tmp_path / "lake")
    file.write_text(json.dumps({"processing": settings.document["processing"]}))

    ended = CliRunner().invoke(cli.commands, ["--configfile", str(file), "database", "show"])

    assert ended.exit_code == 2
    assert "config set database.url postgresql://HOST/DATABASE" in ended.output


# Settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "finding"),
    [
        ("postgresql://ann:hush@db/desk", "a password stands in it"),
        ("postgresql:///desk?host=db&password=hush", "a password stands in it"),
        ("postgresql://db/desk?sslpassword=hush", "a password stands in it"),
        ("mysql://db/desk", "mysql://db/desk is no address of a PostgreSQL database"),
        ("postgresql://db/desk with a blank", "is no address of a PostgreSQL database"),
    ],
)
def test_an_address_with_a_password_or_of_something_else_is_refused(url, finding):
    document = {"processing": {"start_date": "2024-01-02"}, "database": {"url": url}}

    with pytest.raises(SpxDataError) as refused:
        config.resolve(document, {})

    assert finding in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://db.example.org/desk", "postgresql://ann@[::1]:5433/desk", "postgresql:///?service=desk"],
)
def test_an_address_may_name_a_server_a_socket_or_a_service(url):
    document = {"processing": {"start_date": "2024-01-02"}, "database": {"url": url}}

    assert Settings.of(config.resolve(document, {})).database.url == url
