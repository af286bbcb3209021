"""Recordings of a terminal, made by hand: what a probe would have kept, or what nobody should believe."""

import hashlib
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NOW = "2024-12-31T12:00:00-05:00"
_BLANK = "0" * 64


def exchange(request: str, body: bytes | None = b"", **fields: Any) -> dict[str, Any]:
    """Return an exchange as the manifest has it, but with its body's bytes; None: no answer came."""
    return {
        "request": request,
        "status": 0 if body is None else 200,
        "headers": [["content-type", "text/csv"]],
        "framing": "length",
        "first_byte_seconds": 0.25,
        "seconds": 1.5,
        "bytes": 10 * len(body or b""),
        "body": body,
    } | fields


def manifest(members: dict[str, bytes], exchanges: Iterable[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """Return a manifest of *exchanges*, whose bodies are put into *members*."""
    listed = []
    for each in exchanges:
        name, body = None, each["body"]
        if isinstance(body, bytes):
            name = f"{len(members):03}.csv"
            members[name] = body
        told = {"body": name, "sha256": hashlib.sha256(body or b"").hexdigest(), "size": len(body or b"")}
        listed.append({**each, **told})
    return {
        "format": 1,
        "kind": "spx-data recording",
        "api": "v3",
        "now": NOW,
        "made_by": {"spx-data": "0.1.0"},
        "settings": {"roots": ["SPXW"]},
        "fill": {"date": "2024-12-10", "roots": ["SPXW"], "max_dte": 0},
        "exchanges": listed,
        "table": [],
    } | fields


def signed(document: dict[str, Any]) -> bytes:
    """Return a manifest with its own digest at its end."""
    blank = (json.dumps({**document, "document_sha256": _BLANK}, indent=1) + "\n").encode()
    digest = hashlib.sha256(blank).hexdigest()
    return blank[: blank.rindex(_BLANK.encode())] + digest.encode() + b'"\n}\n'


def packed(path: Path, members: dict[str, bytes]) -> Path:
    """Write a zip of *members*."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def recorded(path: Path, exchanges: Iterable[dict[str, Any]], **fields: Any) -> Path:
    """Write a whole recording of *exchanges*; *fields* are the manifest's own."""
    members: dict[str, bytes] = {}
    document = signed(manifest(members, exchanges, **fields))
    return packed(path, {"manifest.json": document, **members})
