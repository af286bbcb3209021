"""What comes with the package besides its modules, wherever it is installed: the one place that knows where.

In a checkout, and in an editable install of one, the workflow stands at the top of the repository. A wheel
has it laid into the package (`setup.py`).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import dropwhile
from pathlib import Path

import yaml

from spx_data.errors import MachineError
from spx_data.text.words import quoted

_PACKAGE = Path(__file__).parents[1]
_LAID_IN = _PACKAGE / "workflow"

FOLDER = _LAID_IN if _LAID_IN.is_dir() else _PACKAGE.parents[1]
SNAKEFILE = FOLDER / "Snakefile"
CONFIG = FOLDER / "config" / "config.yaml"  # every key with its default, commented
SCHEMA = FOLDER / "config" / "schemas" / "config.schema.yaml"
DEMO = FOLDER / "config" / "demo.yaml"
PROFILE = FOLDER / "profiles" / "default" / "profile.yaml"

# Extra → the modules that it brings, and what for.
_EXTRAS = {
    "fill": (("snakemake",), "fills are run by Snakemake"),
    "report": (("altair", "vl_convert"), "pages need what draws their charts"),
    "sql": (("duckdb", "pytz"), "SQL needs DuckDB, and pytz to give moments to Python"),
    "alerts": (
        ("apprise", "prometheus_client"),
        "people are told by Apprise, figures are prometheus-client's",
    ),
    "nautilus": (("nautilus_trader",), "catalogues are written by NautilusTrader"),
    "postgres": (("psycopg",), "a team's database is spoken to by psycopg"),
    "publish": (("obstore",), "publishing needs what speaks to object storage"),
    "simulator": (("aiohttp", "scipy", "snakemake"), "the simulated terminal needs libraries of its own"),
}
# What it brings holds back others of all of them: pandas, to the releases before 3.
_APART = {"nautilus"}


def check_extra(name: str) -> None:
    """Make sure that what the extra *name* of the package brings is installed.

    Raises:
        MachineError: it is not; the cure is the command that adds it here.
    """
    if missing := lacking(name):
        raise MachineError(
            f"{_EXTRAS[name][1]}, and there is no {' and no '.join(missing)} here",
            cure=f"{_adding(name)} adds it; everything else works without",
            operation="import",
        )


def lacking(name: str) -> list[str]:
    """The modules of the extra *name* that are not installed."""
    return [module for module in _EXTRAS[name][0] if not _is_there(module)]


def _is_there(module: str) -> bool:
    with suppress(ImportError):
        return importlib.util.find_spec(module) is not None
    return False


def _adding(extra: str) -> str:
    """The command that adds *extra* here, marked; a tool gets a new environment, with nearly all."""
    names = (name for name in _EXTRAS if name == extra or name not in _APART)
    every = f'"spx-data[{",".join(names)}]{_origin()}"'
    if Path(sys.prefix, "uv-receipt.toml").exists():
        return f"`uv tool install {every}`"
    if Path(sys.prefix, "pipx_metadata.json").exists():
        return f"`pipx install --force {every}`"
    return f'`pip install "spx-data[{extra}]"`'


def _origin() -> str:
    """Where this package was installed from, as its requirement says it; nothing where from a registry."""
    for told in _PACKAGE.parent.glob("spx_data-*.dist-info/direct_url.json"):
        return f" @ {yaml.safe_load(told.read_text())['url']}"  # JSON is YAML
    return ""


# The config files of the folder that commands are called from -----------------------------------------------


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
        if (above / OWN).exists() or above == FOLDER:
            return f"There is one in {above}: `cd {quoted(above)}`"
    return "Go to the folder that has yours, or begin one here with `spx-data init`"
