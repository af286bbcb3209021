"""What tests of days that are asked for again share."""

import contextlib

import pytest
from tests.restating import restating


@pytest.fixture
def source(terminals):
    """Return a maker of sources of an API whose answers can be edited."""
    with contextlib.ExitStack() as stack:
        yield lambda api="v3": stack.enter_context(restating(terminals[api].url))
