"""Who may use the page: whoever has its token; and a browser's writes must come from the page itself."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from opsbot.workspace.settings import WorkspaceSettings

COOKIE = "workspace"
TOKEN_HEADER = "X-Page-Token"  # noqa: S105  (a header's name)


class Guard:
    """Checks the page's requests."""

    def __init__(self, settings: WorkspaceSettings) -> None:
        self._token = settings.page_token
        self._members = frozenset(member.user_id for member in settings.members)

    def check(self, request: web.Request) -> None:
        """Raises: HTTPUnauthorized without the token as a header or cookie."""
        if TOKEN_HEADER in request.headers:
            self.check_token(request.headers[TOKEN_HEADER])
        elif not self.has_cookie(request):
            raise web.HTTPUnauthorized(text="the page's token is missing")

    def has_cookie(self, request: web.Request) -> bool:
        """Whether the page was opened with its token before."""
        return self._is_token(request.cookies.get(COOKIE, ""))

    def check_token(self, token: str) -> None:
        """Raises: HTTPUnauthorized if it is not the token."""
        if not self._is_token(token):
            raise web.HTTPUnauthorized(text="that is not this workspace's token; it may have been started anew\n")

    async def written(self, request: web.Request) -> dict[str, Any]:
        """The object that a request brings. Raises: HTTPUnauthorized, HTTPForbidden, HTTPBadRequest."""
        self.check(request)
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"{request.scheme}://{request.host}":
            raise web.HTTPForbidden(text="only the page itself may write here")
        try:
            given = await request.json()
        except ValueError as error:
            raise web.HTTPBadRequest(text="the body must be JSON") from error
        if not isinstance(given, dict):
            raise web.HTTPBadRequest(text="the body must be a JSON object")
        return given

    async def written_by(self, request: web.Request) -> tuple[str, Mapping[str, Any]]:
        """The same, with the member who does it."""
        given = await self.written(request)
        user = given.get("user")
        if not isinstance(user, str) or user not in self._members:
            raise web.HTTPBadRequest(text="`user` must be somebody of this workspace")
        return user, given

    def _is_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())


def need(given: Mapping[str, Any], name: str) -> str:
    """A text that must be there. Raises: HTTPBadRequest."""
    found = given.get(name)
    if not isinstance(found, str) or not found:
        raise web.HTTPBadRequest(text=json.dumps({"ok": False, "error": f"`{name}` is missing"}))
    return found
