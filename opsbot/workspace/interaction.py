"""What people do with messages, dialogs and the Home tab, carried to the app and its answer carried back."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsbot.workspace import payload as shapes
from opsbot.workspace.delivery import Delivery, Undelivered
from opsbot.workspace.input_check import problems
from opsbot.workspace.payload import Envelope, MessagePlace
from opsbot.workspace.response_url import ResponseUrls, Source
from opsbot.workspace.state import Channel, SlackError, WorkspaceState
from opsbot.workspace.submission import Submission, answer_to, response_urls
from opsbot.workspace.suggestion import options_for_page
from opsbot.workspace.surface import STATEFUL, Payload, find, options_of, value, values
from opsbot.workspace.trigger import Triggers
from opsbot.workspace.views import Views
from opsbot.workspace.whisper import Whispers

Given = Mapping[str, Any]
Answer = dict[str, Any]

GONE = "That is not there any more. Look at the newest messages."
STALE = "That button or menu is not there any more. Look at the newest messages."


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and the address under which their page has the workspace."""

    user_id: str
    base_url: str


class Interactions:
    """Carries out presses, submissions, shortcuts and commands.

    Every answer is for the page: `ok`, and `error` as a sentence where it is not.
    """

    def __init__(
        self,
        state: WorkspaceState,
        views: Views,
        triggers: Triggers,
        whispers: Whispers,
        urls: ResponseUrls,
        delivery: Delivery,
        token: str,
    ) -> None:
        self._state = state
        self._views = views
        self._triggers = triggers
        self._whispers = whispers
        self._urls = urls
        self._delivery = delivery
        self._token = token
        self._names = {member.user_id: member.name for member in state.settings.members}
        self._tasks: set[asyncio.Task[None]] = set()

    async def press(self, actor: Actor, given: Given) -> Answer:
        """Somebody uses a button, a menu or another element that tells the app at once."""
        asked = _mapping(given.get("action")) or {name: given[name] for name in ("action_id", "value") if name in given}
        blocks, place, view = self._surface(actor, given)
        found = find(blocks, str(given.get("block_id") or ""), str(asked.get("action_id") or ""))
        if found is None:
            return _refused(STALE)
        block, element = found
        chosen = _chosen(element, asked)
        if chosen is None:
            return _refused(STALE)
        stands = values(blocks, given.get("values"))
        if element["type"] in STATEFUL:
            stands.setdefault(block["block_id"], {})[element["action_id"]] = {"type": element["type"], **chosen}
        done = shapes.action(block, element, chosen, _now())
        envelope = self._envelope(actor)
        if place is not None:
            source = Source(place.channel_id, actor.user_id, place.message["ts"], place.is_ephemeral)
            url = self._urls.issue(actor.base_url, source)
            sent = shapes.block_actions(envelope, place.fields(), done, stands, url)
        else:
            sent = shapes.block_actions(envelope, shapes.view_fields(view, stands), done, None, "")
        return await self._deliver(sent)

    async def options(self, actor: Actor, given: Given) -> Answer:
        """Somebody types into a menu whose options the app answers."""
        blocks, place, view = self._surface(actor, given)
        block_id, action_id = str(given.get("block_id") or ""), str(given.get("action_id") or "")
        if find(blocks, block_id, action_id) is None:
            return _refused(STALE)
        where = place.fields() if place is not None else shapes.view_fields(view, values(blocks, given.get("values")))
        typed = str(given.get("value") or "")
        sent = shapes.block_suggestion(self._envelope(actor, with_trigger=False), where, block_id, action_id, typed)
        try:
            answered = await self._delivery.send("interactive", sent)
        except Undelivered as error:
            return _refused(error.to_people)
        return options_for_page(answered)

    async def submit(self, actor: Actor, given: Given) -> Answer:
        """Somebody submits a dialog."""
        view = copy.deepcopy(self._views.find(actor.user_id, str(given.get("view_id") or "-")))
        if view["type"] != "modal":
            raise SlackError("not_found")
        stands = values(view["blocks"], given.get("values"))
        wrong = problems(view["blocks"], stands)
        if wrong:
            return {"ok": False, "errors": dict(wrong)}
        urls = response_urls(
            view, stands, lambda channel: self._urls.issue(actor.base_url, Source(channel, actor.user_id))
        )
        sent = shapes.view_submission(self._envelope(actor), view, stands, urls)
        try:
            answered = await self._delivery.send("interactive", sent)
        except Undelivered as error:
            return _refused(error.to_people)
        return answer_to(self._views, Submission(actor.user_id, view), answered)

    async def close_view(self, actor: Actor, given: Given) -> Answer:
        """Somebody closes a dialog, or the whole stack; the app hears of it where it asked to."""
        view_id, is_cleared = str(given.get("view_id") or ""), bool(given.get("is_cleared"))
        closed = self._views.close(actor.user_id, view_id, is_cleared=is_cleared)
        is_cleared = is_cleared or any(view["clear_on_close"] for view in closed if view["id"] == view_id)
        for view in closed:
            if view["notify_on_close"]:
                self._tell(shapes.view_closed(self._envelope(actor, with_trigger=False), view, is_cleared=is_cleared))
        return {"ok": True}

    async def shortcut(self, actor: Actor, given: Given) -> Answer:
        """Somebody uses a shortcut: on a message where there is one, or of the workspace."""
        callback_id, kind = str(given.get("callback_id") or ""), "message" if given.get("ts") else "global"
        shortcuts = self._state.settings.app.shortcuts
        if not any((one.callback_id, one.type) == (callback_id, kind) for one in shortcuts):
            return _refused(f"There is no {kind} shortcut {callback_id!r}.")
        envelope = self._envelope(actor)
        if kind == "global":
            return await self._deliver(shapes.shortcut(envelope, callback_id, _now()))
        place = self._place(actor, given)
        url = self._urls.issue(actor.base_url, Source(place.channel_id, actor.user_id, place.message["ts"]))
        return await self._deliver(shapes.message_action(envelope, callback_id, _now(), place, url))

    async def command(self, actor: Actor, channel_id: str, typed: str) -> Answer:
        """Somebody types a slash command."""
        command, _, text = typed.partition(" ")
        channel = seen_by(self._state, actor.user_id, channel_id)
        known = [one.command for one in self._state.settings.app.commands]
        if command not in known:
            return _refused(f"{command} is not a valid command. There is {', '.join(known) or 'none'}.")
        source = Source(channel.channel_id, actor.user_id)
        url = self._urls.issue(actor.base_url, source)
        where = (channel.channel_id, channel.name)
        sent = shapes.slash_command(self._envelope(actor), command, text.strip(), where, url)
        try:
            answered = await self._delivery.send("slash_commands", sent)
        except Undelivered as error:
            return _refused(error.to_people)
        if answered.get("text") or answered.get("blocks"):
            try:
                self._urls.answer(source, answered)
            except SlackError as error:
                return _refused(f"Slack would not show the bot's answer: {_named(error)}.")
        return {"ok": True}

    async def close(self) -> None:
        """Tell the app nothing any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- parts

    def _surface(self, actor: Actor, given: Given) -> tuple[list[Payload], MessagePlace | None, Payload]:
        """The blocks that something is used in, and the message or the view that they stand in."""
        if given.get("channel"):
            place = self._place(actor, given)
            return place.message.get("blocks") or [], place, {}
        view = self._views.find(actor.user_id, str(given.get("view_id") or ""))
        return view["blocks"], None, view

    def _place(self, actor: Actor, given: Given) -> MessagePlace:
        channel, ts = seen_by(self._state, actor.user_id, str(given["channel"])), str(given.get("ts"))
        message = channel.find(ts)
        if message is not None:
            return MessagePlace(channel.channel_id, channel.name, copy.deepcopy(message))
        whisper = self._whispers.find(actor.user_id, ts)
        if whisper is None:
            raise SlackError("message_not_found")
        return MessagePlace(channel.channel_id, channel.name, whisper.message, is_ephemeral=True)

    def _envelope(self, actor: Actor, *, with_trigger: bool = True) -> Envelope:
        trigger_id = self._triggers.issue(actor.user_id) if with_trigger else ""
        return Envelope(actor.user_id, self._names[actor.user_id], self._token, trigger_id)

    async def _deliver(self, sent: Payload) -> Answer:
        try:
            await self._delivery.send("interactive", sent)
        except Undelivered as error:
            return _refused(error.to_people)
        return {"ok": True}

    def _tell(self, sent: Payload) -> None:
        """Deliver without waiting; nobody is there any more to hear that it failed."""

        async def deliver() -> None:
            await self._deliver(sent)

        task = asyncio.create_task(deliver())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def seen_by(state: WorkspaceState, user_id: str, channel_id: str) -> Channel:
    """A channel as this person has it. Raises: SlackError `channel_not_found` for a private one of others."""
    channel = state.channel(channel_id)
    if (channel.is_private or channel.is_im) and user_id not in channel.members:
        raise SlackError("channel_not_found")
    return channel


def _chosen(element: Payload, asked: Given) -> Payload | None:
    """What was chosen, as Slack sends it; None for an option that is not there."""
    kind = element["type"]
    if kind == "overflow":
        wanted = (_mapping(asked.get("selected_option")) or asked).get("value")
        option = next((one for one in options_of(element) if one.get("value") == wanted), None)
        return None if option is None else {"selected_option": option}
    if kind in STATEFUL:
        return {name: content for name, content in value(element, dict(asked)).items() if name != "type"}
    return {}


def _mapping(given: object) -> Given:
    return given if isinstance(given, dict) else {}


def _named(error: SlackError) -> str:
    return ": ".join((error.error, *error.explanations))


def _refused(problem: str) -> Answer:
    return {"ok": False, "error": problem}


def _now() -> str:
    return f"{time.time():.6f}"
