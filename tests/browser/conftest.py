"""A browser for each module of tests, and the pages that it opens, made once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.browser import chromium, made
from tests.browser.shown import Shown
from tests.report import lakes

from spx_data.store import locks

_HERE = Path(__file__).parent
_INSTALLING_SECONDS = 600  # a step; two hundred megabytes from a mirror that may be slow


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder the time that installing a browser may take, once."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(3 * _INSTALLING_SECONDS))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all workers of this session have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


# Browsers -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_installed(shared: Path) -> None:
    """See to it that there is a browser, or skip: one worker installs it, and the others wait."""
    failed = shared / "no-browser.txt"
    with locks.locked(shared / "browser.lock"):
        if failed.exists():
            pytest.skip(failed.read_text())
        try:
            chromium.find_or_install(_INSTALLING_SECONDS)
        except chromium.NoBrowserError as error:
            failed.write_text(str(error))
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def browser(browser_installed: None) -> Iterator[Browser]:
    """Return a browser for the tests of a module.

    Not of the session: playwright keeps an event loop running in the thread for as long as it lives, and
    tests elsewhere that run one of their own would find it.
    """
    with chromium.started() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Shown]]:
    """Return an opener of pages, each in a window of its own that is closed after the test."""
    with ExitStack() as stack:
        yield lambda *words, **options: stack.enter_context(Shown.of(browser, *words, **options))


# Pages --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def lake(shared: Path) -> lakes.Lake:
    """Return a lake with every kind of session, and with its dashboard."""
    folder = shared / "every-kind"
    _once(folder, lambda: made.dashboard_of(lakes.every_kind(folder)))
    return lakes.Lake(folder, made.settings_of(folder))


@pytest.fixture(scope="session")
def dashboard(lake: lakes.Lake) -> Path:
    """Return the dashboard of the lake with every kind of session."""
    return lake.settings.layout.dashboard


@pytest.fixture(scope="session")
def day(shared: Path) -> Path:
    """Return the page of a day that was fetched from the simulated terminal and sealed."""
    folder = shared / "one-day"
    _once(folder, lambda: made.day_page(folder))
    return made.settings_of(folder).layout.day_page(made.DAY)


def _once(folder: Path, make: Callable[[], object]) -> None:
    """Let the first worker that comes make what is in *folder*, and the others wait."""
    done = folder.with_name(f"{folder.name}.made")
    with locks.locked(folder.with_name(f"{folder.name}.lock")):
        if not done.exists():
            make()
            done.touch()
