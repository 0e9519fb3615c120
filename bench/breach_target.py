"""What `bench/breach.py` watches and acts on: two gauges that jump, and a control API that notes who calls when.

The control API answers as docs/serving.md says, as far as one knob and its leases go; the webhook is Alertmanager's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

BASE = 64


@dataclass(slots=True)
class Target:
    """The gauges, the leases, and when each call came (monotonic seconds).

    Args:
        levels: a gauge for each side, by its name.
        acted, ended: of opsbot's side: a lease was asked for, and given back.
        told, cleared: of the other side: a webhook came with a firing, and with a resolved alert.
    """

    levels: dict[str, float] = field(default_factory=lambda: {"ours": 0.0, "peers": 0.0})
    leases: dict[str, dict[str, object]] = field(default_factory=dict)
    acted: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    cleared: list[float] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def app(self) -> Starlette:
        """Its server."""
        lease = "/control/v1/leases/{lease_id}"
        return Starlette(
            routes=[
                Route("/metrics", self._metrics),
                Route("/control/v1/knobs", self._knobs),
                Route("/control/v1/leases", self._grant, methods=["POST"]),
                Route("/control/v1/leases", self._find),
                Route(f"{lease}/renew", self._renew, methods=["POST"]),
                Route(lease, self._release, methods=["DELETE"]),
                Route(lease, self._one),
                Route("/webhook", self._webhook, methods=["POST"]),
            ]
        )

    def note(self, where: list[float]) -> None:
        """Something came now."""
        where.append(time.monotonic())
        self.changed.set()

    async def _metrics(self, request: Request) -> Response:
        text = "".join(f'bench_level{{side="{side}"}} {level}\n' for side, level in self.levels.items())
        return PlainTextResponse(f"# TYPE bench_level gauge\n{text}", media_type="text/plain; version=0.0.4")

    async def _knobs(self, request: Request) -> Response:
        live = [int(str(one["value"])) for one in self.leases.values() if one["state"] == "live"]
        knob = {"knob": "batch_limit", "base": BASE, "in_force": min([BASE, *live]), "minimum": 1, "maximum": BASE}
        return JSONResponse({"knobs": [knob]})

    async def _grant(self, request: Request) -> Response:
        body: Mapping[str, object] = await request.json()
        self.note(self.acted)
        lease = {
            "lease_id": f"lease-{len(self.leases)}",
            "value": body["value"],
            "state": "live",
            "expires_at": time.time() + 60,
            "end_reason": None,
            "in_force_before": BASE,
            "in_force": body["value"],
            "idempotency_key": body["idempotency_key"],
        }
        self.leases[str(lease["lease_id"])] = lease
        return JSONResponse(lease, 201)

    async def _find(self, request: Request) -> Response:
        key = request.query_params.get("idempotency_key")
        return JSONResponse({"leases": [one for one in self.leases.values() if one["idempotency_key"] == key]})

    async def _one(self, request: Request) -> Response:
        return JSONResponse(self.leases[request.path_params["lease_id"]])

    async def _renew(self, request: Request) -> Response:
        lease = self.leases[request.path_params["lease_id"]]
        lease["expires_at"] = time.time() + 60
        return JSONResponse(lease)

    async def _release(self, request: Request) -> Response:
        lease = self.leases[request.path_params["lease_id"]]
        lease |= {"state": "ended", "end_reason": "released"}
        self.note(self.ended)
        return JSONResponse(lease)

    async def _webhook(self, request: Request) -> Response:
        body = await request.json()
        self.note(self.told if body["status"] == "firing" else self.cleared)
        return JSONResponse({})
