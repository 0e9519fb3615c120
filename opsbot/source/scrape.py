"""Scrapes targets' /metrics into a sample store, every second.

A failed scrape marks the target's series stale and sets `up` to 0, as Prometheus does, so that old numbers never pass
for new ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import Sheet, round_ms
from opsbot.source.exposition import Exposition

TIMEOUT_S = 2.0
MAX_BODY_BYTES = 8 << 20
ACCEPT = "text/plain;version=0.0.4"
"""Never OpenMetrics: there, Python's client library rewrites the colon of `vllm:`."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Something to scrape.

    Args:
        url: the whole URL of its exposition.
        cluster: becomes the label `cluster` on every sample.
        renames: prefixes of metric names and what they become, `{"vllm_": "vllm:"}` for example.
    """

    url: str
    cluster: str
    job: str = "serving"
    renames: Mapping[str, str] = field(default_factory=dict)

    @property
    def instance(self) -> str:
        """`host:port`, as Prometheus names it."""
        url = httpx.URL(self.url)
        host = f"[{url.host}]" if ":" in url.host else url.host
        return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that each of its samples gets."""
        return {"cluster": self.cluster, "instance": self.instance, "job": self.job}


@dataclass(slots=True)
class TargetHealth:
    """How a target fares; times in seconds since the epoch. `failing_since` is None while it answers."""

    failing_since: float | None = None
    last_error: str = ""
    last_duration_s: float = 0.0
    num_samples: int = 0
    num_scrapes: int = 0
    num_failures: int = 0


@dataclass(slots=True)
class Scraper:
    """Scrapes one target into a store."""

    target: Target
    store: SampleStore
    clock: Clock
    http: httpx.AsyncClient
    observe: Callable[[float], None] | None = None
    """Told how long each scrape took, in seconds."""
    health: TargetHealth = field(default_factory=TargetHealth)
    _exposition: Exposition = field(init=False)
    _sheet: Sheet = field(init=False)
    _up: LabelSet = field(init=False)
    _columns: tuple[Sequence[LabelSet], Sequence[LabelSet]] = ((), ())
    """What the target exposed last, and that with `up`."""

    def __post_init__(self) -> None:
        labels = self.target.labels
        self._exposition = Exposition(labels, self.target.renames)
        self._sheet = self.store.sheet((self.target.cluster, self.target.url))
        self._up = LabelSet.of({**labels, NAME: "up"})

    async def scrape(self) -> None:
        """Scrape once; never raises: what went wrong is in `health`, and the target's series are stale."""
        began = self.clock.monotonic()
        self.health.num_scrapes += 1
        try:
            values = self._exposition.read(await self._fetch())
        except (SourceError, httpx.HTTPError, httpx.InvalidURL) as error:
            self._failed(str(error) or type(error).__name__, round_ms(self.clock.now()))
            return
        finally:
            self.health.last_duration_s = self.clock.monotonic() - began
            if self.observe is not None:
                self.observe(self.health.last_duration_s)
        # The samples are as old as the answer, not as the question: a slow target may take two seconds.
        exposed = self._exposition.labels
        if self._columns[0] is not exposed:
            self._columns = (exposed, (*exposed, self._up))
        self._sheet.append(round_ms(self.clock.now()), self._columns[1], [*values, 1.0])
        if self.health.failing_since is not None:
            logger.info("%s answers again", self.target.instance)
        self.health.failing_since, self.health.last_error = None, ""
        self.health.num_samples = len(values)

    def _failed(self, why: str, now: float) -> None:
        self.health.num_failures += 1
        self.health.last_error = why
        if self.health.failing_since is None:
            self.health.failing_since = now
            logger.warning("no metrics from %s: %s", self.target.instance, why)
        # All that it exposed is stale by not being here.
        self._sheet.append(now, (self._up,), [0.0])

    async def _fetch(self) -> str:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._body()
        except TimeoutError as error:
            raise SourceError(f"no answer within {TIMEOUT_S:.0f} s", retryable=True) from error

    async def _body(self) -> str:
        body = bytearray()
        async with self.http.stream("GET", self.target.url, headers={"Accept": ACCEPT}) as answer:
            if answer.status_code != httpx.codes.OK:
                raise SourceError(f"{answer.status_code} in answer to GET {answer.url.path}", retryable=True)
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise SourceError(f"the exposition is larger than {MAX_BODY_BYTES} bytes")
        return body.decode("utf-8", errors="replace")
