"""Answers kept on disk: a terminal that is started again need not build them again.

One file an answer: a line of JSON, then the body's parts, compressed. LZ4 gives a body back at 5 GB/s of one
core, 3.4 times as large as what is kept of it; zstd keeps half of that and gives it back at a third of the
pace (measured on the chains of a real-size date), and what a benchmark asks of a terminal is pace.

A file is named for everything that determines an answer: the request, the settings that matter, this
package's own code and the libraries it computes with. A torn file is no file: the answer is built again.
"""

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from theta_simulator.answers import Answer, Paged
from theta_simulator.settings import Settings

# How a terminal is reached and how it behaves; every other setting is part of what it answers.
_CONDUCT = {
    "port", "outstanding", "queue", "latency_ms", "page_expire_ms", "request_log", "status", "faults",
    "cache_mb", "cache", "planted", "replay", "tier", "refuses",
}  # fmt: skip
_LIBRARIES = ("numpy", "pandas-market-calendars", "polars", "scipy")
_CODEC = pa.Codec("lz4")

Build = Callable[[str, dict[str, str]], Answer | Paged]


def without_conduct(settings: Settings) -> Settings:
    """Return *settings* of a terminal that answers alike, and is usual otherwise."""
    usual: dict[str, Any] = {each.name: each.default for each in fields(Settings) if each.name in _CONDUCT}
    return replace(settings, **usual)


class AnswerStore:
    """The answers of one terminal in one folder; other terminals may share it, at the same time too."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder / _code()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._settings = settings

    def get(self, path: str, query: dict[str, str], build: Build) -> Answer | Paged:
        """Return the answer kept for a request; *build* makes it where there is none."""
        file = self.file(path, query)
        with suppress(FileNotFoundError):
            if kept := _unpacked(file.read_bytes()):
                return kept
        answer = build(path, query)
        _write(file, _packed(answer))
        return answer

    def file(self, path: str, query: Mapping[str, str]) -> Path:
        """Return where the answer to a request is kept."""
        chosen = {name: value for name, value in asdict(self._settings).items() if name not in _CONDUCT}
        chosen["today"] = self._settings.trading_today()
        asked = json.dumps([chosen, path, sorted(query.items())], sort_keys=True, default=str)
        return self._folder / f"{_sha256(asked.encode())}.answer"


def _packed(answer: Answer | Paged) -> list[bytes]:
    """Return the pieces of an answer's file."""
    about = {
        name: value
        for name, value in vars(answer).items()
        if name not in ("body", "pages", "fault", "framing")
    }
    parts = answer.pages if isinstance(answer, Paged) else answer.body
    packed = [_CODEC.compress(part, asbytes=True) for part in parts]
    head = {
        "paged": isinstance(answer, Paged),
        "about": about,
        "parts": [(len(part), len(kept), zlib.crc32(kept)) for part, kept in zip(parts, packed, strict=True)],
    }
    return [json.dumps(head).encode() + b"\n", *packed]


def _unpacked(content: bytes) -> Answer | Paged | None:
    """Return the answer in a file's *content*; None where it is torn."""
    end = content.find(b"\n") + 1
    try:
        head: dict[str, Any] = json.loads(content[:end])
    except ValueError:
        return None
    parts, rest = [], memoryview(content)[end:]
    for size, kept, checksum in head["parts"]:
        piece, rest = rest[:kept], rest[kept:]
        if zlib.crc32(piece) != checksum:
            return None
        parts.append(_CODEC.decompress(pa.py_buffer(piece), size, asbytes=True))
    about: dict[str, Any] = head["about"]
    if head["paged"]:
        fields = about.pop("fields")
        return Paged(**about, fields=fields and tuple(fields), pages=tuple(parts))
    headers = tuple((name, value) for name, value in about.pop("headers"))
    return Answer(**about, headers=headers, body=tuple(parts))


def _write(file: Path, pieces: list[bytes]) -> None:
    """Write a file that a reader sees whole or not at all."""
    number, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(number, "wb") as stream:
            stream.writelines(pieces)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@cache
def _code() -> str:
    """Return what tells this simulator from one that may answer otherwise."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    contents = [_sha256(source.read_bytes()) for source in sources]
    known = [
        *(source.name for source in sources),
        *contents,
        *(f"{lib} {version(lib)}" for lib in _LIBRARIES),
    ]
    return _sha256("\n".join(known).encode())[:16]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
