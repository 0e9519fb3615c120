"""Invents the people of one shape: ids, keys and networks that no other shape and no other seed has."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

from pydantic import SecretStr

from serving_stub.traffic.abuse.move import NO_TRAITS, Member, Traits
from serving_stub.traffic.client_profile import ClientProfile
from serving_stub.traffic.network import Network, NetworkKind, network
from serving_stub.traffic.persona import Persona

NETWORKS_PER_SHAPE = 128
"""Of each kind."""

_FIRST_NETWORK = 512
"""Those below belong to the background's people."""

HOUR_S = 3600.0
DAY_S = 86_400.0


class Cast:
    """People of one shape.

    Args:
        number: of the shape among all shapes, which gives it networks of its own.
        source: of everything random about the shape.
    """

    def __init__(self, shape: str, number: int, seed: int) -> None:
        self._name = f"{seed}:{shape}"
        self._number = number
        self.source = random.Random(self._name)

    def id(self, kind: str, *parts: object) -> str:
        """An id that says nothing about the shape, the same for the same *parts*."""
        digest = hashlib.blake2b(f"{self._name}:{kind}:{parts}".encode(), digest_size=6).hexdigest()
        return f"{kind}-{digest}"

    def network(self, kind: NetworkKind, number: int, country: str, operator: int | None = None) -> Network:
        """The shape's network *number* of *kind*, run by *operator*, or by one of its own."""
        assert number < NETWORKS_PER_SHAPE
        first = _FIRST_NETWORK + self._number * NETWORKS_PER_SHAPE
        return network(kind, first + number, country, first + (number if operator is None else operator))

    def member(
        self,
        org: object,
        account: object,
        client: ClientProfile,
        place: Network,
        *,
        host: int = 1,
        key: object = None,
        age_days: float = 400.0,
        traits: Traits = NO_TRAITS,
        is_key_dead: bool = False,
        requests_per_min: int | None = None,
    ) -> Member:
        """Somebody; the same *org*, *account* or *key* is the same everywhere.

        Args:
            key: which of the account's keys; without one the account has one.
        """
        secret = hashlib.blake2b(f"{self._name}:key:{org}:{account}:{key}".encode(), digest_size=16).hexdigest()
        persona = Persona(
            tenant=self.id("org", org),
            account=self.id("account", org, account),
            key=SecretStr(f"sk-traffic-{secret}"),
            client=client,
            network=place,
            address=place.address(host),
            country=place.country,
        )
        return Member(persona, age_days, traits, is_key_dead, requests_per_min)

    def times(self, count: int, start_s: float, length_s: float) -> list[float]:
        """So many moments within a time, in order."""
        return sorted(self.source.uniform(start_s, start_s + length_s) for _ in range(count))

    def pace(self, start_s: float, end_s: float, gap_s: float, spread: float) -> Iterator[float]:
        """Moments about *gap_s* apart, each gap off by up to *spread* of it."""
        at_s = start_s + self.source.uniform(0, gap_s)
        while at_s < end_s:
            yield at_s
            at_s += gap_s * self.source.uniform(1 - spread, 1 + spread)


def scaled(count: float, strength: float) -> int:
    """A count at a strength, at least one."""
    return max(1, round(count * strength))
