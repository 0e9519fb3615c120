"""Which addresses a request may go to: listed hosts alone, and inside one's own network only listed addresses.

A name is resolved once, here, and the request goes to what was looked at: a name that points elsewhere a moment later
leads nowhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from opsbot.errors import ActionError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PORTS = {"http": 80, "https": 443}
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    Args:
        url: with the address in place of the host.
        host: for the header `Host`.
        name: what a certificate must be for.
    """

    url: str
    host: str
    name: str


class AllowList:
    """The hosts that may be reached."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._hosts: set[tuple[str, int | None]] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in entries:
            if "/" in entry:
                self._networks.append(ipaddress.ip_network(entry))
                continue
            host, port = _split(entry)
            self._hosts.add((host, port))
            address = _address(host)
            if address is not None:
                self._networks.append(ipaddress.ip_network(address))

    def check(self, url: str) -> tuple[str, str, int]:
        """Scheme, host and port of *url*.

        Raises: ActionError if it may not be reached.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ActionError(f"{url!r} is no address: {error}") from error
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme not in _PORTS or not host or parts.username is not None or parts.password is not None:
            raise ActionError("url is no address such as https://host/path, without user and password")
        usual = _PORTS[parts.scheme]
        port = usual if port is None else port
        if (host, port) not in self._hosts and not (port == usual and (host, None) in self._hosts):
            shown = host if port == usual else f"{host}:{port}"
            raise ActionError(f"{shown} is not listed under `actions.http.allow` in opsbot.yaml")
        return parts.scheme, host, port

    async def target(self, url: str) -> Target:
        """Resolve *url*'s host to an address that may be reached.

        Raises: ActionError; `retryable` if the name cannot be resolved just now.
        """
        scheme, host, port = self.check(url)
        addresses = [address] if (address := _address(host)) is not None else await _resolve(host, port)
        refused = next((one for one in addresses if not self._may_reach(one, host)), None)
        if refused is not None:
            raise ActionError(
                f"{host} has the address {refused}, which is not public; list that address, or a range with it, under "
                "`actions.http.allow` if it is meant"
            )
        parts = urlsplit(url)
        chosen = addresses[0]
        netloc = f"[{chosen}]:{port}" if chosen.version == 6 else f"{chosen}:{port}"
        shown = f"[{host}]" if ":" in host else host
        return Target(
            parts._replace(netloc=netloc, fragment="").geturl(),
            shown if port == _PORTS[scheme] else f"{shown}:{port}",
            host,
        )

    def _may_reach(self, address: Address, host: str) -> bool:
        inner = _inner(address)
        if inner.is_global and not inner.is_multicast:
            return True
        if host == "localhost" and inner.is_loopback:
            return True
        return any(inner in network or address in network for network in self._networks)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does: it must not be a way around the list."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _TRANSLATED:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _split(entry: str) -> tuple[str, int | None]:
    parts = urlsplit(f"//{entry}")
    return (parts.hostname or "").rstrip("."), parts.port


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


async def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ActionError(f"{host} cannot be resolved ({type(error).__name__})", retryable=True) from error
    return list(dict.fromkeys(ipaddress.ip_address(one[4][0]) for one in found))
