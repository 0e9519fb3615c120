"""Our own server: the engine on its model, its leases and its door, from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving_stub.api.app import build_app
from serving_stub.api.control_tokens import tokens_of
from serving_stub.api.door_parts import build_parts
from serving_stub.api.door_settings import load_door
from serving_stub.api.inflight import InFlight
from serving_stub.api.serve import bind, serve, url_of
from serving_stub.api.services import Services
from serving_stub.config import ServerSettings
from serving_stub.engine.build import build_engine
from serving_stub.engine.config import EngineConfig
from serving_stub.engine.loop import EngineLoop
from serving_stub.frontdoor.clock import SteadyClock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.door_knobs import DOOR_KNOBS, FAILWHALE
from serving_stub.frontdoor.faults import Faults, fault_knobs
from serving_stub.frontdoor.gate import DRAIN, FENCE, Gate, gate_setters, why_unhealthy
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.frontdoor.knob import Knob, NumberKnob
from serving_stub.frontdoor.lease_id import new_lease_id
from serving_stub.frontdoor.ramp import has_room
from serving_stub.metrics import ServingMetrics

BATCH_LIMIT = "batch_limit"
TOKEN_BUDGET = "token_budget"  # noqa: S105  (a knob's name)
MIN_TOKEN_BUDGET = 16
IN_FLIGHT_PER_SEQ = 4
"""How many requests the door lets in for each place in the batch: the engine's own queue is to show that it is full."""


Built = TypeVar("Built")


def run(settings: ServerSettings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; *announce* is given one line when the server is ready.

    Raises: SettingError, JournalError, and what `build_engine` raises.
    """
    listener = bind(settings.host, settings.port)
    with contextlib.closing(listener):
        port: int = listener.getsockname()[1]
        clock = SteadyClock()
        gate = Gate()
        door = build_parts(
            load_door(settings.door),
            tenants=settings.tenants,
            clock=clock,
            gate=gate,
            max_in_flight=IN_FLIGHT_PER_SEQ * settings.max_num_seqs,
            max_body_bytes=settings.max_body_bytes,
            environment=os.environ,
        )
        tokens = tokens_of(settings)
        metrics = ServingMetrics(settings.model, settings.max_model_len)
        engine, tokenizer = _apart(lambda: build_engine(_engine_config(settings)))
        config = engine.config
        loop = EngineLoop(engine, metrics)
        journal, book = LeaseJournal.open(settings.journal_path(port), _knobs(config), clock.now())

        async def serving() -> None:
            faults = Faults()
            desk = LeaseDesk(
                book,
                journal,
                clock,
                {
                    BATCH_LIMIT: lambda in_force: loop.set_batch_limit(in_force.value, in_force.mode),
                    TOKEN_BUDGET: lambda in_force: loop.set_token_budget(in_force.value, in_force.mode),
                    **faults.setters(loop),
                },
                new_lease_id,
                layer_setters={**gate_setters(gate), **door.setters()},
                notes=journal.notes,
                ramp=door.settings.ramp.plan(),
                why_unhealthy=lambda: why_unhealthy(loop.stats()),
                may_ramp=lambda: has_room(loop.stats()) and door.has_room(),
            )
            services = Services(
                settings=settings,
                loop=loop,
                tokenizer=tokenizer,
                metrics=metrics,
                desk=desk,
                in_flight=InFlight(),
                faults=faults,
                clock=clock,
                gate=gate,
                door=door,
                model_name=settings.model,
                max_context=min(loop.max_model_len, config.num_pool_blocks * config.block_size),
                control_tokens=tokens,
            )
            metrics.watch(loop.stats, desk.num_open, _cache_config(config), engine.device)
            metrics.register(door.collector(lambda: len(desk.layers(FAILWHALE.name))))
            ready = f"serving_stub: {settings.model} is ready on {url_of(settings.host, port)}"
            await serve(
                build_app(services), listener, desk, services.in_flight, settings.grace_s, lambda: announce(ready)
            )

        loop.start()
        try:
            asyncio.run(serving())
        finally:
            loop.stop()
            journal.close()


def _apart(work: Callable[[], Built]) -> Built:
    """Do *work* on a thread that ends with it, and with it the threads that computed for it.

    OpenMP keeps a team for each thread that ever computed. With two teams on two cores its threads no longer wait
    awake for each other, and every one of a step's two hundred products begins with waking somebody.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _engine_config(settings: ServerSettings) -> EngineConfig:
    return EngineConfig(
        model=settings.model,
        dtype=settings.dtype,
        quantization=settings.quantization,
        max_num_seqs=settings.max_num_seqs,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        device=settings.device,
        num_blocks=settings.num_blocks,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        num_swap_blocks=settings.num_swap_blocks,
        roofline=settings.roofline,
        max_model_len=settings.max_model_len,
        num_threads=settings.num_threads,
        seed=settings.seed,
        enable_prefix_caching=settings.enable_prefix_caching,
        kernels=settings.kernels,
        cache_dir=settings.cache_dir,
    )


def _knobs(config: EngineConfig) -> Sequence[Knob]:
    """What a lease can change."""
    seqs, tokens = config.max_num_seqs, config.max_num_batched_tokens
    return (
        NumberKnob(BATCH_LIMIT, base=seqs, minimum=1, maximum=seqs, on_ends=("release", "ramp")),
        NumberKnob(
            TOKEN_BUDGET,
            base=tokens,
            minimum=min(MIN_TOKEN_BUDGET, tokens),
            maximum=tokens,
            on_ends=("release", "ramp"),
        ),
        *DOOR_KNOBS,
        DRAIN,
        FENCE,
        *fault_knobs(config.num_pool_blocks),
    )


def _cache_config(config: EngineConfig) -> dict[str, str]:
    return {
        "block_size": str(config.block_size),
        "num_gpu_blocks": str(config.num_pool_blocks),
        "cache_dtype": config.dtype,
        "enable_prefix_caching": str(config.enable_prefix_caching),
    }
