"""Every SPX options trading day as sealed, checked Parquet: the library below the workflow.

The file tree is the state. A trading date is done when its Parquet and its sidecar agree; everything
else is read from files and can be thrown away and rebuilt. The rooms, each of which knows those below it
and none above:

    cli                     commands; presentation only
    reader                  sealed days as a frame, for whoever uses the data
    status                  the SQLite log and its summary
    recheck                 sealed days against the source of today
    integrity               sealed days against their checksums
    fill                    what a job does: list, download, merge
    ledger · acceptance     the state of each session; a person's word about one
    sessions                the exchange calendar
    theta · staging         the Theta Terminal's wire; NDJSON checkpoints
    configuring · mistakes  settings changed, checked and recorded; everything that is wrong with them
    settings_table          every setting with who set it; `yaml_text` edits one key of a file
    dataset · journal       what the lake holds; append-only events
    schema · parquet        columns, in one place; the sealed file's format
    files · vouched         atomic writes and seals; documents with a digest of their own
    disk · layout           each operation on the disk; every path
    config · dates          typed settings; the dates that a person names
    retry · errors          asking again; what can go wrong and the cure

`rulelog` is the jobs' log file, for the scripts of the rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spx_data.reader import scan, verification_root

__all__ = ["__version__", "scan", "verification_root"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The reader's functions, loaded when they are first asked for: the many short jobs need neither."""
    if name in ("scan", "verification_root"):
        from spx_data import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
