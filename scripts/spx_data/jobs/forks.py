"""The process that a run's jobs are forked from: it has loaded what each of them would load (decision 83).

`started` runs in Snakemake's process, `serve` is the other one. `jobs.begin`, which the rules start, hands
over the standard descriptors of a job and is told how it ended. Everything else that a job has from whoever
starts it (words, environment, folder, mask) is read from what the system knows of that program. Where it has
something that a fork cannot be given, limits of its own for instance, the job is a process of its own, as it
is where nobody serves.

Nothing outlives what it is for: this process ends with its run, or when it is told to (SIGTERM), once its
jobs have; a job dies with this process (the system sees to that) and with the program that began it.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import os
import pkgutil
import runpy
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from spx_data import sources
from spx_data.jobs import ending, programs, startup
from spx_data.text import printable

VARIABLE = "SPX_DATA_FORKS"
BEGIN = Path(__file__).with_name("begin.py")
# On a Mac what the system's own libraries have begun survives no fork.
POSSIBLE = sys.platform == "linux"

_PROGRAM = "import sys; sys.path[0] = sys.argv[1]; from spx_data.jobs import forks; forks.serve()"
_WAITING = 128  # jobs that ask while libraries are loaded
_PATIENCE_SECONDS = 10.0
# What the jobs of a date load sooner or later, beside all of our own sources.
_LOADED = (
    *("numpy.ma", "orjson", "polars", "pyarrow.compute", "pyarrow.csv", "pyarrow.dataset"),
    *("spx_data.jobs.process", "spx_data.store.cores"),
    *("spx_data.fill.survey", "spx_data.fill.download", "spx_data.fill.merge"),
)
# Threads that libraries start while they are loaded. An allocator's own, which is made for forks; and the one
# that removes what Polars has spilled to the disk, which waits for ever: no job lets it spill.
_BEARABLE = frozenset({"jemalloc_bg_thd", "polars-ooc-clea"})
_DIE_WITH_PARENT, _BE_CALLED = 1, 15  # of prctl: PR_SET_PDEATHSIG, PR_SET_NAME


# In Snakemake's process ---------------------------------------------------------------------------------


@contextmanager
def started(scripts: Path) -> Iterator[None]:
    """In the block the jobs of rules are forked; those that begin early wait until all is loaded.

    *scripts* is the folder of the rules' scripts. Does nothing where `VARIABLE` is set, to whatever: then
    each job is a process of its own, as it is where no process can be forked.
    """
    if VARIABLE in os.environ:
        yield
        return
    name = f"spx-data-{secrets.token_hex(16)}"
    try:
        # In no folder: it is gone with who has it, whatever becomes of that.
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with listener:
            listener.bind(f"\0{name}")
            listener.listen(_WAITING)
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(scripts), str(listener.fileno())],
                stdin=subprocess.PIPE,  # nothing is ever written to it; it ends with this process
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what a library lacks, each job says in its log
                pass_fds=[listener.fileno()],
                env={**os.environ},  # as jobs get it: a library may have added to the system's own
            )
    except OSError:  # processes, memory or descriptors are all taken: jobs do without
        yield
        return
    os.environ[VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# In the process that is forked --------------------------------------------------------------------------


def load() -> None:
    """Load what the jobs of a date load sooner or later."""
    with startup.without_pandas(), startup.loading(*_LOADED):
        for found in pkgutil.walk_packages(sources.__path__, f"{sources.__name__}."):
            importlib.import_module(found.name)


def serve() -> NoReturn:
    """Be that process, until its standard input ends."""
    listener = socket.socket(fileno=int(sys.argv[2]))
    listener.set_inheritable(False)
    standing, interrupts = programs.standing(os.getpid()), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: of the run, which ends this process in its time
    load()
    with suppress(OSError):
        os.close(os.pidfd_open(os.getpid()))  # since Linux 5.3
        if _is_still():
            _Server(listener, standing, interrupts).serve()
    ending.end(0)


def _is_still() -> bool:
    """Whether no thread but the main one does anything, as soon as that is so."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (still := all(state == "S" for state in _threads().values())) and time.monotonic() < deadline:
        time.sleep(0.01)
    return still


def _threads() -> dict[str, str]:
    """The state of each thread beside the main one, by its name."""
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # it has ended
            name, _, after = (thread / "stat").read_text().rpartition(") ")
            if thread.name != str(os.getpid()):
                found[name.partition("(")[2]] = after[0]
    return found


class _Job(NamedTuple):
    """A job that was forked: its process, and the connection of who began it."""

    pid: int
    descriptor: int  # of the process
    asking: socket.socket


class _Beginner(NamedTuple):
    """What the system knows of the program that begins a job."""

    words: list[str]  # of the job: its script and the arguments
    environment: dict[bytes, bytes]
    folder: str
    mask: int

    @classmethod
    def of_process(cls, pid: int) -> _Beginner:
        """What is known of *pid*; raises OSError or ValueError where that is no such program."""
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        program = words.index(os.fsencode(BEGIN)) + 1
        mask = programs.status(pid)[b"Umask"]
        return cls(
            [*map(os.fsdecode, words[program:])],
            programs.environment(pid),
            f"/proc/{pid}/cwd",
            int(mask, base=8),
        )


class _Server:
    """Forks a job for whoever asks; *standing* and *interrupts* are what this process began with."""

    def __init__(self, listener: socket.socket, standing: list[Any], interrupts: Any) -> None:
        self._listener: socket.socket | None = listener
        self._standing, self._interrupts = standing, interrupts
        self._selector = selectors.DefaultSelector()
        self._jobs: dict[int, _Job] = {}
        self._prctl = ctypes.CDLL(None).prctl
        # Who stops a run ends each of its processes: jobs by their own signal, not by this one's death.
        self._ends = signal.signal(signal.SIGTERM, self._told_to_end)

    def serve(self) -> None:
        """Serve until the run has ended, and its jobs have."""
        assert self._listener
        self._when(0, self._end)
        self._when(self._listener.fileno(), self._accept)
        while self._listener or self._jobs:
            for key, _ in self._selector.select():
                # One that came before in this round may have made an end of it: its number is another's now.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()

    def _when(self, descriptor: int, call: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, call)

    def _end(self) -> None:
        assert self._listener
        self._selector.unregister(0)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._listener = None

    def _told_to_end(self, *_: object) -> None:
        """Let no job begin any more, and wake up who waits for one."""
        if self._listener:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        assert self._listener
        try:
            asking, _ = self._listener.accept()
        except OSError as error:
            if error.errno == errno.EINVAL:  # it was shut down
                self._end()
            return
        self._when(asking.fileno(), partial(self._asked, asking))

    def _asked(self, asking: socket.socket) -> None:
        """Fork the job that the program at the other end begins, or refuse to."""
        self._selector.unregister(asking)
        given: list[int] = []
        try:
            _, given, _, _ = socket.recv_fds(asking, 8, 3)
            self._fork(asking, given)
        except (OSError, ValueError, KeyError):
            with suppress(OSError):
                asking.send(b"no")
            asking.close()
        finally:
            for descriptor in given:
                os.close(descriptor)

    def _fork(self, asking: socket.socket, given: list[int]) -> None:
        pid = _peer(asking)
        beginner = _Beginner.of_process(pid)
        if len(given) != 3 or not _threads().keys() <= _BEARABLE or programs.standing(pid) != self._standing:
            raise ValueError(pid)
        server = os.getpid()
        sys.orig_argv[:] = [sys.executable, *beginner.words]
        # A job hears what is meant for it by its own handler only.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            job = os.fork()
            if job == 0:
                self._become(beginner, given, asking.fileno(), server)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        try:
            found = self._jobs[job] = _Job(job, os.pidfd_open(job), asking)
        except OSError:  # too many files are open
            os.kill(job, signal.SIGKILL)
            os.waitpid(job, 0)
            raise
        self._when(found.descriptor, partial(self._ended, found))
        self._when(asking.fileno(), partial(self._abandoned, found))
        with suppress(OSError):
            asking.send(b"yes")

    def _abandoned(self, job: _Job) -> None:
        """End a job whose beginner has died: nobody says anything there."""
        self._selector.unregister(job.asking)
        signal.pidfd_send_signal(job.descriptor, signal.SIGKILL)

    def _ended(self, job: _Job) -> None:
        _, status = os.waitpid(job.pid, 0)
        with suppress(OSError):
            job.asking.send(status.to_bytes(4, sys.byteorder))
        self._selector.unregister(job.descriptor)
        with suppress(KeyError):
            self._selector.unregister(job.asking)
        os.close(job.descriptor)
        job.asking.close()
        del self._jobs[job.pid]

    # In a fork ------------------------------------------------------------------------------------------

    def _become(self, beginner: _Beginner, given: list[int], asking: int, server: int) -> NoReturn:
        """Be the job: nothing of this process's own is left but what it has loaded."""
        status = 1
        try:
            self._prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            if os.getppid() != server:
                os._exit(status)
            for number, descriptor in enumerate(given):
                os.dup2(descriptor, number)
            registered = {key.fd for key in self._selector.get_map().values()}
            for descriptor in {self._selector.fileno(), asking, *registered, *given} - {0, 1, 2}:
                os.close(descriptor)
            signal.signal(signal.SIGINT, self._interrupts)
            signal.signal(signal.SIGTERM, self._ends)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            os.umask(beginner.mask)
            os.chdir(beginner.folder)
            os.environb.clear()
            os.environb.update(beginner.environment)
            time.tzset()
            sys.argv[:] = beginner.words
            self._prctl(_BE_CALLED, os.fsencode(_called(beginner.words)))
            runpy.run_path(beginner.words[0], run_name="__main__")
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            if isinstance(ended.code, str):
                printable.tell(f"{ended.code}\n")
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            if isinstance(error, KeyboardInterrupt):
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                signal.raise_signal(signal.SIGINT)
        ending.end(status)


def _called(words: list[str]) -> str:
    """What `top` and `ps -e` call a job: its date, and of its rule what the system has room for."""
    return " ".join([*words[2:3], Path(words[0]).stem])[:15]


def _peer(asking: socket.socket) -> int:
    """The process at the other end; raises ValueError where it is somebody else's."""
    known = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, user = (int.from_bytes(known[at : at + 4], sys.byteorder) for at in (0, 4))
    if user != os.getuid():
        raise ValueError(user)
    return pid
