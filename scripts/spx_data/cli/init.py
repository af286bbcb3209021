"""`spx-data init`: a lake of one's own begun, in four questions."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spx_data import config
from spx_data.cli.call import DATE, FOLDER, Call, Spelt, cores_option
from spx_data.cli.output import agreed, prompt, say
from spx_data.errors import SpxDataError
from spx_data.text import commands

if TYPE_CHECKING:
    from spx_data.config.beginning import Answers

_A_MONTH = dt.timedelta(30)
# Subscriptions, by the requests that they let through at a time.
_SUBSCRIPTIONS = {"free": 1, "value": 2, "standard": 4, "pro": 8}
_AUTO = "auto"
_PATIENCE_SECONDS = 2.0


def _address(text: str) -> str:
    """The address of a terminal, or `auto`."""
    try:
        return str(text if text == _AUTO else config.accepted("thetadata.base_url", text))
    except SpxDataError:
        raise ValueError(f"{text!r} is no address: write it like http://127.0.0.1:25503") from None


_ADDRESS = Spelt("url", _address)
_SUBSCRIPTION = click.Choice(list(_SUBSCRIPTIONS))


@click.command(short_help="Begin a lake of your own.")
@click.argument("folder", type=FOLDER, default=Path())
@click.option("--start", type=DATE, help="The first trading date you want.  [default: 30 days ago]")
@click.option("--data", type=FOLDER, help="Folder of the data; counts from FOLDER.  [default: data]")
@click.option("--terminal", type=_ADDRESS, help="Your Theta Terminal; auto looks for it on this machine.")
@click.option("--subscription", type=_SUBSCRIPTION, help="Of your account.  [default: standard]")
@click.option("--demo/--no-demo", default=None, help="Fill a simulated week in FOLDER/demo.")
@cores_option
@click.pass_context
def init(ctx: click.Context, /, folder: Path, demo: bool | None, cores: int, **told: Any) -> None:
    r"""Begin a lake in FOLDER, or here.

    Asks for what --start, --data, --terminal and --subscription do not say; where it cannot ask, it takes the
    defaults. Writes spx-data.yaml, which is yours to change, and a Snakefile for `snakemake --cores 4`. Says
    whether your Theta Terminal answers, and offers a demo.

    \b
    Examples:
      spx-data init lake
      spx-data init lake --start 2024-01-02 --subscription pro
      spx-data init lake --demo
    """
    from spx_data.config import beginning, shipped

    call: Call = ctx.obj
    beginning.check_free(folder)
    if demo:
        shipped.check_extra("simulator")
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    if not asks:
        say("Cannot ask here (not a TTY): options and defaults are taken")
    target = beginning.begin(folder, _answers(told, call.today, asks=asks))
    say(f"Settings in {target}")
    answers = _look_at_terminal(call, target)
    if demo is None and asks and not shipped.lacking("simulator"):
        demo = agreed("See how it works, with a week from a simulated terminal?", default=not answers)
    code = 0
    if demo:
        code = _fill_demo(folder / "demo", cores)
        _say_in(folder / "demo", "The demo as a page: `spx-data report --open`")
    _say_in(folder, "Let spx-data meet your terminal, once: `spx-data probe`")
    _say_in(folder, "Fill what is missing: `spx-data process-gaps`")
    ctx.exit(code)


def _answers(told: dict[str, Any], today: dt.date, *, asks: bool) -> Answers:
    """What the options say, then a person, then the defaults."""
    from spx_data.config import beginning

    questions = {
        "start": ("First trading date you want", DATE, str(today - _A_MONTH)),
        "data": ("Folder of the data", FOLDER, "data"),
        "terminal": ("Address of your Theta Terminal (auto: look for it here)", _ADDRESS, _AUTO),
        "subscription": ("Your subscription", _SUBSCRIPTION, "standard"),
    }
    said = dict[str, Any]()
    for name, (question, kind, default) in questions.items():
        answer = told[name]
        if answer is None:
            answer = prompt(question, kind, default) if asks else kind.convert(default, None, None)
        said[name] = answer
    data = said["data"]
    return beginning.Answers(
        start=said["start"],
        data=str(data) if data.is_absolute() else f"./{data}",
        terminal=None if said["terminal"] == _AUTO else said["terminal"],
        requests=_SUBSCRIPTIONS[said["subscription"]],
    )


def _look_at_terminal(call: Call, target: Path) -> bool:
    """Say how the terminal of the settings in *target* is; gives whether it can be asked."""
    from spx_data.config import checking
    from spx_data.ops.health import Asking, Level, Scene, machine
    from spx_data.settings import Settings

    settings = Settings.of(checking.checked([target]))
    answer = Asking(settings.terminal, _PATIENCE_SECONDS).answer()
    found = machine.terminal(Scene(settings, call.moment, (), None, answer=answer))
    say(". ".join(filter(None, [f"Terminal: {found.found}", found.cure])))
    return found.level is Level.OK


def _fill_demo(folder: Path, cores: int) -> int:
    """Begin a lake in *folder*, fill it from a simulated terminal, and show it; gives the exit code.

    Raises:
        SettingRefusedError: the folder has settings of its own.
        PermissionDeniedError: it cannot be written to.
    """
    from spx_data.config import beginning
    from spx_data.sources import slots

    beginning.begin(folder, beginning.demo())
    # Settings from the environment are meant for another lake; and the simulated terminal has another address
    # each time, so its locks are no user's.
    environment = {name: value for name, value in os.environ.items() if name not in config.ENVIRONMENT}
    environment[slots.VARIABLE] = str(folder.absolute() / "data" / "slots")
    ours = [sys.executable, "-m", "spx_data.cli"]
    simulator = [sys.executable, "-m", "theta_simulator", "--size", "small", "--"]
    filling = [*simulator, *ours, "process-gaps", "--cores", str(cores)]
    ended = subprocess.run(filling, cwd=folder, env=environment).returncode
    subprocess.run([*ours, "status", "--offline"], cwd=folder, env=environment)
    return ended


def _say_in(folder: Path, text: str) -> None:
    """Print *text*, whose commands are for *folder*."""
    here = folder.resolve() == Path.cwd().resolve()
    commands.called_by((), folder=None if here else folder)
    say(text)
