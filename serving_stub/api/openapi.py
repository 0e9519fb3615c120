"""The server's OpenAPI document: made from the same models that read and write bodies, so that it cannot lag behind.

Source: OpenAPI Specification 3.1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, RootModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from serving_stub.api.account_events import Batch
from serving_stub.api.control_schema import (
    AuditList,
    CommandList,
    CommandView,
    GrantBody,
    KnobList,
    LayeredView,
    LeaseList,
    LeaseView,
    NumberView,
    ReadmitBody,
    RenewBody,
    RestartBody,
    StaleBody,
    SwitchView,
)
from serving_stub.api.errors import ErrorBody
from serving_stub.api.schema import (
    ChatCompletion,
    ChatCompletionRequest,
    Completion,
    CompletionRequest,
    ModelCard,
    ModelList,
    Version,
)
from serving_stub.frontdoor.account_feed import Told
from serving_stub.frontdoor.lease import LeaseState
from serving_stub.metrics import CONTENT_TYPE

Json = dict[str, Any]
_Method = Literal["get", "post", "delete"]
_TOKEN_SCHEME = "controlToken"  # noqa: S105  (the scheme's name)
_FEED_SCHEME = "feedToken"
_MEANINGS = {
    400: "What was asked cannot be done; `error.param` names the field.",
    401: "The key or token is missing, wrong or expired.",
    403: "This key is blocked, or this token is not good for it, or the server was started without one.",
    404: "There is no such thing here.",
    409: "It contradicts what was done before.",
    412: "The knob is not as the writer has seen it; `knob` shows it.",
    413: "The body is larger than the server accepts.",
    429: "Too many now; `retry-after` says when to ask again.",
    422: "A value is not one of those allowed; `error.param` names the field.",
    500: "The engine failed on this request.",
    503: "Not now; `retry-after` says when to ask again.",
}


class Knob(RootModel[NumberView | LayeredView | SwitchView]):
    """One knob."""


@dataclass(frozen=True, slots=True)
class _Operation:
    """One method of one path.

    Args:
        answer: the model of the answer, the media type of one that has none, or None for an empty one.
        errors: the statuses that it can end with besides *status*.
        also: what it also answers when it is done, by status.
        is_for_feed: whether the account feed's token opens it.
        takes_revision: whether it obeys `If-Match`; then it also answers 412.
    """

    path: str
    method: _Method
    summary: str
    answer: type[BaseModel] | str | None
    body: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()
    query: tuple[str, ...] = ()
    also: Mapping[str, str] = field(default_factory=dict)
    takes_revision: bool = False
    is_streamed: bool = False
    is_for_feed: bool = False


_CONTROL_ERRORS = (401, 403)
_QUERIES: Mapping[str, Json] = {
    "state": {"enum": list(LeaseState)},
    "now": {"type": "boolean"},
    "since": {"type": "number"},
    "limit": {"type": "number"},
}
_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "description": "The revision that the knob must have.",
    "schema": {"type": "string"},
}
_OPERATIONS = (
    _Operation(
        "/v1/chat/completions",
        "post",
        "Continue a conversation.",
        ChatCompletion,
        ChatCompletionRequest,
        (400, 401, 403, 404, 413, 429, 500, 503),
        is_streamed=True,
    ),
    _Operation(
        "/v1/completions",
        "post",
        "Continue a text.",
        Completion,
        CompletionRequest,
        (400, 401, 403, 404, 413, 429, 500, 503),
        is_streamed=True,
    ),
    _Operation("/v1/models", "get", "The one model that is served.", ModelList),
    _Operation("/v1/models/{model}", "get", "One model.", ModelCard, errors=(404,)),
    _Operation("/health", "get", "Whether requests are taken and the engine lives.", None, errors=(503,)),
    _Operation("/metrics", "get", "Prometheus text format 0.0.4.", CONTENT_TYPE.split(";")[0], errors=(503,)),
    _Operation("/version", "get", "The release.", Version),
    _Operation("/control/v1/knobs", "get", "Every knob with what is in force.", KnobList, errors=_CONTROL_ERRORS),
    _Operation("/control/v1/knobs/{knob}", "get", "One knob.", Knob, errors=(*_CONTROL_ERRORS, 404)),
    _Operation(
        "/control/v1/leases",
        "get",
        "Leases, the oldest first.",
        LeaseList,
        errors=(*_CONTROL_ERRORS, 422),
        query=("state", "owner", "knob", "idempotency_key"),
    ),
    _Operation(
        "/control/v1/leases",
        "post",
        "Ask for a lease.",
        LeaseView,
        GrantBody,
        (*_CONTROL_ERRORS, 409, 413, 422, 503),
        also={"201": "Granted."},
        takes_revision=True,
    ),
    _Operation("/control/v1/leases/{lease_id}", "get", "One lease.", LeaseView, errors=(*_CONTROL_ERRORS, 404)),
    _Operation(
        "/control/v1/leases/{lease_id}",
        "delete",
        "Bring a lease to its end.",
        LeaseView,
        errors=(*_CONTROL_ERRORS, 404, 422, 503),
        query=("now",),
        takes_revision=True,
    ),
    _Operation(
        "/control/v1/leases/{lease_id}/renew",
        "post",
        "Let a lease live longer.",
        LeaseView,
        RenewBody,
        (*_CONTROL_ERRORS, 404, 409, 413, 422, 503),
        takes_revision=True,
    ),
    _Operation(
        "/control/v1/restart",
        "post",
        "Start the engine anew.",
        CommandView,
        RestartBody,
        (*_CONTROL_ERRORS, 409, 413, 422, 503),
        also={"202": "Taken, and not done yet."},
    ),
    _Operation(
        "/control/v1/readmit",
        "post",
        "End every drain and fence.",
        CommandView,
        ReadmitBody,
        (*_CONTROL_ERRORS, 409, 413, 422, 503),
    ),
    _Operation(
        "/control/v1/commands",
        "get",
        "Commands, filtered by owner and idempotency key: how an unknown outcome is probed.",
        CommandList,
        errors=(*_CONTROL_ERRORS, 422),
        query=("owner", "idempotency_key"),
    ),
    _Operation(
        "/control/v1/commands/{command_id}",
        "get",
        "How a command went.",
        CommandView,
        errors=(*_CONTROL_ERRORS, 404),
    ),
    _Operation(
        "/control/v1/audit",
        "get",
        "What was changed and refused, the oldest first.",
        AuditList,
        errors=(*_CONTROL_ERRORS, 422),
        query=("since", "knob", "limit"),
    ),
    _Operation("/events", "post", "Tell of sign-ups.", Told, Batch, (401, 403, 413, 422, 503), is_for_feed=True),
    _Operation("/control", "get", "A page for people.", "text/html", errors=_CONTROL_ERRORS),
)


def document() -> Json:
    """The whole document."""
    schemas, components = _schemas()
    paths: dict[str, Json] = {}
    for operation in _OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _describe(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "serving_stub", "version": version("opsbot")},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                scheme: {"type": "http", "scheme": "bearer"} for scheme in (_TOKEN_SCHEME, _FEED_SCHEME)
            },
        },
    }


def routes() -> list[BaseRoute]:
    """What to mount at the root."""
    answer = document()

    async def openapi(request: Request) -> Response:
        """GET /openapi.json."""
        return JSONResponse(answer)

    return [Route("/openapi.json", openapi, methods=["GET"])]


_Schemas = Mapping[tuple[type[BaseModel], JsonSchemaMode], Json]


def _schemas() -> tuple[_Schemas, Json]:
    used: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ErrorBody, "serialization"), (StaleBody, "serialization")]
    for operation in _OPERATIONS:
        if isinstance(operation.answer, type):
            used.append((operation.answer, "serialization"))
        if operation.body is not None:
            used.append((operation.body, "validation"))
    schemas, definitions = models_json_schema(list(dict.fromkeys(used)), ref_template="#/components/schemas/{model}")
    found: dict[Any, Json] = dict(schemas)
    return found, definitions["$defs"]


def _describe(operation: _Operation, schemas: _Schemas) -> Json:
    def content(media_type: str, schema: Json) -> Json:
        return {"content": {media_type: {"schema": schema}}}

    match operation.answer:
        case None:
            answer: Json = {}
        case str(media_type):
            answer = content(media_type, {"type": "string"})
        case model:
            answer = content("application/json", schemas[model, "serialization"])
    if operation.is_streamed:
        answer["content"]["text/event-stream"] = {}
    answers: Json = {"200": {"description": "Done.", **answer}}
    for also, meaning in operation.also.items():
        answers[also] = {"description": meaning, **answer}
    error = content("application/json", schemas[ErrorBody, "serialization"])
    for status in operation.errors:
        answers[str(status)] = {"description": _MEANINGS[status], **error}
    if operation.takes_revision:
        stale = content("application/json", schemas[StaleBody, "serialization"])
        answers["412"] = {"description": _MEANINGS[412], **stale}
    described: Json = {"summary": operation.summary, "responses": answers}
    in_path = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    parameters = [
        *(
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in in_path
        ),
        *({"name": name, "in": "query", "schema": _QUERIES.get(name, {"type": "string"})} for name in operation.query),
        *([_IF_MATCH] if operation.takes_revision else []),
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        body = content("application/json", schemas[operation.body, "validation"])
        described["requestBody"] = {"required": True, **body}
    if operation.path.startswith("/control"):
        described["security"] = [{_TOKEN_SCHEME: []}]
    elif operation.is_for_feed:
        described["security"] = [{_FEED_SCHEME: []}]
    return described
