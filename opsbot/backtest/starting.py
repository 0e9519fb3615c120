"""Whether a runbook that an alert asks for would have started: core's own admission, over the runs of a backtest. Pure.

How long a run takes is not known here: it is taken for under way, holding what it has changed, until its incident ends.
A concurrency group that is written as an expression is taken for the default one, the runbook and cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsbot.runbook.admission import Admission, Earlier, admit
from opsbot.runbook.model import Runbook
from opsbot.runbook.run import INTERPRETER_VERSION, Run, RunState


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


def admission(runbook: Runbook, cluster: str, incident: int, earlier: Sequence[Started], now: float) -> Admission:
    """What becomes of the run of *runbook* that an alert of *cluster* in that incident asks for."""
    own = [one for one in earlier if one.runbook_id == runbook.runbook_id and one.cluster == cluster]
    where = f" on {cluster}" if cluster else ""
    if any(one.incident == incident for one in own):
        return Admission("skip", f"it has run for #{incident}{where} already")
    group = f"{runbook.runbook_id}:{cluster}"
    run = Run(
        run_id="",
        incident_id=f"#{incident}",
        runbook_id=runbook.runbook_id,
        revision=runbook.revision,
        runbook_json=runbook.source_json,
        interpreter_version=INTERPRETER_VERSION,
        state=RunState.QUEUED,
        detail="",
        created_at=now,
        labels={"cluster": cluster},
    )
    found = admit(runbook, run, group, [_earlier(one, group) for one in own], now)
    # Undoing takes a moment; then nothing is in the way any more.
    return Admission("start", replaced=found.replaced) if found.replaced else found


def _earlier(one: Started, group: str) -> Earlier:
    state = RunState.HOLDING if one.is_under_way else RunState.SUCCEEDED
    return Earlier(f"its run for #{one.incident}", one.runbook_id, one.cluster, group, state, one.at)
