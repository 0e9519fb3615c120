"""What people do to a run besides deciding, at the store: no verb of a door, only what the verb writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import update

from opsbot.runbook.run import RunState, StepState
from opsbot.runbook.store import Change
from opsbot.store import schema
from opsbot.store.database import Database
from opsbot.store.runs import RunRepository


def settle(runs: RunRepository, run_id: str, step_id: str, now: float, *, happened: bool) -> None:
    """Say whether an act of unknown outcome happened."""
    row = next(one for one in runs.steps(run_id) if one.step_id == step_id)
    assert row.state is StepState.UNKNOWN
    if happened:
        done = replace(row, state=StepState.SUCCEEDED, outputs={}, following="go_on")
    else:
        done = replace(row, state=StepState.READY, lease_released=True)
    state = RunState.RUNNING if runs.run(run_id).state is RunState.WAITING else None
    runs.commit(Change(run_id, now, (done,), state=state))


def set_run(database: Database, run_id: str, **values: Any) -> None:
    """Write columns of a run."""
    with database.write() as connection:
        connection.execute(update(schema.run).where(schema.run.c.run_id == run_id).values(**values))


def set_step(database: Database, run_id: str, step_id: str, **values: Any) -> None:
    """Write columns of a step."""
    table = schema.run_step
    same = (table.c.run_id == run_id) & (table.c.step_id == step_id)
    with database.write() as connection:
        connection.execute(update(table).where(same).values(**values))
