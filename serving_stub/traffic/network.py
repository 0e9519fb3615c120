"""Networks of invented users: documentation prefixes that the internet never routes.

A /24 is a small world (RFC 5737 keeps three), so most users come from /48 prefixes of RFC 3849. The second group of
such an address says what kind of network it is, the third which one: every part of a plan agrees without a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Literal

NetworkKind = Literal["hosting", "residential", "mobile", "education", "business"]

KIND_NUMBERS: dict[NetworkKind, int] = {
    "hosting": 0x1000,
    "residential": 0x2000,
    "mobile": 0x3000,
    "education": 0x4000,
    "business": 0x5000,
}
_PRIVATE_ASN = 4_200_000_000
"""RFC 6996: numbers from here on belong to nobody."""

MOST_NETWORKS = 0x1000
"""Of one kind."""


@dataclass(frozen=True, slots=True)
class Network:
    """One prefix and who runs it.

    Args:
        number: which one of its kind, from 0.
        asn: number of the operator; an operator may run several prefixes.
    """

    kind: NetworkKind
    number: int
    asn: int
    country: str

    @property
    def prefix(self) -> str:
        """A /48 of 2001:db8::/32."""
        return f"2001:db8:{KIND_NUMBERS[self.kind] + self.number:x}::/48"

    def address(self, host: int) -> str:
        """One address within the prefix; *host* counts from 1."""
        return str(IPv6Address(f"2001:db8:{KIND_NUMBERS[self.kind] + self.number:x}::") + host)


def network(kind: NetworkKind, number: int, country: str, operator: int | None = None) -> Network:
    """The network *number* of its *kind*; run by *operator*, or by one of its own."""
    assert 0 <= number < MOST_NETWORKS
    who = KIND_NUMBERS[kind] + (number if operator is None else operator)
    return Network(kind, number, _PRIVATE_ASN + who, country)
