"""Run a simulated terminal from the command line, alone or around a command.

python -m theta_simulator --size tiny --port 25503
python -m theta_simulator --size tiny -- make demo
python -m theta_simulator --size tiny --faults 7 -- make demo
python -m theta_simulator --size real --today 2024-12-31 --cache bodies --latency-ms 250
python -m theta_simulator --size tiny --blemish withheld-contract,crossed --blemish-seed 3
python -m theta_simulator --size tiny --habit lists-expired,no-eod,bom --habit-seed 3
python -m theta_simulator --replay recording.zip -- spx-data probe
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import get_args

from theta_simulator.blemishes import Blemish
from theta_simulator.blemishes import Kind as Defect
from theta_simulator.faults import ALL, Faults
from theta_simulator.habits import Habit
from theta_simulator.habits import Kind as Custom
from theta_simulator.kinds import TIERS
from theta_simulator.recording import RecordingError
from theta_simulator.server import Server
from theta_simulator.settings import Api, Settings, Size, Star, Style

BASE_URL = "THETADATA_BASE_URL"
NOW = "SPX_DATA_NOW"
_NOT_FOUND, _REFUSED = 127, 2
_GRACE_SECONDS = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop, or until the command ends; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    command: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1 :]
    parser = _parser()
    options = vars(parser.parse_args(words))
    ready_file: Path | None = options.pop("ready_file")
    try:
        options["faults"] = _faults(options["faults"], options["fault_rate"], options["fault_kinds"])
        options["blemishes"] = tuple(
            Blemish(kind, options["blemish_seed"]) for kind in options.pop("blemish")
        )
        options["habits"] = tuple(
            Habit(
                kind,
                options["habit_seed"],
                times=options["habit_times"],
                for_seconds=options["habit_seconds"],
            )
            for kind in options.pop("habit")
        )
        settings = Settings(**{field.name: options[field.name] for field in fields(Settings)})
    except ValueError as error:
        parser.error(str(error))
    try:
        server = Server(settings)
    except RecordingError as error:
        print(f"theta_simulator: {error}", file=sys.stderr)
        return _REFUSED
    return asyncio.run(_serve(server, settings.replay, ready_file, command))


def _parser() -> argparse.ArgumentParser:
    """Return the options; their defaults are those of `Settings`."""
    parser = argparse.ArgumentParser(
        prog="theta_simulator",
        description="A simulated Theta Terminal on 127.0.0.1.",
        epilog=f"After --, a command to run with {BASE_URL} set, and {NOW} in a replay; "
        "its exit code becomes ours.",
    )
    parser.add_argument("--api", choices=get_args(Api), help="the wire format spoken")
    parser.add_argument("--port", type=int, help="0 takes a free one")
    parser.add_argument("--size", choices=get_args(Size), help="how much of the listing exists")
    parser.add_argument("--seed", type=int, help="which world")
    parser.add_argument("--style", choices=get_args(Style), help="v3 spelling: as captured or as documented")
    parser.add_argument("--page-size", type=int, help="rows on a v2 page")
    parser.add_argument("--page-expire-ms", type=int, help="how long a v2 page waits once many do")
    parser.add_argument("--outstanding", type=int, help="requests served at a time")
    parser.add_argument("--queue", type=int, help="v3 requests that may wait; more get 429")
    parser.add_argument("--latency-ms", type=int, help="service time added to each data request")
    parser.add_argument("--today", type=date.fromisoformat, help="the terminal's date, YYYY-MM-DD")
    parser.add_argument("--request-log", type=Path, help="JSON line for each request")
    parser.add_argument("--status", help="word of the status endpoints")
    parser.add_argument("--tier", choices=TIERS, help="the account's subscription")
    parser.add_argument("--star", choices=get_args(Star), help="how all chains of a date come at once")
    parser.add_argument(
        "--refuses",
        type=lambda names: tuple(names.split(",")),
        metavar="ROOT,ROOT",
        help="roots that the subscription does not include",
    )
    parser.add_argument("--cache-mb", type=int, help="memory for answers")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep answers here, for the next start too")
    parser.add_argument("--faults", type=int, metavar="SEED", help="misbehave, as this seed decides")
    parser.add_argument("--fault-rate", type=float, default=Faults.rate, help="share of data requests hit")
    parser.add_argument(
        "--fault-kinds",
        type=lambda names: tuple(names.split(",")),
        default=Faults.kinds,
        metavar="KIND,KIND",
        help=f"only these; all but refused-tier if none are named: {', '.join(ALL)}",
    )
    _add_character(parser)
    parser.add_argument("--ready-file", type=Path, help="gets the base URL once listening")
    parser.set_defaults(**{field.name: field.default for field in fields(Settings)})
    return parser


def _add_character(parser: argparse.ArgumentParser) -> None:
    """Add the options of what is wrong with the data, what the terminal is always like, and whose it was."""
    parser.add_argument(
        "--blemish",
        type=lambda names: tuple(names.split(",")),
        default=(),
        metavar="KIND,KIND",
        help=f"have these defects in the data, on every date: {', '.join(Defect)}",
    )
    parser.add_argument("--blemish-seed", type=int, default=0, help="where they are")
    parser.add_argument(
        "--habit",
        type=lambda names: tuple(names.split(",")),
        default=(),
        metavar="KIND,KIND",
        help=f"be always so: {', '.join(Custom)}",
    )
    parser.add_argument(
        "--habit-seed", type=int, default=0, help="which chains, dates and times they are about"
    )
    parser.add_argument(
        "--habit-times",
        type=int,
        default=Habit.times,
        help="after how many questions those that pass are over",
    )
    parser.add_argument("--habit-seconds", type=float, help="or after how many seconds")
    parser.add_argument(
        "--plant",
        type=lambda words: tuple(words.split(",")),
        dest="planted",
        metavar="WORD,WORD",
        help="have these in headers and in sentences of trouble: what may identify somebody, for tests",
    )
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="answer from what spx-data probe --record kept"
    )


def _faults(seed: int | None, rate: float, kinds: tuple[str, ...]) -> Faults | None:
    """Return the faults asked for: none without a seed."""
    if seed is not None:
        return Faults(seed, rate, kinds)
    if (rate, kinds) != (Faults.rate, Faults.kinds):
        raise ValueError("--fault-rate and --fault-kinds need --faults SEED")
    return None


async def _serve(server: Server, recording: Path | None, ready_file: Path | None, command: list[str]) -> int:
    """Serve until a signal or the command's end."""
    environment = {BASE_URL: await server.start()}
    # Whoever hears below that this serves may tell it to stop at once.
    told = None if command else _told_to_stop()
    if server.replay:
        environment[NOW] = server.replay.moment.isoformat()
    about = f"replay of {recording}, {NOW}={environment[NOW]}" if server.replay else _about(server.settings)
    print(f"Theta Terminal simulator ({server.settings.api}) on {server.url} ({about})", flush=True)
    if ready_file is not None:
        _announce(ready_file, server.url)
    try:
        if told is None:
            return await _run(command, environment)
        await told.wait()
        return 0
    finally:
        await server.stop()


def _about(settings: Settings) -> str:
    """Return which terminal this is."""
    faults = f", faults {settings.faults.seed}" if settings.faults else ""
    faults += "".join(f", {blemish.kind}" for blemish in settings.blemishes)
    faults += "".join(f", {habit.kind}" for habit in settings.habits)
    return f"size {settings.size}, seed {settings.seed}{faults}"


def _announce(ready_file: Path, url: str) -> None:
    """Write the URL so that a reader sees all of it or nothing."""
    part = ready_file.with_name(ready_file.name + ".part")
    part.write_text(url + "\n", encoding="utf-8")
    part.replace(ready_file)


def _told_to_stop() -> asyncio.Event:
    """What SIGINT or SIGTERM sets."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


async def _run(command: list[str], environment: Mapping[str, str]) -> int:
    """Run the command, pass signals on to it, and return its exit code."""
    begun: list[asyncio.subprocess.Process] = []
    early: list[signal.Signals] = []  # what comes before there is a command is for it too

    def pass_on(number: signal.Signals) -> None:
        if not begun:
            early.append(number)
        elif number == signal.SIGINT:
            # A keyboard interrupts the whole group; a TERM is the command's own affair.
            _signal_group(begun[0].pid, number)
        else:
            begun[0].send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, pass_on, number)
    try:
        # Its own process group: the keyboard's Ctrl-C then reaches it once, through us.
        child = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environment}, process_group=0
        )
    except OSError as error:
        print(f"theta_simulator: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND
    begun.append(child)
    for number in early:
        pass_on(number)
    code = await child.wait()
    await _clear(child.pid)
    return code if code >= 0 else 128 - code


async def _clear(group: int) -> None:
    """End whatever the command has left running in its process group."""
    if not _signal_group(group, signal.SIGTERM):
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _GRACE_SECONDS
    while _signal_group(group, 0) and loop.time() < deadline:
        await asyncio.sleep(0.05)
    _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; say whether anybody was there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # a Mac says the latter of a group whose members are dead
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
