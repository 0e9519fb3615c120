"""What the shipped actions are made of: whatever they reach the world through, handed to them at start."""

from __future__ import annotations

from dataclasses import dataclass, field

from opsbot.action.control import ControlClient
from opsbot.clock import Clock, SystemClock
from opsbot.errors import SourceError
from opsbot.runbook.probe import Prober, Verdict


@dataclass(frozen=True, slots=True)
class ShippedParts:
    """The parts of every shipped action; only those without a default are needed to know names and arguments.

    Args:
        prober: the metrics.
        control: the clusters' control APIs.
    """

    prober: Prober
    control: ControlClient = field(default_factory=lambda: ControlClient({}))
    clock: Clock = field(default_factory=SystemClock)


class NoMetrics:
    """Implements Prober where nobody is asked."""

    async def check(self, expr: str, /) -> Verdict:
        return "unknown"

    async def value(self, expr: str, /) -> float | None:
        raise SourceError("there are no metrics here")
