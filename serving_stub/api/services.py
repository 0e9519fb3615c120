"""What the routes of one server need, built once in `assembly.py` and handed to each of them."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from serving_stub.api.control_tokens import ControlTokens
from serving_stub.api.door_parts import DoorParts
from serving_stub.api.inflight import InFlight
from serving_stub.engine.loop import EngineLoop
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.faults import Faults
from serving_stub.frontdoor.gate import Gate
from serving_stub.metrics import ServingMetrics
from serving_stub.model.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Services:
    """One server's parts.

    Args:
        door: what the front door is made of.
        model_name: as clients name it.
        max_context: most tokens of prompt and answer together, whatever limits it.
        control_tokens: who may use the control API.
        feed_token: of the account feed.
    """

    loop: EngineLoop
    tokenizer: Tokenizer
    metrics: ServingMetrics
    desk: LeaseDesk
    in_flight: InFlight
    faults: Faults
    clock: Clock
    gate: Gate
    door: DoorParts
    model_name: str
    max_context: int
    control_tokens: ControlTokens
    feed_token: SecretStr | None
