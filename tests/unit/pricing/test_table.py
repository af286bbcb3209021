"""The table of premiums: what it says, held against the formula that it was made by."""

import numpy as np
import pytest

from spx_data.pricing import american
from spx_data.pricing.american import Terms
from spx_data.pricing.table import Table

STAMPS = 60
# Name → days that are left, rate, and carry (r - q): dividends as usual, none at times, more than interest.
CHAINS = {
    "an hour": (0.05, 0.045, 0.031),
    "two days": (2, 0.045, 0.031),
    "a month": (30, 0.045, 0.031),
    "half a year, hardly a dividend": (180, 0.045, 0.044),
    "half a year, large dividends": (180, 0.02, -0.02),
    "two years": (730, 0.05, 0.03),
}


class Made:
    """A table, and rows that are in it."""

    def __init__(self, days, rate, carry, many=4_000):
        random = np.random.default_rng(5)
        self.years = days / 365 + np.linspace(min(days, 1) / 800, 0, STAMPS)
        self.interest = (rate + random.normal(0, 0.002, STAMPS)) * self.years
        self.yielded = self.interest - carry * days / 365
        self.place, self.call = random.integers(0, STAMPS, many), random.integers(0, 2, many)
        self.volatility = np.exp(random.uniform(np.log(0.05), np.log(1.2), many))
        self.s = self.volatility * np.sqrt(self.years[self.place])
        self.x = self.s * random.normal(0, 1.5, many)
        self.table = Table(self.years, self.interest, self.yielded)

    @property
    def terms(self):
        ones, years = np.ones_like(self.x), self.years[self.place]
        side = np.where(self.call > 0, 1.0, -1.0)
        rate, dividends = (each[self.place] / years for each in (self.interest, self.yielded))
        return Terms(np.exp(self.x), ones, side, years, rate, dividends)

    def at(self, u=0.0, x=0.0, **options):
        return self.table.at(self.call, self.place, np.log(self.s) + u, self.x + x, **options)


@pytest.fixture(scope="module", params=CHAINS.values(), ids=CHAINS)
def made(request):
    return Made(*request.param)


def test_a_premium_is_the_formulas(made):
    exact = american.premium_of(made.terms, made.volatility)

    found = made.at()

    assert np.isfinite(found.value).all()
    np.testing.assert_array_equal(found.exercised, exact.exercised)
    held = ~exact.exercised
    off = np.abs(found.value - exact.value)[held]
    # The formula has a leap where its correction is limited: a row beside it may be on the other side.
    assert np.quantile(off, 0.995) < 5e-7
    assert exact.value[held].max() > 1e-6
    assert np.quantile(np.abs(found.by_x / np.exp(made.x) - exact.delta)[held], 0.999) < 2e-6
    gamma = (found.by_xx - found.by_x) / np.exp(2 * made.x)
    assert np.quantile(np.abs(gamma - exact.gamma)[held] * made.s[held], 0.999) < 1e-5


def test_its_derivatives_are_slopes_of_it(made):
    found = made.at(rate=True)
    h = 1e-4
    up, down = made.at(u=h), made.at(u=-h)
    terms, bump = made.terms, 1e-6
    dearer, cheaper = (
        american.premium_of(terms._replace(rate=terms.rate + by / terms.years), made.volatility)
        for by in (bump, -bump)
    )

    held = ~(found.exercised | up.exercised | down.exercised)
    slope, bend = (up.value - down.value) / (2 * h), (up.by_u - down.by_u) / (2 * h)
    assert np.quantile(np.abs(found.by_u - slope)[held], 0.995) < 1e-6
    assert np.quantile(np.abs(found.by_uu - bend)[held], 0.99) < 1e-4
    by_rate = (dearer.value - cheaper.value) / (2 * bump)
    # Within an hour of the end the interest itself is less than a bump.
    there = held & ~(dearer.exercised | cheaper.exercised) & (terms.rate * terms.years > 10 * bump)
    off = np.abs(found.by_rate - by_rate)[there]
    assert not len(off) or np.quantile(off, 0.99) < 1e-3


def test_where_nobody_exercises_early_there_is_no_premium():
    years, interest = np.full(3, 0.5), np.array([0.02, 0.0, -0.01])
    table = Table(years, interest, np.zeros(3))
    call, place = np.array([1, 1, 1, 0, 0, 0]), np.tile(np.arange(3), 2)

    found = table.at(call, place, np.full(6, np.log(0.1)), np.full(6, 0.02))

    assert (found.value > 0).tolist() == [False, False, False, True, False, False]
    assert not found.exercised.any()


@pytest.mark.parametrize("u", [-20.0, 5.0, np.nan])
def test_beyond_the_table_there_is_no_number(u):
    made = Made(30, 0.045, 0.031, many=1)

    found = made.table.at(made.call, made.place, np.array([u]), made.x)

    assert np.isnan(found.value).all()


def test_a_stamp_without_a_forward_has_none():
    table = Table(
        np.array([0.1, 0.1, -0.1]), np.array([0.004, np.nan, 0.004]), np.array([0.001, np.nan, 0.001])
    )

    found = table.at(np.zeros(3, dtype=int), np.arange(3), np.full(3, np.log(0.06)), np.zeros(3))

    assert np.isfinite(found.value).tolist() == [True, False, False]
