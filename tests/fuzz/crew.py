"""Many workers, watched: one that dies, hangs or grows is replaced, and the input it was at is a fault."""

import contextlib
import multiprocessing
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.fuzz import worker
from tests.fuzz.verdict import MOST_MEMORY, MOST_WAITED, Fault

# Polars and Arrow do not survive a fork.
_SPAWN = multiprocessing.get_context("spawn")
_ROOT = Path(__file__).resolve().parents[2]
_SHARE = 2000  # inputs of one process
_TO_BEGIN = 120.0  # seconds until a process has loaded its libraries, on however busy a machine
_DEADLY = ("crash", "hang", "memory")  # faults that may end the process they happen in
_LOOK = 0.05  # seconds between two looks at a worker's memory


def run(counts, seeds, seed, processes, told=lambda *_: None):
    """The tallies of parsers by name, after so many *counts* of inputs each; *told* hears of progress."""
    tallies = {name: worker.Tally() for name in counts}
    with ThreadPoolExecutor(processes) as pool:
        for found in pool.map(lambda jobs: _load(jobs, seeds, seed), _loads(counts, processes)):
            for name, tally in found.items():
                tallies[name].add(tally)
                told(name, tallies[name])
    for name, count in counts.items():
        # What came of the inputs just before one that ended a process is lost with it; they were tried.
        tallies[name].inputs = count
    return tallies


def _loads(counts, processes):
    """The work of one process after the other: parsers' names with numbers of inputs."""
    most = min(_SHARE, -(-sum(counts.values()) // processes))
    load, room = [], most
    for name, count in counts.items():
        first = 0
        while first < count:
            stop = min(count, first + room)
            load.append((name, range(first, stop)))
            room, first = room - (stop - first), stop
            if not room:
                yield load
                load, room = [], most
    if load:
        yield load


def _load(jobs, seeds, seed):
    """The tallies of one load, by as many processes as it takes."""
    tallies = {name: worker.Tally() for name, _ in jobs}
    last = ()

    def hear(message):
        nonlocal last
        last = message
        if message[2] is not None:
            tallies[jobs[message[0]][0]].add(message[2])

    with tempfile.TemporaryDirectory(prefix="spx-data-fuzz-") as folder:
        current = Path(folder) / "current"
        while jobs:
            last = (0, jobs[0][1].start, None)
            fault = _watched(worker.work, (jobs, seeds, seed, str(current)), hear)
            at, number, tally = last
            name, numbers = jobs[at]
            if tally is None:
                if fault is None or not current.exists():
                    raise RuntimeError(f"a worker ended by itself, at input {number} of {name}: {fault}")
                tallies[name].fault(fault, number, current.read_bytes())
                number += 1
            rest = [(name, range(number, numbers.stop))] if number < numbers.stop else []
            jobs = rest + jobs[at + 1 :]
    return tallies


def replayed(items, patience=MOST_WAITED):
    """What comes of inputs, each a parser's name and bytes: for each as `worker.Trying.once`."""
    found, begun = [], 0

    def hear(message):
        nonlocal begun
        if message[1] is None:
            begun += 1
        else:
            found.append(message[1])

    while len(found) < len(items):
        fault = _watched(worker.replay, (items[len(found) :],), hear, patience)
        if len(found) < len(items):
            if fault is None or begun == len(found):
                raise RuntimeError(
                    f"a worker ended by itself, at input {len(found)} of {len(items)}: {fault}"
                )
            found.append((fault, 0, 0, 0.0))
    return found


def smaller(name, data, fault):
    """The input of a fault without what is not needed for it; as it is where it ends a process."""
    return data if fault.kind in _DEADLY else _asked(worker.smaller, data, name, fault.signature)[0] or data


def _asked(work, data, name, *more):
    """What a process of *work* about an input sends, and the fault that ended it."""
    heard = []
    with tempfile.TemporaryDirectory(prefix="spx-data-fuzz-") as folder:
        path = Path(folder) / "input"
        path.write_bytes(data)
        fault = _watched(work, (name, str(path), *more), heard.append)
    return heard[-1] if heard else None, fault


def _watched(work, arguments, hear, patience=MOST_WAITED):
    """The fault that ended a process of *work*, if one did; *hear* is called with what it sends."""
    if str(_ROOT) not in sys.path:
        sys.path.insert(
            0, str(_ROOT)
        )  # a process that is spawned looks for its modules there; pytest does not
    mine, its = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=work, args=(*arguments, its), daemon=True)
    process.start()
    its.close()
    fault = _watch(process, mine, hear, patience)
    process.join()
    if fault is None and process.exitcode:
        fault = Fault("crash", _signal_of(process.exitcode), _signal_of(process.exitcode))
    process.close()
    return fault


def _watch(process, pipe, hear, seconds):
    """Listen to a process until it has ended; end it where it hangs for *seconds* or grows, and say why."""
    heard, patience = time.monotonic(), _TO_BEGIN
    while True:
        alive = process.is_alive()
        with contextlib.suppress(EOFError):
            while pipe.poll(_LOOK if alive else 0):
                hear(pipe.recv())
                heard, patience = time.monotonic(), seconds
                if _resident(process) > MOST_MEMORY:
                    break
        if not alive:
            return None
        if (waited := time.monotonic() - heard) > patience:
            return _ended(process, "hang", f"more than {waited:.0f} s")
        if (resident := _resident(process)) > MOST_MEMORY:
            return _ended(process, "memory", f"{resident / 1e6:,.0f} MB resident")


def _resident(process):
    with contextlib.suppress(psutil.Error):
        return psutil.Process(process.pid).memory_info().rss
    return 0


def _ended(process, kind, what):
    process.kill()
    return Fault(kind, what, kind)


def _signal_of(code):
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit {code}"
