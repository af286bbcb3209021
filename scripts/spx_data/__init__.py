"""Every SPX options trading day as sealed, checked Parquet: the library below the workflow.

The file tree is the state. A trading date is done when its Parquet and its sidecar agree; everything else
is read from files and can be thrown away and rebuilt. The rooms, each of which knows those below it and none
above (`make lint` holds them to it):

    cli         commands; presentation only
    report      pages for people to look at: the dashboard, and one for each day
    jobs        what a job of the workflow needs, and what it goes without
    exports     sealed days in the formats of other tools, a file each
    ops         what is done with a lake beside a fill: gaps planned, progress watched, health checked,
                leftovers cleaned up, Snakemake started and stopped, sealed days asked again (recheck, mend),
                a source probed, people and monitors told
    status      the one read model: the SQLite log, refreshed from the tree and read by lists and pages
    fill        what a job does: list, download, second opinions, merge
    lake        a lake as a whole: its calendar, the state of each session, a person's word about one, runs,
                passports; sealed days read (`reader`) and held against their checksums (`verify`)
    quality     judgements on a chain and a day, and their score
    config      the config's document: read, checked, edited
    sources     where records come from: slots, asking again, the session with one; a folder each
    settings    the same as types
    symbols     the sections of a config for several lakes, each as the document of one
    store       bytes that last: every path, every operation on the disk, locks, journals, checkpoints, the
                sealed file and its sidecar
    pricing     models of options on arrays: the forward of a chain, volatilities and greeks of our own
    market      what the data are: dates, sessions, chains, records, columns; no file is read or written
    errors      what can go wrong, and the cure
    text        numbers and moments as a person reads them, commands among words; text from outside, made
                harmless
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    # At the door: nothing here works without the locks of a Unix, and each module would say so differently.
    sys.exit(
        "spx-data: Windows itself is not supported. It works in WSL2: wsl --install, then begin anew there"
    )

from spx_data._version import __version__

if TYPE_CHECKING:
    from spx_data.lake.contracts import contracts
    from spx_data.lake.frames import chains, days
    from spx_data.lake.reader import scan, sealed_paths, verification_root
    from spx_data.lake.sql import connect
    from spx_data.ops.ready import ready

__all__ = [
    "__version__",
    "chains",
    "connect",
    "contracts",
    "days",
    "ready",
    "scan",
    "sealed_paths",
    "verification_root",
]

# Function → where it is: loaded when it is first asked for, as the many short jobs need none.
_FUNCTIONS = {
    **dict.fromkeys(("scan", "sealed_paths", "verification_root"), "lake.reader"),
    **dict.fromkeys(("chains", "days"), "lake.frames"),
    "connect": "lake.sql",
    "contracts": "lake.contracts",
    "ready": "ops.ready",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """The functions of the public face."""
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"spx_data.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
