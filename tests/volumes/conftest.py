"""Lakes on volumes that lack something: a shim before the system's calls, built where there is a compiler."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.conftest import Lake, filled_lake, new_lake, v3  # noqa: F401

_SOURCE = Path(__file__).with_name("shim.c")


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that makes calls fail below a folder."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) to build the volume that lacks something")
    target = tmp_path_factory.mktemp("shim") / "shim.so"
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", target, _SOURCE, "-ldl"], capture_output=True, text=True
    )
    if built.returncode:
        pytest.skip(f"the shim does not build here: {built.stderr.splitlines()[0]}")
    return target


@pytest.fixture
def lacking(shim) -> Callable[..., None]:
    """Return a function that lets calls fail in folders of a lake from now on: `flock=37`."""

    def lack(lake: Lake, *folders: str, **calls: int) -> None:
        lake.environment |= {
            "LD_PRELOAD": str(shim),
            "SHIM_FOLDER": ":".join(str(lake.folder / folder) for folder in folders),
            "SHIM_CALLS": ",".join(f"{name.replace('_', '-')}={number}" for name, number in calls.items()),
        }

    return lack
