"""Commands in processes of their own that need not begin with importing everything: they are forked.

`snakemake` takes 2 s of CPU to begin, most of it for imports, and the tests run it hundreds of times. Here
one process of a test session has loaded what the commands load, and runs each in a fork of itself, with the
folder, the environment, the mask and the streams that the caller names: 0.3 s (`tests.forking`). A shell
finds such commands too, in `commands`. Whoever looks for a command among the processes starts it as a user
does. The first Snakemake that a forked `spx-data` starts is such a fork too, made before that command did
anything: it knows nothing of it. So is the process that jobs of a run are forked from
(`spx_data.jobs.forks`), which has loaded already what it would load.
"""

import functools
import marshal
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from spx_data.jobs import startup
from tests import forking

_ROOT = Path(__file__).resolve().parents[1]
_WAITING = 128  # commands that ask while libraries are loaded


def fits(environment: Mapping[str, str]) -> bool:
    """Return whether a command is forked: never where coverage is measured, nor for what is asked once.

    What is added to the *environment* may tell the interpreter something: those that began alike are forked
    from a process of their own, which is begun when the second asks for it.
    """
    told = _told(environment)
    _ASKED[told] += 1
    return _possible() and _ASKED[told] > 1


def _possible() -> bool:
    # On a Mac what the system's own libraries have begun survives no fork.
    return sys.platform != "darwin" and not any(name.startswith("COVERAGE_") for name in os.environ)


def _told(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return forking.told(os.environ | dict(environment))


_ASKED: Counter[tuple[tuple[str, str], ...]] = Counter()


def run(
    name: str,
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    apart: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `snakemake` or `spx-data` with *arguments* in *folder* to its end.

    Its error stream is that of its output, unless they are wanted *apart*.
    """
    asked = {
        "name": name,
        "arguments": [str(each) for each in arguments],
        "folder": str(folder),
        "environment": dict(os.environ) | dict(environment),
        "mask": _mask(),
    }
    with (
        Path(os.devnull).open() as nothing,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        streams = [each.fileno() for each in (nothing, out, err if apart else out)]
        code = _server(_told(environment)).ask(asked, streams)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(
            [name, *arguments], code, out.read(), err.read() if apart else None
        )


def commands(environment: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Return the folder of the commands that are forked, for a shell to look there first.

    It has none of them where nothing is forked: then the shell finds those that are started. So it does where
    the shell tells the interpreter anything but what is added to the *environment*.
    """
    return _server(_told(environment)).commands


def path() -> str:
    """Return the PATH of a shell that finds them."""
    return f"{commands()}{os.pathsep}{os.environ['PATH']}"


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Server:
    """The process that forks; it ends when this one does, as its input ends then."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="commands-", suffix=secrets.token_hex(16))
        self.commands = Path(self._folder.name)
        if not _possible():
            return
        program = (_ROOT / "tests" / "thin.py").read_text()
        for name in forking.COMMANDS:
            command = self.commands / name
            command.write_text(f"#!{sys.executable} -ISE\n{program}")
            command.chmod(0o700)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self._name)
            listener.listen(_WAITING)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(listener.fileno())],
                cwd=_ROOT,
                env=os.environ | dict(told) | startup.ENVIRONMENT,
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
            )

    @property
    def _name(self) -> str:
        return f"\0{self.commands.name}"

    def ask(self, asked: Mapping[str, object], streams: Sequence[int]) -> int:
        """Return the exit code of a command; who cannot wait for its end leaves it killed."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.connect(self._name)
            socket.send_fds(asking, [marshal.dumps(asked)], streams)
            assert asking.recv(8) == b"yes"
            return os.waitstatus_to_exitcode(int.from_bytes(asking.recv(8), sys.byteorder))


@functools.lru_cache(maxsize=3)
def _server(told: tuple[tuple[str, str], ...]) -> _Server:
    return _Server(dict(told))
