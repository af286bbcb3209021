"""NDJSON checkpoints: one staged expiration, whole or not there.

A checkpoint is two files, or three. The records are published first, as lines of NDJSON (`record_lines`).
Then the bad rows that the answers held besides, if any (`records.Reject`); the receipt, which vouches for
both, last: without it they do not count and are fetched again. What the source answered with "no data" has a
receipt and no records; so has what was given up, in a manifest. A receipt also says which listing it belongs
to, so that checkpoints of other settings or another API never end up in one day.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spx_data.errors import FileCorruptionError, MissingFileError, SchemaValidationError
from spx_data.market.second_opinion import SecondOpinion
from spx_data.store import files, foreign, reads
from spx_data.store.names import Checkpoint, is_staged

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from spx_data.market.records import Reject

# Lines are parsed so many bytes at a time: little is held, and few calls of a library are paid for.
_SLICE = 4 << 20
_LONGEST_NAMES = 1 << 12  # bytes


@dataclass(frozen=True)
class Receipt:
    """What became of one expiration: *rows* 0 and no checksum where the source gave none.

    *error* says why it was given up, where it was.
    """

    root: str
    expiration: dt.date
    listing: str  # the identity of the listing it was fetched under
    contracts: int
    rows: int
    bytes: int
    sha256: str | None
    attempts: int
    seconds: float
    rejected: int = 0  # bad rows
    rejects_sha256: str | None = None
    evidence: SecondOpinion = field(default_factory=SecondOpinion)  # what came of asking again
    error: str | None = None  # its type and cause
    duplicates: int = 0  # records that repeat others, and were dropped before they came here

    @classmethod
    def empty(cls, root: str, expiration: dt.date, listing: str, **fields: Any) -> Receipt:
        """The receipt of an expiration without records."""
        blank = {"contracts": 0, "rows": 0, "bytes": 0, "sha256": None, "attempts": 0, "seconds": 0.0}
        return cls(root, expiration, listing, **(blank | fields))

    def as_json(self) -> dict[str, Any]:
        """The receipt as a JSON document."""
        document = asdict(self) | {"expiration": self.expiration.isoformat()}
        return document | {"evidence": self.evidence.as_json()}

    def _check(self) -> None:
        texts = (self.root, self.listing, self.sha256 or "", self.rejects_sha256 or "", self.error or "")
        counts = (self.contracts, self.rows, self.bytes, self.attempts, self.rejected, self.duplicates)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("root, listing, checksums and error are text")
        if not all(isinstance(count, int) and 0 <= count < 1 << 62 for count in counts):
            raise TypeError("contracts, rows, bytes, attempts, rejected and duplicates are counts")

    @classmethod
    def of_json(cls, document: Any) -> Receipt:
        """The receipt in *document*; raises SchemaValidationError where it is none."""
        try:
            expiration = dt.date.fromisoformat(document["expiration"])
            evidence = SecondOpinion.of_json(document["evidence"])
            receipt = cls(**document | {"expiration": expiration, "evidence": evidence})
            receipt._check()
            return receipt
        except (TypeError, KeyError, ValueError) as error:
            raise SchemaValidationError(
                f"this is no receipt of a checkpoint: {document!r:.200}", what="receipt", reason=str(error)
            ) from error


def write_records(
    checkpoint: Checkpoint, batches: Iterable[pa.RecordBatch | pl.DataFrame]
) -> tuple[int, int, int, str]:
    """Write *batches* of records to the checkpoint's, atomically; all have the columns of the first.

    Returns:
        The numbers of contracts, rows and bytes, and the SHA-256 of the file.
    """
    import polars as pl

    from spx_data.store import record_lines  # here, because lists of dates need no arrays

    writer, checksum, size = record_lines.Writer(), hashlib.sha256(), 0
    with files.atomic(checkpoint.records) as stream:
        for batch in batches:
            for block in writer.lines(pl.DataFrame(batch)):
                checksum.update(block)
                size += stream.write(block)
    return len(writer.contracts), writer.rows, size, checksum.hexdigest()


def add_records(checkpoint: Checkpoint, receipt: Receipt, batches: Iterable[pa.RecordBatch]) -> Receipt:
    """Write *batches* behind the records that a checkpoint has, atomically.

    Until the receipt that is returned is written, the checkpoint is none.

    Raises:
        FileCorruptionError: the records are not what was staged.
    """

    def every() -> Iterator[pa.RecordBatch | pl.DataFrame]:
        if receipt.rows:
            yield from read_blocks(checkpoint, receipt)
        yield from batches

    contracts, rows, size, checksum = write_records(checkpoint, every())
    return replace(receipt, contracts=contracts, rows=rows, bytes=size, sha256=checksum)


def write_rejects(checkpoint: Checkpoint, rejects: Sequence[Reject]) -> str | None:
    """Write the bad rows of a checkpoint, atomically; where there are none, no file is left.

    Returns:
        The SHA-256 of the file, if there is one.
    """
    if not rejects:
        files.remove(checkpoint.rejects)
        return None
    text = "".join(json.dumps(asdict(reject)) + "\n" for reject in rejects)
    files.write_text(checkpoint.rejects, text)
    return hashlib.sha256(text.encode()).hexdigest()


def add_rejects(checkpoint: Checkpoint, receipt: Receipt, rejects: Sequence[Reject]) -> Receipt:
    """Write *rejects* beside the bad rows that a checkpoint has; raises as `read_rejects`."""
    every = sorted([*read_rejects(checkpoint, receipt), *rejects])
    return replace(
        receipt, rejected=sum(each.rows for each in every), rejects_sha256=write_rejects(checkpoint, every)
    )


def write_receipt(checkpoint: Checkpoint, receipt: Receipt) -> None:
    """Commit a checkpoint: from now on it counts."""
    files.write_json(checkpoint.receipt, receipt.as_json())


def staged(checkpoint: Checkpoint, listing: str) -> Receipt | None:
    """The receipt of a checkpoint that is whole and belongs to *listing*; None where it must be fetched.

    The records' size is compared, not their bytes: the merge reads and checks every byte anyway.
    """
    receipt = read_receipt(checkpoint.receipt)
    if receipt is None or receipt.listing != listing:
        return None
    if receipt.sha256 is None:
        return receipt
    try:
        whole = reads.size(checkpoint.records) == receipt.bytes
        whole = whole and reads.is_there(checkpoint.rejects) == bool(receipt.rejected)
    except MissingFileError:
        return None
    return receipt if whole else None


def read_receipt(path: Path) -> Receipt | None:
    """The receipt at *path*; None where there is none that can be read."""
    try:
        return Receipt.of_json(reads.read_json(path))
    except (MissingFileError, SchemaValidationError):
        return None


def clear(folder: Path, but: Collection[Path] = ()) -> list[Path]:
    """Remove from a date's *folder* what the fill put there, *but* some; the folder too where that is all.

    Returns:
        What stays, for it is nothing of ours.
    """
    if not folder.is_dir():
        return []
    for path in sorted(folder.iterdir()):
        if path not in but and is_staged(path.name) and (path.is_symlink() or not path.is_dir()):
            files.remove(path)
    stays = sorted(folder.iterdir())
    if not stays:
        files.remove(folder)
    return [path for path in stays if path not in but]


def read_records(checkpoint: Checkpoint, receipt: Receipt) -> pl.DataFrame:
    """The records of a checkpoint, which has some, as one frame; raises as `read_blocks`."""
    import polars as pl

    return pl.concat(read_blocks(checkpoint, receipt))


def read_blocks(checkpoint: Checkpoint, receipt: Receipt) -> Iterator[pl.DataFrame]:
    """The records of a checkpoint in the order they were staged, a few megabytes at a time.

    Every byte is checked against the receipt. That is known after the last block: until then the blocks may
    be anything that can be parsed.

    Raises:
        MissingFileError: the records are gone.
        FileCorruptionError: they are not the bytes that were staged.
    """
    from spx_data.store import record_lines  # here, because lists of dates need no arrays

    rows, checksum = 0, hashlib.sha256()
    with reads.reading(checkpoint.records) as stream:
        names = stream.readline(_LONGEST_NAMES)
        checksum.update(names)
        with _as_staged(checkpoint):
            reader = record_lines.Reader(record_lines.types_of(names))
            for lines in reads.blocks_of_lines(stream, _SLICE, record_lines.LONGEST):
                checksum.update(lines)
                frame = reader.frame(lines)
                rows += len(frame)
                yield frame
    if checksum.hexdigest() != receipt.sha256 or rows != receipt.rows:
        raise _damaged(
            checkpoint.records,
            f"sha256 {receipt.sha256}, {receipt.rows} rows",
            f"sha256 {checksum.hexdigest()}, {rows} rows",
        )


@contextmanager
def _as_staged(checkpoint: Checkpoint) -> Iterator[None]:
    """Tell what is wrong with the lines of records as damage."""
    try:
        yield
    except ValueError as error:
        raise _damaged(checkpoint.records, "lines as they were staged", str(error)) from error


def read_rejects(checkpoint: Checkpoint, receipt: Receipt) -> list[Reject]:
    """The bad rows of a checkpoint, after every byte was checked against the receipt.

    Raises:
        MissingFileError: they are gone.
        FileCorruptionError: they are not the bytes that were staged.
    """
    if not receipt.rejected:
        return []
    content = reads.content(checkpoint.rejects, foreign.MOST_REJECTS_BYTES)
    if (found := hashlib.sha256(content).hexdigest()) != receipt.rejects_sha256:
        raise _damaged(checkpoint.rejects, f"sha256 {receipt.rejects_sha256}", f"sha256 {found}")
    from spx_data.market.records import Reject  # here, because lists of dates need neither rejects nor arrays

    try:
        return [Reject(**foreign.parsed(line)) for line in content.splitlines()]
    except (ValueError, TypeError) as error:
        raise _damaged(checkpoint.rejects, "bad rows as JSON objects", str(error)) from error


def _damaged(path: Path, expected: str, actual: str) -> FileCorruptionError:
    return FileCorruptionError(
        f"{path} is not what was staged: expected {expected}, found {actual}",
        cure="Run the workflow again: the expiration is fetched anew",
        path=path,
        expected=expected,
        actual=actual,
    )


def identity(document: Any) -> str:
    """A short digest that tells two listings apart: SHA-256 over their canonical JSON."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
