"""A command of a shell, handed to what has loaded it (`tests.forking`); else it is started as by anybody.

Small as `spx_data/jobs/begin.py` is, and for its reason: what a page has people type would wait for a site
and for modules each time. The first line of the copy that a shell finds names the interpreter, its name the
command, and its folder who is asked. It ends as the command ends, and hands on what it is signalled.
"""

import _signal
import _socket
import marshal
import os
import sys

_HANDED_ON = (
    _signal.SIGHUP,
    _signal.SIGINT,
    _signal.SIGQUIT,
    _signal.SIGTERM,
    _signal.SIGUSR1,
    _signal.SIGUSR2,
)
_STREAMS = (0, 1, 2)
_FOLDER, _NAME = os.path.split(sys.argv[0])
_REAL = os.path.join(os.path.dirname(sys.executable), _NAME)  # noqa: PTH118, PTH120


def _asking() -> "_socket.socket | None":
    """The connection to who runs the command; None where that one refuses, or cannot be asked."""
    mask = os.umask(0)
    os.umask(mask)
    try:
        for each in _STREAMS:
            os.fstat(each)  # of one that is closed the connection would have the number
        said = {
            "name": _NAME,
            "arguments": sys.argv[1:],
            "folder": os.getcwd(),  # noqa: PTH109
            "environment": dict(os.environ),
            "mask": mask,
            "standing": True,
        }
        asking = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        asking.connect(f"\0{os.path.basename(_FOLDER)}")  # noqa: PTH119
        streams = b"".join(each.to_bytes(4, sys.byteorder) for each in _STREAMS)
        asking.sendmsg([marshal.dumps(said)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
        return asking if asking.recv(8) == b"yes" else None
    except OSError:
        return None


def _ended(asking: "_socket.socket") -> int:
    """Hand signals on until the command has ended; returns how, as `os.wait` has it."""
    for number in _HANDED_ON:
        _signal.signal(number, lambda heard, _: asking.send(bytes([heard])))
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _HANDED_ON)
    told = asking.recv(8)
    if not told:
        os.write(2, b"what this command was forked from was ended\n")
        os._exit(1)
    return int.from_bytes(told, sys.byteorder)


if __name__ == "__main__":
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _HANDED_ON)
    if _NAME != "python":  # texts of a command are about what a shell finds, which this folder must not be
        folders = os.environ["PATH"].split(os.pathsep)
        os.environ["PATH"] = os.pathsep.join(each for each in folders if each != _FOLDER)
    os.environ["_"] = _REAL
    asked = _asking()
    if asked is None:
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _HANDED_ON)
        os.execv(_REAL, [_REAL, *sys.argv[1:]])
    status = _ended(asked)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))
