"""What was said: `conversations.history` and `conversations.replies`, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.workspace.api_arguments import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Answer,
    Arguments,
    cursor,
    cursor_value,
    flag,
    need,
    number,
    text,
)
from opsbot.workspace.api_channels import readable
from opsbot.workspace.state import Message, SlackError, WorkspaceState


class History:
    """Reads channels and threads."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self.methods = {"conversations.history": self.history, "conversations.replies": self.replies}

    def history(self, given: Arguments) -> Answer:
        """The channel, the newest first; of threads what was sent to the channel too."""
        channel = readable(self._state, given)
        top = [m for m in channel.messages if m.get("thread_ts", m["ts"]) == m["ts"] or m.get("reply_broadcast")]
        return _page(list(reversed(top)), given) | {"pin_count": len(channel.pins)}

    def replies(self, given: Arguments) -> Answer:
        """A thread, the oldest first; its parent leads the first page."""
        channel, ts = readable(self._state, given), need(given, "ts")
        asked = channel.find_any(ts)
        if asked is None:
            raise SlackError("thread_not_found")
        thread_ts = str(asked.get("thread_ts", ts))
        return _page([m for m in channel.messages if thread_ts in (m["ts"], m.get("thread_ts"))], given, thread_ts)


def _page(messages: Sequence[Message], given: Arguments, always: str = "") -> Answer:
    limit = int(number(given, "limit", DEFAULT_LIMIT, "invalid_limit"))
    if not 1 <= limit <= MAX_LIMIT:
        raise SlackError("invalid_limit")
    found = [m for m in messages if m["ts"] == always or _is_within(m["ts"], given)]
    start = 0
    following = cursor_value(given.get("cursor"), "next_ts")
    if following is not None:
        start = next((index for index, m in enumerate(found) if m["ts"] == following), -1)
        if start < 0:
            raise SlackError("invalid_cursor")
    page, rest = found[start : start + limit], found[start + limit :]
    hidden = () if flag(given, "include_all_metadata") else ("metadata",)
    return {
        "messages": [{k: v for k, v in message.items() if k not in hidden} for message in page],
        "has_more": bool(rest),
        "response_metadata": {"next_cursor": cursor("next_ts", rest[0]["ts"]) if rest else ""},
    }


def _is_within(ts: str, given: Arguments) -> bool:
    at = float(ts)
    oldest = number(given, "oldest", 0.0, "invalid_ts_oldest")
    latest = number(given, "latest", float("inf"), "invalid_ts_latest")
    is_at_end = ts in (text(given, "oldest"), text(given, "latest"))
    return oldest < at < latest or (is_at_end and flag(given, "inclusive"))
