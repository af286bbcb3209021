"""What all tests of probes share: the prober, and the work that each of them would do again."""

import contextlib
import datetime as dt

import pytest

from spx_data.lake import calendar
from spx_data.ops import probe
from spx_data.ops.probe import findings, probing
from spx_data.store import files

START = "2018-01-02"


@pytest.fixture(scope="session")
def has_calendar():
    """Return what gives a lake its copy of the calendar, which is worked out once for each of its starts."""
    copies = {}

    def give(settings, moment):
        path = settings.layout.calendar(settings.calendar)
        key = path.name, settings.start_date
        if key not in copies:
            calendar.wanted(settings, moment.astimezone(dt.UTC))
            copies[key] = path.read_text()
        files.write_text(path, copies[key])

    return give


@pytest.fixture
def probed(lake, at, has_calendar, monkeypatch):
    """Return a prober of terminals: what was found, and what was heard.

    Of a table it looks at the rows of *assumptions* alone: each look takes its time.
    """

    @contextlib.contextmanager
    def probe_(terminal, *, full=False, start=START, assumptions=probe.ASSUMPTIONS, **keys):
        settings = lake(terminal.url, start_date=start, **keys)
        moment = at(2024, 12, 31, 12, 0)
        has_calendar(settings, moment)
        monkeypatch.setattr(probe, "findings", lambda story: findings(story, assumptions))
        with probing(settings, moment, full=full) as found:
            yield found

    return probe_
