"""Files: `files.*`, in the three steps of Slack's own clients (announce, send, complete)."""

from __future__ import annotations

from typing import Any

from opsbot.workspace.api_arguments import Answer, Arguments, names, need, number, text
from opsbot.workspace.api_channels import writable
from opsbot.workspace.blocks import check_blocks
from opsbot.workspace.blocks_layout import Surface
from opsbot.workspace.files import FileObject, Files
from opsbot.workspace.settings import BOT_USER_ID
from opsbot.workspace.state import Channel, Message, SlackError, WorkspaceState

MAX_COMPLETED = 10
MAX_FILE_NAME = 255
PAGE = 100


class FileMethods:
    """Takes, lists and removes files, and shares them in channels."""

    def __init__(self, state: WorkspaceState, files: Files) -> None:
        self._state = state
        self._files = files
        self.methods = {
            "files.completeUploadExternal": self.complete,
            "files.delete": self.delete,
            "files.getUploadURLExternal": self.upload_url,
            "files.info": self.info,
            "files.list": self.files,
        }

    def upload_url(self, given: Arguments) -> Answer:
        """Step one: where to send the bytes to."""
        name, length = need(given, "filename"), number(given, "length", 0, "invalid_arguments")
        if len(name) > MAX_FILE_NAME or "/" in name:
            raise SlackError("invalid_arguments", f"filename: 1 to {MAX_FILE_NAME} characters without a slash")
        ticket, file_id = self._files.announce(name, int(length), text(given, "alt_txt"))
        return {"upload_url": f"{self._state.base_url}/upload/{ticket}", "file_id": file_id}

    def complete(self, given: Arguments) -> Answer:
        """Step three, after the bytes were sent: the files are there, and stand in the channels named."""
        wanted = given.get("files")
        if not isinstance(wanted, list) or not wanted or not all(isinstance(one, dict) for one in wanted):
            raise SlackError("invalid_arguments", "files: a list of objects with an id is needed")
        if len(wanted) > MAX_COMPLETED:
            raise SlackError("invalid_arguments", f"files: no more than {MAX_COMPLETED} at once")
        ids = [text(given, "channel_id"), *names(given, "channels")]
        channels = [writable(self._state, {"channel": one}) for one in dict.fromkeys(ids) if one]
        message = self._message(given)
        thread_ts = text(given, "thread_ts") or None
        for channel in channels:
            if thread_ts is not None and channel.find_any(thread_ts) is None:
                raise SlackError("thread_not_found")
        made = [
            self._files.complete(need(one, "id"), text(one, "title"), self._state.base_url, text(one, "alt_txt"))
            for one in wanted
        ]
        for channel in channels:
            self._share(channel, made, message, thread_ts)
        return {"files": made}

    def info(self, given: Arguments) -> Answer:
        """One file."""
        return {"file": self._files.get(need(given, "file")), "comments": [], "response_metadata": {"next_cursor": ""}}

    def files(self, given: Arguments) -> Answer:
        """Files, the newest first, by pages that are counted from 1."""
        channel, user = text(given, "channel"), text(given, "user")
        found = [
            file
            for file in self._files.list()
            if (not channel or channel in file["channels"] + file["groups"] + file["ims"])
            and (not user or user == file["user"])
        ]
        count = min(PAGE, max(1, int(number(given, "count", PAGE, "invalid_arguments"))))
        page = max(1, int(number(given, "page", 1, "invalid_arguments")))
        start = (page - 1) * count
        paging = {"count": count, "total": len(found), "page": page, "pages": -(-len(found) // count)}
        return {"files": found[start : start + count], "paging": paging}

    def delete(self, given: Arguments) -> Answer:
        """A file goes."""
        self._files.delete(need(given, "file"))
        return {}

    def _message(self, given: Arguments) -> Message:
        comment, blocks = text(given, "initial_comment"), given.get("blocks")
        if blocks:
            if comment:
                raise SlackError("invalid_arguments", "give either initial_comment or blocks")
            check_blocks(blocks, surface=Surface.MESSAGE, is_image=self._files.is_image)
            return {"text": "", "blocks": blocks}
        return {"text": comment}

    def _share(self, channel: Channel, made: list[FileObject], message: Message, thread_ts: str | None) -> None:
        kind = {"im": "ims", "private_channel": "groups"}.get(channel.kind, "channels")
        for file in made:
            file[kind].append(channel.channel_id)
            file["is_public"] = file["is_public"] or kind == "channels"
        shown: list[Any] = [dict(file) for file in made]
        content = {**message, "files": shown, "upload": False}
        posted = self._state.post(channel, content, user_id=BOT_USER_ID, thread_ts=thread_ts)
        for file in made:
            shares = file.setdefault("shares", {}).setdefault("public" if kind == "channels" else "private", {})
            shares.setdefault(channel.channel_id, []).append({"ts": posted["ts"], "channel_name": channel.name})
            self._files.keep(file)
