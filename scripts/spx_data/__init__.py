"""Every SPX options trading day as sealed, checked Parquet: the library below the workflow.

The file tree is the state. A trading date is done when its Parquet and its sidecar agree; everything
else is read from files and can be thrown away and rebuilt. The rooms, each of which knows those below it
and none above:

    cli                     commands; presentation only
    status                  the SQLite log and its summary
    fill                    what a job does: list, download, merge
    ledger · sessions       the state of each session; the exchange calendar
    theta · staging         the Theta Terminal's wire; NDJSON checkpoints
    schema · journal        columns, in one place; append-only events
    files · layout          atomic writes and seals; every path
    config · errors         typed settings; what can go wrong and the cure
"""

__version__ = "0.1.0"
