"""What the gateway knows of its upstream's state: its metrics, re-exported beside ours, and its health.

Asked for when we are asked, never more often than MIN_AGE_S, and by one request at a time. While the upstream does not
answer, its last good metrics are shown with their age, for as long as they can be of use; then only
`serving_upstream_up 0` is left, so that no rule goes on judging a dead server by its last numbers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving_stub.api.errors import ApiError
from serving_stub.api.exposition import NoExposition, checked, joined

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MIN_AGE_S = 0.25
_MOST_BYTES = 16 << 20
_NOT_HEALTHY = ApiError(
    503, "upstream_unhealthy", "the model server is not healthy; ask another gateway", headers={"retry-after": "5"}
)


class UpstreamMetrics:
    """One upstream's metrics and health.

    Args:
        root: its URL without /v1.
        ours: our own exposition.
        key: sent as bearer token, where the upstream wants one.
        timeout_s: for one scrape or one look at its health.
        keep_s: how long its last good metrics are shown.
        monotonic: seconds that never step.
    """

    def __init__(
        self,
        root: str,
        ours: Callable[[], bytes],
        *,
        key: SecretStr | None = None,
        timeout_s: float = 2.0,
        keep_s: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        headers = {"accept": "text/plain; version=0.0.4"}
        if key is not None:
            headers["authorization"] = f"Bearer {key.get_secret_value()}"
        self._client = httpx.AsyncClient(base_url=root, headers=headers, timeout=timeout_s, trust_env=False)
        self._ours = ours
        self._timeout_s = timeout_s
        self._keep_s = keep_s
        self._monotonic = monotonic
        self._text = b""
        self._scraped_at: float | None = None
        self._tried_at: float | None = None
        self._is_healthy = False
        self._looked_at: float | None = None
        self._lock = asyncio.Lock()
        self._health_lock = asyncio.Lock()
        self.is_up = False
        self.num_failed = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def exposition(self) -> bytes:
        """Both expositions, plain text 0.0.4."""
        await self.refresh()
        age_s = self._age_s()
        shown = self._text if age_s is not None and age_s <= self._keep_s else b""
        return joined(shown, self._ours() + self._own(age_s))

    async def refresh(self) -> None:
        """Scrape, unless that was done a moment ago."""
        async with self._lock:
            if not self._is_fresh(self._tried_at):
                await self._scrape()

    @property
    def text(self) -> bytes:
        """The upstream's last good exposition."""
        return self._text

    @property
    def was_healthy(self) -> bool:
        """What the last look at its health said; True before the first."""
        return self._is_healthy or self._looked_at is None

    async def is_healthy(self) -> bool:
        """Whether the upstream's /health answers with success."""
        async with self._health_lock:
            if not self._is_fresh(self._looked_at):
                answer = await self._get("/health")
                self._is_healthy = answer is not None
                self._looked_at = self._monotonic()
        return self._is_healthy

    async def _scrape(self) -> None:
        content = await self._get("/metrics")
        self._tried_at = self._monotonic()
        try:
            if content is None:
                raise NoExposition("no answer")
            self._text = checked(content)
        except NoExposition:
            self.is_up = False
            self.num_failed += 1
            return
        self.is_up = True
        self._scraped_at = self._tried_at

    async def _get(self, path: str) -> bytes | None:
        """The body of a successful answer that comes in time and is no larger than it may be."""
        content = bytearray()
        try:
            # httpx limits each read alone; an upstream that drips would hold the scrape for ever.
            async with asyncio.timeout(self._timeout_s), self._client.stream("GET", path) as answer:
                async for piece in answer.aiter_bytes():
                    content += piece
                    if len(content) > _MOST_BYTES:
                        return None
        except (httpx.HTTPError, TimeoutError):
            return None
        return bytes(content) if answer.is_success else None

    def _is_fresh(self, at: float | None) -> bool:
        return at is not None and self._monotonic() - at < MIN_AGE_S

    def _age_s(self) -> float | None:
        return None if self._scraped_at is None else self._monotonic() - self._scraped_at

    def _own(self, age_s: float | None) -> bytes:
        lines = [
            "# HELP serving_upstream_up Whether the upstream's metrics could be had at the last scrape.",
            "# TYPE serving_upstream_up gauge",
            f"serving_upstream_up {int(self.is_up)}",
            "# HELP serving_upstream_scrapes_failed_total Scrapes of the upstream that failed.",
            "# TYPE serving_upstream_scrapes_failed_total counter",
            f"serving_upstream_scrapes_failed_total {self.num_failed}",
        ]
        if age_s is not None:
            lines += [
                "# HELP serving_upstream_metrics_age_seconds Age of the upstream's last good metrics.",
                "# TYPE serving_upstream_metrics_age_seconds gauge",
                f"serving_upstream_metrics_age_seconds {age_s:.3f}",
            ]
        return "\n".join(lines).encode() + b"\n"


class UpstreamObserve:
    """The gateway's /health and /metrics.

    Args:
        is_open: whether the gateway itself takes requests.
        why_closed: what to answer while it was taken out of service.
    """

    def __init__(
        self,
        upstream: UpstreamMetrics,
        is_open: Callable[[], bool],
        why_closed: Callable[[], ApiError | None] = lambda: None,
    ) -> None:
        self._upstream = upstream
        self._why_closed = why_closed
        self._is_open = is_open

    def routes(self) -> list[BaseRoute]:
        """What to mount at the root."""
        return [Route("/health", self.health, methods=["GET"]), Route("/metrics", self.metrics, methods=["GET"])]

    async def health(self, request: Request) -> Response:
        """GET /health: 200 while the gateway takes requests and its upstream is healthy."""
        if not self._is_open():
            raise ApiError(503, "server_stopping", "the server is stopping; ask another one")
        closed = self._why_closed()
        if closed is not None:
            raise closed
        if not await self._upstream.is_healthy():
            raise _NOT_HEALTHY
        return Response()

    async def metrics(self, request: Request) -> Response:
        """GET /metrics: always plain text 0.0.4, whatever `Accept` says."""
        return Response(await self._upstream.exposition(), headers={"content-type": CONTENT_TYPE})
