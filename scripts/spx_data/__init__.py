"""Every SPX options trading day as sealed, checked Parquet: the library below the workflow.

The file tree is the state. A trading date is done when its Parquet and its sidecar agree; everything
else is read from files and can be thrown away and rebuilt. The rooms, each of which knows those below it
and none above:

    cli                     commands; presentation only
    reader                  sealed days as a frame, for whoever uses the data
    report                  pages for people to look at: the dashboard, and one for each day
    health · upkeep         checks and alerts; leftovers, and logs that have grown old
    engine                  Snakemake as a process: started, stopped, its folder unlocked
    gaps · progress         what is missing, in which order, at which cost; a run as it goes on
    mend                    what sealed days lack, asked for again
    status                  the SQLite log and its summary
    recheck                 sealed days against the source of today
    integrity               sealed days against their checksums
    fill                    what a job does: list, download, merge
    ledger · acceptance     the state of each session; a person's word about one
    config.editing          settings changed, checked and recorded (`config.mistakes`, `config.table`)
    quality                 judgements on a day's records, and its score
    sessions                the exchange calendar
    theta · staging         the Theta Terminal's wire; NDJSON checkpoints
    evidence                what the source said of contracts one by one
    records                 which rows of the wire are records, and what becomes of the others
    endings                 how tries ended that could not say it themselves
    dataset · runs          what the lake holds; the run at work
    journal · archive       append-only events; those of old, compressed
    parquet · schema        the sealed file's format; columns, in one place
    slots                   how many requests are in flight, over all processes
    volumes · handles       what the lake's volumes cannot do; how many files a process may have open
    seals · locks · vouched sidecars; locks that die with their process; documents with a digest of their own
    tree                    the output tree walked: its dates, and what is no part of the lake
    files                   atomic writes
    faults                  what the system says when it fails, in words
    config · settings       the config's document, checked; the same as types
    disk · layout           each operation on the disk; every path
    dates · retry · errors  the dates a person names; asking again; what can go wrong and the cure
    words                   numbers and moments as a person reads them

`jobs` is what a job's process needs and `lean` what it goes without, for the rules and their scripts.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    # At the door: nothing here works without the locks of a Unix, and each module would say so differently.
    sys.exit(
        "spx-data: Windows itself is not supported. It works in WSL2: wsl --install, then begin anew there"
    )

if TYPE_CHECKING:
    from spx_data.reader import scan, sealed_paths, verification_root

__all__ = ["__version__", "scan", "sealed_paths", "verification_root"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The reader's functions, loaded when they are first asked for: the many short jobs need neither."""
    if name in ("scan", "sealed_paths", "verification_root"):
        from spx_data import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
