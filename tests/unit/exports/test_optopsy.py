"""optopsy's frame, given to optopsy itself, which is part of the tests alone (its licence is the AGPL)."""

import datetime as dt

import duckdb
import optopsy
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests import sealed_rows
from tests.unit.exports.test_exporting import done, entry

DATES = [dt.date(2024, 1, number) for number in (2, 3, 4, 5)]
EXPIRATION = DATES[-1]
STRIKES = [4680, 4700, 4720]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Return four days of a chain until its expiration, with a row after the close on the days before."""
    folder = tmp_path_factory.mktemp("lake")
    found = []
    for date in DATES:
        stamps = sealed_rows.stamps_of(date, 15, until=dt.time(16, 15))
        rows = [sealed_rows.chain(date, "SPXW", EXPIRATION, STRIKES, stamps)]
        found.append(sealed_rows.seal(folder, date, rows))
    return found


@pytest.fixture(scope="module")
def frame(lake, tmp_path_factory):
    """Return the frame as a user reads it: the whole folder at once."""
    done(lake, folder := tmp_path_factory.mktemp("out") / "optopsy", "optopsy")
    return pd.read_parquet(folder)


def test_it_has_each_contract_at_the_close_as_the_lake_has_it(frame, lake):
    columns = (
        "option_type, strike, quote_date::DATE, expiration::DATE, bid, ask, underlying_price, delta, vega"
    )
    expected = duckdb.execute(
        """SELECT if("right" = 'C', 'call', 'put'), strike, date, expiration, bid, ask, underlying_price,
            if(vega > 0, delta, NULL), if(vega > 0, vega, NULL)
        FROM read_parquet($1) WHERE strftime(timezone('America/New_York', timestamp), '%H:%M') = '16:00'
        ORDER BY ALL""",
        [list(map(str, lake))],
    ).fetchall()

    told = duckdb.from_arrow(pa.Table.from_pandas(frame))
    assert told.query("told", f"SELECT {columns} FROM told ORDER BY ALL").fetchall() == expected
    assert len(expected) == 4 * 3 * 2


def test_optopsy_runs_a_strategy_whose_result_is_that_of_the_lake(frame, lake):
    # Bought on the second at the midpoints and sold at those of the expiration.
    found = optopsy.long_straddles(frame, max_entry_dte=3, exit_dte=0, max_otm_pct=1.0, raw=True)
    of_second = found[found["dte_entry"] == 3]

    middles = duckdb.execute(
        """SELECT strike, date, sum((bid + ask) / 2) FROM read_parquet($1)
        WHERE strftime(timezone('America/New_York', timestamp), '%H:%M') = '16:00'
            AND date IN (DATE '2024-01-02', DATE '2024-01-05')
        GROUP BY ALL ORDER BY ALL""",
        [list(map(str, lake))],
    ).fetchall()
    expected = {row[0]: (row[2], after[2]) for row, after in zip(middles[::2], middles[1::2], strict=True)}
    told = of_second.set_index("strike")
    assert set(told.index) == set(map(float, STRIKES))
    for strike, (entered, left) in expected.items():
        assert told.loc[strike, "total_entry_cost"] == pytest.approx(entered, abs=0.011)
        assert told.loc[strike, "total_exit_proceeds"] == pytest.approx(left, abs=0.011)


def test_a_lake_of_quotes_has_forwards_and_says_so(tmp_path):
    rows = sealed_rows.chain(
        DATES[0], "SPXW", EXPIRATION, STRIKES, sealed_rows.stamps_of(DATES[0]), kind="quotes"
    )
    done([sealed_rows.seal(tmp_path / "lake", DATES[0], [rows])], tmp_path / "out", "optopsy")

    found = pl.read_parquet(tmp_path / "out/spx-options-2024-01-02.parquet")
    assert found["delta"].is_between(-1, 1).all() and {"gamma", "theta", "vega"} <= set(found.columns)
    (note,) = entry(tmp_path / "out")["notes"]
    assert "the forward of each expiration" in note


def test_volume_and_open_interest_are_those_that_are_reported(tmp_path):
    told = {"root": "SPXW", "expiration": EXPIRATION, "strike": 4700.0, "right": ["C"], "volume": 3}
    contracts = pl.DataFrame(told | {"open_interest": None})
    rows = sealed_rows.chain(DATES[0], "SPXW", EXPIRATION, STRIKES, sealed_rows.stamps_of(DATES[0]))
    path = sealed_rows.seal(tmp_path / "lake", DATES[0], [rows], contracts=contracts)

    done([path], tmp_path / "out", "optopsy")

    found = pd.read_parquet(tmp_path / "out/spx-options-2024-01-02.parquet")
    assert found["volume"].dropna().tolist() == [3.0]
    assert found["open_interest"].dropna().empty and str(found["open_interest"].dtype) == "float64"
