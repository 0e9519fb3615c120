"""The gate: who is told what while the server is out of service."""

from __future__ import annotations

from dataclasses import replace

from serving_stub.frontdoor.fold import Layer
from serving_stub.frontdoor.gate import Gate, why_unhealthy
from tests.support.tiny_engine import tiny_engine

LAYERS = (Layer(dict[str, object](), 1.0, "l-1"),)


def test_an_open_gate_says_nothing() -> None:
    """Neither to clients nor to routers."""
    assert (Gate().refusal(), Gate().health()) == (None, None)


def test_a_drained_server_is_healthy() -> None:
    """Clients are sent elsewhere, and the router need not know."""
    gate = Gate()
    gate.set_drain(LAYERS)
    refusal = gate.refusal()
    assert refusal is not None
    assert (refusal.status, refusal.code, gate.health()) == (503, "draining", None)
    gate.set_drain(())
    assert gate.refusal() is None


def test_a_fenced_server_is_not() -> None:
    """Both are told, and a drain beside it changes nothing."""
    gate = Gate()
    gate.set_drain(LAYERS)
    gate.set_fence(LAYERS)
    refusal = gate.refusal()
    assert refusal is not None
    assert refusal.code == "fenced"
    assert gate.health() == refusal


def test_a_restart_is_a_short_drain() -> None:
    """It is over by itself."""
    gate = Gate()
    gate.set_restarting(is_restarting=True)
    assert gate.refusal() is not None
    gate.set_restarting(is_restarting=False)
    assert gate.refusal() is None


def test_a_dead_engine_is_unhealthy() -> None:
    """And the reason can be read."""
    stats = tiny_engine().stats()
    assert why_unhealthy(replace(stats, is_alive=True)) is None
    assert why_unhealthy(replace(stats, is_alive=False)) == "the engine has died and is being started again"
