"""Terminals that several tests share, and the genuine payloads they are held against."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from theta_simulator import Settings, Terminal, running

_SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "thetadata" / "samples"
TODAY = date(2024, 12, 31)


@pytest.fixture(scope="session")
def samples() -> Path:
    """Return the folder of genuine payloads, which is not part of this repository."""
    if not _SAMPLES.is_dir():
        pytest.skip("genuine payloads not found beside the repository")
    return _SAMPLES


@pytest.fixture(scope="session")
def v3() -> Iterator[Terminal]:
    """Return a small v3 terminal spelling like the live one."""
    with running(Settings(size="tiny", today=TODAY)) as terminal:
        yield terminal


@pytest.fixture(scope="session")
def docs() -> Iterator[Terminal]:
    """Return a small v3 terminal spelling like the documentation."""
    with running(Settings(size="tiny", today=TODAY, style="docs")) as terminal:
        yield terminal


@pytest.fixture(scope="session")
def v2() -> Iterator[Terminal]:
    """Return a small v2 terminal with small pages."""
    with running(Settings(api="v2", size="tiny", today=TODAY, page_size=1000)) as terminal:
        yield terminal


@pytest.fixture(scope="session")
def without():
    """Return the answers of a terminal without habits, by wire version."""
    # Imported here: pytest loads this file before it has prepared the assertions of test modules.
    from tests.unit.simulator.test_habits import survey, with_habits

    found = {}
    for api in ("v3", "v2"):
        with with_habits(api) as terminal:
            found[api] = survey(api, terminal)
    assert all(status == 200 for answers in found.values() for status, _, _ in answers.values())
    return found
