"""The file of a day's contracts, beside the sealed file: a row each, and what is known of them in its footer.

Like those of the sealed file, its bytes are a function of what it holds alone. The sidecar alone vouches for
them: the footer says what the passport says of them at the seal, so that they can be made again later, by a
new file and then a new sidecar, and the day is whole at every moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spx_data.errors import FileCorruptionError
from spx_data.market import contracts, schema
from spx_data.store import files, foreign, parquet, reads

TOLD_KEY = b"spx_data.contracts"
SCHEMA = schema.as_sealed(contracts.COLUMNS)
# Prices and counts of contracts hardly repeat.
_WITHOUT_DICTIONARY = {each.name for every in contracts.REPORTED.values() for each in every}
_WORDS = [each.name for each in SCHEMA if pa.types.is_dictionary(each.type)]
_WITH_DICTIONARY = [name for name in SCHEMA.names if name not in _WITHOUT_DICTIONARY]


def write(target: Path, rows: pa.Table, told: Mapping[str, Any]) -> str:
    """Write *rows*, which have `SCHEMA` and its order, to *target*, and what is *told* of them; its SHA-256.

    It gets its name when it was read back.

    Raises:
        FileCorruptionError: what was read back is not what was written.
        SpxDataError: the disk did not allow it.
    """
    rows = rows.replace_schema_metadata({TOLD_KEY: json.dumps(told).encode()}).combine_chunks()

    def check(part: Path) -> None:
        with parquet.opened(part, words=_WORDS, page_checksum_verification=True) as file:
            found = file.read()
        if not found.equals(rows, check_metadata=True):
            raise FileCorruptionError(
                f"{part} was not written as meant: its rows are not those of the day's contracts",
                cure="Run the workflow again; if it stays, check the disk and the memory of this machine",
                path=part,
                expected=f"{rows.num_rows} rows",
                actual=f"{found.num_rows} rows, or others",
            )

    with (
        files.atomic(target, check=check) as stream,
        parquet.writer(stream, rows.schema, use_dictionary=_WITH_DICTIONARY) as writer,
    ):
        writer.write_table(rows, row_group_size=schema.PIECE_ROWS)
    return reads.digest(target)


def told(path: Path) -> dict[str, Any]:
    """What the footer of *path*, whose bytes somebody vouches for, says of its contracts.

    Raises:
        FileCorruptionError: it is no such file.
    """
    try:
        with reads.reading(path, follow=True) as stream:
            metadata = pq.read_metadata(stream).metadata or {}
        found: dict[str, Any] = foreign.parsed(metadata[TOLD_KEY])
    except (pa.ArrowInvalid, KeyError, ValueError) as error:
        raise FileCorruptionError(
            f"{path} is no file of a day's contracts: {error!r:.200}",
            cure="`spx-data mend` makes it again",
            path=path,
            expected="a Parquet that says what is known of its contracts",
            actual=repr(error)[:200],
        ) from error
    return found
