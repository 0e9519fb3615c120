"""A bare Starlette proxy: what the front door is measured beside, since any gateway in Python costs at least this.

`python bench/frontdoor_proxy.py --port 9001 --upstream http://127.0.0.1:9000` passes POST /v1/* on and the answer
back, piece by piece, and does nothing else: no key, no limit, no log, no usage.
"""

from __future__ import annotations

import click
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


def build(upstream: str) -> Starlette:
    """The proxy in front of *upstream*."""
    client = httpx.AsyncClient(base_url=upstream, timeout=600.0, trust_env=False, limits=httpx.Limits())

    async def proxy(request: Request) -> Response:
        headers = {"content-type": request.headers.get("content-type", "application/json")}
        asked = client.build_request(request.method, request.url.path, content=await request.body(), headers=headers)
        answer = await client.send(asked, stream=True)
        kind = {"content-type": answer.headers.get("content-type", "application/json")}
        return StreamingResponse(answer.aiter_raw(), answer.status_code, kind, background=BackgroundTask(answer.aclose))

    return Starlette(routes=[Route("/v1/{path:path}", proxy, methods=["GET", "POST"])])


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9001, show_default=True)
@click.option("--upstream", default="http://127.0.0.1:9000", show_default=True)
def main(port: int, upstream: str) -> None:
    """Pass everything on."""
    uvicorn.run(build(upstream), host="127.0.0.1", port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
