"""Courses of incidents and days of a fleet, written down, for whoever draws them."""

from __future__ import annotations

import math

from opsbot.capacity.forecast import Readings
from opsbot.capacity.usage import Cluster
from opsbot.vitals.figure import FIGURES
from opsbot.vitals.incident import Course, Track
from opsbot.vitals.moment import Moment

END_S = 1_790_000_400.0
"""2026-09-21 14:20 UTC."""
STEP_S = 15.0


def make_course(*, moments: tuple[Moment, ...] | None = None, kv_before: float = 0.44, kv_now: float = 0.93) -> Course:
    """Half an hour in which the KV cache fills, 14 come to wait, and preemptions begin after a gap."""
    times = [END_S - 1800 + STEP_S * index for index in range(121)]
    turn_s = END_S - 600
    kv = [(at, kv_now if at >= turn_s else kv_before) for at in times]
    waiting = [(at, 14.0 if at >= turn_s else 1.0) for at in times]
    preemptions = [(at, 80.0 if at >= turn_s else 0.0) for at in times if not END_S - 1200 < at < END_S - 900]
    if moments is None:
        moments = (
            Moment(turn_s, "opened", "opened"),
            Moment(turn_s + 10, "acknowledged", "acknowledged"),
            Moment(turn_s + 60, "failed", "failed: Ask for $values$ of eu-1"),
            Moment(turn_s + 120, "done", "Resize the batch"),
            Moment(turn_s + 300, "resolved", "resolved"),
        )
    return Course(
        "eu-1", times[0], END_S, STEP_S,
        (
            Track(FIGURES["kv"], kv, 0.85, True), Track(FIGURES["waiting"], waiting, None, False),
            Track(FIGURES["preemptions"], preemptions, None, False),
        ),
        moments,
    )  # fmt: skip


def make_clusters(num: int, *, is_known: bool = True, silent: int = -1) -> tuple[Cluster, ...]:
    """Two days at ten minutes a step, of clusters that carry 1,000 a minute each at noon and grow a tenth a day.

    Args:
        is_known: whether their bound is.
        silent: the number of the one that ended three hours ago.
    """
    start_s, step_s, steps = END_S - 2 * 86_400, 600.0, 289

    def load(index: int, at: int) -> float:
        if index == silent and at > steps - 18:
            return math.nan
        course = 1 + 0.5 * math.sin(2 * math.pi * (start_s + at * step_s) / 86_400 - math.pi / 2)
        return float(1_000.0 * (index + 1) * course * 1.1 ** (at / 144))

    def one(index: int) -> Cluster:
        tokens = [load(index, at) for at in range(steps)]
        shares = [value / (4_000.0 * (index + 1)) for value in tokens]
        known = {"KV": Readings(start_s, step_s, shares)} if is_known else {}
        return Cluster(f"eu-{index + 1}", "llama", Readings(start_s, step_s, tokens), known)  # type: ignore[arg-type]

    return tuple(one(index) for index in range(num))
