"""What each role says of its process: a loop that is held up is seen, and so is what runs."""

from __future__ import annotations

import asyncio
import time

import pytest

from opsbot import __version__
from opsbot.process_metrics import ProcessMetrics
from tests.support.waiting import until


async def test_a_loop_that_is_held_up_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """While something blocks the loop, what was due runs late, and by how much is in the histogram."""
    monkeypatch.setattr("opsbot.process_metrics.LOOK_EVERY_S", 0.01)
    metrics = ProcessMetrics("core")
    measuring = asyncio.create_task(metrics.watch_loop())
    await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251  (this is what is measured)
    await until(lambda: bool(metrics.registry.get_sample_value("opsbot_loop_lag_seconds_count")))
    measuring.cancel()
    lag_s = metrics.registry.get_sample_value("opsbot_loop_lag_seconds_sum")
    assert lag_s is not None
    assert lag_s >= 0.08


def test_the_build_and_the_process_are_told() -> None:
    """Version, role, and how much memory it has."""
    metrics = ProcessMetrics("watch")
    metrics.note_ready(True)
    text = metrics.exposition()
    assert f'role="watch",version="{__version__}"}} 1.0' in text
    assert "opsbot_ready 1.0" in text
    memory = metrics.registry.get_sample_value("process_resident_memory_bytes")
    assert memory is not None
    assert memory > 1e6
