"""A client of the control APIs that the settings name, with tokens from the environment, for who runs without core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.config import Settings

if TYPE_CHECKING:
    import httpx


def control_client(
    settings: Settings, environ: Mapping[str, str], transport: httpx.AsyncBaseTransport | None = None
) -> ControlClient:
    """A client of every cluster, and of the fleet if there is one; a token that is not set is empty.

    Args:
        transport: how requests travel; the network unless stated.
    """
    fleet = settings.fleet
    return ControlClient(
        {one.cluster: ServingTarget(one.url, environ.get(one.control_token_env, "")) for one in settings.serving},
        transport,
        fleet=None if fleet is None else ServingTarget(fleet.url, environ.get(fleet.control_token_env, "")),
    )
