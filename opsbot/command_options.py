"""Options that several commands share. Every command imports this, so it imports nothing but click."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_FILE = Path("opsbot.yaml")

CONFIG_OPTION = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_FILE,
    show_default=True,
    help="The settings file.",
)
EXIT_WITH_PARENT_OPTION = click.option(
    "--exit-with-parent", is_flag=True, hidden=True, help="Leave when standard input closes (used by `up`)."
)
