"""What the project promises about itself: its lock, its rooms, its README."""

import importlib.util
import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from tests.loading import loaded
from tests.mutants import __main__ as mutants

import spx_data
from spx_data.quality.catalogue import CHECKS

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "nautilus.lock", "slurm.lock")
TOOLS = ("objects.lock", "mutants.lock")  # programs that tests start: nothing of ours is installed by them
APART = {"nautilus", "slurm"}  # extras that are not in the environment of the others
# Which kind of address to listen at is asked of nobody.
ASKERS = r"(requests|httpx|urllib3|urllib\.request|socket(?! import AF_)|http\.client|aiohttp|obstore)"
LIBRARY = sorted((ROOT / "scripts" / "spx_data").rglob("*.py"))


def pins(lock):
    lines = (ROOT / "envs" / lock).read_text().splitlines()
    return [line.rstrip(" \\") for line in lines if re.match(r"[A-Za-z0-9]", line)]


def lines_matching(pattern, files):
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(pattern, line)
    ]


def test_what_the_search_for_mutants_loads_ahead_is_there():
    assert [name for name in mutants.LIBRARIES if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize("lock", [*LOCKS, *TOOLS])
def test_the_lock_has_hashes_for_every_pin_and_no_addresses(lock):
    text = (ROOT / "envs" / lock).read_text()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())

    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_the_locks_cover_every_direct_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    makefile = (ROOT / "Makefile").read_text()
    told = re.search(r"^EXTRAS := (.*)$", makefile, re.MULTILINE)
    on_cluster = re.search(r"^ON_CLUSTER := (.*)$", makefile, re.MULTILINE)

    assert told is not None
    assert on_cluster is not None
    assert {*told[1].split(), *APART} == set(extras)
    asked = {
        "requirements.lock": itertools.chain(*(lines for name, lines in extras.items() if name not in APART)),
        "nautilus.lock": extras["nautilus"],
        "slurm.lock": itertools.chain(*(extras[name] for name in on_cluster[1].split())),
    }
    for lock in LOCKS:
        lines = [*project["dependencies"], *asked[lock]]
        words = {re.split(r"[<>=\[;]", line, maxsplit=1)[0].strip() for line in lines}
        names = {re.sub(r"[-_.]+", "-", word).lower() for word in words}
        assert names <= {pin.split("==")[0].lower().replace("_", "-") for pin in pins(lock)}


def test_conda_gives_a_python_and_no_package_past_the_hashes_of_the_lock():
    environment = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())

    assert [part.split()[0] for part in environment["dependencies"]] == ["python", "make"]


def test_changelog_and_version_agree():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert newest is not None
    assert newest[1] == spx_data.__version__


@pytest.mark.parametrize(
    ("promise", "pattern", "allowed"),
    [
        ("the library never hears of Snakemake", r"^\s*(import|from) snakemake", ()),
        (
            "only sources ask the network",
            # Which kind of address to listen at is asked of nobody.
            rf"^\s*(import|from) {ASKERS}\b",
            # And whoever tells a monitor that a run has ended. What jobs are forked from is no network.
            ("sources", "sending.py", "forks.py"),
        ),
        (
            "only the one server listens",
            r"^\s*(import|from) (http\.server|socketserver|asyncio|xmlrpc|wsgiref)\b",
            ("serving.py",),
        ),
        (
            "only files writes data",
            r"(?<!files)\.write_(text|bytes)\(|open\([^)]*[\"'][wax]b?\+?[\"']",
            ("files.py",),
        ),
        (
            "JSON from outside is read within ceilings: the wire's in json_text, a lake's in foreign",
            # A job reads what its own run has put into its environment, a survey what its own process says.
            r"\b(or)?json\.loads?\(|JSONDecoder",
            ("json_text.py", "foreign.py", "process.py", "diagnosis.py"),
        ),
        (
            "what came packed is unpacked within ceilings",
            r"gzip\.(decompress|open|GzipFile)\(|zlib\.decompress|zipfile\.ZipFile\(",
            ("bodies.py", "foreign.py", "printable.py", "pieces.py", "looking.py", "recording.py", "lean"),
        ),
        ("only the status room opens the status log", r"sqlite3\.connect", ("database.py",)),
        ("only one module connects to a team's database", r"psycopg\.connect\(", ("postgres.py",)),
        ("the library never imports the simulator", r"^\s*(import|from) theta_simulator", ()),
        ("versions of an API are words of their source", r"[\"']v[0-9]+[\"']", ("theta",)),
        (
            "who asks a source asks for it by name",
            # What a probe holds a terminal's answers against is of the wire itself, like what a lake says.
            r"sources\.theta|sources import .*\btheta\b",
            ("theta", "probe", "as_terminal"),
        ),
        (
            "commands print where it is made harmless, and nowhere else",
            r"click\.(s?echo|confirm|prompt)\(|(?<![\w.])print\(|\bConsole\(|sys\.std(out|err)\.write",
            ("output.py", "screen.py", "printable.py"),
        ),
    ],
)
def test_promises_of_the_rooms(promise, pattern, allowed):
    found = lines_matching(pattern, [path for path in LIBRARY if not set(allowed) & set(path.parts)])

    # `files.building` hands out a path: the Parquet writer and SQLite write to what it gave them.
    assert [line for line in found if "building(" not in line and "part.open" not in line] == [], promise


def test_the_map_of_rooms_is_the_contract_that_lint_holds():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [room for layer in contract["layers"] for room in layer.split(" | ")]

    assert re.findall(r"^    ([a-z]+)  +\S", spx_data.__doc__, re.MULTILINE) == layers


def test_every_folder_of_tests_is_collected():
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    folders = {f"tests/{path.parts[-1]}" for path in (ROOT / "tests").iterdir() if [*path.rglob("test_*.py")]}

    assert set(paths) == folders


def test_make_test_and_make_test_newcomer_run_each_folder_once():
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    told = [
        subprocess.run(
            ["make", "-n", "PYTEST=pytest", "SCRATCH=", target],
            cwd=ROOT,
            env=os.environ | {"MAKEFLAGS": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for target in ("test", "test-newcomer")
    ]
    run = [re.findall(r"^pytest .*", each, re.MULTILINE)[-1].split() for each in told]

    assert sorted(word for words in run for word in words if word.startswith("tests/")) == sorted(paths)
    assert "tests/docs" in run[1]


def test_no_module_is_longer_than_a_reader_bears():
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in LIBRARY}

    assert {path: length for path, length in lengths.items() if length > 350} == {}


def test_every_module_has_a_room():
    loose = {path.stem for path in (ROOT / "scripts" / "spx_data").glob("*.py")}

    assert loose == {"__init__", "_version", "errors", "settings", "symbols"}


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
    [("rulegraph", "docs/how-it-works.md"), ("checks", "docs/quality.md")],
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
    modules = "spx_data.status, spx_data.ops.health, spx_data.cli.quality_report, spx_data.status.day_report"

    assert {"numpy", "pyarrow", "polars", "scipy"}.isdisjoint(loaded(f"import {modules}"))


def test_every_check_has_a_code_of_its_own_and_says_what_it_is():
    assert len({check.code for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.code)
        assert check.unit and check.meaning and check.source
        assert check.ruinous is None or 0 <= check.tolerated < check.ruinous <= 1


# docs/wire.md -------------------------------------------------------------------------------------------

TEXTS = [
    path
    for path in (
        ROOT / name for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    )
    if path.suffix in {".md", ".py", ".smk", ".yaml", ".toml", ".txt", ".csv", ".json"}
    and path.is_file()
    and "corpus" not in path.parts  # of bytes that are no text
]


def test_nothing_refers_to_what_no_reader_can_open():
    outside = (
        "wire"
        r"[- ]facts|\.\./"
        "shared/|"
        r"\b(house|design|anchors|scouting)"
        r"\.md|requirement"
        "s, "
    )

    assert lines_matching(outside, TEXTS) == []


def test_every_section_of_the_wire_that_is_named_is_there():
    text = (ROOT / "docs" / "wire.md").read_text()
    sections = set(re.findall(r"^##+ ([0-9]+(?:\.[0-9]+)?)\.? ", text, re.MULTILINE))
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        number = part.partition(".")[0]
        sections |= {f"{number}.{item}" for item in re.findall(r"^([0-9]+)\. ", part, re.MULTILINE)}
    named = re.compile(r"docs/wire\.md[,(]+ ?\(?([0-9.]+(?:(?:, | and | to )[0-9.]+)*)")
    found = {
        each.rstrip(".")
        for path in TEXTS
        for match in named.finditer(re.sub(r"\s+#?\s*", " ", path.read_text()))
        for each in re.split(r", | and | to ", match[1])
    }

    assert len(found) > 15
    assert found - sections == set()


def test_every_row_of_the_probe_is_in_the_wires_last_section():
    from spx_data.ops.probe import ASSUMPTIONS

    last = (ROOT / "docs" / "wire.md").read_text().partition("## 17. ")[2]

    assert {each.code for each in ASSUMPTIONS} == set(re.findall(r"`([a-z-]+)`", last)) - {"otherwise"}
