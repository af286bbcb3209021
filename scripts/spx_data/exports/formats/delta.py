"""A Delta table over the sealed files: a log of what they are, and links to them; no row is copied.

The log (`_delta_log`) is Delta's own, version 1 for readers: a commit for each day, JSON a line an action.
Its schema says what the Parquet files hold as Delta has it: moments are UTC, for Parquet's are, and the zone
is a word of Arrow's. What its tools remove (VACUUM) are links. A day that was sealed anew has a link of
another name, so an older version of the table that had it before cannot be read as if nothing had happened.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spx_data._version import __version__
from spx_data.exports import Format
from spx_data.exports.day import Day, Output
from spx_data.store import files, foreign, reads

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_LOG = "_delta_log"
_COMMIT = re.compile(r"[0-9]{20}\.json")
_DIGITS = 12  # of a day's SHA-256, in the name of its link
_BOUNDED = ("date", "root", "expiration", "strike", "timestamp")  # what a reader may skip a day by
_TYPES = {
    "date32[day]": "date",
    "double": "double",
    "int32": "integer",
    "string": "string",
    "dictionary<values=string, indices=int32, ordered=0>": "string",
    "timestamp[ms, tz=America/New_York]": "timestamp",
}

Action = dict[str, Any]


def _write(day: Day, out: Output) -> None:
    out.link(f"{day.stem}-{day.seal.parquet[:_DIGITS]}.parquet", day.path.resolve())


class Log:
    """The log of the table in *folder*."""

    def __init__(self, folder: Path) -> None:
        """Read which version it has, and which columns."""
        self._folder = folder
        commits = sorted(path for path in (folder / _LOG).glob("*.json") if _COMMIT.fullmatch(path.name))
        self._version = int(commits[-1].stem) if commits else -1
        self._described = next((told for path in reversed(commits) if (told := _metadata(path))), None)

    def is_there(self) -> bool:
        """Whether there is a table."""
        return self._described is not None

    def commit(self, added: Sequence[str], removed: Sequence[str]) -> None:
        """Write the next version: the links *added*, and without those *removed*."""
        import pyarrow.parquet as pq

        actions: list[Action] = []
        for name in added:
            with pq.ParquetFile(self._folder / name) as file:
                actions += self._widened(file.schema_arrow)
                actions.append(_added(self._folder / name, file.metadata))
        now = _now_ms()
        for name in removed:
            actions.append({"remove": {"path": name, "deletionTimestamp": now, "dataChange": True}})
        if not actions:
            return
        info = {"timestamp": now, "operation": "WRITE", "engineInfo": f"spx-data/{__version__}"}
        text = "".join(f"{json.dumps(action)}\n" for action in ({"commitInfo": info}, *actions))
        self._version += 1
        files.write_text(self._folder / _LOG / f"{self._version:020}.json", text)

    def _widened(self, columns: pa.Schema) -> list[Action]:
        """What makes the table, or gives it the *columns* that it lacks."""
        before = self._described
        fields = foreign.exactly(before["schemaString"].encode())["fields"] if before else []
        known = {field["name"] for field in fields}
        lacking = [_field(each, nullable=bool(before)) for each in columns if each.name not in known]
        if not lacking:
            return []
        self._described = {
            "id": before["id"] if before else str(uuid.uuid4()),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps({"type": "struct", "fields": [*fields, *lacking]}),
            "partitionColumns": [],
            "configuration": {},
            "createdTime": before["createdTime"] if before else _now_ms(),
        }
        protocol = [] if before else [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}]
        return [*protocol, {"metaData": self._described}]


def _metadata(path: Path) -> Mapping[str, Any] | None:
    """The description of the table in a commit, if it has one."""
    text = reads.content(path)
    if b'"metaData"' not in text:
        return None
    found = [foreign.exactly(line) for line in text.splitlines()]
    return next((action["metaData"] for action in found if "metaData" in action), None)


def _field(column: pa.Field, *, nullable: bool) -> Action:
    kind = _TYPES[str(column.type)]
    return {"name": column.name, "type": kind, "nullable": nullable or column.nullable, "metadata": {}}


def _added(link: Path, described: pq.FileMetaData) -> Action:
    """The action that adds a day, with what a reader may skip it by."""
    found = link.stat()
    stats = {"numRecords": described.num_rows, **_bounds(described)}
    return {
        "add": {
            "path": link.name,
            "partitionValues": {},
            "size": found.st_size,
            "modificationTime": found.st_mtime_ns // 1_000_000,
            "dataChange": True,
            "stats": json.dumps(stats),
        }
    }


def _bounds(described: pq.FileMetaData) -> Action:
    """The least and the greatest value of some columns, of all row groups, where all of them say it."""
    least: Action = {}
    most: Action = {}
    names = described.schema.names
    for name in (each for each in _BOUNDED if each in names):
        told = [
            described.row_group(number).column(names.index(name)).statistics
            for number in range(described.num_row_groups)
        ]
        if told and all(each is not None and each.has_min_max for each in told):
            least[name] = _plain(min(each.min for each in told))
            most[name] = _plain(max(each.max for each in told))
    return {"minValues": least, "maxValues": most}


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, dt.date) else value


def _now_ms() -> int:
    return int(dt.datetime.now(dt.UTC).timestamp() * 1000)


FORMAT = Format(
    "delta", "a Delta table over the sealed files: links, no copies", _write, selective=False, index=Log
)
