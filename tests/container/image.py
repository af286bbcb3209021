"""The image of the Containerfile, built where no registry and no daemon is: by buildah, on a base of Debian.

The base is made by mmdebstrap from the packages that the machine itself takes, and given to the Containerfile
as its `BASE`. What runs in the image shares the machine's network, as two containers of one namespace do, so
a terminal on 127.0.0.1 is there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("buildah", "mmdebstrap", "unshare", "chroot")
BASE, NAME = "localhost/spx-data-base", "localhost/spx-data"
PATIENCE = 1800  # seconds: a build downloads some hundred megabytes
# Whom the machine trusts, so that a build gets through where its network has an authority of its own.
_TRUST = Path("/etc/ssl/certs")
_PACKAGES = "python3,python3-venv,ca-certificates"

# The root for reading alone, the lake for writing, /tmp in memory: `--read-only` of Podman and Docker.
_READ_ONLY = """\
root=$1 lake=$2 owner=$3; shift 3
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
mount --bind "$lake" "$root/lake"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
exec chroot --userspec "$owner" "$root" "$@"
"""

# What an image is built and run on: layers over each other. They end with the program's own view of mounts.
_MOUNTS = """\
mount -t tmpfs tmpfs /mnt
cd /mnt
mkdir lower upper work all
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay all
"""


def why_not() -> str:
    """Why no image can be built here; empty where one can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "an image is built by root, on Linux"
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        return f"not installed: {', '.join(missing)} (Debian: apt-get install buildah mmdebstrap)"
    tried = subprocess.run(["unshare", "--mount", "sh", "-ceu", _MOUNTS], capture_output=True, text=True)
    return f"this machine mounts no overlay: {tried.stderr.strip()}" if tried.returncode else ""


class NoBaseError(Exception):
    """The packages of a base cannot be had: of Debian or its mirror, and no fault of the image."""


@dataclass
class Image:
    """An image that is built, and the one container made of it."""

    folder: Path
    container: str = ""

    @property
    def config(self) -> dict[str, Any]:
        """What the image says of itself to Docker and Podman."""
        found: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", NAME))["Docker"]
        return {**found["config"], "architecture": found["architecture"]}

    def build(self, extras: str) -> None:
        """Build it, with these extras of the package; raises NoBaseError where Debian has no base."""
        base = self.folder / "base.tar"
        words = ["--quiet", "--variant=minbase", f"--include={_PACKAGES}", _suite(), str(base)]
        made = subprocess.run(["mmdebstrap", *words], capture_output=True, text=True, timeout=PATIENCE)
        if made.returncode:
            raise NoBaseError(made.stderr.strip()[-300:])
        first = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", first, str(base), "/")
        self.buildah("commit", "--quiet", "--rm", first, BASE)
        base.unlink()
        arguments = {"BASE": BASE, "EXTRAS": extras}
        told = [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
        trust = ("--volume", f"{_TRUST}:{_TRUST}:ro")
        # Docker's format: the other one has no health check.
        how = ("--isolation", "chroot", "--format", "docker", "--ignorefile", ROOT / ".dockerignore")
        self.buildah(
            "bud", "--quiet", *how, *told, *trust, "--tag", NAME, "--file", ROOT / "Containerfile", ROOT
        )
        self.container = self.buildah("from", NAME).strip()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the image has it: its user, its folder, its environment."""
        return self._said("run", "--isolation", "chroot", self.container, "--", *command)

    def run_read_only(self, lake: Path, *command: str, owner: str) -> subprocess.CompletedProcess[str]:
        """Run a command with nothing to write but *lake* and /tmp, as the user *owner*."""
        root = self.buildah("mount", self.container).strip()
        # Without the machine's own environment.
        inside = ["/usr/bin/env", "-i", "-C", "/lake", *self.config["Env"], *command]
        words = ["unshare", "--mount", "sh", "-ceu", _READ_ONLY, "sh", root, str(lake), owner, *inside]
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)

    def remove(self) -> None:
        """Remove all that was built."""
        self._said("rm", "--all")
        self._said("rmi", "--all", "--force")
        shutil.rmtree(self.folder, ignore_errors=True)

    def buildah(self, *words: str | Path) -> str:
        """What buildah prints; a failure is the test's."""
        done = self._said(*words)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def _said(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        own = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        command = ["buildah", *own, "--storage-driver", "overlay", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


def _suite() -> str:
    """The release of Debian that this machine is."""
    lines = Path("/etc/os-release").read_text().splitlines()
    told = dict(line.split("=", 1) for line in lines if "=" in line)
    return told["VERSION_CODENAME"].strip('"')
