"""Scrapes targets' /metrics into a sample store, every second.

A failed scrape marks the target's series stale and sets `up` to 0, as Prometheus does, so that old numbers never pass
for new ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from opsbot.clock import Clock
from opsbot.errors import SourceError
from opsbot.promql.labelset import NAME, Labels, LabelSet, freeze
from opsbot.promql.samples import SampleStore
from opsbot.promql.sheet import Sheet, round_ms
from opsbot.source.exposition import Exposition
from opsbot.source.fetch import Answer, fetch, refusal

TIMEOUT_S = 2.0
MAX_BODY_BYTES = 8 << 20
ACCEPT = "text/plain;version=0.0.4"
"""Never OpenMetrics: there, Python's client library rewrites the colon of `vllm:`."""

SHEET = "target"
"""What the key of a target's sheet begins with."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Something to scrape.

    Args:
        url: the whole URL of its exposition.
        cluster: becomes the label `cluster` on every sample.
        renames: prefixes of metric names and what they become, `{"vllm_": "vllm:"}` for example.
        added: more labels for every sample; they win over `instance` and `job`.
    """

    url: str
    cluster: str
    job: str = "serving"
    renames: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)

    @property
    def instance(self) -> str:
        """`host:port`, as Prometheus names it."""
        url = httpx.URL(self.url)
        host = f"[{url.host}]" if ":" in url.host else url.host
        return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that each of its samples gets."""
        return {"cluster": self.cluster, "instance": self.instance, "job": self.job, **self.added}


@dataclass(slots=True)
class TargetHealth:
    """How a target fares; times in seconds since the epoch. `failing_since` is None while it answers.

    Args:
        num_duplicates: samples left out since their scrape had the series already.
        num_refused: samples left out since there were too many series, or another target had them.
    """

    failing_since: float | None = None
    last_error: str = ""
    last_duration_s: float = 0.0
    num_samples: int = 0
    num_scrapes: int = 0
    num_failures: int = 0
    num_duplicates: int = 0
    num_refused: int = 0


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
    is_retired: bool = False
    _exposition: Exposition = field(init=False)
    _sheet: Sheet = field(init=False)
    _up: LabelSet = field(init=False)
    _columns: tuple[Sequence[LabelSet], Sequence[LabelSet]] = ((), ())
    """What the target exposed last, and that with `up`."""

    def __post_init__(self) -> None:
        labels = self.target.labels
        self._exposition = Exposition(labels, self.target.renames)
        self._sheet = self.store.sheet(self._key)
        self._up = LabelSet.of({**labels, NAME: "up"})

    async def scrape(self) -> None:
        """Scrape once; never raises: what went wrong is in `health`, and the target's series are stale."""
        began = self.clock.monotonic()
        self.health.num_scrapes += 1
        try:
            values = self._read(await self._fetch())
        except SourceError as error:
            if not self.is_retired:
                self._failed(str(error), round_ms(self.clock.now()))
            return
        finally:
            self.health.last_duration_s = self.clock.monotonic() - began
            if self.observe is not None:
                self.observe(self.health.last_duration_s)
        if self.is_retired:
            return
        # The samples are as old as the answer, not as the question: a slow target may take two seconds.
        exposed = self._exposition.labels
        if self._columns[0] is not exposed:
            self._columns = (exposed, (*exposed, self._up))
        self._sheet.append(round_ms(self.clock.now()), self._columns[1], [*values, 1.0])
        if self.health.failing_since is not None:
            logger.info("%s answers again", self.target.instance)
        self.health.failing_since, self.health.last_error = None, ""
        self.health.num_samples = len(values)
        self._tell_what_is_left_out()

    def retire(self) -> None:
        """Stop for good: the target is none any more, and all that it exposed is stale from now on."""
        self.is_retired = True
        self._sheet.append(round_ms(self.clock.now()), (), ())
        self.store.retire(self._key)

    @property
    def _key(self) -> Hashable:
        return SHEET, freeze(self.target.labels)

    def _failed(self, why: str, now: float) -> None:
        self.health.num_failures += 1
        self.health.last_error = why
        if self.health.failing_since is None:
            self.health.failing_since = now
            logger.warning("no metrics from %s: %s", self.target.instance, why)
        # All that it exposed is stale by not being here.
        self._sheet.append(now, (self._up,), [0.0])

    async def _fetch(self) -> Answer:
        answer = await fetch(
            self.http, self.target.url, headers={"Accept": ACCEPT}, timeout_s=TIMEOUT_S, max_bytes=MAX_BODY_BYTES
        )
        refused = refusal(answer, f"GET {httpx.URL(self.target.url).path}")
        if refused:
            raise SourceError(refused, retryable=True)
        return answer

    def _read(self, answer: Answer) -> Sequence[float]:
        try:
            return self._exposition.read(_text(answer.body))
        except SourceError as error:
            if answer.media_type in ("text/plain", ""):
                raise
            raise SourceError(f"{error} (it says that it is {answer.media_type[:40]})") from error

    def _tell_what_is_left_out(self) -> None:
        """Once for a target: the numbers are in its health."""
        health, exposition = self.health, self._exposition
        if exposition.num_duplicates and not health.num_duplicates:
            logger.warning("%s exposes a series more than once; the first of each counts", self.target.instance)
        if self._sheet.num_refused and not health.num_refused:
            logger.warning(
                "%s of %s exposes more series than are kept of a target, or ones that another target has; "
                "what is new of the most numerous names is left out",
                self.target.instance,
                self.target.cluster,
            )
        health.num_duplicates += exposition.num_duplicates
        health.num_refused = self._sheet.num_refused


def target_of(key: Hashable) -> Labels | None:
    """The labels of the target whose sheet has that key; None if it is no target's."""
    match key:
        case (str(kind), tuple(pairs)) if kind == SHEET:
            labels = dict(pairs)
            return freeze(labels) if "cluster" in labels else None
    return None


def _text(body: bytes) -> str:
    """An exposition; one that is cut off must not pass for a whole one, nor `12` for the beginning of `125`.

    Raises: SourceError.
    """
    if body and not body.endswith(b"\n"):
        raise SourceError("the exposition ends in the middle of a line", retryable=True)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise SourceError(f"the exposition is not UTF-8 text (byte {error.start})") from error
