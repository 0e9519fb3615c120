"""How long the Home tab takes with fifty open incidents: from Slack's event to the published view, and the view alone.

`python -m bench.slack_home`: a store of its own with fifty incidents, each with a run that waits for an approval, the
real desks, the bundled workspace over HTTP and Socket Mode. The aim is less than a second.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.policy import AlertPolicy
from opsbot.clock import SystemClock
from opsbot.desk import Desk
from opsbot.people import Person
from opsbot.run_desk import RunDesk
from opsbot.slack.app import SlackSettings
from opsbot.slack.role import SlackRole
from opsbot.store.database import Database
from opsbot.store.outbox import OutboxRepository
from opsbot.store.repositories import Repositories
from opsbot.store.run_queue import RunbookToRun
from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings
from serving_stub.roofline.calibrate import processor
from tests.support.no_runs import NoRuns
from tests.support.slack_role import until

AIM_S = 1.0
NUM_INCIDENTS = 50
RUNBOOK = RunbookToRun("bench", "Relieve KV cache pressure", "0" * 64, '{"steps": []}')


def filled(folder: Path, num_incidents: int) -> tuple[Database, Repositories]:
    """A store with so many open incidents, each with a queued run."""
    database = Database(f"sqlite:///{folder}/opsbot.sqlite")
    stores = Repositories.over(database, AlertPolicy())
    now = SystemClock().now()
    alerts = [
        Alert(
            {"alertname": f"KVCachePressure{number}", "cluster": f"eu-{number}", "severity": "critical"},
            {"summary": f"KV cache pressure on eu-{number}"},
            AlertState.FIRING,
            now - number,
        )
        for number in range(num_incidents)
    ]
    stores.incidents.ingest(alerts, now, lambda alert: [RUNBOOK])
    num_open = len(stores.views.views(include_resolved=False))
    if num_open != num_incidents:
        raise SystemExit(f"{num_open} incidents are open, not {num_incidents}: this would measure something else")
    return database, stores


async def measured(num_incidents: int, rounds: int) -> Sequence[float]:
    """Seconds from the event to the published tab, round by round."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        database, stores = filled(Path(folder), num_incidents)
        desk = Desk(stores, NoRuns(), AlertPolicy(), lambda alert: (), lambda: None, clock)
        runs = RunDesk(stores, NoRuns(), lambda: (), lambda: None, clock)
        async with running(WorkspaceSettings("xoxb-bench", "xapp-bench", "page", port=0)) as workspace:
            role = SlackRole(
                SlackSettings("xoxb-bench", "xapp-bench", workspace.api_url, "incidents"),
                desk,
                lambda user: Person(user, frozenset({"commander"})),
                OutboxRepository(database, ()),
                stores.views.view,
                stores.incidents.entry,
                clock,
                runs,
            )
            await role.start()
            try:
                await until(lambda: role.is_connected)
                return [await _once(workspace) for _ in range(rounds)]
            finally:
                await role.stop()
                database.close()


async def _once(workspace: Workspace) -> float:
    published = asyncio.Event()

    def heard(change: dict[str, object]) -> None:
        if change.get("type") == "home":
            published.set()

    stop = workspace.state.listen(heard)
    begun = time.perf_counter()
    await workspace.delivery.send(
        "events_api",
        {
            "type": "event_callback",
            "team_id": "T0LOCAL",
            "event_id": f"Ev{begun}",
            "event": {"type": "app_home_opened", "user": "U0ONCALL", "tab": "home"},
        },
    )
    try:
        async with asyncio.timeout(30):
            await published.wait()
    finally:
        stop()
    return time.perf_counter() - begun


@click.command()
@click.option("--incidents", default=NUM_INCIDENTS, show_default=True)
@click.option("--rounds", default=20, show_default=True)
def main(incidents: int, rounds: int) -> None:
    """Measure, and fail if the median is not under the aim."""
    took = sorted(asyncio.run(measured(incidents, rounds)))
    median, worst = statistics.median(took), took[-1]
    print(f"{processor()}, Python {platform.python_version()}; {incidents} open incidents, {rounds} rounds")
    print(f"event to published Home tab: median {median * 1000:.0f} ms, worst {worst * 1000:.0f} ms (aim {AIM_S:g} s)")
    if median >= AIM_S:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
