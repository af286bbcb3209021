"""What `spx-data export` takes for a range of deltas and for a step, and what it refuses."""

import click
import pytest

from spx_data.cli.export import RANGE, STEP


@pytest.mark.parametrize(
    ("told", "means"), [("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("24h", 86_400_000)]
)
def test_a_step_is_a_number_with_its_unit(told, means):
    assert STEP.convert(told, None, None) == means


@pytest.mark.parametrize("told", ["5", "m", "0m", "-5m", "5 m", "1d", "25h", "1.5h"])
def test_what_is_no_step_is_refused_with_an_example(told):
    with pytest.raises(click.BadParameter, match="Write it like 30s, 5m or 1h"):
        STEP.convert(told, None, None)


@pytest.mark.parametrize(
    ("told", "means"), [("0.02..0.98", (0.02, 0.98)), (".1..1", (0.1, 1.0)), ("0..0", (0.0, 0.0))]
)
def test_a_range_is_two_absolute_deltas(told, means):
    assert RANGE.convert(told, None, None) == means


@pytest.mark.parametrize("told", ["0.5", "0.98..0.02", "-0.5..0.5", "0..1.5", "a..b", "0.1-0.2", ".. "])
def test_what_is_no_range_is_refused_with_an_example(told):
    with pytest.raises(click.BadParameter, match=r"Write it like 0\.02\.\.0\.98"):
        RANGE.convert(told, None, None)
