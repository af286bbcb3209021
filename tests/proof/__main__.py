"""The long proofs, in as many processes as there are cores; `make proof` and `make soak` call them.

python -m tests.proof stops --trials 10000
python -m tests.proof damage --trials 10000
python -m tests.proof hostile --trials 1000
"""

import argparse
import importlib
import logging
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console

PROOFS = ("stops", "damage", "hostile")
_SHARE = 100


def main():
    """Run one proof, print its table, and return 1 where something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("proof", choices=PROOFS)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    begun, console = time.monotonic(), Console(highlight=False)
    tally = _run(options)
    console.print(_module(options.proof).table(tally))
    last = options.seed + options.trials - 1
    console.print(f"seeds {options.seed}–{last} or a few more, {time.monotonic() - begun:,.0f} s")
    for finding in tally.wrong[:20]:
        console.print(f"WRONG: {finding}", style="bold red", soft_wrap=True)
    return 1 if tally.wrong else 0


def _run(options):
    """The tallies of all shares in one; shares are small, so that every core is busy to the end."""
    seeds = range(options.seed, options.seed + options.trials, _SHARE)
    sizes = [min(_SHARE, options.seed + options.trials - seed) for seed in seeds]
    context = multiprocessing.get_context("spawn")  # Polars and Arrow do not survive a fork
    with ProcessPoolExecutor(options.processes, mp_context=context, initializer=_quiet) as pool:
        tallies = pool.map(_share, [options.proof] * len(sizes), sizes, seeds)
        total = next(tallies)
        for number, tally in enumerate(tallies, start=2):
            total.add(tally)
            if sys.stderr.isatty():
                print(f"\r{number} of {len(sizes)} shares", end="", file=sys.stderr)
    return total


def _quiet():
    logging.disable(logging.CRITICAL)


def _share(proof, trials, seed):
    return _module(proof).share(trials, seed)


def _module(proof):
    """The module of a proof: importing it is all that a process pays for the others."""
    return importlib.import_module(f"tests.proof.{proof}")


if __name__ == "__main__":
    sys.exit(main())
