"""What tests of publishing to real servers share: the servers, a proxy that spoils, a lake of sealed days."""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.objects import servers
from tests.objects.place import Place
from tests.objects.proxy import between
from tests.rules.conftest import day, filled

from spx_data.lake.reader import mirror
from spx_data.sources import objects

__all__ = ["day", "filled"]

WANTED = "SPX_DATA_OBJECTS"  # set by `make test-objects`: the environment that has the servers
DAYS = [dt.date(2024, 1, 31), dt.date(2024, 2, 1)]
# As many tries as users have, closer together.
_AT_ONCE = {
    "init_backoff": dt.timedelta(milliseconds=5),
    "max_backoff": dt.timedelta(milliseconds=20),
    "base": 2,
}
_folders = itertools.count()


@pytest.fixture(scope="session", params=servers.KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Server]:
    """A server at work."""
    if WANTED not in os.environ:
        pytest.skip("servers of object storage are started by `make test-objects` alone")
    programs = Path(os.environ[WANTED])
    if why := servers.why_not(programs, request.param):
        pytest.fail(f"OBJECTS: NOT TESTED, {why}")
    with servers.running(programs, request.param, tmp_path_factory.mktemp(request.param)) as at_work:
        yield at_work


@pytest.fixture
def there(server: servers.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """A folder of the bucket that is the test's alone; the environment leads to it by a proxy."""
    monkeypatch.setitem(objects._RETRIES, "backoff", _AT_ONCE)
    monkeypatch.setenv(mirror.CACHE, str(tmp_path / "mirrors"))
    with between(server.url) as proxy:
        for name, value in {
            "AWS_ENDPOINT_URL": proxy.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": servers.USER,
            "AWS_SECRET_ACCESS_KEY": servers.SECRET,
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield Place(server, proxy, f"lake-{next(_folders)}")


@pytest.fixture
def lake(filled):
    """The settings of a lake with two sealed days."""
    return filled("lake-to-publish", DAYS)[0].settings
