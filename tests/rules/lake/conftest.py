"""A lake that was really filled, for whatever reads lakes."""

import datetime as dt

import pytest

DAYS = [dt.date(2024, 1, 31), dt.date(2024, 2, 1), dt.date(2024, 2, 2)]


@pytest.fixture
def sealed(filled):
    """Return the layout of a lake with three sealed days."""
    return filled("lake-to-read", DAYS)[0].layout
