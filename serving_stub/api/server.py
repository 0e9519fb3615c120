"""One server from start to stop: bind, load, replay leases, serve, and on a signal let streams finish first.

The port is bound before the model is loaded, so that a taken port is told at once; it answers only when all is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import uvicorn

from serving_stub.api.app import build_app
from serving_stub.api.inflight import InFlight
from serving_stub.api.services import Services
from serving_stub.config import ServerSettings
from serving_stub.engine.build import build_engine
from serving_stub.engine.config import EngineConfig
from serving_stub.engine.loop import EngineLoop
from serving_stub.errors import SettingError
from serving_stub.frontdoor.clock import SteadyClock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.faults import Faults, fault_knobs
from serving_stub.frontdoor.gate import DRAIN, FENCE, Gate, why_unhealthy
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.frontdoor.knob import Knob, NumberKnob
from serving_stub.frontdoor.lease_id import new_lease_id
from serving_stub.frontdoor.ramp import has_room
from serving_stub.metrics import ServingMetrics

BATCH_LIMIT = "batch_limit"
TOKEN_BUDGET = "token_budget"  # noqa: S105  (a knob's name)
MIN_TOKEN_BUDGET = 16
_KEEP_ALIVE_S = 75
"""Longer than clients keep an idle connection (httpx: 5 s), or both would close it at the moment that one uses it."""
_ABORT_S = 2.0
"""Time for ended streams to be told so."""


Built = TypeVar("Built")


class _Server(uvicorn.Server):
    """uvicorn, told by us when to stop: it would cut streams at once."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def run(settings: ServerSettings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; *announce* is given one line when the server is ready.

    Raises: SettingError, JournalError, and what `build_engine` raises.
    """
    listener = _bind(settings.host, settings.port)
    with contextlib.closing(listener):
        port: int = listener.getsockname()[1]
        metrics = ServingMetrics(settings.model, settings.max_model_len)
        engine, tokenizer = _apart(lambda: build_engine(_engine_config(settings)))
        config = engine.config
        loop = EngineLoop(engine, metrics)
        clock = SteadyClock()
        journal, book = LeaseJournal.open(settings.journal_path(port), _knobs(config), clock.now())

        async def serve() -> None:
            faults = Faults()
            gate = Gate()
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
                layer_setters={DRAIN.name: gate.set_drain, FENCE.name: gate.set_fence},
                notes=journal.notes,
                why_unhealthy=lambda: why_unhealthy(loop.stats()),
                may_ramp=lambda: has_room(loop.stats()),
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
                model_name=settings.model,
                max_context=min(loop.max_model_len, config.num_pool_blocks * config.block_size),
            )
            metrics.watch(loop.stats, desk.num_open, _cache_config(config), engine.device)
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            await _serve(
                services, listener, lambda: announce(f"serving_stub: {settings.model} is ready on http://{host}:{port}")
            )

        loop.start()
        try:
            asyncio.run(serve())
        finally:
            loop.stop()
            journal.close()


async def _serve(services: Services, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    server = _Server(
        uvicorn.Config(
            build_app(services),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(_ABORT_S),
        ),
        on_ready,
    )
    stop = asyncio.Event()
    running_loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running_loop.add_signal_handler(number, stop.set)
    tasks = (
        asyncio.create_task(server.serve([listener]), name="http"),
        asyncio.create_task(services.desk.run(), name="leases"),
        asyncio.create_task(stop.wait(), name="stop"),
    )
    serving = tasks[0]
    try:
        # The first to return is the stop signal, unless something broke; then the server stops as well, loudly.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        services.in_flight.close()
        if not await services.in_flight.wait_empty(services.settings.grace_s):
            services.in_flight.stop()
            await services.in_flight.wait_empty(_ABORT_S)
        server.should_exit = True
        await serving
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _apart(work: Callable[[], Built]) -> Built:
    """Do *work* on a thread that ends with it, and with it the threads that computed for it.

    OpenMP keeps a team for each thread that ever computed. With two teams on two cores its threads no longer wait
    awake for each other, and every one of a step's two hundred products begins with waking somebody.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingError(
            f"--host {host} --port {port} cannot be listened on: {error.strerror or error}; "
            "choose another port, or 0 for a free one"
        ) from error
    return listener


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
