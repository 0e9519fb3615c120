"""HTTP to the serving control API, with failures sorted into three: nothing can have happened (try again), it may have
happened (look it up by its key), and refused (do not try again).

Imported with the first call, since httpx takes longer to load than a file of runbooks to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from opsbot.errors import ActionError, NotFoundError

CALL_TIMEOUT_S = 5.0
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Conflict(ActionError):
    """The server answered 409."""


class ControlHttp:
    """One connection pool to all control APIs."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(timeout=CALL_TIMEOUT_S, trust_env=False, transport=transport)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def call(
        self,
        url: str,
        token: str,
        where: str,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """The answer's JSON object. *where* names the server for people.

        Raises: ActionError, Conflict, NotFoundError.
        """
        what = f"{method} {path} on {where}"
        try:
            answer = await self._http.request(
                method,
                url.rstrip("/") + path,
                json=body,
                params=params,
                headers={"Authorization": f"Bearer {token}"},
            )
        except _NOT_SENT as error:
            raise ActionError(
                f"{what}: the server cannot be reached ({type(error).__name__})", retryable=True
            ) from error
        except httpx.HTTPError as error:
            raise ActionError(
                f"{what}: no answer came ({type(error).__name__})", retryable=True, outcome_unknown=method == "POST"
            ) from error
        if answer.is_success:
            return _object(answer, what)
        raise _refusal(answer, what, is_change=method == "POST")


def _refusal(answer: httpx.Response, what: str, *, is_change: bool) -> ActionError | NotFoundError:
    message = f"{what} was answered {answer.status_code}: {_message(answer)}"
    match answer.status_code:
        case 404:
            return NotFoundError(message)
        case 409:
            return Conflict(message)
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
