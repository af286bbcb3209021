"""Commands in processes of their own that need not begin with importing everything: they are forked.

`snakemake` takes 2 s of CPU to begin, most of it for imports, and the tests run it hundreds of times. Here
one process of a test session has loaded what the commands load, and runs each in a fork of itself, with the
folder, the environment, the mask and the files that the caller names: 0.3 s. Whoever signals a command, or
looks for it among the processes, starts it as a user does. The first Snakemake that a forked `spx-data`
starts is such a fork too, made before that command did anything: it knows nothing of it.
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

_ROOT = Path(__file__).resolve().parents[1]
# Not Polars and not Arrow: they have threads from the start, and no fork has them.
_LOADED = {
    "snakemake": ("snakemake.cli", "snakemake.persistence", "snakemake.report", "snakemake.executors.local"),
    "spx-data": ("spx_data.cli", "spx_data.status", "spx_data.ops.planning", "spx_data.ops.health"),
}
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
            env=os.environ | dict(told),
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
    for names in _LOADED.values():
        for name in names:
            with contextlib.suppress(ImportError):  # an environment may lack some
                importlib.import_module(name)
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
    if asked["name"] == "spx-data" and not _FILLS.isdisjoint(asked["arguments"]):
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
    """A process that has done nothing yet, and becomes the first Snakemake that is started; else as any."""

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

    @staticmethod
    def _become(asking: socket.socket) -> None:
        said, streams, _, _ = socket.recv_fds(asking, 1 << 16, 3)
        if not said:
            os._exit(0)
        while block := asking.recv(1 << 16):
            said += block
        asked = json.loads(said)
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(asked["environment"])
        _run("snakemake", asked["arguments"])

    def _execute_child(self, args: Any, *others: Any) -> None:
        if self._waiting is None or [*args[:3]] != [sys.executable, "-m", "snakemake"]:
            return super()._execute_child(args, *others)
        (self.pid, asking), type(self)._waiting = self._waiting, None
        streams = others[9:15]  # what is to be read and written, each with our end where it is a pipe
        said = json.dumps({"arguments": args[3:], "environment": others[5]}).encode()
        with asking:
            asking.sendall(said[socket.send_fds(asking, [said], [streams[0], streams[3], streams[5]]) :])
        self._child_created = True
        self._close_pipe_fds(*streams)
        return None


if __name__ == "__main__":
    _serve()
