"""Messages: `chat.*`, and what may stand in one."""

from __future__ import annotations

import json
from typing import Any

from opsbot.workspace.api_arguments import Answer, Arguments, flag, need, text
from opsbot.workspace.api_channels import visible, writable
from opsbot.workspace.blocks import IsImage, check_blocks, num_characters
from opsbot.workspace.blocks_layout import MAX_MARKDOWN, Surface
from opsbot.workspace.settings import BOT_ID, BOT_USER_ID
from opsbot.workspace.state import Message, SlackError, WorkspaceState

CONTENT = ("text", "blocks", "attachments", "metadata")
AUTHOR = ("username", "icon_emoji", "icon_url")
MAX_POSTED_TEXT = 40_000
MAX_UPDATED_TEXT = 4_000
MAX_ATTACHMENTS = 100
MAX_ATTACHMENTS_CHARACTERS = 100_000
MAX_METADATA_CHARACTERS = 16_000


class Chat:
    """Posts, edits and deletes the bot's messages."""

    def __init__(self, state: WorkspaceState, is_image: IsImage) -> None:
        self._state = state
        self._is_image = is_image
        self.methods = {
            "chat.delete": self.delete,
            "chat.getPermalink": self.permalink,
            "chat.postEphemeral": self.post_ephemeral,
            "chat.postMessage": self.post_message,
            "chat.update": self.update,
        }

    def post_message(self, given: Arguments) -> Answer:
        """A message, or a reply."""
        channel = writable(self._state, given, by_name=True)
        message = self._content(given)
        message |= {name: text(given, name) for name in AUTHOR if given.get(name)}
        thread_ts = text(given, "thread_ts") or None
        if thread_ts and flag(given, "reply_broadcast"):
            message["reply_broadcast"] = True
        posted = self._state.post(channel, message, user_id=BOT_USER_ID, thread_ts=thread_ts)
        return {"channel": channel.channel_id, "ts": posted["ts"], "message": posted}

    def post_ephemeral(self, given: Arguments) -> Answer:
        """Something for one person, who must be in the channel."""
        channel, user_id = writable(self._state, given, by_name=True), need(given, "user")
        if user_id not in channel.members:
            raise SlackError("user_not_in_channel")
        thread_ts = text(given, "thread_ts") or None
        shown = self._content(given)
        return {"message_ts": self._state.whisper(channel, user_id, shown, thread_ts)}

    def update(self, given: Arguments) -> Answer:
        """An edit in place; what is not given stays."""
        channel = visible(self._state, given)
        if channel.is_archived:
            raise SlackError("is_archived")
        message = self._content(given, MAX_UPDATED_TEXT)
        updated = self._state.update(channel, need(given, "ts"), message)
        return {
            "channel": channel.channel_id,
            "ts": updated["ts"],
            "text": updated.get("text", ""),
            "message": updated,
        }

    def delete(self, given: Arguments) -> Answer:
        """A message of the bot's goes."""
        channel, ts = visible(self._state, given), need(given, "ts")
        message = channel.find(ts)
        if message is not None and message.get("bot_id") != BOT_ID:
            raise SlackError("cant_delete_message")
        self._state.delete(channel, ts)
        return {"channel": channel.channel_id, "ts": ts}

    def permalink(self, given: Arguments) -> Answer:
        """The address of a message."""
        channel, ts = visible(self._state, given), need(given, "message_ts")
        message = channel.find(ts)
        if message is None:
            raise SlackError("message_not_found")
        link = f"{self._state.base_url}/archives/{channel.channel_id}/p{ts.replace('.', '')}"
        thread_ts = message.get("thread_ts", ts)
        if thread_ts != ts:
            link += f"?thread_ts={thread_ts}&cid={channel.channel_id}"
        return {"channel": channel.channel_id, "permalink": link}

    def _content(self, given: Arguments, max_text: int = MAX_POSTED_TEXT) -> Message:
        found = content(given, self._is_image, max_text=max_text)
        if num_characters(found.get("blocks")) > self._state.settings.max_blocks_characters:
            raise SlackError("msg_blocks_too_long")
        return found


def content(given: Arguments, is_image: IsImage | None = None, *, max_text: int = MAX_POSTED_TEXT) -> Message:
    """What of a call is the message itself, checked; raises SlackError."""
    found: Message = {name: given[name] for name in CONTENT if given.get(name) is not None}
    if given.get("markdown_text"):
        if found.get("text") or found.get("blocks"):
            raise SlackError("markdown_text_conflict")
        if len(text(given, "markdown_text")) > MAX_MARKDOWN:
            raise SlackError("msg_too_long")
        found["blocks"] = [{"type": "markdown", "text": text(given, "markdown_text")}]
    if not isinstance(found.get("text", ""), str):
        raise SlackError("invalid_arguments", "must provide a string: text")
    if not found.get("text") and not found.get("blocks") and not found.get("attachments"):
        raise SlackError("no_text")
    if len(found.get("text", "")) > max_text:
        raise SlackError("msg_too_long")
    if found.get("blocks"):
        check_blocks(found["blocks"], surface=Surface.MESSAGE, is_image=is_image)
    if found.get("attachments"):
        _check_attachments(found["attachments"], is_image)
    if found.get("metadata"):
        _check_metadata(found["metadata"])
    return found


def _check_attachments(attachments: object, is_image: IsImage | None) -> None:
    if not isinstance(attachments, list) or not all(isinstance(one, dict) for one in attachments):
        raise SlackError("invalid_attachments")
    if len(attachments) > MAX_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    if len(json.dumps(attachments)) > MAX_ATTACHMENTS_CHARACTERS:
        raise SlackError("attachment_payload_limit_exceeded")
    for one in attachments:
        if one.get("blocks"):
            check_blocks(one["blocks"], surface=Surface.MESSAGE, is_image=is_image)


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_schema")
    if len(json.dumps(metadata)) > MAX_METADATA_CHARACTERS:
        raise SlackError("metadata_too_large")
