"""What the commands about runs share: the settings file, and a client that is made where it is used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

if TYPE_CHECKING:
    from opsbot.client import CoreClient


def client_of(config_path: Path) -> CoreClient:
    """A client of the core that the settings describe; imported late, so that `--help` starts at once."""
    from opsbot.client import CoreClient
    from opsbot.core_address import core_address

    return CoreClient.at(core_address(config_path), os.environ)


def path_of(kind: str, name: str, verb: str = "") -> str:
    """`/api/v1/<kind>/<name>[/<verb>]`."""
    return f"/api/v1/{kind}/{quote(name.strip(), safe=':')}" + (f"/{verb}" if verb else "")


def say(
    config_path: Path,
    method: str,
    path: str,
    body: dict[str, object] | None = None,
    *,
    asked: Mapping[str, object] | None = None,
    yes: bool = True,
) -> None:
    """Do it in the person's name, and print the sentence that core answers.

    Args:
        asked: the look ahead to show first at a terminal, unless *yes*.
    """
    from opsbot.preview_command import is_wanted

    with client_of(config_path) as client:
        if asked is None or is_wanted(client, asked, yes):
            click.echo(client.tell(method, path, body)["message"])
