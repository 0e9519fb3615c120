"""Files: announced, sent, then shared in channels, in the three steps of Slack's own clients. Their bytes are kept too.

The type of a file is told from its first bytes, not from its name, since it decides what a browser shows.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from opsbot.workspace.settings import BOT_USER_ID
from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.state_errors import SlackError

UPLOAD_WITHIN_S = 600.0
MAX_UPLOADS = 20
MAX_FILES = 1_000

FileObject = dict[str, Any]

SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"GIF87a", "image/gif", "gif"),
    (b"GIF89a", "image/gif", "gif"),
)
IMAGES = frozenset(kind for _, kind, _ in SIGNATURES) | {"image/webp"}


@dataclass(slots=True)
class _Upload:
    """A file that was announced: its bytes follow, then it is completed."""

    file_id: str
    name: str
    num_bytes: int
    alt_text: str
    expires_at: float
    content: bytes | None = None


class Files:
    """All files of the workspace."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self._keeping = state.settings.keeping
        self._uploads: dict[str, _Upload] = {}
        self._files: dict[str, FileObject] = dict(
            sorted(state.store.entries("file"), key=lambda entry: (entry[1]["created"], entry[0]))
        )

    def announce(self, name: str, num_bytes: int, alt_text: str) -> tuple[str, str]:
        """Begin an upload; answers its ticket and the file's id. Raises SlackError."""
        if num_bytes <= 0:
            raise SlackError("invalid_arguments", "length must be a positive number of bytes")
        if num_bytes > self._keeping.max_file_bytes:
            raise SlackError("file_uploads_disabled", f"no more than {self._keeping.max_file_bytes} bytes are kept")
        now = time.monotonic()
        self._uploads = {ticket: one for ticket, one in self._uploads.items() if one.expires_at > now}
        while len(self._uploads) >= MAX_UPLOADS:
            del self._uploads[next(iter(self._uploads))]
        ticket, file_id = secrets.token_urlsafe(24), f"F0{secrets.token_hex(5).upper()}"
        self._uploads[ticket] = _Upload(file_id, name, num_bytes, alt_text, now + UPLOAD_WITHIN_S)
        return ticket, file_id

    def receive(self, ticket: str, content: bytes) -> None:
        """Take an upload's bytes; raises SlackError."""
        upload = self._uploads.get(ticket)
        if upload is None or upload.expires_at < time.monotonic():
            raise SlackError("upload_not_found")
        if len(content) != upload.num_bytes:
            raise SlackError("invalid_length", f"{upload.num_bytes} bytes were announced, {len(content)} came")
        self._make_room(len(content))
        upload.content = content

    def complete(self, file_id: str, title: str, base_url: str, alt_text: str = "") -> FileObject:
        """End an upload: the file is there from now on, at an address under *base_url*. Raises SlackError."""
        found = next(((t, one) for t, one in self._uploads.items() if one.file_id == file_id), None)
        if found is None or found[1].content is None:
            raise SlackError("file_not_found")
        ticket, upload = found
        content = upload.content or b""
        mimetype, filetype = file_type(upload.name, content)
        address = f"{base_url}/files/{file_id}/{quote(upload.name, safe='')}"
        made: FileObject = {
            "id": file_id,
            "created": int(time.time()),
            "timestamp": int(time.time()),
            "name": upload.name,
            "title": title or upload.name,
            "mimetype": mimetype,
            "filetype": filetype,
            "pretty_type": filetype.upper(),
            "user": BOT_USER_ID,
            "size": len(content),
            "mode": "hosted",
            "is_external": False,
            "is_public": False,
            "url_private": address,
            "url_private_download": address,
            "permalink": address,
            "channels": [],
            "groups": [],
            "ims": [],
            **({"alt_txt": alt_text or upload.alt_text} if alt_text or upload.alt_text else {}),
        }
        del self._uploads[ticket]
        self._files[file_id] = made
        self._state.store.put_content(file_id, content)
        self.keep(made)
        self._forget_oldest()
        return made

    def keep(self, file: FileObject) -> None:
        """Keep a file's description that is new or was changed."""
        self._state.store.put("file", file["id"], file)

    def get(self, file_id: str) -> FileObject:
        """A file's description; raises SlackError."""
        if file_id not in self._files:
            raise SlackError("file_not_found")
        return self._files[file_id]

    def list(self) -> list[FileObject]:
        """All files, the newest first."""
        return list(reversed(self._files.values()))

    def content(self, file_id: str) -> bytes:
        """A file's bytes; raises SlackError."""
        content = self._state.store.content(file_id)
        if content is None:
            raise SlackError("file_not_found")
        return content

    def delete(self, file_id: str) -> None:
        """Remove a file; the messages that show it say so. Raises SlackError."""
        self.get(file_id)
        self._remove(file_id)
        for channel in self._state.channels.values():
            for message in channel.messages:
                if any(one["id"] == file_id for one in message.get("files", [])):
                    message["files"] = [
                        {"id": file_id, "mode": "tombstone"} if one["id"] == file_id else one
                        for one in message["files"]
                    ]
                    self._state.put(channel, message)

    def is_image(self, id_or_url: str) -> bool:
        """Whether that file, by its id or its address, is an image that is there."""
        found = self._files.get(id_or_url) or next(
            (one for one in self._files.values() if id_or_url in (one["url_private"], one["permalink"])), None
        )
        return found is not None and found["mimetype"] in IMAGES

    def _make_room(self, num_bytes: int) -> None:
        """Drop the oldest bytes that nobody completed, so that waiting ones never take more than kept ones may."""
        waiting = [one for one in self._uploads.values() if one.content is not None]
        total = num_bytes + sum(one.num_bytes for one in waiting)
        for one in waiting:
            if total <= self._keeping.max_files_bytes:
                return
            one.content = None
            total -= one.num_bytes

    def _forget_oldest(self) -> None:
        total = sum(file["size"] for file in self._files.values())
        for file_id in list(self._files):
            if len(self._files) <= MAX_FILES and total <= self._keeping.max_files_bytes:
                return
            total -= self._files[file_id]["size"]
            self._remove(file_id)

    def _remove(self, file_id: str) -> None:
        del self._files[file_id]
        self._state.store.drop("file", file_id)
        self._state.store.drop_content(file_id)


def file_type(name: str, content: bytes) -> tuple[str, str]:
    """The MIME type and Slack's short type of a file."""
    for signature, mimetype, filetype in SIGNATURES:
        if content.startswith(signature):
            return mimetype, filetype
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp", "webp"
    if content.startswith(b"%PDF-"):
        return "application/pdf", "pdf"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "application/octet-stream", "binary"
    known = {".csv": ("text/csv", "csv"), ".json": ("application/json", "json"), ".md": ("text/markdown", "markdown")}
    suffix = f".{name.rsplit('.', 1)[-1].lower()}"
    return known.get(suffix, ("text/plain", "text"))
