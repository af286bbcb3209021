"""The commands of README, tutorial and how-to pages, typed into a real shell from the first to the last."""

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from docs import notebooks, transcript
from tests import pages, warm

from theta_simulator import Market, Settings, index, running, sessions, surface
from theta_simulator.sessions import HOUR

ROOT = pages.ROOT
PATIENCE = 900  # seconds: how busy a machine is decides no test
pytestmark = pytest.mark.timeout(2 * PATIENCE)
EVENING = "2024-01-04T20:00-05:00"
# What a page cannot have here: another machine, and somebody who ends what goes on for ever.
NOT_HERE = ("ssh ", "other:", "status --watch")
ACTIVATED = ". .venv/bin/activate"
# With the environment on, and with what not every machine has.
SHELL = f"""{ACTIVATED}
rsync() {{ mkdir -p "$3" && cp -R "$2." "$3"; }}
command -v sha256sum >/dev/null || sha256sum() {{ shasum -a 256 "$@"; }}
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Return a clone of the repository, which shares the environment of the tests."""
    whole = [sys.executable, "-I", "-S", "envs/environment.py", "whole", "--venv", sys.prefix]
    if subprocess.run([*whole, "--lock", "envs/requirements.lock"], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("the tests run in another environment than that of make env")
    folder = tmp_path_factory.mktemp("newcomer") / "spx-data"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def terminal():
    """Return a simulated terminal of the first days of 2024."""
    with running(Settings(size="tiny", today=dt.date(2024, 1, 4))) as terminal:
        yield {"THETADATA_BASE_URL": terminal.url, "SPX_DATA_NOW": EVENING}


def typed(folder, steps, first="", *, started=False, **environment):
    """Do the *steps* in one shell; returns the exit code of each and what was printed.

    Blocks of sh are pasted; Python that names its file is saved in it, any other is run; *first* is ours.
    Commands of the environment are forked unless they are to be *started* (tests/warm.py).
    """
    script = [first]
    for language, code in steps:
        name = re.match(r"(?:#|--) ([\w/-]+\.\w+)\n", code)
        if language in ("python", "yaml") and name:
            (folder / name[1]).write_text(code)
        elif language == "python":
            script.append(f"python - <<'EOF'\n{code}EOF\necho \"<exit $?>\"")
        elif language == "sh":
            script += [f'{line}\necho "<exit $?>"' for line in code.splitlines()]
    whole = "\n".join(script)
    if not started:
        whole = whole.replace(ACTIVATED, f"{ACTIVATED} && PATH={warm.commands()}:$PATH")
        environment["MAKEFLAGS"] = f"BIN={warm.commands()}"
    done = subprocess.run(
        ["bash", "-c", whole],
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env=os.environ | {"BROWSER": "true", "SPX_DATA_CACHE": str(folder.parent / "mirrors"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return [int(code) for code in re.findall(r"<exit (\d+)>", done.stdout)], done.stdout


@pytest.fixture(scope="module")
def newcomer(checkout, terminal):
    """Return the folder of somebody who typed all that the README shows, and what came of it."""
    folder = checkout
    before, after = (ROOT / "README.md").read_text().split("## Your own terminal")
    codes, said = typed(folder, pages.blocks(before), started=True)
    more, said_then = typed(folder, pages.blocks(after), SHELL, started=True, **terminal)
    return folder, codes + more, said + said_then


def test_the_readme_works_from_top_to_bottom(newcomer):
    folder, codes, said = newcomer

    assert set(codes) == {0}, said
    assert len(codes) > 10
    sealed = sorted(path.name for path in (folder / "data" / "parquet").rglob("*.sha256"))
    assert sealed == [f"spx-options-2024-01-0{day}.parquet.sha256" for day in (2, 3, 4)]
    assert "shape: (" in said and "2024-01-02" in said


def test_the_demo_prints_what_the_readme_shows(newcomer):
    printed = newcomer[2].partition("<exit")[0]

    assert transcript.difference(printed) == []


def test_the_tutorial_leads_to_its_chart_and_a_repaired_day(newcomer, tmp_path):
    # The demo is filled there.
    folder = shutil.copytree(newcomer[0], tmp_path / "spx-data", symlinks=True)
    text = (ROOT / "docs" / "tutorial.md").read_text()
    steps = pages.blocks(text)

    codes, said = typed(folder, steps)

    lines = [line for language, code in steps if language == "sh" for line in code.splitlines()]
    wrong = [line for line, code in zip(lines, codes, strict=True) if code]
    assert wrong == ["spx-data --configfile config/demo.yaml verify"], said  # the one that finds the damage
    shown = [line for language, code in steps if language == "text" for line in code.splitlines()]
    assert len(shown) > 5
    assert [line for line in shown if line not in said.splitlines()] == []
    chart, picture = ((path / "smile.png").read_bytes() for path in (folder, ROOT / "docs"))
    assert chart[:24] == picture[:24]  # a PNG of that size


@pytest.fixture(scope="module")
def notebook(newcomer, tmp_path_factory):
    """Return what executes a notebook on the newcomer's demo: its cells then, and some of its frames."""

    def execute(name, *frames):
        out = tmp_path_factory.mktemp(name)
        more = "\n".join(f"{frame}.write_parquet({str(out / frame)!r})" for frame in frames)
        kept = notebooks.read(notebooks.FOLDER / f"{name}.ipynb")
        found = notebooks.executed(kept, newcomer[0] / "docs" / "notebooks", more)
        assert told(found) == told(kept)
        return [pl.read_parquet(out / frame) for frame in frames]

    return execute


def told(notebook):
    """Return the cells of a notebook; of a chart, that it is one: its fonts are the machine's."""
    shown = json.loads(json.dumps(notebook["cells"]))
    for cell in shown:
        for output in cell.get("outputs", []):
            if "image/svg+xml" in output.get("data", {}):
                output["data"] = "a chart"
    return shown


MARKET = Market(1, "small")
WEEK = [dt.date(2024, 11, day) for day in (25, 26, 27, 29)] + [dt.date(2024, 12, 2)]


def quoted(expiration, day, **window):
    """Return the rows of SPXW that the simulated market has, as its terminal sends them."""
    return MARKET.history("SPXW", expiration, day, 60_000, **window).rows(named=True)


def true_volatility(day, expiration, hour, strike=None):
    """Return what the market's surface has at a moment (ms) of *day*, without a strike at the forward."""
    left = (expiration - day).days * 24 * HOUR + sessions.close(expiration) - hour
    years = np.array([left / (365 * 24 * HOUR)])
    spot = index.prints(1, day).as_of(np.array([hour]))[1]
    forward = spot * np.exp((surface.rate(day) - surface.DIVIDEND_YIELD) * years)
    moneyness = np.log((strike or forward) / forward)
    return float(np.sqrt(surface.surface(1, day).variance(moneyness, years, spot) / years)[0])


def test_the_straddle_is_that_of_the_market(notebook):
    expiration = dt.date(2024, 12, 20)

    (straddle,) = notebook("straddle", "straddle")

    found = {
        (row["date"], row["timestamp"].hour, row["timestamp"].minute): row
        for row in straddle.rows(named=True)
    }
    expected = dict[tuple, list]()
    for day in WEEK:
        for row in quoted(expiration, day, strike=6300.0):
            if row["underlying_price"]:
                minutes = row["ms_of_day"] // 60_000
                expected.setdefault((day, *divmod(minutes, 60)), []).append(row)
    both = {key: legs for key, legs in expected.items() if len(legs) == 2}  # one of them is quoted later
    assert found.keys() == both.keys()
    for key, (call, put) in both.items():
        mids, spreads = ([leg["bid"] / 2 + leg["ask"] / 2, leg["ask"] - leg["bid"]] for leg in (call, put))
        assert found[key]["straddle"] == pytest.approx(mids[0] + spreads[0])
        assert found[key]["spread"] == pytest.approx(mids[1] + spreads[1])
        assert found[key]["underlying"] == call["underlying_price"]
    for day in WEEK:
        truth = true_volatility(day, expiration, 10 * HOUR, 6300.0)
        assert found[day, 10, 0]["volatility"] == pytest.approx(truth, abs=0.001)


def test_the_surface_is_that_of_the_market(notebook):
    day, noon = dt.date(2024, 11, 27), 12 * HOUR

    smiles, term, constant = notebook("surface", "surface", "term", "constant")

    near = smiles.filter(
        pl.col("root") == "SPXW",
        pl.col("log_moneyness").abs() < 2 * pl.col("iv_mid") * pl.col("years").sqrt(),
    )
    assert len(near) > 40
    for row in near.rows(named=True):
        truth = true_volatility(day, row["expiration"], noon, row["strike"])
        assert row["iv_mid"] == pytest.approx(truth, abs=0.003), row
    for row in term.rows(named=True):
        assert row["volatility"] == pytest.approx(true_volatility(day, row["expiration"], noon), abs=0.003), (
            row
        )
    assert constant["date"].to_list() == WEEK
    for row in constant.rows(named=True):
        for days in (7, 14, 28):
            then = row["date"] + dt.timedelta(days)
            truth = true_volatility(row["date"], then, noon)
            assert row[f"{days} days"] == pytest.approx(truth, abs=0.002), row


def test_the_strangles_profit_is_that_of_a_replay_minute_by_minute(notebook):
    (result,) = notebook("zero_dte", "result")

    assert result["date"].to_list() == WEEK
    for row in result.rows(named=True):
        credit, paid, stopped = replayed(row["date"])
        fees = 1.50 * (4 if stopped else 2)
        assert row["credit"] == pytest.approx(credit)
        assert row["stopped"] == stopped
        assert row["profit"] == pytest.approx(100 * (credit - paid) - fees, abs=0.006)
    assert {*result["stopped"]} == {True, False}


def replayed(day):
    """Return what the strangle of *day* brought and cost, and whether it was stopped."""
    rows = quoted(day, day)
    legs = []
    for right in "PC":
        then = [
            row for row in rows if row["ms_of_day"] == 10 * HOUR and row["right"] == right and row["bid"] > 0
        ]
        then = [row for row in then if row["iv_error"] < 100 and row["vega"] > 0 and row["implied_vol"] > 0]
        legs.append(min(then, key=lambda row: (abs(abs(row["delta"]) - 0.30), row["strike"])))
    credit = sum(leg["bid"] for leg in legs)
    named = {(leg["strike"], leg["right"]) for leg in legs}
    minutes = dict[int, list]()
    for row in rows:
        if (row["strike"], row["right"]) in named and row["ms_of_day"] > 10 * HOUR and row["ask"] > 0:
            minutes.setdefault(row["ms_of_day"], []).append(row["ask"])
    for _, asks in sorted(minutes.items()):
        if len(asks) == 2 and sum(asks) >= 2 * credit:
            return credit, sum(asks), True
    last = max((row["ms_of_day"], row["underlying_price"]) for row in rows)[1]
    inside = [max(0.0, (last - leg["strike"]) * (1 if leg["right"] == "C" else -1)) for leg in legs]
    return credit, sum(inside), False


# Pages that need more than a lake and a terminal → what tries that which they set up.
ELSEWHERE = {
    "cluster": "tests/slurm/test_slurm.py",
    "container": "tests/container/test_container.py",
    "every-night": "tests/mac/test_nightly.py",
    "team": "tests/workflow/test_team.py",
    "unmounted-disk": "tests/workflow/test_mount.py",
}


# Pages that fill lakes of their own, on which they want any day: they do so for the last one.
FILLING = {"add-a-symbol", "several-symbols", "two-lakes"}
HERE = [page for page in pages.HOW_TO if page.stem not in ELSEWHERE and pages.pasted(page)]


@pytest.mark.parametrize("page", HERE, ids=lambda page: page.stem)
def test_the_how_to_pages_work_on_the_newcomers_lake(page, newcomer, terminal, tmp_path):
    folder = shutil.copytree(newcomer[0], tmp_path / "spx-data", symlinks=True)
    text = page.read_text().replace("/mnt/large", str(tmp_path / "large"))
    steps = [
        (language, _possible(code)) for language, code in pages.blocks(text) if "module spx:" not in code
    ]

    last = {"PROCESSING_START_DATE": "2024-01-04"} if page.stem in FILLING else {}
    codes, said = typed(folder, steps, SHELL, **terminal, **last)

    assert set(codes) == {0}, said


def _possible(code):
    """Of what a page shows the lines that this machine can do."""
    return "".join(f"{line}\n" for line in code.splitlines() if not any(word in line for word in NOT_HERE))


def test_pages_that_are_tried_elsewhere_are_tried_there():
    assert {name for name in ELSEWHERE if not (ROOT / "docs" / "how-to" / f"{name}.md").exists()} == set()
    assert {path for path in ELSEWHERE.values() if not (ROOT / path).exists()} == set()
