"""A group whose commands are imported when they are called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that finds its commands by `module:name`, and lists them in that order."""

    def __init__(
        self,
        *args: Any,
        commands_at: Mapping[str, str],
        aliases: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._at = dict(commands_at)
        self._aliases = dict(aliases or {})
        _mark_blocks(self)

    def list_commands(self, _: click.Context) -> list[str]:
        """The names of all commands, aliases aside."""
        return list(self._at)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        place = self._at.get(self._aliases.get(cmd_name, cmd_name))
        if place is None:
            return None
        module, name = place.split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        _mark_blocks(command)
        return command


def _mark_blocks(command: click.Command) -> None:
    r"""Let the blocks of a help text, such as examples, stay as they are written.

    Click marks them with the character \b; a raw docstring has two characters instead.
    """
    if command.help:
        command.help = command.help.replace("\\b\n", "\b\n")
    if isinstance(command, click.Group) and not isinstance(command, LazyGroup):
        for inner in command.commands.values():
            _mark_blocks(inner)
