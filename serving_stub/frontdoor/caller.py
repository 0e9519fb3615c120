"""Who asks: what the front door knows about one request before anybody answers it.

Every decision of the door (admit, shed, failwhale, fallback, throttle, block) reads this value and nothing else. It
holds no prompt, no key and no address: those stay with the request and are hashed or shortened before they come here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ClientKnown(StrEnum):
    """Whether a request looks like the official client that it says it is."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    SPOOFED = "spoofed"


class NetworkKind(StrEnum):
    """What kind of network an address belongs to."""

    HOSTING = "hosting"
    RESIDENTIAL = "residential"
    MOBILE = "mobile"
    EDUCATION = "education"
    BUSINESS = "business"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; a field is None where it is not known, and then no selector that names it matches.

    Args:
        tenant: who is billed; `anonymous` where no keys are configured.
        service_class: the tenant's class by name; `priority` is its number, smaller is better.
        key: the public id of the API key, never the key itself.
        account: the person or machine below the tenant that the key belongs to.
        model: as asked for.
        client: id of the client signature that the request was recognised by.
        client_known: whether it fits that signature.
        country: ISO 3166-1 alpha-2, upper case.
        network: the address's prefix, such as `203.0.113.0/24`.
        network_kind: of that prefix.
        identity: what stays the same from request to request of one caller (account, else key, else a hash of the
            address): whoever is shed by it stays shed.
    """

    identity: str
    tenant: str = "anonymous"
    service_class: str = "default"
    priority: int = 0
    key: str | None = None
    account: str | None = None
    model: str | None = None
    client: str | None = None
    client_known: ClientKnown = ClientKnown.UNKNOWN
    country: str | None = None
    network: str | None = None
    network_kind: NetworkKind = NetworkKind.UNKNOWN
