#!/usr/bin/env python3
"""Record what a client's requests look like, as a draft of `serving_stub/frontdoor/data/signatures/ID.yaml`.

    .venv/bin/python scripts/record_signature.py httpx           drives the installed client, prints a draft
    .venv/bin/python scripts/record_signature.py --wait 3        prints a URL and waits for three requests of any client
    .venv/bin/python scripts/record_signature.py --check         drives all clients and says what each is taken for

A draft is for a person to finish: which headers users may leave out, and which body fields the client never sends, no
recording can know. `--check` exits with 1 unless every client is known.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from serving_stub.frontdoor.caller import ClientKnown
from serving_stub.frontdoor.signature import load_signatures

CHROMIUM = "/usr/bin/chromium"
MESSAGES = [{"role": "user", "content": "hi"}]
VARYING = {"host", "authorization", "content-length", "content-type", "cookie", "referer", "origin"}
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
}


@dataclass(frozen=True)
class Sample:
    """One request as it arrived."""

    path: str
    headers: list[tuple[bytes, bytes]]
    body_fields: tuple[str, ...]


class Recorder:
    """A server on a free port that answers every completion and keeps what it saw."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        routes = [
            Route("/", self._page),
            Route("/v1/{rest:path}", self._record, methods=["GET", "POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Recorder:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise SystemExit("the recording server did not start")
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    async def _page(self, request: Request) -> Response:
        return HTMLResponse("<!doctype html><link rel=icon href=data:,><title>recording</title>")

    async def _record(self, request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        fields = tuple(sorted(body)) if isinstance(body, dict) else ()
        self.samples.append(Sample(request.url.path, list(request.scope["headers"]), fields))
        return JSONResponse(ANSWER)


def drive_openai(url: str) -> None:
    """Synchronous and asynchronous, a plain and a legacy completion."""
    from openai import AsyncOpenAI, OpenAI

    with OpenAI(base_url=f"{url}/v1", api_key="sk-recorded") as client:
        client.chat.completions.create(model="m", messages=MESSAGES, max_tokens=3)  # type: ignore[arg-type]
        client.completions.create(model="m", prompt="hi")

    async def ask() -> None:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-recorded") as client:
            await client.chat.completions.create(model="m", messages=MESSAGES)  # type: ignore[arg-type]

    asyncio.run(ask())


def drive_httpx(url: str) -> None:
    """With and without a body."""
    with httpx.Client(trust_env=False) as client:
        client.post(f"{url}/v1/chat/completions", json={"model": "m", "messages": MESSAGES})
        client.post(f"{url}/v1/chat/completions", json={"model": "m"}, headers={"Authorization": "Bearer k"})
        client.get(f"{url}/v1/models")


def drive_curl(url: str) -> None:
    """As people type it."""
    body = json.dumps({"model": "m", "messages": MESSAGES})
    typed = ["-H", "Content-Type: application/json", "-H", "Authorization: Bearer k", "-d", body]
    for target, arguments in (("chat/completions", typed), ("chat/completions", ["-d", body]), ("models", [])):
        subprocess.run(["curl", "-sS", "-o", "/dev/null", f"{url}/v1/{target}", *arguments], check=True)  # noqa: S603, S607


def drive_chromium(url: str) -> None:
    """A page's fetch without headers of its own, then a navigation."""
    _drive_page(url, ["{'Content-Type': 'application/json'}"], navigate=True)


def drive_web(url: str) -> None:
    """What the service's page sends, signed in and not."""
    version = "'Content-Type': 'application/json', 'X-Client-Version': 'web-2026.11'"
    _drive_page(url, [f"{{{version}}}", f"{{{version}, 'Authorization': 'Bearer k'}}"], navigate=False)


def _drive_page(url: str, headers: Sequence[str], *, navigate: bool) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url)
        for one in headers:
            body = "JSON.stringify({model: 'm', messages: [], stream: true})"
            page.evaluate(f"() => fetch('/v1/chat/completions', {{method: 'POST', headers: {one}, body: {body}}})")
        if navigate:
            page.goto(f"{url}/v1/models")
        browser.close()


CLIENTS: dict[str, Callable[[str], None]] = {
    "openai": drive_openai,
    "httpx": drive_httpx,
    "curl": drive_curl,
    "chromium": drive_chromium,
    "web": drive_web,
}


def order_of(samples: Sequence[Sample]) -> list[str]:
    """The names that stand in one order in all samples; whatever changes places with another is left out."""
    orders = [[name.decode() for name, _ in sample.headers] for sample in samples]
    names = list(dict.fromkeys(name for order in orders for name in order))
    before = {(a, b) for order in orders for at, a in enumerate(order) for b in order[at + 1 :]}
    steady = [name for name in names if not any((name, other) in before and (other, name) in before for other in names)]
    # A name comes after all that are seen before it.
    return sorted(steady, key=lambda name: (sum((other, name) in before for other in steady), names.index(name)))


def draft(samples: Sequence[Sample]) -> str:
    """A signature file for a person to finish."""
    agent = next((value.decode() for name, value in samples[0].headers if name == b"user-agent"), "")
    product = agent.split("/")[0]
    everywhere = set.intersection(*({name.decode() for name, _ in sample.headers} for sample in samples))
    order = order_of(samples)
    lines = [
        "id: FILL-IN",
        "title: FILL IN",
        f"client: {re.sub('[^a-z0-9]+', '-', product.lower()).strip('-') or 'FILL-IN'}",
        "claims:",
        f"  user-agent: ^{re.escape(product)}/",
        "release:",
        f"  user-agent: ^{re.escape(agent)}$",
        "recorded:",
        f"  on: {datetime.now(UTC).date()}",
        f"  client: FILL IN ({len(samples)} requests recorded), HTTP/1.1",
        "headers:",
        f"  order: [{', '.join(order)}]",
        f"  required: [{', '.join(name for name in order if name in everywhere - VARYING)}]",
        "  forbidden: []",
    ]
    with_body = [sample for sample in samples if sample.body_fields]
    if with_body:
        fields = set.intersection(*(set(sample.body_fields) for sample in with_body))
        lines += [
            "body:",
            f"  paths: [{', '.join(sorted({sample.path for sample in with_body}))}]",
            f"  required: [{', '.join(sorted(fields))}]",
        ]
    return "\n".join(lines)


def record(client: str) -> list[Sample]:
    """What the installed *client* sends."""
    with Recorder() as recorder:
        CLIENTS[client](recorder.url)
        return recorder.samples


def wait_for(count: int) -> list[Sample]:
    """What whoever is pointed at the recorder sends."""
    with Recorder() as recorder:
        print(f"point the client at {recorder.url}/v1 and send {count} requests", file=sys.stderr)
        while len(recorder.samples) < count:
            time.sleep(0.1)
        return recorder.samples


def check(clients: Sequence[str]) -> bool:
    """Whether every request of every client is taken for what it is."""
    signatures = load_signatures()
    fits = True
    for client in clients:
        for sample in record(client):
            found = signatures.recognise(sample.headers, sample.body_fields, sample.path)
            print(f"{client:10} {sample.path:22} {found.known:8} {found.reason}")
            fits &= found.known is ClientKnown.KNOWN
    return fits


def main() -> int:
    parser = argparse.ArgumentParser(description="Record what a client's requests look like.")
    parser.add_argument("clients", nargs="*", help=f"of: {', '.join(CLIENTS)}; all of them with --check")
    parser.add_argument("--check", action="store_true", help="say what each client is taken for")
    parser.add_argument("--wait", type=int, metavar="N", help="wait for N requests of a client you start yourself")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.clients if name not in CLIENTS]
    if unknown:
        parser.error(f"client is '{unknown[0]}', expected one of: {', '.join(CLIENTS)}")
    if arguments.check:
        return 0 if check(arguments.clients or list(CLIENTS)) else 1
    if arguments.wait:
        print(draft(wait_for(arguments.wait)))
        return 0
    if not arguments.clients:
        parser.error("name a client, or use --wait N or --check")
    for client in arguments.clients:
        print(draft(record(client)), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
