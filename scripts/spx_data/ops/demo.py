"""A lake of simulated days, begun and filled: how all of it works, without an account."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from spx_data import config
from spx_data.config import beginning, shipped
from spx_data.sources import slots

_OURS = (sys.executable, "-m", "spx_data.cli")


def fill(folder: Path, cores: int) -> int:
    """Begin a lake in *folder*, fill it from a simulated terminal, and show it; gives the exit code.

    Raises:
        MachineError: the simulator's libraries, or Snakemake, are not installed.
        SettingRefusedError: the folder has settings of its own.
        PermissionDeniedError: it cannot be written to.
    """
    shipped.check_extra("simulator")
    beginning.begin(folder, beginning.demo())
    # Settings from the environment are meant for another lake; and the simulated terminal has another address
    # each time, so its locks are no user's.
    environment = {name: value for name, value in os.environ.items() if name not in config.ENVIRONMENT}
    environment[slots.VARIABLE] = str(folder.absolute() / "data" / "slots")
    simulator = [sys.executable, "-m", "theta_simulator", "--size", "small", "--"]
    filling = [*simulator, *_OURS, "process-gaps", "--cores", str(cores)]
    ended = subprocess.run(filling, cwd=folder, env=environment).returncode
    subprocess.run([*_OURS, "status", "--offline"], cwd=folder, env=environment)
    return ended
