"""What a cluster carries, and how much of what it can, by each of four bounds.

Every share is 0 to 1, or absent where samples or catalogue do not say: unknown is never 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from opsbot.capacity.forecast import DAY_S, Readings
from opsbot.capacity.lognormal import LogNormal, fit

Bound = Literal["KV", "batch", "bandwidth", "compute"]
BOUNDS: tuple[Bound, ...] = ("KV", "batch", "bandwidth", "compute")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One model on one cluster over time.

    Args:
        tokens: prompt and answer tokens a minute.
        shares: used share of each bound that is known.
        unknown: why each other bound is not.
        at_most: bounds whose share is an upper limit and so not what holds the cluster.
        headroom_bytes: KV cache that is free now; None where it cannot be derived.
    """

    name: str
    model: str
    tokens: Readings
    shares: Mapping[Bound, Readings]
    unknown: Mapping[Bound, str] = field(default_factory=dict)
    at_most: frozenset[Bound] = frozenset()
    headroom_bytes: float | None = None
    country: str | None = None

    @property
    def tokens_now(self) -> float | None:
        """The last reading; None without any."""
        return _last(self.tokens)

    @property
    def shares_now(self) -> Mapping[Bound, float]:
        """The last reading of each bound that is known."""
        found = {bound: _last(readings) for bound, readings in self.shares.items()}
        return {bound: share for bound, share in found.items() if share is not None}

    @property
    def bound(self) -> Bound | None:
        """What holds the cluster: the bound with the largest share now; None if none is known."""
        now = self.shares_now
        sure = {bound: share for bound, share in now.items() if bound not in self.at_most}
        chosen = sure or now
        return max(chosen.items(), key=lambda item: item[1])[0] if chosen else None

    @property
    def used_now(self) -> float | None:
        """The share of that bound."""
        bound = self.bound
        return None if bound is None else self.shares_now[bound]

    @property
    def used(self) -> Readings | None:
        """The share of that bound over time."""
        bound = self.bound
        return None if bound is None else self.shares[bound]

    @property
    def capacity(self) -> LogNormal | None:
        """Tokens a minute at which the bound is met; None without load.

        From the busiest half of the readings: a token costs what it cost then. At low load fixed costs mislead.
        """
        used = self.used
        if used is None:
            return None
        pairs = [
            (share, tokens)
            for share, tokens in zip(used.values, self.tokens.values, strict=True)
            if share > 0 and tokens > 0
        ]
        pairs.sort()
        return fit(tokens / share for share, tokens in pairs[len(pairs) // 2 :])

    def peak(self, now_s: float) -> tuple[float, float] | None:
        """(time, tokens a minute) of the last 24 hours' peak; None without a reading in them."""
        recent = [(value, at) for at, value in self.tokens.known() if at > now_s - DAY_S]
        if not recent:
            return None
        value, at = max(recent)
        return at, value


@dataclass(frozen=True, slots=True)
class Total:
    """Several clusters together: tokens a minute, and the used share of their capacities' sum where all are known."""

    name: str
    num_clusters: int
    tokens_now: float
    used_now: float | None


def total(name: str, clusters: Sequence[Cluster]) -> Total:
    """The sum over *clusters*."""
    tokens = sum(cluster.tokens_now or 0.0 for cluster in clusters)
    capacities = [cluster.capacity for cluster in clusters]
    known = [capacity.median for capacity in capacities if capacity is not None]
    used = tokens / sum(known) if known and len(known) == len(clusters) else None
    return Total(name, len(clusters), tokens, used)


def totals(clusters: Iterable[Cluster], by: Literal["model", "country"]) -> tuple[Total, ...]:
    """One for each model or country, by name; clusters without a country are left out of the latter."""
    groups: dict[str, list[Cluster]] = {}
    for cluster in clusters:
        name = cluster.model if by == "model" else cluster.country
        if name is not None:
            groups.setdefault(name, []).append(cluster)
    return tuple(total(name, groups[name]) for name in sorted(groups))


def bandwidth_when_full(
    bytes_per_s: float, steps_per_s: float, weight_bytes: float, running: float, batch_limit: float
) -> float:
    """Bytes a second that the same tokens would need in full batches.

    Every step reads all weights, whoever shares it: a server that decodes one row at a time keeps its memory busy and
    is nearly empty. So the weights' part shrinks by how much fuller the batch can be; the rows' own part stays.
    """
    weights = min(bytes_per_s, steps_per_s * weight_bytes)
    fullness = min(1.0, running / batch_limit) if batch_limit > 0 else 1.0
    return bytes_per_s - weights * (1 - fullness)


def _last(readings: Readings) -> float | None:
    return next((value for value in reversed(readings.values) if not math.isnan(value)), None)
