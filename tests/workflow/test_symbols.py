"""Several symbols in one config: one run for all, of which some cannot be filled; lists of all, or of one."""

import csv
import json
import re
import shutil
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from tests.hook import listening

import spx_data
from spx_data.config import checking
from spx_data.lake.reader import mirror
from spx_data.report.live import PagesOfAll
from spx_data.settings import Lakes
from theta_simulator import Settings as Simulated
from theta_simulator import running

from .conftest import TODAY

DATE = "2024-11-29"
SYMBOLS = {"IWM": {}, "SPX": {"max_dte": 10}, "XSP": {"weight": 2, "max_dte": 10}, "ZZZ": {}}
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
def filled(new_lake, tmp_path_factory):
    """The lake after its first run, and what that said; the subscription does not include IWM."""
    simulated = Simulated(size="tiny", today=TODAY, refuses=("IWM",))
    with listening() as hook, running(simulated) as terminal:
        pages, told = {"after_runs": True, "day_pages": 0}, {"notify": [f"json://{hook.at}/hook"]}
        place = {"url": tmp_path_factory.mktemp("published").as_uri()}
        lake = lake_of_all(new_lake, terminal, report=pages, alerts=told, publish=place)
        yield lake, lake.snakemake()


def test_one_run_fills_all_and_leaves_out_in_one_line_what_it_cannot(filled):
    lake, run = filled

    assert run.returncode == 1
    refused, unknown = of_spx_data(run.stdout)
    assert unknown.startswith("spx-data: ZZZ is left out: ")
    assert "knows no option root ZZZ" in unknown
    assert refused.startswith("spx-data: IWM is left out: ")
    assert "subscription" in refused
    for symbol, stem in (("SPX", "spx"), ("XSP", "xsp")):
        own = lake.folder / "data" / symbol
        assert (own / f"parquet/2024/11/29/{stem}-options-{DATE}.parquet.sha256").exists()
        assert json.loads((own / "parquet/dataset.json").read_text())["symbol"] == symbol
        assert {"journal", "run.json", "spx-pipeline.db", "report"} <= {path.name for path in own.iterdir()}
    assert not list((lake.folder / "data/ZZZ/parquet").rglob("*.parquet"))
    for symbol in ("IWM", "ZZZ"):
        (told,) = json.loads((lake.folder / "data" / symbol / "told.json").read_text()).values()
        assert told["standing"] == "failed"
    # By its weight XSP is first; all else is alike.
    jobs = re.findall(
        r"output: data/(\w+)/temp/.*?expirations\.json\n.*?priority: (\d+)", run.stdout, re.DOTALL
    )
    assert int(dict(jobs)["XSP"]) > int(dict(jobs)["SPX"])
    assert (lake.folder / "data/report/symbols.html").exists()
    assert (
        'href="../../XSP/report/dashboard.html"'
        in (lake.folder / "data/SPX/report/dashboard.html").read_text()
    )


def test_all_are_published_to_one_place_and_each_is_read_back_by_itself(filled, tmp_path, monkeypatch):
    monkeypatch.setenv(mirror.CACHE, str(tmp_path))
    lake, run = filled
    url = lake.sections()["publish"]["url"]
    there = Path(url.removeprefix("file://"))

    assert run.stdout.count("1 day published") == 2
    for symbol in ("SPX", "XSP"):
        own, published = lake.folder / "data" / symbol, f"{url}/{symbol}"
        told = {"lake": own / "parquet", "data": own}
        assert spx_data.verification_root(published) == spx_data.verification_root(**told)
        assert spx_data.scan(published).collect().equals(spx_data.scan(**told).collect())
        assert json.loads((there / symbol / "dataset.json").read_text())["symbol"] == symbol
        verified = lake.spx_data("--symbol", symbol, "verify", "--published")
        assert verified.returncode == 0 and "1 day as sealed" in verified.stderr
    assert {path.relative_to(there).parts[0] for path in there.rglob("current-*")} == {"SPX", "XSP"}
    assert lake.spx_data("publish").returncode == 0


def test_what_is_filled_is_not_filled_again_and_some_can_be_named(filled):
    lake, _ = filled

    again = lake.snakemake("--config", "symbols=SPX,XSP")
    assert (again.returncode, "Nothing to be done" in again.stdout) == (0, True)
    unknown = lake.snakemake("-n", "--config", "symbols=QQQ")
    assert unknown.returncode == 1
    (said,) = of_spx_data(unknown.stdout)
    assert "'QQQ' is none of this config's symbols. They are IWM, SPX, XSP, ZZZ" in said
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
        ("IWM", "queued"),
        ("SPX", "success"),
        ("XSP", "success"),
        ("ZZZ", "queued"),
    ]
    found = json.loads(lake.spx_data("status", "--offline", "--format", "json").stdout)
    sealed = {symbol: of["dates"]["sealed"] for symbol, of in found.items()}
    assert sealed == {"IWM": 0, "SPX": 1, "XSP": 1, "ZZZ": 0}
    status = lake.spx_data("status", "--offline").stdout
    assert status.splitlines()[0].split()[:2] == ["symbol", "date"]


@pytest.mark.parametrize("command", ["status", "health"])
def test_the_terminal_that_all_have_in_common_is_asked_how_it_is_once(filled, monkeypatch, command):
    lake, _ = filled
    with running(Simulated(size="tiny", today=TODAY)) as terminal:
        monkeypatch.setitem(lake.environment, "THETADATA_BASE_URL", terminal.url)
        done = lake.spx_data(command, "--format", "json")
        asked = [request["path"] for request in terminal.requests()]

    assert '"connected' in done.stdout
    assert len(asked) == len(set(asked)) > 0


def test_a_command_goes_from_one_to_the_next_or_asks_which_is_meant(filled):
    lake, _ = filled

    verified = lake.spx_data("verify", "--depth", "bytes")
    assert verified.returncode == 0
    assert [line for line in verified.stdout.splitlines() if line.endswith(":")] == [
        f"{symbol}:" for symbol in SYMBOLS
    ]
    accepted = lake.spx_data("accept", DATE, "--reason", "nobody has it")
    assert accepted.returncode == 2
    assert "--symbol (IWM, SPX, XSP, ZZZ)" in accepted.stderr
    unknown = lake.spx_data("--symbol", "QQQ", "gaps")
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


def test_every_link_of_the_served_pages_leads_to_one(filled, monkeypatch):
    lake, _ = filled
    monkeypatch.chdir(lake.folder)
    monkeypatch.setenv("SPX_DATA_NOW", lake.environment["SPX_DATA_NOW"])
    lakes = Lakes.of(checking.checked([Path("config/config.yaml")]))
    pages = PagesOfAll(lakes, 30, {})

    for at in ("/", "/report/symbols.html", "/XSP/report/dashboard.html"):
        reply = pages.reply(at)
        assert reply.status == 200
        switch = re.search(r'<p class="switch".*?</p>', reply.body, re.DOTALL)[0]
        names = re.findall(r">(\w+)</", switch)
        assert names == ["all", *SYMBOLS]
        for link in re.findall(r'href="(.*?)"', switch):
            path = urlsplit(urljoin(f"http://here{at}", link)).path
            assert pages.reply(path).status == 200
    assert pages.reply(f"/XSP/report/days/{DATE}.html").status == 200
    assert pages.reply("/QQQ/report/dashboard.html").status == 404
