"""Archives from strangers: refused in one line, or they serve what was recorded; never more than that."""

import io
import json
import os
import random
import stat
import struct
import tracemalloc
import zipfile
import zlib

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recording import exchange, manifest, packed, signed

from theta_simulator import Settings, recording, running
from theta_simulator.recording import RecordingError

ASKED = "/v3/option/history/greeks/first_order?symbol=SPXW"
TABLE = b"".join(b"%d,%d\r\n" % (number, number * number) for number in range(200))
MEGABYTES = 1 << 20


@pytest.fixture
def refused(tmp_path):
    """Return a check that a file is refused, in one line that names it; returns what is said of it."""

    def check(content=None, path=tmp_path / "recording.zip"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(RecordingError) as caught, running(Settings(replay=path)):
            pytest.fail("it was served")
        message = str(caught.value)
        assert message.startswith(f"{path} is no recording that can be replayed: expected ")
        assert message.isprintable()
        assert len(message) < 600
        return message.partition("expected ")[2]

    return check


def whole(**fields):
    """Return a manifest and members that are in order, as a start for what is not."""
    members = {}
    asked = [
        exchange(ASKED, TABLE),
        exchange(ASKED, None),
        exchange("/v3/terminal/mdds/status", b"CONNECTED"),
    ]
    return manifest(members, asked, **fields), members


def zipped(members, **entry):
    """Return the bytes of a zip of members, given as pairs; *entry* are fields of the last one's entry."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for number, (name, content) in enumerate(members := list(members)):
            info = zipfile.ZipInfo()
            info.filename = name  # as it is
            info.compress_type = zipfile.ZIP_DEFLATED
            for field, value in entry.items() if number == len(members) - 1 else ():
                setattr(info, field, value)
            file.writestr(info, content, info.compress_type)
    return stream.getvalue()


def with_member(name, content=b"", **entry):
    """Return a recording with one member more."""
    document, members = whole()
    parts = [("manifest.json", signed(document)), *members.items(), (name, content)]
    return zipped(parts, **entry)


def with_manifest(content):
    _, members = whole()
    return zipped([("manifest.json", content), *members.items()])


def test_what_the_others_begin_with_is_a_recording(tmp_path):
    document, members = whole()
    path = packed(tmp_path / "recording.zip", {"manifest.json": signed(document), **members})

    found = recording.read(path)

    assert [each.body for each in found.exchanges] == [TABLE, b"", b"CONNECTED"]
    assert found.api == "v3"


# The file and its members -------------------------------------------------------------------------------


def test_files_that_are_no_zip(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe")

    assert "found File is not a zip file" in refused(b"")
    assert "found File is not a zip file" in refused(b"GIF89a" * 100)
    assert "a file, found something else" in refused(path=tmp_path / "pipe")
    assert "a file, found something else" in refused(path=tmp_path)
    assert "found No such file or directory" in refused(path=tmp_path / "absent.zip")
    assert "a file, found something else" in refused(path=type(tmp_path)("/dev/zero"))


def test_a_file_that_is_too_large_is_not_read(refused, tmp_path):
    path = tmp_path / "recording.zip"
    with path.open("wb") as stream:
        stream.truncate(10**11)

    assert f"at most {2 * MEGABYTES} bytes, found more" in refused()


@pytest.mark.parametrize(
    "name",
    [
        "../evil.csv",
        "/etc/003.csv",
        "C:003.csv",
        "C:\\003.csv",
        "..\\003.csv",
        "folder/003.csv",
        "folder/",
        "003.csv/",
        "003.exe",
        "003.csv\0.txt",
        "003.csv\n",
        "٠٠٣.csv",
        "MANIFEST.JSON",
        "",
        "." * 60_000,
    ],
)
def test_names_that_are_none_of_ours(refused, name):
    assert "members named manifest.json or like 003.csv, found '" in refused(with_member(name))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice(refused):
    assert "each member once, found 000.csv more than once" in refused(with_member("000.csv", TABLE))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_entries_that_are_no_files(refused, kind):
    said = refused(with_member("002.csv", b"/etc/passwd", external_attr=(kind | 0o777) << 16))

    assert "plain files, found 002.csv, which is a link" in said


def test_an_entry_that_calls_itself_a_folder_as_dos_does(refused):
    assert "plain files, found 002.csv, which is a link, a folder" in refused(
        with_member("002.csv", external_attr=0x10)
    )


def patched(content, name, **fields):
    """Return a zip whose headers of *name* say something else: flags, method, crc, packed, size."""
    packing = {"flags": "<H", "method": "<H", "crc": "<I", "packed": "<I", "size": "<I"}
    for begin, length, places in (
        (b"PK\3\4", 30, {"flags": 6, "method": 8, "crc": 14, "packed": 18, "size": 22}),
        (b"PK\1\2", 46, {"flags": 8, "method": 10, "crc": 16, "packed": 20, "size": 24}),
    ):
        at = content.index(name.encode())
        while content[at - length : at - length + 4] != begin:
            at = content.index(name.encode(), at + 1)
        changed = bytearray(content)
        for field, value in fields.items():
            struct.pack_into(packing[field], changed, at - length + places[field], value)
        content = bytes(changed)
    return content


@pytest.mark.parametrize("flags", [0x1, 0x41, 0x2000])
def test_what_is_encrypted(refused, flags):
    said = refused(patched(with_member("002.csv", TABLE), "002.csv", flags=flags))

    assert "plain files, found 002.csv, which is encrypted" in said


@pytest.mark.parametrize("method", [9, 12, 14, 93, 99])
def test_what_is_packed_by_other_methods(refused, method):
    said = refused(patched(with_member("002.csv", TABLE), "002.csv", method=method))

    assert f"stored or deflated, found 002.csv, packed by method {method}" in said


def test_a_member_more_and_one_less(refused):
    document, members = whole()

    assert "members that the manifest names, found 002.csv" in refused(with_member("002.csv", TABLE))
    assert "a member for exchange 2, found no 001.csv" in refused(
        zipped([("manifest.json", signed(document)), ("000.csv", members["000.csv"])])
    )
    assert "a member manifest.json, found 2 others" in refused(zipped(members.items()))
    assert "a member manifest.json, found 0 others" in refused(zipped([]))


def test_too_many_members(refused):
    many = [(f"{number:03}.{kind}", b"") for number in range(501) for kind in ("csv", "txt")]

    assert "at most 1000 members, found 1002" in refused(zipped(many))


def test_other_bytes_than_were_recorded(refused):
    document, members = whole()
    other = {**members, "000.csv": TABLE[::-1]}
    longer = {**members, "000.csv": TABLE + b"1"}

    assert "… of 000.csv, found" in refused(zipped([("manifest.json", signed(document)), *other.items()]))
    assert f"{len(TABLE)} bytes in 000.csv, found {len(TABLE) + 1}" in refused(
        zipped([("manifest.json", signed(document)), *longer.items()])
    )
    assert "a whole zip file, found Bad CRC-32 for file '000.csv'" in refused(
        patched(zipped([("manifest.json", signed(document)), *members.items()]), "000.csv", crc=1)
    )


# Bombs --------------------------------------------------------------------------------------------------


def peak_of(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_that_says_what_it_is(refused):
    bomb = with_member("002.csv", bytes(40 * MEGABYTES))

    assert "to at most 200 times their size, found 002.csv, a bomb" in refused(bomb)
    assert peak_of(lambda: refused(bomb)) < 4 * MEGABYTES


def test_many_small_bombs(refused):
    # Each is as dull as a member may be.
    content = random.Random(1).randbytes(8_000) + bytes(900_000)
    document, members = whole()
    more = [(f"{number:03}.csv", content) for number in range(2, 80)]
    bomb = zipped([("manifest.json", signed(document)), *members.items(), *more])

    assert "at most 50000000 bytes unpacked, found 7" in refused(bomb)
    assert peak_of(lambda: refused(bomb)) < 4 * MEGABYTES


@pytest.mark.parametrize("said", [0, 1, 1000, MEGABYTES])
def test_a_bomb_that_says_it_is_small_is_unpacked_no_further(refused, said):
    content = bytes(300 * MEGABYTES)
    bomb = patched(with_member("002.csv", content), "002.csv", size=said, crc=zlib.crc32(content[:said]))

    # Its checksum is right for what it says, so that nothing but the manifest gives it away.
    assert "found 002.csv" in refused(bomb)
    assert peak_of(lambda: refused(bomb)) < 6 * MEGABYTES


def test_a_member_that_says_it_is_larger_than_it_is(refused):
    bomb = patched(with_member("002.csv", TABLE), "002.csv", size=900_000)

    assert "found" in refused(bomb)


# The manifest -------------------------------------------------------------------------------------------


def test_a_manifest_that_is_no_json_or_another_document(refused):
    document, _ = whole()

    assert "a manifest in JSON" in refused(with_manifest(b"{"))
    assert "a manifest in JSON" in refused(with_manifest(b"\xff\xfe"))
    assert "a manifest in JSON" in refused(with_manifest(b"[" * 100_000))
    assert "a manifest in JSON" in refused(with_manifest(b'{"format": ' + b"9" * 5000 + b"}"))
    assert "an object as the manifest, found a list" in refused(with_manifest(b"[]"))
    assert "of the kind 'spx-data recording', found 'a zoo'" in refused(
        with_manifest(signed(document | {"kind": "a zoo"}))
    )
    assert "a recording of format 1, found format 2" in refused(
        with_manifest(signed(document | {"format": 2}))
    )
    assert "at most 5000000 bytes" in refused(
        with_manifest(signed(document | {"table": list(range(700_000))}))
    )


def test_a_manifest_that_was_changed(refused):
    document, _ = whole()
    content = signed(document)

    assert "a manifest of SHA-256" in refused(with_manifest(content.replace(b"SPXW", b"SPXX", 1)))
    assert "a manifest that ends in its own digest" in refused(with_manifest(content + b" "))
    assert "a manifest that ends in its own digest" in refused(with_manifest(json.dumps(document).encode()))


DEEP = json.loads("[" * 400 + "]" * 400)
WRONG = [
    *(("", name, None) for name in ("api", "now", "made_by", "settings", "exchanges", "table", "format")),
    ("", "format", True),
    ("", "format", 1.0),
    ("", "format", 10**30),
    ("", "api", "v4"),
    ("", "api", ["v3"]),
    ("", "now", "yesterday"),
    ("", "now", "2024-12-31T12:00:00"),
    ("", "now", "0001-01-01T00:00:00+14:00"),
    ("", "now", 5),
    ("", "made_by", []),
    ("", "settings", "v3"),
    ("", "settings", DEEP),
    ("", "table", {}),
    ("", "exchanges", {}),
    ("", "exchanges", [7]),
    ("", "exchanges", DEEP),
    ("", "fill", []),
    ("", "fill", {}),
    ("", "fill", {"date": "2024-02-30", "roots": [], "max_dte": 0}),
    ("", "fill", {"date": "2024-12-10", "roots": ["../SPX"], "max_dte": 0}),
    ("", "fill", {"date": "2024-12-10", "roots": ["SPX"], "max_dte": -1}),
    ("", "fill", {"date": "2024-12-10", "roots": ["SPX"], "max_dte": True}),
    *(("exchange", name, None) for name in ("request", "status", "headers", "framing", "seconds", "bytes")),
    *(("exchange", name, DEEP) for name in ("request", "status", "headers", "framing", "seconds", "body")),
    ("exchange", "request", "http://elsewhere/v3/x"),
    ("exchange", "request", "//elsewhere/v3/x"),
    ("exchange", "request", "/v3/x\r\nHost: evil"),
    ("exchange", "request", "/v3/a b"),
    ("exchange", "request", "/" + "x" * 9000),
    ("exchange", "status", 100),
    ("exchange", "status", 199),
    ("exchange", "status", 600),
    ("exchange", "status", 200.5),
    ("exchange", "status", "200"),
    ("exchange", "status", True),
    ("exchange", "headers", {"a": "b"}),
    ("exchange", "headers", [["a"]]),
    ("exchange", "headers", [["a", 1]]),
    ("exchange", "headers", ["ab"]),
    ("exchange", "headers", [["a", "b\r\nset-cookie: c"]]),
    ("exchange", "headers", [["a", "b\nc"]]),
    ("exchange", "headers", [["a", "b\0"]]),
    ("exchange", "headers", [["a", "\ud800"]]),
    ("exchange", "headers", [["a: b\r\nc", "d"]]),
    ("exchange", "headers", [["", "d"]]),
    ("exchange", "headers", [["a", "b" * 9000]]),
    ("exchange", "headers", [["a", "b"]] * 65),
    ("exchange", "framing", "gzip"),
    ("exchange", "first_byte_seconds", -1),
    ("exchange", "first_byte_seconds", float("nan")),
    ("exchange", "seconds", float("inf")),
    ("exchange", "seconds", 10**400),
    ("exchange", "bytes", 10**30),
    ("exchange", "bytes", "1"),
    ("exchange", "body", "../000.csv"),
    ("exchange", "body", None),
    ("exchange", "size", 3),
    ("exchange", "size", None),
    ("exchange", "sha256", "0" * 64),
    ("exchange", "sha256", None),
]


@pytest.mark.parametrize(
    ("where", "name", "value"), WRONG, ids=lambda value: str(value)[:20] if isinstance(value, str) else ""
)
def test_what_no_manifest_says(refused, where, name, value):
    document, _ = whole()
    (document["exchanges"][0] if where else document)[name] = value

    refused(with_manifest(signed(document)))


# What nobody thought of ---------------------------------------------------------------------------------


def mutated(content, dice):
    """Return bytes that are not quite *content*."""
    changed = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 2, 8))):
        at = dice.randrange(len(changed))
        end = min(len(changed), at + dice.choice((1, 2, 4, 30)))
        how = dice.randrange(4)
        if how == 0:
            changed[at] ^= 1 << dice.randrange(8)
        elif how == 1:
            del changed[at:end]
        elif how == 2:
            changed[at:at] = dice.choice((b"\xff" * 4, b"\0", bytes(changed[at:end])))
        else:
            changed[at:end] = dice.randbytes(end - at)
    return bytes(changed[: dice.randrange(1, len(changed))] if dice.random() < 0.05 else changed)


@pytest.mark.parametrize("seed", range(4))
def test_every_mutation_is_refused_or_the_same(tmp_path, seed):
    document, members = whole()
    path = packed(tmp_path / "recording.zip", {"manifest.json": signed(document), **members})
    content, found, same = path.read_bytes(), recording.read(path), 0
    dice = random.Random(seed)

    for _ in range(1000):
        path.write_bytes(mutated(content, dice))
        try:
            assert recording.read(path) == found
            same += 1
        except RecordingError as error:
            assert str(error).isprintable()

    # Most of a zip is there to be checked; times, attributes and comments are nobody's business.
    assert 0 < same < 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just("/v3/x?a=b"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50)
@given(place=st.integers(0, 40), value=JSON)
def test_whatever_a_manifest_says_under_a_right_digest_is_refused_or_served(tmp_path_factory, place, value):
    document, members = whole()
    fields = [(document, name) for name in document]
    fields += [(document["exchanges"][0], name) for name in document["exchanges"][0]]
    fields += [(document["exchanges"][0]["headers"][0], index) for index in (0, 1)]
    owner, name = fields[place % len(fields)]
    owner[name] = value
    path = tmp_path_factory.getbasetemp() / "whatever.zip"
    packed(path, {"manifest.json": signed(document), **members})

    try:
        found = recording.read(path)
    except RecordingError as error:
        assert str(error).isprintable()
        return
    with running(Settings(replay=path)) as terminal:
        for each in found.exchanges:
            if each.status:
                answer = requests.get(terminal.url + each.request, timeout=30, allow_redirects=False)
                assert answer.status_code == each.status
