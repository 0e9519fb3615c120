"""The real desks over a real store, listening and delivering to a small Slack; with no runs under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opsbot.alert.policy import AlertPolicy
from opsbot.clock import SystemClock
from opsbot.desk import Desk
from opsbot.incident.timeline import TimelineEntry
from opsbot.oncall.model import Rota
from opsbot.people import Person, Role
from opsbot.run_desk import RunDesk
from opsbot.slack.app import SlackSettings
from opsbot.slack.pictures import Vitals
from opsbot.slack.role import SlackRole
from opsbot.store.repositories import Repositories
from tests.support.alerts import open_database
from tests.support.no_runs import NoRuns
from tests.support.slack_role import until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, CHANNEL, SmallSlack

ROLES: Mapping[str, Role] = {"ONCALL": "responder", "COMMANDER": "commander"}
"""By how a user id ends."""


class SmallCore:
    """What people and alerts do to it, and what Slack was told of it."""

    def __init__(self, folder: Path, slack: SmallSlack, rota: Rota | None, vitals: Vitals | None) -> None:
        clock, self.slack = SystemClock(), slack
        self.database = open_database(folder)
        shift = Rota() if rota is None else rota
        self.stores = Repositories.over(self.database, AlertPolicy(), lambda: shift)
        self.desk = Desk(self.stores, NoRuns(), AlertPolicy(), lambda alert: (), self._wake, clock, lambda: shift)
        runs = RunDesk(self.stores, NoRuns(), lambda: (), self._wake, clock, ("eu-1",))
        self.role = SlackRole(
            SlackSettings(BOT_TOKEN, APP_TOKEN, f"{slack.url}/api/", "incidents"),
            self.desk,
            lambda user: Person(user, frozenset(role for end, role in ROLES.items() if user.endswith(end)), "Slack"),
            self.stores.outbox,
            self.stores.views.view,
            self._said,
            clock,
            runs,
            vitals,
            self.stores.views.show_again,
        )

    async def all_said(self) -> None:
        """Wait until nothing waits to be said."""
        self._wake()
        await until(lambda: not self.stores.outbox.due(float("inf"), 100), within_s=30)

    def timeline(self, incident_id: str = "INC-1") -> list[tuple[str, str, str]]:
        """Kind, actor and text of each entry."""
        return [(one.kind, one.actor, one.text) for one in self.stores.views.view(incident_id).timeline]

    async def chosen(self, user: str, entry: str) -> Mapping[str, Any]:
        """The dialog that an entry of an incident's menu opens, once it can be filled in."""
        known = set(self.slack.views)
        await self.slack.press(user, "incident.menu", entry, message_ts=self.slack.messages[0]["ts"])
        await until(lambda: any("submit" in self.slack.views[one] for one in set(self.slack.views) - known))
        return self.dialog()

    def dialog(self) -> Mapping[str, Any]:
        """What was opened last, as it is shown now."""
        return list(self.slack.views.values())[-1]

    async def filled(
        self,
        user: str,
        view: Mapping[str, Any],
        more: Mapping[str, str] | None = None,
        *,
        times: int = 1,
        **values: str,
    ) -> str:
        """Fill the dialog in; answers what the person is told. A value of a select is written `=value`.

        Told is what stands under fields, else what the dialog becomes; of one that closes, what is said in private.
        """
        state = {
            name: {name: {"selected_option": {"value": value[1:]}} if value.startswith("=") else {"value": value}}
            for name, value in {**(more or {}), **values}.items()
        }
        before, view_id = len(self.slack.ephemerals), str(view["id"])
        reply = await self.slack.submit(user, view_id, state, times=times)
        if "errors" in reply:
            return "\n".join(reply["errors"].values())
        if "response_action" not in reply:
            await until(lambda: len(self.slack.ephemerals) > before)
            return str(self.slack.ephemerals[-1]["text"])
        await until(lambda: "Working …" not in self._first_text(view_id))
        return self._first_text(view_id)

    def _first_text(self, view_id: str) -> str:
        return str(self.slack.views[view_id]["blocks"][0]["text"]["text"])

    async def pin(self, user: str, ts: str, *, channel: str = CHANNEL, is_off: bool = False) -> None:
        """Somebody puts a pin on a message, or takes it off; waits until that is carried out."""
        item = {"type": "message", "channel": channel, "ts": ts}
        kind = "reaction_removed" if is_off else "reaction_added"
        await self.slack.emit({"type": kind, "user": user, "reaction": "pushpin", "item": item})
        await until(lambda: self.role.is_idle)

    async def shortcut(self, user: str, message: Mapping[str, Any], *, channel: str = CHANNEL) -> None:
        """Somebody chooses "Add to the incident's timeline"."""
        payload = {
            "type": "message_action", "callback_id": "timeline.add", "trigger_id": "t1", "user": {"id": user},
            "team": {"id": "T1"}, "channel": {"id": channel, "name": "c"}, "message": message,
            "message_ts": message["ts"], "response_url": f"{self.slack.url}/respond",
        }  # fmt: skip
        await self.slack.send("interactive", payload)

    def said_by(self, user: str, ts: str, text: str, thread_ts: str | None = None) -> dict[str, Any]:
        """A person's message in the channel."""
        message: dict[str, Any] = {"type": "message", "user": user, "ts": ts, "text": text}
        if thread_ts is not None:
            message["thread_ts"] = thread_ts
        self.slack.messages.append(message)
        return message

    def whispers(self) -> Sequence[str]:
        """What single people were told, oldest first."""
        return [str(one["text"]) for one in self.slack.ephemerals]

    def _wake(self) -> None:
        self.role.wake()

    def _said(self, key: str) -> TimelineEntry | None:
        return self.stores.incidents.entry(key) or self.stores.notices.notice(key)


@asynccontextmanager
async def small_core(
    folder: Path, slack: SmallSlack, rota: Rota | None = None, vitals: Vitals | None = None
) -> AsyncIterator[SmallCore]:
    """A core that listens and delivers until the block ends."""
    core = SmallCore(folder, slack, rota, vitals)
    await core.role.start()
    await until(lambda: core.role.is_connected)
    try:
        yield core
    finally:
        await core.role.stop()
        await asyncio.to_thread(core.database.close)
