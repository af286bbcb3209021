"""Which config files a folder has: those of the folder that commands are called from count, and no others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import dropwhile
from pathlib import Path

from spx_data.config import shipped
from spx_data.text.words import quoted

FILE = Path("config/config.yaml")  # a checkout's, with every key
OWN = Path("spx-data.yaml")  # the user's, laid over it


def base() -> tuple[Path, ...]:
    """The config files of this folder, the lowest first; where there is none, the one to begin with."""
    return tuple(path for path in (FILE, OWN) if os.path.lexists(path)) or (OWN,)


def laid_over(files: Sequence[Path]) -> list[Path]:
    """Those of the config *files* that are laid over this folder's own."""
    return list(dropwhile(lambda path: path in base(), files))


def where_to_begin(path: Path) -> str:
    """What to do where there is no config file *path*."""
    try:
        here = Path.cwd()
    except OSError:
        return "This folder is gone: go to another one"
    if path not in (FILE, OWN):
        return f"Name one that is there; relative names are looked for in {here}"
    for above in here.parents:
        if (above / OWN).exists() or above == shipped.FOLDER:
            return f"There is one in {above}: `cd {quoted(above)}`"
    return "Go to the folder that has yours, or begin one here with `spx-data init`"
