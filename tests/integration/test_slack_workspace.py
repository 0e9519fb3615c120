"""The bot's Slack side against the bundled workspace: posted, pressed in the page, edited in place, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.alert.alert import Alert, AlertState
from opsbot.alert.policy import AlertPolicy
from opsbot.clock import SystemClock
from opsbot.demo.person import PageVisitor
from opsbot.desk import Desk
from opsbot.incident.incident import IncidentState
from opsbot.incident.view import StepView
from opsbot.people import Person
from opsbot.run_desk import RunDesk
from opsbot.slack.app import SlackSettings
from opsbot.slack.blocks import incident_message
from opsbot.slack.home_view import home_view
from opsbot.slack.role import SlackRole
from opsbot.store.database import Database
from opsbot.store.repositories import Repositories
from opsbot.workspace.app import Workspace, running
from opsbot.workspace.faults import Fault
from opsbot.workspace.settings import WorkspaceSettings
from tests.support.incident_views import OPENED_AT, make_approval, make_entry, make_incident, make_run, make_view
from tests.support.no_runs import NoRuns
from tests.support.ports import free_port
from tests.support.slack_role import Core, running_role, until

pytestmark = pytest.mark.integration

Message = Mapping[str, Any]


def workspace_settings(port: int = 0) -> WorkspaceSettings:
    """A workspace of its own for each test."""
    return WorkspaceSettings("xoxb-local", "xapp-local", "page-token", port=port)


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    """On a free port."""
    async with running(workspace_settings()) as started:
        yield started


def settings(workspace: Workspace) -> SlackSettings:
    """How the bot reaches it."""
    return SlackSettings("xoxb-local", "xapp-local", workspace.api_url, "#incidents")


def messages(workspace: Workspace) -> Sequence[Message]:
    """Everything in the incidents channel, replies too, oldest first."""
    return workspace.state.channel("incidents").messages


def keys(workspace: Workspace) -> Sequence[str]:
    """The outbox keys of those messages."""
    return [message["metadata"]["event_payload"]["key"] for message in messages(workspace)]


def buttons(message: Message) -> Mapping[str, Mapping[str, Any]]:
    """The buttons of a message by what stands on them."""
    return {
        element["text"]["text"]: element
        for block in message["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
        if element["type"] == "button"
    }


async def press(workspace: Workspace, user: str, message: Message, label: str) -> Message:
    """Press a button as the page does."""
    button = buttons(message)[label]
    body = {
        "user": user,
        "channel": "C0INCIDENTS",
        "ts": message["ts"],
        "action_id": button["action_id"],
        "value": button["value"],
    }
    return await write(workspace, "press", body)


async def write(workspace: Workspace, what: str, body: Mapping[str, str]) -> Message:
    """Do something as the page does; the answer says whether the bot acknowledged it."""
    async with (
        aiohttp.ClientSession(headers={"X-Page-Token": "page-token"}) as session,
        session.post(f"{workspace.url}/ui/{what}", json=body) as answer,
    ):
        found: Message = await answer.json()
        return found


def whispers(workspace: Workspace) -> Sequence[tuple[str, str]]:
    """A list that grows with every private answer: who was told what."""
    told: list[tuple[str, str]] = []

    def listen(change: Mapping[str, Any]) -> None:
        if change["type"] == "ephemeral":
            told.append((change["user"], change["message"]["text"]))

    workspace.state.listen(listen)
    return told


async def test_an_approval_is_pressed_and_the_message_follows(workspace: Workspace) -> None:
    """Posted, approved in the dialog that the page shows, answered there, edited in place."""
    core, told = Core(), whispers(workspace)
    core.show(make_view(runs=[make_run(approvals=[make_approval(expires_at=SystemClock().now() + 600)])]))
    async with running_role(core, settings(workspace)) as role:
        await until(lambda: core.is_all_said() and role.is_connected)
        assert sorted(buttons(messages(workspace)[0])) == ["Acknowledge", "Approve", "Refuse", "Why?"]
        visitor = PageVisitor(workspace.url, "page-token")
        assert await visitor.press("incidents", "Approve")
        await visitor.close()
        await until(lambda: bool(core.commands.calls))
        core.show(make_view(runs=[make_run("holding", can_undo=True)]))
        role.wake()
        await until(core.is_all_said)
    assert core.commands.calls == [("grant", "apr-1", "U0ONCALL")]
    # The dialog has told it.
    assert told == []
    assert len(messages(workspace)) == 1
    assert sorted(buttons(messages(workspace)[0])) == ["Acknowledge", "Undo", "Why?"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(drop_answer=True), id="applied, answer lost"),
        pytest.param(Fault(status=429, retry_after_s=1), id="rate limit"),
        pytest.param(Fault(status=503), id="server error"),
    ],
)
async def test_trouble_on_the_way_leaves_one_message_each(workspace: Workspace, fault: Fault) -> None:
    """The page and its thread stand once each, in order."""
    workspace.faults.add("chat.postMessage", fault)
    core = Core()
    core.show(make_view())
    core.tell(make_entry("e1"))
    async with running_role(core, settings(workspace)) as role:
        await until(core.is_all_said)
        workspace.faults.add("chat.postMessage", fault)
        core.tell(make_entry("e2"))
        core.tell(make_entry("e3"))
        role.wake()
        await until(core.is_all_said)
    assert keys(workspace) == ["incident:INC-1", "timeline:e1", "timeline:e2", "timeline:e3"]


async def test_a_kill_between_posting_and_recording_leaves_one_message(workspace: Workspace) -> None:
    """The next process finds the first one's post and edits it."""
    workspace.faults.add("chat.postMessage", Fault(drop_answer=True))
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(workspace)):
        await until(lambda: len(messages(workspace)) == 1)
    core.show(make_view(make_incident(IncidentState.MITIGATED)))
    async with running_role(core, settings(workspace)):
        await until(core.is_all_said)
    assert keys(workspace) == ["incident:INC-1"]
    assert messages(workspace)[0]["text"] == (
        "Critical: KV cache pressure on local (INC-1, mitigated). Watching: nothing fires any more."
    )


async def test_a_workspace_that_lost_everything_gets_the_message_again() -> None:
    """It is restarted with nothing in it: the bot reconnects, and the next change is posted afresh."""
    port, core = free_port(), Core()
    core.show(make_view())
    async with running(workspace_settings(port)) as first:
        address = settings(first)
        role = SlackRole(
            address,
            core.commands,
            lambda user: Person(user),
            core.outbox,
            core.view,
            core.entry,
            SystemClock(),
            core.commands,
        )
        await role.start()
        await until(lambda: core.is_all_said() and role.is_connected)
    try:
        async with running(workspace_settings(port)) as second:
            core.show(make_view(make_incident(IncidentState.MITIGATED)))
            core.tell(make_entry("e1"))
            role.wake()
            await until(lambda: core.is_all_said() and second.socket.is_connected, within_s=20)
            assert keys(second) == ["incident:INC-1", "timeline:e1"]
            assert messages(second)[1]["thread_ts"] == messages(second)[0]["ts"]
    finally:
        await role.stop()


async def test_the_largest_message_and_tab_are_valid(workspace: Workspace) -> None:
    """Whatever a view holds, the workspace refuses none of its blocks."""
    long = "endless & <text> " * 400
    steps = [StepView(f"s{n}", long, "x.y", "acting", long) for n in range(60)]
    runs = [
        make_run(
            run_id=f"r{n}",
            name=long,
            steps=steps,
            approvals=[make_approval(f"a{n}-{m}", will_do=long, undo=long) for m in range(3)],
            can_undo=True,
        )
        for n in range(40)
    ]
    view = make_view(make_incident(title=long, description=long, is_blind=True), runs)
    client = AsyncWebClient("xoxb-local", base_url=workspace.api_url)
    message = incident_message(view, OPENED_AT)
    await client.chat_postMessage(channel="C0INCIDENTS", text=message.text, blocks=message.blocks)
    home = home_view([view], Person("U0ONCALL", frozenset({"responder"})), OPENED_AT, long)
    await client.views_publish(user_id="U0ONCALL", view=home)
    assert len(messages(workspace)) == 1
    assert "U0ONCALL" in workspace.state.homes


async def test_a_slash_command_typed_in_the_page_is_answered(workspace: Workspace) -> None:
    """Only its author sees the answer."""
    core, told = Core(make_view()), whispers(workspace)
    async with running_role(core, settings(workspace)) as role:
        await until(lambda: role.is_connected)
        typed = {"user": "U0ONCALL", "channel": "C0OPS", "text": "/ops akc 1"}
        assert (await write(workspace, "say", typed))["ok"]
        await until(lambda: bool(told))
    assert told[0][0] == "U0ONCALL"
    assert told[0][1].startswith("There is no `akc`; did you mean `/ops ack 1`?")


async def test_the_home_tab_is_opened_in_the_page(workspace: Workspace) -> None:
    """It shows what waits for the person who opened it."""
    core = Core(make_view(runs=[make_run(approvals=[make_approval(expires_at=SystemClock().now() + 600)])]))
    async with running_role(core, settings(workspace)) as role:
        await until(lambda: role.is_connected)
        await write(workspace, "home", {"user": "U0ONCALL"})
        await until(lambda: "U0ONCALL" in workspace.state.homes)
    assert "1 waiting for you" in workspace.state.homes["U0ONCALL"]["blocks"][0]["text"]["text"]


async def test_an_alert_is_acknowledged_and_resolved_over_the_real_store(workspace: Workspace, tmp_path: Path) -> None:
    """From alert to resolution: one message with its thread, over a database that two processes use in turn."""
    url = f"sqlite:///{tmp_path}/opsbot.db"
    firing = Alert(
        {"alertname": "KVCachePressure", "cluster": "local", "severity": "critical"},
        {"summary": "KV cache pressure on local"},
        AlertState.FIRING,
        SystemClock().now(),
        value=0.93,
    )
    resolved = Alert(firing.labels, firing.annotations, AlertState.RESOLVED, firing.starts_at, SystemClock().now())

    first, is_said = await start(workspace, url)
    workspace.faults.add("chat.postMessage", Fault(drop_answer=True))
    await first.desk.ingest([firing])
    await until(lambda: is_said() and first.role.is_connected)
    assert (await press(workspace, "U0ONCALL", messages(workspace)[0], "Acknowledge"))["ok"]
    await until(lambda: "acknowledged" in messages(workspace)[0]["text"])
    await first.stop()

    second, is_said = await start(workspace, url)
    await second.desk.ingest([resolved])
    await until(is_said)
    await second.stop()

    page, *thread = messages(workspace)
    assert page["text"].startswith("Resolved: KV cache pressure on local (INC-1, after ")
    assert list(buttons(page)) == ["Why?"]
    assert [(reply["text"], reply.get("reply_broadcast", False)) for reply in thread] == [
        ("KVCachePressure fires: KV cache pressure on local", False),
        ("<@U0ONCALL>: Acknowledged", True),
        ("Resolved: KVCachePressure no longer fires", True),
    ]


class RealCore:
    """A desk and a Slack role over one database."""

    def __init__(self, desk: Desk, role: SlackRole, database: Database) -> None:
        self.desk, self.role, self._database = desk, role, database

    async def stop(self) -> None:
        """As a process that leaves."""
        await self.role.stop()
        self._database.engine.dispose()


async def start(workspace: Workspace, url: str) -> tuple[RealCore, Callable[[], bool]]:
    """A core over the database at *url*, and whether everything it wished to say is said."""
    database, clock = await asyncio.to_thread(Database, url), SystemClock()
    stores = Repositories.over(database, AlertPolicy())
    roles: list[SlackRole] = []
    desk = Desk(stores, NoRuns(), AlertPolicy(), lambda alert: (), lambda: roles[0].wake(), clock)

    run_desk = RunDesk(stores, NoRuns(), lambda: (), lambda: roles[0].wake(), clock)

    def person_for(user_id: str) -> Person:
        return Person(user_id, frozenset({"responder"}))

    role = SlackRole(
        settings(workspace),
        desk,
        person_for,
        stores.outbox,
        stores.views.view,
        stores.incidents.entry,
        clock,
        run_desk,
    )
    roles.append(role)
    await role.start()
    return RealCore(desk, role, database), lambda: not stores.outbox.due(float("inf"), 100)
