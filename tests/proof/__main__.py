"""The long proofs, in as many processes as there are cores; `make proof` and `make soak` call them.

python -m tests.proof stops --trials 10000
python -m tests.proof damage --trials 10000
python -m tests.proof jobs --trials 300
python -m tests.proof hostile --trials 1000
python -m tests.proof seeded --trials 1100
python -m tests.proof clean --trials 500
"""

import argparse
import os
import sys
import tempfile
import time

from rich.console import Console
from tests.proof import shares

from spx_data.sources import slots


def main():
    """Run one proof, print its table, and return 1 where something was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.proof", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("proof", choices=("stops", "damage", "jobs", "hostile", "seeded", "clean"))
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    begun, console = time.monotonic(), Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="slots-") as own:
        os.environ[slots.VARIABLE] = own
        tally = shares.run(options.proof, options.trials, options.seed, options.processes)
    console.print(shares.module(options.proof).table(tally))
    last = options.seed + options.trials - 1
    console.print(f"seeds {options.seed} to {last}, {time.monotonic() - begun:,.0f} s")
    for finding in tally.wrong[:20]:
        console.print(f"WRONG: {finding}", style="bold red", soft_wrap=True)
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
