"""Who an arrival is: tenant and key, client program, country and network; the same person looks the same every time.

With a file of keys people share out those keys; without one they are anonymous. All of it follows from the seed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from serving_stub.traffic.client_profile import BROWSER, MOBILE_APP, OPENAI_NODE, OPENAI_PYTHON, ClientProfile
from serving_stub.traffic.network import Network, NetworkKind, network

PEOPLE_PER_COUNTRY = 40
COUNTRIES: Mapping[str, float] = {
    "US": 1.0, "JP": 1.1, "IN": 0.6, "DE": 0.4, "BR": 0.35, "GB": 0.3, "FR": 0.25, "KR": 0.25, "ES": 0.2, "AU": 0.12,
}  # fmt: skip
"""How many users a country has, as a multiple of those of the United States."""

_CLIENTS: tuple[tuple[ClientProfile, float], ...] = (
    (BROWSER, 0.45),
    (MOBILE_APP, 0.25),
    (OPENAI_PYTHON, 0.2),
    (OPENAI_NODE, 0.1),
)
_NETWORKS: dict[str, tuple[NetworkKind, ...]] = {
    BROWSER.name: ("residential", "residential", "business"),
    MOBILE_APP.name: ("mobile",),
    OPENAI_PYTHON.name: ("hosting", "business"),
    OPENAI_NODE.name: ("hosting", "business"),
}


class KeyEntry(BaseModel):
    """One API key and whose it is.

    Args:
        service_class: `class` in the file: how the summary groups its requests.
        weight: its share of the arrivals, beside those of the other keys.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    key: SecretStr = Field(min_length=1)
    tenant: Annotated[str, Field(min_length=1)]
    account: str | None = None
    service_class: str | None = Field(default=None, alias="class")
    weight: float = Field(default=1.0, gt=0)


class KeyFile(BaseModel):
    """The file of `--keys`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[KeyEntry, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Persona:
    """Everything about an arrival but what is asked.

    Args:
        key: shown to nobody but the server.
        address: within the network's prefix.
    """

    tenant: str
    account: str
    key: SecretStr | None
    client: ClientProfile
    network: Network
    address: str
    country: str
    service_class: str | None = None

    @property
    def key_hash(self) -> str | None:
        """The key's public id, as a door that made the key would call it."""
        return None if self.key is None else f"k-{key_digest(self.key)[:8]}"


def key_digest(key: SecretStr) -> str:
    """SHA-256 of a key: what a server keeps of it."""
    return hashlib.sha256(key.get_secret_value().encode()).hexdigest()


class Population:
    """People to draw from; drawing the same way gives the same people.

    Args:
        people: of every country that may be asked for.
    """

    def __init__(self, people: Mapping[str, Sequence[Persona]]) -> None:
        self._people = people

    @classmethod
    def of(cls, seed: int, keys: Sequence[KeyEntry] = ()) -> Population:
        """Forty people a country; with *keys* they share those out."""
        return cls(
            {
                country: [_person(seed, country, number, keys) for number in range(PEOPLE_PER_COUNTRY)]
                for country in COUNTRIES
            }
        )

    def all(self, country: str) -> Sequence[Persona]:
        """Everybody of a country."""
        return self._people[country]

    def draw(self, source: random.Random, country: str | None = None) -> Persona:
        """Somebody, of *country* or of any by its size."""
        if country is None:
            country = source.choices(list(COUNTRIES), list(COUNTRIES.values()))[0]
        return source.choice(self._people[country])


def _person(seed: int, country: str, number: int, keys: Sequence[KeyEntry]) -> Persona:
    source = random.Random(f"{seed}:person:{country}:{number}")
    entry = source.choices(keys, [one.weight for one in keys])[0] if keys else None
    return person(source, country, number, entry)


def person(source: random.Random, country: str, number: int, entry: KeyEntry | None) -> Persona:
    """Person *number* of a country, up to PEOPLE_PER_COUNTRY, with a client and a network of its kind."""
    client = source.choices([profile for profile, _ in _CLIENTS], [share for _, share in _CLIENTS])[0]
    first = list(COUNTRIES).index(country) * PEOPLE_PER_COUNTRY
    # A network for two people, so that a prefix is not a person.
    place = network(
        source.choice(_NETWORKS[client.name]), first + number // 2, country, operator=first + source.randrange(4)
    )
    return Persona(
        tenant=entry.tenant if entry else "anonymous",
        account=(entry.account if entry else None) or f"user-{country.lower()}-{number}",
        key=entry.key if entry else None,
        client=client,
        network=place,
        address=place.address(1 + number),
        country=country,
        service_class=entry.service_class if entry else None,
    )
