"""Whether a queued run may start now: cooldown, how often it has run, and what else of its group is under way.

Pure: the store calls it in the transaction that admits the run, so two replicas never admit two runs of one group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from opsbot.runbook.model import Runbook
from opsbot.runbook.run import RUN_TRANSITIONS, Run, RunState
from opsbot.yamlfile import format_duration

Verdict = Literal["start", "wait", "skip", "person"]

_ON_ITS_STEPS = frozenset({RunState.QUEUED, RunState.RUNNING, RunState.UNDOING, RunState.FINISHING})
"""Queued: admitted, and about to begin. One that waits for an approval, or holds, makes no step: it keeps nobody
waiting. Knobs have locks of their own."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """Another run, as far as admission looks at it; *admitted_at* is None while it is queued itself."""

    run_id: str
    runbook_id: str
    cluster: str
    group: str | None
    state: RunState
    admitted_at: float | None
    is_drill: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """What becomes of a queued run.

    Args:
        reason: why it does not start now; for people.
        replaced: runs of its group that are undone for it.
    """

    verdict: Verdict
    reason: str = ""
    replaced: tuple[str, ...] = ()


def admit(runbook: Runbook, run: Run, group: str, earlier: Sequence[Earlier], now: float) -> Admission:
    """Whether *run* starts at *now*.

    A person who asks for a run is not held back by cooldown and number, and a drill never holds an incident's run back:
    it gives way.
    """
    admitted = [one for one in earlier if one.admitted_at is not None and one.run_id != run.run_id]
    if not run.requester:
        held = _held_back(runbook, run, admitted, now)
        if held is not None:
            return held
    others = [one for one in admitted if one.group == group]
    unfinished = [one for one in others if RUN_TRANSITIONS[one.state]]
    if not run.is_drill:
        drills = [one for one in unfinished if one.is_drill]
        busy_drills = [one for one in drills if one.state in _ON_ITS_STEPS]
        if busy_drills:
            replaced = tuple(one.run_id for one in busy_drills if one.state is not RunState.UNDOING)
            return Admission("wait", f"the drill {busy_drills[0].run_id} is undone first", replaced)
        unfinished = [one for one in unfinished if not one.is_drill]
    match runbook.concurrency.on_conflict:
        case "skip" if unfinished:
            return Admission("skip", f"{unfinished[0].run_id} of the same group is {unfinished[0].state.value}")
        case "replace":
            replaced = tuple(one.run_id for one in unfinished if one.state is not RunState.UNDOING)
            if unfinished:
                return Admission("wait", f"{unfinished[0].run_id} is undone first", replaced)
        case "queue":
            busy = [one for one in unfinished if one.state in _ON_ITS_STEPS]
            if busy:
                return Admission("wait", f"{busy[0].run_id} of the same group is {busy[0].state.value}")
    return Admission("start")


def _held_back(runbook: Runbook, run: Run, admitted: Sequence[Earlier], now: float) -> Admission | None:
    where = f" on {run.cluster}" if run.cluster else ""
    starts = [
        one.admitted_at
        for one in admitted
        if one.runbook_id == run.runbook_id
        and one.cluster == run.cluster
        and one.admitted_at is not None
        and one.is_drill is run.is_drill
    ]
    limit = runbook.max_runs
    recent = [start for start in starts if start > now - limit.per_s]
    if len(recent) >= limit.count:
        times = "once" if limit.count == 1 else f"{limit.count} times"
        return Admission(
            "person",
            f"it has run {times}{where} within {format_duration(limit.per_s)} and the trouble is back; "
            "it is not made again by itself: a person must look",
        )
    if starts and max(starts) + runbook.cooldown_s > now:
        left = max(starts) + runbook.cooldown_s - now
        return Admission("wait", f"its cooldown{where} ends in {format_duration(max(1.0, round(left)))}")
    return None
