"""Moves that tests of the whole door make against a running server: leases, callers, streams in flight, counts."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.serving_server import CONTROL, ServingServer
from tests.support.waiting import until_sync

TEXT = "/v1/completions"
CHAT = "/v1/chat/completions"
SHORT: Mapping[str, Any] = {"prompt": "a", "max_tokens": 1, "ignore_eos": True}
_NUMBERS = count(1)
_TLS = ssl.create_default_context()
"""Made once: httpx would make one for each request, in more time than the request takes."""


def door_file(folder: Path, **settings: object) -> str:
    """A file of door settings; callers may say in X-Forwarded-For who they are, and ramps take tenths of a second."""
    usual = {"enrich": {"trusted_proxies": ["127.0.0.0/8"]}, "ramp": {"steps": 5, "step": "100ms"}}
    path = folder / "door.yaml"
    path.write_text(yaml.safe_dump({**usual, **settings}))
    return str(path)


def id_of(key: str) -> str:
    """The public id that `tenants_file` gives to a key."""
    return f"id-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def tenants_file(
    folder: Path,
    keys: Mapping[str, str],
    *,
    classes: Sequence[Mapping[str, object]],
    limits: Mapping[str, object] | None = None,
) -> str:
    """A file of tenants, one for each class, whose keys are *keys*: class by key.

    Args:
        limits: of a key, by key.
    """
    tenants = [
        {
            "id": f"org-{one['name']}",
            "class": one["name"],
            "keys": [
                {"id": id_of(key), "sha256": hashlib.sha256(key.encode()).hexdigest()}
                | ({"limits": limits[key]} if limits and key in limits else {})
                for key, service_class in keys.items()
                if service_class == one["name"]
            ],
        }
        for one in classes
    ]
    path = folder / "tenants.yaml"
    path.write_text(yaml.safe_dump({"classes": list(classes), "tenants": tenants}))
    return str(path)


def grant(server: ServingServer, knob: str, value: object, *, ttl_s: float = 60, **fields: object) -> dict[str, Any]:
    """A new lease, whatever else is there."""
    number = next(_NUMBERS)
    body = {"knob": knob, "value": value, "ttl_s": ttl_s, "owner": "tests", "reason": "a test", "stack": True}
    body |= {"idempotency_key": f"tests:{number}"} | fields
    answer = httpx.post(f"{server.url}/control/v1/leases", json=body, headers=CONTROL, timeout=60, trust_env=False)
    assert answer.status_code == 201, answer.text
    granted: dict[str, Any] = answer.json()
    return granted


@contextmanager
def leased(server: ServingServer, knob: str, value: object, **fields: Any) -> Iterator[dict[str, Any]]:
    """A lease for the length of a with block, gone at once afterwards."""
    granted = grant(server, knob, value, **fields)
    try:
        yield granted
    finally:
        url = f"{server.url}/control/v1/leases/{granted['lease_id']}?now=true"
        httpx.delete(url, headers=CONTROL, trust_env=False).raise_for_status()


def lease_of(server: ServingServer, lease_id: str) -> dict[str, Any]:
    """A lease as it is now."""
    found: dict[str, Any] = httpx.get(
        f"{server.url}/control/v1/leases/{lease_id}", headers=CONTROL, trust_env=False, verify=_TLS
    ).json()
    return found


def ask(
    server: ServingServer,
    body: Mapping[str, Any] = SHORT,
    *,
    path: str = TEXT,
    key: str | None = None,
    address: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """One request, from the holder of *key*, by way of a proxy that says it came from *address*."""
    sent = dict(headers or {})
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    if address is not None:
        sent["x-forwarded-for"] = address
    return httpx.post(f"{server.url}{path}", json=body, headers=sent, timeout=60, trust_env=False, verify=_TLS)


def code_of(answer: httpx.Response) -> str:
    """Of a refusal, which must have OpenAI's shape."""
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return str(error["code"])


def counted(server: ServingServer, name: str, **labels: str) -> float:
    """The sum of a metric's samples with *labels*; 0 where there is none yet."""
    text = httpx.get(f"{server.url}/metrics", trust_env=False, timeout=30, verify=_TLS).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@dataclass(slots=True)
class Flight:
    """A stream that is read on a thread of its own."""

    text: str = ""
    status: int = 0
    first: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def whole(self) -> str:
        """Wait for its end."""
        assert self.thread is not None
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.text

    @property
    def num_tokens(self) -> int:
        """Pieces that came so far."""
        return sum(1 for event in events_of(self.text) if event["choices"][0].get("text"))


def events_of(text: str) -> list[dict[str, Any]]:
    """The events of a stream, without its end."""
    return [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]


def fly(server: ServingServer, max_tokens: int, *, key: str | None = None) -> Flight:
    """Start a stream and wait for its first piece."""
    flight = Flight()
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    body = {"prompt": "a", "max_tokens": max_tokens, "ignore_eos": True, "stream": True}

    def read() -> None:
        with httpx.stream(
            "POST", f"{server.url}{TEXT}", json=body, headers=headers, timeout=60, trust_env=False
        ) as answer:
            flight.status = answer.status_code
            for piece in answer.iter_text():
                flight.text += piece
                flight.first.set()

    flight.thread = threading.Thread(target=read, daemon=True)
    flight.thread.start()
    assert flight.first.wait(30)
    return flight


def is_whole(flight: Flight) -> bool:
    """Whether the stream ended as if nothing had happened."""
    text = flight.whole()
    return flight.status == 200 and '"finish_reason":"length"' in text and text.rstrip().endswith("data: [DONE]")


def until_idle(server: ServingServer) -> None:
    """Wait until nobody is at the door or behind it."""
    until_sync(lambda: counted(server, "frontdoor_in_flight") == 0 and counted(server, "frontdoor_queue_depth") == 0)
