"""Pages of memory are asked for once."""

import os
import subprocess
import sys

import pytest

from spx_data.jobs import memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is tried")

# How many pages a process has asked the system for: blocks of rows come and go.
BLOCKS = """
import os, resource, sys
if "keep" in sys.argv:
    from spx_data.jobs import memory
    memory.keep()
import io, numpy, polars, pyarrow

def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        numbers = numpy.arange(1_000_000.0)
        array = pyarrow.array(numpy.arange(1_000_000)).cast(pyarrow.float64())
        frame = polars.DataFrame({"a": numbers}).select(polars.col("a") * 2)
        text = io.BytesIO(b"." * 20_000_000).getvalue()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults(10)
print(faults(10))
"""


def faults(*words, **environment):
    """The page faults of ten blocks, after ten of the like."""
    plain = {name: value for name, value in os.environ.items() if name not in memory.ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS, *words],
        env=plain | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.parametrize("how", ["environment", "by itself"])
def test_memory_is_kept_for_the_next_block(how):
    kept = faults("keep") if how == "by itself" else faults(**memory.ENVIRONMENT)

    # Plainly it is several thousand for each block.
    assert kept < faults() / 5


def test_what_a_user_has_said_of_memory_holds(monkeypatch):
    mine = dict.fromkeys(memory.ENVIRONMENT, "1")
    for name, value in mine.items():
        monkeypatch.setenv(name, value)

    memory.keep()

    assert {name: os.environ[name] for name in mine} == mine
