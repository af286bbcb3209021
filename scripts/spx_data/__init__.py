"""Every SPX options trading day as sealed, checked Parquet: the library below the workflow.

The file tree is the state. A trading date is done when its Parquet and its sidecar agree; everything
else is read from files and can be thrown away and rebuilt. The rooms, each of which knows those below it
and none above:

    cli                     commands; presentation only
    status                  the SQLite log and its summary
    fill                    what a job does: list, download, merge
    ledger · sessions       the state of each session; the exchange calendar
    theta · staging         the Theta Terminal's wire; NDJSON checkpoints
    dataset · journal       what the lake holds; append-only events
    schema · parquet        columns, in one place; the sealed file's format
    files · layout          atomic writes and seals; every path
    config · errors         typed settings; what can go wrong and the cure

`rulelog` is the jobs' log file, for the scripts of the rules.
"""

__version__ = "0.1.0"
