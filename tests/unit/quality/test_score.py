"""Points: of a check, a part, a day; and what they are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.quality import catalogue, points_lost, weighted
from spx_data.quality.checks import Check, Count, Part, parts

FREE = Check("free", Part.QUOTES, "quotes", "…", "…", tolerated=0.0, ruinous=None)
STRICT = Check("strict", Part.QUOTES, "quotes", "…", "…", tolerated=0.0, ruinous=0.1)
LENIENT = Check("lenient", Part.QUOTES, "quotes", "…", "…", tolerated=0.1, ruinous=0.3)
OTHER = Check("other", Part.PARITY, "quotes", "…", "…", tolerated=0.0, ruinous=0.5)


@pytest.mark.parametrize(
    "check, share, points",
    [
        (STRICT, 0.0, 100.0),
        (STRICT, 0.025, 75.0),
        (STRICT, 0.1, 0.0),
        (STRICT, 1.0, 0.0),
        (LENIENT, 0.1, 100.0),
        (LENIENT, 0.2, 50.0),
        (FREE, 1.0, None),
    ],
)
def test_points_fall_in_a_straight_line_between_tolerated_and_ruinous(check, share, points):
    assert check.score(share) == (points if points is None else pytest.approx(points))


def test_a_part_has_the_points_of_its_worst_check():
    counts = [Count(STRICT, 1, 100), Count(LENIENT, 20, 100), Count(FREE, 100, 100), Count(OTHER, 0, 10)]

    assert parts(counts) == {"quotes": 50.0, "parity": 100.0}


def test_what_could_not_be_looked_at_has_no_points():
    assert parts([Count(STRICT, 0, 0)]) == {}


def test_a_score_weighs_the_parts_that_were_judged_and_no_others():
    weights = {"quotes": 1.0, "parity": 3.0, "smile": 100.0}

    assert weighted({"quotes": 0.0, "parity": 100.0}, weights) == 75.0
    assert weighted({}, weights) is None
    assert weighted({"greeks": 50.0}, weights) is None


@given(st.dictionaries(st.sampled_from([part.value for part in Part]), st.floats(0, 100), min_size=1))
def test_a_score_lies_between_its_worst_and_its_best_part(points):
    found = weighted(points, {part.value: 1.0 for part in Part})

    assert min(points.values()) - 0.01 <= found <= max(points.values()) + 0.01


def test_every_check_has_a_name_of_its_own_and_says_what_it_finds_and_whence():
    codes = [check.code for check in catalogue.CHECKS]

    assert len(codes) == len(set(codes))
    assert all(check.meaning and check.source and check.unit for check in catalogue.CHECKS)
    assert all(
        check.ruinous is None or 0 <= check.tolerated < check.ruinous <= 1 for check in catalogue.CHECKS
    )


@given(points=st.dictionaries(st.sampled_from("abc"), st.floats(0, 100), min_size=1))
def test_what_parts_lost_and_what_is_left_is_everything(points):
    weights = {"a": 3.0, "b": 1.0}

    lost = points_lost(points, weights)

    left = weighted(points, weights)
    assert sum(lost.values()) == pytest.approx(0.0 if left is None else 100.0 - left, abs=0.01)
