"""Core's web surface on a real port over a real store, stopped and started again at will; runs are not carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from opsbot.alert.policy import AlertPolicy
from opsbot.clock import SystemClock
from opsbot.desk import Desk
from opsbot.listen import bind, serve
from opsbot.people import person_for
from opsbot.store.database import Database
from opsbot.store.incidents import IncidentRepository
from opsbot.store.repositories import Repositories
from opsbot.telemetry import CoreMetrics
from opsbot.web.app import CoreApi
from opsbot.web.inbound.receiver import Receiver
from opsbot.web.tokens import Tokens
from tests.support.alerts import open_database
from tests.support.no_runs import NoRuns
from tests.support.ports import free_port

MACHINE_TOKEN = "machine"


class CoreServer:
    """Core's API at one address over one folder, for an `async with` block."""

    def __init__(self, folder: Path, receivers: Sequence[Receiver] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.AsyncClient(base_url=self.url, timeout=20.0, trust_env=False)
        self._receivers = receivers
        self._serving: asyncio.Task[None] | None = None
        self.database: Database
        self.metrics: CoreMetrics

    async def start(self) -> None:
        """Open the store and answer at the address."""
        self.database = open_database(self.folder)
        self.metrics = CoreMetrics()
        clock, policy = SystemClock(), AlertPolicy()
        stores = Repositories.over(self.database, policy)
        desk = Desk(stores, NoRuns(), policy, lambda alert: [], lambda: None, clock)
        api = CoreApi(
            desk,
            Tokens.of(MACHINE_TOKEN, {}),
            lambda user: person_for(user, {}),
            self.metrics,
            lambda: None,
            lambda: {},
            receivers=self._receivers,
            clock=clock,
        )
        self._serving = asyncio.create_task(serve(api.app, bind("127.0.0.1", self.port)))

    async def stop(self) -> None:
        """Answer no more, and close the store."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self.database.close()
            self._serving = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()
        await self.stop()

    def incidents(self) -> list[tuple[str, str]]:
        """(title, state) of every incident, oldest first."""
        found = IncidentRepository(self.database).incidents(include_resolved=True)
        return [(incident.title, incident.state.value) for incident in reversed(found)]

    def counted(self, name: str, **labels: str) -> float | None:
        """A sample of the metrics; None where there is none."""
        return self.metrics.registry.get_sample_value(name, labels)

    async def post(self, receiver: str, body: Any, **headers: str) -> httpx.Response:
        """Post JSON to a receiver; underscores of header names stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(f"/webhooks/{receiver}", json=body, headers=named)
