"""Our own server: the engine on its model, its leases and its door, from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving_stub.api.app import build_app
from serving_stub.api.assembly import IN_FLIGHT_PER_SEQ, assemble, engine_knobs
from serving_stub.api.control_tokens import tokens_of
from serving_stub.api.door_parts import build_parts
from serving_stub.api.door_settings import load_door
from serving_stub.api.serve import ServerWork, bind, serve, url_of
from serving_stub.config import ServerSettings
from serving_stub.engine.build import build_engine
from serving_stub.engine.config import EngineConfig
from serving_stub.engine.loop import EngineLoop
from serving_stub.frontdoor.clock import SteadyClock
from serving_stub.frontdoor.gate import Gate
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.metrics import ServingMetrics

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
        tokens = tokens_of(settings.control_token, settings.control_tokens)
        metrics = ServingMetrics(settings.model, settings.max_model_len)
        engine, tokenizer = _apart(lambda: build_engine(_engine_config(settings)))
        loop = EngineLoop(engine, metrics)
        leases = LeaseJournal.open(settings.journal_path(port), engine_knobs(engine.config), clock.now())

        async def serving() -> None:
            services = assemble(
                engine,
                tokenizer,
                loop,
                metrics,
                door,
                gate,
                clock,
                tokens,
                leases,
                model_name=settings.model,
                feed_token=settings.feed_token,
            )
            front = build_app(services)
            ready = f"serving_stub: {settings.model} is ready on {url_of(settings.host, port)}"
            works = [ServerWork(front, services.desk, services.in_flight)]
            await serve(front, listener, works, settings.grace_s, lambda: announce(ready))

        loop.start()
        try:
            asyncio.run(serving())
        finally:
            loop.stop()
            leases[0].close()


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
