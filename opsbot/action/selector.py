"""Selectors: which callers a setting of the front door concerns (docs/frontdoor.md), typed, and in words for people."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Names = Annotated[list[Name], Field(min_length=1, max_length=1000)]
Country = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]

WHO = ("tenant", "key", "account", "client", "client_known")
"""What tells one party from another; a class, model, country or network holds many that have nothing in common."""
_WORDS = {
    "tenant": "tenant",
    "class": "class",
    "key": "API key",
    "account": "account",
    "model": "model",
    "client": "client",
    "client_known": "client signature",
    "country": "country",
    "network_kind": "kind of network",
}
_MOST_SHOWN = 5


class Selector(BaseModel):
    """Callers by what is known about them: all fields must hold, each with any of its values; empty means everybody."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True, serialize_by_alias=True)

    tenant: Names | None = Field(default=None, description="Who is billed.")
    service_class: Names | None = Field(default=None, alias="class", description="Classes of the tenants file.")
    key: Names | None = Field(default=None, description="Public ids of API keys.")
    account: Names | None = Field(default=None, description="The person or machine that has the key.")
    model: Names | None = Field(default=None, description="The model that is asked for.")
    client: Names | None = Field(default=None, description="The client program by its signature.")
    client_known: Annotated[list[Literal["known", "unknown", "spoofed"]], Field(min_length=1)] | None = Field(
        default=None, description="Whether the client is what it says it is."
    )
    country: Annotated[list[Country], Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="ISO codes."
    )
    network: Names | None = Field(default=None, description="Address prefixes, such as 192.0.2.0/24.")
    network_kind: (
        Annotated[
            list[Literal["hosting", "residential", "mobile", "education", "business", "unknown"]], Field(min_length=1)
        ]
        | None
    ) = Field(default=None, description="What kind of network an address belongs to.")

    @field_validator("network")
    @classmethod
    def _are_prefixes(cls, values: list[str] | None) -> list[str] | None:
        return None if values is None else [str(ip_network(value)) for value in values]

    @property
    def is_everybody(self) -> bool:
        """Whether nobody is left out."""
        return not self.model_fields_set or not self.wire()

    @property
    def names_somebody(self) -> bool:
        """Whether it says who, and not only what they have in common with many."""
        return any(getattr(self, name) is not None for name in WHO)

    def wire(self) -> dict[str, Any]:
        """As the control API takes it."""
        return self.model_dump(exclude_none=True, by_alias=True, mode="json")

    def words(self) -> str:
        """For people: `everybody`, or `callers of class free, country JP or US`."""
        return words_of(self.wire())


def words_of(wire: dict[str, Any]) -> str:
    """The same of a selector as the control API answers it."""
    # A prefix can be one person's address, which has no place in a channel; the stored arguments have it.
    parts = [
        f"{len(values)} network{'s' if len(values) > 1 else ''}"
        if name == "network"
        else f"{_WORDS.get(name, name)} {_values(values)}"
        for name, values in wire.items()
    ]
    return f"callers of {', '.join(parts)}" if parts else "everybody"


def _values(values: Any) -> str:
    shown = [str(value) for value in values] if isinstance(values, list) else [str(values)]
    more = len(shown) - _MOST_SHOWN
    return " or ".join(shown[:_MOST_SHOWN]) + (f" or {more} more" if more > 0 else "")
