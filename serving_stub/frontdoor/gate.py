"""The gate: whether the server takes new work at all. Drained it takes none and finishes what runs; fenced it also
says so in its health, so that a router takes it out; during a restart of the engine it is shut for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from serving_stub.engine.interface import EngineStats
from serving_stub.frontdoor.fold import Layers
from serving_stub.frontdoor.knob import SwitchKnob
from serving_stub.frontdoor.refusal import Reason, Refusal

DRAIN = SwitchKnob("drain")
FENCE = SwitchKnob("fence")
_DRAINING = Refusal(
    503, "draining", "the server takes no new requests for now; ask another one", Reason.DRAINING, retry_after_s=5.0
)
_FENCED = Refusal(503, "fenced", "the server is out of service for now; ask another one", Reason.FENCED, 5.0)


class Gate:
    """Read for every request, set by leases and commands."""

    def __init__(self) -> None:
        self._is_drained = False
        self._is_fenced = False
        self._is_restarting = False

    def set_drain(self, layers: Layers) -> None:
        """Obey the leases of `drain`."""
        self._is_drained = bool(layers)

    def set_fence(self, layers: Layers) -> None:
        """Obey the leases of `fence`."""
        self._is_fenced = bool(layers)

    def set_restarting(self, *, is_restarting: bool) -> None:
        """Take no new work before the engine is started anew."""
        self._is_restarting = is_restarting

    @property
    def is_drained(self) -> bool:
        return self._is_drained

    @property
    def is_fenced(self) -> bool:
        return self._is_fenced

    def refusal(self) -> Refusal | None:
        """What a new request is told; None while the gate is open."""
        if self._is_fenced:
            return _FENCED
        return _DRAINING if self._is_drained or self._is_restarting else None

    def health(self) -> Refusal | None:
        """What `/health` says on behalf of the gate: a drain is nobody's business but the clients'."""
        return _FENCED if self._is_fenced else None


def gate_setters(gate: Gate) -> Mapping[str, Callable[[Layers], None]]:
    """What turns the gate's knobs."""
    return {DRAIN.name: gate.set_drain, FENCE.name: gate.set_fence}


def why_unhealthy(stats: EngineStats) -> str | None:
    """Why the engine cannot be given work; None when it can."""
    return None if stats.is_alive else "the engine has died and is being started again"
