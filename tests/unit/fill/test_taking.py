"""An answer about a chain, on its way to a checkpoint."""

import datetime as dt

import pyarrow as pa
import pytest
from tests import schemas

from spx_data.fill.rejects import Believed
from spx_data.fill.taking import Tries
from spx_data.market.chains import Chain, ListedChain
from spx_data.store import staging

DATE = dt.date(2024, 1, 18)
ENTRY = ListedChain(Chain("SPXW", DATE, DATE, DATE), calls=(4700.0,), puts=())


class Source:
    """Gives one batch, and knows whether its answer is over."""

    def __init__(self, batch):
        self.batch, self.is_over = batch, False

    def history(self, *_, **__):
        try:
            yield self.batch
        finally:
            self.is_over = True


@pytest.mark.parametrize("doubts", [True, False])
def test_where_writing_fails_the_answer_is_over_though_the_error_is_kept(doubts, lake, monkeypatch):
    def full(_, batches):
        next(iter(batches))
        raise OSError("no space left")

    settings = lake()
    source = Source(pa.RecordBatch.from_pylist([], schema=schemas.RECORD))
    monkeypatch.setattr(staging, "write_records", full)
    tries = Tries(settings, source, ENTRY, Believed())
    if not doubts:
        tries.doubt = None

    with pytest.raises(OSError) as kept:
        tries.once()

    assert source.is_over
    assert kept.tb
