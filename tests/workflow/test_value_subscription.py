"""A lake of quotes from a terminal whose account has no greeks: filled, judged, shown, probed."""

import json
from dataclasses import replace

import duckdb
import pytest

from theta_simulator import Settings as Simulated
from theta_simulator import running

DAY = "2024-11-27"


@pytest.fixture(scope="module")
def account(v3):
    with running(replace(Simulated(size="tiny", tier="value"), today=v3.settings.today)) as terminal:
        yield terminal


@pytest.fixture(scope="module")
def lake(account, new_lake):
    """A lake of one date of quotes, by the real Snakemake."""
    lake = new_lake(account, DAY, DAY)
    lake.configure(
        thetadata={"retry_wait_factor": 0, "base_url": account.url},
        processing={"start_date": DAY, "end_date": DAY, "records": "quotes"},
    )
    done = lake.snakemake()
    assert lake.sealed() == [DAY], done.stdout
    return lake


def test_a_date_takes_a_request_a_root_for_its_quotes(lake, account):
    histories = [one["query"] for one in account.requests() if one["path"].endswith("/history/quote")]

    assert {query["symbol"] for query in histories if query["expiration"] == "*"} == {"SPXW"}
    assert len([query for query in histories if "strike" not in query]) == 2  # SPX has one chain


def test_the_file_and_its_passport_name_the_kind_and_the_day_reads_everywhere(lake):
    path = lake.folder / lake.parquet(DAY)
    passport = json.loads(path.with_suffix(".json").read_text())
    identity = json.loads((lake.folder / "data/parquet/dataset.json").read_text())

    rows = duckdb.sql(f"SELECT count(*), count(bid_size), count(DISTINCT strike) FROM '{path}'").fetchall()[0]

    assert passport["records"] == identity["records"] == "quotes"
    assert rows[0] == rows[1] == passport["rows"] > 0


@pytest.mark.parametrize(
    "words",
    [["quality", DAY], ["report", DAY], ["report"], ["verify"], ["recheck", DAY], ["health"]],
    ids=" ".join,
)
def test_commands_take_a_lake_of_quotes_like_any_other(words, lake):
    done = lake.spx_data(*words)

    assert done.returncode == 0, done


def test_a_probe_asks_for_what_the_lake_holds(lake):
    done = lake.spx_data("probe", "--format", "json")

    seen = {row["code"]: row for row in json.loads(done.stdout)}
    assert done.returncode in (0, 1), done.stderr
    assert "nothing was refused" in seen["refusals"]["seen"]
    assert seen["single-contracts"]["seen"].endswith("the same rows and values as its chain's answer")


def test_a_lake_of_greeks_says_in_one_line_what_the_account_has(account, new_lake):
    lake = new_lake(account, DAY, DAY)

    lake.snakemake()
    told = lake.spx_data("errors")

    assert lake.sealed() == []
    assert "spx-data config set processing.records quotes" in told.stdout
