"""What an environment gets in `share`, written from the commands: pages for `man`, completion for shells.

    PYTHONPATH=scripts python docs/manual.py FOLDER

`setup.py` calls it when a wheel is built.
"""

import inspect
import os
import re
import sys
from pathlib import Path

import click
from click_man.core import write_man_pages

from spx_data import __version__
from spx_data.cli import commands
from spx_data.cli.itself import PROGRAM, SHELLS, script

COMPLETION = {
    "bash": "bash-completion/completions/spx-data",
    "zsh": "zsh/site-functions/_spx-data",
    "fish": "fish/vendor_completions.d/spx-data.fish",
}
# A paragraph that click leaves as it is written.
BLOCK = re.compile(r"^\x08\n((?:.+\n?)+)", re.MULTILINE)


def roff(text: str) -> str:
    """A help text as the pages' language has it: no line of it is a request, blocks stay as they are."""
    escaped = re.sub(r"^(?=[.'])", r"\\&", text.replace("\\", r"\e").replace("-", r"\-"), flags=re.MULTILINE)
    return BLOCK.sub(lambda block: f".nf\n{block[1].rstrip()}\n.fi\n", escaped)


def prepared(command: click.Command, ctx: click.Context) -> None:
    """Let the pages know every command, and its text as `roff`."""
    command.short_help = command.get_short_help_str(limit=200)
    command.help = roff(inspect.cleandoc(command.help or ""))
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            command.commands[name] = inner
            prepared(inner, ctx)


def write(share: Path) -> None:
    """Write all of it below *share*."""
    scripts = {COMPLETION[shell]: script(shell, commands) for shell in SHELLS}
    for name, text in scripts.items():
        target = share / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    pages = share / "man" / "man1"
    pages.mkdir(parents=True)
    prepared(commands, click.Context(commands, info_name=PROGRAM))
    write_man_pages(PROGRAM, commands, version=__version__, target_dir=str(pages))


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    write(Path(sys.argv[1]))
