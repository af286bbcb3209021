"""Files appear whole or not at all, and say who may read them."""

import errno
import hashlib
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from spx_data.errors import (
    ApiConnectionError,
    FileCorruptionError,
    MachineError,
    MissingFileError,
    PermissionDeniedError,
    SchemaValidationError,
    SpxDataError,
    is_the_machines,
)
from spx_data.store import files, locks, modes, reads


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Writing ------------------------------------------------------------------------------------------------


def test_a_finished_write_has_its_name_alone(tmp_path):
    target = tmp_path / "a" / "b" / "chain.ndjson"

    with files.atomic(target) as stream:
        stream.write(b"{}\n")
        assert not target.exists()

    assert target.read_bytes() == b"{}\n"
    assert names(target.parent) == ["chain.ndjson"]


@pytest.mark.parametrize("failure", [ConnectionError, KeyboardInterrupt, ApiConnectionError("lost")])
def test_a_failed_write_leaves_no_target(tmp_path, failure):
    target = tmp_path / "chain.ndjson"

    with pytest.raises(BaseException) as caught, files.atomic(target) as stream:
        stream.write(b'{"strike": 100}\n')
        raise failure

    assert caught.value is failure or type(caught.value) is failure
    assert names(tmp_path) == []


def test_a_failed_write_leaves_the_file_before_it(tmp_path):
    target = tmp_path / "chain.ndjson"
    target.write_bytes(b"before")

    with pytest.raises(ConnectionError), files.atomic(target) as stream:
        stream.write(b"after")
        raise ConnectionError

    assert target.read_bytes() == b"before"


def test_a_part_that_a_crash_left_is_written_over(tmp_path):
    target = tmp_path / "chain.ndjson"
    files.part_of(target).write_bytes(b"longer than what comes now")

    files.write_text(target, "new")

    assert target.read_text() == "new"
    assert names(tmp_path) == ["chain.ndjson"]


def test_a_check_may_refuse_the_finished_part(tmp_path):
    target = tmp_path / "chain.parquet"
    seen = []

    def refuse(part):
        seen.append(part.read_bytes())
        raise FileCorruptionError("not as meant")

    with pytest.raises(FileCorruptionError), files.atomic(target, check=refuse) as stream:
        stream.write(b"all of it")

    assert seen == [b"all of it"]
    assert names(tmp_path) == []


def test_everything_is_on_the_device_before_it_has_its_name(tmp_path, monkeypatch):
    target, synced = tmp_path / "chain.ndjson", []
    # The folder's names are flushed after the file's bytes.
    monkeypatch.setattr(files, "_sync", lambda path: synced.append((path.name, target.exists())))

    files.write_text(target, "x")

    assert synced == [("chain.ndjson.part", False), (tmp_path.name, True)]


def test_an_error_of_ours_about_another_file_keeps_its_words(tmp_path):
    other = tmp_path / "records.ndjson"

    with (
        pytest.raises(MissingFileError) as caught,
        files.atomic(tmp_path / "day.parquet"),
        reads.reading(other),
    ):
        pass

    assert caught.value.fields["path"] == other
    assert str(other) in caught.value.cause


def test_a_folder_is_removed_with_all_it_holds(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()

    files.remove(tmp_path / "a")
    files.remove(tmp_path / "a")

    assert names(tmp_path) == []


def test_a_rewritten_file_keeps_its_mode_and_the_links_to_it(tmp_path):
    target, link = tmp_path / "settings.yaml", tmp_path / "link.yaml"
    target.write_text("before")
    target.chmod(0o640)
    link.symlink_to(target)

    files.rewrite(link, "after\r\n")

    assert target.read_bytes() == b"after\r\n"
    assert target.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert names(tmp_path) == ["link.yaml", "settings.yaml"]


def test_a_file_that_is_not_there_is_not_rewritten(tmp_path):
    with pytest.raises(MissingFileError):
        files.rewrite(tmp_path / "settings.yaml", "after")

    assert names(tmp_path) == []


def test_a_spool_leaves_nothing_behind(tmp_path):
    with pytest.raises(ConnectionError), files.spool(tmp_path / "scratch") as stream:
        stream.write(b"x" * 100_000)
        assert names(tmp_path / "scratch") == []
        raise ConnectionError

    assert names(tmp_path / "scratch") == []


# Permissions --------------------------------------------------------------------------------------------


def test_what_is_written_is_the_owners_alone(tmp_path):
    modes.restrict(owner_only=True)

    files.write_json(tmp_path / "a" / "b" / "document.json", {})
    files.append_line(tmp_path / "c" / "journal.jsonl", "{}")

    assert [mode(tmp_path / name) for name in ("a", "a/b", "c")] == [0o700] * 3
    assert [mode(tmp_path / name) for name in ("a/b/document.json", "c/journal.jsonl")] == [0o600] * 2


@pytest.fixture
def restricted():
    """Return what restricts this process for the time of a test."""
    yield modes.restrict
    modes.restrict(owner_only=False)


def test_a_group_may_read_and_folders_hand_it_on(tmp_path, restricted):
    restricted(owner_only="group")

    files.write_json(tmp_path / "a" / "b" / "document.json", {})
    files.append_line(tmp_path / "c" / "journal.jsonl", "{}")
    (tmp_path / "a" / "by-a-library").mkdir()

    assert [mode(tmp_path / name) for name in ("a", "a/b", "c")] == [0o2750] * 3
    assert mode(tmp_path / "a" / "by-a-library") & ~stat.S_ISGID == 0o750
    assert [mode(tmp_path / name) for name in ("a/b/document.json", "c/journal.jsonl")] == [0o640] * 2


def test_others_may_read_where_the_owner_says_so(tmp_path):
    modes.restrict(owner_only=False)

    files.write_json(tmp_path / "a" / "document.json", {})

    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "document.json")) == (0o755, 0o644)


def test_a_file_where_a_folder_is_needed_is_named(tmp_path):
    obstacle = tmp_path / "parquet"
    obstacle.touch()

    for attempt in (
        lambda: files.make_directory(obstacle / "2024"),
        lambda: files.write_text(obstacle / "2024" / "day.parquet", ""),
        lambda: files.append_line(obstacle / "journal.jsonl", ""),
        lambda: files.check_writable(obstacle),
        lambda: files.check_writable(obstacle / "2024"),
    ):
        with pytest.raises(PermissionDeniedError, match="a file stands where a folder is needed") as caught:
            attempt()
        assert str(obstacle) in str(caught.value)
        assert caught.value.cure


def test_a_folder_where_a_file_is_needed_is_named(tmp_path):
    obstacle = tmp_path / "journal.jsonl"
    (obstacle / "inside").mkdir(parents=True)

    for attempt in (
        lambda: files.write_text(obstacle, ""),
        lambda: files.append_line(obstacle, ""),
        lambda: reads.read_json(obstacle),
    ):
        with pytest.raises(PermissionDeniedError, match="a folder stands where a file is needed") as caught:
            attempt()
        assert str(obstacle) in str(caught.value)
        assert "Move that folder away" in caught.value.cure
    assert names(tmp_path) == ["journal.jsonl"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)

    for attempt in (
        lambda: files.check_writable(tmp_path),
        lambda: files.write_text(tmp_path / "day.parquet", ""),
        lambda: files.append_line(tmp_path / "journal.jsonl", ""),
    ):
        with pytest.raises(PermissionDeniedError, match="write permission") as caught:
            attempt()
        assert str(tmp_path) in str(caught.value)

    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    "number, cure", [("EACCES", "write permission"), ("EPERM", "write permission"), ("EROFS", "for writing")]
)
def test_a_refusal_of_the_system_names_path_and_cure(number, cure, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(getattr(errno, number), "refused")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)

    with pytest.raises(PermissionDeniedError, match="refused") as caught:
        files.check_writable(tmp_path)

    assert caught.value.fields == {"path": tmp_path, "operation": "write to"}
    assert cure in caught.value.cure


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_whatever_the_system_says_becomes_an_error_of_ours_that_names_the_path(number, tmp_path):
    for operation in ("write", "read", "remove", "lock"):
        with pytest.raises(SpxDataError) as caught, reads.explained(tmp_path / "day", operation):
            raise OSError(number, os.strerror(number))

        assert str(tmp_path / "day") in caught.value.cause
        assert is_the_machines(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.cure or isinstance(caught.value, MissingFileError)


def test_a_number_nobody_has_heard_of_is_the_machines(tmp_path):
    with pytest.raises(MachineError, match="error 4711"), reads.explained(tmp_path, "write"):
        raise OSError(4711, "the moon is full")


@pytest.mark.parametrize("kind", [requests.ConnectionError, requests.ReadTimeout, ConnectionResetError])
def test_what_the_network_says_is_not_the_disks(kind, tmp_path):
    with pytest.raises(kind), reads.explained(tmp_path, "write"):
        raise kind("reset by peer")


def test_too_many_open_files_is_one_line_with_the_limit(tmp_path):
    with pytest.raises(MachineError, match="a process may have") as caught, reads.explained(tmp_path, "read"):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    assert "ulimit -n" in caught.value.cure


def test_a_folder_that_is_not_there_yet_is_writable_where_its_parent_is(tmp_path):
    files.check_writable(tmp_path / "a" / "b")

    assert names(tmp_path) == []


# Reading ------------------------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path):
    for attempt in (reads.read_json, reads.digest):
        with pytest.raises(MissingFileError, match=r"absent\.json") as caught:
            attempt(tmp_path / "absent.json")
        assert caught.value.fields["path"] == tmp_path / "absent.json"


@pytest.mark.parametrize("content", [b"", b"{", b"nonsense", b"\xff\xfe\x00"])
def test_what_is_no_json_is_said_to_be_none(content, tmp_path):
    path = tmp_path / "document.json"
    path.write_bytes(content)

    with pytest.raises(SchemaValidationError, match="is not JSON"):
        reads.read_json(path)


def test_a_document_comes_back(tmp_path):
    document = {"text": "ü", "numbers": [1, 2.5, None], "nested": {"yes": True}}

    files.write_json(tmp_path / "d.json", document)

    assert reads.read_json(tmp_path / "d.json") == document


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_digest_is_sha256(size, tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(b"x" * size)

    assert reads.digest(path) == hashlib.sha256(b"x" * size).hexdigest()


# Locks ------------------------------------------------------------------------------------------------


def test_many_may_claim_a_document_at_once(tmp_path):
    target = tmp_path / "lake" / "dataset.json"

    def claim(_):
        locks.claim_json(target, {"symbol": "SPX"}, tmp_path / "data" / "locks" / "data-set.lock")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(claim, range(200)))

    assert reads.read_json(target) == {"symbol": "SPX"}
    assert names(tmp_path / "lake") == ["dataset.json"]


def test_a_lock_is_one_holders_at_a_time_and_says_that_it_waits(tmp_path):
    held, waited, order = threading.Event(), threading.Event(), []

    def second():
        held.wait(10)
        with locks.locked(tmp_path / "a.lock", waiting=waited.set):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with locks.locked(tmp_path / "a.lock"):
        held.set()
        assert waited.wait(10)
        order.append("first")
    thread.join(10)

    assert order == ["first", "second"]
