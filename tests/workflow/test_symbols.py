"""Several symbols in one config: one run for all, of which some cannot be filled; lists of all, or of one."""

import csv
import json
import shutil

import pytest

DATE = "2024-11-29"
SYMBOLS = {"SPX": {"max_dte": 10}, "XSP": {"weight": 2, "max_dte": 10}, "ZZZ": {}}
# Nobody's: the terminal knows no such root.
PRODUCTS = {"ZZZ": {"exercise": "American"}}


def of_spx_data(output):
    return [line for line in output.splitlines() if line.startswith("spx-data:")]


def lake_of_all(new_lake, terminal, end=DATE, **more):
    """A lake whose config has the three symbols."""
    lake = new_lake(terminal, DATE, end)
    lake.configure(**lake.sections(), symbols=SYMBOLS, products=PRODUCTS, **more)
    return lake


@pytest.fixture(scope="module")
def filled(new_lake, v3):
    """The lake after its first run, and what that said."""
    lake = lake_of_all(new_lake, v3, report={"after_runs": True, "day_pages": 0})
    return lake, lake.snakemake()


def test_one_run_fills_all_and_leaves_out_in_one_line_what_it_cannot(filled):
    lake, run = filled

    assert run.returncode == 1
    (said,) = of_spx_data(run.stdout)
    assert said.startswith("spx-data: ZZZ is left out: ")
    assert "knows no option root ZZZ" in said
    for symbol, stem in (("SPX", "spx"), ("XSP", "xsp")):
        own = lake.folder / "data" / symbol
        assert (own / f"parquet/2024/11/29/{stem}-options-{DATE}.parquet.sha256").exists()
        assert json.loads((own / "parquet/dataset.json").read_text())["symbol"] == symbol
        assert {"journal", "run.json", "spx-pipeline.db", "report"} <= {path.name for path in own.iterdir()}
    assert not list((lake.folder / "data/ZZZ/parquet").rglob("*.parquet"))
    # By its weight XSP is first: listed before the other, of which all else is alike.
    assert run.stdout.index("data/XSP/temp/2024-11-29/expirations") < run.stdout.index(
        "data/SPX/temp/2024-11-29/expirations"
    )
    assert (lake.folder / "data/report/symbols.html").exists()
    assert (
        'href="../../XSP/report/dashboard.html"'
        in (lake.folder / "data/SPX/report/dashboard.html").read_text()
    )


def test_what_is_filled_is_not_filled_again_and_some_can_be_named(filled):
    lake, _ = filled

    again = lake.snakemake("--config", "symbols=SPX,XSP")
    assert (again.returncode, "Nothing to be done" in again.stdout) == (0, True)
    unknown = lake.snakemake("-n", "--config", "symbols=IWM")
    assert unknown.returncode == 1
    assert "'IWM' is none of this config's symbols. They are SPX, XSP, ZZZ" in of_spx_data(unknown.stdout)[0]
    # A file in any spelling, of one of them.
    named = lake.snakemake("-n", str(lake.folder / f"data/ZZZ/parquet/2024/11/29/zzz-options-{DATE}.parquet"))
    assert named.returncode == 0
    assert "symbol=ZZZ" in named.stdout


def test_lists_have_the_symbol_first_and_one_of_them_has_none(filled):
    lake, _ = filled

    for command in (["list"], ["gaps"], ["errors"], ["quality"], ["metrics"], ["inventory"], ["health"]):
        done = lake.spx_data(*command, "--format", "csv")
        header = done.stdout.splitlines()[0].split(",")
        assert header[0] == "symbol"
        alone = lake.spx_data("--symbol", "XSP", *command, "--format", "csv")
        assert alone.stdout.splitlines()[0].split(",") == header[1:]
    rows = list(csv.DictReader(lake.spx_data("list", "--format", "csv").stdout.splitlines()))
    assert [(row["symbol"], row["status"]) for row in rows] == [
        ("SPX", "success"),
        ("XSP", "success"),
        ("ZZZ", "queued"),
    ]
    found = json.loads(lake.spx_data("status", "--offline", "--format", "json").stdout)
    assert {symbol: of["dates"]["sealed"] for symbol, of in found.items()} == {"SPX": 1, "XSP": 1, "ZZZ": 0}
    status = lake.spx_data("status", "--offline").stdout
    assert status.splitlines()[0].split()[:2] == ["symbol", "date"]


def test_a_command_goes_from_one_to_the_next_or_asks_which_is_meant(filled):
    lake, _ = filled

    verified = lake.spx_data("verify", "--depth", "bytes")
    assert verified.returncode == 0
    assert [line for line in verified.stdout.splitlines() if line.endswith(":")] == ["SPX:", "XSP:", "ZZZ:"]
    accepted = lake.spx_data("accept", DATE, "--reason", "nobody has it")
    assert accepted.returncode == 2
    assert "--symbol (SPX, XSP, ZZZ)" in accepted.stderr
    unknown = lake.spx_data("--symbol", "IWM", "gaps")
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (1, 1)
    told = lake.spx_data("process", DATE, "--dry-run").stdout
    assert f"spx-data --symbol SPX verify {DATE}" in told


def test_a_lake_of_another_symbol_is_left_out_and_stays_as_it_is(filled, new_lake, v3):
    lake = lake_of_all(new_lake, v3)
    (lake.folder / "data").mkdir(exist_ok=True)
    for mine, theirs in (("SPX", "SPX"), ("XSP", "SPX")):
        shutil.copytree(filled[0].folder / "data" / theirs, lake.folder / "data" / mine, dirs_exist_ok=True)

    dry = lake.snakemake("-n", "--config", "symbols=SPX,XSP")

    (said,) = of_spx_data(dry.stdout)
    assert said.startswith("spx-data: XSP is left out: ")
    assert "symbol" in said
    assert "Nothing to be done" in dry.stdout
