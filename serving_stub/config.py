"""The server's settings: flags of the command line and one secret from the environment, checked once and then frozen.

Sizes that only the engine can judge (a window the pool cannot hold) are refused by the engine itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from serving_stub.errors import SettingError

CONTROL_TOKEN_ENV = "SERVING_CONTROL_TOKEN"  # noqa: S105  (the name of the variable, not its value)
FEED_TOKEN_ENV = "SERVING_FEED_TOKEN"  # noqa: S105
UPSTREAM_KEY_ENV = "SERVING_UPSTREAM_KEY"
_SECRETS = {"control_token": CONTROL_TOKEN_ENV, "feed_token": FEED_TOKEN_ENV, "upstream_key": UPSTREAM_KEY_ENV}

Positive = Annotated[int, Field(ge=1)]


class ServerSettings(BaseModel):
    """Everything that is decided before the server starts; an unset field takes its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    model: Literal["smollm2", "tiny"] = Field(
        default="smollm2", description="Model to serve; tiny has random weights and needs no download."
    )
    dtype: Literal["bf16", "fp32"] = Field(default="bf16", description="Number format of weights and KV cache.")
    quantization: Literal["int8"] | None = Field(
        default=None, description="Multiply in 8-bit integers: faster, and a little less exact."
    )
    max_num_seqs: Positive = Field(default=32, description="Most sequences in one step: the base batch limit.")
    max_num_batched_tokens: Positive = Field(default=256, description="Most tokens in one step.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the model lives; auto takes a GPU where there is one."
    )
    num_blocks: Positive | None = Field(
        default=None,
        description="KV blocks in the pool, 16 tokens each; unset: 1024, or on a GPU as many as its free memory holds.",
    )
    gpu_memory_utilization: float = Field(
        default=0.9, gt=0, le=1, description="Share of a GPU's memory for weights, KV pool and work space."
    )
    num_swap_blocks: int = Field(
        default=0,
        ge=0,
        description="KV blocks in host memory, for preempted sequences that are sooner back from there.",
    )
    roofline: str | None = Field(
        default=None, description="Device of the catalogue to go by, instead of this processor as measured."
    )
    max_model_len: Positive = Field(default=2048, description="Most tokens of prompt and answer together.")
    num_threads: Positive = Field(default=2, description="Threads that compute.")
    seed: int = Field(default=0, description="Seeds the tiny model and sampling without a seed of its own.")
    kernels: Literal["auto", "off"] = Field(
        default="auto", description="C++ kernels for bf16: where they can be built, or never."
    )
    enable_prefix_caching: bool = Field(default=True, description="Reuse the KV blocks of equal prefixes.")
    cache_dir: Path | None = Field(default=None, description="Folder of the model file.")
    journal: Path | None = Field(
        default=None, description="File that keeps leases through restarts; unset: one a port below ~/.local/state."
    )
    grace_s: float = Field(default=5.0, ge=0, le=600, description="Seconds that streams get to finish when stopped.")
    max_body_bytes: Positive = Field(default=1 << 20, description="Largest request body.")
    door: Path | None = Field(default=None, description="YAML file of the front door's settings (docs/serving.md).")
    tenants: Path | None = Field(
        default=None, description="File of tenants and their API keys; unset: no key is asked."
    )
    control_tokens: Path | None = Field(default=None, description="File of control tokens with scopes.")
    upstream: str | None = Field(
        default=None, description="URL of an OpenAI-compatible server to stand before; no model is loaded then."
    )
    control_token: SecretStr | None = Field(default=None, description=f"Token of the control API: {CONTROL_TOKEN_ENV}.")
    feed_token: SecretStr | None = Field(default=None, description=f"Token of the account feed: {FEED_TOKEN_ENV}.")
    upstream_key: SecretStr | None = Field(default=None, description=f"The upstream's key: {UPSTREAM_KEY_ENV}.")

    def journal_path(self, port: int) -> Path:
        """Where leases are journalled when the server listens on *port*: one file a port unless stated."""
        if self.journal is not None:
            return self.journal
        return state_home() / f"leases-{port}.jsonl"


def state_home() -> Path:
    """Where leases are kept unless stated."""
    root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(root) / "serving_stub"


_ENGINE_ONLY = frozenset(
    {"model", "dtype", "quantization", "max_num_seqs", "max_num_batched_tokens", "device", "num_blocks"}
    | {"gpu_memory_utilization", "num_swap_blocks", "roofline", "max_model_len", "num_threads", "seed", "kernels"}
    | {"enable_prefix_caching", "cache_dir"}
)


def settings_from(flags: Mapping[str, object], environment: Mapping[str, str]) -> ServerSettings:
    """Check the command line's *flags* (None means not given).

    Raises: SettingError with one line for each wrong flag.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    useless = sorted(_ENGINE_ONLY & given.keys()) if "upstream" in given else []
    if useless:
        told = ", ".join(f"--{name.replace('_', '-')}" for name in useless)
        raise SettingError(f"{told}: a gateway loads no model, so leave it out beside --upstream")
    try:
        secrets = {name: environment.get(variable) or None for name, variable in _SECRETS.items()}
        return ServerSettings.model_validate({**given, **secrets})
    except ValidationError as error:
        problems = [
            f"--{'-'.join(map(str, problem['loc'])).replace('_', '-')}: {problem['msg']}, got {problem['input']!r}"
            for problem in error.errors()
            if problem["loc"][0] not in _SECRETS
        ]
        raise SettingError("\n".join(problems)) from error
