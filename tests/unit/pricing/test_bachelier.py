"""Where searches begin: Bachelier's model, held against the search that ends."""

import numpy as np
import pytest

from spx_data.pricing import black76
from spx_data.pricing.bachelier import Inverse
from spx_data.pricing.black76 import Options


def worth(apart, s):
    """The undiscounted price over sqrt(F K) of options whose strike is *apart* from the forward."""
    ones = np.ones_like(s)
    options = Options(np.exp(-apart), ones, ones, ones > 0, ones)
    return black76.values(options, s).price / np.sqrt(options.forward)


@pytest.mark.parametrize(("s", "off"), [(1e-3, 1e-5), (0.05, 1e-5), (0.3, 1e-5), (0.5, 1e-4), (1.0, 1e-2)])
def test_a_deviation_is_nearly_right(s, off):
    deviation = np.full(200, s)
    apart = s * np.linspace(0, 5.5, 200)

    found = Inverse(apart).deviation(worth(apart, deviation))

    assert found == pytest.approx(deviation, rel=off)


@pytest.mark.parametrize("nothing", [0.0, -1e-3, np.nan])
def test_what_is_worth_nothing_has_no_deviation(nothing):
    with np.errstate(all="ignore"):
        found = Inverse(np.array([0.1])).deviation(np.array([nothing]))

    assert not found[0] > 0
