"""Where files are sent to and looked at: `POST /upload/<ticket>` and `GET /files/<id>/<name>`.

Whoever has a ticket may send the bytes that were announced with it, once. Looking needs the page's or the bot's token.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from aiohttp import BodyPartReader, web

from opsbot.workspace.files import IMAGES, Files
from opsbot.workspace.settings import WorkspaceSettings
from opsbot.workspace.state_errors import SlackError

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cache-Control": "private, max-age=3600",
}


class FileRoutes:
    """The routes of files.

    Args:
        check_page: raises HTTPUnauthorized unless the request brings the page's token.
    """

    def __init__(self, files: Files, settings: WorkspaceSettings, check_page: Callable[[web.Request], None]) -> None:
        self._files = files
        self._bot_token = settings.bot_token
        self._check_page = check_page

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.post("/upload/{ticket}", self.upload), web.get("/files/{file_id}/{name}", self.download)]

    async def upload(self, request: web.Request) -> web.Response:
        """Take the bytes, as they are or as the first part of a form."""
        content = await _sent(request)
        try:
            self._files.receive(request.match_info["ticket"], content)
        except SlackError as error:
            status = 404 if error.error == "upload_not_found" else 400
            return web.Response(status=status, text=": ".join((error.error, *error.explanations)))
        return web.Response(text=f"OK - {len(content)}")

    async def download(self, request: web.Request) -> web.Response:
        """The bytes; a browser shows images and saves the rest."""
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(bearer.encode(), self._bot_token.encode()):
            self._check_page(request)
        try:
            file = self._files.get(request.match_info["file_id"])
            content = self._files.content(file["id"])
        except SlackError as error:
            raise web.HTTPNotFound(text="that file is gone") from error
        is_image = file["mimetype"] in IMAGES
        disposition = "inline" if is_image else "attachment"
        kind = file["mimetype"] if is_image else "application/octet-stream"
        return web.Response(body=content, content_type=kind, headers={**HEADERS, "Content-Disposition": disposition})


async def _sent(request: web.Request) -> bytes:
    if request.content_type != "multipart/form-data":
        return await request.read()
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            return bytes(await part.read())
    return b""
