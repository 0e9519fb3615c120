"""A client of the serving control API (docs/serving.md): knobs, leases and commands of clusters, and of their fleet.

A *place* is a cluster's name, or `FLEET` for the leases that move traffic between clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opsbot.action.control_answers import CommandAnswer, KnobAnswer, LeaseAnswer, NumberKnob, read
from opsbot.errors import ActionError, NotFoundError
from opsbot.runbook.action import LeaseEnded

if TYPE_CHECKING:
    import httpx

    from opsbot.action.control_http import ControlHttp

FLEET = "<fleet>"
"""The fleet's own control API; no cluster can be called so."""
IN_FORCE = ("live", "ramping", "holding")
"""States of leases that still have an effect."""


@dataclass(frozen=True, slots=True)
class ServingTarget:
    """Where a control API is; the token stays out of `repr`."""

    url: str
    token: str = field(repr=False)


class ControlClient:
    """Calls the control API of every configured cluster.

    Args:
        targets: by cluster name.
        transport: how requests travel; the network unless stated.
        fleet: the control API of the fleet that holds the clusters, where there is one.
    """

    def __init__(
        self,
        targets: Mapping[str, ServingTarget],
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        fleet: ServingTarget | None = None,
    ) -> None:
        self._targets = {**targets, **({} if fleet is None else {FLEET: fleet})}
        self._transport = transport
        self._http: ControlHttp | None = None

    @property
    def has_fleet(self) -> bool:
        """Whether there is a fleet's control API to ask."""
        return FLEET in self._targets

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.close()

    async def knob(self, place: str, name: str) -> NumberKnob:
        """One number now; raises ActionError."""
        return read(NumberKnob, await self._knob(place, name), where(place))

    async def look(self, place: str, name: str) -> KnobAnswer:
        """One knob of any kind now; raises ActionError."""
        return read(KnobAnswer, await self._knob(place, name), where(place))

    async def knobs(self, place: str) -> tuple[KnobAnswer, ...]:
        """Every knob now; raises ActionError."""
        body = await self._call(place, "GET", "/control/v1/knobs")
        return tuple(read(KnobAnswer, one, where(place)) for one in body.get("knobs", []))

    async def grant(self, place: str, request: Mapping[str, object]) -> LeaseAnswer:
        """Ask for a lease; the same idempotency key again answers the same lease. Raises ActionError.

        It is a layer on whatever others have set (`stack`): a mitigation must not fail because a drill's lease is live.
        """
        body = {"stack": True, **request}
        return read(LeaseAnswer, await self._call(place, "POST", "/control/v1/leases", body), where(place))

    async def find(self, place: str, idempotency_key: str) -> LeaseAnswer | None:
        """The lease that was granted under that key, live or ended; None if there is none. Raises ActionError."""
        leases = await self.leases(place, idempotency_key=idempotency_key)
        return leases[0] if leases else None

    async def leases(self, place: str, **filters: str) -> tuple[LeaseAnswer, ...]:
        """Leases by `state`, `owner`, `knob`, `idempotency_key`, the oldest first. Raises ActionError."""
        body = await self._call(place, "GET", "/control/v1/leases", params=filters)
        return tuple(read(LeaseAnswer, one, where(place)) for one in body.get("leases", []))

    async def leases_in_force(self, place: str, **filters: str) -> tuple[LeaseAnswer, ...]:
        """Those of them that have an effect: live, ramping and holding ones. Raises ActionError."""
        found = [one for state in IN_FORCE for one in await self.leases(place, state=state, **filters)]
        return tuple({one.lease_id: one for one in found}.values())

    async def renew(self, place: str, lease_id: str, ttl_s: float) -> LeaseAnswer:
        """Move the expiry to now + *ttl_s*. Raises LeaseEnded, ActionError."""
        from opsbot.action.control_http import Conflict

        path = f"/control/v1/leases/{lease_id}"
        try:
            body = await self._call(place, "POST", f"{path}/renew", {"ttl_s": ttl_s})
        except Conflict as error:
            ended = read(LeaseAnswer, await self._call(place, "GET", path), where(place))
            raise LeaseEnded(str(error), was_released=ended.end_reason == "released") from error
        except NotFoundError as error:
            raise LeaseEnded(f"{error}: the server has forgotten it", was_released=False) from error
        return read(LeaseAnswer, body, where(place))

    async def release(self, place: str, lease_id: str, *, is_now: bool = False) -> LeaseAnswer | None:
        """Bring the lease to its end, *is_now* without ramp or hold; one that has ended is no error.

        Returns: the lease as it is now; None if the server has forgotten it.

        Raises: ActionError.
        """
        params = {"now": "true"} if is_now else None
        try:
            body = await self._call(place, "DELETE", f"/control/v1/leases/{lease_id}", params=params)
        except NotFoundError:
            return None
        return read(LeaseAnswer, body, where(place))

    async def command(self, place: str, kind: str, request: Mapping[str, object]) -> CommandAnswer:
        """Give a command; the same idempotency key again answers the first and runs nothing. Raises ActionError."""
        return read(CommandAnswer, await self._call(place, "POST", f"/control/v1/{kind}", request), where(place))

    async def command_by_key(self, place: str, idempotency_key: str) -> CommandAnswer | None:
        """The command that was taken under that key; None if there is none. Raises ActionError."""
        params = {"idempotency_key": idempotency_key}
        body = await self._call(place, "GET", "/control/v1/commands", params=params)
        found = [read(CommandAnswer, one, where(place)) for one in body.get("commands", [])]
        return found[0] if found else None

    async def command_now(self, place: str, command_id: str) -> CommandAnswer:
        """How a command goes; raises ActionError, NotFoundError."""
        return read(CommandAnswer, await self._call(place, "GET", f"/control/v1/commands/{command_id}"), where(place))

    async def _knob(self, place: str, name: str) -> object:
        body = await self._call(place, "GET", "/control/v1/knobs")
        # Only the one that is asked for is read: others may be of kinds that came later.
        found = next((one for one in body.get("knobs", []) if isinstance(one, dict) and one.get("knob") == name), None)
        if found is None:
            raise ActionError(f"the server of {where(place)} has no knob {name}")
        return found

    async def _call(
        self,
        place: str,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        target = self._targets.get(place)
        if target is None:
            raise ActionError(self._unknown(place))
        if self._http is None:
            from opsbot.action.control_http import ControlHttp

            self._http = ControlHttp(self._transport)
        return await self._http.call(target.url, target.token, where(place), method, path, body, params)

    def _unknown(self, place: str) -> str:
        if place == FLEET:
            return "no fleet is configured; name its address under `fleet` in opsbot.yaml"
        known = ", ".join(sorted(self._targets.keys() - {FLEET}))
        return f"no cluster {place!r} is configured under `serving`; known are: {known}"


def where(place: str) -> str:
    """The place in words: `cluster east`, `the fleet`."""
    return "the fleet" if place == FLEET else f"cluster {place}"
