"""What came of one input."""

import errno
import traceback
from dataclasses import dataclass
from pathlib import Path

from spx_data.errors import SpxDataError

MOST_MEMORY = 700_000_000  # bytes, resident, of the whole process
MOST_SECONDS = 20.0  # of CPU
MOST_WAITED = 60.0  # seconds until a process is ended, on however busy a machine
MOST_WRITTEN = 700_000_000  # bytes of one file

_DEPTH = 3


@dataclass(frozen=True)
class Outcome:
    """Records taken and rows set aside; *refused* names the error where the whole was refused."""

    records: int = 0
    rejects: int = 0
    refused: str = ""

    @property
    def kind(self) -> str:
        """One of refused, rejects and records."""
        return "refused" if self.refused else "rejects" if self.rejects else "records"


@dataclass(frozen=True)
class Fault:
    """What must never be: its kind, what was seen, and what tells it from other faults."""

    kind: str
    what: str
    where: str = ""

    @property
    def signature(self) -> tuple[str, str]:
        """What faults of one cause have in common."""
        return self.kind, self.where


class Wrong(Exception):
    """The product took what the bytes do not say, or lost a row; the first word tells which."""


def judged(run, data, known=()):
    """What comes of *data*: an `Outcome`, or a `Fault`; errors of *known* types are our own too."""
    try:
        return run(data)
    except Wrong as error:
        return Fault("value", str(error), str(error).partition(":")[0])
    except SpxDataError as error:
        return _refused(error)
    except known as error:
        return Outcome(refused=type(error).__name__)
    except MemoryError as error:
        return Fault("memory", "MemoryError", place(error))
    except Exception as error:
        return Fault("exception", f"{type(error).__name__}: {str(error)[:300]}", place(error))


def _refused(error):
    """A refusal is clean unless it was the disk that ended it, or its words could steer a terminal."""
    cause = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == errno.EFBIG:
            return Fault("disk", f"more than {MOST_WRITTEN:,} bytes were written", place(error))
        cause = cause.__cause__
    if not str(error).isprintable():
        return Fault("text", f"{type(error).__name__} says {str(error)[:300]!r}", type(error).__name__)
    return Outcome(refused=type(error).__name__)


def place(error):
    """The last lines of the product that an error came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/scripts/" in frame.filename]
    names = [f"{Path(frame.filename).name}:{frame.name}" for frame in frames[-_DEPTH:]]
    return f"{type(error).__name__} in {' > '.join(names)}"
