"""Which clusters are out, and the guard that keeps more than the limits from going out, whoever asks through what door.

One lock over all control APIs of the process: of two drains that are each within the limits and together are not, the
second is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from serving_stub.api.control import Guard
from serving_stub.errors import OutageLimitExceeded
from serving_stub.fleet.outage import Out, OutageRefused, may_go_out, states_of
from serving_stub.fleet.route_knob import LOSE, ROUTE, LoseValue, check_where, with_route
from serving_stub.fleet.spec import FleetSpec
from serving_stub.frontdoor.fold import Layers
from serving_stub.frontdoor.gate import DRAIN, FENCE
from serving_stub.frontdoor.knob import Value


class Outages:
    """The guards of all control APIs of one fleet.

    Args:
        out: the clusters that are out now.
        routes: the leases of `route` in force.
    """

    def __init__(self, fleet: FleetSpec, out: Callable[[], Mapping[str, Out]], routes: Callable[[], Layers]) -> None:
        self._fleet = fleet
        self._out = out
        self._routes = routes
        self._lock = asyncio.Lock()

    def of_cluster(self, name: str) -> Guard:
        """The guard of one cluster's control API."""

        @asynccontextmanager
        async def guard(knob: str, value: Value | None) -> AsyncIterator[None]:
            if knob not in (DRAIN.name, FENCE.name):
                yield
                return
            async with self._lock:
                self._check([name])
                yield

        return guard

    @asynccontextmanager
    async def of_fleet(self, knob: str, value: Value | None) -> AsyncIterator[None]:
        """The guard of the fleet's own control API.

        Raises: OutageLimitExceeded, InvalidValue.
        """
        if knob == LOSE.name:
            # A fault is asked for to see what happens: no limit stands in its way.
            wanted = LOSE.parse({} if value is None else value)
            assert isinstance(wanted, LoseValue)
            check_where(self._fleet, LOSE.name, wanted.where)
            yield
            return
        assert knob == ROUTE.name
        async with self._lock:
            weights = with_route(self._fleet, self._routes(), value)
            self._check([name for name, weight in weights.items() if weight <= 0])
            yield

    def _check(self, names: Collection[str]) -> None:
        """Raises: OutageLimitExceeded where not all of *names* may go out together."""
        out = dict(self._out())
        for name in names:
            answer = may_go_out(name, states_of(self._fleet, out), self._fleet.limits)
            if isinstance(answer, OutageRefused):
                raise OutageLimitExceeded(answer.message)
            out.setdefault(name, Out.WEIGHT_0)
