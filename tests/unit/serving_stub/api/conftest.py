"""A whole application in this process: real engine with the tiny model, real leases, no network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from serving_stub.api.app import build_app
from serving_stub.api.control_tokens import ControlTokens
from serving_stub.api.door_parts import build_parts
from serving_stub.api.door_settings import DoorSettings
from serving_stub.api.inflight import InFlight
from serving_stub.api.services import Services
from serving_stub.engine.build import build_engine
from serving_stub.engine.config import EngineConfig
from serving_stub.engine.loop import EngineLoop
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.door_knobs import DOOR_KNOBS
from serving_stub.frontdoor.faults import Faults
from serving_stub.frontdoor.gate import DRAIN, FENCE, Gate, gate_setters, why_unhealthy
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.frontdoor.lease_id import new_lease_id
from serving_stub.metrics import ServingMetrics
from serving_stub.model.tokenizer import Tokenizer
from tests.support.serving_leases import KNOB, ManualClock
from tests.support.serving_server import CONTROL_TOKEN

CONTEXT = 256


@pytest.fixture(scope="session")
def engine() -> Iterator[tuple[EngineLoop, Tokenizer, ServingMetrics]]:
    """One engine for all tests: they share nothing but its KV pool."""
    metrics = ServingMetrics("tiny", CONTEXT)
    config = EngineConfig(model="tiny", dtype="fp32", max_num_seqs=32, num_blocks=256, max_model_len=2048)
    built, tokenizer = build_engine(config)
    loop = EngineLoop(built, metrics)
    metrics.watch(loop.stats, dict, {}, built.device)
    loop.start()
    yield loop, tokenizer, metrics
    loop.stop()


@pytest.fixture
def clock() -> ManualClock:
    """The leases' time."""
    return ManualClock()


@pytest.fixture
def services(
    engine: tuple[EngineLoop, Tokenizer, ServingMetrics], clock: ManualClock, tmp_path: Path
) -> Iterator[Services]:
    """The parts of one server."""
    loop, tokenizer, metrics = engine
    journal, book = LeaseJournal.open(tmp_path / "leases.jsonl", [KNOB, *DOOR_KNOBS, DRAIN, FENCE], clock.now())
    gate = Gate()
    door = build_parts(
        DoorSettings(),
        tenants=None,
        clock=clock,
        gate=gate,
        max_in_flight=128,
        max_body_bytes=4096,
        environment={},
    )
    yield Services(
        faults=Faults(),
        loop=loop,
        tokenizer=tokenizer,
        metrics=metrics,
        desk=LeaseDesk(
            book,
            journal,
            clock,
            {KNOB.name: lambda in_force: loop.set_batch_limit(in_force.value, in_force.mode)},
            new_lease_id,
            layer_setters={**gate_setters(gate), **door.setters()},
            notes=journal.notes,
            why_unhealthy=lambda: why_unhealthy(loop.stats()),
        ),
        gate=gate,
        door=door,
        control_tokens=ControlTokens(CONTROL_TOKEN),
        feed_token=None,
        in_flight=InFlight(),
        clock=clock,
        model_name="tiny",
        max_context=CONTEXT,
    )
    journal.close()


@pytest.fixture
async def client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A client that speaks to the application directly."""
    transport = httpx.ASGITransport(build_app(services), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
        yield http
