"""The two actions that only look at metrics."""

from __future__ import annotations

import asyncio
import time

import pytest

from opsbot.action.prometheus import PrometheusQuery, QueryArguments
from opsbot.action.wait import PauseArguments, WaitArguments, WaitFor, WaitUntil
from opsbot.clock import SystemClock
from opsbot.errors import ActionError
from opsbot.runbook.action import ActionContext
from tests.support.runs import SaidMetrics

CONTEXT = ActionContext("run:1", "", "INC-1: Read")


@pytest.mark.parametrize(
    ("value", "text"), [(0.93127, "max(up) is 0.9313"), (12.0, "max(up) is 12"), (None, "max(up) is no data")]
)
async def test_a_query_yields_its_number(value: float | None, text: str) -> None:
    """The output keeps the full value; no data is null, not zero."""
    outcome = await PrometheusQuery(SaidMetrics(value=value)).act(QueryArguments(query="max(up)"), CONTEXT)
    assert (outcome.text, outcome.outputs) == (text, {"value": value})


async def test_a_query_without_an_answer_may_be_tried_again() -> None:
    """A source that is away is no answer, and nothing was changed."""
    with pytest.raises(ActionError) as raised:
        await PrometheusQuery(SaidMetrics(None)).act(QueryArguments(query="up"), CONTEXT)
    assert raised.value.retryable
    assert not raised.value.outcome_unknown


@pytest.mark.parametrize("verdict", ["fails", "unknown", None])
async def test_a_wait_lasts_until_the_condition_holds(verdict: str | None) -> None:
    """Neither a condition that fails, nor missing data, nor a silent source ends it."""
    metrics = SaidMetrics()
    metrics.verdict = verdict  # type: ignore[assignment]
    wait = WaitUntil(metrics, SystemClock(), poll_s=0.01)
    waiting = asyncio.create_task(wait.act(WaitArguments(expr="up == 1"), CONTEXT))
    assert (await asyncio.wait({waiting}, timeout=0.05))[0] == set()
    metrics.verdict = "holds"
    assert (await asyncio.wait_for(waiting, 5)).text == "up == 1 held for 0s"


async def test_a_pause_lasts_as_long_as_it_says() -> None:
    """And a step is told how long that is, so that its timeout can be longer."""
    pause = WaitFor()
    arguments = PauseArguments.model_validate({"duration": "50ms"})
    began = time.monotonic()
    assert (await pause.act(arguments, CONTEXT)).text == "Waited for 50ms"
    assert time.monotonic() - began >= 0.05
    assert pause.needs_s(arguments) == 0.05


@pytest.mark.parametrize("duration", ["0s", "2h", "5"])
def test_a_pause_is_bounded(duration: str) -> None:
    """A longer one is a schedule and no step."""
    with pytest.raises(ValueError, match="duration"):
        PauseArguments.model_validate({"duration": duration})
