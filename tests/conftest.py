"""What all tests share: lakes in temporary folders, simulated terminals, a server that says what it must."""

import bisect
import contextlib
import datetime as dt
import functools
import gc
import os
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
import polars as pl
import pytest

import theta_simulator
from spx_data import config
from spx_data.market import sessions
from spx_data.market.chains import Chain
from spx_data.settings import Settings, Terminal
from spx_data.sources import slots
from spx_data.store import files
from spx_data.store.names import Checkpoint
from theta_simulator import listing

_SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "thetadata" / "samples"
TODAY = dt.date(2024, 12, 31)
_AT_ONCE = 32  # answers of a test that are open: a terminal of a Mac allows 256 files in all
# How busy a machine is decides no test.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")
# A shell finds the commands of this environment, as where it is activated: so texts call them by their names.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[Any]:
    """Load and collect without looking for garbage, nor in that later: most of what a process has is this."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """Let the interpreter take everything apart as it ends."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def slots_of_the_tests(tmp_path_factory):
    """Keep the locks of all tests, and of what they start, out of the user's own folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(slots.VARIABLE, str(tmp_path_factory.mktemp("slots")))
        yield


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """Keep the variables of whoever runs the tests out of the settings."""
    for variable in [*config.ENVIRONMENT, "SPX_DATA_NOW", "SPX_DATA_RUN"]:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(autouse=True)
def same_umask():
    """Give every test the usual mask, and the next one too."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def samples() -> Path:
    """Return the folder of genuine payloads, which is not part of this repository."""
    if not _SAMPLES.is_dir():
        pytest.skip("genuine payloads not found beside the repository")
    return _SAMPLES


# Any session that a test may ask for; all of them cost no more than a month.
_FIRST, _LAST = dt.date(1990, 1, 1), dt.date(2040, 12, 31)
_computed = sessions.between


@functools.cache
def _all_sessions(calendar: str) -> tuple[list[dt.date], list[sessions.Session]]:
    found = _computed(calendar, _FIRST, _LAST)
    return [session.date for session in found], found


def _looked_up(calendar: str, start: dt.date, end: dt.date) -> list[sessions.Session]:
    dates, found = _all_sessions(calendar)
    return found[bisect.bisect_left(dates, start) : bisect.bisect_right(dates, end)]


@pytest.fixture(scope="session", autouse=True)
def calendar_computed_once():
    """Spare each test the fifth of a second that the exchange calendar takes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sessions, "between", _looked_up)
        yield


@pytest.fixture
def calendar_computed(monkeypatch):
    """Let the exchange calendar compute in this test, whatever it takes."""
    monkeypatch.setattr(sessions, "between", _computed)


# Settings and lakes -------------------------------------------------------------------------------------


@pytest.fixture
def lake(tmp_path) -> Callable[..., Settings]:
    """Return a maker of settings whose lake stands in the test's own folder."""

    def settings(terminal: str | None = None, products: Any = None, **keys: Any) -> Settings:
        document = {
            "thetadata": {"base_url": terminal, "retry_wait_factor": 0, "timeout_seconds": 5},
            "processing": {
                "start_date": "2024-01-02",
                "output_directory": str(tmp_path / "parquet"),
                "temp_directory": str(tmp_path / "temp"),
                "data_directory": str(tmp_path / "data"),
            },
            "database": {"path": str(tmp_path / "database" / "status.db")},
        }
        for key, value in keys.items():
            section = "thetadata" if key in Terminal.__dataclass_fields__ else "processing"
            document[section][key] = value
        document["products"] = products or {}
        return Settings.of(config.resolve(document, {}))

    return settings


@pytest.fixture
def terminal_settings(lake) -> Callable[..., Terminal]:
    """Return a maker of a terminal's settings."""

    def settings(base_url: str | None = None, **keys: Any) -> Terminal:
        return lake(base_url, **keys).terminal

    return settings


@pytest.fixture
def checkpoint(tmp_path) -> Checkpoint:
    """Return where one expiration is staged."""
    return Checkpoint(tmp_path / "SPX-2024-01-19.ndjson", tmp_path / "SPX-2024-01-19.receipt.json")


# Simulated terminals ------------------------------------------------------------------------------------


def _terminal(**keys: Any) -> contextlib.AbstractContextManager[theta_simulator.Terminal]:
    if "replay" not in keys:
        # Seconds of work for a process's first terminal: on a busy machine no question would outlast it.
        listing.all_expirations("SPXW")
    market = {} if "replay" in keys else {"size": "tiny", "today": TODAY}
    return theta_simulator.running(theta_simulator.Settings(**market | keys))


@pytest.fixture
def simulated() -> Iterator[Callable[..., theta_simulator.Terminal]]:
    """Return a starter of terminals of the test's own, whose log holds its requests alone."""
    with contextlib.ExitStack() as stack:
        yield lambda **keys: stack.enter_context(_terminal(**keys))


@pytest.fixture(scope="session")
def terminals() -> Iterator[dict[str, theta_simulator.Terminal]]:
    """Return one small terminal of each API, shared by tests that do not look into its log."""
    with _terminal(api="v3") as v3, _terminal(api="v2") as v2:
        yield {"v3": v3, "v2": v2}


@pytest.fixture(scope="session")
def truth() -> Callable[..., pl.DataFrame]:
    """Return the market's rows of a chain, sorted, under the names and in the units of our records."""

    def records(terminal: theta_simulator.Terminal, chain: Chain, version: str = "latest", **window: int):
        api = terminal.settings.api
        rows = terminal.market.history(
            chain.root,
            chain.listed,
            chain.date,
            window.pop("step_ms", 60_000),
            greeks_version="v2" if api == "v2" else version,
            **window,
        )
        midnight = (
            pl.lit(chain.date)
            .cast(pl.Datetime("ms"))
            .dt.replace_time_zone("America/New_York")
            .dt.timestamp("ms")
        )
        return (
            rows.with_columns(
                timestamp=midnight + pl.col("ms_of_day"),
                underlying_timestamp=midnight + pl.col("underlying_ms"),
            )
            .drop("ms_of_day", "underlying_ms")
            .sort("strike", "right", "timestamp")
        )

    return records


@pytest.fixture(scope="session")
def at() -> Callable[..., dt.datetime]:
    """Return a maker of moments in New York, from year to minute."""
    return lambda *parts: dt.datetime(*parts, tzinfo=ZoneInfo("America/New_York"))


@pytest.fixture
def nobody() -> Iterator[Callable[[], str]]:
    """Return a maker of addresses at which nobody listens, nor can before the test has ended."""
    with contextlib.ExitStack() as stack:

        def address() -> str:
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{taken.getsockname()[1]}"

        yield address


# A server that says what it is told ---------------------------------------------------------------------


class Wire:
    """A loopback server: replies in the order they were given, the last one for ever."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []
        self._replies: list[tuple[bytes, threading.Event | None]] = []

    def says(
        self,
        body: bytes | str = b"",
        content_type: str | None = "text/csv",
        status: int = 200,
        **headers: str,
    ) -> None:
        """Give a whole answer next, with the length of its body."""
        content = body.encode() if isinstance(body, str) else body
        # The server hangs up after each answer, and says so: a client that reused the line would race it.
        lines = [f"HTTP/1.1 {status} ", f"Content-Length: {len(content)}", "Connection: close"]
        lines += [f"Content-Type: {content_type}"] if content_type else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.sends("\r\n".join([*lines, "", ""]).encode() + content)

    def sends(self, raw: bytes, until: threading.Event | None = None) -> None:
        """Send exactly these bytes next, then hang up: at once, or when *until* is set."""
        self._replies.append((raw, until))

    def reply(self, target: str) -> tuple[bytes, threading.Event | None]:
        """Return the bytes for a request of *target*."""
        self.asked.append(target)
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Return a server that says what the test tells it."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = self.rfile.readline().decode().split()
            while self.rfile.readline().strip():
                pass
            raw, until = told.reply(request[1])
            self.wfile.write(raw)
            self.wfile.flush()
            if until is not None:
                until.wait(60)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        told = Wire(server.server_address[1])
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield told
        server.shutdown()


@pytest.fixture
def answered(tmp_path) -> Callable[..., Any]:
    """Return a maker of complete answers, as the transport would hand them over."""
    from spx_data.sources.theta.transport import Answer

    opened: list[contextlib.ExitStack] = []

    def answer(body: bytes | str, content_type: str = "text/csv", next_page: str | None = None) -> Answer:
        if len(opened) == _AT_ONCE:
            opened.pop(0).close()
        opened.append(contextlib.ExitStack())
        stream = opened[-1].enter_context(files.spool(tmp_path))
        stream.write(body.encode() if isinstance(body, str) else body)
        stream.seek(0)
        return Answer("http://127.0.0.1/asked", content_type, next_page, stream)

    yield answer
    for one in opened:
        one.close()
