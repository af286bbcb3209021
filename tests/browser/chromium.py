"""The Chromium of this machine: found, installed where tests may install it, and started.

Never playwright's own download: what runs is the browser that the machine's packages keep current. It stands
with the tests because only they may install anything; `docs/pictures.py` takes the finding and the starting
from here, so that pictures are drawn by the very browser that tested the pages.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from tests import debian

VARIABLE = "CHROME_BIN"
CURE = (
    f"install Chromium (Debian: apt-get install chromium) or Google Chrome (a Mac: google.com/chrome), "
    f"or name one with {VARIABLE}=/path/to/it"
)
APPLICATIONS = (Path("/Applications"), Path.home() / "Applications")  # of a Mac
_COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC = ("Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium")


_STARTING_MS = 180_000


class NoBrowserError(Exception):
    """There is no browser; the text says what was tried, and how to get one."""


def find() -> Path:
    """Where the browser is: the one that a person named, one of the path, or an application of a Mac.

    Raises:
        NoBrowserError: there is none.
    """
    if named := os.environ.get(VARIABLE):
        if found := shutil.which(named):
            return Path(found)
        raise NoBrowserError(f"{VARIABLE} names {named}, which is no program; {CURE}")
    applications = [folder / name for folder in APPLICATIONS for name in _MAC]
    for candidate in (*_COMMANDS, *map(str, applications)):
        if found := shutil.which(candidate):
            return Path(found)
    tried = f"{', '.join(_COMMANDS)} on the path, Chrome and Chromium in {APPLICATIONS[0]}"
    raise NoBrowserError(f"there is no browser (looked for {tried}); {CURE}")


def find_or_install(seconds: float) -> Path:
    """Where the browser is; root of a Debian installs one that is missing, unless somebody named it.

    Raises:
        NoBrowserError: there is none, and it could not be installed within *seconds* a step.
    """
    try:
        return find()
    except NoBrowserError:
        if VARIABLE in os.environ or not debian.may_install():
            raise
    try:
        debian.install("chromium", seconds)
    except debian.NotInstalledError as error:
        raise NoBrowserError(f"{error}; {CURE}") from None
    return find()


@contextmanager
def started() -> Iterator[Browser]:
    """A running browser without a window, closed at the end of the block.

    Raises:
        NoBrowserError: there is none.
    """
    program = find()
    # Chromium refuses to run in its sandbox as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments, timeout=_STARTING_MS)
        try:
            yield browser
        finally:
            browser.close()
