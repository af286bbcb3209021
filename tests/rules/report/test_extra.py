"""Without the extra `report`, which draws charts, all works but pages, and these say what installs it."""

import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.loading import without
from tests.report import lakes

import spx_data
from spx_data import report

ROOT = Path(__file__).resolve().parents[3]
COMMAND = Path(sys.executable).parent / "spx-data"
CURE = 'pip install "spx-data[report]"'


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake with every kind of session."""
    return lakes.every_kind(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def environment(lake, tmp_path_factory):
    """The variables of a process without what draws charts."""
    absent = without(tmp_path_factory.mktemp("absent"), "altair", "vl_convert")
    return os.environ | lake.environment | absent


def test_the_extra_is_what_the_modules_of_pages_alone_import():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    names = [line.partition(">")[0] for line in project["optional-dependencies"]["report"]]
    assert names == ["altair", "vl-convert-python"]
    for path in (ROOT / "scripts").rglob("*.py"):
        if not path.is_relative_to(Path(report.__file__).parent):
            text = path.read_text()
            assert "import altair" not in text and "import vl_convert" not in text, path


def test_every_module_but_those_of_pages_can_be_imported(environment):
    modules = {each.name for each in pkgutil.walk_packages(spx_data.__path__, "spx_data.")}
    assert "spx_data.report.dashboard" in modules
    # The other one that loads an extra at its top is in an environment apart (`make nautilus`).
    apart = "spx_data.report.", "spx_data.exports.formats.nautilus."
    wanted = sorted(name for name in modules if not name.startswith(apart))
    wanted += [path.stem for path in (ROOT / "scripts").glob("*.py")]

    ended = subprocess.run(
        [sys.executable, "-c", f"import importlib\nfor name in {wanted!r}: importlib.import_module(name)"],
        cwd=ROOT / "scripts",
        env=environment,
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def call(lake, environment, *arguments):
    return subprocess.run(
        [COMMAND, *arguments], cwd=lake.folder, env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.mark.parametrize("arguments", [("list",), ("status", "--offline"), ("errors",), ("--help",)])
def test_lists_work_as_ever(lake, environment, arguments):
    ended = call(lake, environment, *arguments)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout


@pytest.mark.parametrize("arguments", [("report",), ("report", "2024-12-02"), ("serve", "--port", "0")])
def test_what_shows_pages_says_in_one_line_what_is_missing_and_what_installs_it(lake, environment, arguments):
    ended = call(lake, environment, *arguments)

    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "there is no altair and no vl_convert here" in line
    assert f" {CURE} adds it" in line  # as it is typed
    assert ended.stdout == ""
    assert not lake.settings.layout.dashboard.exists()
