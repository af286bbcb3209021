"""A real Slurm of one node, from the system's packages: started for tests, ended by its processes' ids.

Its three servers (munge's, the controller, the node's) run in the foreground as children of whoever starts
them, on free ports of the loopback, with all that they write in one folder. Only slurm.conf must be where the
system looks for it: jobs do not see `SLURM_CONF`. So a machine has one such cluster at a time, and none where
somebody has a configuration already.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

CONF = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
PATIENCE = 60  # seconds: how busy a machine is decides no test
NODE_IS_DEAD_AFTER = 6  # seconds without a word from it
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
HOST = socket.gethostname().partition(".")[0]

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_OWN = {
    "--key-file": "key",
    "--socket": "socket",
    "--pid-file": "pid",
    "--log-file": "log",
    "--seed-file": "seed",
}

# What makes a file in that place one of ours, with the id of the process whose cluster it is.
_MARK = "# spx-data's tests, process "
_CONF = """\
{mark}{owner}
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SlurmdTimeout={timeout}
KillWait=1
MinJobAge=300
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why there can be no cluster here; empty where there can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "a cluster of a test is started by root, on Linux"
    if missing := [name for name in PROGRAMS if not shutil.which(name, path=_PATH)]:
        return f"not installed: {', '.join(missing)} (Debian: apt-get install slurmd slurmctld)"
    if CONF.exists() and not _is_left_behind():
        return f"this machine has a cluster of its own: {CONF} is there"
    return ""


def _is_left_behind() -> bool:
    """Whether the configuration is that of a test which was killed."""
    first = CONF.read_text(errors="replace").partition("\n")[0]
    return first.startswith(_MARK) and not psutil.pid_exists(int(first.removeprefix(_MARK)))


@dataclass
class Cluster:
    """Slurm at work: its folder, and its servers by their names."""

    folder: Path
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_node(self) -> None:
        """Start the node's server, and wait until the controller gives it jobs."""
        self.start("slurmd", "-D", "-N", HOST)
        self.wait_for(lambda: "State=IDLE" in self.says("scontrol", "show", "node", HOST))

    def kill_node(self) -> None:
        """End the node as a power cut would: its server, and whatever job is at work there."""
        server = self.servers.pop("slurmd")
        every = [psutil.Process(server.pid), *of_jobs()]
        for process in every:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        server.wait()
        psutil.wait_procs(every, PATIENCE)

    def start(self, name: str, *arguments: str) -> None:
        """Start a server in the foreground; what it says goes into the folder."""
        program = shutil.which(name, path=_PATH)
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [str(program), *arguments]
            self.servers[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_ends_with_us,
            )

    def says(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout + done.stderr

    def at_work(self) -> list[str]:
        """The comments of the jobs that run now, which name their rules."""
        return self.says("squeue", "--noheader", "--format=%k", "--states=running").split()

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Return as soon as *condition* holds; fails with the servers' last words."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain; {self._last_words()}"
            time.sleep(0.1)

    def end(self) -> None:
        """End the jobs, and then the servers, the last one first."""
        self.says("scancel", "--user", "root", "--signal", "KILL", "--full")
        for process in of_jobs():
            with suppress(psutil.Error):
                process.kill()
        for server in reversed(self.servers.values()):
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

    def _last_words(self) -> str:
        logs = (self.folder / f"{name}.log" for name in ("munged", "slurmctld", "slurmd"))
        return "\n".join(log.read_text(errors="replace")[-1500:] for log in logs if log.exists())


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster that keeps what it has in *folder*, for as long as the block lasts."""
    cluster = Cluster(folder)
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    socket_ = folder / "munge.socket"
    CONF.parent.mkdir(exist_ok=True)
    if CONF.exists() and _is_left_behind():
        CONF.unlink()
    ports = {"controller": _port(), "node": _port()}
    own_words = {"mark": _MARK, "owner": os.getpid(), "host": HOST, "folder": folder}
    with CONF.open("x") as conf:  # nobody else's is written over
        conf.write(_CONF.format(**own_words, **ports, timeout=NODE_IS_DEAD_AFTER))
    try:
        own = (f"{option}={folder}/munge.{end}" for option, end in _OWN.items())
        cluster.start("munged", "--foreground", "--force", *own)
        cluster.wait_for(socket_.exists)
        cluster.start("slurmctld", "-D")
        cluster.wait_for(lambda: " is UP" in cluster.says("scontrol", "ping"))
        cluster.start_node()
        yield cluster
    finally:
        cluster.end()
        CONF.unlink(missing_ok=True)


def _ends_with_us() -> None:
    """In a server that begins: be ended with whoever started it, however that ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def of_jobs() -> list[psutil.Process]:
    """The processes by which Slurm runs jobs here, and those of the jobs."""
    steps = [each for each in psutil.process_iter(["name"]) if each.info["name"] == "slurmstepd"]
    found = list(steps)
    for step in steps:
        with suppress(psutil.Error):
            found += step.children(recursive=True)
    return found


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
