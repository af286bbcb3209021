"""What the tests on a cluster share: a real Slurm of one node, and lakes."""

import os
from collections.abc import Iterator

import pytest
from tests.slurm import cluster
from tests.workflow.conftest import filled_lake, new_lake, v3

__all__ = ["filled_lake", "new_lake", "v3"]

# The environment, by `make test-slurm`: servers of the system are nobody's to start by the way.
WANTED = "SPX_DATA_SLURM"


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    """A cluster at work."""
    if WANTED not in os.environ:
        pytest.skip("a cluster is started by `make test-slurm` alone")
    if why := cluster.why_not():
        pytest.skip(f"SLURM: NOT TESTED, {why}")
    with cluster.running(tmp_path_factory.mktemp("slurm")) as at_work:
        yield at_work
