"""What the project promises about itself: its lock, its rooms, its README."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from tests.loading import loaded

import spx_data
from spx_data.quality.catalogue import CHECKS

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "envs" / "requirements.lock").read_text()
# Which kind of address to listen at is asked of nobody.
ASKERS = r"(requests|httpx|urllib3|urllib\.request|socket(?! import AF_)|http\.client|aiohttp)"
LIBRARY = sorted((ROOT / "scripts" / "spx_data").rglob("*.py"))


def pins():
    return [line.rstrip(" \\") for line in LOCK.splitlines() if re.match(r"[A-Za-z0-9]", line)]


def lines_matching(pattern, files):
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(pattern, line)
    ]


def test_the_lock_has_hashes_for_every_pin_and_no_addresses():
    blocks = re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip())

    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK


def test_the_lock_covers_every_direct_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    words = {re.split(r"[<>=\[;]", line, maxsplit=1)[0].strip() for line in asked}
    names = {re.sub(r"[-_.]+", "-", word).lower() for word in words}

    locked = {pin.split("==")[0].lower().replace("_", "-") for pin in pins()}

    assert names <= locked


def test_conda_users_get_the_same_pins():
    environment = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())
    (through_pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]

    assert through_pip == pins()


def test_changelog_and_version_agree():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert newest is not None
    assert newest[1] == spx_data.__version__


@pytest.mark.parametrize(
    ("promise", "pattern", "allowed"),
    [
        ("the library never hears of Snakemake", r"^\s*(import|from) snakemake", ()),
        (
            "only theta asks the network",
            # Which kind of address to listen at is asked of nobody.
            rf"^\s*(import|from) {ASKERS}\b",
            ("theta",),
        ),
        (
            "only the pages' server listens",
            r"^\s*(import|from) (http\.server|socketserver|asyncio|xmlrpc|wsgiref)\b",
            ("server.py",),
        ),
        (
            "only files writes data",
            r"(?<!files)\.write_(text|bytes)\(|open\([^)]*[\"'][wax]b?\+?[\"']",
            ("files.py",),
        ),
        ("nothing reads the status log", r"sqlite3\.connect", ("database.py",)),
        ("the library never imports the simulator", r"theta_simulator", ()),
    ],
)
def test_promises_of_the_rooms(promise, pattern, allowed):
    found = lines_matching(pattern, [path for path in LIBRARY if not set(allowed) & set(path.parts)])

    # `files.building` hands out a path: the Parquet writer and SQLite write to what it gave them.
    assert [line for line in found if "building(" not in line and "part.open" not in line] == [], promise


def rooms():
    """The library's rooms in the order of its own map, the highest first."""
    places = re.findall(r"^    ([a-z.]+(?: · [a-z.]+)*) +\S", spx_data.__doc__, re.MULTILINE)
    names = [name for place in places for name in place.split(" · ")]
    return names + [name for name in ("config.mistakes", "config.table") if name not in names]


def room_of(module, known):
    """The room that a module (without the package's name) belongs to."""
    two = ".".join(module.split(".")[:2])
    if two in {"config.mistakes", "config.table"}:
        return "config.editing"
    return two if two in known else module.split(".")[0]


def imported(source):
    """The modules of the library that *source* imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "spx_data":
            yield from (name.name for name in node.names if name.name != "__version__")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spx_data."):
            yield node.module.removeprefix("spx_data.")


def test_each_room_knows_those_below_it_and_none_above():
    order = {name: number for number, name in enumerate(rooms())}
    upwards = []
    for path in LIBRARY:
        module = ".".join(path.relative_to(ROOT / "scripts" / "spx_data").with_suffix("").parts)
        here = room_of(module.removesuffix(".__init__"), order)
        if here in {"__init__", "jobs", "lean"}:
            continue
        assert here in order, f"{here} is not on the map in spx_data/__init__.py"
        there = {room_of(name, order) for name in imported(path.read_text())}
        upwards += [f"{module} imports {name}" for name in there if order[name] < order[here]]

    assert len(order) > 30
    assert upwards == []


def test_no_checkpoint_rules_and_no_run_blocks():
    rules = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]

    assert lines_matching(r"^\s*checkpoint\s|^\s+run:\s*$", rules) == []


def test_a_rule_has_a_script_of_its_name_under_forty_lines():
    names = lines_matching(r"^rule (\w+):", (ROOT / "rules").glob("*.smk"))

    for line in names:
        name = re.search(r"rule (\w+):", line)[1]
        script = ROOT / "scripts" / f"{name}.py"
        assert len(script.read_text().splitlines()) < 40, script


def test_the_simulator_never_imports_the_library():
    simulator = (ROOT / "scripts" / "theta_simulator").rglob("*.py")

    assert lines_matching(r"\bspx_data\b", simulator) == []


@pytest.mark.parametrize(
    ("script", "page"),
    [("rulegraph", "README.md"), ("checks", "docs/quality.md")],
)
def test_what_is_drawn_into_a_page_is_that_of_today(script, page):
    drawn = subprocess.run(
        [sys.executable, "-c", f"import {script}; print({script}.drawn(), end='')"],
        cwd=ROOT / "docs",
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert drawn in (ROOT / page).read_text()


def test_what_only_looks_at_dates_loads_no_arrays():
    modules = "spx_data.status, spx_data.health, spx_data.cli.quality_report, spx_data.status.dossier"

    assert {"numpy", "pyarrow", "polars", "scipy"}.isdisjoint(loaded(f"import {modules}"))


def test_every_check_has_a_code_of_its_own_and_says_what_it_is():
    assert len({check.code for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.code)
        assert check.unit and check.meaning and check.source
        assert check.ruinous is None or 0 <= check.tolerated < check.ruinous <= 1
