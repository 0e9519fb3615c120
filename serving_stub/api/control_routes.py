"""All routes of the control API together, over the parts of one server."""

from __future__ import annotations

from starlette.routing import BaseRoute

from serving_stub.api.control import Control, ControlDesk, Guard, Vet, guarded, unguarded
from serving_stub.api.control_commands import Commands, Restart
from serving_stub.api.control_page import ControlPage
from serving_stub.api.control_tokens import ControlTokens
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.faults import Faults


def control_routes(
    lease_desk: LeaseDesk,
    tokens: ControlTokens,
    clock: Clock,
    *,
    server: str,
    faults: Faults,
    restart: Restart,
    vet: Vet | None = None,
    guard: Guard = unguarded,
) -> list[BaseRoute]:
    """What to mount at the root.

    Args:
        server: its name on the page.
        vet: asked before a lease is granted.
        guard: held while one is.
    """
    desk = ControlDesk(lease_desk, clock)
    routes = [*Control(desk, faults, vet, guard).routes(), *Commands(desk, restart).routes()]
    return [
        *guarded(routes, tokens, clock),
        *ControlPage(lease_desk, tokens, clock, server).routes(),
    ]
