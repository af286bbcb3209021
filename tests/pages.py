"""The texts that people type from, what they show in blocks of code, and the site that they are part of."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "docs" / "tutorial.md", *HOW_TO]
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, str]]:
    """The blocks of code of a page's *text*: language and content, without what a list sets it in by."""
    return [
        (language, re.sub(f"^{space}", "", code, flags=re.M))
        for space, language, code in _BLOCK.findall(text)
    ]


def pasted(*pages: Path) -> list[str]:
    """The lines that *pages* have people paste into a shell."""
    found = [block for page in pages for block in blocks(page.read_text())]
    return [line for language, code in found if language == "sh" for line in code.splitlines()]


def spans(page: Path) -> list[str]:
    """The code within the sentences of a *page*."""
    return re.findall(r"`([^`\n]+)`", _BLOCK.sub("", page.read_text()))


def section(page: Path, heading: str) -> str:
    """The text of a *page* below a *heading* of the second level."""
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S)
    return found


def site(folder: Path) -> str:
    """Build the site into *folder* as `make docs` does; returns what the build said."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return built.stderr
