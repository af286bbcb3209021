"""Packages of Debian: installed by root, where tests may install what a machine lacks."""

from __future__ import annotations

import os
import shutil
import subprocess


class NotInstalledError(Exception):
    """A package could not be installed; the text says what was tried, and what came of it."""


def may_install() -> bool:
    """Whether this is root of a machine with Debian's packages."""
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def install(package: str, seconds: float) -> None:
    """Install a *package*, in so many *seconds* at most for each of the two steps.

    Raises:
        NotInstalledError: it failed, or took longer.
    """
    _do("apt-get", "update", "--quiet", seconds=seconds)
    _do(*("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package), seconds=seconds)


def _do(*command: str, seconds: float) -> None:
    try:
        subprocess.run(
            command,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            text=True,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise NotInstalledError(f"{' '.join(command)} took more than {seconds:g} s") from None
    except subprocess.CalledProcessError as error:
        last = (error.stdout.strip().splitlines() or ["no output"])[-1]
        raise NotInstalledError(f"{' '.join(command)} failed ({last})") from None
