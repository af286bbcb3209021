"""LEAN's folder: values against the sealed rows by DuckDB, structure against files that come with LEAN."""

import datetime as dt
import re
import zipfile
from pathlib import Path

import duckdb
import polars as pl
import pytest
from tests import sealed_rows
from tests.unit.exports.test_exporting import done, entry

from spx_data import exports
from spx_data.errors import FileCorruptionError
from spx_data.exports import exporting
from spx_data.exports.selection import Selection
from spx_data.market import products
from spx_data.pricing import black76
from spx_data.store import names as names_of_files
from spx_data.store import reads

GENUINE = Path(__file__).resolve().parents[4] / "shared" / "lean"
DATE = dt.date(2024, 1, 2)
WEEKLY, MONTHLY = dt.date(2024, 1, 5), dt.date(2024, 1, 19)
FOLDER = "indexoption/usa"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Return a sealed day of SPX and SPXW, whose farthest calls have no bid."""
    folder, stamps = tmp_path_factory.mktemp("lake"), sealed_rows.stamps_of(DATE)
    return sealed_rows.seal(
        folder,
        DATE,
        [
            sealed_rows.chain(DATE, "SPX", MONTHLY, [4600, 4700, 4725], stamps),
            sealed_rows.chain(DATE, "SPXW", WEEKLY, [4692.5, 4700, 4710, 5600], stamps),
        ],
    )


@pytest.fixture(scope="module")
def folder(lake, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lean")
    done([lake], folder, "lean")
    return folder


def texts(path):
    """The files in a zip, by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def shape(name):
    return re.sub(r"\d+", "#", name)


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*.*") if "_manifest" not in path.parts}


def genuine():
    """Return the files that come with LEAN; they are no part of this repository."""
    if not GENUINE.is_dir():
        pytest.skip("LEAN's own files not found beside the repository")
    return GENUINE


# Values -------------------------------------------------------------------------------------------------

EXPECTED = """
WITH rows AS (
    SELECT *, (epoch_ms(timestamp) - epoch_ms(TIMESTAMPTZ '2024-01-02 00:00:00-05')) AS ms,
        lag(bid) OVER one AS bid_before, lag(ask) OVER one AS ask_before
    FROM read_parquet($1) WINDOW one AS (PARTITION BY root, expiration, strike, "right" ORDER BY timestamp)
), sides AS (
    SELECT *, [bid_before, greatest(bid_before, bid), least(bid_before, bid), bid] AS bids,
        [if(ask_before > 0, ask_before, ask), greatest(ask_before, ask), least(ask_before, ask), ask] AS asks
    FROM rows WHERE ms > 34200000
)
SELECT strike, if("right" = 'C', 'call', 'put'), ms - 60000,
    if(bid > 0, list_transform(bids, lambda x: round(x * 10000)::BIGINT::VARCHAR), ['', '', '', '']),
    if(ask > 0, list_transform(asks, lambda x: round(x * 10000)::BIGINT::VARCHAR), ['', '', '', ''])
FROM sides WHERE root = $2 ORDER BY 1, 2, 3
"""


@pytest.mark.parametrize(("root", "expiration"), [("SPX", MONTHLY), ("SPXW", WEEKLY)])
def test_quotes_are_those_of_the_lake_cell_by_cell(folder, lake, root, expiration):
    low = root.lower()
    found = []
    for name, text in texts(folder / FOLDER / f"minute/{low}/20240102_quote_european.zip").items():
        told = re.fullmatch(rf"20240102_{low}_minute_quote_european_(call|put)_(\d+)_(\d+)\.csv", name)
        assert told and told[3] == f"{expiration:%Y%m%d}"
        for line in text.splitlines():
            ms, *cells = line.split(",")
            assert (cells[4], cells[9], len(cells)) == ("0", "0", 10)
            found.append((int(told[2]) / 10_000, told[1], int(ms), cells[:4], cells[5:9]))

    expected = duckdb.execute(EXPECTED, [str(lake), root]).fetchall()

    assert sorted(found) == [tuple(row) for row in expected]
    assert len(found) == {"SPX": 3, "SPXW": 4}[root] * 2 * 390


def test_a_side_without_a_price_is_empty_and_a_minute_without_any_has_no_line(tmp_path):
    stamps = sealed_rows.stamps_of(DATE)[:4]
    rows = sealed_rows.chain(DATE, "SPXW", WEEKLY, [4700], stamps)
    bids, asks = [1.0, 0.0, 0.0, 1.2] * 2, [1.1, 1.3, 0.0, 1.3] * 2
    rows = rows.set_column(6, rows.field(6), [bids]).set_column(7, rows.field(7), [asks])
    done([sealed_rows.seal(tmp_path / "lake", DATE, [rows])], tmp_path / "out", "lean")

    (call, _) = texts(tmp_path / "out" / FOLDER / "minute/spxw/20240102_quote_european.zip").values()

    assert call.splitlines() == [
        "34200000,,,,,0,11000,13000,11000,13000,0",
        "34320000,12000,12000,12000,12000,0,13000,13000,13000,13000,0",
    ]


def test_at_a_longer_step_each_line_is_the_minute_before_its_stamp(lake, tmp_path):
    done([lake], tmp_path / "out", "lean", Selection(every_ms=300_000, roots=("SPX",)))

    found = texts(tmp_path / "out" / FOLDER / "minute/spx/20240102_quote_european.zip")
    lines = next(iter(found.values())).splitlines()
    starts = [int(line.split(",")[0]) for line in lines]
    assert starts == list(range(34_200_000 + 240_000, 57_600_000, 300_000))
    assert {len(set(line.split(",")[1:5])) for line in lines} == {1}
    assert not (tmp_path / "out" / FOLDER / "minute/spxw").exists()


def test_sizes_of_a_lake_of_quotes_are_the_last_ones_and_what_it_lacks_is_told(tmp_path):
    rows = sealed_rows.chain(DATE, "SPXW", WEEKLY, [4700], sealed_rows.stamps_of(DATE)[:3], kind="quotes")
    done([sealed_rows.seal(tmp_path / "lake", DATE, [rows])], tmp_path / "out", "lean")

    lines = texts(tmp_path / "out" / FOLDER / "minute/spxw/20240102_quote_european.zip").popitem()[1]

    sizes = [(int(line.split(",")[5]), int(line.split(",")[10])) for line in lines.splitlines()]
    held = pl.from_arrow(rows).filter(pl.col("right") == "P").select("bid_size", "ask_size").rows()
    assert sizes == held[1:]
    assert not (tmp_path / "out/index").exists()
    assert entry(tmp_path / "out")["notes"] == [
        "the day has no open interest: no such file, and empty in the universe",
        "the day has no volumes: empty in the universe",
        "the lake has no price of the underlying: no such file, and no such row in the universe",
    ]


def test_the_index_has_the_prices_of_the_lake_on_chicagos_clock(folder, lake):
    ((name, text),) = texts(folder / "index/usa/minute/spx/20240102_trade.zip").items()
    rows = [line.split(",") for line in text.splitlines()]

    assert name == "20240102_spx_minute_trade.csv"
    closes = duckdb.execute(
        "SELECT DISTINCT epoch_ms(timestamp) - epoch_ms(TIMESTAMPTZ '2024-01-02 00:00:00-06') - 60000, "
        "underlying_price FROM read_parquet($1) ORDER BY 1",
        [str(lake)],
    ).fetchall()
    assert [(int(row[0]), float(row[4])) for row in rows] == closes[1:]
    assert [float(row[1]) for row in rows] == [price for _, price in closes[:-1]]
    assert {row[5] for row in rows} == {"0"}


def test_the_universe_has_the_contracts_of_the_day(folder, lake):
    header, of_index, *lines = (folder / FOLDER / "universes/spxw/20240102.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]

    assert header.startswith("#expiry,strike,right,open")
    spot = sealed_rows.spot_at(sealed_rows.stamps_of(DATE))
    assert of_index.split(",")[:8] == [
        "",
        "",
        "",
        *map(str, (spot[0], spot.max(), spot.min(), spot[-1])),
        "0",
    ]
    assert [row[:3] for row in rows][:3] == [
        ["20240105", "4692.5", "C"],
        ["20240105", "4700", "C"],
        ["20240105", "4710", "C"],
    ]
    expected = duckdb.execute(
        """SELECT first(middle ORDER BY timestamp), max(middle), min(middle), last(middle ORDER BY timestamp),
            last(implied_vol ORDER BY timestamp), last(delta ORDER BY timestamp),
            last(vega ORDER BY timestamp) / 100, last(theta ORDER BY timestamp),
            last(rho ORDER BY timestamp) / 100
        FROM (SELECT *, (bid + ask) / 2 AS middle FROM read_parquet($1) WHERE root = 'SPXW' AND strike < 5000)
        GROUP BY "right", strike ORDER BY "right", strike""",
        [str(lake)],
    ).fetchall()
    inside = [row for row in rows if float(row[1]) < 5000]
    cells = [[*row[3:7], row[9], row[10], row[12], row[13], row[14]] for row in inside]
    assert [[f"{float(cell):.4f}" for cell in row] for row in cells] == [
        [f"{value:.4f}" for value in row] for row in expected
    ]
    assert {(row[7], row[8]) for row in rows} == {("", "")}


def test_gamma_is_that_of_black_where_the_lake_has_none(folder):
    lines = (folder / FOLDER / "universes/spx/20240102.csv").read_text().splitlines()[2:]
    found = {(float(row[1]), row[2]): float(row[11]) for row in (line.split(",") for line in lines)}

    last = sealed_rows.stamps_of(DATE)[-1:]
    spot, one = sealed_rows.spot_at(last), last.astype(float) * 0 + 1
    years = one * (16 + 17.5 / 24) / 365  # from 16:00 to the open of the 19th
    for (strike, right), gamma in found.items():
        options = black76.Options(spot, one, one * strike, one * (right == "C") > 0, years)
        assert gamma == pytest.approx(black76.values(options, one * 0.2).gamma[0], rel=0.03)
    assert len(found) == 6


def reported(**values):
    """What is reported of two weekly contracts at 4700, one at 4710, and one that has no rows."""
    columns = {"root": "SPXW", "expiration": WEEKLY, "right": ["C", "P", "C", "C"], "volume": 17}
    told = columns | {"strike": [4700.0, 4700.0, 4710.0, 9000.0], "open_interest": [120, 0, None, 5]} | values
    return pl.DataFrame(told).with_columns(pl.col("volume", "open_interest").cast(pl.Int32))


def test_open_interest_and_volume_are_those_that_are_reported(tmp_path):
    stamps = sealed_rows.stamps_of(DATE)[:3]
    chains = [
        sealed_rows.chain(DATE, "SPX", MONTHLY, [4700], stamps),
        sealed_rows.chain(DATE, "SPXW", WEEKLY, [4692.5, 4700, 4710], stamps),
    ]
    path = sealed_rows.seal(tmp_path / "lake", DATE, chains, contracts=reported())

    done([path], tmp_path / "out", "lean")

    found = texts(tmp_path / "out" / FOLDER / "minute/spxw/20240102_openinterest_european.zip")
    assert found == {
        "20240102_spxw_minute_openinterest_european_call_47000000_20240105.csv": "23400000,120\n",
        "20240102_spxw_minute_openinterest_european_put_47000000_20240105.csv": "23400000,0\n",
    }
    lines = (tmp_path / "out" / FOLDER / "universes/spxw/20240102.csv").read_text().splitlines()[2:]
    counts = {tuple(line.split(",")[1:3]): line.split(",")[7:9] for line in lines}
    assert counts["4700", "C"] == ["17", "120"] and counts["4710", "C"] == ["17", ""]
    assert counts["4692.5", "C"] == ["", ""]
    assert not (tmp_path / "out" / FOLDER / "minute/spx/20240102_openinterest_european.zip").exists()
    told = entry(tmp_path / "out")
    assert told["notes"] == ["the lake has no sizes: 0 stands for them"]
    assert told["contracts"] == reads.digest(names_of_files.contracts_of(path))
    if GENUINE.is_dir():
        theirs = texts(GENUINE / FOLDER / "minute/spxw/20230626_openinterest_european.zip")
        assert {shape(name) for name in theirs} == {shape(name) for name in found}
        assert {shape(text) for text in theirs.values()} == {shape(text) for text in found.values()}


def test_a_day_is_exported_again_when_its_contracts_come_and_by_those_formats_alone_that_have_them(tmp_path):
    chains = [sealed_rows.chain(DATE, "SPXW", WEEKLY, [4700], sealed_rows.stamps_of(DATE)[:3])]
    path = sealed_rows.seal(tmp_path / "lake", DATE, chains)
    for form in ("lean", "csv"):
        done([path], tmp_path / form, form)

    sealed_rows.seal(tmp_path / "lake", DATE, chains, contracts=reported(open_interest=None))

    assert done([path], tmp_path / "csv", "csv") == [(DATE, False)]
    assert done([path], tmp_path / "lean", "lean") == [(DATE, True)]
    assert done([path], tmp_path / "lean", "lean") == [(DATE, False)]
    assert entry(tmp_path / "lean")["notes"][1:] == [
        "the day has no open interest: no such file, and empty in the universe"
    ]


def test_contracts_that_are_not_the_sealed_ones_are_refused(tmp_path):
    chains = [sealed_rows.chain(DATE, "SPXW", WEEKLY, [4700], sealed_rows.stamps_of(DATE)[:3])]
    path = sealed_rows.seal(tmp_path / "lake", DATE, chains, contracts=reported())
    reported(volume=18).write_parquet(names_of_files.contracts_of(path))

    with pytest.raises(FileCorruptionError, match="spx-contracts-2024-01-02"):
        done([path], tmp_path / "out", "lean")


def test_options_on_a_fund_are_in_their_own_place(tmp_path):
    stamps = sealed_rows.stamps_of(DATE)[:3]
    rows = sealed_rows.chain(DATE, "SPY", WEEKLY, [4700], stamps, symbol="SPY")
    path = sealed_rows.seal(tmp_path / "lake", DATE, [rows], symbol="SPY")
    list(
        exporting.export([path], exports.of("lean"), tmp_path / "out", Selection(), products.PRODUCTS["SPY"])
    )

    assert names(tmp_path / "out") == {
        "option/usa/minute/spy/20240102_quote_american.zip",
        "option/usa/universes/spy/20240102.csv",
        "equity/usa/minute/spy/20240102_trade.zip",
    }
    (text,) = texts(tmp_path / "out/equity/usa/minute/spy/20240102_trade.zip").values()
    price = round(float(sealed_rows.spot_at(stamps)[1]) * 10_000)
    assert text.split("\n")[0].split(",")[::4] == ["34200000", str(price)]


def test_the_same_day_gives_the_same_bytes(folder, lake, tmp_path):
    done([lake], tmp_path / "out", "lean")

    assert entry(tmp_path / "out", DATE) == entry(folder, DATE)


# Structure ----------------------------------------------------------------------------------------------


def test_files_are_called_as_those_that_come_with_lean(folder):
    theirs = {shape(name) for name in names(genuine()) if not name.endswith(".md")}

    ours = {shape(name) for name in names(folder)}

    # Open interest needs a day that has it.
    assert theirs - ours == {
        shape(f"{FOLDER}/minute/{root}/1_openinterest_european.zip") for root in ("spx", "spxw")
    }
    assert ours <= theirs


@pytest.mark.parametrize("root", ["spx", "spxw"])
def test_quotes_look_like_those_that_come_with_lean(folder, root):
    theirs = texts(genuine() / FOLDER / f"minute/{root}/20210104_quote_european.zip")
    ours = texts(folder / FOLDER / f"minute/{root}/20240102_quote_european.zip")

    assert {shape(name) for name in ours} == {shape(name) for name in theirs}
    for found in (theirs, ours):
        for text in found.values():
            assert "\r" not in text  # theirs end with a newline or without
            rows = [line.split(",") for line in text.splitlines()]
            assert {len(row) for row in rows} == {11}
            assert rows[0][0] == "34200000" and all(int(row[0]) % 60_000 == 0 for row in rows)
            assert all(re.fullmatch(r"\d*", cell) for row in rows for cell in row)
            assert all(all(row[1:5]) or not any(row[1:5]) for row in rows)


def test_the_index_looks_like_that_which_comes_with_lean(folder):
    name = "index/usa/minute/spx/{}_trade.zip"
    (theirs,), (ours,) = (
        texts(at / name.format(day)).values() for at, day in ((genuine(), "20210104"), (folder, "20240102"))
    )

    for text in (theirs, ours):
        assert text.endswith("\n") and "\r" not in text
        assert {len(line.split(",")) for line in text.splitlines()} == {6}
        assert text.split(",")[0] == "30600000"
        assert all(re.fullmatch(r"\d+(,\d+\.?\d*){4},\d+", line) for line in text.splitlines())


def test_universes_look_like_those_that_come_with_lean(folder):
    theirs = (genuine() / FOLDER / "universes/spx/20210104.csv").read_bytes().decode().split("\n")
    ours = (folder / FOLDER / "universes/spx/20240102.csv").read_bytes().decode().split("\n")

    assert ours[0] == theirs[0]
    assert ours[-1] == theirs[-1] == ""
    cells = r"\d{8},\d+\.?\d*,[CP](,\d+\.\d{4}){4},\d*,\d*(,-?\d+\.\d{7}){6}"
    for found in (theirs, ours):
        assert re.fullmatch(r",,,(\d+\.?\d*,){5},,,,,,", found[1])
        assert all(re.fullmatch(cells, line) for line in found[2:-1])
        kinds = [line.split(",")[2] for line in found[2:-1]]
        assert kinds == sorted(kinds)
