"""Parsers that do what none may: what shows that a worker's limits hold."""

import os
import signal
import time

from tests.fuzz.table import PARSERS, Parser
from tests.fuzz.verdict import Outcome


def _dies(_, __):
    os.kill(os.getpid(), signal.SIGSEGV)


def _hangs(_, __):
    time.sleep(1000)


def _grows(_, __):
    held = []
    while True:
        held.append(b"x" * 10_000_000)


def _grew(_, __):
    return Outcome(len(b"x" * 800_000_000))


def _raises(_, __):
    raise KeyError("x")


HARMS = {
    run.__name__.strip("_"): Parser(run.__name__, "words", run)
    for run in (_dies, _hangs, _grows, _grew, _raises)
}


def parser(name):
    """The parser of that name, harmful or not."""
    return PARSERS.get(name) or HARMS[name]
