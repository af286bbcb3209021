"""What one checkpoint costs to write and to read back in each staging format.

    PYTHONPATH=scripts python benchmarks/staging_formats.py [--rounds 7] [--record FILE]

The records of one real-size expiration from the simulator, in the batches in which they arrive. Writing is
serialising, SHA-256 and the file; reading is the file, SHA-256 and a frame of records. The variants
take turns in one process, so a busy machine is busy for all of them: believe the ratios, not the seconds.
Before anything is timed, every variant must have given the same frame back.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.json
import results
from transport_formats import DATE, EXPIRATION, ROOT, history, simulator, source

from spx_data.market import columns, schema
from spx_data.store import staging
from spx_data.store.names import Checkpoint

_SLICE = 2 << 20
_ISO = "%Y-%m-%dT%H:%M:%S%.3f%:z"
_STAMPS = ("timestamp", "underlying_timestamp")
GREEKS = schema.newest(columns.GREEKS)
_RECORD = schema.polars_record(GREEKS.record.names)
_SPELT_OUT = {
    "date": pl.String,
    "root": pl.String,
    "expiration": pl.String,
    **{name: pl.String if name in _STAMPS else kind for name, kind in _RECORD.items()},
}

Batches = list[pa.RecordBatch]


class Hashed:
    """A file and the SHA-256 of what went through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.checksum = hashlib.sha256()

    def write(self, block: bytes | memoryview) -> None:
        """Write and count in."""
        self.checksum.update(block)
        self.stream.write(block)

    def slices(self) -> Iterator[bytes]:
        """Read and count in, a slice at a time."""
        while block := self.stream.read(_SLICE):
            self.checksum.update(block)
            yield block


# Writers ------------------------------------------------------------------------------------------------


def write_arrays(batches: Batches, out: Hashed) -> None:
    """Write what varies as arrays below their names, stamps as milliseconds since the epoch."""
    out.write(json.dumps(GREEKS.record.names).encode() + b"\n")
    for batch in batches:
        out.write(_arrays(batch))


def write_objects(batches: Batches, out: Hashed) -> None:
    """Write the same as objects: every line names its values."""
    for batch in batches:
        out.write(_lines(pl.DataFrame(batch)))


def write_spelt_out(batches: Batches, out: Hashed) -> None:
    """Write every column of the day, stamps in ISO with their offset."""
    for batch in batches:
        stamps = [
            pl.from_epoch(name, "ms").dt.replace_time_zone("UTC").dt.convert_time_zone(schema.ZONE)
            for name in _STAMPS
        ]
        frame = pl.DataFrame(batch).with_columns(
            *[stamp.dt.strftime(_ISO) for stamp in stamps],
            date=pl.lit(DATE.isoformat()),
            root=pl.lit(ROOT),
            expiration=pl.lit(EXPIRATION.isoformat()),
        )
        out.write(_lines(frame.select(list(_SPELT_OUT))))


def write_zstd(level: int) -> Callable[[Batches, Hashed], None]:
    """Write as `write_arrays` (without the names), one zstd frame for each batch."""
    codec = pa.Codec("zstd", compression_level=level)

    def write(batches: Batches, out: Hashed) -> None:
        for batch in batches:
            out.write(memoryview(codec.compress(_arrays(batch))))

    return write


def write_arrow(batches: Batches, out: Hashed) -> None:
    """Write an Arrow IPC stream, not compressed."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, GREEKS.record) as writer:
        for batch in batches:
            writer.write_batch(batch)
            out.write(sink.getvalue())
            sink.seek(0)
            sink.truncate()
    out.write(sink.getvalue())


def _arrays(batch: pa.RecordBatch) -> memoryview:
    lines = io.BytesIO()
    lines.write(b"[")
    pl.DataFrame(batch).write_csv(
        lines, include_header=False, line_terminator="]\n[", quote_style="non_numeric"
    )
    return lines.getbuffer()[:-1]


def _lines(frame: pl.DataFrame) -> memoryview:
    lines = io.BytesIO()
    frame.write_ndjson(lines)
    return lines.getbuffer()


# Readers ------------------------------------------------------------------------------------------------


def read_arrays(file: Hashed) -> pl.DataFrame:
    """Read as CSV with Polars, a slice at a time, as checkpoints were until decision 79."""
    lines = _whole_lines(file.slices())
    names, _, first = next(lines).partition(b"\n")
    assert json.loads(names) == GREEKS.record.names
    return pl.concat([_csv(block) for block in itertools.chain([first], lines)])


def _csv(lines: bytes) -> pl.DataFrame:
    return pl.read_csv(lines.translate(None, b"[]"), has_header=False, schema=_RECORD)


def read_objects(file: Hashed) -> pl.DataFrame:
    """Read with Polars, a slice at a time."""
    return pl.concat(
        [pl.read_ndjson(io.BytesIO(lines), schema=_RECORD) for lines in _whole_lines(file.slices())]
    )


def read_objects_by_arrow(file: Hashed) -> pl.DataFrame:
    """Read with Arrow's reader."""
    options = pyarrow.json.ParseOptions(explicit_schema=GREEKS.record, unexpected_field_behavior="error")
    tables = [
        pyarrow.json.read_json(pa.BufferReader(lines), parse_options=options)
        for lines in _whole_lines(file.slices())
    ]
    return _polars(pa.concat_tables(tables))


def read_spelt_out(file: Hashed) -> pl.DataFrame:
    """Read with Polars, and turn the stamps into milliseconds."""
    frames = [pl.read_ndjson(io.BytesIO(lines), schema=_SPELT_OUT) for lines in _whole_lines(file.slices())]
    return (
        pl.concat(frames)
        .with_columns(pl.col(_STAMPS).str.to_datetime(_ISO, time_unit="ms").dt.epoch("ms"))
        .select(list(_RECORD))
    )


def read_zstd(file: Hashed) -> pl.DataFrame:
    """Read the compressed lines with Polars, a slice at a time."""
    compressed = pa.BufferReader(b"".join(file.slices()))
    stream = pa.CompressedInputStream(compressed, "zstd")
    plain = iter(lambda: stream.read(_SLICE), b"")
    return pl.concat([_csv(lines) for lines in _whole_lines(plain)])


def read_arrow(file: Hashed) -> pl.DataFrame:
    """Read the Arrow IPC stream."""
    return _polars(pa.ipc.open_stream(b"".join(file.slices())).read_all())


def _polars(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _whole_lines(slices: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in slices:
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield whole


# Measuring ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One way to stage the records."""

    name: str
    write: Callable[[Batches, Hashed], None]
    read: Callable[[Hashed], pl.DataFrame]


VARIANTS = (
    Variant("arrays, what varies, epoch ms", write_arrays, read_arrays),
    Variant("objects, what varies, epoch ms", write_objects, read_objects),
    Variant("the same, read by pyarrow.json", write_objects, read_objects_by_arrow),
    Variant("objects, every column, ISO stamps", write_spelt_out, read_spelt_out),
    Variant("arrays in zstd, level 1", write_zstd(1), read_zstd),
    Variant("arrays in zstd, level 3", write_zstd(3), read_zstd),
    Variant("Arrow IPC", write_arrow, read_arrow),
)
STAGING = "spx_data.store.staging, with its checks"


@dataclass(frozen=True)
class Figures:
    """One measurement: CPU seconds and bytes, and the frame that came back."""

    write: float
    read: float
    size: int
    frame: pl.DataFrame


def measure(name: str, batches: Batches, folder: Path) -> Figures:
    """Measure one variant: write, then read back."""
    if name == STAGING:
        return measure_staging(batches, folder)
    variant = next(variant for variant in VARIANTS if variant.name == name)
    path = folder / "records"
    begun = time.process_time()
    with path.open("wb") as stream:
        out = Hashed(stream)
        variant.write(batches, out)
    written = time.process_time()
    with path.open("rb") as stream:
        back = Hashed(stream)
        frame = variant.read(back)
    ended = time.process_time()
    assert back.checksum.digest() == out.checksum.digest(), name
    return Figures(written - begun, ended - written, path.stat().st_size, frame)


def measure_staging(batches: Batches, folder: Path) -> Figures:
    """Write and read as the workflow does: atomic, flushed to the device, contracts counted, checked."""
    checkpoint = Checkpoint(folder / "records.ndjson", folder / "records.receipt.json")
    begun = time.process_time()
    contracts, rows, size, checksum = staging.write_records(checkpoint, batches)
    written = time.process_time()
    receipt = staging.Receipt(ROOT, EXPIRATION, "benchmark", contracts, rows, size, checksum, 1, 0.0)
    frame = staging.read_records(checkpoint, receipt)
    return Figures(written - begun, time.process_time() - written, size, frame)


def table(measured: dict[str, list[Figures]]) -> str:
    """Lay out medians of all rounds, with their ratio to the first variant."""
    base = measured[VARIANTS[0].name]
    lines = ["| format | write CPU s | ratio | read CPU s | ratio | MB | ratio |", "|---" * 7 + "|"]
    for name, found in measured.items():
        cells = [name]
        for part in ("write", "read"):
            seconds = [getattr(figures, part) for figures in found]
            ratio = statistics.median(seconds) / statistics.median(getattr(f, part) for f in base)
            cells += [
                f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})",
                f"{ratio:.2f}",
            ]
        cells += [f"{found[0].size / 1e6:.1f}", f"{found[0].size / base[0].size:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def compare(rounds: int) -> str:
    """Check, then measure every variant in turn, *rounds* times; returns what to print."""
    with simulator("v3") as url, source("v3", "csv", url, []) as terminal:
        batches = list(history(terminal))
    wanted = pl.concat([pl.DataFrame(batch) for batch in batches])
    measured: dict[str, list[Figures]] = {name: [] for name in (*(v.name for v in VARIANTS), STAGING)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(rounds + 1):
            for name in measured:
                found = measure(name, batches, folder)
                assert found.frame.equals(wanted), f"{name}: other records came back"
                if number:  # the first round checks and warms up
                    measured[name].append(replace(found, frame=wanted))
    shown = f"{ROOT} {EXPIRATION} on {DATE}, {len(wanted):,} records in {len(batches)} batches"
    shown += f"; medians of {rounds} rounds (fastest-slowest). Every variant gave the same frame back."
    return "\n\n".join((shown, results.machine("polars", "pyarrow"), table(measured)))


def main(argv: Sequence[str] | None = None) -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each variant")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the results in this file")
    arguments = parser.parse_args(argv)
    text = compare(arguments.rounds)
    print(text)
    if arguments.record:
        call = f"`benchmarks/staging_formats.py --rounds {arguments.rounds}`"
        results.keep(arguments.record, "How to stage", call, text)


if __name__ == "__main__":
    main()
