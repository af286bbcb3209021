"""A PostgreSQL server of this machine: found, installed where tests may install it, and started for a test.

It is Debian's, or a Mac's of Homebrew. It runs in a temporary folder as a user who is not root, listens on a
free port of the loopback and on a socket in that folder, and is ended by its id.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests import debian

CURE = "install it (Debian: apt-get install postgresql; a Mac: brew install postgresql)"
PASSWORD = "s3cret-pass"  # of whoever has one in these tests
PATIENCE = 60  # seconds, on however slow a machine
_FOLDERS = (
    *("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"),
    *("/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"),
)


class NoServerError(Exception):
    """There is no PostgreSQL; the text says what was tried, and how to get one."""


def find() -> Path:
    """Return the folder of the newest server's programs.

    Raises:
        NoServerError: there is none.
    """
    every = [path for pattern in _FOLDERS for path in Path("/").glob(pattern[1:])]
    every += [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    whole = [path for path in every if (path / "initdb").exists() and (path / "postgres").exists()]
    if not whole:
        raise NoServerError(f"there is no PostgreSQL server; {CURE}")
    return max(whole, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))])


@functools.cache
def find_or_install(seconds: float = 300) -> Path:
    """Return the folder of its programs; root of a Debian installs what is missing.

    Raises:
        NoServerError: there is none, and it could not be installed within *seconds* a step.
    """
    try:
        return find()
    except NoServerError:
        if not debian.may_install():
            raise
    try:
        debian.install("postgresql", seconds)
    except debian.NotInstalledError as error:
        raise NoServerError(f"{error}; {CURE}") from None
    return find()


@dataclass
class Server:
    """A server at work: its folder, its port, its process, and how many databases it was given."""

    folder: Path
    port: int
    process: subprocess.Popen[str]
    databases: int = 0
    users: set[str] = field(default_factory=set)

    def url(self, database: str, user: str = "") -> str:
        """Return the address of a database by the socket, where everybody is believed who they are."""
        who = f"user={quote(user)}&" if user else ""
        return f"postgresql:///{database}?{who}host={quote(str(self.folder), safe='')}&port={self.port}"

    def url_by_tcp(self, database: str, user: str) -> str:
        """Return the address by which one needs a password."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str, user: str = "chief") -> psycopg.Connection:
        """Return a connection, whose statements are done at once."""
        return psycopg.connect(self.url(database, user), autocommit=True)

    def database(self) -> str:
        """Return the name of a new, empty database."""
        self.databases += 1
        name = f"desk{self.databases}"
        with self.connect("postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def login(self, *names: str) -> None:
        """Let there be people of these *names*, who have a password."""
        with self.connect("postgres") as connection:
            for name in {*names} - self.users:
                query = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                connection.execute(query.format(sql.Identifier(name), sql.Literal(PASSWORD)))
                self.users.add(name)

    def stop(self) -> None:
        """End it at once, as a power cut would; it can be started again."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(PATIENCE)


@contextmanager
def running() -> Iterator[Server]:
    """Start a server, and end it.

    Raises:
        NoServerError: there is none, or nobody but root could start it.
    """
    programs = find_or_install()
    who = _user()
    # Not pytest's own: a socket's path has little room, and others may not enter that.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # ours alone, by its mode
    try:
        if who:
            os.chown(folder, who.pw_uid, who.pw_gid)
        _do(who, folder, programs / "initdb", "-D", folder / "data", "-U", "chief", "--no-sync", "-E", "UTF8",
            "--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256")  # fmt: skip
        server = _started(programs, who, folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_again(server: Server) -> None:
    """Start a server that was stopped, at its port."""
    server.process = _process(find(), _user(), server.folder, server.port)
    _wait(server)


def _user() -> pwd.struct_passwd | None:
    """Return as whom it runs, if not as the user of the tests: it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoServerError("there is nobody but root to start PostgreSQL as")


def _as(who: pwd.struct_passwd | None) -> dict[str, object]:
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}


def _do(who: pwd.struct_passwd | None, folder: Path, *command: object) -> None:
    ended = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=PATIENCE * 3, **_as(who)
    )
    if ended.returncode:
        raise NoServerError(f"{command[0]} failed: {(ended.stderr or ended.stdout).strip()[-400:]}")


def _started(programs: Path, who: pwd.struct_passwd | None, folder: Path) -> Server:
    for _ in range(5):  # somebody else may take the port before it does
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Server(folder, port, _process(programs, who, folder, port))
        try:
            _wait(server)
        except NoServerError:
            continue
        return server
    raise NoServerError(f"PostgreSQL does not start: {(folder / 'log').read_text()[-400:]}")


def _process(programs: Path, who: pwd.struct_passwd | None, folder: Path, port: int) -> subprocess.Popen[str]:
    settings = {"fsync": "off", "max_connections": "30", "shared_buffers": "16MB", "log_statement": "all"}
    told = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [
                programs / "postgres",
                "-D",
                folder / "data",
                "-k",
                folder,
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                *told,
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            **_as(who),
        )


def _wait(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with server.connect("postgres"):
                return
        except psycopg.OperationalError:
            time.sleep(0.05)
    server.stop()
    raise NoServerError(f"PostgreSQL does not start: {(server.folder / 'log').read_text()[-400:]}")
