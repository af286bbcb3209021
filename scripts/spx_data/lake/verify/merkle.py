"""One digest that stands for many sealed days: the root of a Merkle tree over their sidecars.

The tree is that of RFC 6962, section 2.1 (Certificate Transparency), with SHA-256:

    leaf(d)   = SHA-256(0x00 ‖ d)           d = the text "YYYY-MM-DD <64 hexadecimal digits>", no newline
    node(l,r) = SHA-256(0x01 ‖ l ‖ r)
    root()    = SHA-256()                    of nothing
    root(d1)  = leaf(d1)
    root(n)   = node(root(first k), root(rest)), k the largest power of two below n

Leaves are in date order; the digits are those of the date's sidecar. So two people who name the same root
mean the same bytes on the same dates, and whoever has the sidecars can compute it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of *leaves* in their order (RFC 6962, section 2.1)."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def root(digests: Mapping[dt.date, str]) -> str:
    """The verification root of days, given the digest in each one's sidecar, as hexadecimal digits."""
    return tree_hash([f"{date.isoformat()} {digests[date]}".encode() for date in sorted(digests)]).hex()


def roots_by_year(digests: Mapping[dt.date, str]) -> dict[int, str]:
    """The verification root of each year's days."""
    years: dict[int, dict[dt.date, str]] = defaultdict(dict)
    for date in sorted(digests):
        years[date.year][date] = digests[date]
    return {year: root(days) for year, days in years.items()}
