"""What a job's process goes without, because there are three of them for each date (docs/decisions/0019)."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from spx_data.jobs import memory

# For what starts jobs: threads for linear algebra, which no job does, would be started by each of them; and
# memory that they have had is kept.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"} | memory.ENVIRONMENT


@contextmanager
def loading(*needed: str) -> Iterator[None]:
    """Load modules in the block: what they make stays, so nobody looks for garbage in it, then or later.

    The modules *needed* are those that the work would load on its way.
    """
    gc.disable()
    try:
        for name in needed:
            importlib.import_module(name)
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_pandas() -> Iterator[None]:
    """In the block pandas cannot be loaded.

    No job has frames of pandas, but pyarrow loads it to see whether the first list that it makes an array of
    is one: that takes as long as to load pyarrow and numpy.
    """
    sys.meta_path.insert(0, _NoPandas)
    try:
        yield
    finally:
        sys.meta_path.remove(_NoPandas)


class _NoPandas:
    """A finder of modules that ends the search for one of them."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("a job goes without pandas", name=name)
