"""Selectors: which callers a setting concerns. All of a selector's fields must hold, each with any of its values.

An empty selector means everybody. A field that is not known about a caller never matches, so a setting is never wider
than what was written.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from serving_stub.frontdoor.caller import Caller, ClientKnown, NetworkKind

MOST_VALUES = 1000
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_VALUES)]


class Selector(BaseModel):
    """Callers by what is known about them.

    Args:
        service_class: `class` in YAML and JSON.
        network: prefixes; one matches the callers whose own prefix lies within it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)

    tenant: Names | None = None
    service_class: Names | None = Field(default=None, alias="class")
    key: Names | None = None
    account: Names | None = None
    model: Names | None = None
    client: Names | None = None
    client_known: tuple[ClientKnown, ...] | None = Field(default=None, min_length=1)
    country: tuple[Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")], ...] | None = Field(
        default=None, min_length=1, max_length=MOST_VALUES
    )
    network: Names | None = None
    network_kind: tuple[NetworkKind, ...] | None = Field(default=None, min_length=1)

    @field_validator("network")
    @classmethod
    def _are_prefixes(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if values is None else tuple(str(ip_network(value)) for value in values)

    @cached_property
    def _networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(map(ip_network, self.network or ()))

    @cached_property
    def _wanted(self) -> tuple[tuple[str, frozenset[str]], ...]:
        """What is compared as it stands, by field."""
        return tuple(
            (name, frozenset(values))
            for name in type(self).model_fields
            if name != "network" and (values := getattr(self, name)) is not None
        )

    @property
    def is_everybody(self) -> bool:
        """Whether nobody is left out."""
        return not self.model_dump(exclude_none=True)

    def matches(self, caller: Caller) -> bool:
        """Whether *caller* is meant."""
        for name, values in self._wanted:
            if getattr(caller, name) not in values:
                return False
        return self.network is None or _is_within(caller.network, self._networks)

    def describe(self) -> str:
        """For people: `class free, country JP or US`; `everybody` when empty."""
        parts = self.model_dump(exclude_none=True, mode="json")
        return ", ".join(f"{name} {' or '.join(values)}" for name, values in parts.items()) or "everybody"


def _is_within(network: str | None, wanted: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    if network is None:
        return False
    own = _parsed(network)
    for other in wanted:
        if isinstance(own, IPv4Network):
            if isinstance(other, IPv4Network) and own.subnet_of(other):
                return True
        elif isinstance(other, IPv6Network) and own.subnet_of(other):
            return True
    return False


_parsed = lru_cache(4096)(ip_network)
"""Reading a prefix takes 13 µs, and callers come from the same ones again and again."""
