"""Ephemeral messages, so far as they can still be pressed, replaced or deleted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.surface import Payload, with_ids

MAX_KEPT = 500


@dataclass(frozen=True, slots=True)
class Whisper:
    """One ephemeral message: where it stands, and who sees it."""

    channel_id: str
    user_id: str
    message: Payload


class Whispers:
    """The last ephemeral messages; the oldest go first."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self._kept: OrderedDict[str, Whisper] = OrderedDict()
        state.listen(self._hear)

    def find(self, user_id: str, ts: str) -> Whisper | None:
        """That person's ephemeral message."""
        found = self._kept.get(ts)
        return found if found is not None and found.user_id == user_id else None

    def replace(self, whisper: Whisper, content: Payload) -> None:
        """Show something else in its place."""
        kept = {
            name: whisper.message[name] for name in whisper.message if name not in ("text", "blocks", "attachments")
        }
        message = {**kept, **content}
        if message.get("blocks"):
            message["blocks"] = with_ids(message["blocks"])
        self._state.tell(
            {"type": "ephemeral", "channel": whisper.channel_id, "user": whisper.user_id, "message": message}
        )

    def delete(self, whisper: Whisper) -> None:
        """Take it off that person's screen."""
        ts = whisper.message["ts"]
        self._kept.pop(ts, None)
        self._state.tell(
            {"type": "ephemeral_deleted", "channel": whisper.channel_id, "user": whisper.user_id, "ts": ts}
        )

    def _hear(self, change: dict[str, Any]) -> None:
        if change["type"] != "ephemeral":
            return
        message = change["message"]
        self._kept[message["ts"]] = Whisper(change["channel"], change["user"], message)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
