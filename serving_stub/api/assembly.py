"""One server put together from its engine, its door and its leases; serving it over HTTP is not its matter."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import SecretStr

from serving_stub.api.control_tokens import ControlTokens
from serving_stub.api.door_parts import DoorParts
from serving_stub.api.inflight import InFlight
from serving_stub.api.services import Services
from serving_stub.engine.config import EngineConfig
from serving_stub.engine.engine import Engine
from serving_stub.engine.loop import EngineLoop
from serving_stub.frontdoor.book import LeaseBook
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.door_knobs import DOOR_KNOBS, FAILWHALE
from serving_stub.frontdoor.faults import Faults, fault_knobs
from serving_stub.frontdoor.gate import DRAIN, FENCE, Gate, gate_setters, why_unhealthy
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.frontdoor.knob import Knob, NumberKnob
from serving_stub.frontdoor.lease_id import new_lease_id
from serving_stub.frontdoor.ramp import has_room
from serving_stub.metrics import ServingMetrics
from serving_stub.model.tokenizer import Tokenizer

BATCH_LIMIT = "batch_limit"
TOKEN_BUDGET = "token_budget"  # noqa: S105  (a knob's name)
MIN_TOKEN_BUDGET = 16
IN_FLIGHT_PER_SEQ = 4
"""How many requests the door lets in for each place in the batch: the engine's own queue is to show that it is full."""


def engine_knobs(config: EngineConfig) -> Sequence[Knob]:
    """What a lease can change on a server with an engine."""
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


def assemble(
    engine: Engine,
    tokenizer: Tokenizer,
    loop: EngineLoop,
    metrics: ServingMetrics,
    door: DoorParts,
    gate: Gate,
    clock: Clock,
    tokens: ControlTokens,
    leases: tuple[LeaseJournal, LeaseBook],
    *,
    model_name: str,
    feed_token: SecretStr | None,
) -> Services:
    """The parts that hang together: leases that turn what they name, metrics that show them.

    To be called on the event loop that serves them.

    Args:
        leases: as `LeaseJournal.open` returned them, for `engine_knobs`.
    """
    journal, book = leases
    config = engine.config
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
    metrics.watch(loop.stats, desk.num_open, _cache_config(config), engine.device)
    metrics.register(door.collector(lambda: len(desk.layers(FAILWHALE.name))))
    return Services(
        loop=loop,
        tokenizer=tokenizer,
        metrics=metrics,
        desk=desk,
        in_flight=InFlight(),
        faults=faults,
        clock=clock,
        gate=gate,
        door=door,
        model_name=model_name,
        max_context=min(loop.max_model_len, config.num_pool_blocks * config.block_size),
        control_tokens=tokens,
        feed_token=feed_token,
    )


def _cache_config(config: EngineConfig) -> dict[str, str]:
    return {
        "block_size": str(config.block_size),
        "num_gpu_blocks": str(config.num_pool_blocks),
        "cache_dtype": config.dtype,
        "enable_prefix_caching": str(config.enable_prefix_caching),
    }
