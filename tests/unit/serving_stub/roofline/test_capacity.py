"""What a model on a device comes to, against published figures and against counting."""

from __future__ import annotations

import pytest

from serving_stub.roofline.capacity import Served
from serving_stub.roofline.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def served(model: str, device: str = "h100", *, is_8_bit: bool = False) -> Served:
    """A model of the catalogue on a device of it."""
    size = 1 if is_8_bit else 2
    return Served(CATALOGUE.model(model), CATALOGUE.device(device, "int8" if is_8_bit else "bf16"), size, size)


@pytest.mark.parametrize(
    ("model", "billions"),
    [
        ("smollm2-135m", 0.1345),
        ("llama-2-7b", 6.738),
        ("llama-3.1-8b", 8.030),
        ("llama-3.1-70b", 70.55),
        ("mistral-7b", 7.248),
        ("qwen2.5-7b", 7.616),
    ],
)
def test_the_sizes_add_up_to_the_published_number_of_parameters(model: str, billions: float) -> None:
    """Within two thousandths, which norms and biases are."""
    assert CATALOGUE.model(model).num_parameters / 1e9 == pytest.approx(billions, rel=2e-3)


def test_kv_bytes_of_a_token() -> None:
    """Llama 3.1 8B: 128 KiB in bf16, half of it in 8 bits; without shared heads four times as much."""
    assert served("llama-3.1-8b").kv_bytes_per_token == 128 * 1024
    assert served("llama-3.1-8b", is_8_bit=True).kv_bytes_per_token == 64 * 1024
    assert served("llama-2-7b").kv_bytes_per_token == 512 * 1024


def test_what_fits() -> None:
    """Nine tenths of 80 GB less 16.06 GB of weights; a model that does not fit leaves nothing."""
    assert served("llama-3.1-8b").kv_tokens() == pytest.approx((72e9 - 16.06e9) / 131072, rel=1e-3)
    assert served("llama-3.1-70b").kv_tokens() == 0


@pytest.mark.parametrize("model", ["llama-3.1-8b", "smollm2-135m", "llama-2-7b", "qwen2.5-7b"])
@pytest.mark.parametrize("device", sorted(CATALOGUE.devices))
@pytest.mark.parametrize("context", [0, 50, 200])
def test_the_crossing_batch_is_the_first_that_is_compute_bound(model: str, device: str, context: int) -> None:
    """One row fewer is below the ridge; never means that even a huge batch is."""
    one = served(model, device, is_8_bit=True)
    batch = one.crossing_batch(context)
    if batch is None:
        assert one.device.bound(one.intensity(1e9, context)) == "memory"
    else:
        assert one.device.bound(one.intensity(batch, context)) == "compute"
        assert one.device.bound(one.intensity(batch - 1, context)) == "memory"


def test_kv_keeps_long_contexts_memory_bound() -> None:
    """At 8 bits an H100 is crossed at about half the ridge when rows are empty, and never at a thousand tokens."""
    one = served("llama-3.1-8b", is_8_bit=True)
    assert one.crossing_batch(0) == pytest.approx(591 / 2, rel=0.02)
    assert one.crossing_batch(1000) is None


def test_a_larger_batch_costs_little_below_the_ridge() -> None:
    """That is why batch size decides: 64 rows take less than twice the time of one."""
    one = served("llama-3.1-8b")
    assert one.decode_s(64, 128) < 2 * one.decode_s(1, 128)


def test_swap_or_recompute() -> None:
    """Shared KV heads make swapping cheap; without them computing again is sooner on an H100, but not on an A100."""
    assert served("llama-3.1-8b").is_swap_cheaper(1000)
    assert not served("llama-2-7b").is_swap_cheaper(1000)
    assert served("llama-2-7b", "a100").is_swap_cheaper(1000)


def test_long_contexts_favour_swapping() -> None:
    """Recomputing grows with the square of the context, swapping only with the context."""
    one = served("llama-2-7b")
    ratios = [one.recompute_s(tokens) / one.swap_s(tokens) for tokens in (1_000, 10_000, 100_000)]
    assert ratios == sorted(ratios)
    assert one.is_swap_cheaper(100_000)
