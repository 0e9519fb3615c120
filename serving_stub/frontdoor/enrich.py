"""From an address to what may be kept of it: prefix, country, and the network's number and kind.

Headers that say where a request came from are believed only if its peer is a configured proxy, and then only as far as
the chain of proxies is known: whatever a client wrote itself is further left and never read. Nothing is looked up over
the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any

import maxminddb
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from serving_stub.errors import SettingError
from serving_stub.frontdoor.caller import NetworkKind
from serving_stub.yamlfile import load

NETWORKS = Path(__file__).with_name("data") / "networks.yaml"

_PREFIX_LENGTHS = {4: 24, 6: 48}
_MOST_HOPS = 32
_COUNTRY = re.compile(r"[A-Z]{2}")
_NO_COUNTRY = frozenset({"XX", "ZZ", "T1", "A1", "A2", "AP", "EU"})
"""What proxies and databases say for "not known", Tor, and regions that are no country."""

_USER_TYPES: Mapping[str, NetworkKind] = {
    "hosting": NetworkKind.HOSTING,
    "content_delivery_network": NetworkKind.HOSTING,
    "residential": NetworkKind.RESIDENTIAL,
    "cellular": NetworkKind.MOBILE,
    "college": NetworkKind.EDUCATION,
    "school": NetworkKind.EDUCATION,
    "business": NetworkKind.BUSINESS,
}
"""Values of `traits.user_type` in the GeoIP2 Enterprise database (dev.maxmind.com/geoip/docs/databases/enterprise)."""

_KINDS = {kind.value: kind for kind in NetworkKind}

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$", to_lower=True)]
RawHeaders = Iterable[tuple[bytes, bytes]]


def _is_network(text: str) -> str:
    ip_network(text)
    return text


class EnrichSettings(BaseModel):
    """What is known about addresses, and who may say so.

    Args:
        trusted_proxies: networks of our own proxies; from anybody else the headers below are ignored.
        forwarded_header: the chain of addresses, to which each proxy adds the one that it was asked by.
        country_header, asn_header, kind_header: set by the outermost proxy, which must overwrite the client's.
        databases: MMDB files, the first that knows a thing counts.
        networks: YAML list of network kinds by number.
        cache_size: addresses whose answers are kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trusted_proxies: tuple[Annotated[str, AfterValidator(_is_network)], ...] = ()
    forwarded_header: HeaderName = "x-forwarded-for"
    country_header: HeaderName | None = "cf-ipcountry"
    asn_header: HeaderName | None = None
    kind_header: HeaderName | None = None
    databases: tuple[Path, ...] = ()
    networks: Path = NETWORKS
    cache_size: int = Field(default=16_384, ge=1)


class _NetworkEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    asn: int = Field(ge=1, lt=2**32)
    kind: NetworkKind
    holder: str
    source: str


class _NetworkFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: tuple[_NetworkEntry, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from.

    Args:
        address: the client's own, for hashing at once; it is to be kept and logged nowhere, so it is not shown either.
        network: its prefix, /24 or /48.
    """

    address: str | None = field(default=None, repr=False)
    network: str | None = None
    country: str | None = None
    asn: int | None = None
    kind: NetworkKind = NetworkKind.UNKNOWN


class Enricher:
    """Looks addresses up.

    Raises: SettingError for a database or a list that cannot be read.
    """

    def __init__(self, settings: EnrichSettings) -> None:
        self._settings = settings
        self._trusted: Sequence[Network] = tuple(map(ip_network, settings.trusted_proxies))
        self._kinds = {entry.asn: entry.kind for entry in load(settings.networks, _NetworkFile).networks}
        self._databases = [_open(path) for path in settings.databases]
        self._origin = lru_cache(settings.cache_size)(self._look_up)
        self._parse = lru_cache(settings.cache_size)(_address)
        names = (settings.forwarded_header, settings.country_header, settings.asn_header, settings.kind_header)
        self._names = {name.encode(): name for name in names if name is not None}

    def origin(self, peer: str | None, headers: RawHeaders) -> Origin:
        """Where the request of *peer*, the connection's other end, comes from.

        Args:
            headers: with lower-case names, as ASGI has them.
        """
        address = None if peer is None else self._parse(peer)
        if address is None or not self._is_trusted(address):
            return Origin() if address is None else self._origin(address)
        said: dict[str, list[str]] = {}
        for raw_name, value in headers:
            name = self._names.get(raw_name)
            if name is not None:
                said.setdefault(name, []).append(value.decode("latin-1"))
        if not said:
            return self._origin(address)
        client = self._client(address, said.get(self._settings.forwarded_header, ()))
        found = Origin() if client is None else self._origin(client)
        return self._with_headers(found, said)

    def close(self) -> None:
        """Close the databases."""
        for database in self._databases:
            database.close()

    def _client(self, peer: Address, chain: Sequence[str]) -> Address | None:
        """The first address from the right that is none of our proxies; None behind a hop that cannot be read."""
        hops = [hop.strip() for line in chain for hop in line.split(",")][-_MOST_HOPS:]
        client = peer
        for hop in reversed(hops):
            address = self._parse(hop)
            if address is None:
                return None
            client = address
            if not self._is_trusted(address):
                break
        return client

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)

    def _with_headers(self, found: Origin, said: Mapping[str, Sequence[str]]) -> Origin:
        """What the proxy says goes before what a database does. A header that came twice is nobody's word."""
        settings = self._settings
        country = _country(_only(said, settings.country_header))
        asn = _asn(_only(said, settings.asn_header))
        kind = _kind(_only(said, settings.kind_header))
        if asn is not None and kind is None:
            kind = self._kinds.get(asn)
        if country is None and asn is None and kind is None:
            return found
        return replace(
            found,
            country=country or found.country,
            asn=found.asn if asn is None else asn,
            kind=kind or found.kind,
        )

    def _look_up(self, address: Address) -> Origin:
        country: str | None = None
        asn: int | None = None
        kind: NetworkKind | None = None
        for database in self._databases:
            if address.version == 6 and database.metadata().ip_version == 4:
                continue
            record = database.get(address)
            if isinstance(record, dict):
                country = country or _country_of(record)
                asn = asn or _asn(record.get("autonomous_system_number", record.get("asn")))
                kind = kind or _kind_of(record)
        network = ip_network((address, _PREFIX_LENGTHS[address.version]), strict=False)
        kind = kind or self._kinds.get(asn or 0) or NetworkKind.UNKNOWN
        return Origin(str(address), str(network), country, asn, kind)


def _open(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise SettingError(f"{path}: cannot be read as an address database (MMDB): {error}") from error


def _address(text: str) -> Address | None:
    """An address as proxies write it, with port and brackets or without; IPv4 within IPv6 is IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _only(said: Mapping[str, Sequence[str]], name: str | None) -> str | None:
    values = said.get(name, ()) if name is not None else ()
    return values[0].strip() if len(values) == 1 else None


def _country(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    country = value.upper()
    return country if _COUNTRY.fullmatch(country) and country not in _NO_COUNTRY else None


def _asn(value: Any) -> int | None:
    """As a number, or as `AS64500`."""
    if isinstance(value, str):
        digits = value.upper().removeprefix("AS")
        value = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else None
    return value if isinstance(value, int) and 0 < value < 2**32 else None


def _kind(value: str | None) -> NetworkKind | None:
    return _KINDS.get(value or "")


def _country_of(record: Mapping[str, Any]) -> str | None:
    """MaxMind and DB-IP nest it, IPinfo does not."""
    country = record.get("country")
    if isinstance(country, dict):
        country = country.get("iso_code")
    return _country(record.get("country_code") or country)


def _kind_of(record: Mapping[str, Any]) -> NetworkKind | None:
    traits = record.get("traits")
    return _USER_TYPES.get(str(traits.get("user_type"))) if isinstance(traits, dict) else None
