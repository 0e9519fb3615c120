"""One request inside the engine: its tokens, its blocks, its state and its times.

State lives here and nowhere else; TRANSITIONS is the whole state machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serving_stub.engine.interface import FinishReason, GenerationRequest


class SequenceState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"


TRANSITIONS: Mapping[SequenceState, frozenset[SequenceState]] = {
    SequenceState.WAITING: frozenset({SequenceState.RUNNING, SequenceState.FINISHED}),
    SequenceState.RUNNING: frozenset({SequenceState.WAITING, SequenceState.FINISHED}),
    SequenceState.FINISHED: frozenset(),
}


@dataclass(slots=True, eq=False)
class Sequence:
    """A request with everything the engine knows of it.

    Args:
        token_ids: prompt and answer so far.
        block_table: KV blocks in order; block i holds tokens i*block_size to (i+1)*block_size.
        num_computed_tokens: tokens whose keys and values are in the cache.
        num_ever_computed: the most it ever had, so that recomputation after a preemption can be counted.
        swap_table: host blocks that hold what it had computed when it was preempted; empty if nothing was kept.
        num_swapped_tokens: how many tokens those are.
        num_evicted_tokens: prompt tokens that the prefix cache would have spared, had it not had to make room.
        num_cached_tokens: prompt tokens that the prefix cache spared, at first admission.
        block_keys: of its full blocks in order, as far as they were asked for; tokens stay, so keys do too.
        num_findable_blocks: how many of its blocks count for the prefix cache.
    """

    request: GenerationRequest
    arrived_at: float
    token_ids: list[int] = field(default_factory=list)
    block_table: list[int] = field(default_factory=list)
    state: SequenceState = SequenceState.WAITING
    num_computed_tokens: int = 0
    num_ever_computed: int = 0
    num_cached_tokens: int = 0
    num_evicted_tokens: int = 0
    block_keys: list[bytes] = field(default_factory=list)
    num_findable_blocks: int = 0
    num_preemptions: int = 0
    swap_table: list[int] = field(default_factory=list)
    num_swapped_tokens: int = 0
    finish_reason: FinishReason | None = None
    scheduled_at: float | None = None
    first_token_at: float | None = None
    last_token_at: float | None = None

    def __post_init__(self) -> None:
        if not self.token_ids:
            self.token_ids = list(self.request.prompt_token_ids)

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def request_id(self) -> str:
        return self.request.request_id

    @property
    def priority(self) -> int:
        """Its class; smaller is better."""
        return self.request.priority

    @property
    def deadline_at(self) -> float | None:
        """When it must have its first token, in the engine's time; None without a deadline."""
        return None if self.request.deadline_s is None else self.arrived_at + self.request.deadline_s

    @property
    def num_prompt_tokens(self) -> int:
        return len(self.request.prompt_token_ids)

    @property
    def num_generated_tokens(self) -> int:
        return len(self.token_ids) - len(self.request.prompt_token_ids)

    @property
    def num_uncomputed_tokens(self) -> int:
        return len(self.token_ids) - self.num_computed_tokens

    @property
    def is_decoding(self) -> bool:
        """Whether only its newest token is missing from the cache."""
        # Asked for each token of each sequence, so not by way of num_uncomputed_tokens.
        return len(self.token_ids) - self.num_computed_tokens == 1 and self.num_computed_tokens > 0

    @property
    def is_finished(self) -> bool:
        return self.state is SequenceState.FINISHED

    def move(self, state: SequenceState) -> None:
        """Change the state; a transition that TRANSITIONS lacks is our own mistake."""
        assert state in TRANSITIONS[self.state], f"{self.request_id}: {self.state} → {state}"
        self.state = state
