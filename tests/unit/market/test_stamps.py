"""Stamps and places: as sorting and searching would have them."""

import numpy as np
import pytest

from spx_data.market import stamps

OPEN = 1_704_205_800_000
STAMPS = {
    "minutes": OPEN + 60_000 * np.tile(np.arange(391), 3),
    "seconds, some of them, in no order": OPEN + 1_000 * np.array([59, 0, 7, 7, 23_400, 1]),
    "milliseconds": OPEN + np.array([5, 0, 1_001, 5]),
    "days apart": OPEN + 86_400_000 * np.array([3, 0, 3]),
    "one": np.array([OPEN]),
    "before the epoch": -OPEN + 60_000 * np.array([2, 0, 1]),
    "from one end of time to the other": np.array([-(1 << 63), (1 << 63) - 1_000]),
    "none": np.empty(0, dtype=np.int64),
}


@pytest.mark.parametrize("stamp", STAMPS.values(), ids=STAMPS)
def test_they_are_found_as_by_sorting(stamp):
    found = stamps.distinct(stamp)

    np.testing.assert_array_equal(found, np.unique(stamp))
    np.testing.assert_array_equal(found[stamps.places(found, stamp)], stamp)
    for ours, wanted in zip(stamps.indexed(stamp), np.unique(stamp, return_inverse=True), strict=True):
        np.testing.assert_array_equal(ours, wanted)


@pytest.mark.parametrize("stamp", STAMPS.values(), ids=STAMPS)
def test_a_place_is_one_of_all_that_are_known(stamp):
    known = np.union1d(stamp, [OPEN - 60_000, OPEN + 30_000, OPEN + 10**9])

    np.testing.assert_array_equal(known[stamps.places(known, stamp)], stamp)
