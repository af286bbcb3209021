"""The README's pictures are those of today's pages."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_pictures_show_the_pages_of_today():
    ended = subprocess.run(
        [sys.executable, "-m", "docs.pictures", "--check"], cwd=ROOT, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr  # it says what to do


def test_the_readme_shows_every_picture():
    names = {path.name for path in (ROOT / "docs" / "pictures").glob("*.png")}

    assert names
    assert {
        name for name in names if f"docs/pictures/{name}" not in (ROOT / "README.md").read_text()
    } == set()
