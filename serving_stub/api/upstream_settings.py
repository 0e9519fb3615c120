"""Where the gateway's upstream is, how long it is waited for, and how much is read of what it says."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class UpstreamLimits(BaseModel):
    """How long the upstream is waited for, and how much of its answers is read.

    Args:
        asks_usage: whether streams are asked for their token count; not every old server knows how.
        connect_s: to have a connection.
        first_byte_s: from the request to the first byte of a stream.
        whole_s: from the request to the first byte of an answer in one piece, hence of all its tokens.
        idle_s: between two pieces of an answer that has begun.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    asks_usage: bool = True
    connect_s: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    first_byte_s: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    whole_s: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    idle_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    max_connections: int = Field(default=1024, ge=1)
    max_answer_bytes: int = Field(default=16 << 20, ge=1)


class UpstreamSettings(UpstreamLimits):
    """One upstream.

    Args:
        url: of its root, or ending in /v1 as OpenAI's clients write it.
        key: sent as the bearer token instead of the client's.
        passes_key: whether, without a *key*, the client's own is sent on; for gateways that know no tenants.
    """

    url: str = Field(pattern=r"^https?://[^/?#]+(/[^?#]*)?$")
    key: SecretStr | None = None
    passes_key: bool = False
    max_body_bytes: int = Field(default=1 << 20, ge=1)

    @property
    def root(self) -> str:
        """The URL that paths like /v1/models and /metrics are added to."""
        return self.url.rstrip("/").removesuffix("/v1")
