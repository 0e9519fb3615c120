"""The control API: knobs and leases, for whoever holds the token.

Without a token in its environment the server refuses every control request: nobody can change what nobody protects.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving_stub.api.body import read
from serving_stub.api.control_schema import GrantBody, KnobList, KnobView, LeaseList, LeaseView, RenewBody
from serving_stub.api.errors import ApiError, json_response
from serving_stub.config import CONTROL_TOKEN_ENV
from serving_stub.errors import (
    IdempotencyKeyReused,
    LeaseEnded,
    LeaseError,
    LeaseNotFound,
    UnknownKnob,
    ValueOutOfRange,
)
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.faults import Faults
from serving_stub.frontdoor.lease import Lease, LeaseState

_MAX_BODY_BYTES = 16 * 1024

_STATUS: dict[type[LeaseError], tuple[int, str | None]] = {
    UnknownKnob: (422, "knob"),
    ValueOutOfRange: (422, "value"),
    IdempotencyKeyReused: (409, "idempotency_key"),
    LeaseNotFound: (404, None),
    LeaseEnded: (409, None),
}


class TokenGuard:
    """Lets only requests through that carry the token.

    Raises: ApiError 403 when the server has no token, 401 when the request's is missing or wrong.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._expected = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._expected is None:
            raise ApiError(
                403, "control_disabled", f"this server was started without {CONTROL_TOKEN_ENV}: it cannot be controlled"
            )
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not hmac.compare_digest(given, self._expected):
            raise ApiError(
                401,
                "invalid_token",
                f"expected the header 'Authorization: Bearer …' with the server's {CONTROL_TOKEN_ENV}",
                headers={"www-authenticate": "Bearer"},
            )
        await self._app(scope, receive, send)


class Control:
    """The routes under /control/v1."""

    def __init__(self, desk: LeaseDesk, token: str | None, faults: Faults) -> None:
        self._desk = desk
        self._faults = faults
        self._token = token

    def routes(self) -> list[BaseRoute]:
        """What to mount at the root."""
        routes = [
            Route("/knobs", self.list_knobs, methods=["GET"]),
            _route("/leases", GET=self.list_leases, POST=self.grant),
            _route("/leases/{lease_id}", GET=self.get_lease, DELETE=self.release),
            Route("/leases/{lease_id}/renew", self.renew, methods=["POST"]),
        ]
        return [Mount("/control/v1", routes=routes, middleware=[Middleware(TokenGuard, token=self._token)])]

    async def list_knobs(self, request: Request) -> Response:
        """GET /control/v1/knobs."""
        book = self._desk.book
        knobs = [
            KnobView.of(
                knob,
                book.in_force(knob.name).value,
                [lease.lease_id for lease in book.live() if lease.request.knob == knob.name],
            )
            for knob in book.knobs.values()
        ]
        return json_response(KnobList(knobs=knobs))

    async def list_leases(self, request: Request) -> Response:
        """GET /control/v1/leases, filtered by state, owner and idempotency_key."""
        wanted = dict(request.query_params)
        unknown = sorted(set(wanted) - {"state", "owner", "idempotency_key"})
        if unknown:
            raise ApiError(
                422,
                "invalid_request",
                f"filter is '{unknown[0]}', expected state, owner or idempotency_key",
                param=unknown[0],
            )
        if wanted.get("state", LeaseState.LIVE) not in set(LeaseState):
            raise ApiError(
                422, "invalid_request", f"state is '{wanted['state']}', expected live or ended", param="state"
            )
        leases = [
            self._view(lease)
            for lease in self._desk.book.leases.values()
            if wanted.get("state", lease.state) == lease.state
            and wanted.get("owner", lease.request.owner) == lease.request.owner
            and wanted.get("idempotency_key", lease.request.idempotency_key) == lease.request.idempotency_key
        ]
        return json_response(LeaseList(leases=leases))

    async def get_lease(self, request: Request) -> Response:
        """GET /control/v1/leases/{lease_id}."""
        return json_response(self._view(self._desk.book.get(request.path_params["lease_id"])))

    async def grant(self, request: Request) -> Response:
        """POST /control/v1/leases."""
        body = await read(request, GrantBody, _MAX_BODY_BYTES, status=422, code="invalid_request")
        lease, is_new = await self._desk.grant(body.request())
        return json_response(self._view(lease), 201 if is_new else 200)

    async def renew(self, request: Request) -> Response:
        """POST /control/v1/leases/{lease_id}/renew."""
        body = await read(request, RenewBody, _MAX_BODY_BYTES, status=422, code="invalid_request")
        return json_response(self._view(await self._desk.renew(request.path_params["lease_id"], body.ttl_s)))

    async def release(self, request: Request) -> Response:
        """DELETE /control/v1/leases/{lease_id}."""
        return json_response(self._view(await self._desk.release(request.path_params["lease_id"])))

    def _view(self, lease: Lease) -> LeaseView:
        return LeaseView.of(lease, self._desk.book.in_force(lease.request.knob).value, self._faults.clock_skew_s)


def _route(path: str, **endpoints: Callable[[Request], Awaitable[Response]]) -> Route:
    """One route for all methods of a path, so that `Allow` names each of them."""

    async def endpoint(request: Request) -> Response:
        # A route that takes GET takes HEAD too.
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, endpoint, methods=list(endpoints))


async def answer_lease_error(request: Request, error: Exception) -> Response:
    """Exception handler for LeaseError."""
    if not isinstance(error, LeaseError):
        raise error
    status, param = _STATUS[type(error)]
    return ApiError(status, error.code, str(error), param=param).response()


async def answer_journal_error(request: Request, error: Exception) -> Response:
    """Exception handler for JournalError: what cannot be kept is not promised."""
    return ApiError(503, "journal_unavailable", str(error), headers={"retry-after": "1"}).response()
