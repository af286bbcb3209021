"""Lists of contracts, as tables of which single rows may be no rows: those are counted, the others stand."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from spx_data.market.records import Rejects
from spx_data.sources.theta import tables
from spx_data.sources.theta.transport import Answer

Row = dict[str, Any]

# What tells, in an end-of-day report, that a contract was quoted or traded (docs/wire.md, 6 and 11.2).
REPORT: dict[str, pa.DataType] = dict.fromkeys(("bid", "ask", "volume", "count"), pa.float64())


def batches(answer: Answer, columns: tables.Columns) -> tuple[list[pa.RecordBatch], int]:
    """The readable rows of the CSV table in *answer*, and how many rows are not.

    Raises:
        ApiResponseInvalidError: it is no such table, or not one of its rows is readable.
    """
    unreadable = Rejects()
    found = list(tables.valid_rows(answer, columns, lambda batch: (batch, {}), unreadable, asked="csv"))
    return found, len(unreadable)


def rows(answer: Answer, columns: tables.Columns) -> tuple[list[Row], int]:
    """Like `batches`, row by row."""
    found, unreadable = batches(answer, columns)
    return [row for batch in found for row in batch.to_pylist()], unreadable


def is_lively(row: Row) -> bool:
    """Whether any of the `REPORT`'s figures is not zero."""
    return any(row[name] for name in REPORT)
