"""Faults on demand: trouble that a drill asks for, each a knob that only a lease turns, so it ends by itself.

All are 0 without a lease and then cost nothing. The largest live lease is in force; of clock skews, that go either
way, the furthest from 0.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serving_stub.frontdoor.fold import InForce
from serving_stub.frontdoor.knob import NumberKnob

if TYPE_CHECKING:  # a gateway has no engine, and loading one takes seconds
    from serving_stub.engine.loop import EngineLoop

LATENCY_MS = "fault.latency_ms"
ERROR_PERCENT = "fault.error_percent"
STALL = "fault.stall"
SLOW_STEP_MS = "fault.slow_step_ms"
LOST_KV_BLOCKS = "fault.lost_kv_blocks"
METRICS_BLACKOUT = "fault.metrics_blackout"
METRICS_FROZEN = "fault.metrics_frozen"
CRASH_EVERY_S = "fault.crash_every_s"
CLOCK_SKEW_S = "fault.clock_skew_s"

SCOPE = "fault"
LONGEST_MS = 60_000
LONGEST_S = 3600
LARGEST_SKEW_S = 86_400


def fault_knobs(num_blocks: int) -> Sequence[NumberKnob]:
    """Every fault with its range; a pool of *num_blocks* keeps at least one."""
    largest = {
        LATENCY_MS: LONGEST_MS,
        ERROR_PERCENT: 100,
        STALL: 1,
        SLOW_STEP_MS: LONGEST_MS,
        LOST_KV_BLOCKS: num_blocks - 1,
        METRICS_BLACKOUT: 1,
        METRICS_FROZEN: 1,
        CRASH_EVERY_S: LONGEST_S,
    }
    return [
        *(NumberKnob(name, 0, 0, most, fold="max", scope=SCOPE) for name, most in largest.items()),
        NumberKnob(CLOCK_SKEW_S, 0, -LARGEST_SKEW_S, LARGEST_SKEW_S, fold="furthest", scope=SCOPE),
    ]


@dataclass(slots=True)
class Faults:
    """The faults that the HTTP side plays; the engine plays its own."""

    latency_s: float = 0.0
    error_share: float = 0.0
    is_blacked_out: bool = False
    is_frozen: bool = False
    clock_skew_s: float = 0.0
    _random: random.Random = field(default_factory=lambda: random.Random(0))

    async def meet(self) -> bool:
        """What happens to one generation before it is taken: a delay, and whether it is to fail."""
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        return self.error_share > 0 and self._random.random() < self.error_share

    def setters(self, loop: EngineLoop) -> Mapping[str, Callable[[InForce], None]]:
        """What turns each knob."""

        def latency(in_force: InForce) -> None:
            self.latency_s = in_force.value / 1000

        def errors(in_force: InForce) -> None:
            self.error_share = in_force.value / 100

        def blackout(in_force: InForce) -> None:
            self.is_blacked_out = in_force.value > 0

        def frozen(in_force: InForce) -> None:
            self.is_frozen = in_force.value > 0

        def skew(in_force: InForce) -> None:
            self.clock_skew_s = float(in_force.value)

        return {
            CLOCK_SKEW_S: skew,
            CRASH_EVERY_S: lambda in_force: loop.set_crash_every(float(in_force.value)),
            LATENCY_MS: latency,
            ERROR_PERCENT: errors,
            METRICS_BLACKOUT: blackout,
            METRICS_FROZEN: frozen,
            STALL: lambda in_force: loop.set_stalled(is_stalled=in_force.value > 0),
            SLOW_STEP_MS: lambda in_force: loop.set_step_delay(in_force.value / 1000),
            LOST_KV_BLOCKS: lambda in_force: loop.set_lost_blocks(in_force.value),
        }
