"""A starved server and a saturated one: busy does not tell them apart, batch and KV usage do."""

from __future__ import annotations

import pytest

from bench.busy import MAX_NUM_SEQS, run

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(120)]


async def test_busy_is_not_full() -> None:
    """One user at a time keeps the engine stepping as well as a crowd does."""
    starved, saturated = await run("tiny", 10.5, seed=1)
    assert starved.busy > 0.75
    assert saturated.busy > 0.75
    assert (starved.running, starved.waiting) == (1, 0) or starved.running == 0
    assert starved.kv_usage < 0.15
    assert starved.is_memory_bound
    assert saturated.running > MAX_NUM_SEQS / 4
    assert saturated.waiting > 0
    assert saturated.kv_usage > 0.85
    assert saturated.intensity > 5 * starved.intensity
