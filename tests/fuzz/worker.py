"""One process that tries inputs of one parser, within limits; what it tries is written down before."""

import contextlib
import logging
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.verdict import MOST_MEMORY, MOST_SECONDS, MOST_WRITTEN, Fault, Outcome, judged

_ADDRESSES = 6 << 30  # bytes of address space beyond what the libraries have taken at the start
_PEAK, _NOW, _SIZE = (
    re.compile(rf"^{name}:\s+(\d+) kB$", re.MULTILINE) for name in ("VmHWM", "VmRSS", "VmSize")
)
_KEPT = 3  # inputs of each fault
_OFTEN = 100  # inputs that are told of together: no more are lost with a process that dies


@dataclass
class Tally:
    """What came of inputs of one parser."""

    inputs: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)  # refusals by the error's name
    records: int = 0
    rejects: int = 0
    memory: int = 0  # bytes, the largest resident set
    grown: int = 0  # bytes, the most that one input added to it
    seconds: float = 0.0  # of the slowest input
    faults: dict[tuple[str, str], list[tuple[Fault, int, bytes]]] = field(default_factory=dict)
    faulty: int = 0

    def add(self, other):
        """Count what another one counted."""
        for name in ("inputs", "records", "rejects", "faulty"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("memory", "grown", "seconds"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        for name in ("kinds", "errors"):
            for kind, count in getattr(other, name).items():
                getattr(self, name)[kind] = getattr(self, name).get(kind, 0) + count
        for found in other.faults.values():
            for each in found:
                self.fault(*each, count=False)

    def fault(self, fault, number, data, *, count=True):
        """Keep the input of a fault, unless its like was kept often enough."""
        self.faulty += count
        kept = self.faults.setdefault(fault.signature, [])
        if len(kept) < _KEPT:
            kept.append((fault, number, data))


def _status(pattern):
    with contextlib.suppress(OSError):  # a Mac has no such file
        found = pattern.search(Path("/proc/self/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


def _peak():
    if found := _status(_PEAK):
        return found
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _forget_peak():
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def limit():
    """Set what this process may take: address space and the size of a file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN, MOST_WRITTEN))
    if size := _status(_SIZE):
        resource.setrlimit(resource.RLIMIT_AS, (size + _ADDRESSES, size + _ADDRESSES))


class Trying:
    """Tries inputs one by one and measures each."""

    def __init__(self, parser, scratch):
        self.parser, self.scratch = parser, scratch

    def once(self, data):
        """What came of *data*, the most memory meanwhile, how much it grew by, and the seconds it took."""
        before, begun, spent = _status(_NOW), time.perf_counter(), time.process_time()
        found = judged(lambda content: self.parser.run(content, self.scratch), data, self.parser.known)
        seconds, peak = time.perf_counter() - begun, _peak()
        if isinstance(found, Outcome) and peak > MOST_MEMORY:
            found = Fault("memory", f"{peak / 1e6:,.0f} MB resident")
        elif isinstance(found, Outcome) and (took := time.process_time() - spent) > MOST_SECONDS:
            found = Fault("hang", f"{took:.1f} s of CPU")
        if peak - before > 50_000_000:
            _forget_peak()
        return found, peak, max(0, peak - before), seconds


def work(jobs, seeds, seed, current, pipe):
    """Try inputs; *jobs* are parsers' names with numbers. Each input is in the file *current* meanwhile.

    Sends (job, number, None) as an input begins, and now and then (job, number, tally of those before).
    """
    from tests.fuzz.mutators import mutated
    from tests.fuzz.table import PARSERS

    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="spx-data-fuzz-") as folder:
        limit()
        _forget_peak()
        for at, (name, numbers) in enumerate(jobs):
            trying, tally = Trying(PARSERS[name], Path(folder)), Tally()
            for number in numbers:
                data = mutated(random.Random(f"{seed}/{name}/{number}"), seeds[name], trying.parser.form)
                _write(current, data)
                pipe.send((at, number, None))
                _count(tally, number, data, trying.once(data))
                if tally.inputs == _OFTEN:
                    pipe.send((at, number + 1, tally))
                    tally = Tally()
            pipe.send((at, numbers.stop, tally))
    pipe.close()


def _write(current, data):
    part = os.open(current, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(part, data)
    finally:
        os.close(part)


def _count(tally, number, data, tried):
    found, peak, grown, seconds = tried
    tally.inputs += 1
    tally.memory, tally.grown = max(tally.memory, peak), max(tally.grown, grown)
    tally.seconds = max(tally.seconds, seconds)
    if isinstance(found, Fault):
        tally.fault(found, number, data)
        return
    tally.records, tally.rejects = tally.records + found.records, tally.rejects + found.rejects
    tally.kinds[found.kind] = tally.kinds.get(found.kind, 0) + 1
    if found.refused:
        tally.errors[found.refused] = tally.errors.get(found.refused, 0) + 1


def replay(items, pipe):
    """Try inputs, each a parser's name and bytes; sends (number, None) as each begins and what came of it."""
    from tests.fuzz import harm

    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="spx-data-fuzz-") as folder:
        limit()
        for number, (name, data) in enumerate(items):
            _forget_peak()
            pipe.send((number, None))
            pipe.send((number, Trying(harm.parser(name), Path(folder)).once(data)))
    pipe.close()


def smaller(name, path, signature, pipe):
    """Make the input in the file *path*, which shows the fault of *signature*, smaller, and send it."""
    from tests.fuzz import harm, shrink

    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="spx-data-fuzz-") as folder:
        trying = Trying(harm.parser(name), Path(folder))

        def shows(data):
            found = trying.once(data)[0]
            return isinstance(found, Fault) and found.signature == signature

        pipe.send(shrink.smaller(Path(path).read_bytes(), shows))
    pipe.close()
