"""Random numbers that are hashes of what they are for.

A generator hands out numbers in order, so an answer would depend on who asked
before. Here the number for (seed, purpose, date, contract, second) is computed
from those words alone, whatever else was computed, in which thread or process.
"""

import hashlib

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def key(seed: int, purpose: str, *parts: int | str) -> int:
    """Return a 63-bit key for one purpose, to be refined by arrays."""
    words = "\x1f".join([str(seed), purpose, *map(str, parts)])
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big") >> 1


def hashes(base: int, *parts: Ints) -> Hashes:
    """Hash *base* with broadcasting integer arrays, element by element."""
    state = np.array([base], dtype=np.uint64)
    for part in parts:
        state = _mix(state + _GOLDEN * (np.atleast_1d(part).astype(np.uint64) + np.uint64(1)))
    return state


def uniform(base: int, *parts: Ints) -> Floats:
    """Return numbers in (0, 1), one for each element of the broadcast parts."""
    return ((hashes(base, *parts) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(base: int, *parts: Ints) -> Floats:
    """Return standard normal numbers, one for each element of the broadcast parts."""
    return np.asarray(ndtri(uniform(base, *parts)), dtype=np.float64)


def _mix(state: Hashes) -> Hashes:
    """Scramble 64 bits (the finisher of splitmix64)."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))
