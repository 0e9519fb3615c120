"""Scrapes targets' /metrics into a sample store, every second.

A failed scrape marks the target's series stale and sets `up` to 0, as Prometheus does, so that old numbers never pass
for new ones. The text before the value is parsed once for each series and then only looked up.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.promql.samples import NAME, SampleStore

TIMEOUT_S = 2.0
MAX_BODY_BYTES = 8 << 20

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Target:
    """Something to scrape; the labels are added to each of its samples."""

    url: str
    labels: Mapping[str, str]

    @property
    def instance(self) -> str:
        """`host:port`, as Prometheus names it."""
        return httpx.URL(self.url).netloc.decode()


@dataclass(slots=True)
class TargetHealth:
    """How a target fares. `failing_since` is None while it answers."""

    last_success_at: float | None = None
    failing_since: float | None = None
    last_error: str = ""
    num_samples: int = 0


@dataclass(slots=True)
class Scraper:
    """Scrapes one target into a store."""

    target: Target
    store: SampleStore
    clock: Clock
    http: httpx.AsyncClient
    health: TargetHealth = field(default_factory=TargetHealth)
    _parsed: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _exposed: dict[str, Mapping[str, str]] = field(default_factory=dict)

    async def scrape(self) -> None:
        """Scrape once; never raises: what went wrong is in `health`."""
        now = self.clock.now()
        try:
            samples = self._parse(await self._fetch())
        except (SourceError, httpx.HTTPError) as error:
            self.health.last_error = str(error) or type(error).__name__
            if self.health.failing_since is None:
                self.health.failing_since = now
            self._mark_stale(set(self._exposed), now)
            self.store.append(self._own("up"), now, 0.0)
            return
        self._mark_stale(set(self._exposed) - set(samples), now)
        self._exposed = {text: self._parsed[text] for text in samples}
        for text, value in samples.items():
            self.store.append(self._parsed[text], now, value)
        self.store.append(self._own("up"), now, 1.0)
        self.health.last_success_at, self.health.failing_since = now, None
        self.health.num_samples = len(samples)

    async def _fetch(self) -> str:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self.http.get(self.target.url, headers={"Accept": "text/plain; version=0.0.4"})
        except TimeoutError as error:
            raise SourceError(
                f"{self.target.instance} did not answer within {TIMEOUT_S:.0f} s", retryable=True
            ) from error
        if answer.status_code != httpx.codes.OK:
            raise SourceError(f"{self.target.instance} answered {answer.status_code} to GET /metrics", retryable=True)
        if len(answer.content) > MAX_BODY_BYTES:
            raise SourceError(f"{self.target.instance} exposes more than {MAX_BODY_BYTES} bytes")
        return answer.text

    def _parse(self, text: str) -> dict[str, float]:
        """Values by the text that stands before them."""
        values: dict[str, float] = {}
        for line in text.splitlines():
            if not line or line[0] == "#":
                continue
            end = line.rfind("}") + 1 or line.find(" ")
            series, rest = line[:end], line[end:].split()
            if not series or not rest:
                raise SourceError(f"{self.target.instance} exposes a line that is no sample: {line[:80]!r}")
            try:
                values[series] = float(rest[0])
            except ValueError as error:
                raise SourceError(f"{self.target.instance} exposes no number: {line[:80]!r}") from error
            if series not in self._parsed:
                self._parsed[series] = self._labels(series)
        return values

    def _labels(self, series: str) -> Mapping[str, str]:
        name, _, rest = series.partition("{")
        labels = {key: _unescape(value) for key, value in _LABEL.findall(rest)}
        # A target's own label of the same name is kept beside ours, as Prometheus does.
        for key in self.target.labels:
            if key in labels:
                labels[f"exported_{key}"] = labels.pop(key)
        return {**labels, **self.target.labels, NAME: name}

    def _own(self, name: str) -> Mapping[str, str]:
        return {**self.target.labels, NAME: name}

    def _mark_stale(self, texts: set[str], now: float) -> None:
        for text in texts:
            self.store.append(self._exposed.pop(text), now, None)


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda m: {"n": "\n"}.get(m[1], m[1]), value) if "\\" in value else value
