"""A lake that was really filled, for whatever reads lakes."""

import datetime as dt
import shutil

import pytest

DAYS = [dt.date(2024, 1, 31), dt.date(2024, 2, 1), dt.date(2024, 2, 2)]


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
def sealed(filled):
    """Return the layout of a lake with three sealed days."""
    return filled("lake-to-read", DAYS)[0].layout
