"""What tests of the dashboard share: the lake with every kind of session, and its page."""

import pytest
from tests.report import lakes
from tests.report.elements import Tree

from spx_data.report import dashboard
from spx_data.report import page as pages
from spx_data.report.dashboard.view import View


@pytest.fixture(scope="session")
def every_kind(tmp_path_factory):
    """Return the lake with every kind of session, which no test changes."""
    return lakes.every_kind(tmp_path_factory.mktemp("every-kind"))


@pytest.fixture(scope="session")
def view(every_kind):
    """Return what its dashboard shows."""
    return View.of(every_kind.settings, lakes.MOMENT)


@pytest.fixture(scope="session")
def text(every_kind):
    """Return its dashboard."""
    return pages.html(dashboard.page(every_kind.settings, lakes.MOMENT))


@pytest.fixture(scope="session")
def tree(text):
    """Return its dashboard as elements."""
    return Tree(text).root
