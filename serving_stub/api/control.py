"""The control API: knobs and leases, for whoever holds a token that is good for it.

The routes of commands, the audit and the page are in modules of their own beside this one; all share the guard.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from serving_stub.api.body import read
from serving_stub.api.control_access import TokenGuard, insufficient, principal_of
from serving_stub.api.control_schema import (
    AuditList,
    GrantBody,
    KnobList,
    KnobView,
    LeaseList,
    LeaseView,
    RenewBody,
    StaleBody,
    knob_view,
)
from serving_stub.api.control_tokens import ControlTokens
from serving_stub.api.errors import ApiError, ErrorBody, json_response
from serving_stub.errors import (
    CommandNotFound,
    CommandRunning,
    IdempotencyKeyReused,
    InvalidValue,
    LeaseEnded,
    LeaseError,
    LeaseNotFound,
    NotHealthy,
    OnEndNotAllowed,
    OutageLimitExceeded,
    RevisionMismatch,
    TooManyLeases,
    UnknownKnob,
    ValueOutOfRange,
)
from serving_stub.frontdoor.audit import Note
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.faults import Faults
from serving_stub.frontdoor.knob import Value
from serving_stub.frontdoor.lease import Lease, LeaseState

MAX_BODY_BYTES = 16 * 1024
MAX_NUM_SHOWN_NOTES = 1000
FILTERS = ("state", "owner", "knob", "idempotency_key")

_STATUS: dict[type[LeaseError], tuple[int, str | None]] = {
    UnknownKnob: (422, "knob"),
    ValueOutOfRange: (422, "value"),
    InvalidValue: (422, "value"),
    OnEndNotAllowed: (422, "on_end"),
    TooManyLeases: (409, "knob"),
    IdempotencyKeyReused: (409, "idempotency_key"),
    RevisionMismatch: (412, None),
    LeaseNotFound: (404, None),
    LeaseEnded: (409, None),
    CommandNotFound: (404, None),
    CommandRunning: (409, None),
    NotHealthy: (409, None),
    OutageLimitExceeded: (409, "knob"),
}
_REMEMBERED = (IdempotencyKeyReused, RevisionMismatch, TooManyLeases, CommandRunning, NotHealthy, OutageLimitExceeded)
"""Refusals that say something about who works against whom; a misspelt value does not."""


class StaleRevision(ApiError):
    """The writer has not seen the knob as it is; the answer shows it.

    Args:
        knob: as it is now.
    """

    def __init__(self, message: str, knob: KnobView) -> None:
        super().__init__(412, RevisionMismatch.code, message, headers={"etag": f'"{knob.revision}"'})
        self._knob = knob

    def body(self) -> ErrorBody:
        return StaleBody(error=super().body().error, knob=self._knob)


Vet = Callable[[str, Value | None], Awaitable[None]]
"""Whether a knob may have a value, where finding out takes a while; raises LeaseError where it may not."""
Guard = Callable[[str, Value | None], AbstractAsyncContextManager[None]]
"""Whether a knob may have a value beside what others have: held while the lease is granted, so that of two that
exclude one another only one is; raises LeaseError where it may not."""


def unguarded(knob: str, value: Value | None) -> AbstractAsyncContextManager[None]:
    """A server that has nobody beside it."""
    return nullcontext()


class ControlDesk:
    """The desk as routes use it: scopes are checked, refusals that matter are noted."""

    def __init__(self, desk: LeaseDesk, clock: Clock) -> None:
        self.desk = desk
        self._clock = clock

    @asynccontextmanager
    async def doing(
        self, request: Request, scope: str, *, owner: str = "", knob: str | None = None, lease_id: str | None = None
    ) -> AsyncIterator[str]:
        """Check *scope*, give the token's name, and note a refusal.

        Raises: ApiError 403 and 412, and what the block raises.
        """
        principal = principal_of(request)
        try:
            if not principal.may(scope):
                raise insufficient(principal, scope)
            yield principal.name
        except (ApiError, *_REMEMBERED) as error:
            note = Note(
                self._clock.now(),
                principal.name,
                "refused",
                owner,
                knob,
                lease_id,
                detail=f"{request.method} {request.url.path}: {error.code}",
            )
            await self.desk.remember(note)
            if isinstance(error, RevisionMismatch):
                raise StaleRevision(str(error), knob_view(self.desk.book, error.knob)) from error
            raise


class Control:
    """The routes of knobs, leases and the audit."""

    def __init__(
        self, control_desk: ControlDesk, faults: Faults, vet: Vet | None = None, guard: Guard = unguarded
    ) -> None:
        self._vet = vet
        self._guard = guard
        self._control = control_desk
        self._desk = control_desk.desk
        self._faults = faults

    def routes(self) -> list[BaseRoute]:
        """What to mount at /control/v1."""
        return [
            Route("/knobs", self.list_knobs, methods=["GET"]),
            Route("/knobs/{knob}", self.get_knob, methods=["GET"]),
            route("/leases", GET=self.list_leases, POST=self.grant),
            route("/leases/{lease_id}", GET=self.get_lease, DELETE=self.release),
            Route("/leases/{lease_id}/renew", self.renew, methods=["POST"]),
            Route("/audit", self.list_notes, methods=["GET"]),
        ]

    async def list_knobs(self, request: Request) -> Response:
        """GET /control/v1/knobs."""
        must_read(request)
        book = self._desk.book
        return json_response(KnobList(knobs=[knob_view(book, name) for name in book.knobs]))

    async def get_knob(self, request: Request) -> Response:
        """GET /control/v1/knobs/{knob}."""
        must_read(request)
        name = request.path_params["knob"]
        if name not in self._desk.book.knobs:
            raise ApiError(404, "knob_not_found", "no knob of that name is here; GET /control/v1/knobs lists them")
        view = knob_view(self._desk.book, name)
        return json_response(view, headers={"etag": f'"{view.revision}"'})

    async def list_leases(self, request: Request) -> Response:
        """GET /control/v1/leases, filtered by state, owner, knob and idempotency_key."""
        must_read(request)
        wanted = filters(request, FILTERS)
        if wanted.get("state", LeaseState.LIVE) not in set(LeaseState):
            states = ", ".join(LeaseState)
            raise ApiError(
                422, "invalid_request", f"state is '{wanted['state']}', expected one of: {states}", param="state"
            )
        leases = [
            self._view(lease)
            for lease in self._desk.book.leases.values()
            if wanted.get("state", lease.state) == lease.state
            and all(wanted.get(name, value) == value for name, value in _facts(lease).items())
        ]
        return json_response(LeaseList(leases=leases))

    async def get_lease(self, request: Request) -> Response:
        """GET /control/v1/leases/{lease_id}."""
        must_read(request)
        return self._answer(self._desk.book.get(request.path_params["lease_id"]))

    async def grant(self, request: Request) -> Response:
        """POST /control/v1/leases."""
        body = await read(request, GrantBody, MAX_BODY_BYTES, status=422, code="invalid_request")
        scope = self._desk.book.knob(body.knob).scope
        async with self._control.doing(request, scope, owner=body.owner, knob=body.knob) as name:
            if self._vet is not None:
                await self._vet(body.knob, body.value)
            async with self._guard(body.knob, body.value):
                lease, is_new = await self._desk.grant(
                    body.request(), by=name, if_match=if_match(request), stack=body.stack
                )
        return self._answer(lease, 201 if is_new else 200)

    async def renew(self, request: Request) -> Response:
        """POST /control/v1/leases/{lease_id}/renew."""
        body = await read(request, RenewBody, MAX_BODY_BYTES, status=422, code="invalid_request")
        lease = self._desk.book.get(request.path_params["lease_id"])
        async with self._changing(request, lease) as name:
            lease = await self._desk.renew(lease.lease_id, body.ttl_s, by=name, if_match=if_match(request))
        return self._answer(lease)

    async def release(self, request: Request) -> Response:
        """DELETE /control/v1/leases/{lease_id}, with ?now=true at once whatever its end means."""
        now = filters(request, ("now",)).get("now", "false")
        if now not in ("true", "false"):
            raise ApiError(422, "invalid_request", f"now is '{now}', expected true or false", param="now")
        lease = self._desk.book.get(request.path_params["lease_id"])
        async with self._changing(request, lease) as name:
            lease = await self._desk.release(lease.lease_id, by=name, at_once=now == "true", if_match=if_match(request))
        return self._answer(lease)

    async def list_notes(self, request: Request) -> Response:
        """GET /control/v1/audit, from `since` on and about `knob`, the newest `limit`."""
        must_read(request)
        wanted = filters(request, ("since", "knob", "limit"))
        notes = self._desk.audit.notes(
            since=_number(wanted, "since", 0.0),
            knob=wanted.get("knob"),
            limit=int(min(max(_number(wanted, "limit", 100.0), 1.0), MAX_NUM_SHOWN_NOTES)),
        )
        return json_response(AuditList(notes=list(notes)))

    def _changing(self, request: Request, lease: Lease) -> AbstractAsyncContextManager[str]:
        knob = self._desk.book.knobs.get(lease.request.knob)
        scope = "all" if knob is None else knob.scope
        return self._control.doing(
            request, scope, owner=lease.request.owner, knob=lease.request.knob, lease_id=lease.lease_id
        )

    def _view(self, lease: Lease) -> LeaseView:
        return LeaseView.of(lease, self._desk.book, self._faults.clock_skew_s)

    def _answer(self, lease: Lease, status: int = 200) -> Response:
        view = self._view(lease)
        return json_response(view, status, {"etag": f'"{view.revision}"'})


def guarded(routes: list[BaseRoute], tokens: ControlTokens, clock: Clock) -> list[BaseRoute]:
    """*routes* under /control/v1, behind the guard."""
    return [Mount("/control/v1", routes=routes, middleware=[Middleware(TokenGuard, tokens=tokens, clock=clock)])]


def route(path: str, **endpoints: Callable[[Request], Awaitable[Response]]) -> Route:
    """One route for all methods of a path, so that `Allow` names each of them."""

    async def endpoint(request: Request) -> Response:
        # A route that takes GET takes HEAD too.
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, endpoint, methods=list(endpoints))


def if_match(request: Request) -> frozenset[str] | None:
    """The revisions that `If-Match` names, with or without quotes; None without the header.

    A weak one never matches (RFC 9110, section 13.1.1).
    """
    header = request.headers.get("if-match")
    if header is None:
        return None
    named = (part.strip() for part in header.split(","))
    return frozenset(part.strip('"') for part in named if part and not part.startswith("W/"))


def must_read(request: Request) -> None:
    """Raises: ApiError 403 when the token is not good for reading."""
    principal = principal_of(request)
    if not principal.may("read"):
        raise insufficient(principal, "read")


def filters(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """The query's filters.

    Raises: ApiError 422 for one that is not among *known*.
    """
    wanted = dict(request.query_params)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ApiError(
            422, "invalid_request", f"filter is '{unknown[0]}', expected one of: {', '.join(known)}", param=unknown[0]
        )
    return wanted


def _number(wanted: dict[str, str], name: str, default: float) -> float:
    try:
        number = float(wanted.get(name, default))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ApiError(422, "invalid_request", f"{name} is '{wanted[name]}', expected a number", param=name)
    return number


def _facts(lease: Lease) -> dict[str, str]:
    request = lease.request
    return {"owner": request.owner, "knob": request.knob, "idempotency_key": request.idempotency_key}


async def answer_lease_error(request: Request, error: Exception) -> Response:
    """Exception handler for LeaseError."""
    if not isinstance(error, LeaseError):
        raise error
    status, param = _STATUS[type(error)]
    return ApiError(status, error.code, str(error), param=param).response()


async def answer_journal_error(request: Request, error: Exception) -> Response:
    """Exception handler for JournalError: what cannot be kept is not promised."""
    return ApiError(503, "journal_unavailable", str(error), headers={"retry-after": "1"}).response()
