"""The engine: `step()` is schedule → run → postprocess. Everything else is one call away from it.

Single-threaded; `loop.py` gives it a thread and a door to asyncio.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from serving_stub.engine.block_manager import BlockManager
from serving_stub.engine.config import EngineConfig
from serving_stub.engine.interface import (
    BatchMode,
    EngineObserver,
    EngineStats,
    FinishReason,
    FinishRecord,
    GenerationRequest,
    RequestRefused,
    SamplingParams,
    StepRecord,
    TokenChunk,
)
from serving_stub.engine.output import OutputText
from serving_stub.engine.runner import Runner
from serving_stub.engine.scheduler import Schedule, Scheduler
from serving_stub.engine.sequence import Sequence
from serving_stub.engine.swap import SwapSpace
from serving_stub.engine.work import StepWork, count_work
from serving_stub.model.config import ModelConfig
from serving_stub.model.load import DTYPES
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.roofline.capacity import Served
from serving_stub.roofline.catalogue import ELEMENT_BYTES
from serving_stub.roofline.roof import Device


class Engine:
    """Sequences in, chunks of text out, one step at a time.

    Args:
        weight_bytes, kv_bytes: of an element, where they are not those of the config's formats, as in a simulation.
    """

    def __init__(
        self,
        config: EngineConfig,
        model_config: ModelConfig,
        runner: Runner,
        tokenizer: Tokenizer,
        observer: EngineObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        device: Device,
        weight_bytes: int | None = None,
        kv_bytes: int | None = None,
    ) -> None:
        self.config = config
        self.model_config = model_config
        self.device = device
        self._kv_bytes = kv_bytes or DTYPES[config.dtype].itemsize
        self._weight_bytes = weight_bytes or ELEMENT_BYTES[config.weight_format]
        self.observer = observer
        self.scheduler = self._new_scheduler()
        self._runner = runner
        self._tokenizer = tokenizer
        self._clock = clock
        self._sequences: dict[str, Sequence] = {}
        self._with_deadline: dict[str, Sequence] = {}
        self._outputs: dict[str, OutputText] = {}
        self._num_preempted_by_limit = 0
        self._num_first_tokens = 0

    @property
    def max_model_len(self) -> int:
        """The longest prompt plus answer, tokens."""
        return min(self.config.max_model_len, self.model_config.max_model_len)

    @property
    def has_work(self) -> bool:
        return self.scheduler.has_work

    def check(self, request: GenerationRequest) -> None:
        """Refuse what can never be served.

        Raises: RequestRefused.
        """
        num_prompt = len(request.prompt_token_ids)
        _check_params(request.params)
        wanted = num_prompt + request.params.max_tokens
        if not num_prompt:
            raise RequestRefused("empty_prompt", "the prompt is empty; at least one token is needed")
        bad = next((t for t in set(request.prompt_token_ids) if not 0 <= t < self.model_config.vocab_size), None)
        if bad is not None:
            raise RequestRefused(
                "invalid_token", f"token id {bad} is outside the vocabulary (0 to {self.model_config.vocab_size - 1})"
            )
        room = min(self.max_model_len, self.config.num_pool_blocks * self.config.block_size)
        if wanted > room:
            raise RequestRefused(
                "context_length_exceeded",
                f"this model's maximum context length is {room} tokens, but {wanted} were asked for "
                f"({num_prompt} in the prompt, {request.params.max_tokens} for the answer); shorten one of them",
            )

    def add(self, request: GenerationRequest) -> None:
        """Queue a request.

        Raises: RequestRefused.
        """
        self.check(request)
        if request.request_id in self._sequences:
            raise RequestRefused("duplicate_request_id", f"request id {request.request_id} is in use; choose another")
        seq = Sequence(request, arrived_at=self._clock())
        self._sequences[request.request_id] = seq
        if request.deadline_s is not None:
            self._with_deadline[request.request_id] = seq
        self._outputs[request.request_id] = OutputText(self._tokenizer.stream(), request.params.stop)
        self.scheduler.add(seq)

    def cancel(self, request_id: str) -> None:
        """End a request that nobody waits for any more; its blocks are free at once."""
        seq = self._sequences.get(request_id)
        if seq is not None:
            self._finish(seq, "abort")

    def set_batch_limit(self, limit: int, mode: BatchMode) -> None:
        """Change the largest batch; takes effect with the next step."""
        self._num_preempted_by_limit += len(self.scheduler.set_batch_limit(limit, mode))

    def set_token_budget(self, budget: int, mode: BatchMode) -> None:
        """Change the tokens of one step; takes effect with the next one."""
        self._num_preempted_by_limit += len(self.scheduler.set_token_budget(budget, mode))

    def lose_blocks(self, num_blocks: int) -> None:
        """A fault: do without part of the pool until told otherwise."""
        self._num_preempted_by_limit += len(self.scheduler.lose_blocks(num_blocks))

    def step(self) -> list[tuple[str, TokenChunk]]:
        """Compute one step; answers what it added, by request id."""
        started = self._clock()
        late = [(seq.request_id, self.end(seq, "deadline")) for seq in self._late(started)]
        step = self.scheduler.schedule()
        self.begin(step, started)
        work = None
        if self.observer is not None:
            work = count_work(step, self.model_config, self._weight_bytes, self._kv_bytes)
        sampled = self._runner.run(step) if step.work or step.swap_out else []
        chunks = self.postprocess(step, sampled)
        self._observe_step(step, work, started)
        return late + chunks

    def begin(self, step: Schedule, now: float) -> None:
        """Note who left the queue with *step*."""
        for seq in step.admitted:
            self._admitted(seq, now)

    def postprocess(self, step: Schedule, sampled: list[tuple[Sequence, int | None]]) -> list[tuple[str, TokenChunk]]:
        """Note what *step* computed and the tokens that came of it; answers what that added, by request id."""
        for item in step.work:
            self.scheduler.computed(item)
        return [
            (seq.request_id, self.end(seq, "error") if token is None else self._append(seq, token))
            for seq, token in sampled
        ]

    def end(self, seq: Sequence, reason: FinishReason) -> TokenChunk:
        """End one request; the others go on."""
        self._finish(seq, reason)
        return _chunk(seq, "", (), reason)

    def reset(self) -> None:
        """Begin anew after a failure: an empty pool without cached prefixes, and the limits that were in force."""
        old = self.scheduler
        self.scheduler = self._new_scheduler()
        self.scheduler.set_batch_limit(old.batch_limit, "finish")
        self.scheduler.set_token_budget(old.token_budget, "finish")
        self.scheduler.lose_blocks(old.blocks.num_lost_blocks)
        self._runner.reset()

    def end_all(self, reason: FinishReason) -> list[tuple[str, TokenChunk]]:
        """End every request, since the engine is stopping or has failed; answers how far each was, by request id."""
        return [(seq.request_id, self.end(seq, reason)) for seq in list(self._sequences.values())]

    def stats(self, *, is_alive: bool = True, num_restarts: int = 0) -> EngineStats:
        """The engine now; plain reads, safe from another thread."""
        blocks = self.scheduler.blocks
        return EngineStats(
            num_running=len(self.scheduler.running),
            num_waiting=len(self.scheduler.waiting),
            kv_cache_usage=blocks.usage,
            num_blocks=blocks.num_blocks,
            num_free_blocks=blocks.num_free_blocks,
            batch_limit=self.scheduler.batch_limit,
            token_budget=self.scheduler.token_budget,
            max_num_seqs=self.scheduler.max_num_seqs,
            num_first_tokens=self._num_first_tokens,
            is_alive=is_alive,
            num_restarts=num_restarts,
        )

    def _new_scheduler(self) -> Scheduler:
        config = self.config
        blocks = BlockManager(
            config.num_pool_blocks, config.block_size, enable_prefix_caching=config.enable_prefix_caching
        )
        served = Served(self.model_config, self.device, self._weight_bytes, self._kv_bytes)
        swap = SwapSpace(config.num_swap_blocks, config.block_size, served.is_swap_cheaper)
        return Scheduler(blocks, config.max_num_seqs, config.max_num_batched_tokens, swap)

    def _admitted(self, seq: Sequence, now: float) -> None:
        if seq.scheduled_at is None:
            seq.scheduled_at = now
        # A preempted sequence finds its own blocks again; that says nothing about how alike prompts are.
        if self.observer is not None and not seq.num_preemptions:
            self.observer.on_prefix_lookup(len(seq), seq.num_cached_tokens, seq.num_evicted_tokens)

    def _append(self, seq: Sequence, token_id: int) -> TokenChunk:
        now = self._clock()
        self._observe_token(seq, now)
        seq.token_ids.append(token_id)
        seq.last_token_at = now
        params = seq.request.params
        output = self._outputs[seq.request_id]
        reason: FinishReason | None = None
        if token_id == self._tokenizer.eos_token_id and not params.ignore_eos:
            reason, text = "stop", output.flush()
        else:
            text = output.push(token_id)
            if output.is_stopped:
                reason = "stop"
            elif seq.num_generated_tokens >= params.max_tokens:
                reason, text = "length", text + output.flush()
        if reason is not None:
            self._finish(seq, reason)
        return _chunk(seq, text, (token_id,), reason)

    def _late(self, now: float) -> list[Sequence]:
        """Who still has no token at its deadline; most requests have none, so this costs nothing then."""
        return [seq for seq in self._with_deadline.values() if seq.deadline_at is not None and seq.deadline_at <= now]

    def _finish(self, seq: Sequence, reason: FinishReason) -> None:
        self.scheduler.finish(seq, reason)
        self._sequences.pop(seq.request_id, None)
        self._with_deadline.pop(seq.request_id, None)
        self._outputs.pop(seq.request_id, None)
        if self.observer is None:
            return
        now = self._clock()
        scheduled = seq.scheduled_at if seq.scheduled_at is not None else now
        first = seq.first_token_at if seq.first_token_at is not None else now
        self.observer.on_finished(
            FinishRecord(
                finish_reason=reason,
                e2e_s=now - seq.arrived_at,
                queue_s=scheduled - seq.arrived_at,
                prefill_s=first - scheduled,
                decode_s=now - first,
                num_prompt_tokens=seq.num_prompt_tokens,
                num_generated_tokens=seq.num_generated_tokens,
                num_cached_tokens=seq.num_cached_tokens,
                num_preemptions=seq.num_preemptions,
                max_tokens=seq.request.params.max_tokens,
            )
        )

    def _observe_token(self, seq: Sequence, now: float) -> None:
        if seq.first_token_at is None:
            seq.first_token_at = now
            self._num_first_tokens += 1
            self._with_deadline.pop(seq.request_id, None)
            if self.observer is not None:
                queued_s = (now if seq.scheduled_at is None else seq.scheduled_at) - seq.arrived_at
                self.observer.on_first_token(now - seq.arrived_at, queued_s)
        elif self.observer is not None and seq.last_token_at is not None:
            self.observer.on_token(now - seq.last_token_at)

    def _observe_step(self, step: Schedule, work: StepWork | None, started: float) -> None:
        num_preempted = len(step.preempted) + self._num_preempted_by_limit
        self._num_preempted_by_limit = 0
        if self.observer is None or work is None:
            return
        self.observer.on_step(
            StepRecord(
                num_prefill_tokens=sum(item.num_tokens for item in step.prefills),
                num_decode_tokens=len(step.decodes),
                num_running=len(self.scheduler.running),
                num_waiting=len(self.scheduler.waiting),
                num_preempted=num_preempted,
                num_recomputed_tokens=step.num_recomputed_tokens,
                num_swapped_out_blocks=len(step.swap_out),
                num_swapped_in_blocks=len(step.swap_in),
                kv_cache_usage=self.scheduler.blocks.usage,
                duration_s=self._clock() - started,
                flops=work.flops,
                bytes_read=work.bytes_read,
                bytes_written=work.bytes_written,
            )
        )


def _chunk(seq: Sequence, text: str, token_ids: tuple[int, ...], reason: FinishReason | None) -> TokenChunk:
    return TokenChunk(text, token_ids, reason, seq.num_prompt_tokens, seq.num_generated_tokens, seq.num_cached_tokens)


def _check_params(params: SamplingParams) -> None:
    faults = {
        "max_tokens": (params.max_tokens, "1 or more", params.max_tokens >= 1),
        "temperature": (params.temperature, "a finite number from 0", 0.0 <= params.temperature < math.inf),
        "top_p": (params.top_p, "above 0 and at most 1", 0.0 < params.top_p <= 1.0),
        "top_k": (params.top_k, "0 (all) or more", params.top_k >= 0),
        "stop": (len(params.stop), "strings that are not empty", all(params.stop)),
    }
    for name, (value, expected, is_right) in faults.items():
        if not is_right:
            raise RequestRefused("invalid_sampling_params", f"{name} is {value}, expected {expected}")
