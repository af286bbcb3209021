"""Begin a job: in a fork of what its run has loaded already (`jobs.forks`), else as a process of its own.

    python -I -S begin.py SCRIPT ARGUMENT …

A program, and so small because it runs three times for each date: no site, no module but what is built in.
It lives as long as the job does and ends as the job ends, by the same status or signal. When it dies, so
does the job.
"""

import _socket  # which `socket` is made of: that loads modules for 8 ms
import os
import sys

_AS_A_JOB_THAT_DIED = 1
_GIVEN = (0, 1, 2)  # descriptors


def _forked(name: str) -> int | None:
    """How the job ended (as `os.wait` has it) that the process called *name* forked; None: it did not."""
    asking = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        asking.connect(f"\0{name}")
        # Names of this kind are anybody's to take: process, user and group of who has this one.
        known = asking.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        if int.from_bytes(known[4:8], sys.byteorder) != os.getuid():
            return None
        given = b"".join(each.to_bytes(4, sys.byteorder) for each in _GIVEN)
        asking.sendmsg([b"?"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, given)])
        if asking.recv(8) != b"yes":
            return None
    except OSError:  # nobody is there any more, or loading failed: what is missing, a plain start says
        return None
    try:
        told = asking.recv(8)
    except OSError:
        told = b""
    if not told:
        said = "the process that this run's jobs are forked from was ended, and this job with it\n"
        os.write(2, said.encode())
        os._exit(_AS_A_JOB_THAT_DIED)
    return int.from_bytes(told, sys.byteorder)


def _die(number: int) -> None:
    import signal

    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    try:
        told = _forked(os.environ.get("SPX_DATA_FORKS", ""))
    except KeyboardInterrupt:
        _die(2)
    if told is None:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    if os.WIFSIGNALED(told):
        _die(os.WTERMSIG(told))
    os._exit(os.WEXITSTATUS(told))
