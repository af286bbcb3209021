"""Readers as a user would call them, each in a process of its own: garbage may crash or hang them.

Run as a script with a reader's name it answers each path on stdin with a line: a fingerprint of all rows, or
nothing where the read ended in an error.
"""

import hashlib
import os
import resource
import select
import subprocess
import sys
from contextlib import suppress

SECONDS = 20  # then a read counts as hanging
BYTES = 8 << 30  # then as having crashed


def pyarrow_reads(path):
    import polars as pl
    import pyarrow.parquet as pq

    return _fingerprint(pl.from_arrow(pq.read_table(path)))


def polars_reads(path):
    import polars as pl

    return _fingerprint(pl.read_parquet(path, glob=False))


def duckdb_reads(path):
    import duckdb

    with duckdb.connect(config={"threads": 1, "enable_external_file_cache": False}) as database:
        return database.execute("SELECT count(*), sum(hash(t)) FROM read_parquet(?) t", [path]).fetchone()


READERS = {"pyarrow": pyarrow_reads, "DuckDB": duckdb_reads, "Polars": polars_reads}


def _fingerprint(frame):
    import polars as pl

    words = frame.with_columns(pl.col(pl.Categorical).cast(pl.String))
    return hashlib.sha256(words.hash_rows().to_numpy().tobytes()).hexdigest(), tuple(words.columns)


class Readers:
    """One process for each reader; `show` gives all a path, `answers` collects what they say."""

    def __init__(self):
        self._processes = {name: _start(name) for name in READERS}

    def close(self):
        """End them."""
        for process in self._processes.values():
            _end(process)

    def show(self, path):
        """Begin to read *path*."""
        for process in self._processes.values():
            process.stdin.write(f"{path}\n".encode())
            process.stdin.flush()

    def answers(self):
        """Each reader's fingerprint of what it read, None where it noticed that something is wrong."""
        return {name: self._answer(name) for name in READERS}

    def _answer(self, name):
        process = self._processes[name]
        ready, _, _ = select.select([process.stdout], [], [], SECONDS)
        line = process.stdout.readline() if ready else b""
        if not line.endswith(b"\n"):
            _end(process)
            self._processes[name] = _start(name)
        return line.decode().strip() or None


def _start(name):
    few = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, __file__, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=os.environ | few,
    )


def _end(process):
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def _serve(name):
    with suppress(ValueError, OSError):  # a Mac does not know it
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    for line in sys.stdin:
        try:
            said = repr(READERS[name](line.strip()))
        except BaseException:  # Polars' panics are no Exceptions
            said = ""
        print(said, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
