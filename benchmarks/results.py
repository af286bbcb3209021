"""The file of results: a section for each benchmark, which keeps its own and leaves the others."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path


def keep(file: Path, title: str, call: str, text: str) -> None:
    """Put *text* under *title* in *file*, in place of what stood there; *call* says how it was made."""
    head = f"# {title}\n\nMade with {call}, on {dt.date.today()}.\n\n"  # noqa: DTZ011
    before = file.read_text() if file.exists() else ""
    sections = [f"# {section}" for section in f"\n{before}".split("\n# ") if section.strip()]
    others = [section.strip() for section in sections if not section.startswith(f"# {title}\n")]
    place = [section.startswith(f"# {title}\n") for section in sections]
    others.insert(place.index(True) if True in place else len(others), (head + text).strip())
    file.write_text("\n\n".join(others) + "\n")


def machine(*packages: str) -> str:
    """Where it was measured, and with which versions of *packages*."""
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in packages)])
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{system}, load {os.getloadavg()[0]:.1f} at the end; {versions}."
