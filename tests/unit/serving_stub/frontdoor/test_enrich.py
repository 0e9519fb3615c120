"""What is known of an address, and who is believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from serving_stub.errors import ServingError
from serving_stub.frontdoor.caller import NetworkKind
from serving_stub.frontdoor.enrich import Enricher, EnrichSettings, Origin
from tests.support.small_mmdb import mmdb

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48")
COUNTRIES: Mapping[str, Mapping[str, Any]] = {
    "203.0.113.0/24": {"country": {"iso_code": "JP"}},
    "198.51.100.0/24": {"country": {"iso_code": "EU"}},
    "2001:db8:1::/48": {"country_code": "DE", "asn": "AS3320"},
}
NUMBERS: Mapping[str, Mapping[str, Any]] = {
    "203.0.113.0/24": {"autonomous_system_number": 16509},
    "192.0.2.0/24": {"traits": {"user_type": "cellular"}, "autonomous_system_number": 16509},
}


@pytest.fixture
def enricher(tmp_path: Path) -> Enricher:
    """Proxies, a database of countries and one of numbers."""
    paths = (tmp_path / "country.mmdb", tmp_path / "asn.mmdb")
    for path, records in zip(paths, (COUNTRIES, NUMBERS), strict=True):
        path.write_bytes(mmdb(records))
    return Enricher(EnrichSettings(trusted_proxies=PROXIES, databases=paths, kind_header="X-Net", asn_header="x-asn"))


def of(enricher: Enricher, peer: str | None, headers: Mapping[str, str] | None = None) -> Origin:
    """The origin of a request with *headers*."""
    return enricher.origin(peer, [(name.encode(), value.encode()) for name, value in (headers or {}).items()])


def test_an_address_is_looked_up(enricher: Enricher) -> None:
    """Prefix from the address, country and number from the databases, the kind from the list of networks."""
    assert of(enricher, "203.0.113.9") == Origin("203.0.113.9", "203.0.113.0/24", "JP", 16509, NetworkKind.HOSTING)
    assert of(enricher, "2001:db8:1:2::3") == Origin(
        "2001:db8:1:2::3", "2001:db8:1::/48", "DE", 3320, NetworkKind.RESIDENTIAL
    )


def test_a_database_that_states_the_kind_goes_before_the_list(enricher: Enricher) -> None:
    """It knows the prefix, the list only the network as a whole."""
    assert of(enricher, "192.0.2.1").kind is NetworkKind.MOBILE


@pytest.mark.parametrize("peer", [None, "", "testclient", "999.1.1.1"])
def test_a_peer_without_an_address_has_no_origin(enricher: Enricher, peer: str | None) -> None:
    """Such as a Unix socket."""
    assert of(enricher, peer) == Origin()


def test_what_is_no_country_is_none(enricher: Enricher) -> None:
    """`EU` stands for "somewhere in Europe"."""
    assert of(enricher, "198.51.100.7").country is None


def test_strangers_are_not_believed(enricher: Enricher) -> None:
    """Whatever they say about themselves."""
    lies = {"x-forwarded-for": "192.0.2.1", "cf-ipcountry": "US", "x-net": "education", "x-asn": "3"}
    assert of(enricher, "203.0.113.9", lies) == of(enricher, "203.0.113.9")


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.1.1.1, 10.2.2.2", "203.0.113.9"),
        ("10.9.9.9, 10.1.1.1", "10.9.9.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8:1::3]:4711", "2001:db8:1::3"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, unknown", None),
        ("unknown, 203.0.113.9", "203.0.113.9"),
        (", ".join(["10.1.1.1"] * 5000), "10.1.1.1"),
    ],
    ids=[
        "one hop",
        "a lie",
        "two proxies",
        "all ours",
        "port",
        "IPv6 and port",
        "mapped",
        "unreadable",
        "left",
        "long",
    ],
)
def test_the_chain_of_proxies_is_walked_from_the_right(enricher: Enricher, chain: str, expected: str | None) -> None:
    """The first address that is none of our proxies is the client's; left of it is what the client wrote."""
    assert of(enricher, "10.0.0.1", {"x-forwarded-for": chain}).address == expected


def test_a_trusted_proxys_headers_go_before_databases(enricher: Enricher) -> None:
    """Each for itself: what it does not say is looked up."""
    said = {"x-forwarded-for": "203.0.113.9", "cf-ipcountry": "us"}
    assert of(enricher, "10.0.0.1", said) == Origin("203.0.113.9", "203.0.113.0/24", "US", 16509, NetworkKind.HOSTING)
    assert of(enricher, "10.0.0.1", {**said, "x-asn": "AS786"}).kind is NetworkKind.EDUCATION
    assert of(enricher, "10.0.0.1", {**said, "x-net": "business"}).kind is NetworkKind.BUSINESS


@pytest.mark.parametrize("value", ["XX", "T1", "Japan", "", "J1"])
def test_a_country_that_is_none_is_not_taken(enricher: Enricher, value: str) -> None:
    """The database's stays."""
    said = {"x-forwarded-for": "203.0.113.9", "cf-ipcountry": value}
    assert of(enricher, "10.0.0.1", said).country == "JP"


def test_a_header_that_came_twice_is_nobodys_word(enricher: Enricher) -> None:
    """A proxy that adds its own instead of overwriting the client's must not be believed."""
    headers = [(b"x-forwarded-for", b"203.0.113.9"), (b"cf-ipcountry", b"US"), (b"cf-ipcountry", b"DE")]
    assert enricher.origin("10.0.0.1", headers).country == "JP"


def test_an_address_is_never_shown(enricher: Enricher) -> None:
    """Not even by a debugger's print or a log line with the whole value."""
    assert "203.0.113.9" not in repr(of(enricher, "203.0.113.9"))


def test_the_cache_is_bounded(tmp_path: Path) -> None:
    """A scan over all addresses costs no memory."""
    enricher = Enricher(EnrichSettings(cache_size=10))
    for number in range(100):
        of(enricher, f"203.0.113.{number}")
    assert enricher._origin.cache_info().currsize == 10


@pytest.mark.parametrize(
    ("setting", "kind"),
    [({"trusted_proxies": ["10.0.0.1/8"]}, ValidationError), ({"country_header": "a b"}, ValidationError)],
)
def test_wrong_settings(setting: dict[str, Any], kind: type[Exception]) -> None:
    """Are refused when they are read."""
    with pytest.raises(kind):
        EnrichSettings.model_validate(setting)


@pytest.mark.parametrize("content", [None, b"no database"], ids=["missing", "rubbish"])
def test_a_database_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """The error names the file."""
    path = tmp_path / "country.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ServingError, match=r"country\.mmdb: cannot be read as an address database"):
        Enricher(EnrichSettings(databases=(path,)))
