"""Asks the control APIs which emergency settings have an effect, where there are any."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from opsbot.errors import OpsbotError
from opsbot.incident.handle import handle_of
from opsbot.vitals.vitals import LeaseInForce

MOST_AT_ONCE = 8
FLEET = "<fleet>"
"""The place of the leases that move traffic between clusters, as the control client calls it."""


class Lease(Protocol):
    """One lease of a control API's answer."""

    @property
    def knob(self) -> str: ...

    @property
    def value(self) -> int | dict[str, Any] | None: ...

    @property
    def owner(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def expires_at(self) -> float: ...


class Leases(Protocol):
    """A client of the control APIs; raises OpsbotError."""

    @property
    def has_fleet(self) -> bool: ...

    async def leases_in_force(self, place: str) -> Sequence[Lease]: ...


Found = tuple[LeaseInForce, ...] | str
"""The leases of one place, or why they are not known."""


async def ask(leases: Leases, places: Sequence[str]) -> Mapping[str, Found]:
    """The leases in force of each place."""
    room = asyncio.Semaphore(MOST_AT_ONCE)

    async def one(place: str) -> Found:
        async with room:
            try:
                return tuple(in_force(found) for found in await leases.leases_in_force(place))
            except OpsbotError as error:
                return str(error)

    return dict(zip(places, await asyncio.gather(*map(one, places)), strict=True))


def in_force(lease: Lease) -> LeaseInForce:
    """A lease as people see it; who owns it is a run's handle where a run does."""
    owner = handle_of(lease.owner) if lease.owner.startswith("run:") else lease.owner
    return LeaseInForce(lease.knob, value_words(lease.value), owner, lease.expires_at, lease.state)


def value_words(value: int | Mapping[str, Any] | None) -> str:
    """`8`, `20%`, `safe`, `x 0.5`; `on` for what is only on or off. Never whom it concerns: that may be a key."""
    if not isinstance(value, Mapping):
        return "on" if value is None else str(value)
    match value:
        case {"fraction": int() | float() as fraction}:
            return f"{fraction:.0%}"
        case {"mode": str() as mode}:
            return mode
        case {"where": str() as where, "factor": int() | float() as factor}:
            return f"{where} x {factor:g}"
    return "on"
