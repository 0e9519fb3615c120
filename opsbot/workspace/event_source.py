"""Which events follow from what changes in the workspace.

The workspace tells of changes as the page needs them: the whole message as it is now. What happened to it is found
by comparing with how it was.
"""

from __future__ import annotations

import copy
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from opsbot.workspace.settings import BOT_USER_ID, TEAM_ID
from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.surface import Payload

MAX_REMEMBERED = 2_000
"""Messages whose last look is kept; an older one that is edited is told of without how it was."""

CHANGED_WITH = ("edited", "subtype")
"""What is another after an edit, or after a message with replies was deleted: of that one something stays."""

Emit = Callable[[Payload], None]


class EventSource:
    """Listens to the workspace and emits events."""

    def __init__(self, state: WorkspaceState, emit: Emit) -> None:
        self._state = state
        self._emit = emit
        self._looks: OrderedDict[tuple[str, str], Payload] = OrderedDict()
        self._newest: dict[str, str] = {}
        self._members: dict[str, set[str]] = {}
        for channel in state.channels.values():
            self._members[channel.channel_id] = set(channel.members)
            for message in channel.messages:
                self._remember(channel.channel_id, message)
        state.listen(self.hear)

    def hear(self, change: dict[str, Any]) -> None:
        """One change of the workspace."""
        match change["type"]:
            case "message":
                self._message(change["channel"], change["message"])
            case "deleted":
                self._deleted(change["channel"], change["ts"])
            case "channel":
                self._channel(change["channel"])

    def opened_home(self, user_id: str, tab: str = "home") -> None:
        """Somebody opened the app's Home tab."""
        event: Payload = {"type": "app_home_opened", "user": user_id, "channel": _direct(user_id), "tab": tab}
        if tab == "home" and user_id in self._state.homes:
            event["view"] = self._state.homes[user_id]
        self._emit({**event, "event_ts": _now()})

    def _message(self, channel_id: str, message: Payload) -> None:
        key, ts = (channel_id, message["ts"]), message["ts"]
        before = self._looks.get(key)
        is_new = before is None and float(ts) > float(self._newest.get(channel_id, "0"))
        self._remember(channel_id, message)
        if not self._hears(channel_id):
            return
        if is_new:
            self._posted(channel_id, message)
        elif any(message.get(name) != (before or {}).get(name) for name in CHANGED_WITH):
            self._edited(channel_id, message, before)
        for event in _reactions(channel_id, message, before or {}):
            self._emit(event)

    def _posted(self, channel_id: str, message: Payload) -> None:
        event: Payload = {
            "type": "message",
            **copy.deepcopy(message),
            "team": TEAM_ID,
            "channel": channel_id,
            "event_ts": message["ts"],
            "channel_type": self._channel_type(channel_id),
        }
        if message.get("reply_broadcast"):
            root = self._looks.get((channel_id, message["thread_ts"]), {})
            event |= {"subtype": "thread_broadcast", "root": root}
        elif message.get("files"):
            event["subtype"] = "file_share"
        self._emit(event)
        if f"<@{BOT_USER_ID}>" in str(message.get("text", "")):
            mention = {name: content for name, content in event.items() if name not in ("channel_type", "subtype")}
            self._emit({**mention, "type": "app_mention"})
        for file in message.get("files") or ():
            self._emit(
                {
                    "type": "file_shared",
                    "channel_id": channel_id,
                    "file_id": file["id"],
                    "user_id": message.get("user", ""),
                    "file": {"id": file["id"]},
                    "event_ts": message["ts"],
                }
            )

    def _edited(self, channel_id: str, message: Payload, before: Payload | None) -> None:
        ts = _now()
        self._emit(
            {
                "type": "message",
                "subtype": "message_changed",
                "message": copy.deepcopy(message),
                "previous_message": before or {"type": "message", "ts": message["ts"], "user": message.get("user")},
                "channel": channel_id,
                "hidden": True,
                "ts": ts,
                "event_ts": ts,
                "channel_type": self._channel_type(channel_id),
            }
        )

    def _deleted(self, channel_id: str, deleted_ts: str) -> None:
        before = self._looks.pop((channel_id, deleted_ts), None)
        if not self._hears(channel_id):
            return
        ts = _now()
        self._emit(
            {
                "type": "message",
                "subtype": "message_deleted",
                "previous_message": before or {"type": "message", "ts": deleted_ts},
                "channel": channel_id,
                "hidden": True,
                "deleted_ts": deleted_ts,
                "ts": ts,
                "event_ts": ts,
                "channel_type": self._channel_type(channel_id),
            }
        )

    def _channel(self, channel: Payload) -> None:
        channel_id, members = str(channel["id"]), set(channel.get("members") or ())
        is_private = bool(channel.get("is_private"))
        if channel_id not in self._members and not is_private:
            created = {
                "id": channel_id,
                "name": channel.get("name", ""),
                "created": int(time.time()),
                "creator": channel.get("creator") or BOT_USER_ID,
            }
            self._emit({"type": "channel_created", "channel": created, "event_ts": _now()})
        for user_id in sorted(members - self._members.get(channel_id, set())):
            self._emit(
                {
                    "type": "member_joined_channel",
                    "user": user_id,
                    "channel": channel_id,
                    "channel_type": "G" if is_private else "C",
                    "team": TEAM_ID,
                    "event_ts": _now(),
                }
            )
        self._members[channel_id] = members

    def _channel_type(self, channel_id: str) -> str:
        return {"im": "im", "private_channel": "group"}.get(self._state.channels[channel_id].kind, "channel")

    def _hears(self, channel_id: str) -> bool:
        """The app hears of channels that it is a member of."""
        return self._state.channels[channel_id].has_bot

    def _remember(self, channel_id: str, message: Payload) -> None:
        key = (channel_id, message["ts"])
        self._looks[key] = copy.deepcopy(message)
        self._looks.move_to_end(key)
        if float(message["ts"]) > float(self._newest.get(channel_id, "0")):
            self._newest[channel_id] = message["ts"]
        if len(self._looks) > MAX_REMEMBERED:
            self._looks.popitem(last=False)


def _reactions(channel_id: str, message: Payload, before: Payload) -> Iterator[Payload]:
    now, then = _reacted(message), _reacted(before)
    for kind, changed in (("reaction_added", now - then), ("reaction_removed", then - now)):
        for name, user_id in sorted(changed):
            yield {
                "type": kind,
                "user": user_id,
                "reaction": name,
                "item": {"type": "message", "channel": channel_id, "ts": message["ts"]},
                "item_user": message.get("user", ""),
                "event_ts": _now(),
            }


def _reacted(message: Payload) -> set[tuple[str, str]]:
    return {(one["name"], user) for one in message.get("reactions") or () for user in one.get("users") or ()}


def _direct(user_id: str) -> str:
    """The direct conversation of this person and the app."""
    return f"D{user_id[1:]}"


def _now() -> str:
    return f"{time.time():.6f}"
