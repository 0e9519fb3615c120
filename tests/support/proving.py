"""The ground on which runbooks are proven: a real server, the whole bot with the shipped runbooks, and its people.

Runbooks are the shipped files. In a copy only durations are shorter (`shipped_runbooks`): what they do, to whom they
turn and what they measure is theirs.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml

from opsbot.workspace.app import Workspace
from tests.support.bot import Bot, Json
from tests.support.serving_server import CONTROL

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "runbooks"
RULES = ROOT / "policies/alerts"
ENDED = {"succeeded", "undone", "failed", "cancelled"}
SETTLED = ENDED | {"holding", "needs_person"}

ADA, BEN, CORA, TESS, THEO = "cli:ada", "cli:ben", "cli:cora", "cli:tess", "cli:theo"
ROLES = {
    ADA: ["responder"], BEN: ["responder"], CORA: ["commander"], TESS: ["trust_and_safety"], THEO: ["trust_and_safety"],
}  # fmt: skip


def _variable(person: str) -> str:
    return f"OPSBOT_TOKEN_{person.partition(':')[2].upper()}"


def token_of(person: str) -> str:
    """The personal token."""
    return f"token-of-{person.partition(':')[2]}"


def shipped_runbooks(folder: Path, shorter: Mapping[str, Mapping[str, str]]) -> Path:
    """A copy of the shipped runbooks with shorter durations.

    Args:
        shorter: by runbook, `announce` (each countdown), `cooldown`, and `verify:STEP` (that verification's timeout).
    """
    folder.mkdir()
    for path in sorted(RUNBOOKS.glob("*.yaml")):
        if ".test." in path.name:
            continue
        runbook = yaml.safe_load(path.read_text(encoding="utf-8"))
        durations = shorter.get(runbook["id"], {})
        if "cooldown" in durations:
            runbook["cooldown"] = durations["cooldown"]
        for step in runbook["steps"]:
            if "announce" in durations and "announce" in step:
                step["announce"]["for"] = durations["announce"]
            if f"verify:{step['id']}" in durations:
                step["verify"]["timeout"] = durations[f"verify:{step['id']}"]
        (folder / path.name).write_text(yaml.safe_dump(runbook, sort_keys=False), encoding="utf-8")
    return folder


def shipped_rules(folder: Path, *packs: str) -> Path:
    """A copy of those of the shipped rule packs, and of the series that they ask for."""
    folder.mkdir()
    for pack in ("series", *packs):
        shutil.copy(RULES / f"{pack}.yaml", folder)
    return folder


class Ground:
    """The bot, its people, and the clusters that it looks after.

    Args:
        clusters: URL by name.
    """

    def __init__(
        self,
        folder: Path,
        clusters: Mapping[str, str],
        workspace: Workspace,
        *,
        runbooks: Path,
        rules: Path,
        more_settings: Mapping[str, Any] | None = None,
        more_environment: Mapping[str, str] | None = None,
    ) -> None:
        self.clusters = dict(clusters)
        settings = {
            "serving": [{"cluster": name, "url": url} for name, url in clusters.items()],
            "people": [{"user": who, "roles": roles, "token_env": _variable(who)} for who, roles in ROLES.items()],
            # Tests make the same trouble several times within minutes.
            "alerting": {"flapping": {"count": 100, "window": "1m", "quiet": "1s"}},
            **(more_settings or {}),
        }
        self.bot = Bot(
            folder,
            next(iter(clusters.values())),
            workspace,
            runbooks,
            rules,
            more_settings=settings,
            more_environment={_variable(who): token_of(who) for who in ROLES} | dict(more_environment or {}),
        )

    # -- time

    @staticmethod
    def now() -> float:
        """Seconds since the epoch; what begins later counts as a test's own."""
        return time.time()

    @staticmethod
    async def sleep(seconds: float) -> None:
        """Let something be seen for a while."""
        await asyncio.sleep(seconds)

    # -- the server, from outside

    def control(self, path: str, cluster: str | None = None) -> Any:
        """What a cluster's control API says."""
        url = self.clusters[cluster] if cluster else next(iter(self.clusters.values()))
        answer = httpx.get(f"{url}/control/v1/{path}", headers=CONTROL, timeout=30, trust_env=False)
        return answer.raise_for_status().json()

    def knob(self, name: str, cluster: str | None = None) -> Json:
        """One knob as it is."""
        found: Json = self.control(f"knobs/{name}", cluster)
        return found

    def leases(self, cluster: str | None = None) -> Sequence[Json]:
        """What is in force, faults left out."""
        states = ("live", "ramping", "holding")
        found = [lease for state in states for lease in self.control(f"leases?state={state}", cluster)["leases"]]
        return [lease for lease in found if not lease["knob"].startswith("fault.")]

    async def until_at_base(self, limit_s: float = 60.0) -> None:
        """Wait until no lease is left on any cluster."""

        async def left() -> Sequence[Json]:
            return [lease for cluster in self.clusters for lease in self.leases(cluster)]

        await self.bot.until("no lease is left", left, lambda found: not found, limit_s)

    # -- incidents and runs

    async def until_quiet(self, limit_s: float = 60.0) -> None:
        """Wait until no incident is open, so that the next trouble is one of its own."""

        async def open_ones() -> Sequence[str]:
            return [v["incident"]["title"] for v in await self.bot.views() if v["incident"]["state"] != "resolved"]

        await self.bot.until("no incident is open", open_ones, lambda found: not found, limit_s)

    async def incident_of(self, runbook_id: str, *, since: float = 0.0) -> Json | None:
        """The newest incident with a run of that runbook."""
        views = [
            view
            for view in await self.bot.views()
            if any(run["runbook_id"] == runbook_id and run["started_at"] >= since for run in view["runs"])
        ]
        return max(views, key=lambda view: float(view["incident"]["opened_at"]), default=None)

    async def run_of(self, runbook_id: str, *, since: float = 0.0) -> Json | None:
        """The newest run of that runbook."""
        view = await self.incident_of(runbook_id, since=since)
        runs = [] if view is None else [run for run in view["runs"] if run["runbook_id"] == runbook_id]
        return runs[-1] if runs else None

    async def until_run(self, runbook_id: str, what: str, is_so: Any, *, since: float, limit_s: float = 60.0) -> Json:
        """Wait until the newest run of that runbook is so; answers it."""
        found: Json = await self.bot.until(
            f"{runbook_id}: {what}",
            lambda: self.run_of(runbook_id, since=since),
            lambda run: run is not None and is_so(run),
            limit_s,
        )
        return found

    async def asked(self, runbook_id: str, step: str, *, since: float, limit_s: float = 60.0) -> Json:
        """Wait until people are asked about that step; answers the approval."""
        run = await self.until_run(
            runbook_id,
            f"somebody is asked about {step}",
            lambda run: any(one["step_id"] == step for one in run["approvals"]),
            since=since,
            limit_s=limit_s,
        )
        approval: Json = next(one for one in run["approvals"] if one["step_id"] == step)
        return approval

    async def decide(self, approval: Json, who: str, *, is_granted: bool = True) -> httpx.Response:
        """Press a button of a request as that person."""
        decision = {"decision": "grant" if is_granted else "refuse"}
        return await self.bot.post(f"approvals/{approval['approval_id']}", token_of(who), decision)

    async def approve(self, runbook_id: str, step: str, who: str, *, since: float, limit_s: float = 60.0) -> Json:
        """Wait for the request and approve it; answers the request."""
        approval = await self.asked(runbook_id, step, since=since, limit_s=limit_s)
        answer = await self.decide(approval, who)
        assert answer.status_code == 200, answer.text
        return approval

    async def object(self, runbook_id: str, who: str, reason: str, *, since: float) -> None:
        """Object to what the newest run of that runbook has announced."""
        run = await self.until_run(runbook_id, "announces", lambda run: bool(run["announcements"]), since=since)
        announced = run["announcements"][0]["announcement_id"]
        answer = await self.bot.post(f"announcements/{announced}/object", token_of(who), {"reason": reason})
        assert answer.status_code == 200, answer.text

    async def start(self, runbook_id: str, who: str, **asked: Any) -> None:
        """Ask for a run; *asked* may say `cluster` and `inputs`."""
        answer = await self.bot.post("runs", token_of(who), {"runbook": runbook_id, **asked})
        assert answer.status_code == 200, answer.text

    async def resolve(self, view: Json, who: str) -> None:
        """End an incident by hand."""
        incident_id = view["incident"]["incident_id"]
        answer = await self.bot.post(f"incidents/{incident_id}/resolve", token_of(who), {"reason": "it is over"})
        assert answer.status_code == 200, answer.text

    async def until_step(
        self, runbook_id: str, step: str, states: str | set[str], *, since: float, limit_s: float = 60.0
    ) -> Json:
        """Wait until the step is in one of *states*; answers the run."""
        wanted = {states} if isinstance(states, str) else states
        return await self.until_run(
            runbook_id,
            f"{step} is {' or '.join(sorted(wanted))}",
            lambda run: state_of(run, step) in wanted,
            since=since,
            limit_s=limit_s,
        )

    async def until_settled(self, runbook_id: str, state: str, *, since: float, limit_s: float = 60.0) -> Json:
        """Wait until the run is over, or holds what it set, and expect *state*."""
        run = await self.until_run(
            runbook_id, f"is {state}", lambda run: run["state"] in SETTLED | {state}, since=since, limit_s=limit_s
        )
        assert run["state"] == state, run
        return run

    async def until_ended(self, runbook_id: str, state: str, *, since: float, limit_s: float = 60.0) -> Json:
        """Wait until the run is over, and expect *state*."""
        run = await self.until_run(
            runbook_id, "is over", lambda run: run["state"] in ENDED, since=since, limit_s=limit_s
        )
        assert run["state"] == state, run
        return run


@asynccontextmanager
async def grounded(
    folder: Path,
    clusters: Mapping[str, str],
    workspace: Workspace,
    *,
    packs: Sequence[str],
    shorter: Mapping[str, Mapping[str, str]],
    more_settings: Mapping[str, Any] | None = None,
    more_environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Ground]:
    """The started bot for the length of an async with block.

    Args:
        packs: the shipped rule packs that are in force.
        shorter: as of `shipped_runbooks`.
    """
    found = Ground(
        folder,
        clusters,
        workspace,
        runbooks=shipped_runbooks(folder / "runbooks", shorter),
        rules=shipped_rules(folder / "rules", *packs),
        more_settings=more_settings,
        more_environment=more_environment,
    )
    try:
        await found.bot.start()
        yield found
    finally:
        await found.bot.close()


class Trouble:
    """One alert that is posted to the alert door as Alertmanager would, and later its end."""

    def __init__(self, ground: Ground, name: str, **labels: str) -> None:
        self._ground = ground
        self._name = name
        self._labels = labels
        self._started = datetime.now(UTC).isoformat()
        self.since = datetime.now(UTC).timestamp()

    async def begin(self) -> float:
        """Fire; answers since when runs count as its."""
        await self._ground.bot.alert(self._name, labels=self._labels, started=self._started)
        return self.since

    async def end(self) -> None:
        """Resolve."""
        await self._ground.bot.alert(self._name, labels=self._labels, started=self._started, status="resolved")


def state_of(run: Json, step_id: str) -> str:
    """The state of one of the run's steps; empty before there is one."""
    return next((str(step["state"]) for step in run["steps"] if step["step_id"] == step_id), "")


def texts_of(view: Json) -> str:
    """All that stands on an incident's timeline."""
    return "\n".join(str(entry["text"]) for entry in view["timeline"])
