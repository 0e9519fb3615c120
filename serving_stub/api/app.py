"""Our own server's application: the completion routes behind the door, everything else beside it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from serving_stub.api import openapi
from serving_stub.api.account_events import AccountEvents
from serving_stub.api.ask import BackendAsk
from serving_stub.api.completions import Completions
from serving_stub.api.control import Guard, unguarded
from serving_stub.api.control_commands import EngineRestart
from serving_stub.api.control_routes import control_routes
from serving_stub.api.door import Door
from serving_stub.api.front import Front, application
from serving_stub.api.observe import Observe
from serving_stub.api.services import Services
from serving_stub.frontdoor.fallback_vetting import FallbackVetting
from serving_stub.frontdoor.probe import Prober


def build_app(
    services: Services, *, guard: Guard = unguarded, before: Callable[[ASGIApp], ASGIApp] = lambda routes: routes
) -> Front:
    """The application over *services*, which somebody else starts and stops.

    Args:
        guard: held while a lease is granted.
        before: puts something between the door and the completion routes.
    """
    parts, desk = services.door, services.desk
    backend = before(application(Completions(services).routes()))
    prober = Prober(BackendAsk(backend, services.model_name), services.model_name)
    vetting = FallbackVetting(parts.library, prober, desk.layers)
    outside = application(
        [
            *control_routes(
                desk,
                services.control_tokens,
                services.clock,
                server=services.model_name,
                faults=services.faults,
                restart=EngineRestart(services.loop, services.in_flight, services.gate),
                vet=vetting.vet,
                guard=guard,
            ),
            *Observe(services).routes(),
            *AccountEvents(parts.accounts, services.feed_token).routes(),
            *openapi.routes(),
        ]
    )
    return Front(Door(parts, desk.layers, vetting, backend, services.model_name), outside, parts, vetting)
