"""What a volume cannot do, and what the system says at any step of a fill: found, named, no date's fault."""

import datetime as dt
import errno
import fcntl
import io
import os
import random
import shutil
import sqlite3
import stat
import sys
import types
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import requests
from tests import schemas
from tests.proof import fills
from tests.proof.disk import OPERATIONS, Disk

from spx_data.errors import (
    DeviceError,
    EvictedFileError,
    FileCorruptionError,
    MachineError,
    PermissionDeniedError,
    SpxDataError,
    ThetaTerminalNotRunningError,
    VolumeError,
    is_the_machines,
)
from spx_data.fill.preflight import preflight
from spx_data.lake import session_states
from spx_data.lake.verify import verify
from spx_data.ops.health import Level, Scene
from spx_data.ops.health.machine import volumes as of_volumes
from spx_data.ops.health.permissions import permissions
from spx_data.ops.recheck.compare import compare
from spx_data.sources import slots
from spx_data.sources.theta import limits as ceilings
from spx_data.sources.theta.transport import Transport
from spx_data.store import disk, faults, files, journal, limits, locks, modes, parquet, reads, seals
from spx_data.store.journal import Journal
from spx_data.store.limits import Lack
from spx_data.text import commands

DAY = dt.date(2024, 1, 2)
NOW = dt.datetime(2024, 6, 3, tzinfo=dt.UTC)
TERMINAL = "http://127.0.0.1:25503"
# One would wait for ever: a lock that says "try again" is somebody else's.
NUMBERS = sorted(set(errno.errorcode) - {errno.EAGAIN})


def failing(monkeypatch, below=None, **calls):
    """Let operations of `disk` fail with a number, below a folder if one is named."""

    def standing_in(real, number):
        def operation(what, *rest):
            path = str(Path(f"/proc/self/fd/{what}").readlink()) if isinstance(what, int) else str(what)
            if below is None or path.startswith(f"{below}/"):
                raise OSError(number, os.strerror(number))
            return real(what, *rest)

        return operation

    for name, number in calls.items():
        monkeypatch.setattr(disk, name, standing_in(getattr(disk, name), number))


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are named in /proc here")


# What a volume lacks ------------------------------------------------------------------------------------


def test_a_local_disk_lacks_nothing_and_keeps_no_trace(tmp_path):
    assert limits.lacks(tmp_path / "a" / "b") == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_whatever_a_lock_says_is_a_lack_of_locks_or_a_fault(number, tmp_path, monkeypatch):
    failing(monkeypatch, lock=number)

    try:
        found = limits.lacks(tmp_path)
    except SpxDataError as error:
        assert number in disk.FAILED
        assert is_the_machines(error)
    else:
        assert list(found) == [Lack.LOCKS]
        assert os.strerror(number) in found[Lack.LOCKS]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_whatever_a_flush_says_is_a_lack_or_a_fault(number, tmp_path, monkeypatch):
    failing(monkeypatch, flush=number)

    try:
        found = limits.lacks(tmp_path)
    except SpxDataError as error:
        assert number not in disk.NOT_SUPPORTED
        assert is_the_machines(error)
    else:
        assert list(found) == [Lack.FLUSH, Lack.FOLDER_FLUSH]


def test_a_lock_that_keeps_nobody_out_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "lock", lambda *_: None)

    assert list(limits.lacks(tmp_path)) == [Lack.EXCLUSION]


def test_modes_that_stay_as_they_are_are_a_lack(tmp_path, monkeypatch):
    os.umask(0o022)
    monkeypatch.setattr(disk, "set_mode", lambda *_: None)

    assert limits.lacks(tmp_path) == {Lack.MODES: "asked for 600, it has 644"}


@linux
def test_a_volume_is_named_with_the_settings_that_lie_on_it(lake, monkeypatch, tmp_path):
    settings = lake()
    failing(monkeypatch, below=tmp_path / "data", lock=errno.ENOTSUP)

    check = of_volumes(Scene(settings, NOW))

    assert check.level is Level.FAIL
    assert check.found == (
        f"the volume of {tmp_path}/data (processing.data_directory) has no file locks "
        "(flock: Operation not supported)"
    )
    assert check.cure == "Set processing.data_directory to a folder on a local disk"


@linux
@pytest.mark.parametrize("folder", ["parquet", "temp", "database"])
def test_other_directories_need_no_locks(folder, lake, monkeypatch, tmp_path):
    failing(monkeypatch, below=tmp_path / folder, lock=errno.ENOLCK)

    check = of_volumes(Scene(lake(), NOW))

    assert check.level is Level.OK
    assert f"{tmp_path}/{folder}" in check.found


@linux
def test_a_volume_that_renames_nothing_over_another_is_found_wherever_it_is(lake, monkeypatch, tmp_path):
    failing(monkeypatch, below=tmp_path / "parquet", rename=errno.ENOTSUP)

    check = of_volumes(Scene(lake(), NOW))

    assert (check.level, check.cure) == (
        Level.FAIL,
        "Set processing.output_directory to a folder on a local disk",
    )


def test_preflight_refuses_a_volume_without_locks_before_it_asks_anybody(lake, simulated, monkeypatch):
    terminal = simulated()
    failing(monkeypatch, lock=errno.ENOLCK)

    with pytest.raises(VolumeError, match=r"processing\.data_directory.* has no file locks"):
        preflight(lake(terminal.url))

    assert terminal.requests() == []


# Every number at every step -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market():
    """Return one small terminal for all these fills."""
    import theta_simulator

    settings = theta_simulator.Settings(size="tiny", today=dt.date(2024, 12, 31))
    with theta_simulator.running(settings) as terminal:
        yield terminal


# At one step of a whole fill each; every other number goes the same way (`faults.explained`).
AT_SOME_STEP = (
    errno.EIO,
    errno.ENOSPC,
    errno.EMFILE,
    errno.ENOLCK,
    errno.EDEADLK,
    errno.ESTALE,
    errno.EINTR,
    4711,
)


@pytest.mark.parametrize("number", AT_SOME_STEP)
def test_no_number_of_the_system_at_no_step_counts_against_the_date(number, market, tmp_path):
    chance = random.Random(number)
    settings = fills.lake(tmp_path, market.url, DAY, interval="1h", max_concurrent_requests=2)
    fill = fills.Fill(settings, DAY)

    # An interruption passes: whoever meets it tries again, and would for ever.
    lasting = chance.random() < 0.5 and number != errno.EINTR
    with Disk(chance.randint(1, 120), error=number, lasting=lasting):
        error = fill.run()

    failed = [event for event in journal.read(fill.layout.journal(DAY)) if event["event"] == journal.FAILED]
    assert error is None or is_the_machines(error)
    assert all(event["surroundings"] for event in failed)
    state = session_states.current_state(settings, DAY, None, NOW)
    assert (state.tries, state.due) == (0, not fill.sealed)
    assert fill.run() is None
    assert fill.sealed


@pytest.mark.parametrize("number", NUMBERS)
def test_no_number_that_a_lock_says_counts_against_a_date(number, lake, tmp_path, monkeypatch):
    layout, path = lake().layout, tmp_path / "a.lock"
    failing(monkeypatch, lock=number)

    def slot():
        with slots.shared(layout, TERMINAL, 1) as shared, shared.slot():
            pass

    def locked():
        with locks.locked(path):
            pass

    for take in (slot, locked, lambda: locks.hold(path), lambda: files.append_line(path, "x")):
        with pytest.raises((VolumeError, DeviceError)) as caught:
            take()
        assert is_the_machines(caught.value)


# Whose doing an error is --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("No module named 'polars'"),
        ModuleNotFoundError("No module named 'pyarrow'"),
        RuntimeError("can't start new thread"),
        sqlite3.OperationalError("disk I/O error"),
        zlib.error("invalid"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        OSError("without a number"),
        OSError(4711, "unheard of"),
        TimeoutError(errno.ETIMEDOUT, "timed out"),
        SystemError("bad call"),
        FileCorruptionError("damaged"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_the_sources_doing_is_the_machines(error, tmp_path):
    log = Journal(tmp_path / "2024-01-02.jsonl", "download")

    with pytest.raises(Exception), log.attempt():  # noqa: B017  # of any kind
        raise error

    (failed,) = [event for event in journal.read(log.path) if event["event"] == journal.FAILED]
    assert failed["surroundings"]
    assert list(session_states.failing_runs([failed])) == []


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("reset"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        ValueError("bad value"),
        KeyError("column"),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_source_does_counts_against_its_date(error):
    assert not journal.described(error)["surroundings"]


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.ENOMEM, "no memory"), RuntimeError("can't start new thread")]
)
def test_a_job_that_runs_out_of_memory_says_so_in_one_line(error, tmp_path):
    with pytest.raises(MachineError, match="out of memory") as caught, Journal(tmp_path / "j", "x").attempt():
        raise error

    assert "--cores 1" in caught.value.cure


def test_a_connection_that_gets_no_handle_is_not_a_terminal_that_is_gone(tmp_path, monkeypatch):
    import socket

    def refuse(*_, **__):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket, "socket", refuse)
    transport = Transport("http://127.0.0.1:9", scratch=tmp_path, connect_seconds=1)

    with (
        pytest.raises(MachineError, match="Too many open files"),
        transport.get("/x", {}, silence_seconds=1, ceiling=ceilings.WORD),
    ):
        pass


def test_a_connection_that_is_refused_still_is_a_terminal_that_is_gone(tmp_path):
    transport = Transport("http://127.0.0.1:9", scratch=tmp_path, connect_seconds=1)

    with (
        pytest.raises(ThetaTerminalNotRunningError),
        transport.get("/x", {}, silence_seconds=1, ceiling=ceilings.WORD),
    ):
        pass


# An error of the system is no damage --------------------------------------------------------------------


@pytest.fixture
def whole(market, tmp_path):
    """Return a sealed date."""
    fill = fills.Fill(fills.lake(tmp_path, market.url, DAY, interval="1h"), DAY)
    assert fill.run() is None
    return fill


class Unreadable(io.RawIOBase):
    """An open file of which no byte can be read."""

    def __init__(self, number):
        self.number = number

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, *_):
        return 0

    def tell(self):
        return 0

    def readinto(self, _):
        raise OSError(self.number, os.strerror(self.number))

    def read(self, *_):
        raise OSError(self.number, os.strerror(self.number))

    def size(self):
        return 1000


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOMEM, errno.EACCES, errno.ESTALE, 4711])
def test_a_file_that_cannot_be_read_back_is_not_called_corrupt(number, whole, monkeypatch):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    target = whole.layout.parquet(DAY)
    monkeypatch.setattr(pq, "ParquetFile", refuse)
    monkeypatch.setattr(pq, "read_metadata", refuse)

    for look in (lambda: parquet.read_back(target, schemas.GREEKS, None), lambda: compare(target, target)):
        with pytest.raises(SpxDataError) as caught:
            look()
        assert not isinstance(caught.value, FileCorruptionError)
        assert str(target) in caught.value.cause


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOMEM, errno.EACCES, errno.ESTALE, 4711])
@pytest.mark.parametrize("where", ["open", "read", "pages", "look"])
def test_verify_quarantines_nothing_that_it_could_not_read(where, number, whole, monkeypatch):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        if where == "open":
            patched.setattr(files.Path, "open", refuse)
        elif where == "read":
            patched.setattr(files.Path, "open", lambda *_: io.BufferedReader(Unreadable(number)))
        elif where == "pages":
            patched.setattr(pq, "ParquetFile", refuse)
        else:
            patched.setattr(files.Path, "stat", refuse)
        errors = _errors_of_verify(whole.settings)

    assert errors
    assert all(map(is_the_machines, errors))
    assert not whole.layout.quarantine(DAY).exists()
    assert whole.sealed


def _errors_of_verify(settings):
    """What kept `verify` from a look at a day, or at the lake as a whole."""
    try:
        return [day.error for day in verify(settings).days]
    except SpxDataError as error:
        return [error]


def test_memory_that_is_short_is_no_damage_either(whole, monkeypatch):
    def refuse(*_, **__):
        raise MemoryError

    monkeypatch.setattr(pq, "ParquetFile", refuse)

    (day,) = verify(whole.settings).days

    assert isinstance(day.error, MachineError)
    assert whole.sealed


def test_bytes_that_are_damaged_still_are(whole):
    target = whole.layout.parquet(DAY)
    content = bytearray(target.read_bytes())
    content[len(content) // 3] ^= 0xFF
    target.write_bytes(content)

    (day,) = verify(whole.settings).days

    assert day.error is None
    assert whole.layout.quarantine(DAY).exists()


# Locks --------------------------------------------------------------------------------------------------


def test_nobody_holds_a_lock_where_nobody_can(tmp_path, monkeypatch):
    (tmp_path / "run.lock").touch()
    failing(monkeypatch, lock=errno.ENOTSUP)

    assert not locks.is_held(tmp_path / "run.lock")


def test_locks_are_files_opened_for_writing(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(disk, "lock", lambda descriptor, _: opened.append(descriptor_mode(descriptor)))

    with locks.locked(tmp_path / "a.lock"), files.at_rest(tmp_path / "a.lock"):
        files.append_line(tmp_path / "journal", "x")
    os.close(locks.hold(tmp_path / "b.lock"))

    assert set(opened) == {(os.O_RDWR, True)}


def descriptor_mode(descriptor):
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    return flags, stat.S_ISREG(os.fstat(descriptor).st_mode)


def test_slots_on_a_volume_without_locks_say_so(lake, monkeypatch):
    failing(monkeypatch, lock=errno.ENOLCK)

    with pytest.raises(VolumeError, match="no file locks"), slots.shared(lake().layout, TERMINAL, 1):
        pass


# Handles ------------------------------------------------------------------------------------------------


def fake_limits(monkeypatch, soft, hard, most=sys.maxsize):
    held = [soft, hard]

    def set_(_, pair):
        if pair[0] > min(most, hard if hard > 0 else most):
            raise ValueError("not allowed to raise maximum limit")
        held[:] = pair

    monkeypatch.setattr(limits.resource, "getrlimit", lambda _: tuple(held))
    monkeypatch.setattr(limits.resource, "setrlimit", set_)
    return held


@pytest.mark.parametrize("hard", [limits.resource.RLIM_INFINITY, 10_240, 4096])
def test_the_soft_limit_is_raised_as_far_as_a_run_may_need(hard, monkeypatch):
    held = fake_limits(monkeypatch, 256, hard)

    limits.ensure_files(4)

    assert held == [4096, hard]


def test_where_not_much_can_be_had_what_is_needed_is_asked_for(monkeypatch):
    held = fake_limits(monkeypatch, 64, 100_000, most=200)

    limits.ensure_files(4)

    assert held[0] == limits.files_needed(4)


def test_a_limit_that_is_too_low_is_one_line(monkeypatch):
    fake_limits(monkeypatch, 100, 100)

    with pytest.raises(MachineError, match="may have 100 files open here, and a run needs 134"):
        limits.ensure_files(4)


# Other users --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode, level", [(0o777, Level.WARN), (0o770, Level.WARN), (0o1777, Level.OK), (0o755, Level.OK)]
)
def test_a_folder_where_others_may_replace_what_is_ours_is_a_warning(mode, level, lake, tmp_path):
    data = tmp_path / "da ta"
    data.mkdir()
    (data / "run.json").touch(mode=0o600)
    data.chmod(mode)
    scene = Scene(lake(data_directory=str(data)), NOW)

    check = permissions(scene)

    assert check.level is level
    if level is Level.WARN:
        assert check.cure == f"`chmod 700 '{data}'`"
        assert os.system(commands.shown(check.cure)) == 0  # it is meant to be pasted
        assert permissions(Scene(scene.settings, NOW)).level is Level.OK


@pytest.mark.parametrize("owner_only, mode", [(True, 0o700), ("group", 0o750), (False, 0o755)])
def test_a_folder_that_was_made_before_us_is_closed_where_the_settings_say_so(owner_only, mode, tmp_path):
    folder = tmp_path / ".snakemake"
    folder.mkdir(mode=0o755)

    modes.restrict_folder(folder, owner_only=owner_only)
    modes.restrict_folder(tmp_path / "absent", owner_only=owner_only)

    assert stat.S_IMODE(folder.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_lake_of_another_user_is_one_line_that_says_whose_it_is(tmp_path):
    (tmp_path / "lake").mkdir(mode=0o700)
    (tmp_path / "lake" / "day").touch()
    said = in_a_child_as(65534, lambda: reads.content(tmp_path / "lake" / "day"), tmp_path)

    assert f"{tmp_path}/lake belongs to root, and you are " in said
    assert "sudo chown -R " in said


def in_a_child_as(user, call, folder):
    """What *call* raises in a process of another user, who may enter the folders above the lake."""
    for place in (folder, *folder.parents):
        if place.owner() == "root" and place != place.parent and "pytest" in str(place):
            place.chmod(0o755)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(user)
            call()
        except SpxDataError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, "rb") as said:  # noqa: PTH123  # a descriptor
        return said.read().decode()


# A Mac --------------------------------------------------------------------------------------------------


@pytest.fixture
def mac(monkeypatch):
    """Let the words be those for a Mac."""
    monkeypatch.setattr(faults, "sys", types.SimpleNamespace(platform="darwin"))


def test_a_folder_that_macos_keeps_closed_names_the_switch(mac, tmp_path):
    error = faults.explained(OSError(errno.EPERM, "Operation not permitted"), tmp_path, "read")

    assert isinstance(error, PermissionDeniedError)
    assert "Privacy & Security" in error.cure


@pytest.mark.parametrize("number", [errno.EDEADLK, errno.ETIMEDOUT])
def test_a_file_that_lies_in_icloud_names_the_command_that_fetches_it(number, mac, tmp_path):
    error = faults.explained(OSError(number, os.strerror(number)), tmp_path / "a day.parquet", "read")

    assert is_the_machines(error)
    assert f"brctl download '{tmp_path}/a day.parquet'" in error.cure


@pytest.mark.parametrize("name", ["parquet", "sidecar"])
def test_a_file_that_icloud_took_away_leaves_its_date_sealed(name, whole):
    path = getattr(whole.layout, name)(DAY)
    shutil.move(path, path.with_name(f".{path.name}.icloud"))

    (day,) = verify(whole.settings).days

    assert seals.is_sealed(whole.layout.parquet(DAY))
    assert isinstance(day.error, EvictedFileError)
    assert "brctl download" in day.error.cure
    assert not whole.layout.quarantine(DAY).exists()


def test_a_fault_of_the_drives_cache_is_not_covered_by_a_second_flush(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(disk.fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(disk.fcntl, "fcntl", refuse)
    with (tmp_path / "x").open("wb") as stream, pytest.raises(OSError, match="Input/output"):
        disk.flush(stream.fileno())


def test_every_operation_on_the_disk_is_one_that_can_be_made_to_fail():
    assert set(OPERATIONS) <= set(vars(disk))
