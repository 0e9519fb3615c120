"""An engine that runs for long needs no more memory than at first."""

from __future__ import annotations

import gc
import os
import random
from pathlib import Path

import pytest

from serving_stub.engine.build import build_engine
from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from tests.support.tiny_engine import request

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(180)]

NUM_STEPS = 10_000
WARM_UP_STEPS = 4_000


def resident_bytes() -> int:
    """What this process holds in memory now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(engine: Engine, num_steps: int, rng: random.Random, name: str) -> None:
    """So many steps under more requests than fit, of every length, some cancelled, all preempted now and then."""
    for step in range(num_steps):
        if len(engine.scheduler.waiting) < 4:
            prompt = [rng.randrange(3, 259) for _ in range(rng.randrange(1, 200))]
            engine.add(request(f"{name}-{step}", prompt, max_tokens=rng.randrange(1, 60)))
        if rng.random() < 0.02:
            engine.cancel(rng.choice(engine.scheduler.running or [next(iter(engine.scheduler.waiting))]).request_id)
        engine.step()


@pytest.mark.parametrize(("kernels", "allowed_bytes"), [("auto", 8 << 20), ("off", 64 << 20)])
def test_memory_is_flat_over_ten_thousand_steps(kernels: str, allowed_bytes: int) -> None:
    """Prompts of every length go by, so a buffer that only ever grows would be seen.

    Plain torch keeps code for each shape that it meets; they are few, but it takes long to have met them all.
    """
    config = EngineConfig(model="tiny", kernels=kernels, max_num_seqs=8, num_blocks=48, num_swap_blocks=16)  # type: ignore[arg-type]
    engine, _ = build_engine(config)
    rng = random.Random(0)
    run(engine, WARM_UP_STEPS, rng, "warm-up")
    before = resident_bytes()
    run(engine, NUM_STEPS, rng, "after")
    assert resident_bytes() - before < allowed_bytes
