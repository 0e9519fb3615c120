"""A real engine on the tiny seeded model, and the few moves that tests make with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from serving_stub.engine.interface import FinishRecord, GenerationRequest, SamplingParams, StepRecord, TokenChunk
from serving_stub.engine.runner import Runner, TorchRunner
from serving_stub.model.load import load_model
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.model.transformer import Transformer
from serving_stub.roofline.roof import Device

TINY = EngineConfig(model="tiny", dtype="fp32", max_num_seqs=8, max_num_batched_tokens=64, num_blocks=64)

tiny_model = cache(load_model)


def tiny_tokenizer() -> Tokenizer:
    """The tokenizer of the tiny model: 256 bytes and three special tokens."""
    return tiny_model("tiny", "fp32")[1]


FAST_LINK = Device("a test's", flops_per_s=1.0, bytes_per_s=1.0, host_bytes_per_s=1e9, memory_bytes=None)
"""A device on which swapping is always sooner than computing again."""


def tiny_engine(config: EngineConfig = TINY, *, runner: Runner | None = None, **changes: int | bool) -> Engine:
    """An engine on the tiny model in fp32; *changes* are fields of its settings, *runner* replaces the torch one."""
    config = replace(config, **changes)  # type: ignore[arg-type]
    model, tokenizer = tiny_model("tiny", "fp32")
    return Engine(config, model.config, runner or torch_runner(model, config), tokenizer, device=FAST_LINK)


def torch_runner(model: Transformer, config: EngineConfig) -> TorchRunner:
    """A runner on *model* with the pool that *config* says."""
    return TorchRunner(model, config.num_pool_blocks, config.block_size, config.seed, config.num_swap_blocks)


def request(
    request_id: str, prompt: Iterable[int] | str, params: SamplingParams | None = None, **changes: object
) -> GenerationRequest:
    """A greedy request for 8 tokens that ignores the end token; *changes* are fields of its sampling parameters."""
    token_ids = tiny_tokenizer().encode(prompt) if isinstance(prompt, str) else prompt
    params = params or SamplingParams(max_tokens=8, ignore_eos=True)
    return GenerationRequest(request_id, tuple(token_ids), replace(params, **changes))  # type: ignore[arg-type]


def answer_all(engine: Engine, requests: Iterable[GenerationRequest]) -> dict[str, list[TokenChunk]]:
    """Add all *requests* at once and step until none is left; answers their chunks."""
    chunks: dict[str, list[TokenChunk]] = {}
    for one in requests:
        engine.add(one)
        chunks[one.request_id] = []
    while engine.has_work:
        for request_id, chunk in engine.step():
            chunks[request_id].append(chunk)
    return chunks


def tokens(chunks: Iterable[TokenChunk]) -> list[int]:
    """The token ids of one answer."""
    return [token for chunk in chunks for token in chunk.token_ids]


@dataclass(slots=True)
class Recorder:
    """Keeps everything that an engine tells its observer."""

    steps: list[StepRecord] = field(default_factory=list)
    prefix_lookups: list[tuple[int, int]] = field(default_factory=list)
    evicted: list[int] = field(default_factory=list)
    first_tokens: list[tuple[float, float]] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    finished: list[FinishRecord] = field(default_factory=list)

    def on_step(self, step: StepRecord) -> None:
        self.steps.append(step)

    def on_prefix_lookup(self, num_queried_tokens: int, num_hit_tokens: int, num_evicted_tokens: int) -> None:
        self.prefix_lookups.append((num_queried_tokens, num_hit_tokens))
        self.evicted.append(num_evicted_tokens)

    def on_first_token(self, ttft_s: float, queue_time_s: float) -> None:
        self.first_tokens.append((ttft_s, queue_time_s))

    def on_token(self, inter_token_s: float) -> None:
        self.gaps.append(inter_token_s)

    def on_finished(self, record: FinishRecord) -> None:
        self.finished.append(record)
