"""Which cluster gets a request: a pure function of what the router last saw of each, the weights and a draw.

Home clusters come first while they have room. Then room decides and not distance: an answer takes seconds to
generate, and crossing an ocean takes a tenth of one. A view that is old, impossible, or contradicted by the router's
own count is not believed; the count stands in for it. Every decision carries what the router saw, since the bot may
have seen something else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from serving_stub.fleet.router_settings import RouterSettings


class Trust(StrEnum):
    """Whether a view is believed, and if not, why."""

    BELIEVED = "believed"
    TOO_OLD = "too_old"
    CONTRADICTED = "contradicted"
    """It shows far fewer requests than the router itself has there."""
    IMPOSSIBLE = "impossible"
    """A KV share outside 0 to 1, a negative count, or a wait that is no time."""


class Way(StrEnum):
    """Why that cluster."""

    HOME = "home"
    SPILL = "spill"
    """Its home clusters are full or out."""
    NO_HOME = "no_home"
    """No cluster is home to its country."""
    FULL = "full"
    """None has room: the least loaded take it, and their front doors let it wait or refuse it."""


class NoRoute(StrEnum):
    """Why no cluster."""

    NO_CLUSTER_FOR_MODEL = "no_cluster_for_model"
    ALL_OUT = "all_out"


@dataclass(frozen=True, slots=True)
class ClusterView:
    """What the router last saw of one cluster, and what it knows by itself.

    Args:
        kv_usage: share of the KV cache in use, 0 to 1.
        batch_limit: the one in force; at least 1.
        waiting: before the engine, and in the queue of the cluster's front door.
        wait_s: seconds until a newcomer's turn, as `QueueWait` estimates them; 0 when nobody waits, and infinite is
            allowed.
        is_healthy: by its health route.
        is_taking: neither drained nor fenced.
        age_s: of kv_usage, running, waiting and wait_s; infinite if they were never seen.
        own_count: requests that this router sent there and that have not ended, now.
        own_count_seen: the same when it was seen; None where that is now. Against this one the view is checked: what
            was sent since cannot be in it.
    """

    name: str
    model: str
    countries: tuple[str, ...]
    batch_limit: int
    kv_usage: float
    running: int
    waiting: int
    wait_s: float
    is_healthy: bool
    is_taking: bool
    age_s: float
    own_count: int
    own_count_seen: int | None = None

    def later(self, age_s: float, own_count: int, *, is_taking: bool | None = None) -> ClusterView:
        """The same view when it is *age_s* old; `dataclasses.replace` takes three times as long, for every request.

        Args:
            is_taking: in place of what was seen.
        """
        return ClusterView(
            self.name,
            self.model,
            self.countries,
            self.batch_limit,
            self.kv_usage,
            self.running,
            self.waiting,
            self.wait_s,
            self.is_healthy,
            self.is_taking if is_taking is None else is_taking,
            age_s,
            own_count,
            self.own_count if self.own_count_seen is None else self.own_count_seen,
        )

    @property
    def is_out(self) -> bool:
        """Whether it may get nothing."""
        return not (self.is_healthy and self.is_taking)


@dataclass(frozen=True, slots=True)
class Seen:
    """A view and what the router made of it.

    Args:
        load: 1 is full: KV use over `spill_kv`, requests over `spill_batch` or the wait over `spill_wait`, whichever
            is most; of a view that is not believed, its own count over `max_own_load`.
        weight: in force; negative and unknown numbers count as 0.
    """

    view: ClusterView
    trust: Trust
    load: float
    weight: float

    @property
    def room(self) -> float:
        """What is left below full, 0 to 1."""
        return max(0.0, 1.0 - self.load)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The request goes to *cluster*.

    Args:
        is_weightless: every cluster that could take it has weight 0, so all counted alike; the caller counts these.
        seen: the clusters of the model, as they looked to the router.
    """

    country: str
    model: str
    cluster: str
    way: Way
    is_weightless: bool
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The request goes nowhere."""

    country: str
    model: str
    reason: NoRoute
    seen: tuple[Seen, ...]

    @property
    def message(self) -> str:
        """For whoever asked."""
        if self.reason is NoRoute.NO_CLUSTER_FOR_MODEL:
            return f"no cluster serves the model {self.model!r}"
        return f"all {len(self.seen)} clusters of the model {self.model!r} are out; ask again later"


Decision = Chosen | Refused


def route(
    country: str,
    model: str,
    views: Iterable[ClusterView],
    weights: Mapping[str, float],
    settings: RouterSettings,
    draw: float,
) -> Decision:
    """Choose a cluster for a request from *country* for *model*.

    Args:
        weights: in force, by cluster; one that is not there has 1.
        draw: from 0 to below 1; the same arguments give the same cluster. `SmoothDraws` gives good ones.
    """
    seen = tuple(see(view, weights.get(view.name, 1.0), settings) for view in views if view.model == model)
    if not seen:
        return Refused(country, model, NoRoute.NO_CLUSTER_FOR_MODEL, ())
    able = [one for one in seen if not one.view.is_out]
    if not able:
        return Refused(country, model, NoRoute.ALL_OUT, seen)
    weighted = [one for one in able if one.weight > 0]
    # Weight 0 everywhere refuses nobody: it is far more often a mistake or two leases that met than a wish.
    is_weightless = not weighted
    pool = weighted or able
    roomy = [one for one in pool if one.load < 1.0]
    home = [one for one in roomy if country in one.view.countries]
    if home:
        way, parts = Way.HOME, [(one, 1.0) for one in home]
    elif roomy:
        has_home = any(country in one.view.countries for one in seen)
        way, parts = Way.SPILL if has_home else Way.NO_HOME, [(one, one.room) for one in roomy]
    else:
        way, parts = Way.FULL, [(one, 1.0 / one.load) for one in pool]
    shares = [part * (1.0 if is_weightless else one.weight) for one, part in parts]
    chosen = _pick([one for one, _ in parts], shares, draw)
    return Chosen(country, model, chosen.view.name, way, is_weightless, seen)


def see(view: ClusterView, weight: float, settings: RouterSettings) -> Seen:
    """What the router makes of a view."""
    limit = max(1, view.batch_limit)
    trust = _trust(view, limit, settings)
    if trust is Trust.BELIEVED:
        # The own count too: it knows of requests that were sent since the view was taken.
        requests = max(view.running + view.waiting, view.own_count) / limit
        load = max(
            view.kv_usage / settings.spill_kv, requests / settings.spill_batch, _wait_s(view) / settings.spill_wait
        )
    else:
        load = view.own_count / limit / settings.max_own_load
    return Seen(view, trust, load, weight if math.isfinite(weight) and weight > 0 else 0.0)


def _wait_s(view: ClusterView) -> float:
    """Longer by what was sent since the view was taken: otherwise all would go to whoever had room then."""
    if view.waiting <= 0:
        return view.wait_s
    sent_since = max(0, view.own_count - view.running - view.waiting)
    return view.wait_s * (1.0 + sent_since / view.waiting)


def _trust(view: ClusterView, limit: int, settings: RouterSettings) -> Trust:
    if not view.age_s <= settings.max_view_age:
        return Trust.TOO_OLD
    if not 0.0 <= view.kv_usage <= 1.0 or view.running < 0 or view.waiting < 0 or not view.wait_s >= 0.0:
        return Trust.IMPOSSIBLE
    own_count = view.own_count if view.own_count_seen is None else view.own_count_seen
    if own_count - (view.running + view.waiting) > settings.frozen_gap * limit:
        return Trust.CONTRADICTED
    return Trust.BELIEVED


def _pick(among: list[Seen], shares: list[float], draw: float) -> Seen:
    # Scaled by the largest first: weights as small as numbers get would otherwise add up to nothing.
    largest = max(shares)
    if not largest > 0:
        return among[min(int(draw * len(among)), len(among) - 1)]
    scaled = [share / largest for share in shares]
    left = draw * sum(scaled)
    for one, share in zip(among, scaled, strict=True):
        if left < share:
            return one
        left -= share
    return among[max(index for index, share in enumerate(scaled) if share > 0)]  # what rounding left over
