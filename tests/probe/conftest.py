"""What tests of probes share."""

import pytest


@pytest.fixture(autouse=True)
def same_calendar(calendar_loaded_once):
    """Load the exchange calendar once for all of them."""
