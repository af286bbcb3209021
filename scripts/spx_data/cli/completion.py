"""`spx-data completion`: the scripts by which shells complete commands; a wheel installs the same ones."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, ShellComplete, get_completion_class

from spx_data.cli.output import Choice, say

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
    say(script(shell, ctx.find_root().command))
