"""A client of the serving control API (docs/serving.md): knobs and leases of one fleet's clusters.

It sorts failures into three: nothing can have happened (try again), it may have happened (look it up by its key), and
refused (do not try again). HTTP is imported when the first call is made: who reads runbooks needs only the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from opsbot.errors import ActionError, NotFoundError
from opsbot.runbook.action import LeaseEnded

if TYPE_CHECKING:
    import httpx

CALL_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ServingTarget:
    """Where one cluster's control API is; the token stays out of `repr`."""

    url: str
    token: str = field(repr=False)


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


W = TypeVar("W", bound=_Wire)


class KnobAnswer(_Wire):
    """One knob: its base value and the value in force."""

    knob: str
    base: int
    in_force: int
    minimum: int
    maximum: int


class LeaseAnswer(_Wire):
    """One lease as the server tells it; times are seconds since the epoch."""

    lease_id: str
    value: int
    state: str
    expires_at: float
    end_reason: str | None
    in_force_before: int
    in_force: int


class ControlClient:
    """Calls the control API of every configured cluster.

    Args:
        targets: by cluster name.
        transport: how requests travel; the network unless stated.
    """

    def __init__(self, targets: Mapping[str, ServingTarget], transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._targets = dict(targets)
        self._transport = transport
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def knob(self, cluster: str, name: str) -> KnobAnswer:
        """One knob now; raises ActionError."""
        body = await self._call(cluster, "GET", "/control/v1/knobs")
        # Only numbers have what KnobAnswer needs, so the others are not even looked at.
        found = next((one for one in body.get("knobs", []) if isinstance(one, dict) and one.get("knob") == name), None)
        if found is None:
            raise ActionError(f"the server of cluster {cluster} has no knob {name}")
        return _read(KnobAnswer, found, cluster)

    async def grant(self, cluster: str, request: Mapping[str, object]) -> LeaseAnswer:
        """Ask for a lease; the same idempotency key again answers the same lease. Raises ActionError.

        It is a layer on whatever others have set (`stack`): a mitigation must not fail because a drill's lease is live.
        """
        body = {"stack": True, **request}
        return _read(LeaseAnswer, await self._call(cluster, "POST", "/control/v1/leases", body), cluster)

    async def find(self, cluster: str, idempotency_key: str) -> LeaseAnswer | None:
        """The lease that was granted under that key, live or ended; None if there is none. Raises ActionError."""
        body = await self._call(cluster, "GET", "/control/v1/leases", params={"idempotency_key": idempotency_key})
        leases = [_read(LeaseAnswer, one, cluster) for one in body.get("leases", [])]
        return leases[0] if leases else None

    async def renew(self, cluster: str, lease_id: str, ttl_s: float) -> LeaseAnswer:
        """Move the expiry to now + *ttl_s*. Raises LeaseEnded, ActionError."""
        path = f"/control/v1/leases/{lease_id}"
        try:
            body = await self._call(cluster, "POST", f"{path}/renew", {"ttl_s": ttl_s})
        except _Conflict as error:
            ended = _read(LeaseAnswer, await self._call(cluster, "GET", path), cluster)
            raise LeaseEnded(str(error), was_released=ended.end_reason == "released") from error
        except NotFoundError as error:
            raise LeaseEnded(f"{error}: the server has forgotten it", was_released=False) from error
        return _read(LeaseAnswer, body, cluster)

    async def release(self, cluster: str, lease_id: str) -> None:
        """End the lease; one that has ended or is forgotten is no error. Raises ActionError."""
        try:
            await self._call(cluster, "DELETE", f"/control/v1/leases/{lease_id}")
        except NotFoundError:
            return

    async def _call(
        self,
        cluster: str,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        import httpx

        target = self._targets.get(cluster)
        if target is None:
            known = ", ".join(sorted(self._targets))
            raise ActionError(f"no cluster {cluster!r} is configured under `serving`; known are: {known}")
        what = f"{method} {path} on cluster {cluster}"
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=CALL_TIMEOUT_S, trust_env=False, transport=self._transport)
        not_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
        try:
            answer = await self._http.request(
                method,
                target.url.rstrip("/") + path,
                json=body,
                params=params,
                headers={"Authorization": f"Bearer {target.token}"},
            )
        except not_sent as error:
            raise ActionError(f"{what}: the server cannot be reached ({_name(error)})", retryable=True) from error
        except httpx.HTTPError as error:
            is_unknown = method == "POST"
            raise ActionError(
                f"{what}: no answer came ({_name(error)})", retryable=True, outcome_unknown=is_unknown
            ) from error
        if answer.is_success:
            return _object(answer, what)
        raise _refusal(answer, what, is_change=method == "POST")


class _Conflict(ActionError):
    """The server answered 409."""


def _refusal(answer: httpx.Response, what: str, *, is_change: bool) -> ActionError | NotFoundError:
    message = f"{what} was answered {answer.status_code}: {_message(answer)}"
    match answer.status_code:
        case 404:
            return NotFoundError(message)
        case 409:
            return _Conflict(message)
        case status if status == 429 or status >= 500:
            return ActionError(message, retryable=True, outcome_unknown=is_change)
        case _:
            return ActionError(message)


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "no message"


def _object(answer: httpx.Response, what: str) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError as error:
        raise ActionError(f"{what}: the answer is not JSON", outcome_unknown=True) from error
    if not isinstance(body, dict):
        raise ActionError(f"{what}: the answer is not a JSON object", outcome_unknown=True)
    return body


def _read(kind: type[W], body: object, cluster: str) -> W:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ActionError(
            f"the server of cluster {cluster} answered what docs/serving.md does not say: {place}: {first['msg']}",
            outcome_unknown=True,
        ) from error


def _name(error: Exception) -> str:
    return type(error).__name__
