"""One date of one lake, stage by stage, without Snakemake."""

import datetime as dt
import json
import shutil

import pytest
from tests import object_store
from tests.passports import unfolded
from tests.restating import restating

from spx_data.fill.download import download_expirations
from spx_data.fill.merge import merge_date
from spx_data.fill.survey import fetch_expirations
from spx_data.lake import session_states
from spx_data.market import products, sessions
from spx_data.sources import objects
from spx_data.store import journal

DAY = dt.date(2024, 1, 2)


class Date:
    """One date of one lake, stage by stage."""

    def __init__(self, settings, date=DAY):
        self.settings, self.date, self.layout = settings, date, settings.layout

    def fetch(self):
        fetch_expirations(self.settings, self.date, self.layout.listing(self.date))

    def download(self):
        listing, manifest = self.layout.listing(self.date), self.layout.manifest(self.date)
        download_expirations(self.settings, self.date, listing, manifest, session=self.session)

    @property
    def session(self):
        (session,) = sessions.between(self.settings.calendar, self.date, self.date) or (None,)
        return session

    def merge(self, cores=1):
        manifest, parquet = self.layout.manifest(self.date), self.layout.parquet(self.date)
        merge_date(self.settings, self.date, manifest, parquet, session=self.session, cores=cores)

    def fill(self):
        self.fetch()
        self.download()
        self.merge()

    def events(self, *names):
        found = journal.read(self.layout.journal(self.date))
        return [event for event in found if event["event"] in names] if names else found

    def passport(self):
        return unfolded(json.loads(self.layout.passport(self.date).read_text()))

    def listing(self):
        return json.loads(self.layout.listing(self.date).read_text())

    def checkpoint(self, number=0):
        chain = self.listing()["chains"][number]
        return self.layout.checkpoint(self.date, chain["root"], dt.date.fromisoformat(chain["expiration"]))

    def state(self):
        evidence = session_states.gather(self.layout, self.date)
        return session_states.state(
            evidence, None, dt.datetime.now(dt.UTC), self.settings.patience, products.DEFAULT
        )


@pytest.fixture
def day(lake):
    """Return a maker of dates of a lake that begins with the first of them: each session more takes time."""

    def make(terminal, date=DAY, **keys):
        url = terminal if isinstance(terminal, str) else terminal.url
        usual = {"keep_ndjson": True, "start_date": min(date, DAY).isoformat()}
        return Date(lake(url, **(usual | keys)), date)

    return make


@pytest.fixture
def source(terminals):
    """Return a source whose answers can be edited."""
    with restating(terminals["v3"].url) as restater:
        yield restater


@pytest.fixture
def storage(monkeypatch):
    """Return a storage that speaks S3, whose address and credentials are in the environment."""
    monkeypatch.setitem(objects._RETRIES, "max_retries", 2)
    with object_store.running() as (there, url):
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "hush",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield there


@pytest.fixture(params=["file", "s3"])
def place(request, tmp_path):
    """Return where to, as a URL, and what gives the objects that are there by their keys."""
    if request.param == "file":
        folder = tmp_path / "bucket" / "spx"
        folder.mkdir(parents=True)

        def found():
            return {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file()
            }

        return folder.as_uri(), found
    there = request.getfixturevalue("storage")
    return "s3://bucket/spx", lambda: {
        key.removeprefix("spx/"): content for key, content in there.objects.items()
    }


@pytest.fixture
def filled(day, terminals, tmp_path, tmp_path_factory):
    """Return a maker of sealed dates: their lake is filled once under its name, and copied for each test."""

    def filled(name, days):
        dates = [day(terminals["v3"], date, interval="1h", keep_ndjson=False) for date in days]
        kept = tmp_path_factory.getbasetemp() / name
        if kept.exists():
            shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
        else:
            for date in dates:
                date.fill()
            shutil.copytree(tmp_path, kept)
        return dates

    return filled


@pytest.fixture
def sealed_date(day, tmp_path, tmp_path_factory):
    """Return a maker of a sealed date in an empty lake: filled once under a *name*, and then copied.

    A name stands for what the terminal answers meanwhile: which address that has then makes no other day.
    """

    def sealed_date(name, terminal, date=DAY, **keys):
        found = day(terminal, date, **keys)
        called = "-".join(["sealed", name, str(date), *(f"{key}={value}" for key, value in keys.items())])
        kept, folders = tmp_path_factory.getbasetemp() / called, ("parquet", "temp", "data")
        assert not any((tmp_path / each).exists() for each in folders)
        if kept.exists():
            shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
        else:
            found.fill()
            for each in folders:
                shutil.copytree(tmp_path / each, kept / each)
        return found

    return sealed_date
