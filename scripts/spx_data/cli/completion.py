"""`spx-data completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click

from spx_data.cli.output import say

_SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Let your shell complete commands and options.")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    r"""Print the script by which SHELL completes spx-data's commands and options.

    bash needs 4.4 or newer; a Mac's own shell is zsh.

    \b
    Examples:
      spx-data completion zsh >> ~/.zshrc
      spx-data completion bash >> ~/.bashrc
      spx-data completion fish > ~/.config/fish/completions/spx-data.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, "click knows these three"
    say(found(ctx.find_root().command, {}, "spx-data", "_SPX_DATA_COMPLETE").source())
