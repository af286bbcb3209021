"""The normal distribution against the standard library and scipy, far out as well."""

import math

import numpy as np
import pytest
from scipy import special

from spx_data.pricing import normal


def test_probabilities_are_those_of_the_standard_library():
    deviations = np.concatenate([np.linspace(-37, 37, 8_001), [-0.0]])

    found = normal.probability(deviations)

    wanted = [0.5 * math.erfc(-deviation / math.sqrt(2)) for deviation in deviations]
    # Relatively: what is probable by 1e-300 has as many digits as what is by a half.
    assert found == pytest.approx(wanted, rel=4e-13, abs=0)
    near = np.abs(deviations) < 5
    assert found[near] == pytest.approx(np.array(wanted)[near], rel=1e-14, abs=0)


def test_the_ratio_of_tail_and_density_is_exact_however_far_out():
    distance = np.concatenate([np.linspace(0, 40, 20_001), np.geomspace(40, 1e8, 2_000)])

    found = normal.mills(distance)

    wanted = math.sqrt(math.pi / 2) * special.erfcx(distance / math.sqrt(2))
    assert found == pytest.approx(wanted, rel=3e-15, abs=0)


def test_what_is_no_probability_has_no_d1():
    delta = np.array([0.0, 1.0, -0.001, 1.001, np.nan])

    found = normal.d1_of(delta, np.full(5, True))

    assert found.tolist()[:2] == [-math.inf, math.inf]
    assert np.isnan(found[2:]).all()


def test_d1_comes_back_from_its_delta():
    call, delta = np.array([True, True, False]), np.array([0.25, 0.5, -0.25])

    found = normal.d1_of(delta, call)

    assert found == pytest.approx([-0.6744897501960817, 0.0, 0.6744897501960817])
