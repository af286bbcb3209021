"""A long proof in small shares, one process for each core."""

import importlib
import logging
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

_TRIALS = 100


def module(proof):
    """The module of a proof: importing it is all that a process pays for the others."""
    return importlib.import_module(f"tests.proof.{proof}")


def run(proof, trials, seed, processes):
    """The tally of all shares of *proof*; shares are small, so that every core is busy to the end."""
    seeds = range(seed, seed + trials, _TRIALS)
    sizes = [min(_TRIALS, seed + trials - first) for first in seeds]
    context = multiprocessing.get_context("spawn")  # Polars and Arrow do not survive a fork
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_quiet) as pool:
        tallies = pool.map(_share, [proof] * len(sizes), sizes, seeds)
        total = next(tallies)
        for number, tally in enumerate(tallies, start=2):
            total.add(tally)
            if sys.stderr.isatty():
                print(f"\r{number} of {len(sizes)} shares", end="", file=sys.stderr)
    return total


def _quiet():
    logging.disable(logging.CRITICAL)


def _share(proof, trials, seed):
    return module(proof).share(trials, seed)
