"""What a cluster does at a moment, as one value. Whatever is not known is None, and never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from opsbot.capacity.usage import Bound

Sight = Literal["up", "blind", "frozen"]
"""Whether what is shown can be believed: blind is a cluster without samples, frozen one whose samples stand still."""
Held = Literal["memory", "compute", "batch", "queue", "idle"]
"""What holds a cluster, in one word."""


@dataclass(frozen=True, slots=True)
class LeaseInForce:
    """An emergency setting that has an effect now.

    Args:
        value: as people say it: `8`, `20%`, `on`.
        until: when it ends unless it is renewed, seconds since the epoch.
        state: `live`, `ramping` or `holding`.
    """

    knob: str
    value: str
    owner: str
    until: float
    state: str = "live"


@dataclass(frozen=True, slots=True)
class Vitals:
    """One cluster at one moment; every number is None where the source does not say it.

    Args:
        running, waiting: requests in the batch, and in the queue.
        batch_limit: the most that may run; a plain vLLM does not say it.
        kv_ratio: KV blocks held, 0 to 1, of its fullest engine.
        preemptions_per_min: sequences whose KV blocks were taken away.
        ttft_s: time to first token that 95 of 100 keep; their mean where `ttft_is_mean`.
        itl_s: gap between two tokens that 95 of 100 keep.
        queue_s: wait before the first step that 90 of 100 keep, of requests that ended.
        tokens_per_min: prompt and answer tokens.
        requests_per_s: that came to the front door, or got a first token where there is no door.
        failed_ratio, aborted_ratio, turned_away_ratio: shares of requests, 0 to 1.
        prefix_hit_ratio: prompt tokens found in the prefix cache, 0 to 1.
        used_ratio: share of capacity, as `opsbot capacity` reckons it; `bound` is what it is the share of.
        is_compute_bound: what the server says of its last steps; None where it does not.
        num_targets, num_up: targets that are scraped, and those that answer.
        leases: None where they could not be asked for.
    """

    cluster: str
    models: tuple[str, ...] = ()
    sight: Sight = "up"
    running: float | None = None
    waiting: float | None = None
    batch_limit: float | None = None
    kv_ratio: float | None = None
    preemptions_per_min: float | None = None
    ttft_s: float | None = None
    ttft_is_mean: bool = False
    itl_s: float | None = None
    queue_s: float | None = None
    tokens_per_min: float | None = None
    requests_per_s: float | None = None
    failed_ratio: float | None = None
    aborted_ratio: float | None = None
    turned_away_ratio: float | None = None
    prefix_hit_ratio: float | None = None
    used_ratio: float | None = None
    bound: Bound | None = None
    is_compute_bound: bool | None = None
    num_targets: int | None = None
    num_up: int | None = None
    leases: tuple[LeaseInForce, ...] | None = None

    @property
    def held_by(self) -> Held | None:
        """What holds it; None where that is not known."""
        if self.running is None or self.waiting is None:
            return None
        if self.running + self.waiting == 0:
            return "idle"
        if self.waiting > self.running:
            return "queue"
        match self.bound:
            case "KV" | "bandwidth":
                return "memory"
            case "compute":
                return "compute"
            case "batch":
                return "queue" if self.waiting else "batch"
        if self.is_compute_bound is None:
            return None
        return "compute" if self.is_compute_bound else "memory"


@dataclass(frozen=True, slots=True)
class Fleet:
    """All clusters at one moment.

    Args:
        at: seconds since the epoch.
        clusters: by name.
        leases: those that move traffic between clusters; None where they could not be asked for.
        missing: what could not be asked for and why, each a plain sentence; empty in a whole answer.
    """

    at: float
    clusters: Mapping[str, Vitals] = field(default_factory=dict)
    leases: tuple[LeaseInForce, ...] | None = ()
    missing: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether everything could be asked for."""
        return not self.missing
