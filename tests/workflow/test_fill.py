"""A fill from end to end: what lands on disk is what the terminal has, once, whole and checked."""

import datetime as dt
import functools
import subprocess
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.passports import watched
from tests.workflow.conftest import TODAY

import spx_data
from theta_simulator import Settings as Simulated
from theta_simulator import running

# Wednesday before Thanksgiving to the Monday after: a holiday, a half day and a weekend inside.
START, END = "2024-11-27", "2024-12-02"
SESSIONS = ["2024-11-27", "2024-11-29", "2024-12-02"]
KEY = ["root", "expiration", "strike", "right", "timestamp"]


@pytest.fixture(scope="module")
def fills(v2, new_lake, filled_lake):
    """A lake of the range for each API, filled once for the tests that only look."""

    @functools.cache
    def fill(api):
        if api == "v3":
            return filled_lake(START, END)
        lake = new_lake(v2, START, END)
        run = lake.snakemake()
        assert run.returncode == 0, run.stdout
        return lake

    return fill


@pytest.fixture
def filled(fills):
    """The lake of v3."""
    return fills("v3")


def market_of(terminal, version):
    """The simulator's own market for the range, in the shape of a sealed day."""
    frames = []
    for day in map(dt.date.fromisoformat, SESSIONS):
        for root in ("SPX", "SPXW"):
            for expiration in terminal.market.contracts(root, day)["expiration"].unique():
                history = terminal.market.history(root, expiration, day, 60_000, greeks_version=version)
                midnight = pl.lit(day).cast(pl.Datetime("ms"))
                frames.append(
                    history.select(
                        date=pl.lit(day),
                        root=pl.lit(root),
                        expiration=pl.lit(expiration),
                        strike="strike",
                        right="right",
                        timestamp=(midnight + pl.duration(milliseconds="ms_of_day")),
                        **{name: name for name in MEASURES},
                        underlying_timestamp=(midnight + pl.duration(milliseconds="underlying_ms")),
                        underlying_price="underlying_price",
                        dte=pl.lit((expiration - day).days, pl.Int32),
                    )
                )
    zoned = pl.col("timestamp", "underlying_timestamp").cast(pl.Datetime("ms"))
    zoned = zoned.dt.replace_time_zone("America/New_York")
    return pl.concat(frames).with_columns(zoned).sort(KEY)


MEASURES = ["bid", "ask", "delta", "theta", "vega", "rho", "epsilon", "lambda", "implied_vol", "iv_error"]


def lake_table(lake):
    table = pl.read_parquet(lake.folder / "data" / "parquet" / "**" / "*-options-*.parquet", glob=True)
    return table.with_columns(pl.col("root", "right").cast(pl.String))


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_every_session_is_sealed_as_the_market_has_it_and_a_second_run_does_nothing(api, v3, v2, fills):
    terminal, lake = {"v3": v3, "v2": v2}[api], fills(api)

    assert lake.sealed() == SESSIONS
    truth = market_of(terminal, "latest" if terminal.settings.api == "v3" else "v2")
    assert_frame_equal(lake_table(lake).sort(KEY), truth, check_exact=True)

    asked = len(terminal.requests())
    second = lake.snakemake()

    assert second.returncode == 0
    assert "Nothing to be done" in second.stdout
    assert len(terminal.requests()) == asked


def test_the_end_of_a_run_keeps_what_chains_and_days_tell(fills, monkeypatch):
    data = fills("v3").folder / "data"
    read = watched(monkeypatch)

    found = [each(lake=data / "parquet", data=data) for each in (spx_data.chains, spx_data.days)]

    assert read == []
    assert [sorted({str(date) for date in rows["date"]}) for rows in found] == [list(SESSIONS)] * 2


def test_both_apis_give_the_same_rows_but_for_the_documented_differences(v3, fills, new_lake):
    # v2 has greeks version 1 only, no row without an underlying (09:30), and another guess of the implied
    # volatility where there is no market (docs/wire.md, 2.1 and 2.2).
    lake = new_lake(v3, END, END, greeks_version="1")
    assert lake.snakemake().returncode == 0

    third = lake_table(lake).sort(KEY)
    second = lake_table(fills("v2")).filter(pl.col("date") == dt.date.fromisoformat(END)).sort(KEY)
    opening = third.filter(pl.col("timestamp").dt.time() == dt.time(9, 30))
    assert len(opening) > 0
    assert opening["underlying_price"].unique().to_list() == [0.0]
    assert opening["iv_error"].unique().to_list() == [100.0]
    third = third.filter(pl.col("underlying_price") > 0)
    no_market = (pl.col("bid") == 0) & (pl.col("ask") == 0)
    columns = third.columns
    assert_frame_equal(third.select(KEY), second.select(KEY), check_exact=True)
    assert_frame_equal(
        third.filter(~no_market).select(columns), second.filter(~no_market).select(columns), check_exact=True
    )


def test_the_systems_own_checker_accepts_every_sidecar(filled, checksum_command):
    for sidecar in (filled.folder / "data").rglob("*.sha256"):
        subprocess.run([*checksum_command, sidecar.name], cwd=sidecar.parent, check=True)

    assert len(filled.sealed()) == len(SESSIONS)


def test_duckdb_polars_and_pandas_read_the_lake_alike(filled):
    files = str(filled.folder / "data/parquet/*/*/*/*-options-*.parquet")

    polars = lake_table(filled).sort(KEY)
    order = ", ".join(f'"{name}"' for name in KEY)
    duck = duckdb.sql(f"SELECT * FROM read_parquet('{files}') ORDER BY {order}").pl()
    pandas = pd.concat(
        [pd.read_parquet(path) for path in sorted((filled.folder / "data").rglob("*-options-*.parquet"))]
    ).sort_values(KEY)

    same = ["strike", *MEASURES, "underlying_price", "expiration", "date"]
    assert_frame_equal(duck.select(same), polars.select(same), check_exact=True)
    assert pandas["strike"].tolist() == polars["strike"].to_list()
    for name in MEASURES:
        assert pandas[name].tolist() == polars[name].to_list(), name
    epoch = pl.col("timestamp").dt.epoch("ms")
    assert duck.select(epoch)["timestamp"].to_list() == polars.select(epoch)["timestamp"].to_list()
    assert str(pandas["timestamp"].dtype.tz) == "America/New_York"


@pytest.fixture(scope="module")
def keeper(v3, new_lake):
    """A lake of the last date that keeps its temporary files, filled on one core."""
    lake = new_lake(v3, END, END)
    sections = lake.sections()
    lake.configure(**sections | {"processing": sections["processing"] | {"keep_ndjson": True}})
    run = lake.snakemake(cores=1)
    assert run.returncode == 0, run.stdout
    return lake


def test_the_same_answers_give_the_same_bytes(filled, keeper):
    assert len(keeper.bytes_of_all()) == 1
    assert keeper.bytes_of_all().items() < filled.bytes_of_all().items()


def test_a_half_day_is_complete_with_its_shorter_minutes(filled):
    stamps = lake_table(filled).filter(pl.col("date") == dt.date(2024, 11, 29))["timestamp"]
    passport = pl.read_json(filled.folder / filled.parquet("2024-11-29").replace(".parquet", ".json"))

    assert stamps.max().time() == dt.time(13, 15)
    session = passport["session"][0]
    assert session["early_close"]
    assert session["last_stamp_received"] == session["last_stamp_expected"]
    assert passport["completeness"][0]["contracts_missing"] == 0


def test_never_more_requests_in_flight_than_the_config_allows(new_lake):
    with running(Simulated(size="tiny", today=TODAY, latency_ms=60)) as slow:
        lake = new_lake(slow, *SESSIONS[1:], max_concurrent_requests=3)

        assert lake.snakemake().returncode == 0

        in_flight = [request["in_flight"] for request in slow.requests() if request["counted"]]
        assert max(in_flight) == 3


def test_a_single_date_uses_the_whole_limit(new_lake):
    with running(Simulated(size="tiny", today=TODAY, latency_ms=200)) as slow:
        lake = new_lake(slow, "2024-11-25", "2024-12-02", max_concurrent_requests=4)

        assert lake.snakemake("--until", lake.parquet("2024-11-27")).returncode == 0

        assert lake.sealed() == ["2024-11-27"]
        assert max(request["in_flight"] for request in slow.requests() if request["counted"]) == 4


def test_everything_written_is_readable_by_its_owner_alone(filled):
    for path in (filled.folder / "data").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path

    assert Path(filled.folder / "data" / "spx-pipeline.db").exists()


def test_temporary_files_go_after_the_seal_unless_they_are_wanted(filled, keeper):
    assert not list((filled.folder / "data" / "temp").iterdir())
    kept = {path.name for path in (keeper.folder / "data" / "temp" / END).iterdir()}
    assert {"expirations.json", "manifest.json"} < kept
    assert len([name for name in kept if name.endswith(".ndjson")]) == 4
