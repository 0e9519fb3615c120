"""Which addresses may be asked: listed hosts alone, and inside one's own network only listed addresses."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from opsbot.action.address import AllowList
from opsbot.action_settings import HttpSection
from opsbot.errors import ActionError


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("api.example.com", "https://api.example.com/v1"),
        ("api.example.com", "http://API.example.com./v1"),
        ("api.example.com:8443", "https://api.example.com:8443/"),
        ("192.0.2.7", "https://192.0.2.7/"),
        ("[::1]:9000", "http://[::1]:9000/"),
    ],
)
def test_what_is_listed_may_be_asked(allow: str, url: str) -> None:
    """A host without port means the scheme's own."""
    AllowList((allow,)).check(url)


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("api.example.com", "https://api.example.com:8443/"),
        ("api.example.com", "https://api.example.com.evil.example/"),
        ("api.example.com", "https://evil.example/#api.example.com"),
        ("api.example.com", "https://user@evil.example/"),
        ("api.example.com", "https://api.example.com@evil.example/"),
        ("api.example.com", "ftp://api.example.com/"),
        ("api.example.com", "file:///etc/passwd"),
        ("api.example.com", "https:///nowhere"),
        ("api.example.com", "https://api.example.com:99999/"),
        ("10.0.0.0/8", "https://10.1.2.3/"),
    ],
)
def test_what_is_not_listed_may_not(allow: str, url: str) -> None:
    """However it is written; a range says where names may lead, and is no host."""
    with pytest.raises(ActionError):
        AllowList((allow,)).check(url)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Addresses by name, as a resolver would tell them."""
    known: dict[str, list[str]] = {}

    async def getaddrinfo(self: Any, host: str, port: int, **more: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(-2, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return known


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "224.0.0.1",
    ],
)
async def test_a_name_does_not_lead_inside(names: dict[str, list[str]], address: str) -> None:
    """Private, loopback, link-local, translated: none unless that address is listed too."""
    names["api.example.com"] = [address]
    with pytest.raises(ActionError, match="is not public; list that address, or a range with it"):
        await AllowList(("api.example.com",)).target("https://api.example.com/")


async def test_one_inner_address_among_public_ones_is_refused(names: dict[str, list[str]]) -> None:
    """Which one would be taken is not for the resolver to choose."""
    names["api.example.com"] = ["93.184.215.14", "10.1.2.3"]
    with pytest.raises(ActionError, match=r"has the address 10\.1\.2\.3"):
        await AllowList(("api.example.com",)).target("https://api.example.com/")


@pytest.mark.parametrize("more", ["10.1.2.3", "10.0.0.0/8"])
async def test_a_listed_inner_address_may_be_reached(names: dict[str, list[str]], more: str) -> None:
    """By a name that is listed, at the address that was looked at; certificate and header are for the name."""
    names["api.example.com"] = ["10.1.2.3"]
    target = await AllowList(("api.example.com:8443", more)).target("https://api.example.com:8443/a?b=c#d")
    assert target.url == "https://10.1.2.3:8443/a?b=c"
    assert (target.host, target.name) == ("api.example.com:8443", "api.example.com")


async def test_a_public_name_is_reached(names: dict[str, list[str]]) -> None:
    """Nothing more than its name need be listed."""
    names["api.example.com"] = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]
    target = await AllowList(("api.example.com",)).target("https://api.example.com/a")
    assert (target.url, target.host) == ("https://93.184.215.14:443/a", "api.example.com")


async def test_a_name_that_nobody_knows_may_be_tried_again(names: dict[str, list[str]]) -> None:
    """Nothing was sent."""
    with pytest.raises(ActionError, match="cannot be resolved") as raised:
        await AllowList(("api.example.com",)).target("https://api.example.com/")
    assert raised.value.retryable


@pytest.mark.parametrize(
    "entry", ["https://api.example.com", "api example", "10.0.0.0/99", "", "*.example.com", "1.2.3"]
)
def test_an_entry_that_means_nothing_is_refused(entry: str) -> None:
    """With what may stand there."""
    with pytest.raises(ValueError, match="allow"):
        HttpSection(allow=(entry,))
