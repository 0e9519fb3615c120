"""When a verification is over, and how."""

from __future__ import annotations

import pytest

from opsbot.errors import SourceError
from opsbot.runbook.model import Verify
from opsbot.runbook.probe import Verdict
from opsbot.runbook.verifying import watch
from tests.support.outbox import ManualClock

VERIFY = Verify(expr="up == 1", for_s=2.0, timeout_s=5.0, means="")
START = 1000.0


class Script:
    """Implements Prober: one answer each second, the last one for ever; "error" is no answer."""

    def __init__(self, clock: ManualClock, answers: str) -> None:
        self._clock = clock
        self._answers = answers
        self._start = clock.now()

    async def check(self, expr: str, /) -> Verdict:
        index = min(int(self._clock.now() - self._start), len(self._answers) - 1)
        match self._answers[index]:
            case "h":
                return "holds"
            case "f":
                return "fails"
            case "u":
                return "unknown"
        raise SourceError("no answer", retryable=True)

    async def value(self, expr: str, /) -> float | None:
        return None


class SleptClock(ManualClock):
    """A clock that sleeping moves."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


@pytest.fixture
def clock() -> SleptClock:
    """Its clock, at the start."""
    return SleptClock(START)


@pytest.mark.parametrize(
    ("answers", "expected", "after_s"),
    [
        pytest.param("hhh", "verified", 2, id="held from the start"),
        pytest.param("ffhhh", "verified", 4, id="held later"),
        pytest.param("hhfhhh", "verified", 5, id="a break starts the count again"),
        pytest.param("hhuhhh", "verified", 5, id="missing data breaks the streak too"),
        pytest.param("f", "not_verified", 5, id="never held"),
        pytest.param("hf", "not_verified", 5, id="held too shortly"),
        pytest.param("u", "unknown", 5, id="no data at all"),
        pytest.param("fffuuu", "unknown", 5, id="no data in the end"),
        pytest.param("uuufff", "not_verified", 5, id="data in the end"),
        pytest.param("e", "unknown", 5, id="no answer"),
    ],
)
async def test_a_condition_must_hold_without_a_break(
    clock: SleptClock, answers: str, expected: str, after_s: float
) -> None:
    """Answers of one second each lead to the outcome at that second."""

    async def never() -> bool:
        return False

    seen = await watch(
        VERIFY, [VERIFY.expr], Script(clock, answers), clock, START + VERIFY.timeout_s, never, sleep=clock.sleep
    )
    assert (seen, clock.now() - START) == (expected, after_s)


async def test_an_interruption_ends_it(clock: SleptClock) -> None:
    """Somebody who presses Undo does not wait for the end."""

    async def after_three_seconds() -> bool:
        return clock.now() >= START + 3

    seen = await watch(
        VERIFY, [VERIFY.expr], Script(clock, "f"), clock, START + 60, after_three_seconds, sleep=clock.sleep
    )
    assert (seen, clock.now() - START) == ("interrupted", 3)
