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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from spx_data.errors import SpxDataError
from spx_data.jobs import ending
from spx_data.lake import runs
from spx_data.settings import Lakes, Settings, of_lake
from spx_data.store import faults, modes
from spx_data.text import commands, printable

SETTINGS_VARIABLE = "SPX_DATA_SETTINGS"
CALLER_VARIABLE = "SPX_DATA_CALLER"


def environment(config: Mapping[str, Any]) -> dict[str, str]:
    """What hands the resolved *config*, and who called the run, to the jobs."""
    return {
        SETTINGS_VARIABLE: json.dumps(config, default=str),
        CALLER_VARIABLE: json.dumps(commands.caller()),
    }


def settings(symbol: str) -> Settings:
    """The settings, in the run that started this job, of the lake *symbol*; of which texts are from here on.

    Ends the process where there is no run: its scripts are started by the rules alone. From here on an error
    that nobody catches is told without what its text could do to a screen.
    """
    document = _document()
    if document.get("symbols"):
        commands.about(symbol)
    return of_lake(document, symbol)


def lakes() -> Lakes:
    """The settings of every lake in the run that started this job."""
    return Lakes.of(_document())


def in_each_lake(
    work: Callable[[Settings], bool], *symbols: str, say: Callable[[str], None] = lambda _: None
) -> None:
    """Do *work* in each lake of the run that started this job, or in those of *symbols*, one after the other.

    Where there are several, each begins with its symbol, which *say* tells, and one that fails stops no
    other. Ends the process with status 1 where *work* says of one that all is not well, or there is an error:
    its one line is said.
    """
    well, every = True, lakes()
    for symbol in symbols or every:
        if every.several:
            commands.about(symbol)
            say(f"{symbol}:")
        try:
            well &= work(every[symbol])
        except SpxDataError as error:
            printable.tell(f"spx-data: {commands.shown(str(error))}\n")
            well = False
    ending.end(not well)


def _document() -> dict[str, Any]:
    printable.tell_uncaught()
    document = os.environ.get(SETTINGS_VARIABLE)
    if document is None:
        said = "the scripts of the rules are started by Snakemake: `snakemake --cores 4`"
        sys.exit(f"spx-data: {commands.shown(said)}")
    if caller := os.environ.get(CALLER_VARIABLE):
        commands.called_by(*json.loads(caller))
    found: dict[str, Any] = json.loads(document)
    modes.restrict(owner_only=found["processing"]["owner_only"])
    return found


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


def _end_by(number: int, _: FrameType | None) -> None:
    """End by a signal as if nobody had heard it: at once, wherever the work is, without waiting for threads.

    Left to the system from the start, Ctrl-C would be lost: Polars takes it, and hands it on to Python alone.
    """
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
