"""What a Mac has not, taken away from every Python process that has this folder on its PYTHONPATH.

It is no Mac: names that differ by case alone stay two files, and libraries are those of this machine. But
whoever calls what only Linux has, or counts on what a Mac's kernel says differently, fails here too.
"""

import contextlib
import errno
import os
import sys
from pathlib import Path

HANDLES = 256  # what `ulimit -n` says in a new terminal
_F_FULLFSYNC = 51
_ENOTSUP = 45  # 95 on Linux
_NAS = "IMITATED_NAS"  # names the folder that stands for a NAS

# Each is missing from Python's own modules on a Mac.
_MISSING = {
    "os": """copy_file_range eventfd eventfd_read eventfd_write fdatasync getresgid getresuid getxattr
        listxattr memfd_create pidfd_open pipe2 posix_fadvise posix_fallocate removexattr sched_getaffinity
        sched_getparam sched_getscheduler sched_setaffinity sched_setparam sched_setscheduler setns setresgid
        setresuid setxattr splice unshare getrandom O_DIRECT O_LARGEFILE O_NOATIME O_PATH O_RSYNC O_TMPFILE
        POSIX_FADV_DONTNEED POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED MFD_CLOEXEC EFD_CLOEXEC""",
    "signal": "SIGCLD SIGPOLL SIGPWR SIGRTMAX SIGRTMIN SIGSTKFLT sigtimedwait sigwaitinfo pidfd_send_signal",
    "select": "epoll",
    "time": "CLOCK_BOOTTIME CLOCK_TAI pthread_getcpuclockid",
    "resource": "RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_OFILE RLIMIT_RTPRIO RLIMIT_SIGPENDING prlimit",
    "fcntl": """F_ADD_SEALS F_GETPIPE_SZ F_GETSIG F_NOTIFY F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_SETLEASE
        F_SETPIPE_SZ F_SETSIG""",
}
_MISSING_OF_PSUTIL = "io_counters cpu_affinity cpu_num ionice rlimit memory_maps"


def _take_away() -> None:
    for module, names in _MISSING.items():
        there = __import__(module)
        for name in names.split():
            if hasattr(there, name):
                delattr(there, name)
    if hasattr(os, "process_cpu_count"):
        os.process_cpu_count = os.cpu_count  # which asks what has just gone


def _hide_processes() -> None:
    """Other processes' environments and page tables are hidden by System Integrity Protection."""
    import psutil

    for name in _MISSING_OF_PSUTIL.split():
        if hasattr(psutil.Process, name):
            delattr(psutil.Process, name)

    def hidden(name):
        honest = getattr(psutil.Process, name)

        def ask(self, *arguments, **keys):
            if self.pid != os.getpid():
                raise psutil.AccessDenied(self.pid)
            return honest(self, *arguments, **keys)

        return ask

    for name in ("environ", "memory_full_info"):
        setattr(psutil.Process, name, hidden(name))
    honest_killpg = os.killpg

    def killpg(group, number):
        if _has_only_dead(psutil, group):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        honest_killpg(group, number)

    os.killpg = killpg


def _has_only_dead(psutil, group) -> bool:
    """Whether every process of *group* has ended and waits for its parent: a Mac then says EPERM."""
    states = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group:
                states.append(process.status())
    return bool(states) and set(states) == {psutil.STATUS_ZOMBIE}


def _flush_as_a_mac() -> None:
    import fcntl

    honest = fcntl.fcntl

    def asked(descriptor, command, *argument):
        if command == _F_FULLFSYNC:
            os.fsync(descriptor)
            return 0
        return honest(descriptor, command, *argument)

    fcntl.F_FULLFSYNC, fcntl.fcntl = _F_FULLFSYNC, asked


def _no_locks_on(volume: str) -> None:
    """A volume of a NAS (SMB, NFS without locks): every lock on it is an operation not supported."""
    import fcntl

    honest = fcntl.flock

    def flock(descriptor, operation):
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        if str(Path(f"/proc/self/fd/{number}").readlink()).startswith(volume):
            raise OSError(_ENOTSUP, "Operation not supported")
        honest(descriptor, operation)

    fcntl.flock = flock


def _spawn() -> None:
    from multiprocessing import context

    context._default_context._default_context = context._concrete_contexts["spawn"]


def _limit_handles() -> None:
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (HANDLES, most))


def _no_proc(event: str, arguments: tuple) -> None:
    """There is no /proc: of whoever asks for it, only psutil stands for what a Mac does otherwise."""
    if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith("/proc"):
        frame, asking = sys._getframe(1), ""
        while frame is not None:
            asking += frame.f_code.co_filename
            frame = frame.f_back
        if "spx_data" in asking and "psutil" not in asking:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), arguments[0])


_hide_processes()
_take_away()
_flush_as_a_mac()
_spawn()
_limit_handles()
if _NAS in os.environ:
    _no_locks_on(os.environ[_NAS])
sys.addaudithook(_no_proc)
