"""Builders for what watch works on: a clock, samples, rules, and real servers to scrape and to tell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from opsbot.promql.labelset import NAME, LabelSet
from opsbot.promql.samples import SampleStore
from opsbot.rule.loader import load_rule_file
from opsbot.rule.model import Rule
from tests.support.certificate import Certificate
from tests.support.ports import free_port

TOKEN = "door-token"


class StepClock:
    """A clock whose two hands move separately."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.wall = now
        self.steady = 50.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.wall += seconds
        self.steady += seconds


def put(store: SampleStore, name: str, labels: Mapping[str, str], *points: tuple[float, float | None]) -> None:
    """Append points of (seconds, value) to one series; None marks it stale."""
    series = LabelSet.of({NAME: name, **labels})
    for time_s, value in points:
        store.sheet(series).append(time_s, *(((), ()) if value is None else ((series,), (value,))))


def write_rules(path: Path, *rules: str) -> Path:
    """A rule file of one group with *rules*, each the indented body of one."""
    path.write_text("groups:\n  - name: g\n    rules:\n" + "".join(rules))
    return path


def rule_text(name: str = "Busy", **fields: str) -> str:
    """One rule, over `m > 5` unless said otherwise."""
    body = {"expr": "m > 5", "labels": "{severity: high}"} | fields
    lines = "".join(f"        {key.rstrip('_')}: {value}\n" for key, value in body.items())
    return f"      - alert: {name}\n{lines}"


def rule_from(path: Path, **fields: str) -> Rule:
    """The only rule of a new file."""
    file, problems = load_rule_file(write_rules(path / "rules.yaml", rule_text(**fields)))
    assert problems == []
    assert file is not None
    return file.rules[0]


@dataclass(slots=True)
class Exposed:
    """A target whose values a test sets."""

    lines: dict[str, float] = field(default_factory=dict)
    pause_s: float = 0.0
    status: int = 200
    num_asked: int = 0

    @property
    def app(self) -> Starlette:
        """Its server."""

        async def metrics(request: Request) -> Response:
            self.num_asked += 1
            await asyncio.sleep(self.pause_s)
            body = "".join(f"{series} {value}\n" for series, value in self.lines.items())
            return PlainTextResponse(body, self.status, media_type="text/plain; version=0.0.4")

        return Starlette(routes=[Route("/metrics", metrics)])


@dataclass(slots=True)
class Door:
    """Core's side of the alert door: keeps what it was told, and says what fires."""

    firing: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200

    @property
    def app(self) -> Starlette:
        """Its server."""

        async def accept(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return JSONResponse({"error": {}}, 401)
            if self.status != 200:
                return JSONResponse({"error": {}}, self.status)
            body = await request.json()
            assert body["version"] == "4"
            self.alerts += body["alerts"]
            return JSONResponse({"accepted": len(body["alerts"]), "rejected": []})

        async def held(request: Request) -> Response:
            return JSONResponse({"alerts": self.firing}, self.status)

        return Starlette(
            routes=[Route("/webhooks/alertmanager", accept, methods=["POST"]), Route("/api/v1/alerts", held)]
        )

    def told(self, name: str) -> list[str]:
        """The states that were told of the alert *name*, repetitions left out."""
        states = [alert["status"] for alert in self.alerts if alert["labels"]["alertname"] == name]
        return [state for index, state in enumerate(states) if index == 0 or states[index - 1] != state]

    def last(self, name: str) -> dict[str, Any]:
        """What was told last of the alert *name*."""
        return next(alert for alert in reversed(self.alerts) if alert["labels"]["alertname"] == name)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: ASGIApp, port: int | None = None, certificate: Certificate | None = None) -> AsyncIterator[str]:
    """A real server of *app* on loopback, over TLS with *certificate*; yields its base URL, and is gone afterwards."""
    port = port or free_port()
    config = uvicorn.Config(
        app,
        port=port,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate.server_pem if certificate else None,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
        # Over TLS a close waits for the other side's; and what is closed is gone a turn of the loop later only.
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.01)


class NoView:
    """What nobody asks for here."""

    def exposition(self) -> str:
        return ""

    def target_list(self) -> Sequence[Mapping[str, object]]:
        return []

    def source_list(self) -> Sequence[Mapping[str, object]]:
        return []

    def rule_groups(self) -> Sequence[Mapping[str, object]]:
        return []
