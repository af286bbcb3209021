"""SQL over sealed days: the right days, New York's clock on every machine, and nothing that writes."""

import json
import os
import subprocess
import sys

import polars as pl
import pytest
from click.testing import CliRunner
from tests.rules.lake.conftest import DAYS

import spx_data
from spx_data import cli
from spx_data.config import shipped
from spx_data.errors import FileCorruptionError, MachineError, QueryError
from spx_data.lake import sql
from spx_data.store import reads

QUOTES = "SELECT strftime(\"timestamp\", '%H:%M') AS stamp, count(*) FROM quotes GROUP BY 1 ORDER BY 1"


@pytest.fixture
def connected(sealed):
    """Return a maker of connections to the lake."""
    opened = []

    def connect(dates=None, **how):
        opened.append(spx_data.connect(dates, lake=sealed.output, data=sealed.data, **how))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def typed(sealed, monkeypatch, tmp_path):
    """Return a caller of `spx-data` for the lake."""
    settings = {
        "output_directory": str(sealed.output),
        "temp_directory": str(sealed.temp),
        "data_directory": str(sealed.data),
    }
    document = {"processing": {"start_date": "2024-01-31", "interval": "1h", **settings}}
    (tmp_path / "lake.json").write_text(json.dumps(document))
    monkeypatch.setenv("SPX_DATA_NOW", "2024-02-03T12:00-05:00")
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        command = ["--configfile", str(tmp_path / "lake.json"), *arguments]
        return CliRunner().invoke(cli.commands, command)

    return call


def test_each_view_has_the_rows_of_the_same_name(sealed, connected):
    connection = connected("2024-02")

    counts = {
        name: connection.execute(f"SELECT count(*), min(date), max(date) FROM {name}").fetchone()
        for name in ("quotes", "chains", "days")
    }

    how = {"lake": sealed.output, "data": sealed.data}
    rows = spx_data.scan("2024-02", **how).select(pl.len()).collect().item()
    assert counts == {
        "quotes": (rows, *DAYS[1:]),
        "chains": (spx_data.chains("2024-02", **how).height, *DAYS[1:]),
        "days": (2, *DAYS[1:]),
    }
    joined = "SELECT count(*) FROM quotes JOIN chains USING (date, root, expiration)"
    assert connection.execute(joined).fetchone() == (rows,)


def test_the_clock_is_new_yorks_wherever_the_machine_is(sealed):
    """In Python on a machine in UTC, where a plain connection of DuckDB finds no row at 10:30."""
    program = f"""
import spx_data
connection = spx_data.connect("2024-02-01", lake={str(sealed.output)!r}, data={str(sealed.data)!r})
print(connection.execute('''{QUOTES}''').fetchall())
newest = "SELECT max(timestamp) FROM quotes WHERE timestamp <= '2024-02-01 10:30'"
print(connection.execute(newest).fetchone())
"""

    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"TZ": "UTC"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

    by_hand = (
        spx_data.scan("2024-02-01", lake=sealed.output, data=sealed.data)
        .group_by(pl.col("timestamp").dt.strftime("%H:%M").alias("stamp"))
        .len()
        .sort("stamp")
        .collect()
        .rows()
    )
    quoted, newest = done.stdout.splitlines()
    assert quoted == str(by_hand) and ("10:30", by_hand[1][1]) in by_hand
    assert "datetime.datetime(2024, 2, 1, 10, 30, tzinfo=<DstTzInfo 'America/New_York' EST" in newest


def test_what_is_no_greek_is_null_on_request(sealed, connected):
    names = ("delta", "vega", "implied_vol", "iv_error", "underlying_price")
    counted = ", ".join(f"count({name})" for name in names)

    as_sent = connected().execute(f"SELECT {counted}, count(*) FROM quotes").fetchone()
    valid = connected(null_sentinels=True).execute(f"SELECT {counted}, count(*) FROM quotes").fetchone()

    frame = spx_data.scan(lake=sealed.output, data=sealed.data).collect()
    greeks = frame.filter(
        pl.col("implied_vol") > 0,
        pl.col("iv_error") < 100,
        pl.col("vega") > 0,
        pl.col("underlying_price") > 0,
    ).height
    underlying = frame.filter(pl.col("underlying_price") > 0).height
    assert as_sent == (frame.height,) * 6
    assert valid == (greeks,) * 4 + (underlying, frame.height)
    assert 0 < greeks < underlying < frame.height


def test_bytes_are_checked_first(sealed, connected):
    with sealed.parquet(DAYS[1]).open("ab") as stream:
        stream.write(b" ")

    with pytest.raises(FileCorruptionError, match="1 of 3 days are not what was sealed: 2024-02-01"):
        connected()


WRITES = [
    "CREATE TABLE mine AS SELECT * FROM quotes",
    "DELETE FROM days",
    "UPDATE chains SET forward = 0",
    "DROP VIEW quotes",
    "COPY (SELECT 1) TO '{folder}/mine.csv'",
    "COPY (SELECT 1) TO '{parquet}'",
    "COPY (SELECT 1 AS a) TO '{parquet}' (FORMAT parquet, USE_TMP_FILE false)",
    "ATTACH '{folder}/mine.duckdb'",
    "EXPORT DATABASE '{folder}/mine'",
    "INSTALL httpfs",
    "SET enable_external_access = true",
]


@pytest.mark.parametrize("query", WRITES)
def test_sql_that_writes_is_refused_in_one_line(query, sealed, connected, typed):
    query = query.format(folder=sealed.output, parquet=sealed.parquet(DAYS[0]).resolve())
    digests = [reads.digest(sealed.parquet(date)) for date in DAYS]
    there = sorted(sealed.output.rglob("*"))

    with pytest.raises(QueryError) as caught:
        sql.rows(connected(), query)
    said = typed("sql", query)

    assert "\n" not in str(caught.value) and "Sealed days are only read" in caught.value.cure
    assert isinstance(said.exception, QueryError)
    assert [reads.digest(sealed.parquet(date)) for date in DAYS] == digests
    assert sorted(sealed.output.rglob("*")) == there


@pytest.mark.parametrize("query", [write for write in WRITES if "USE_TMP_FILE" not in write])
def test_a_connection_refuses_by_itself_what_writes(query, sealed, connected):
    import duckdb

    connection = connected()

    with pytest.raises(duckdb.Error):
        connection.execute(query.format(folder=sealed.output, parquet=sealed.parquet(DAYS[0]).resolve()))


def test_what_does_not_fit_into_memory_is_spilled_and_gone(connected):
    connection = connected()
    (folder,) = connection.execute("SELECT current_setting('temp_directory')").fetchone()
    connection.execute("SET memory_limit = '60MB'")

    sorted_ = "SELECT count(*) FROM (SELECT md5(range::VARCHAR) AS m FROM range(2000000) ORDER BY m)"
    assert connection.execute(sorted_).fetchone() == (2_000_000,)
    assert os.path.isdir(folder)  # noqa: PTH112
    connection.close()

    assert not os.path.isdir(folder)  # noqa: PTH112


# The command ------------------------------------------------------------------------------------------------


def test_the_command_prints_what_was_asked_for(sealed, typed):
    query = "SELECT date, count(*) rows, max(timestamp) last, sum(1) ones FROM quotes GROUP BY 1 ORDER BY 1"

    table = typed("sql", query)
    rows = json.loads(typed("sql", query, "--format", "json", "--dates", "last 2 sessions").stdout)

    assert table.exit_code == 0, table.output
    assert [line.split()[0] for line in table.stdout.splitlines()] == ["date", *map(str, DAYS)]
    by_hand = [pl.read_parquet(sealed.parquet(date)).height for date in DAYS[1:]]
    last = "T15:30:00-05:00"
    assert rows == [
        {"date": str(date), "rows": count, "last": f"{date}{last}", "ones": count}
        for date, count in zip(DAYS[1:], by_hand, strict=True)
    ]


@pytest.mark.parametrize(
    "query, finding",
    [
        ("SELEC 1", "Parser Error"),
        ("SELECT * FROM quots", "quots does not exist"),
        ("SELECT 1; SELECT 2", "there is not one statement, but 2"),
        ("", "there is not one statement, but 0"),
    ],
)
def test_sql_that_is_none_is_one_line(query, finding, typed):
    said = typed("sql", query)

    assert isinstance(said.exception, QueryError)
    assert finding in str(said.exception) and "\n" not in str(said.exception)


def test_the_command_prints_an_empty_answer_and_values_of_every_kind(typed):
    assert typed("sql", "SELECT 1 WHERE false").stdout == "no rows\n"
    kinds = "SELECT 1.50::DECIMAL(9, 2) a, [DATE '2024-01-02'] b, {'c': TIME '10:00'} c, NULL d, 1 < 2 e"
    assert json.loads(typed("sql", kinds, "--format", "json").stdout) == [
        {"a": 1.5, "b": ["2024-01-02"], "c": {"c": "10:00:00"}, "d": None, "e": True}
    ]


def test_the_columns_that_are_listed_are_those_of_the_views(connected, typed):
    listed = [(row["view"], row["column"]) for row in json.loads(typed("views", "--format", "json").stdout)]

    connection = connected()
    there = [
        (view, name)
        for view in ("quotes", "chains", "contracts", "days")
        for name, *_ in connection.execute(f"DESCRIBE {view}").fetchall()
    ]
    assert listed == there


def test_without_duckdb_the_extra_is_named(connected, monkeypatch):
    monkeypatch.setattr(shipped, "_is_there", lambda module: module != "duckdb")

    with pytest.raises(MachineError, match=r"SQL needs DuckDB.* and there is no duckdb here") as caught:
        connected()

    assert "spx-data[sql]" in caught.value.cure


# Snapshots and readiness, as they are typed -----------------------------------------------------------------


def test_a_snapshot_is_created_listed_and_verified(sealed, typed):
    created = typed("snapshot", "create", "paper-2024")
    assert (created.exit_code, created.stdout) == (0, f"{sealed.snapshot('paper-2024')}\n"), created.output
    assert (
        f"3 days, root {spx_data.verification_root(lake=sealed.output, data=sealed.data)}" in created.stderr
    )

    (row,) = json.loads(typed("snapshot", "list", "--format", "json").stdout)
    assert (row["snapshot"], row["days"], row["first"], row["last"]) == (
        "paper-2024",
        3,
        "2024-01-31",
        "2024-02-02",
    )

    same = typed("snapshot", "verify", "paper-2024")
    assert (same.exit_code, same.stdout) == (0, "every day is as it was\n")
    with sealed.parquet(DAYS[1]).open("ab") as stream:
        stream.write(b" ")
    assert typed("snapshot", "verify", "paper-2024", "--quick").exit_code == 0
    other = typed("snapshot", "verify", str(sealed.snapshot("paper-2024")), "--format", "json")
    assert other.exit_code == 1
    assert [row["found"] for row in json.loads(other.stdout)] == ["as it was", "damaged", "as it was"]
    assert "1 of 3 days differ" in typed("snapshot", "verify", "paper-2024").stdout


def test_ready_is_an_exit_code_and_a_document(sealed, typed):
    good = typed("ready", "--dates", "last 3 sessions", "--format", "json")
    assert good.exit_code == 0, good.output
    told = json.loads(good.stdout)
    assert (told["ready"], told["sealed"], told["fresh_as_of"]) == (True, 3, "2024-02-02")
    assert told["root"] == spx_data.verification_root(lake=sealed.output, data=sealed.data)

    bad = typed("ready", "--min-score", "100")
    assert bad.exit_code == 1
    assert bad.stdout.startswith("not ready: 3 of 20 sessions sealed\n17 days not sealed: 2024-01-05, ")
    assert typed("verify").exit_code == 0
    assert "each verified since it was sealed" in typed("ready", "--dates", "2024-02").stdout
    assert typed("ready", "--dates", "2025").exit_code == 1
    assert isinstance(typed("ready", "--dates", "2024-02-03").exception, Exception)
