"""A zip of plain files from a stranger, read in memory and never written to a disk.

What it promises is checked before anything is unpacked, and what is unpacked never exceeds what was promised.
"""

import io
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path

MANIFEST = "manifest.json"
MOST_BYTES = 2 << 20  # of the file
MOST_UNPACKED = 50_000_000  # bytes of all members
MOST_MEMBERS = 1000
MOST_RATIO = 200  # times what it takes packed, where a member is large: no table is so dull

_LARGE = 1 << 20
_BODY = re.compile(r"[0-9]{3}\.(csv|json|ndjson|txt|bin)")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags of an entry: its content, strongly, and the directory itself
_FOLDER = 0x10  # of the attributes that DOS knows
# What zipfile says of bytes that are no zip, or not the one that they promise.
_TROUBLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,  # NotImplementedError is one
    ValueError,
)


class Unfit(Exception):
    """What was expected of a recording, and what was found."""

    def __init__(self, expected: str, found: object) -> None:
        said = str(found)
        super().__init__(f"expected {expected}, found {said if len(said) <= 200 else said[:200] + '…'}")


def members(path: Path) -> dict[str, bytes]:
    """Return the files in the zip at *path* by their names; raise `Unfit` where it is not to be trusted."""
    content = _content(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check(entries)
            return {entry.filename: _unpacked(archive, entry) for entry in entries}
    except _TROUBLE as error:
        raise Unfit("a whole zip file", str(error) or type(error).__name__) from error


def _content(path: Path) -> bytes:
    """Return the bytes of a file, which must be one, and small."""
    if path.exists() and not path.is_file():
        raise Unfit("a file", "something else")  # whoever opens a pipe waits for its writer
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unfit("a file that can be read", error.strerror) from error
    if len(content) > MOST_BYTES:
        raise Unfit(f"at most {MOST_BYTES} bytes", "more")
    return content


def _check(entries: list[zipfile.ZipInfo]) -> None:
    """Raise `Unfit` unless every entry is a plain file of a known name and all of them are of a sane size."""
    if len(entries) > MOST_MEMBERS:
        raise Unfit(f"at most {MOST_MEMBERS} members", len(entries))
    # The names before zipfile has made them harmless.
    names = [entry.orig_filename for entry in entries]
    if strange := [name for name in names if name != MANIFEST and not _BODY.fullmatch(name)]:
        raise Unfit(f"members named {MANIFEST} or like 003.csv", ascii(strange[0]))
    if len(set(names)) < len(names):
        raise Unfit("each member once", f"{max(names, key=names.count)} more than once")
    if MANIFEST not in names:
        raise Unfit(f"a member {MANIFEST}", f"{len(names)} others")
    for entry in entries:
        _check_entry(entry)
    if (unpacked := sum(entry.file_size for entry in entries)) > MOST_UNPACKED:
        raise Unfit(f"at most {MOST_UNPACKED} bytes unpacked", unpacked)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Raise `Unfit` unless an entry is a plain file that was packed in an ordinary way."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or entry.external_attr & _FOLDER:
        raise Unfit("plain files", f"{entry.filename}, which is a link, a folder or a device")
    if entry.flag_bits & _ENCRYPTED:
        raise Unfit("plain files", f"{entry.filename}, which is encrypted")
    if entry.compress_type not in _METHODS:
        raise Unfit("members stored or deflated", f"{entry.filename}, packed by method {entry.compress_type}")
    if entry.file_size > max(_LARGE, MOST_RATIO * entry.compress_size):
        expected = f"members that unpack to at most {MOST_RATIO} times their size"
        raise Unfit(expected, f"{entry.filename}, a bomb of {entry.file_size} bytes")


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return the bytes of an entry, never more than it promises, whatever is packed."""
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size)
        stream.read(1)  # at the end only is the checksum compared
    if len(content) != entry.file_size:
        raise Unfit(f"{entry.file_size} bytes in {entry.filename}", len(content))
    return content
