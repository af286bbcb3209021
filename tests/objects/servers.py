"""Two servers of object storage that are not ours: moto's creates on condition, rclone's writes over.

Each is started on a free port of the loopback, keeps what it has in memory or in a folder of the test, and is
ended by its id. Nobody has to be trusted with anything: the credentials are made up.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
import requests
from obstore.store import S3Store

BUCKET = "bucket"
USER, SECRET = "someone", "hush"
KINDS = ("moto", "rclone")
PATIENCE = 60  # seconds: how busy a machine is decides no test
_STARTED = re.compile(r"(?:Running on|server on) \[?(http://127\.0\.0\.1:\d+)")


class Server:
    """A server at work, and what lies in its bucket by whoever asks it directly."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.url = kind, url
        self._store = S3Store(
            BUCKET,
            endpoint=url,
            region="us-east-1",
            access_key_id=USER,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    @property
    def creates_on_condition(self) -> bool:
        """Whether what is there is never written over by who says so."""
        return self.kind == "moto"

    def objects(self, folder: str) -> dict[str, bytes]:
        """Return the objects below *folder* by their keys there."""
        found = [each["path"] for some in obstore.list(self._store, f"{folder}/") for each in some]
        return {key.removeprefix(f"{folder}/"): self.read(key) for key in found}

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        return bytes(obstore.get(self._store, key).bytes())

    def write(self, key: str, content: bytes) -> None:
        """Write an object, over whatever is there."""
        obstore.put(self._store, key, content, use_multipart=False)

    def remove(self, key: str) -> None:
        """Remove an object, as a person does."""
        obstore.delete(self._store, key)


def why_not(programs: Path, kind: str) -> str:
    """Why there can be no such server here; empty where there can."""
    program = _program(programs, kind)
    return "" if program.exists() else f"{program} is not there: `make objects-env` installs it"


def _program(programs: Path, kind: str) -> Path:
    return programs / "bin" / {"moto": "moto_server", "rclone": "rclone"}[kind]


@contextmanager
def running(programs: Path, kind: str, folder: Path) -> Iterator[Server]:
    """Run a server of the environment *programs* for the block, with all that it writes in *folder*."""
    (folder / "files" / BUCKET).mkdir(parents=True)
    command = [
        str(_program(programs, kind)),
        *{
            "moto": ("--host", "127.0.0.1", "--port", "0"),
            "rclone": (
                *("serve", "s3", "--config", "", "--cache-dir", str(folder / "cache")),
                *("--addr", "127.0.0.1:0", "--auth-key", f"{USER},{SECRET}", str(folder / "files")),
            ),
        }[kind],
    ]
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        server = Server(kind, _address(process, log))
        if kind == "moto":
            requests.put(f"{server.url}/{BUCKET}", timeout=PATIENCE).raise_for_status()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where a server says that it listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if found := _STARTED.search(log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"the server does not start: {log.read_text(errors='replace')[-1000:]}")
