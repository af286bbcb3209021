"""A process that reads one answer, and says what came of it and how much memory that took.

`python -m tests.swallowing FILE CONTENT-TYPE` reads the bytes in the file as a history of v3.
"""

import datetime as dt
import json
import re
import resource
import sys
from pathlib import Path

from spx_data.errors import SpxDataError
from spx_data.market.chains import Chain
from spx_data.market.records import Rejects
from spx_data.market.sessions import Window
from spx_data.sources.theta import limits, v3
from spx_data.sources.theta.transport import Answer
from tests import schemas

CHAIN = Chain("SPXW", dt.date(2024, 1, 19), dt.date(2024, 1, 2), dt.date(2024, 1, 19))
MINUTES = Window(dt.time(9, 30), dt.time(16), "1m")


def swallow(path: str, content_type: str) -> str:
    """Return how many records the answer in the file *path* has, or the name of the error it ends in."""
    limit = limits.history(MINUTES, 0)
    with Path(path).open("rb") as stream:
        answer = Answer(
            "http://127.0.0.1/v3/option/history/greeks", content_type, None, stream, ceiling=limit
        )
        try:
            batches = v3.read(
                answer,
                schemas.GREEKS,
                lambda batch: v3.validated(batch, CHAIN, MINUTES, schemas.GREEKS),
                Rejects(),
                asked="csv",
            )
            return f"{sum(batch.num_rows for batch in batches)} records"
        except SpxDataError as error:
            return type(error).__name__


def most_memory() -> int:
    """Return the largest resident set of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts the process before this one in the other figure
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        assert found
        return 1024 * int(found[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps([swallow(*sys.argv[1:]), most_memory()]))
