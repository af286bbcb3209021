"""Commands in processes of their own that need not begin with importing everything: they are forked.

`snakemake` takes 2 s of CPU to begin, most of it for imports, and the tests run it hundreds of times. Here
one process of a test session has loaded what the commands load, and runs each in a fork of itself, with the
folder, the environment, the mask and the files that the caller names: 0.3 s. Whoever signals a command, or
looks for it among the processes, starts it as a user does. The first Snakemake that a forked `spx-data`
starts is such a fork too, made before that command did anything: it knows nothing of it. So is the process
that jobs of a run are forked from (`spx_data.jobs.forks`), which has loaded already what it would load.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spx_data.jobs import forks, programs, startup

_ROOT = Path(__file__).resolve().parents[1]
# What the commands load sooner or later, beside what jobs load. Snakemake looks for pandas' frames in what a
# rule is told. Threads that begin with loading are known to `jobs.forks`; those that work begin with work.
_LOADED = (
    *("snakemake.cli", "snakemake.persistence", "snakemake.report.html_reporter", "snakemake.storage"),
    *("snakemake.executors.local", "smart_open", "pandas", "jsonschema", "rich.progress"),
    *("spx_data.cli", "spx_data.cli.overview", "spx_data.cli.progress", "spx_data.fill.preflight"),
    *("spx_data.lake.frames", "spx_data.ops.cleanup", "spx_data.ops.health", "spx_data.ops.mend"),
    *("spx_data.ops.notify.telling", "spx_data.ops.planning", "spx_data.ops.team", "spx_data.report"),
    "spx_data.status",
)
_TELLS_THE_INTERPRETER = (
    "PYTHON",
    "IMITATED_",
    "LD_",
    "LC_",
    "LANG",
    "HOME",
    "XDG_",
    "PATH",
    "COVERAGE_",
    "TMPDIR",
    "TZ",
)


def fits(environment: Mapping[str, str]) -> bool:
    """Return whether a command is forked: never where coverage is measured, nor for what is asked once.

    What is added to the *environment* may tell the interpreter something: those that began alike are forked
    from a process of their own, which is begun when the second asks for it.
    """
    # On a Mac what the system's own libraries have begun survives no fork.
    if sys.platform == "darwin" or any(name.startswith("COVERAGE_") for name in os.environ):
        return False
    told = _told(environment)
    _ASKED[told] += 1
    return _ASKED[told] > 1


def _told(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What a whole environment tells the interpreter and the system's loader."""
    whole = os.environ | dict(environment)
    return tuple(sorted(item for item in whole.items() if item[0].startswith(_TELLS_THE_INTERPRETER)))


_ASKED: Counter[tuple[tuple[str, str], ...]] = Counter()


def run(
    name: str,
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    apart: bool = False,
    keyboard: str = os.devnull,
) -> subprocess.CompletedProcess[str]:
    """Run `snakemake` or `spx-data` with *arguments* in *folder* to its end.

    Its error stream is that of its output, unless they are wanted *apart*; it reads from *keyboard*, the path
    of a terminal, say.
    """
    with tempfile.TemporaryDirectory(prefix="said-") as said:
        files = [Path(said, each) for each in ("out", "err" if apart else "out")]
        asked = {
            "name": name,
            "arguments": [str(each) for each in arguments],
            "folder": str(folder),
            "environment": dict(os.environ) | dict(environment),
            "mask": _mask(),
            "keyboard": keyboard,
            "files": [str(each) for each in files],
        }
        code = _server(_told(environment)).ask(asked)
        out, err = (each.read_text() for each in files)
    return subprocess.CompletedProcess([name, *arguments], code, out, err if apart else None)


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Server:
    """The process that forks; it ends when this one does, as its input ends then."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            cwd=_ROOT,
            env=os.environ | dict(told) | startup.ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, asked: Mapping[str, object]) -> int:
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:  # one at a time
            try:
                self._process.stdin.write(json.dumps(asked) + "\n")
                self._process.stdin.flush()
                return int(self._process.stdout.readline())
            except BaseException:  # a test that took too long, say: what comes next would be of this one
                self._process.kill()
                _server.cache_clear()
                raise


@functools.lru_cache(maxsize=3)
def _server(told: tuple[tuple[str, str], ...]) -> _Server:
    return _Server(dict(told))


# In that process ----------------------------------------------------------------------------------------


def _serve() -> None:
    """Run what each line of the input asks for, and print its exit code."""
    # On an imitated Mac nobody can see whether a thread is at work, so nothing is loaded that has some.
    imitated = not hasattr(os, "pidfd_open")
    if not imitated:
        with contextlib.suppress(ImportError):  # an environment may lack some
            forks.load()
    for name in _LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        importlib.import_module("snakemake.cli").get_argument_parser()  # which looks for plugins
    if not imitated:
        assert forks._is_still()
        assert forks._threads().keys() <= forks._BEARABLE
    gc.freeze()  # so that forks share what is loaded
    for line in _lines():
        process = os.fork()
        if process == 0:
            _be(json.loads(line))
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _lines() -> Iterator[str]:
    # Read without a buffer: a fork must not have a share of what comes next.
    left = b""
    while block := os.read(0, 1 << 16):
        *lines, left = (left + block).split(b"\n")
        yield from map(bytes.decode, lines)


def _be(asked: dict) -> None:
    """Become the command that was asked for, and end as it does."""
    os.setsid()
    os.umask(asked["mask"])
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.dup2(os.open(asked["keyboard"], os.O_RDONLY | os.O_NOCTTY), 0)
    for number, path in enumerate(asked["files"], start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    command = Path(sys.executable).parent / asked["name"]
    sys.path[:] = [str(command.parent), *(each for each in sys.path if Path(each or ".").resolve() != _ROOT)]
    if asked["name"] == "snakemake" or not _FILLS.isdisjoint(asked["arguments"]):
        subprocess.Popen = _Spare.taken()
    _run(asked["name"], asked["arguments"])


def _run(name: str, arguments: Sequence[str]) -> None:
    """Run a command in this process, and end as it does."""
    sys.argv = [str(Path(sys.executable).parent / name), *arguments]
    code = 1
    try:
        code = _called(name)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _called(name: str) -> int:
    try:
        if name == "snakemake":
            from snakemake.cli import main
        else:
            from spx_data.cli import main
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    return 0


# Those that start Snakemake.
_FILLS = {"process", "process-range", "process-gaps", "retry"}


class _Spare(subprocess.Popen[Any]):
    """A process that has done nothing yet, and becomes what of `_BECOMES` is started first; else as any."""

    _waiting: tuple[int, socket.socket] | None = None

    @classmethod
    def taken(cls) -> type["_Spare"]:
        """Let a fork of this process wait, which ends unused with it."""
        ours, its = socket.socketpair()
        process = os.fork()
        if process == 0:
            ours.close()
            cls._become(its)
        its.close()
        cls._waiting = (process, ours)
        return cls

    @classmethod
    def _become(cls, asking: socket.socket) -> None:
        said, descriptors, _, _ = socket.recv_fds(asking, 1 << 16, 4)
        if not said:
            os._exit(0)
        while block := asking.recv(1 << 16):
            said += block
        asking.close()
        asked = json.loads(said)
        if asked["session"]:
            os.setsid()
        for number, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        if asked["becomes"] == "snakemake":
            subprocess.Popen = cls.taken()
            _run("snakemake", asked["arguments"])
        _fork_jobs(asked["arguments"], descriptors[3], asked["environment"])

    def _execute_child(self, args: Any, *others: Any) -> None:
        words = tuple(args[:3]) if isinstance(args, list) else ()
        becomes = _BECOMES.get(words)
        if self._waiting is None or becomes is None:
            return super()._execute_child(args, *others)
        (self.pid, asking), type(self)._waiting = self._waiting, None
        streams = others[9:15]  # what is to be read and written, each with our end where it is a pipe
        said = json.dumps(
            {
                "becomes": becomes,
                "arguments": args[3:],
                "environment": dict(others[5]),
                "folder": os.fspath(others[4] or Path.cwd()),
                "session": others[20],
            }
        ).encode()
        handed = [streams[0], streams[3], streams[5], *others[3]]
        with asking:
            asking.sendall(said[socket.send_fds(asking, [said], handed) :])
        self._child_created = True
        self._close_pipe_fds(*streams)
        return None


# By the beginnings of their command lines.
_BECOMES = {
    (sys.executable, "-m", "snakemake"): "snakemake",
    (sys.executable, "-c", forks._PROGRAM): "what jobs are forked from",
}


def _fork_jobs(arguments: Sequence[str], listener: int, environment: Mapping[str, str]) -> None:
    """Be what a run's jobs are forked from, which has loaded already what they load."""
    begun = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
    known, own = programs.environment, os.getpid()
    # The system knows what this process was started with, and not what it was given since.
    programs.environment = lambda pid: begun if pid == own else known(pid)
    sys.argv = ["-c", arguments[0], str(listener)]
    sys.path[0] = arguments[0]
    try:
        forks.serve()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


if __name__ == "__main__":
    _serve()
