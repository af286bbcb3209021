"""The environment of the lock: made, and found whole or not. `make env` calls it, and so every other target.

`envs/environment.py whole` says whether .venv is what it was when it was made, in a fraction of a second:
the same place, the same Python, the same lock, and no file of it lost or cut off. `envs/environment.py make`
makes it anew: exactly the releases that the lock names, with the hashes that it names, whatever else the
registry has by then and whatever the user's pip is told otherwise (docs/decisions/0024-installation.md).

Only the standard library: it runs before anything is installed, and is itself the check of what is.
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
# What builds the others: installed before them, so that nothing is built by what a registry has newest.
TOOLS = ("pip", "setuptools")
# The settings of a user's pip that say how a registry is reached; the others say what to install, or where.
REACHED = (
    *("cache-dir", "cert", "client-cert", "default-timeout", "extra-index-url", "find-links", "index-url"),
    *("keyring-provider", "no-cache-dir", "no-index", "proxy", "retries", "timeout", "trusted-host"),
)
# A launcher for any path: a kernel ends an interpreter's name at the first blank, and a shell reads $ and `.
LAUNCHER = b"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0" 2>/dev/null || echo "$0")")/python" "$0" "$@"
' '''
"""
PLAIN = re.compile(r"[\w/.,:=@%+~-]+")


class Failed(Exception):
    """The environment cannot be made; the text says why."""


class Environment:
    """A virtual environment at *place* that holds what *lock* names."""

    def __init__(self, place: Path, lock: Path, *, apart: bool = False) -> None:
        """Name the environment, of programs *apart* from spx-data or of it; nothing is looked at yet."""
        self.place = place
        self.lock = lock
        self.apart = apart
        self.python = place / "bin" / "python"
        self.ready = place / "ready"

    def fault(self) -> str | None:
        """Why the environment has to be made anew, or None. The environment's own Python must be asking."""
        try:
            made = json.loads(self.ready.read_bytes())
            before = Path(made["place"])
            files = made["files"]
        except FileNotFoundError:
            return "there is none that was finished"
        except (OSError, ValueError, TypeError, KeyError) as error:
            return f"{self.ready} cannot be read ({error})"
        if not (before.exists() and before.samefile(self.place)):
            return f"it was made in {before.parent}"
        if made["python"] != _this_python():
            return f"it was made for {made['python']}, and its Python is {_this_python()} now"
        if made["inputs"] != self._inputs():
            return "the lock or pyproject.toml is another one now"
        found = _sizes(self.place)
        lost = [name for name, size in files.items() if found.get(name) != size]
        return (
            f"{len(lost)} of its {len(files)} files are not what they were, such as {lost[0]}"
            if lost
            else None
        )

    def make(self) -> None:
        """Make the environment anew, and say last of all that it is finished.

        Raises `Failed` when a step does not succeed.
        """
        if os.pathsep in str(self.place):
            raise Failed(
                f"no environment can stand in {self.place.parent}: rename the folder that has a colon"
            )
        environment = _environment()
        base = getattr(sys, "_base_executable", sys.executable)  # never the Python that is cleared away
        _run("making the environment", [base, "-I", "-m", "venv", "--clear", str(self.place)], environment)
        pip = [str(self.python), "-I", "-m", "pip"]
        environment = _pip_environment(pip, environment)
        nowhere = " from where pip's no-index allows" if "PIP_NO_INDEX" in environment else ""
        built = ", some of it built by a compiler on this Python," if sys.version_info >= (3, 14) else ""
        # Nothing is resolved: what the lock names is all there is, each file by its hash.
        install = [*pip, "install", "--quiet", "--no-deps", "--no-build-isolation"]
        with self._tools() as tools:
            locked = [*install, "--require-hashes", "--requirement"]
            _run(
                f"installing what builds the others{nowhere}",
                [*locked, tools, "--only-binary=:all:"],
                environment,
            )
        _run(f"installing what the lock names{built}{nowhere}", [*locked, str(self.lock)], environment)
        if not self.apart:
            _run("installing spx-data itself", [*install, "--no-index", "--editable", "."], environment)
        self._find_from_any_locale()
        _run("checking that nothing is missing", [*pip, "check"], environment)
        self._launch_from_any_path()
        self._finish()

    @contextmanager
    def _tools(self) -> Iterator[str]:
        """A requirements file with the lock's lines of `TOOLS` alone."""
        pins = re.split(r"\n(?=\S)", self.lock.read_text())
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.writelines(f"{pin}\n" for pin in pins if pin.split("==")[0] in TOOLS)
            file.flush()
            yield file.name

    def _find_from_any_locale(self) -> None:
        """Name the project's modules by the way from here: before 3.13 a path's letters are the locale's."""
        for file in self.place.glob("lib/*/site-packages/__editable__.spx_data-*.pth"):
            file.write_text(os.path.relpath(PROJECT / "scripts", file.parent) + "\n", encoding="ascii")

    def _launch_from_any_path(self) -> None:
        """Give the commands a launcher that finds its Python, where pip's own would be read wrongly."""
        if PLAIN.fullmatch(str(self.place)):
            return
        for command in (self.place / "bin").iterdir():
            content = b"" if command.is_symlink() else command.read_bytes()
            head = re.match(rb"#!/bin/sh\n'''exec' .*\n' '''\n|#!.*python.*\n", content)
            if head:
                command.write_bytes(LAUNCHER + content[head.end() :])

    def _finish(self) -> None:
        made = {
            "place": str(self.place),
            "python": _this_python(),
            "inputs": self._inputs(),
            "files": _sizes(self.place),
        }
        part = self.ready.with_name("ready.part")
        part.write_text(json.dumps(made))
        part.replace(self.ready)

    def _inputs(self) -> str:
        """A digest of what decides what is installed."""
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
        installed = [project["build-system"], project["project"], project["tool"]["setuptools"]]
        digest = hashlib.sha256(json.dumps(installed).encode())
        for path in (self.lock, Path(__file__)):
            digest.update(path.read_bytes())
        return digest.hexdigest()


def _this_python() -> str:
    return f"Python {sys.version_info.major}.{sys.version_info.minor} on {os.uname().machine}"


def _sizes(place: Path) -> dict[str, int]:
    """The size in bytes of every file below *place*, but for what Python or `_finish` writes there later."""
    sizes = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(place / folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    sizes[folder + entry.name] = entry.stat(follow_symlinks=False).st_size
                elif entry.name != "__pycache__":
                    folders.append(f"{folder}{entry.name}/")
    return {name: size for name, size in sizes.items() if name not in ("ready", "ready.part")}


def _environment() -> dict[str, str]:
    """The variables of this process, less those that would have a Python look for its modules elsewhere."""
    astray = {"PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "__PYVENV_LAUNCHER__"}
    astray |= {"SETUPTOOLS_USE_DISTUTILS", "DISTUTILS_USE_SDK", "VIRTUAL_ENV"}
    kept = {name: value for name, value in os.environ.items() if name not in astray}
    # What is built may stand in a folder with letters that the user's locale has not.
    return kept | {"LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"}


def _pip_environment(pip: list[str], environment: dict[str, str]) -> dict[str, str]:
    """Variables for pip with the user's settings of `REACHED`, from wherever pip has them, and no others."""
    asking = {name: value for name, value in environment.items() if name != "PIP_PYTHON"}
    # Loud, because a user's pip that is told to be quiet lists nothing.
    listed = subprocess.run([*pip, "config", "list", "-vvv"], env=asking, stdout=subprocess.PIPE, text=True)
    if listed.returncode != 0:
        raise Failed("pip cannot read its configuration (above); `pip config debug` shows where it is")
    settings = {}
    for section in ("global", "install", ":env:"):  # the later one wins, as in pip
        for name, value in re.findall(rf"^{section}\.([\w-]+)=(.*)$", listed.stdout, re.MULTILINE):
            if name in REACHED:
                settings[name] = str(ast.literal_eval(value))
    if "find-links" not in settings:
        settings.pop("no-index", None)  # there would be nowhere to look
    ours = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
    ours |= {f"PIP_{name.replace('-', '_').upper()}": value for name, value in settings.items()}
    return ours | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }


def _run(step: str, command: list[str], environment: dict[str, str]) -> None:
    """Run one step; what it said is shown when it fails, its warnings too, for they name the reason."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    run = subprocess.run(command, env=environment, cwd=PROJECT, text=True, errors="replace", **streams)
    if run.returncode != 0:
        sys.stderr.write(run.stdout)
        raise Failed(f"{step} failed (above)")


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the folder of the lock while the environment is made: a second `make` waits for the first."""
    folder = os.open(Path(__file__).parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("make env: another make is at it; waiting for its end", flush=True)
            fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError:
            pass  # a volume without locks: two makes at once are the user's to avoid
        yield
    finally:
        os.close(folder)


def _asked(place: Path, lock: Path) -> str | None:
    """Why the environment has to be made anew, as its own Python says; None when it is whole."""
    command = [str(place / "bin" / "python"), "-I", "-S", __file__, "whole"]
    with suppress(OSError):
        run = subprocess.run(
            [*command, f"--venv={place}", f"--lock={lock}"], capture_output=True, text=True, errors="replace"
        )
        return None if run.returncode == 0 else run.stdout.strip() or "its Python does not run"
    return "its Python is gone" if place.exists() else "there is none yet"


def main() -> int:
    """Say whether the environment is whole, or make it so; 0 when it is."""
    sys.stdout.reconfigure(errors="replace")  # a folder's name in a terminal that has no such letters
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("whole", "make"))
    parser.add_argument("--venv", type=Path, default=PROJECT / ".venv")
    parser.add_argument("--lock", type=Path, default=PROJECT / "envs" / "requirements.lock")
    parser.add_argument("--apart", action="store_true", help="programs that tests start, without spx-data")
    asked = parser.parse_args()
    place, lock = Path.cwd() / asked.venv, Path.cwd() / asked.lock
    if asked.what == "whole":
        fault = Environment(place, lock).fault()
        print(fault or "", end="")
        return 1 if fault else 0
    with _alone():
        reason = _asked(place, lock)
        if reason is None:
            return 0
        print(f"make env: {reason}; making {asked.venv} with {_this_python()}, in about a minute", flush=True)
        try:
            Environment(place, lock, apart=asked.apart).make()
        except (Failed, OSError) as error:
            print(f"make env: {error}. Nothing else is changed; once it is mended: make env", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("make env: stopped; the next call begins anew", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
