"""Dialogs before a real core: the store, the executor, a serving stub whose knob is read and turned, and the workspace.

Two engineers at the page press and submit as the page does; what the dialogs say is compared with the server's knob.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.alert.policy import AlertPolicy
from opsbot.demo.person import PageVisitor
from opsbot.desk import Desk
from opsbot.people import Person, Role, person_for
from opsbot.preview_rows import Sight
from opsbot.run_desk import RunDesk
from opsbot.slack.app import SlackSettings
from opsbot.slack.role import SlackRole
from opsbot.store.repositories import Repositories
from opsbot.workspace.app import Workspace, running
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.no_runs import NoRuns
from tests.support.runs import RunWorld, set_batch
from tests.support.serving_server import ServingServer, serving
from tests.support.slack_role import until

pytestmark = pytest.mark.integration

ASKS = "approval: {from: responder, timeout: 10m}"
ROLES: Mapping[str, frozenset[Role]] = {
    "U0ONCALL": frozenset({"responder"}),
    "U0SECOND": frozenset({"responder"}),
    "U0COMMANDER": frozenset({"commander"}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """A server whose batch limit is 8."""
    with serving(tmp_path_factory.mktemp("serving") / "leases.jsonl", "--max-num-seqs", "8") as started:
        yield started


class Scene:
    """Everything that runs, and what somebody sees at the page."""

    def __init__(self, world: RunWorld, workspace: Workspace, run_id: str, cause: str) -> None:
        self.world, self.workspace, self.run_id, self.cause = world, workspace, run_id, cause
        self._http = httpx.AsyncClient(headers={"X-Page-Token": "page-token"}, trust_env=False, timeout=10)

    async def press(self, user: str, action_id: str, value: str) -> None:
        """Press a button of the incident's message as the page does."""
        message = self.workspace.state.channel("incidents").messages[0]
        found = next(
            (block["block_id"], element)
            for block in message["blocks"]
            if block["type"] == "actions"
            for element in block["elements"]
            if element["action_id"] == action_id
        )
        action = {"type": found[1]["type"], "action_id": action_id}
        if found[1]["type"] == "overflow":
            action["selected_option"] = next(one for one in found[1]["options"] if one["value"] == value)
        body = {"user": user, "channel": "C0INCIDENTS", "ts": message["ts"], "block_id": found[0], "action": action}
        assert (await self._post("press", body))["ok"]

    async def submit(self, user: str, reason: str = "") -> Mapping[str, Any]:
        """Submit the dialog on top as the page does."""
        typed = {"reason": {"reason": {"type": "plain_text_input", "value": reason}}} if reason else {}
        shown = await self.top(user)
        return await self._post("submit", {"user": user, "view_id": shown["id"], "values": typed})

    async def _post(self, what: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (await self._http.post(f"{self.workspace.url}/ui/{what}", json=body)).json()
        return found

    async def top(self, user: str) -> Mapping[str, Any]:
        """The dialog that somebody sees."""
        stack = (await self._http.get(f"{self.workspace.url}/ui/state")).json()["views"].get(user) or [{}]
        found: Mapping[str, Any] = stack[-1]
        return found

    async def sees(self, user: str, text: str) -> None:
        """Wait until the dialog says it."""
        for _ in range(200):
            shown = json.dumps(await self.top(user), ensure_ascii=False)
            if text in shown:
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"{text!r} is not said; the dialog says {shown}")

    async def close(self) -> None:
        """Leave the page."""
        await self._http.aclose()


@asynccontextmanager
async def staged(folder: Path, url: str) -> AsyncIterator[Scene]:
    """A world whose run asks for approval in the workspace."""
    world = RunWorld(folder, url)
    stores = Repositories.over(world.database, AlertPolicy())
    roles: list[SlackRole] = []
    desk = Desk(stores, NoRuns(), AlertPolicy(), lambda alert: (), lambda: roles[0].wake(), world.clock)
    sight = Sight(world.registry, world.metrics, lambda: ROLES)

    def who(user_id: str) -> Person:
        return person_for(user_id, ROLES, "Slack")

    async with running(WorkspaceSettings("xoxb-local", "xapp-local", "page-token", port=0)) as workspace:
        settings = SlackSettings("xoxb-local", "xapp-local", workspace.api_url, "#incidents")
        # A cause of its own for each test: the server keeps the keys of what it was asked before.
        run_id = world.fire(folder.name, set_batch(more=ASKS))
        async with world.executing() as executor:
            run_desk = RunDesk(
                stores, executor, lambda: (), lambda: roles[0].wake(), world.clock, ("local",), sight
            )  # fmt: skip
            role = SlackRole(
                settings, desk, who, stores.outbox, stores.views.view, stores.incidents.entry, world.clock, run_desk
            )
            roles.append(role)
            await role.start()
            try:
                await world.until_run(run_id, "waiting")
                role.wake()
                channel = workspace.state.channel("incidents")
                await until(lambda: role.is_connected and "approval.grant" in json.dumps(channel.messages[:1]))
                scene = Scene(world, workspace, run_id, folder.name)
                try:
                    yield scene
                finally:
                    await scene.close()
            finally:
                await role.stop()
        if world.run_view(run_id).state in ("holding", "running"):
            # The next test finds the server as this one did.
            await _given_back(world, run_id, folder.name)
    await world.close()


async def _given_back(world: RunWorld, run_id: str, cause: str) -> None:
    async with world.executing():
        world.resolve(cause)
        await world.until_run(run_id, "succeeded", "undone")


async def test_approved_seen_verified_and_undone(tmp_path: Path, server: ServingServer) -> None:
    """The dialog says 8 → 3, then it is 3; the undo says 3 → 8, then it is 8; each tells its outcome in place."""
    async with staged(tmp_path, server.url) as scene:
        await scene.press("U0ONCALL", "approval.grant", "")
        await scene.sees("U0ONCALL", "`local/batch_limit`  *8* → *3*")
        assert await scene.world.in_force() == 8
        assert (await scene.submit("U0ONCALL"))["ok"]
        await scene.sees("U0ONCALL", "✓ *Approved.*")
        await scene.sees("U0ONCALL", "done, holding its change until the incident ends")
        assert await scene.world.in_force() == 3

        channel = scene.workspace.state.channel("incidents")
        await until(lambda: "run.undo" in json.dumps(channel.messages[0]))
        await scene.press("U0SECOND", "run.undo", "")
        await scene.sees("U0SECOND", "`local/batch_limit`  *3* → *8*")
        assert (await scene.submit("U0SECOND"))["ok"]
        await scene.sees("U0SECOND", "undone")
        assert await scene.world.in_force() == 8


async def test_the_second_hears_who_was_first(tmp_path: Path, server: ServingServer) -> None:
    """Both have the dialog open; one approves, and the other is told by whom, by name."""
    async with staged(tmp_path, server.url) as scene:
        for user in ("U0ONCALL", "U0SECOND"):
            await scene.press(user, "approval.grant", "")
            await scene.sees(user, "Plan `")
        await scene.submit("U0ONCALL")
        await scene.sees("U0ONCALL", "✓ *Approved.*")
        await scene.submit("U0SECOND")
        await scene.sees("U0SECOND", "on-call engineer has granted this already")
        assert await scene.world.in_force() in (3, 8)


async def test_a_knob_that_somebody_turned_meanwhile_is_asked_about_anew(tmp_path: Path, server: ServingServer) -> None:
    """Nothing is done before the second yes."""
    async with staged(tmp_path, server.url) as scene:
        await scene.press("U0ONCALL", "approval.grant", "")
        await scene.sees("U0ONCALL", "*8* → *3*")
        body = {
            "knob": "batch_limit", "value": 5, "ttl_s": 60, "owner": "somebody", "reason": "by hand",
            "idempotency_key": "meanwhile", "on_end": "release",
        }  # fmt: skip
        lease = await scene.world.control.grant("local", body)
        await scene.submit("U0ONCALL")
        await scene.sees("U0ONCALL", "local/batch_limit is 5 now; it was 8.")
        assert await scene.world.in_force() == 5
        await scene.world.control.release("local", lease.lease_id)
        await scene.submit("U0ONCALL")
        await scene.sees("U0ONCALL", "local/batch_limit is 8 now; it was 5.")
        await scene.submit("U0ONCALL")
        await scene.sees("U0ONCALL", "✓ *Approved.*")


async def test_a_dialog_submitted_after_its_incident_ended_does_nothing(tmp_path: Path, server: ServingServer) -> None:
    """Its approval is withdrawn with the run."""
    async with staged(tmp_path, server.url) as scene:
        await scene.press("U0ONCALL", "approval.grant", "")
        await scene.sees("U0ONCALL", "Plan `")
        scene.world.resolve(scene.cause)
        await scene.world.until_run(scene.run_id, "cancelled")
        await scene.submit("U0ONCALL")
        await scene.sees("U0ONCALL", "Nothing was done.")
        assert await scene.world.in_force() == 8


async def test_the_page_visitor_presses_through_the_dialog(tmp_path: Path, server: ServingServer) -> None:
    """As the demo does."""
    async with staged(tmp_path, server.url) as scene:
        visitor = PageVisitor(scene.workspace.url, "page-token")
        assert await visitor.press("incidents", "Approve")
        await visitor.close()
        await scene.world.until_run(scene.run_id, "holding")
        assert await scene.world.in_force() == 3
        scene.world.resolve(scene.cause)
        await scene.world.until_run(scene.run_id, "succeeded")
