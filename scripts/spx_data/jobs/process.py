"""What a job's process needs: the run's settings, a log, and what the work took.

The rules start a script as `python scripts/<rule>.py ARGUMENT …`, with the settings in the environment and
its standard error in the job's log: so whatever ends a job early, the interpreter's own last words included,
stands there.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from spx_data.errors import SpxDataError
from spx_data.jobs import ending
from spx_data.lake import runs
from spx_data.settings import Settings
from spx_data.store import faults
from spx_data.text import commands, printable

SETTINGS_VARIABLE = "SPX_DATA_SETTINGS"
CALLER_VARIABLE = "SPX_DATA_CALLER"


def environment(config: Mapping[str, Any]) -> dict[str, str]:
    """What hands the resolved *config*, and who called the run, to the jobs."""
    return {
        SETTINGS_VARIABLE: json.dumps(config, default=str),
        CALLER_VARIABLE: json.dumps(commands.caller()),
    }


def settings() -> Settings:
    """The settings of the run that started this job.

    Ends the process where there is none: its scripts are started by the rules alone. From here on an error
    that nobody catches is told without what its text could do to a screen.
    """
    printable.tell_uncaught()
    document = os.environ.get(SETTINGS_VARIABLE)
    if document is None:
        said = "the scripts of the rules are started by Snakemake: `snakemake --cores 4`"
        sys.exit(f"spx-data: {commands.shown(said)}")
    if caller := os.environ.get(CALLER_VARIABLE):
        commands.called_by(*json.loads(caller))
    return Settings.of(json.loads(document))


@contextmanager
def at_work(settings: Settings) -> Iterator[None]:
    """Be a job of the run that started this process, with a log; the process ends with the block."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_by)
    with logged(), runs.joined(settings.layout):
        yield


@contextmanager
def logged() -> Iterator[None]:
    """Log to standard error in the block, and end the process: with status 1 if by an error, which is logged.

    Errors of ours are one line with the cure, which is all a user needs; any other is logged with its
    traceback.
    """
    # A log that cannot be written (a full disk, say) must not bury the one line that says so.
    logging.raiseExceptions = False
    if isinstance(sys.stderr, io.TextIOWrapper):
        # Whatever the locale: a path may have any letters.
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    # What a message quotes of the wire, of a file or of a library does nothing to a reader of the log.
    handler = logging.StreamHandler()
    handler.setFormatter(printable.log_format("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    try:
        yield
    except Exception as error:
        told = faults.of(error)
        logging.error("%s", told if isinstance(told, SpxDataError) else traceback.format_exc())
        ending.end(1)
    ending.end(0)


@contextmanager
def told() -> Iterator[None]:
    """End the process with the block: with status 1 by an error of ours, of which one line says why.

    For those that have no log. A block that has something else to say calls `ending.end`.
    """
    try:
        yield
    except SpxDataError as error:
        printable.tell(f"spx-data: {commands.shown(str(error))}\n")
        ending.end(1)
    ending.end(0)


def _end_by(number: int, _: FrameType | None) -> None:
    """End by a signal as if nobody had heard it: at once, wherever the work is, without waiting for threads.

    Left to the system from the start, Ctrl-C would be lost: Polars takes it, and hands it on to Python alone.
    """
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
