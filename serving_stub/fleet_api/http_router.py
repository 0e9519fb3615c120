"""`/v1` of a live fleet: a real request goes where the router sends it, and its answer says where that was."""

from __future__ import annotations

from pydantic_core import from_json
from starlette.types import Message, Receive, Scope, Send

from serving_stub.api.door_request import Replay
from serving_stub.api.errors import ApiError, json_response
from serving_stub.api.schema import ModelCard, ModelList
from serving_stub.api.upstream_request import BodyTooLarge, ClientGone, read_body
from serving_stub.fleet.router import NoRoute, Refused
from serving_stub.fleet.spec import FleetSpec
from serving_stub.fleet_api.live_router import LiveRouter

CLUSTER_HEADER = b"serving-cluster"
COUNTRY_HEADER = b"cf-ipcountry"


class HttpRouter:
    """An ASGI application.

    Args:
        created: of its models, seconds since the epoch.
    """

    def __init__(self, fleet: FleetSpec, router: LiveRouter, max_body_bytes: int, created: int) -> None:
        self._fleet = fleet
        self._router = router
        self._max_body_bytes = max_body_bytes
        longest = {one.model.name: one.sizes.max_model_len for one in fleet.clusters}
        self._models = ModelList(
            data=[
                ModelCard(id=name, created=created, owned_by="serving_stub", max_model_len=length)
                for name, length in longest.items()
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET" and scope["path"] == "/v1/models":
            await json_response(self._models)(scope, receive, send)
            return
        try:
            body = await read_body(scope, receive, self._max_body_bytes)
        except ClientGone:
            return
        except BodyTooLarge:
            too_large = ApiError(
                413, "body_too_large", f"the body is larger than the {self._max_body_bytes} bytes that are accepted"
            )
            await too_large.response()(scope, receive, send)
            return
        decision = self._router.choose(_country(scope), _model(body) or self._fleet.models[0])
        if isinstance(decision, Refused):
            await _refusal(decision).response()(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                header = (CLUSTER_HEADER, decision.cluster.encode())
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        with self._router.sent(decision) as cluster:
            await cluster(scope, Replay(body, receive), marked)


def _model(body: bytes) -> str | None:
    """What the body names; one that is no JSON object is the cluster's to refuse."""
    try:
        asked = from_json(body)
    except ValueError:
        return None
    model = asked.get("model") if isinstance(asked, dict) else None
    return model if isinstance(model, str) else None


def _country(scope: Scope) -> str:
    found = next((value for name, value in scope["headers"] if name == COUNTRY_HEADER), b"")
    return bytes(found).decode("latin-1").upper()[:2]


def _refusal(decision: Refused) -> ApiError:
    if decision.reason is NoRoute.NO_CLUSTER_FOR_MODEL:
        return ApiError(404, "model_not_found", f"{decision.message}; GET /v1/models lists them", param="model")
    return ApiError(503, decision.reason.value, decision.message, headers={"retry-after": "5"})
