"""The imitation takes away what it says: without that the other tests here would show nothing."""

import sys

import pytest


def test_what_only_linux_has_is_gone(on_a_mac):
    code = """
import fcntl, multiprocessing, os, psutil, resource, select, signal, time
names = [
    (os, "sched_getaffinity"), (os, "pipe2"), (os, "posix_fadvise"), (os, "O_TMPFILE"), (select, "epoll"),
    (signal, "SIGRTMIN"), (time, "CLOCK_BOOTTIME"), (psutil.Process, "io_counters"), (fcntl, "F_OFD_SETLK"),
]
print([name for module, name in names if hasattr(module, name)])
print(multiprocessing.get_start_method(), resource.getrlimit(resource.RLIMIT_NOFILE)[0], fcntl.F_FULLFSYNC)
"""

    assert on_a_mac(code).splitlines() == ["[]", "spawn 256 51"]


def test_the_environment_of_others_is_hidden(on_a_mac):
    code = """
import os, psutil
print("PATH" in psutil.Process().environ())
try:
    psutil.Process(os.getppid()).environ()
except psutil.AccessDenied:
    print("hidden")
"""

    assert on_a_mac(code).splitlines() == ["True", "hidden"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc to hide")
def test_the_library_finds_no_proc_and_psutil_does(on_a_mac):
    code = """
import psutil
from pathlib import Path
from spx_data.store import reads
print(psutil.virtual_memory().total > 0)
try:
    with reads.reading(Path("/proc/version")) as stream:
        print(stream.read())
except Exception as error:
    print(type(error).__name__)
"""

    assert on_a_mac(code).splitlines() == ["True", "MissingFileError"]


def test_a_group_of_dead_processes_may_not_be_signalled(on_a_mac):
    code = """
import os, signal, subprocess, time
child = subprocess.Popen(["true"], start_new_session=True)
while True:
    try:
        os.killpg(child.pid, 0)
    except PermissionError:
        print("EPERM")
        break
    time.sleep(0.01)
child.wait()
"""

    assert on_a_mac(code) == "EPERM"
