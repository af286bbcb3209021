"""The verification root, against the tree of RFC 6962 as others compute it."""

import datetime as dt
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spx_data.lake.verify import root_of, roots_by_year, tree_hash

# The inputs and roots that Certificate Transparency's own implementations are tested with.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
DIGEST = st.binary(min_size=32, max_size=32).map(bytes.hex)
LEAVES = st.lists(st.binary(max_size=40), max_size=70)
DAYS = st.dictionaries(st.dates(dt.date(2017, 1, 3), dt.date(2026, 12, 31)), DIGEST, min_size=1, max_size=40)


def by_levels(leaves):
    """Return the root as pairing level by level gives it; an odd one goes up as it is."""
    level = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [
            hashlib.sha256(b"\1" + b"".join(pair)).digest() if len(pair) == 2 else pair[0] for pair in pairs
        ]
    return level[0] if level else hashlib.sha256(b"").digest()


@pytest.mark.parametrize("count", range(1, 9))
def test_the_roots_are_those_of_certificate_transparency(count):
    assert tree_hash(INPUTS[:count]).hex() == ROOTS[count - 1]


def test_the_root_of_nothing_is_the_digest_of_nothing():
    assert root_of({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(LEAVES)
def test_pairing_level_by_level_gives_the_same_root(leaves):
    assert tree_hash(leaves) == by_levels(leaves)


@given(DAYS)
def test_the_root_is_that_of_the_days_in_their_order(digests):
    leaves = [f"{date} {digests[date]}".encode() for date in sorted(digests)]

    assert root_of(digests) == by_levels(leaves).hex()
    assert root_of(dict(reversed(digests.items()))) == root_of(digests)


@given(DAYS, st.data(), DIGEST)
def test_any_other_day_gives_another_root(digests, data, other):
    date = data.draw(st.sampled_from(sorted(digests)))
    changed = digests | {date: other}
    fewer = {day: digest for day, digest in digests.items() if day != date}

    assert (root_of(changed) == root_of(digests)) == (changed == digests)
    assert root_of(fewer) != root_of(digests)


@given(DAYS)
def test_each_year_has_the_root_of_its_days(digests):
    roots = roots_by_year(digests)

    assert list(roots) == sorted({date.year for date in digests})
    for year, root in roots.items():
        assert root == root_of({date: digest for date, digest in digests.items() if date.year == year})
