"""An outside service that is told when all is well: counts what it hears, and can refuse it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

SECRET = "c0ffee-c0ffee-c0ffee"


class BeatReceiver:
    """The state of the service; `status` is what it answers."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[str] = []
        self.status = 200

    async def ping(self, request: web.Request) -> web.Response:
        """One beat."""
        self.heard.append(request.method)
        return web.Response(status=self.status, text="OK")


@asynccontextmanager
async def beat_receiver() -> AsyncIterator[BeatReceiver]:
    """A service on a free port of loopback until the block ends."""
    receiver = BeatReceiver()
    app = web.Application()
    app.router.add_route("*", f"/ping/{SECRET}", receiver.ping)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/ping/{SECRET}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
