"""`make env` takes exactly what the lock names, and notices and mends an environment that is not whole."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.install import packages

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "envs" / "requirements.lock").read_text()
# What a folder may be called, and a shell or a kernel may read otherwise.
HOSTILE = """it's a "tést" $HOME `x` \\ 1"""
PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "spx-data"
version = "0.1.0"
dependencies = ["pytest-cov", "connection-pool"]

[project.scripts]
spx-data = "spx_data:main"

[tool.setuptools]
packages = ["spx_data"]
package-dir = {"" = "scripts"}
"""


def locked(name):
    return re.search(rf"^{name}==(\S+)", LOCK, re.MULTILINE)[1]


class Met:
    """The requests that an index meets; it can hold one in the middle of an installation."""

    def __init__(self):
        self._holds, self._half, self._goes_on = False, threading.Event(), threading.Event()

    def __call__(self, path):
        if self._holds and path.startswith("/files/pytest_cov"):
            self._half.set()
            self._goes_on.wait(600)

    @contextlib.contextmanager
    def holding(self):
        """Hold the installation that is started in the block in its middle; yields what waits for that."""
        self._holds = True
        yield lambda: self._half.wait(240)
        self._holds = False
        self._goes_on.set()


class Checkout:
    """A project of a few bytes below the real Makefile and the real script, and an index of its packages."""

    def __init__(self, folder, index, met=None):
        self.folder = folder
        self.index = index
        self.met = met

    def start(self, *arguments, **environment):
        # Nothing of this machine's own pip: neither its variables nor its files.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PIP_", "COVERAGE_", "MAKE", "MFLAGS"))
        }
        ours = {"PIP_INDEX_URL": self.index, "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "127.0.0.1"}
        return subprocess.Popen(
            ["make", f"PYTHON={sys.executable}", *arguments],
            cwd=self.folder,
            env=inherited | ours | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def make(self, *arguments, **environment):
        process = self.start(*arguments, **environment)
        output, _ = process.communicate(timeout=240)
        return process.returncode, output

    def installed(self):
        asked = [self.folder / ".venv/bin/python", "-I", "-m", "pip", "list", "--format", "json"]
        listed = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
        return {package["name"].lower(): package["version"] for package in listed}

    def whole(self):
        """What `make env` asks first."""
        asked = [self.folder / ".venv/bin/python", "-I", "-S", "envs/environment.py", "whole"]
        return subprocess.run(asked, cwd=self.folder, capture_output=True, text=True)

    def says(self):
        """What the installed command says, called by its path as users call it."""
        command, plain = [self.folder / ".venv/bin/spx-data"], os.environ | {"LC_ALL": "C"}
        run = subprocess.run(command, env=plain, capture_output=True, text=True)
        return run.stdout + run.stderr


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder of packages under the lock's names and versions, and of newer ones, all but two made up."""
    folder = tmp_path_factory.mktemp("packages")
    packages.wheel(folder, "coverage", locked("coverage"), extra="toml")
    packages.wheel(folder, "pytest-cov", locked("pytest-cov"), requires=("coverage[toml]>=7.10.6",))
    packages.source(folder, "connection-pool", locked("connection-pool"))
    for tool in ("pip", "setuptools"):
        packages.packed(folder, tool)
    lock = "".join(
        f"{packages._project(file.name)}=={re.search(r'-([0-9.]+?)(-py3|.tar)', file.name)[1]} \\\n"
        f"    --hash=sha256:{packages.digest(file)}\n"
        for file in sorted(folder.iterdir())
    )
    for name in packages.NEWER:
        packages.wheel(folder, name, packages.UNHEARD_OF)
    return folder, lock


def laid(folder, lock):
    """Lay a project into *folder*: the real Makefile and script, this lock, a package of one function."""
    (folder / "scripts/spx_data").mkdir(parents=True)
    (folder / "envs").mkdir()
    for file in ("Makefile", "envs/environment.py"):
        shutil.copy(ROOT / file, folder / file)
    (folder / "envs/requirements.lock").write_text(lock)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "scripts/spx_data/__init__.py").write_text("def main():\n    print('here I am')\n")


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """What a user may have told pip and Python otherwise."""
    folder = tmp_path_factory.mktemp("others")
    (folder / "pip.conf").write_text("[global]\nquiet = 1\n[install]\nuser = true\nno-binary = :all:\n")
    (folder / "modules").mkdir()
    (folder / "modules/setuptools.py").write_text("raise SystemExit('a module of the user')")
    return {
        "PIP_CONFIG_FILE": str(folder / "pip.conf"),
        "PIP_TARGET": str(folder / "target"),
        "PIP_REQUIRE_HASHES": "0",
        "PIP_NO_INDEX": "1",
        "PIP_CONSTRAINT": str(folder / "nowhere.txt"),
        "PIP_DRY_RUN": "1",
        "PIP_PYTHON": "/nowhere",
        "PYTHONPATH": str(folder / "modules"),
        "SETUPTOOLS_USE_DISTUTILS": "stdlib",
    }


@pytest.fixture(scope="module")
def made(shelf, others, tmp_path_factory):
    """An environment, made once in a folder with a hostile name; each test leaves it whole."""
    files, lock = shelf
    folder, met = tmp_path_factory.mktemp("checkouts") / HOSTILE, Met()
    laid(folder, lock)
    with packages.index(files, met) as url:
        checkout = Checkout(folder, url, met)
        code, output = checkout.make("env", LC_ALL="C", **others)
        assert code == 0, output
        yield checkout


def expected():
    names = ("coverage", "pytest-cov", "connection-pool", "pip", "setuptools")
    return {name: locked(name) for name in names} | {"spx-data": "0.1.0"}


def test_newer_releases_on_the_index_are_not_taken(made):
    assert made.installed() == expected()


def test_the_command_runs_whatever_the_folder_is_called(made):
    assert made.says() == "here I am\n"


def test_a_whole_environment_is_left_alone(made):
    before = (made.folder / ".venv/ready").stat()

    code, output = made.make("env")

    after = (made.folder / ".venv/ready").stat()
    assert (code, output) == (0, "")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_a_user_tells_pip_and_python_otherwise_changes_nothing(made, others):
    # It was made so.
    assert made.installed() == expected()
    assert not Path(others["PIP_TARGET"]).exists()


def test_a_file_whose_hash_the_lock_does_not_name_is_refused(shelf, tmp_path):
    files, lock = shelf
    laid(tmp_path / "project", lock.replace(packages.digest(next(files.glob("coverage-7*"))), "0" * 64))

    with packages.index(files) as url:
        code, output = Checkout(tmp_path / "project", url).make("env")

    assert code != 0
    assert "DO NOT MATCH THE HASHES" in output
    assert "make env: installing what the lock names failed (above)" in output
    assert not (tmp_path / "project/.venv/ready").exists()


def test_a_registry_that_is_not_reached_is_named_with_its_reason(shelf, tmp_path):
    laid(tmp_path / "project", shelf[1])

    code, output = Checkout(tmp_path / "project", "http://127.0.0.1:9/simple").make("env", PIP_RETRIES="1")

    assert code != 0
    assert "Connection refused" in output
    assert "make env: installing what builds the others failed (above)" in output


def test_a_lock_that_lacks_something_is_no_environment(shelf, tmp_path):
    files, lock = shelf
    laid(tmp_path / "project", re.sub(r"coverage==.*\n.*\n", "", lock, count=1))

    with packages.index(files) as url:
        code, output = Checkout(tmp_path / "project", url).make("env")

    assert code != 0
    assert "pytest-cov 7.1.0 requires coverage, which is not installed" in output
    assert not (tmp_path / "project/.venv/ready").exists()


def renamed(path, name):
    """Rename *path*, and give what undoes it."""
    there = path.rename(path.with_name(name))
    return lambda: there.rename(path)


def rewritten(path, text):
    """Write other bytes into *path*, and give what undoes it."""
    before = path.read_bytes()
    path.write_text(text)
    return lambda: path.write_bytes(before)


def modules(folder):
    return next(folder.glob(".venv/lib/*/site-packages"))


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda folder: renamed(modules(folder) / "coverage.py", "away.py"), "1 of its .*lib/.*/coverage.py"),
        (lambda folder: rewritten(modules(folder) / "pytest_cov.py", ""), "1 of its .*lib/.*/pytest_cov.py"),
        (lambda folder: renamed(folder / ".venv/bin/spx-data", "away"), "1 of its .*bin/spx-data"),
        (lambda folder: renamed(modules(folder), "away"), "files are not what they were"),
        (lambda folder: renamed(folder / ".venv/ready", "ready.part"), "there is none that was finished"),
        (lambda folder: rewritten(folder / ".venv/ready", "{"), "ready cannot be read"),
        (lambda folder: rewritten(folder / ".venv/ready", ""), "ready cannot be read"),
        (
            lambda folder: rewritten(folder / "envs/requirements.lock", "#"),
            "the lock or .* is another one now",
        ),
        (lambda folder: renamed(folder / ".venv/pyvenv.cfg", "away"), "1 of its .*pyvenv.cfg"),
    ],
)
def test_an_environment_that_is_not_whole_says_why(made, harm, reason):
    undo = harm(made.folder)
    try:
        found = made.whole()
    finally:
        undo()

    assert found.returncode == 1
    assert re.search(reason, found.stdout), found.stdout
    assert made.whole().returncode == 0


def test_changes_of_pyproject_that_install_nothing_make_nothing_anew(made):
    undo = rewritten(made.folder / "pyproject.toml", PROJECT + "\n[tool.ruff]\nline-length = 100\n")
    try:
        found = made.whole()
    finally:
        undo()

    assert found.returncode == 0, found.stdout


def test_a_renamed_project_and_a_python_that_is_gone_are_made_anew_though_killed_in_the_middle(made):
    before = made.folder
    made.folder = made.folder.rename(before.with_name("elsewhere, with a blank"))
    assert f"it was made in {before}" in made.whole().stdout
    for link in made.folder.glob(".venv/bin/python*"):
        link.unlink()
        link.symlink_to("/nowhere/python")

    with made.met.holding() as halfway:
        first = made.start("env")
        assert halfway()
        os.killpg(first.pid, signal.SIGKILL)
        output, _ = first.communicate()
    both = [made.start("env") for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in both]

    assert "make env: its Python is gone; making .venv" in output
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sum("there is none that was finished; making .venv" in output for output in outputs) == 1
    assert made.installed() == expected()
    assert made.says() == "here I am\n"


def test_without_a_fit_python_make_says_what_to_install(made, tmp_path):
    checkout = Checkout(tmp_path, made.index)
    shutil.copy(ROOT / "Makefile", tmp_path)

    code, output = checkout.make("env", "PYTHON=/nowhere/python3.12")

    assert code != 0
    assert "make env: no Python 3.11 or newer with venv and pip among: /nowhere/python3.12." in output


def test_clean_leaves_data_and_clean_data_takes_the_demo_s(made, tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for file in ("data/demo/a", "data/parquet/a", ".venv/a", ".venv-lowest/a"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    checkout = Checkout(tmp_path, made.index)

    assert checkout.make("clean")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "data"]
    assert (tmp_path / "data/demo/a").exists()

    assert checkout.make("clean-data")[0] == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["parquet"]


def test_these_tests_run_on_exactly_what_the_lock_names():
    pins = [Requirement(line.rstrip(" \\")) for line in LOCK.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    asked = [sys.executable, "-I", "-m", "pip", "list", "--format", "json"]
    listed = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)

    installed = {re.sub(r"[-_.]+", "-", package["name"]).lower(): package["version"] for package in listed}
    named = {pin.name: str(pin.specifier)[2:] for pin in pins if pin.marker is None or pin.marker.evaluate()}

    assert named.items() <= installed.items()
