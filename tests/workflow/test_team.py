"""A team's database at real runs: what it gets, a run without it, what its page has people type."""

import os
import re
import subprocess

import pytest
from tests import pages, postgres_server, warm
from tests.workflow.conftest import PATIENCE, wait_for

from spx_data.ops.team import rows as tables
from spx_data.store import journal

DAY = "2024-11-27"
PAGE = pages.ROOT / "docs" / "how-to" / "team.md"


@pytest.fixture(scope="module")
def server():
    """Return a server with two people on it."""
    try:
        with postgres_server.running() as there:
            there.login("ann", "grafana")
            yield there
    except postgres_server.NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture
def lake(new_lake, v3, server):
    """Return a lake without a day, whose database is set up and which ann fills."""
    lake = new_lake(v3, DAY, DAY)
    name = server.database()
    lake.configure(**lake.sections() | {"database": {"url": server.url(name)}})
    lake.environment |= {"PGUSER": "chief"}
    for words in (["init"], ["grant", "operator", "ann"], ["grant", "reader", "grafana"]):
        done = lake.spx_data("database", *words)
        assert done.returncode == 0, done.stderr
    lake.environment |= {"PGUSER": "ann"}
    lake.database = name
    return lake


def asked(server, lake, query, user="ann"):
    with server.connect(lake.database, user) as connection:
        return connection.execute(query).fetchall()


def test_a_run_leaves_rows_and_who_did_what(lake, server, tmp_path):
    there = {"url": tmp_path.as_uri()}
    lake.configure(**lake.sections() | {"publish": there})
    run = lake.snakemake()

    assert run.returncode == 0, run.stdout
    sealed = "SELECT date, status FROM spx_status.processing_log"
    assert asked(server, lake, sealed, "grafana") == [(DAY, "success")]
    query = "SELECT event, command, recorded_by, who, details FROM spx_data_audit.event ORDER BY id"
    *commands, published = asked(server, lake, query)
    assert [(each[0], each[2]) for each in commands] == [("commanded", "chief")] * 3 + [("commanded", "ann")]
    assert commands[-1][1].startswith("snakemake ")
    assert (published[0], published[2], published[3]) == ("published", "ann", journal.user())
    assert (published[4]["days"], published[4]["url"]) == ([DAY], there["url"])


def test_a_fill_goes_on_without_its_server_and_the_next_refresh_makes_up_for_it(lake, server, holding):
    sections = lake.sections()
    sections["thetadata"]["base_url"] = holding.url
    lake.configure(**sections)
    process = lake.start()
    wait_for(lambda: holding.asked or process.poll() is not None)
    server.stop()
    holding.let()
    output, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, output
    assert lake.sealed() == [DAY]
    assert len(re.findall(r"^spx-data: the team's .*cannot be reached", output, re.MULTILINE)) == 1
    postgres_server.start_again(server)
    assert asked(server, lake, "SELECT to_regclass('spx_status.processing_log')") == [(None,)]
    refreshed = lake.spx_data("database", "refresh")
    assert refreshed.returncode == 0, refreshed.stderr
    assert asked(server, lake, "SELECT date FROM spx_status.processing_log", "grafana") == [(DAY,)]
    commands = asked(server, lake, "SELECT command FROM spx_data_audit.event ORDER BY happened_at")
    assert [command.split()[0] for (command,) in commands] == ["spx-data"] * 3 + ["snakemake", "spx-data"]


def test_rows_of_the_server_full_of_lies_decide_nothing(lake, server):
    assert lake.snakemake().returncode == 0
    with server.connect(lake.database) as chief:
        for table in tables.every():
            chief.execute(f"DELETE FROM spx_status.{table.name}")
    shown = lake.spx_data("list", "--format", "csv").stdout

    again = lake.snakemake()

    assert again.returncode == 0
    assert DAY in shown and "sealed" in shown
    assert lake.sealed() == [DAY]
    assert asked(server, lake, "SELECT event FROM spx_data_audit.event WHERE event <> 'commanded'") == []


def test_what_the_page_has_people_type_works(lake, server, v3):
    name = server.database()
    lines = pages.pasted(PAGE)
    group = os.popen("id -gn").read().strip()
    place = server.url(name)
    environment = os.environ | lake.environment | {"PGUSER": "chief", "THETADATA_BASE_URL": v3.url}
    environment["PATH"] = warm.path()

    for line in lines:
        typed = line.replace("postgresql://db.example.org/desk", f"'{place}'")
        typed = typed.replace("chgrp desk", f"chgrp {group}")
        done = subprocess.run(
            typed,
            shell=True,
            cwd=lake.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, (typed, done.stdout, done.stderr)
        last = done.stdout

    assert len(lines) > 8
    assert "the group cannot read all in data" in last  # of what was there before
    queries = [code for language, code in pages.blocks(PAGE.read_text()) if language == "sql"]
    with server.connect(name) as connection:
        for query in (one for code in queries for one in code.split(";") if one.strip()):
            connection.execute(query)
    assert len(queries) == 2
