"""All routes of the control API together, over the services of one server."""

from __future__ import annotations

from starlette.routing import BaseRoute

from serving_stub.api.control import Control, ControlDesk, guarded
from serving_stub.api.control_commands import Commands, EngineRestart
from serving_stub.api.control_page import ControlPage
from serving_stub.api.services import Services


def control_routes(services: Services) -> list[BaseRoute]:
    """What to mount at the root."""
    tokens = services.tokens()
    desk = ControlDesk(services.desk, services.clock)
    restart = EngineRestart(services.loop, services.in_flight, services.gate)
    routes = [*Control(desk, services.faults).routes(), *Commands(desk, restart).routes()]
    return [
        *guarded(routes, tokens, services.clock),
        *ControlPage(services.desk, tokens, services.clock, services.model_name).routes(),
    ]
