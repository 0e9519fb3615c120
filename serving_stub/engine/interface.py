"""What the engine takes and gives: the values between it and whatever stands in front of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

FinishReason = Literal["stop", "length", "abort", "error", "deadline", "crash", "restart"]
"""`error` is this request's own trouble, `crash` the engine's, `restart` somebody's wish: after the last two whoever
was in it may ask again."""
BatchMode = Literal["finish", "preempt"]


class RequestRefused(Exception):
    """A request that can never be served: too long, empty or out of range. Asking again cannot help.

    Args:
        code: a stable word: context_length_exceeded, empty_prompt, invalid_token, invalid_sampling_params,
            duplicate_request_id.
        message: what is wrong and what to change.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How one request's tokens are chosen. `temperature` 0 is greedy; `top_k` 0 means all."""

    max_tokens: int = 16
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt to continue.

    Args:
        priority: its class; smaller is better, as in vLLM.
        deadline_s: seconds after its arrival by which its first token must be there; it ends with `deadline` when
            that cannot be met any more. None waits as long as it takes.
    """

    request_id: str
    prompt_token_ids: tuple[int, ...]
    params: SamplingParams = field(default_factory=SamplingParams)
    priority: int = 0
    deadline_s: float | None = None


class TokenChunk(NamedTuple):
    """What one step added to an answer; `text` never ends within a character, and never holds a stop string."""

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason | None
    num_prompt_tokens: int
    num_generated_tokens: int
    num_cached_tokens: int


@dataclass(frozen=True, slots=True)
class EngineStats:
    """The engine now.

    Args:
        kv_cache_usage: share of blocks that live sequences hold, 0 to 1.
        num_first_tokens: requests that got their first token since the engine's start, restarts included.
    """

    num_running: int
    num_waiting: int
    kv_cache_usage: float
    num_blocks: int
    num_free_blocks: int
    batch_limit: int
    token_budget: int
    max_num_seqs: int
    num_first_tokens: int
    is_alive: bool
    num_restarts: int


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one step did; `flops` and bytes are counted from the step's shapes, not measured."""

    num_prefill_tokens: int
    num_decode_tokens: int
    num_running: int
    num_waiting: int
    num_preempted: int
    num_recomputed_tokens: int
    num_swapped_out_blocks: int
    num_swapped_in_blocks: int
    kv_cache_usage: float
    duration_s: float
    flops: float
    bytes_read: float
    bytes_written: float


@dataclass(frozen=True, slots=True)
class FinishRecord:
    """One finished request; times in seconds."""

    finish_reason: FinishReason
    e2e_s: float
    queue_s: float
    prefill_s: float
    decode_s: float
    num_prompt_tokens: int
    num_generated_tokens: int
    num_cached_tokens: int
    num_preemptions: int
    max_tokens: int


class EngineObserver(Protocol):
    """Told on the engine's thread, so every method must be quick and must not raise."""

    def on_step(self, step: StepRecord) -> None: ...

    def on_prefix_lookup(self, num_queried_tokens: int, num_hit_tokens: int, num_evicted_tokens: int) -> None: ...

    def on_first_token(self, ttft_s: float, queue_time_s: float) -> None: ...

    def on_token(self, inter_token_s: float) -> None: ...

    def on_finished(self, record: FinishRecord) -> None: ...
