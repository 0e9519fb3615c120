"""One cluster of a fleet in virtual time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from serving_stub.engine.interface import GenerationRequest, RequestRefused, SamplingParams
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.cluster_spec import ClusterSpec
from serving_stub.fleet.queue_wait import QueueWait
from serving_stub.fleet.router import ClusterView
from serving_stub.sim.build import build_simulated
from serving_stub.sim.clock import VirtualClock
from serving_stub.sim.outcome import Outcome
from serving_stub.sim.prompt import prompt_of
from serving_stub.sim.skipping import Skipped, Skipper


@dataclass(frozen=True, slots=True)
class Tally:
    """What a cluster came to; peaks are as the router saw them."""

    num_steps: int
    peak_kv_usage: float
    peak_waiting: int


class VirtualCluster:
    """A simulated engine with a clock of its own, which the fleet brings up to each arrival.

    Args:
        fixed_s: what a step costs beyond its roof.
        stepping: take each step by itself instead of skipping from event to event, which is slow and comes to the same.
    """

    def __init__(self, spec: ClusterSpec, *, fixed_s: float = 0.0, stepping: bool = False) -> None:
        self.spec = spec
        self.is_lost = False
        self.step_delay_s = 0.0
        self.num_tokens = 0
        self.num_steps = 0
        self.peak_kv_usage = 0.0
        self.peak_waiting = 0
        self._clock = VirtualClock()
        self._engine, runner = build_simulated(spec.sizes, self._clock.now, self._pass, fixed_s=fixed_s)
        self._skipper = None if stepping else Skipper(self._engine, runner, self._clock.now)
        self._queue_wait = QueueWait()
        self._served: dict[str, Outcome] = {}

    def run_until(self, at_s: float) -> None:
        """Take every step that begins before *at_s*."""
        clock, engine = self._clock, self._engine
        while engine.has_work and clock.now() < at_s:
            before = clock.now()
            self._go_on(at_s)
            if clock.now() == before:  # whoever waits cannot be admitted, as when a fault took the blocks
                break
        if at_s < math.inf:
            clock.advance_to(at_s)

    def add(self, arrival: Arrival, outcome: Outcome, number: int) -> None:
        """Serve *arrival*; *outcome* is filled in as it goes."""
        answer = SamplingParams(max_tokens=arrival.answer_tokens, ignore_eos=True)
        outcome.cluster = self.spec.name
        try:
            self._engine.add(GenerationRequest(str(number), prompt_of(number, arrival.prompt_tokens), answer))
        except RequestRefused as refused:
            outcome.refused = refused.code
        else:
            self._served[str(number)] = outcome
            if self._skipper is not None:
                self._skipper.look_again()

    def lose(self) -> None:
        """It is gone; whoever was in it ends without an answer."""
        self.is_lost = True
        self.catch_up()
        for request_id, chunk in self._engine.end_all("crash"):
            outcome = self._served[request_id]
            outcome.num_tokens = chunk.num_generated_tokens
            outcome.refused = "cluster_lost"
        self._engine.reset()
        self._served.clear()

    def restore(self) -> None:
        """It is back, empty."""
        self.is_lost = False

    def lose_blocks(self, num_blocks: int) -> None:
        """A fault: do without part of the KV pool; 0 ends it."""
        self.catch_up()
        self._engine.lose_blocks(num_blocks)

    def catch_up(self) -> None:
        """Write into the engine's sequences what has happened to them; needed before anybody reads or changes them."""
        if self._skipper is not None:
            self._skipper.catch_up()

    def view(self) -> ClusterView:
        """What a router that looks now sees of it."""
        stats = self._engine.stats()
        self.peak_kv_usage = max(self.peak_kv_usage, stats.kv_cache_usage)
        self.peak_waiting = max(self.peak_waiting, stats.num_waiting)
        return ClusterView(
            name=self.spec.name,
            model=self.spec.model.name,
            countries=self.spec.countries,
            batch_limit=stats.batch_limit,
            kv_usage=stats.kv_cache_usage,
            running=stats.num_running,
            waiting=stats.num_waiting,
            wait_s=self._queue_wait.seen(self._clock.now(), stats.num_waiting, stats.num_first_tokens),
            is_healthy=not self.is_lost,
            is_taking=True,
            age_s=0.0,
            own_count=self.num_in,
        )

    def tally(self) -> Tally:
        """Its sums so far."""
        return Tally(self.num_steps, self.peak_kv_usage, self.peak_waiting)

    @property
    def num_in(self) -> int:
        """Requests that have not ended."""
        return len(self._served)

    def _go_on(self, until_s: float) -> None:
        done = self._step() if self._skipper is None else self._skipper.skip(until_s)
        self.num_steps += done.num_steps
        self.num_tokens += done.num_tokens
        for request_id, chunk in done.chunks:
            outcome = self._served[request_id]
            outcome.num_tokens = chunk.num_generated_tokens
            if outcome.first_token_at is None:
                outcome.first_token_at = self._clock.now()
            if chunk.finish_reason is not None:
                outcome.finished_at = self._clock.now()
                del self._served[request_id]

    def _step(self) -> Skipped:
        chunks = self._engine.step()
        return Skipped(1, sum(len(chunk.token_ids) for _, chunk in chunks), chunks)

    def _pass(self, seconds: float) -> None:
        self._clock.advance(seconds + self.step_delay_s)
