"""Selectors: which callers a setting concerns. All of a selector's fields must hold, each with any of its values.

An empty selector means everybody. A field that is not known about a caller never matches, so a setting is never wider
than what was written.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any

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

    @property
    def is_everybody(self) -> bool:
        """Whether nobody is left out."""
        return not self.model_dump(exclude_none=True)

    def matches(self, caller: Caller) -> bool:
        """Whether *caller* is meant."""
        return all(
            _is_within(caller.network, wanted) if name == "network" else getattr(caller, name) in wanted
            for name in type(self).model_fields
            if (wanted := getattr(self, name)) is not None
        )

    def describe(self) -> str:
        """For people: `class free, country JP or US`; `everybody` when empty."""
        parts = self.model_dump(exclude_none=True, mode="json")
        return ", ".join(f"{name} {' or '.join(values)}" for name, values in parts.items()) or "everybody"


def _is_within(network: str | None, wanted: tuple[str, ...]) -> bool:
    if network is None:
        return False
    own: Any = ip_network(network)
    return any(own.version == other.version and own.subnet_of(other) for other in map(ip_network, wanted))
