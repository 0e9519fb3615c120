"""A group of commands each of which is imported when it is invoked, so that `--help` answers at once.

The list of commands needs a line about each: it is kept beside the command's place, and a test compares it with what
the command says of itself. The way is that of click's documentation, "Lazily Loading Subcommands".
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is.

    Args:
        place: `module:attribute`, the module's name below `opsbot`.
        help: the first sentence of the command's help, whole.
    """

    place: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.place.partition(":")
        command = getattr(import_module(f"opsbot.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command


class LazyGroup(click.Group):
    """A group that knows its commands by place; commands that are added as usual work too."""

    lazy: ClassVar[Mapping[str, LazyCommand]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy and cmd_name not in self.commands:
            self.add_command(self.lazy[cmd_name].load(), cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        found = super().resolve_command(ctx, args)
        # Who starts us may have switched the collector off for the imports; from here on it is needed.
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        known = {name: click.Command(name, help=one.help) for name, one in self.lazy.items()}
        click.Group(commands={**known, **self.commands}).format_commands(ctx, formatter)
