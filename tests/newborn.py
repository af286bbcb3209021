"""A stop between a shell's fork and what it becomes: the child still has the shell's own traps."""

import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
# A fork whose child takes its time, whatever signals come.
_SLOW_FORK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

pid_t fork(void) {
    pid_t (*real)(void) = dlsym(RTLD_NEXT, "fork");
    pid_t pid = real();
    struct timespec left = {0, 500000000};
    while (pid == 0 && nanosleep(&left, &left) != 0) continue;
    return pid;
}
"""

needed = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="the moment is held open by a fork of our own"
)


def told_to_stop(command, environment, folder, comes_next=lambda: True):
    """How the shell's *command* ends that is told to when it has forked a child, which waits at its birth.

    Its children before the one in question are of no account until that *comes next*. A stop that is lost
    leaves it waiting: that is an error after two minutes.
    """
    library = folder / "fork.so"
    building = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library, "-ldl"]
    subprocess.run(building, input=_SLOW_FORK, text=True, check=True)
    shell = subprocess.Popen(command, env=environment | {"LD_PRELOAD": str(library)})
    newborn = []
    try:
        while not (comes_next() and (newborn := psutil.Process(shell.pid).children())):
            assert shell.poll() is None
        os.kill(shell.pid, signal.SIGTERM)
        return shell.wait(120)
    finally:
        shell.kill()
        shell.wait()
        for child in filter(psutil.Process.is_running, newborn):
            child.kill()  # it was told nothing
