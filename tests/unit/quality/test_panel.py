"""A chain as a panel: every record in its cell, whatever is missing around it."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from tests import schemas

from spx_data.market import products, schema
from spx_data.market.chains import midnight_ms
from spx_data.quality.checks import Check, Part
from spx_data.quality.panel import CALL, PUT, Panel, clock

DATE, EXPIRATION = dt.date(2024, 1, 2), dt.date(2024, 1, 19)
OPEN = midnight_ms(DATE) + 34_200_000
CHECK = Check("crossed", Part.QUOTES, "quotes", "bid above ask", "arithmetic")


def record(strike, right, minute, second=0, **values):
    row = dict.fromkeys(schemas.MEASURES, 0.0) | {
        "strike": strike,
        "right": right,
        "timestamp": OPEN + 60_000 * minute + 1000 * second,
        "bid": 1.0,
        "ask": 1.5,
        "underlying_timestamp": OPEN + 60_000 * minute,
        "underlying_price": 4700.0,
    }
    return row | values


def panel(*rows, step_ms=60_000):
    frame = pl.DataFrame(list(rows), schema=schemas.POLARS).sort(schema.RECORD_KEY)
    return Panel(products.DEFAULT, "SPXW", EXPIRATION, DATE, frame, step_ms)


def test_every_record_stands_in_its_cell():
    found = panel(record(4700, "P", 1, bid=3.0), record(4650, "C", 0, bid=7.0), record(4700, "C", 2, bid=5.0))

    assert found.shape == (2, 2, 3)
    assert found.grid("bid")[CALL].tolist()[0][0] == 7.0
    assert found.grid("bid")[CALL, 1, 2] == 5.0
    assert found.grid("bid")[PUT, 1, 1] == 3.0


def test_a_cell_without_a_record_is_no_number_and_not_there():
    found = panel(record(4700, "C", 0), record(4700, "C", 2))

    assert found.there[CALL, 0].tolist() == [True, False, True]
    assert np.isnan(found.grid("bid")[CALL, 0, 1])
    assert not found.there[PUT].any()


def test_a_grid_is_made_once_and_cannot_be_written_to():
    found = panel(record(4700, "C", 0))

    assert found.grid("bid") is found.grid("bid")
    with pytest.raises(ValueError, match="read-only"):
        found.grid("bid")[0, 0, 0] = 1.0


def test_an_underlying_of_zero_is_none_and_does_not_hide_another_of_the_same_stamp():
    found = panel(
        record(4650, "C", 0, underlying_price=0.0),
        record(4700, "C", 1, underlying_price=4701.0),
        record(4700, "P", 1, underlying_price=0.0),
    )

    assert np.isnan(found.underlying[0])
    assert found.underlying[1] == 4701.0


def test_a_finer_interval_is_judged_by_its_whole_minutes():
    found = panel(*(record(4700, "C", 0, second) for second in range(0, 181, 15)), step_ms=15_000)

    assert [clock(int(stamp)) for stamp in found.stamps] == ["09:30", "09:31", "09:32", "09:33"]
    assert found.there[CALL].all()


def test_a_coarser_interval_has_its_own_stamps():
    found = panel(record(4700, "C", 0), record(4700, "C", 30), record(4700, "C", 60), step_ms=1_800_000)

    assert [found.clock(place) for place in range(3)] == ["09:30", "10:00", "10:30"]


def test_only_a_bid_and_an_ask_not_below_it_make_a_two_sided_quote():
    found = panel(
        record(4650, "C", 0, bid=0.0),
        record(4700, "C", 0, bid=2.0, ask=1.0),
        record(4750, "C", 0, bid=1.0, ask=1.0),
    )

    assert found.two_sided[CALL, :, 0].tolist() == [False, False, True]
    assert found.mid[CALL, 2, 0] == 1.0


def test_a_count_names_the_earliest_hit_and_tells_when_each_was():
    found = panel(record(4650, "C", 1, bid=9.0), record(4700, "C", 0), record(4700, "P", 2, bid=9.0))

    count = found.count(CHECK, found.grid("bid") > found.grid("ask"), found.there)

    assert (count.hits, count.of, count.first) == (2, 3, "C 4650 at 09:31")
    assert count.by_stamp.tolist() == [0, 1, 1]
    assert count.stamps.tolist() == found.stamps.tolist()


def test_a_count_of_stamps_names_the_first():
    found = panel(record(4700, "C", 0), record(4700, "C", 1))

    assert found.count_stamps(CHECK, np.array([False, True]), 2).first == "at 09:31"
    assert found.count_stamps(CHECK, np.array([False, False]), 2).first is None


def test_seconds_are_shown_where_there_are_any():
    assert clock(OPEN) == "09:30"
    assert clock(OPEN + 15_000) == "09:30:15"


def test_a_chain_without_a_whole_minute_has_an_empty_panel():
    found = panel(record(4700, "C", 0, second=15), step_ms=15_000)

    assert found.shape == (2, 0, 0)
    assert found.count(CHECK, found.there, found.there).of == 0
