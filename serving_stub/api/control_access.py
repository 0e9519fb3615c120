"""The gate before the control API: who is asking, and whether the token is good for it.

Without any token the server refuses every control request: nobody can change what nobody protects.
"""

from __future__ import annotations

import base64
import binascii

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from serving_stub.api.control_tokens import ControlTokens, Principal
from serving_stub.api.errors import ApiError
from serving_stub.config import CONTROL_TOKEN_ENV
from serving_stub.frontdoor.clock import Clock


class TokenGuard:
    """Lets only requests through that carry a token, and says whose it is in `request.state.principal`.

    Args:
        basic: also take the token as the password of HTTP Basic, which a browser can ask a person for. Only for what
            changes nothing: a browser sends such a password along from any page.
    Raises: ApiError 403 when the server has no token, 401 when the request's is missing, wrong or expired.
    """

    def __init__(self, app: ASGIApp, tokens: ControlTokens, clock: Clock, *, basic: bool = False) -> None:
        self._app = app
        self._tokens = tokens
        self._clock = clock
        self._basic = basic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._tokens.is_empty:
            raise ApiError(
                403, "control_disabled", f"this server was started without {CONTROL_TOKEN_ENV}: it cannot be controlled"
            )
        connection = HTTPConnection(scope)
        token = _token(connection.headers.get("authorization", ""), basic=self._basic)
        principal = None if token is None else self._tokens.find(token, self._clock.now())
        if principal is None:
            raise ApiError(
                401,
                "invalid_token",
                f"expected the header 'Authorization: Bearer …' with the server's {CONTROL_TOKEN_ENV} "
                "or another token of its that has not expired",
                headers={"www-authenticate": 'Basic realm="control", charset="UTF-8"' if self._basic else "Bearer"},
            )
        connection.state.principal = principal
        await self._app(scope, receive, send)


def principal_of(connection: HTTPConnection) -> Principal:
    """Who asks, once the guard has let the request through."""
    principal = connection.state.principal
    assert isinstance(principal, Principal)
    return principal


def insufficient(principal: Principal, scope: str) -> ApiError:
    """What to answer when the token is not good for it."""
    has = ", ".join(sorted(principal.scopes))
    return ApiError(
        403, "insufficient_scope", f"this needs a token with the scope '{scope}'; '{principal.name}' has: {has}"
    )


def _token(header: str, *, basic: bool) -> str | None:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        # As bytes: the framework has read them as Latin-1.
        return rest.strip().encode("latin-1").decode("utf-8", "surrogateescape") or None
    if basic and scheme.lower() == "basic":
        try:
            _, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return password or None
    return None
