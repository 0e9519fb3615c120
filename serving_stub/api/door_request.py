"""A request as the door meets it: who asks, from where, for what; its body is read once and played to the backend.

What is kept of it here lives as long as the request; what may outlive it is made in `door_record.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic_core import from_json
from starlette.types import Message, Receive, Scope

from serving_stub.frontdoor.asked import ENDPOINTS, Endpoint
from serving_stub.frontdoor.caller import Caller
from serving_stub.frontdoor.enrich import Enricher, Origin
from serving_stub.frontdoor.fallback import Applied
from serving_stub.frontdoor.features import Screening
from serving_stub.frontdoor.refusal import Refusal
from serving_stub.frontdoor.served import Served
from serving_stub.frontdoor.signature import Recognition, Signatures
from serving_stub.frontdoor.tenant import ANONYMOUS, Directory, Holder

_NAMES: Mapping[str, str] = {
    "/v1/chat/completions": "chat.completions",
    "/v1/completions": "completions",
    "/v1/models": "models",
    "/v1/embeddings": "embeddings",
    "/v1/responses": "responses",
    "/v1/messages": "messages",
}
NOBODY = "unknown"
"""The class of whoever could not be told, in metrics."""
_LONGEST_NAME = 200


@dataclass(slots=True)
class Visit:
    """One request on its way through the door.

    Args:
        at: when it came, seconds since the epoch; `started` is monotonic.
        headers: the first value of each.
        is_work: whether the engine would have to work for it.
        asked: the body as an object; None where it is none.
        caller: known after `identify`.
        holder: whose key it was; None where that is refused.
        reason: why the door answered by itself.
    """

    scope: Scope
    at: float
    started: float
    headers: Mapping[bytes, bytes]
    endpoint: Endpoint | None
    is_work: bool
    served: Served
    body: bytes = b""
    asked: Mapping[str, Any] | None = None
    origin: Origin = field(default_factory=Origin)
    recognition: Recognition | None = None
    caller: Caller = field(default_factory=lambda: Caller(ANONYMOUS))
    holder: Holder | None = None
    screening: Screening | None = None
    applied: Applied | None = None
    reason: str | None = None

    @property
    def name(self) -> str:
        """Of the route, from a short list."""
        path: str = self.scope["path"]
        return _NAMES.get(path) or ("models" if path.startswith("/v1/models/") else "other")

    def header(self, name: bytes) -> str | None:
        """One header's first value."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def read(self, body: bytes) -> None:
        """Take the body; one that is no JSON object is the backend's to refuse."""
        self.body = body
        if self.endpoint is None:
            return
        try:
            content: Any = from_json(body)
        except ValueError:
            return
        if isinstance(content, dict):
            self.asked = content


def visit_of(scope: Scope, at: float, started: float, most_said: int) -> Visit:
    """What is known before the body is read."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name, value)
    path: str = scope["path"]
    is_work = scope["method"] == "POST" and path.startswith("/v1/")
    endpoint = ENDPOINTS.get(path) if is_work else None
    return Visit(scope, at, started, headers, endpoint, is_work, Served(most_said=most_said))


def identify(visit: Visit, directory: Directory, enricher: Enricher, signatures: Signatures) -> Refusal | None:
    """Find out who asks; returns why the key is refused, with the caller known as far as it goes without."""
    peer = visit.scope.get("client")
    origin = visit.origin = enricher.origin(None if peer is None else peer[0], visit.scope["headers"])
    asked = visit.asked or {}
    seen = visit.recognition = signatures.recognise(visit.scope["headers"], asked.keys(), visit.scope["path"])
    # Only our own process can write there: no header of a client comes into a scope's state.
    vouched = visit.scope.get("state", {}).get("tenant")
    found = directory.vouched(vouched) if vouched else directory.authenticate(visit.header(b"authorization"), visit.at)
    holder = visit.holder = found if isinstance(found, Holder) else None
    model = asked.get("model")
    known: dict[str, Any] = {
        "model": model if isinstance(model, str) and len(model) <= _LONGEST_NAME else None,
        "client": seen.client,
        "client_known": seen.known,
        "country": origin.country,
        "network": origin.network,
        "network_kind": origin.kind,
    }
    if holder is None:
        visit.caller = Caller(_of_address(origin.address), service_class=NOBODY, **known)
        return found if isinstance(found, Refusal) else None
    service_class = holder.service_class
    visit.caller = Caller(
        holder.identity or _of_address(origin.address),
        tenant=holder.tenant,
        service_class=service_class.name,
        priority=service_class.priority,
        key=holder.key,
        account=holder.account,
        **known,
    )
    return None


@lru_cache(16_384)
def _of_address(address: str | None) -> str:
    """The same on every server and after every restart; it is compared and never written anywhere."""
    if address is None:
        return "address:unknown"
    return "address:" + hashlib.blake2b(address.encode(), digest_size=12, person=b"caller").hexdigest()


class Replay:
    """`receive` for the backend: the body that was read, then whatever else comes."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self.after = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self.after()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def until_gone(receive: Receive) -> None:
    """Return when the client hangs up; to be asked only when its body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
