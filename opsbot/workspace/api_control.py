"""Trouble on demand over HTTP, for tests and drills that run the workspace as a process: `/control/…`.

Both need the page's token as a header: a cookie is not enough, so that no other site can ask for trouble.
"""

from __future__ import annotations

import hmac
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opsbot.workspace.faults import Fault, Faults
from opsbot.workspace.rate_limits import RateLimits

MAX_DELAY_S = 60.0
MAX_COUNT = 10_000

T = TypeVar("T", bound=BaseModel)


class _FaultRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    method: str = Field(min_length=1, max_length=100)
    count: int = Field(default=1, ge=1, le=MAX_COUNT)
    status: int = Field(default=0)
    retry_after_s: int = Field(default=1, ge=0, le=3600)
    delay_s: float = Field(default=0.0, ge=0, le=MAX_DELAY_S)
    drop_answer: bool = False
    error: str = Field(default="", max_length=100)


class _LimitsRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    is_on: bool


class Control:
    """The control routes.

    Args:
        token: the page's.
        header: the header that must bring it.
    """

    def __init__(self, faults: Faults, limits: RateLimits, token: str, header: str) -> None:
        self._faults = faults
        self._limits = limits
        self._token = token
        self._header = header

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/control/faults", self.waiting),
            web.post("/control/faults", self.add),
            web.delete("/control/faults", self.clear),
            web.post("/control/limits", self.switch),
        ]

    async def waiting(self, request: web.Request) -> web.Response:
        """Which faults wait, and whether rate limits hold."""
        self._check(request)
        return self._shown()

    async def add(self, request: web.Request) -> web.Response:
        """The next calls of a method meet a fault."""
        self._check(request)
        given = await _given(request, _FaultRequest)
        if given.status not in (0, *range(400, 600)):
            raise web.HTTPBadRequest(text="status must be 0 or from 400 to 599\n")
        fault = Fault(given.status, given.retry_after_s, given.delay_s, given.drop_answer, given.error)
        self._faults.add(given.method, fault, given.count)
        return self._shown()

    async def clear(self, request: web.Request) -> web.Response:
        """No fault waits any more."""
        self._check(request)
        self._faults.clear()
        return self._shown()

    async def switch(self, request: web.Request) -> web.Response:
        """Slack's rate limits hold, or not."""
        self._check(request)
        self._limits.is_on = (await _given(request, _LimitsRequest)).is_on
        return self._shown()

    def _shown(self) -> web.Response:
        return web.json_response({"ok": True, "waiting": self._faults.waiting(), "limits": self._limits.is_on})

    def _check(self, request: web.Request) -> None:
        if not hmac.compare_digest(request.headers.get(self._header, "").encode(), self._token.encode()):
            raise web.HTTPUnauthorized(text=f"the page's token is needed as the header {self._header}\n")


async def _given(request: web.Request, shape: type[T]) -> T:
    try:
        return shape.model_validate_json(await request.read())
    except ValidationError as error:
        problems = "\n".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise web.HTTPBadRequest(text=f"{problems}\n") from error
