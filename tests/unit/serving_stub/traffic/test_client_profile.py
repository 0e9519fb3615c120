"""Client programs look like themselves: the door's shipped signatures say of each what its profile says."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from serving_stub.frontdoor.signature import load_signatures
from serving_stub.traffic.client_profile import BROWSER, CURL, PROFILES, ClientProfile
from serving_stub.traffic.network import network
from serving_stub.traffic.persona import Persona
from serving_stub.traffic.wire import ProxyHeaders, request_headers

BODY = {"model": "tiny", "messages": [], "max_tokens": 4, "stream": True, "stream_options": {"include_usage": True}}


def headers_of(client: ClientProfile, key: str | None = "sk-1") -> list[tuple[str, str]]:
    """A request's headers as they are sent."""
    place = network("residential", 1, "JP")
    who = Persona("acme", "one", SecretStr(key) if key else None, client, place, place.address(1), "JP")
    return request_headers(who, "server", json.dumps(BODY).encode(), ProxyHeaders())


@pytest.mark.parametrize("key", ["sk-1", None], ids=["key", "no key"])
@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_door_recognises_what_the_profile_says(name: str, key: str | None) -> None:
    """Known clients fit their signature, others claim none, and an imitation is seen through."""
    raw = [(header.lower().encode(), value.encode()) for header, value in headers_of(PROFILES[name], key)]
    seen = load_signatures().recognise(raw, set(BODY), "/v1/chat/completions")
    assert seen.known == PROFILES[name].known, seen.reason
    if PROFILES[name].known == "known":
        assert seen.client == name


def test_headers_are_filled_in() -> None:
    """Host, length and key are the request's own, everything else the program's."""
    sent = dict(headers_of(CURL))
    assert (sent["Host"], sent["Authorization"]) == ("server", "Bearer sk-1")
    assert sent["Content-Length"] == str(len(json.dumps(BODY)))


def test_a_proxys_headers_can_have_other_names() -> None:
    """An empty name leaves a header out."""
    place = network("residential", 1, "JP")
    who = Persona("acme", "one", None, BROWSER, place, place.address(1), "JP")
    assert ProxyHeaders(country="x-country", address="").of(who) == [("x-country", "JP")]


def test_fingerprints_tell_programs_apart() -> None:
    """Known ones by name, the others by their headers."""
    assert len({profile.fingerprint for profile in PROFILES.values()}) == len(PROFILES)
    assert BROWSER.fingerprint == "web-2026.11"
