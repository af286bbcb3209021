"""Take the README's pictures: `make pictures`, or `python -m docs.pictures`.

The pages are those of lakes that are filled for it (`docs.pictured`), in the browser that tests them. Each
picture says inside of what its pages were made, so that a test can tell when it has become an old one
(`python -m docs.pictures --check`).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docs import pictured
from PIL import Image, PngImagePlugin

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = pictured.ROOT / "docs" / "pictures"
ROOM = pictured.ROOT / "scripts" / "spx_data" / "report"
_DIGEST = "report-room-sha256"  # what a picture says of the files that made its page
_SCALE = 2  # pixels of a picture to one of the page, for screens that show so many
_CURE = "make pictures takes them anew"


@dataclass(frozen=True)
class Shot:
    """What a picture shows: a page in a window, scrolled to a section, perhaps with the pointer somewhere."""

    page: str  # months or day, as in `docs.pictured`
    section: str
    width: int
    height: int
    pointed: str | None = None


SHOTS = {
    "dashboard": Shot("months", "calendar", 1100, 680, f'button.day[data-date="{pictured.FAILED}"]'),
    "volatility": Shot("day", "volatility", 1100, 1085),
    "phone": Shot("months", "calendar", 390, 844),
}
THEMES = ("light", "dark")


def names() -> list[str]:
    """The file of every picture."""
    return [f"{name}-{theme}.png" for name in SHOTS for theme in THEMES]


def digest() -> str:
    """SHA-256 of all that the pages are made of: the files of their room, and their names."""
    found = hashlib.sha256()
    for path in sorted(ROOM.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name = path.relative_to(ROOM).as_posix()
            found.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def outdated() -> list[str]:
    """What is wrong with the pictures that are there; nothing where they are today's."""
    today = digest()
    missing = [f"{name} is missing" for name in names() if not (FOLDER / name).exists()]
    present = [FOLDER / name for name in names() if (FOLDER / name).exists()]
    return missing + [
        f"{path.name} shows other pages than those of today" for path in present if _digest_in(path) != today
    ]


def take() -> None:
    """Fill the lakes, and write every picture."""
    from tests.browser import chromium

    try:
        chromium.find()
    except chromium.NoBrowserError as error:
        raise SystemExit(str(error)) from None
    made_of = digest()
    with tempfile.TemporaryDirectory(prefix="spx-data-pictures-") as folder:
        pages = {
            "months": pictured.months(Path(folder) / "months"),
            "day": pictured.day(Path(folder) / "day"),
        }
        _photograph(pages, made_of)


def _photograph(pages: dict[str, Path], made_of: str) -> None:
    from tests.browser import chromium

    FOLDER.mkdir(exist_ok=True)
    with chromium.started() as browser:
        for name, shot in SHOTS.items():
            for theme in THEMES:
                content = _taken(browser, shot, pages[shot.page], theme)
                path = FOLDER / f"{name}-{theme}.png"
                _save(content, path, made_of)
                print(f"{path.relative_to(pictured.ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def _taken(browser: Browser, shot: Shot, page: Path, theme: str) -> bytes:
    """The PNG of what *shot* shows of *page*, with every chart drawn."""
    from tests.browser.shown import Shown

    size = {"width": shot.width, "height": shot.height, "device_scale_factor": _SCALE}
    with Shown.of(browser, page, theme=theme, **size) as shown:
        shown.draw()
        shown.page.evaluate("name => document.getElementById(name).scrollIntoView()", shot.section)
        if shot.pointed:
            shown.page.locator(shot.pointed).hover()
        return shown.page.screenshot()


def _save(content: bytes, path: Path, made_of: str) -> None:
    """Write the PNG *content* to *path* in 256 colours, which do for pages, with what that was *made_of*."""
    told = PngImagePlugin.PngInfo()
    told.add_text(_DIGEST, made_of)
    with Image.open(io.BytesIO(content)) as picture:
        # Coverage first: the colour of a thin line is to be its own, however few pixels it has.
        few = picture.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
        )
        few.save(path, optimize=True, pnginfo=told)


def _digest_in(path: Path) -> str | None:
    """What the picture at *path* says that its page was made of."""
    with Image.open(path) as picture:
        return picture.info.get(_DIGEST)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take the README's pictures.")
    parser.add_argument("--check", action="store_true", help="only say whether they are those of today")
    if not parser.parse_args().check:
        take()
    elif found := outdated():
        raise SystemExit(f"{'; '.join(found)}: {_CURE}")
