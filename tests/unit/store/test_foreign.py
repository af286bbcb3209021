"""Files of the lake that somebody else made: no more memory than a ceiling, no link, no wait, no crash."""

import gzip
import json
import os
import resource
import socket
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest

from spx_data.errors import FileCorruptionError, SchemaValidationError, SpxDataError
from spx_data.store import archive, disk, files, foreign, journal, locks, reads, seals
from spx_data.store.names import compressed_of

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
MOST_MB = 700
EVENT = {"at": "2024-01-02T00:00:00+00:00", "event": "started", "stage": "list", "run": "r"}
LINE = json.dumps(EVENT).encode() + b"\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "2024-01-02.jsonl"


def in_a_process(code, *arguments):
    """Run *code* in a process that may not take more than `MOST_MB`; returns what it prints."""
    script = "import sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\n" + textwrap.dedent(code)

    def limit():
        # The address space: what a process may ever have asked for, above what it has resident.
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MB << 20, MOST_MB << 20))

    ended = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS), "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout.strip()


def bomb(megabytes, block=bytes(1 << 20)):
    """A gzip of so many *block*s; its checksum is wrong, which nobody unpacks enough of it to see."""
    stream = zlib.compressobj(9, wbits=31)
    head = stream.compress(b"") + stream.flush(zlib.Z_FULL_FLUSH)
    each = stream.compress(block) + stream.flush(zlib.Z_FULL_FLUSH)
    return head + each * megabytes + stream.flush()


# Archives -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [bytes(1 << 20), b"[" * (1 << 20), b"{},\n" * (1 << 18), b"\n" * (1 << 20)])
def test_a_megabyte_of_gzip_that_unpacks_to_gigabytes_takes_none(block, path):
    compressed_of(path).write_bytes(content := bomb(5000, block))
    path.write_bytes(LINE)
    assert len(content) < 20_000_000

    told = in_a_process("from spx_data.store import journal\nprint(len(journal.read(path)))", path)

    assert told == "1"
    assert "unpacks to more than" in archive.damage(path)


def test_events_of_a_journal_beyond_the_ceiling_are_the_oldest_that_fit(path):
    compressed_of(path).write_bytes(gzip.compress(LINE) + bomb(40, LINE * ((1 << 20) // len(LINE))))

    told = in_a_process("from spx_data.store import journal\nprint(len(journal.read(path)))", path)

    assert int(told) > foreign.MOST_JOURNAL_BYTES // len(LINE) // 2


def test_a_plain_journal_beyond_the_ceiling_gives_its_newest_events(path):
    with path.open("wb") as stream:
        stream.write(LINE)
        stream.truncate(foreign.MOST_JOURNAL_BYTES + 5)
        stream.seek(0, os.SEEK_END)
        stream.write(b"\n" + LINE.replace(b'"list"', b'"merge"'))

    assert [event["stage"] for event in journal.read(path)] == ["merge"]
    assert "are the most" in archive.damage(path)


def test_a_line_of_more_than_the_ceiling_is_no_event_and_hides_no_other(path):
    long = json.dumps(EVENT | {"cause": "x" * foreign.MOST_LINE_BYTES}).encode() + b"\n{torn\n"

    path.write_bytes(LINE + long + LINE)

    assert journal.read(path) == [EVENT, EVENT]


def test_events_full_of_empty_objects_take_no_gigabytes(path):
    heavy = json.dumps(EVENT | {"more": [{}] * 200_000}).encode() + b"\n"
    path.write_bytes(heavy * 30)

    told = in_a_process("from spx_data.store import journal\nprint(len(journal.read(path)))", path)

    assert 0 < int(told) < 30


def test_a_damaged_archive_gives_all_before_the_damage(path):
    lines = b"".join(json.dumps(EVENT | {"n": number}).encode() + b"\n" for number in range(5000))
    whole = gzip.compress(lines)

    compressed_of(path).write_bytes(whole[:-9] + b"\xff" * 9)

    assert [event["n"] for event in journal.read(path)] == list(range(5000))
    assert "is damaged" in archive.damage(path)
    for length in range(1, len(whole), 997):
        found, fault = foreign.unpacked(whole[:length], 1 << 20)
        assert lines.startswith(found)
        assert fault


def test_members_follow_one_another_and_a_million_empty_ones_take_no_time(path):
    assert foreign.unpacked(gzip.compress(b"a") + gzip.compress(b"b") + bytes(100), 10) == (b"ab", "")

    found, fault = foreign.unpacked(gzip.compress(b"") * 100_000, 10)

    assert (found, "members" in fault) == (b"", True)


def test_packing_refuses_an_archive_beyond_the_ceiling_and_changes_nothing(path):
    path.write_bytes(LINE)
    packed = compressed_of(path)
    packed.write_bytes(content := bomb(40))

    with pytest.raises(FileCorruptionError, match="unpacks to more than"):
        archive.pack(path, lambda lines: (lines, {}))

    assert (path.read_bytes(), packed.read_bytes()) == (LINE, content)


# Documents ----------------------------------------------------------------------------------------------

DOCUMENTS = {
    "lists": b"[" * 100_000,
    "closed lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a few hundred levels": b"[" * 600 + b"]" * 600,
    "a large integer among levels": b"[" * 600 + b"1" * 30 + b"]" * 600,
    "5,000 digits": b'{"rows": ' + b"9" * 5000 + b"}",
    "empty objects": b"[" + b"{}," * 12_000_000 + b"{}]",
    "numbers": b"[" + b"1," * 20_000_000 + b"1]",
    "no text": b'{"a": "\xff\xfe"}',
    "nothing": b"",
    "zeros": bytes(1 << 20),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_beyond_a_ceiling_is_none(name, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_bytes(DOCUMENTS[name])

    told = in_a_process(
        """
        from spx_data.store import reads
        from spx_data.errors import SchemaValidationError
        try:
            reads.read_json(path)
        except SchemaValidationError as error:
            print(error.cause)
        """,
        path,
    )

    assert "is not JSON" in told


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in ("no text", "5,000 digits")])
def test_nor_is_it_one_where_it_vouches_for_its_own_bytes(name, tmp_path):
    path = tmp_path / "passport.json"
    path.write_bytes(_signed(DOCUMENTS[name]))
    assert seals.holds(path.read_bytes())

    told = in_a_process(
        """
        from spx_data.store import seals
        from spx_data.errors import FileCorruptionError
        try:
            seals.read_document(path)
        except FileCorruptionError as error:
            print("damaged")
        """,
        path,
    )

    assert told == "damaged"


def _signed(value):
    """The bytes of a document with this *value* that vouches for itself."""
    import hashlib

    text = b'{"value": ' + value + b',\n "document_sha256": "%s"\n}\n'
    return text % hashlib.sha256(text % (b"0" * 64)).hexdigest().encode()


def test_a_sparse_document_of_a_terabyte_is_refused_at_once(tmp_path):
    path = tmp_path / "dataset.json"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)

    with pytest.raises(SchemaValidationError, match="more than"):
        reads.read_json(path)


def test_what_is_within_the_ceilings_is_read_as_before(tmp_path):
    document = {"deep": json.loads("[" * 200 + "]" * 200), "large": 10**4000, "text": "\udc80 \u202e"}
    files.write_json(path := tmp_path / "a.json", document)

    assert reads.read_json(path) == document
    assert foreign.parsed(b'[1, NaN, "a"]')[2] == "a"


# What is no file ----------------------------------------------------------------------------------------


def link(path):
    (path.parent / "elsewhere").write_bytes(LINE)
    path.symlink_to(path.parent / "elsewhere")


def dangling(path):
    path.symlink_to(path.parent / "nowhere")


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def sock(path):
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(path.parent)  # such an address is short
        listening.bind(path.name)


KINDS = [link, dangling, pipe, device, sock]


@pytest.fixture(autouse=True)
def at_home(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("make", KINDS)
def test_what_is_no_file_is_not_read(make, path):
    make(path)

    for read in (reads.content, reads.read_json, seals.read_document, lambda path: reads.end(path, 10)):
        with pytest.raises(
            (FileCorruptionError, SchemaValidationError), match="stands where a file is needed"
        ):
            read(path)
    assert journal.read(path) == []
    assert "stands where a file is needed" in archive.damage(path)


@pytest.mark.parametrize("make", KINDS)
def test_nothing_is_appended_to_what_is_no_file(make, path):
    make(path)

    with pytest.raises(SpxDataError, match=r"stands where a file is needed.*ls -l"):
        files.append_line(path, "mine")

    assert not (path.parent / "nowhere").exists()
    if make is link:
        assert (path.parent / "elsewhere").read_bytes() == LINE


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("take", [locks.hold, locks.is_held, files.output, files.at_rest])
def test_nor_is_it_locked(take, make, path):
    make(path)

    with pytest.raises(SpxDataError, match="stands where a file is needed"):
        found = take(path)
        found.__enter__()


@pytest.mark.parametrize("make", KINDS)
def test_what_is_written_whole_takes_its_place(make, path):
    make(path)

    files.write_text(path, "mine")

    assert not path.is_symlink()
    assert path.read_text() == "mine"
    assert not (path.parent / "nowhere").exists()


def test_a_part_that_somebody_made_a_link_meanwhile_is_not_written_through(path, monkeypatch):
    victim = path.parent / "victim"
    victim.write_text("precious")
    real = disk.create

    def late(part):
        part.symlink_to(victim)
        return real(part)

    monkeypatch.setattr(disk, "create", late)

    with pytest.raises(SpxDataError, match="stands where a file is needed"):
        files.write_text(path, "mine")
    assert victim.read_text() == "precious"


def test_a_folder_of_the_lake_may_be_a_link(tmp_path):
    (tmp_path / "other-disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "other-disk")

    files.append_line(tmp_path / "data" / "2024.jsonl", LINE.decode().strip())

    assert journal.read(tmp_path / "other-disk" / "2024.jsonl") == [EVENT]


def test_a_parquet_may_be_a_link_to_slower_storage(tmp_path):
    (tmp_path / "cold.parquet").write_bytes(b"PAR1")
    (tmp_path / "a.parquet").symlink_to(tmp_path / "cold.parquet")

    assert reads.digest(tmp_path / "a.parquet") == reads.digest(tmp_path / "cold.parquet")
