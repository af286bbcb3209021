"""What the tests of a Mac share: lakes all of whose processes run on an imitated one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests.workflow.conftest import PATIENCE, Lake, new_lake, v3

__all__ = ["new_lake", "v3"]

IMITATION = Path(__file__).parent / "imitation"


@pytest.fixture(scope="module")
def new_mac(new_lake: Callable[..., Lake]) -> Callable[..., Lake]:
    """A maker of lakes, like `new_lake`, all of whose processes run on the imitated Mac."""

    def make(*arguments: object, **thetadata: object) -> Lake:
        lake = new_lake(*arguments, **thetadata)
        lake.environment["PYTHONPATH"] = str(IMITATION)
        return lake

    return make


@pytest.fixture
def ended() -> Iterator[Callable[[subprocess.Popen[str]], subprocess.Popen[str]]]:
    """A function that has a process end with the test, halted or not, and all of the group which it leads."""

    def end(process: subprocess.Popen[str]) -> None:
        with process, suppress(ProcessLookupError, PermissionError):  # a Mac refuses to end the dead
            if process.returncode is None:  # else its number may be another's by now
                os.killpg(process.pid, signal.SIGKILL)

    with ExitStack() as begun:

        def noted(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
            begun.callback(end, process)
            return process

        yield noted


@pytest.fixture
def on_a_mac(tmp_path: Path) -> Callable[[str], str]:
    """A function that runs Python code on the imitated Mac and gives what it prints."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(IMITATION)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
