"""The process that commands are forked from for tests (`tests.warm`): it has loaded what they load.

Whoever connects says what is to be run, hands over the three streams, and may say what the command is to be
signalled; it is told how the command ended. What hangs up ends its command.
"""

import contextlib
import gc
import importlib
import json
import marshal
import os
import re
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from spx_data.jobs import forks, programs

COMMANDS = ("spx-data", "snakemake", "python")
_ROOT = Path(__file__).resolve().parents[1]
# What the commands load sooner or later, beside what jobs load. Snakemake looks for pandas' frames in what a
# rule is told. Threads that begin with loading are known to `jobs.forks`; those that work begin with work.
_LOADED = (
    *("snakemake.cli", "snakemake.persistence", "snakemake.report.html_reporter", "snakemake.storage"),
    *("snakemake.executors.local", "smart_open", "pandas", "jsonschema", "rich.progress"),
    *("spx_data.cli", "spx_data.cli.overview", "spx_data.cli.progress", "spx_data.fill.preflight"),
    *("spx_data.lake.frames", "spx_data.ops.cleanup", "spx_data.ops.health", "spx_data.ops.mend"),
    *("spx_data.ops.notify.telling", "spx_data.ops.planning", "spx_data.ops.team", "spx_data.report"),
    *("spx_data.status", "theta_simulator"),
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


def told(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What a whole *environment* tells the interpreter and the system's loader."""
    return tuple(sorted(item for item in environment.items() if item[0].startswith(_TELLS_THE_INTERPRETER)))


def serve(listener: socket.socket) -> None:
    """Fork what each that connects to *listener* asks for, until the standard input ends."""
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
    _Server(listener).serve()


class _Server:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, socket.socket] = {}
        self._woken, self._waking = socket.socketpair()
        self._waking.setblocking(False)
        self._died = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waking.fileno())

    def serve(self) -> None:
        self._selector.register(0, selectors.EVENT_READ)
        self._when(self._listener, self._accept)
        self._when(self._woken, self._reap)
        while True:
            for key, _ in self._selector.select():
                if key.fd == 0:
                    return
                # One that came before in this round may have made an end of it: its number is another's now.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()

    def _when(self, there: socket.socket, call: Any) -> None:
        self._selector.register(there, selectors.EVENT_READ, call)

    def _accept(self) -> None:
        asking, _ = self._listener.accept()
        self._when(asking, partial(self._asked, asking))

    def _asked(self, asking: socket.socket) -> None:
        """Fork what is asked for, or refuse to."""
        self._selector.unregister(asking)
        said, given, _, _ = socket.recv_fds(asking, 1 << 18, 3)
        asked = marshal.loads(said) if said else {}
        if self._can(asked, asking):
            process = os.fork()
            if process == 0:
                self._be(asked, asking, given)
            self._running[process] = asking
            self._when(asking, partial(self._signalled, process, asking))
            with contextlib.suppress(OSError):
                asking.send(b"yes")
        else:
            asking.close()
        for descriptor in given:
            os.close(descriptor)

    def _can(self, asked: dict[str, Any], asking: socket.socket) -> bool:
        """Whether a fork of this process is as the command would be."""
        if not asked.get("standing"):
            return bool(asked)
        first = "".join(asked["arguments"][:1])
        if asked["name"] == "python" and not re.fullmatch(r"-|-c|-m|[^-].*\.py", first):
            return False
        theirs, ours = (dict(told(each)) for each in (asked["environment"], os.environ))
        standing = [_standing(pid) for pid in (forks._peer(asking), os.getpid())]
        return theirs | _HEARD_LATER == ours | _HEARD_LATER and standing[0] == standing[1]

    def _signalled(self, process: int, asking: socket.socket) -> None:
        try:
            said = asking.recv(1)
        except OSError:
            said = b""
        if not said:
            self._selector.unregister(asking)
        os.kill(process, said[0] if said else signal.SIGKILL)

    def _reap(self) -> None:
        self._woken.recv(1 << 12)
        for process, asking in [*self._running.items()]:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                with contextlib.suppress(OSError):
                    asking.send(status.to_bytes(4, sys.byteorder))
                with contextlib.suppress(KeyError):  # who asked has hung up before
                    self._selector.unregister(asking)
                asking.close()
                del self._running[process]

    def _be(self, asked: dict[str, Any], asking: socket.socket, given: Sequence[int]) -> NoReturn:
        """Become the command that was asked for, and end as it does: nothing of the server is left."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, self._died)
            self._selector.close()
            for each in (self._listener, self._woken, self._waking, asking, *self._running.values()):
                each.close()
            os.setsid()
            os.umask(asked["mask"])
            os.chdir(asked["folder"])
            os.environ.clear()
            os.environ.update(asked["environment"])
            sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
            for number, descriptor in enumerate(given):
                os.dup2(descriptor, number)
                os.close(descriptor)
            sys.stdout.reconfigure(line_buffering=os.isatty(1) and not sys.stdout.write_through)
            rest = (each for each in sys.path if Path(each or _ROOT).resolve() != _ROOT)
            sys.path[:] = [str(Path(sys.executable).parent), *rest]
            if asked["name"] == "snakemake" or not _FILLS.isdisjoint(asked["arguments"]):
                subprocess.Popen = _Spare.taken()
            _run(asked["name"], asked["arguments"])
        finally:
            sys.excepthook(*sys.exc_info())
            os._exit(1)


# What tells none of what is loaded: where programs are, and whether bytecode is kept (`make` says no).
_HEARD_LATER = {"PATH": "", "PYTHONDONTWRITEBYTECODE": ""}


def _standing(pid: int) -> list[Any]:
    """What a process has from whoever started it beside its environment, as far as a fork must have it."""
    found = programs.standing(pid)[:-1]
    found[0][-1] = int(found[0][-1], base=16) & ~_OF_THE_C_LIBRARY
    return found


# Signals 32 and 33, which `make` leaves ignored.
_OF_THE_C_LIBRARY = 3 << 31


def _run(name: str, arguments: Sequence[str]) -> NoReturn:
    """Run a command in this process, and end as it does."""
    sys.argv = [str(Path(sys.executable).parent / name), *arguments]
    code = 1
    try:
        code = _called(name)
    except BaseException as error:
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _called(name: str) -> int:
    try:
        if name == "snakemake":
            from snakemake.cli import main
        elif name == "python":
            main = _script
        else:
            from spx_data.cli import main
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    return 0


def _script() -> None:
    """Be the interpreter of the script that `sys.argv` names; "-" is the standard input, "-m" a module."""
    del sys.argv[0]
    path, main = sys.argv[0], types.ModuleType("__main__")
    if path == "-m":
        del sys.argv[0]
        sys.path[0] = str(Path.cwd())
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        return
    typed = path in ("-", "-c")
    sys.path[0] = "" if typed else str(Path(path).resolve().parent)
    sys.modules["__main__"] = main
    if not typed:
        main.__file__ = path
    if path == "-c":
        source: str | bytes = sys.argv.pop(1)
    else:
        source = sys.stdin.buffer.read() if typed else Path(path).read_bytes()
    exec(compile(source, {"-": "<stdin>", "-c": "<string>"}.get(path, path), "exec"), main.__dict__)


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
    serve(socket.socket(fileno=int(sys.argv[1])))
