"""A journal that is compressed reads as before, whatever stops the compressing, and wherever."""

import errno
import gzip
import json
import shutil
import subprocess
import threading

import pytest
from tests.proof.disk import Disk

from spx_data.errors import DeviceError, FileCorruptionError, MissingFileError
from spx_data.store import archive, files, journal
from spx_data.store.names import compressed_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal" / "2024" / "2024-01-02.jsonl"


def append(path, *numbers):
    for number in numbers:
        files.append_line(path, line(number).decode())


def line(number):
    return json.dumps(
        {"at": "2024-01-02T00:00:00+00:00", "event": "staged", "stage": "t", "n": number}
    ).encode()


def numbers(path):
    return [event["n"] for event in journal.read(path)]


def everything(lines):
    return lines, {}


def test_a_compressed_journal_reads_as_before(path):
    append(path, 1, 2, 3)
    before = journal.read(path)

    archive.pack(path, everything)

    assert not path.exists()
    assert journal.read(path) == before


def test_later_events_come_after_the_compressed_ones(path):
    append(path, 1, 2)
    archive.pack(path, everything)
    append(path, 3)

    assert numbers(path) == [1, 2, 3]

    archive.pack(path, everything)
    append(path, 4)
    assert numbers(path) == [1, 2, 3, 4]


def test_gzip_reads_it_and_the_bytes_depend_on_the_lines_alone(path, tmp_path):
    append(path, 1, 2)
    twin = tmp_path / "twin.jsonl"
    shutil.copy(path, twin)

    archive.pack(path, everything)
    archive.pack(twin, everything)

    told = subprocess.run(["gzip", "-dc", compressed_of(path)], capture_output=True, check=True).stdout
    assert told.splitlines()[1:] == [line(1), line(2)]
    assert compressed_of(path).read_bytes() == compressed_of(twin).read_bytes()


def test_what_a_crash_left_in_both_files_counts_once(path, tmp_path):
    append(path, 1, 2)
    shutil.copy(path, tmp_path / "plain")
    archive.pack(path, everything)

    shutil.copy(tmp_path / "plain", path)
    assert numbers(path) == [1, 2]

    append(path, 3)
    assert numbers(path) == [1, 2, 3]

    archive.pack(path, everything)
    assert numbers(path) == [1, 2, 3]


def test_a_line_that_a_crash_tore_spoils_itself_alone(path):
    append(path, 1)
    with path.open("ab") as stream:
        stream.write(b'{"at": "2024')

    archive.pack(path, everything)
    append(path, 2)

    assert numbers(path) == [1, 2]


def test_lines_that_are_not_selected_are_gone_and_the_header_says_what_it_was_told(path):
    append(path, 1, 2, 3)

    archive.pack(path, lambda lines: ([each for each in lines if each != line(2)], {"told": "so"}))

    assert numbers(path) == [1, 3]
    assert archive.header(path)["told"] == "so"


def test_a_compressed_journal_can_be_shortened_without_a_new_event(path):
    append(path, 1, 2)
    archive.pack(path, everything)
    before = archive.header(path)

    archive.pack(path, lambda lines: (lines[1:], {}))

    assert numbers(path) == [2]
    assert archive.header(path) == before


def test_there_is_no_header_where_nothing_is_compressed(path):
    assert archive.header(path) is None
    append(path, 1)
    compressed_of(path).write_bytes(b"no gzip")
    assert archive.header(path) is None


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: content[:-8] + b"\0" * 8])
def test_of_a_damaged_compressed_journal_is_read_what_can_be(path, damage):
    append(path, *range(200))
    archive.pack(path, everything)
    compressed_of(path).write_bytes(damage(compressed_of(path).read_bytes()))
    append(path, 200)

    found = numbers(path)

    assert found[:150] == list(range(150))
    assert found[-1] == 200


def test_a_damaged_compressed_journal_is_left_as_it_is(path):
    append(path, 1)
    archive.pack(path, everything)
    damaged = compressed_of(path).read_bytes()[:-4]
    compressed_of(path).write_bytes(damaged)
    append(path, 2)

    with pytest.raises(FileCorruptionError, match="damaged"):
        archive.pack(path, everything)

    assert compressed_of(path).read_bytes() == damaged
    assert path.read_bytes() == line(2) + b"\n"


def test_a_compressed_journal_of_another_making_is_read_too(path):
    append(path, 3)
    compressed_of(path).write_bytes(gzip.compress(line(1) + b"\n" + line(2) + b"\n"))

    assert numbers(path) == [1, 2, 3]


def test_what_is_read_back_must_be_what_was_written(path, monkeypatch):
    append(path, 1)
    other = gzip.compress(b"something else")
    monkeypatch.setattr(gzip, "compress", lambda *_, **__: other)

    with pytest.raises(FileCorruptionError, match="reads otherwise"):
        archive.pack(path, everything)

    assert numbers(path) == [1]
    assert not compressed_of(path).exists()


# Stops --------------------------------------------------------------------------------------------------


def operations(path):
    with Disk() as counting:
        archive.pack(path, everything)
    return counting.count


def test_a_stop_or_a_power_cut_at_any_operation_loses_and_doubles_nothing(tmp_path):
    first = tmp_path / "first.jsonl"
    append(first, 1, 2)
    archive.pack(first, everything)
    append(first, 3, 4)
    packed, plain = compressed_of(first).read_bytes(), first.read_bytes()
    count = operations(first)
    assert count >= 5  # create, write, flush, rename, flush, unlink

    for power in (False, True):
        for at in range(1, count + 1):
            for seed in range(6):
                path = tmp_path / f"{power}-{at}-{seed}" / "2024-01-02.jsonl"
                path.parent.mkdir()
                path.write_bytes(plain)
                compressed_of(path).write_bytes(packed)
                with Disk(at, power=power, seed=seed):
                    archive.pack(path, everything)

                assert numbers(path) == [1, 2, 3, 4], (power, at, seed)
                append(path, 5)
                assert numbers(path) == [1, 2, 3, 4, 5], (power, at, seed)
                archive.pack(path, everything)
                assert numbers(path) == [1, 2, 3, 4, 5], (power, at, seed)


def test_an_error_of_the_disk_at_any_operation_loses_and_doubles_nothing(tmp_path):
    first = tmp_path / "first.jsonl"
    append(first, 1, 2)
    plain = first.read_bytes()

    for at in range(1, operations(first) + 1):
        path = tmp_path / str(at) / "2024-01-02.jsonl"
        path.parent.mkdir()
        path.write_bytes(plain)

        with Disk(at, error=errno.EIO), pytest.raises(DeviceError):
            archive.pack(path, everything)

        assert numbers(path) == [1, 2]


# Others at work -----------------------------------------------------------------------------------------


def test_whoever_waits_to_append_meanwhile_writes_to_the_new_file(path):
    append(path, 1)
    with files.at_rest(path):
        waiting = threading.Thread(target=append, args=(path, 2))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        path.rename(path.with_suffix(".old"))
    waiting.join(10)

    assert numbers(path) == [2]


def test_nothing_is_at_rest_where_nothing_is(path):
    with pytest.raises(MissingFileError), files.at_rest(path):
        pass


def test_readers_and_writers_beside_a_compression_miss_nothing(path):
    append(path, 0)
    stop, seen, trouble = threading.Event(), [], []

    def look():
        while not stop.is_set():
            found = numbers(path)
            if found != list(range(len(found))) or (seen and len(found) < seen[-1]):
                trouble.append(found)
            seen.append(len(found))

    reader = threading.Thread(target=look)
    packer = threading.Thread(
        target=lambda: [path.exists() and archive.pack(path, everything) for _ in range(60)]
    )
    reader.start()
    packer.start()
    append(path, *range(1, 60))
    packer.join(30)
    stop.set()
    reader.join(30)

    assert trouble == []
    assert numbers(path) == list(range(60))
