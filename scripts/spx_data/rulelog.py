"""The log of a job: what it says, and how it ended, in the file that its rule names."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spx_data import faults
from spx_data.errors import SpxDataError


@contextmanager
def to(path: Path) -> Iterator[None]:
    """Log to *path* while the block runs; an error ends the process with status 1 after it was logged.

    Errors of ours are one line with the cure, which is all a user needs; any other is logged with its
    traceback.
    """
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )
    try:
        yield
    except SpxDataError as error:
        logging.error("%s", error)
        sys.exit(1)
    except Exception as error:
        told = faults.of(error)
        logging.error("%s", told if isinstance(told, SpxDataError) else traceback.format_exc())
        sys.exit(1)
