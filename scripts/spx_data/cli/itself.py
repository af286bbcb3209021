"""`spx-data help`, `version` and `completion`: what the command tells of itself, people and shells."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, ShellComplete, get_completion_class

from spx_data import __version__
from spx_data.cli.output import VERSION, Choice, hand_out, say


def _known(ctx: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """The commands that begin with what is typed, for the shell to complete."""
    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    return [name for name in root.command.list_commands(root) if name.startswith(begun)]


@click.command("help", short_help="Show what a command does and how it is called.")
@click.argument("names", nargs=-1, metavar="[COMMAND]", shell_complete=_known)
@click.pass_context
def help_(ctx: click.Context, names: tuple[str, ...]) -> None:
    r"""Show what COMMAND does and how it is called, like its own --help; all commands without one.

    \b
    spx-data help
    spx-data help process
    spx-data help config set
    """
    shown = ctx.find_root()
    for name in names:
        if not isinstance(shown.command, click.Group):
            raise click.UsageError(f"{shown.command_path} has no commands of its own, so no {name!r}", shown)
        found = shown.command.resolve_command(shown, [name])[1]
        assert found is not None, "else there is an error"
        shown = click.Context(found, shown, info_name=name)
    hand_out(shown.get_help())


@click.command(short_help="Show the version of spx-data.")
def version() -> None:
    r"""Show the version of spx-data, like --version and -V.

    \b
    spx-data version
    """
    say(VERSION % {"prog": "spx-data", "version": __version__})


# completion -------------------------------------------------------------------------------------------------


PROGRAM = "spx-data"
SHELLS = ("bash", "zsh", "fish")

# Click's own wants bash 4.4. A Mac has 3.2, which knows neither `compopt` nor `nosort`.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' found
    local told=(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" %(complete_var)s=bash_complete)
    COMPREPLY=()
    for found in $(env "${told[@]}" "$1"); do
        case $found in
            plain,*) COMPREPLY+=("${found#plain,}") ;;
        esac
    done
}
# Where nothing is found, for one in place of a file, bash completes the names of files.
complete -o nosort -o default -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -o default -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """Completion for any bash since 3.2."""

    source_template = _BASH

    def source(self) -> str:
        """The script, whichever bash is here."""
        return ShellComplete.source(self)


def script(shell: str, command: click.Command) -> str:
    """The script by which *shell*, one of `SHELLS`, completes *command*."""
    kind = _Bash if shell == "bash" else get_completion_class(shell)
    assert kind is not None, "click knows these three"
    return kind(command, {}, PROGRAM, "_SPX_DATA_COMPLETE").source()


@click.command(short_help="Print a completion script for your shell.")
@click.argument("shell", type=Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    r"""Print the script by which SHELL completes spx-data's commands and options.

    \b
    Examples:
      spx-data completion zsh >> ~/.zshrc
      spx-data completion bash >> ~/.bashrc
      spx-data completion fish > ~/.config/fish/completions/spx-data.fish
    """
    hand_out(script(shell, ctx.find_root().command))
