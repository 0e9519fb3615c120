"""What the generator reads of OpenAI's API, and the headers that a persona's request carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from serving_stub.traffic.persona import Persona


class Model(BaseModel):
    """One model that a server lists; `max_model_len` is vLLM's and ours."""

    id: str
    max_model_len: int | None = None


class Models(BaseModel):
    """`GET /v1/models`."""

    data: list[Model]


class Usage(BaseModel):
    """Tokens of one answer."""

    prompt_tokens: int
    completion_tokens: int


class Delta(BaseModel):
    """What one event adds."""

    content: str | None = None


class Choice(BaseModel):
    """The one answer of an event."""

    delta: Delta = Delta()
    finish_reason: str | None = None


class Chunk(BaseModel):
    """One event of a stream."""

    choices: list[Choice]
    usage: Usage | None = None


class Probe(BaseModel):
    """The part of an unstreamed answer that tells how prompts are counted."""

    usage: Usage


class _Error(BaseModel):
    code: str | int | None = None


class _Refused(BaseModel):
    error: _Error


def refusal_code(content: bytes) -> str | None:
    """The `code` of an error in OpenAI's shape; None where there is none."""
    try:
        code = _Refused.model_validate_json(content).error.code
    except ValidationError:
        return None
    return None if code is None else str(code)[:60]


@dataclass(frozen=True, slots=True)
class ProxyHeaders:
    """What a trusted proxy before the server adds; an empty name leaves a header out.

    Args:
        asn, kind: number and kind of the network that the address belongs to.
    """

    country: str = "cf-ipcountry"
    address: str = "x-forwarded-for"
    asn: str = ""
    kind: str = ""

    def of(self, who: Persona) -> list[tuple[str, str]]:
        """The headers for somebody's request."""
        found = [
            (self.address, who.address),
            (self.country, who.country),
            (self.asn, str(who.network.asn)),
            (self.kind, who.network.kind),
        ]
        return [(name, value) for name, value in found if name]


def encode(body: Mapping[str, object]) -> bytes:
    """A body as it is sent: the same body is the same bytes."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def request_headers(who: Persona, host: str, content: bytes, proxy: ProxyHeaders) -> list[tuple[str, str]]:
    """The client's headers in its order, then what the proxy adds."""
    key = None if who.key is None else f"Bearer {who.key.get_secret_value()}"
    return who.client.fill(host, len(content), key) + proxy.of(who)
