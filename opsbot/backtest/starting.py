"""Whether a runbook that an alert asks for would have started. Pure.

How long a run takes is not known here: it is taken for under way until its incident ends. What it changes is not known
either, so the load goes on as it was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsbot.runbook.model import Runbook
from opsbot.yamlfile import format_duration


@dataclass(frozen=True, slots=True)
class Started:
    """A run that would have started earlier.

    Args:
        cluster: its target; empty if its alert named none.
        is_under_way: its incident has not ended.
    """

    at: float
    runbook_id: str
    cluster: str
    incident: int
    is_under_way: bool


def held_back(runbook: Runbook, cluster: str, incident: int, earlier: Sequence[Started], now: float) -> str:
    """Why *runbook* would not start by itself for an alert of *cluster* in that incident; empty if it would."""
    own = [one for one in earlier if one.runbook_id == runbook.runbook_id and one.cluster == cluster]
    where = f" on {cluster}" if cluster else ""
    if any(one.incident == incident for one in own):
        return f"it has run for #{incident}{where} already"
    limit = runbook.max_runs
    if sum(one.at > now - limit.per_s for one in own) >= limit.count:
        times = "once" if limit.count == 1 else f"{limit.count} times"
        return f"it has run {times}{where} within {format_duration(limit.per_s)}: a person must look"
    ready_at = max((one.at for one in own), default=now - runbook.cooldown_s) + runbook.cooldown_s
    if ready_at > now:
        return f"its cooldown{where} ends in {format_duration(max(1.0, round(ready_at - now)))}"
    under_way = next((one for one in own if one.is_under_way), None)
    if runbook.concurrency.on_conflict == "skip" and under_way is not None:
        return f"its run for #{under_way.incident} is still under way"
    return ""
