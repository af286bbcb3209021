"""What adapting the requests in flight gains and costs, beside the fixed limit, on simulated histories.

    PYTHONPATH=scripts python benchmarks/pacing.py [--seeds 8] [--requests 3000]

A discrete simulation: as many requests as forty dates have, of sizes as chains have them (log-normal, median
1.5 MB), asked as a job does it: two threads more than the limit, a wait after a refusal by the policy of
`ApiRateLimitError`, and a chain that is refused four times fails and is asked for again at the end, as the
next run does it. Terminals take so many seconds a request and so many a megabyte, scattered by 30 %; they
refuse above a number in flight, queue above it (each request takes the longer, the whole delivers the same),
or thrash above it (the whole delivers less). The same seeds and sizes for both.

Then the same over HTTP, with `--http` requests: the simulator serves two at once and refuses all others; the
threads of a job ask it for a root's expirations through its request slots, with a limit of four and of eight.
"""

from __future__ import annotations

import argparse
import heapq
import math
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from statistics import fmean

import results

import theta_simulator
from spx_data import config
from spx_data.errors import ApiRateLimitError
from spx_data.settings import Settings
from spx_data.sources import access, pacing, slots
from spx_data.sources.pace import Pace
from spx_data.sources.retry import retrying
from spx_data.store.layout import Layout

AHEAD = 2  # threads of a job beyond the limit
_REFUSAL_SECONDS = 0.01
_EVERYTHING = 1_000
REFUSING = {"size": "tiny", "outstanding": 2, "queue": 0, "latency_ms": 20}
_DOCUMENT = {"processing": {"start_date": "2024-01-02"}}

Seconds = Callable[[int, int, float], float]  # of a request: bytes, in flight, seconds since the start
Room = Callable[[float], int]  # in flight without a refusal, by seconds since the start


@dataclass(frozen=True)
class Terminal:
    """One that answers so fast, and has so much room."""

    name: str
    seconds: Seconds
    room: Room = lambda _: _EVERYTHING
    steady: bool = False  # it takes any limit well: adapting can gain nothing


@dataclass
class Outcome:
    """What asking for everything came to."""

    seconds: float
    refused: int
    failed: int  # chains, once for each run that they failed in
    most: int  # in flight
    pace: Pace


def plain(size: int, _flying: int, _at: float) -> float:
    """Seconds of a request that nothing slows."""
    return 0.2 + size / 1.5e6


def _crowded(over: int, power: float) -> Seconds:
    return lambda size, flying, at: plain(size, flying, at) * max(1.0, flying / over) ** power


def _from(at: float, later: Seconds) -> Seconds:
    return lambda size, flying, now: (plain if now < at else later)(size, flying, now)


TERMINALS = (
    Terminal("takes any limit", plain, steady=True),
    Terminal("queues above 2", _crowded(2, 1.0), steady=True),
    Terminal("2.5 times as slow after 300 s", _from(300, lambda *of: 2.5 * plain(*of)), steady=True),
    Terminal("refuses above 3", plain, lambda _: 3),
    Terminal("refuses above 2", plain, lambda _: 2),
    Terminal("refuses above 2, for 600 s", plain, lambda at: 2 if at < 600 else _EVERYTHING),
    Terminal("thrashes above 2", _crowded(2, 2.0)),
    Terminal("thrashes above 2, after 300 s", _from(300, _crowded(2, 2.5))),
)


def asked(terminal: Terminal, limit: int, requests: int, seed: int, *, adaptive: bool) -> Outcome:
    """Ask *terminal* for so many chains with at most *limit* in flight."""
    random_, pace, begin = random.Random(seed), Pace(), 1e9
    sizes = [max(70_000, int(random_.lognormvariate(math.log(1.5e6), 1.0))) for _ in range(requests)]
    scatter = [random_.lognormvariate(0.0, 0.3) for _ in range(requests)]
    waiting = [(number, 1) for number in reversed(range(requests))]
    events: list[tuple[float, int, str, int, int, float]] = []
    found, now, flying, busy, order = Outcome(0.0, 0, 0, 0, pace), begin, 0, 0, 0
    policy = ApiRateLimitError.retry
    while waiting or events:
        while waiting and busy < limit + AHEAD and flying < (pace.allowed(limit) if adaptive else limit):
            number, tries = waiting.pop()
            busy, flying, order = busy + 1, flying + 1, order + 1
            found.most = max(found.most, flying)
            if flying > terminal.room(now - begin):
                heapq.heappush(events, (now + _REFUSAL_SECONDS, order, "refused", number, tries, now))
            else:
                took = terminal.seconds(sizes[number], flying, now - begin) * scatter[number]
                heapq.heappush(events, (now + took, order, "answered", number, tries, now))
        now, _, what, number, tries, begun = heapq.heappop(events)
        if what == "again":
            busy -= 1
            waiting.append((number, tries))
        elif what == "answered":
            if adaptive:
                pace.has_answered(limit, flying, begun, now, sizes[number], now - begun)
            busy, flying = busy - 1, flying - 1
        else:
            found.refused += 1
            if adaptive:
                pace.has_refused(limit, flying, begun, now)
            flying -= 1
            if tries > policy.attempts:
                found.failed, busy = found.failed + 1, busy - 1
                waiting.insert(0, (number, 1))
            else:
                wait = policy.first * (2 ** (tries - 1) + random_.random() / 2)
                heapq.heappush(events, (now + wait, order, "again", number, tries + 1, begun))
    found.seconds = now - begin
    return found


def over_http(url: str, folder: Path, limit: int, requests: int, *, adaptive: bool) -> Outcome:
    """Ask the terminal at *url*, through the slots of a job in *folder*; seconds are of the clock.

    Waits after a refusal are a twentieth of what they are in earnest.
    """
    layout = Layout(*(folder / name for name in ("parquet", "temp", "data", "status.db")))
    found, begun, guard = Outcome(0.0, 0, 0, 0, Pace()), time.monotonic(), threading.Lock()

    def refused(*_: object) -> None:
        with guard:
            found.refused += 1

    with slots.shared(layout, url, limit, steady=not adaptive) as shared:
        terminal = replace(Settings.of(config.resolve(_DOCUMENT, {})).terminal, base_url=url, api="v3")
        source = access.connect(terminal, folder, gate=shared.slot)

        def ask(_: int) -> None:
            try:
                retrying(lambda: source.expirations("SPXW"), wait_factor=0.05, observer=refused)
            except ApiRateLimitError:
                with guard:
                    found.refused, found.failed = found.refused + 1, found.failed + 1

        with ThreadPoolExecutor(limit + AHEAD) as pool:
            list(pool.map(ask, range(requests)))
        source.close()
        found.pace = pacing.known(shared.place)
    found.seconds = time.monotonic() - begun
    return found


def http_table(requests: int) -> str:
    """The findings over HTTP in Markdown: of three in turns the one in the middle."""
    lines = ["| limit | | s | 429 | failed | ms of a chain that was had |", "|---|---|---|---|---|---|"]
    for limit in (4, 8):
        rounds = [[_over_http(limit, requests, adaptive=mode) for mode in (False, True)] for _ in range(3)]
        for name, some in zip(("fixed", "adaptive"), zip(*rounds, strict=True), strict=True):
            each, found = sorted(
                ((1000 * one.seconds / (requests - one.failed), one) for one in some), key=itemgetter(0)
            )[1]
            told = f"{found.seconds:.1f} | {found.refused} | {found.failed} | {each:.0f}"
            lines.append(f"| {limit} | {name} | {told} |")
    return "\n".join(lines)


def _over_http(limit: int, requests: int, *, adaptive: bool) -> Outcome:
    slow = theta_simulator.Settings(**{**REFUSING, "latency_ms": 150})
    with tempfile.TemporaryDirectory() as name, theta_simulator.running(slow) as terminal:
        os.environ[slots.VARIABLE] = name
        return over_http(terminal.url, Path(name), limit, requests, adaptive=adaptive)


def table(limits: list[int], requests: int, seeds: int) -> str:
    """The findings in Markdown: means over the seeds."""
    lines = [
        "| limit | terminal | fixed: s | 429 | failed | adaptive: s | 429 | failed | time | worst |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for limit in limits:
        for terminal in TERMINALS:
            fixed, own = (
                [asked(terminal, limit, requests, seed, adaptive=adaptive) for seed in range(seeds)]
                for adaptive in (False, True)
            )
            shares = [b.seconds / a.seconds for a, b in zip(fixed, own, strict=True)]
            told = [
                f"{fmean(getattr(each, name) for each in some):,.0f}"
                for some in (fixed, own)
                for name in ("seconds", "refused", "failed")
            ]
            told += [f"{fmean(shares):.1%}", f"{max(shares):.1%}"]
            lines.append(f"| {limit} | {terminal.name} | {' | '.join(told)} |")
    return "\n".join(lines)


def main() -> None:
    """Simulate and print, and keep the table where --record says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--limits", type=lambda text: [int(each) for each in text.split(",")], default=[2, 4, 8]
    )
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--http", type=int, default=0, help="requests over HTTP, too")
    parser.add_argument("--record", type=Path, help="keep the table in this file")
    given = parser.parse_args()

    text = (
        f"{table(given.limits, given.requests, given.seeds)}\n\n"
        f"{given.requests:,} requests, means of {given.seeds} seeds. Failed: chains that were refused four "
        "times and wait for the next run. Time: adaptive over fixed. A simulation: the same on any machine."
    )
    call = f"`python benchmarks/pacing.py --requests {given.requests} --seeds {given.seeds}"
    if given.http:
        text += (
            f"\n\nOver HTTP, {given.http:,} requests of 150 ms to a terminal that serves two at once and "
            f"refuses all others (of three runs in turns the one in the middle):\n\n"
            f"{http_table(given.http)}\n\n{results.machine()}"
        )
        call += f" --http {given.http}"
    print(text)
    if given.record:
        results.keep(given.record, "Requests in flight, adapted", f"{call}`", text)


if __name__ == "__main__":
    main()
