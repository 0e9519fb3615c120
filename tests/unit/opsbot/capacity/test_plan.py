"""GPUs for a demand: the roofline's known figures, what decides, and bands."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.capacity.catalogue import NumberFormat, load_catalogue
from opsbot.capacity.lognormal import LogNormal
from opsbot.capacity.plan import Demand, Replica, plan, rate, smallest_replica
from opsbot.errors import ConfigError

SHIPPED = load_catalogue(Path(__file__).parents[4] / "serving_stub/roofline/catalogue.yaml")
ONE = LogNormal(0.0)


def replica(model: str, number_format: NumberFormat = "bf16", num_gpus: int = 1, batch_limit: int = 256) -> Replica:
    """On H100s."""
    return Replica(SHIPPED.model(model), SHIPPED.device("h100", number_format), number_format, num_gpus, batch_limit)


def known(value: float) -> LogNormal:
    """A factor without doubt."""
    return LogNormal.of_range(value, value)


def test_the_published_ridge_of_an_h100() -> None:
    """591 operations a byte at 8 bits: 1.98 PFLOP/s over 3.35 TB/s."""
    assert replica("llama-3.1-8b", "int8").ridge == pytest.approx(591, abs=0.5)


@pytest.mark.parametrize(
    ("prompt", "answer", "published"), [(128, 128, 9193), (128, 2048, 5367), (2048, 128, 2058)],
    ids=["short", "long answer", "long prompt"],
)  # fmt: skip
def test_published_rates_lie_within_the_default_efficiency(prompt: int, answer: int, published: float) -> None:
    """LLaMA 7B, H100, FP8, batch 64: output tokens a second are 0.25 to 0.66 of the roof.

    Source: TensorRT-LLM release 0.5.0, docs/source/performance.md, "H100 GPUs (FP8)".
    """
    best = rate(replica("llama-2-7b", "fp8", batch_limit=64), prompt, answer).requests_per_s * answer
    assert 0.25 <= published / best <= 0.66


@pytest.mark.parametrize(
    ("which", "prompt", "answer", "decided_by", "is_above"),
    [
        (replica("llama-3.1-8b", batch_limit=64), 100, 1000, "bandwidth", False),
        (replica("llama-3.1-8b", batch_limit=1024), 20, 40, "compute", True),
        (replica("llama-3.1-8b", batch_limit=64), 8000, 10, "compute", False),
        (replica("llama-2-7b"), 3000, 1000, "KV", False),
    ],
    ids=["small batch", "above the ridge", "prompts", "cache full"],
)
def test_what_decides(which: Replica, prompt: int, answer: int, decided_by: str, is_above: bool) -> None:
    """Each bound where it must hold, on both sides of the ridge."""
    found = rate(which, prompt, answer)
    assert (found.decided_by, found.is_above_ridge) == (decided_by, is_above)
    assert found.is_above_ridge == (found.intensity >= which.ridge)


def test_known_factors_give_one_number() -> None:
    """Twice the demand, twice the peak, half the efficiency: eight times the GPUs."""
    one = replica("llama-3.1-8b")
    base = plan(one, Demand(known(600), False, known(1000), known(300), ONE), ONE)
    more = plan(one, Demand(known(1200), False, known(1000), known(300), known(2)), known(0.5))
    assert base.gpus.sigma == 0
    assert more.gpus.median == pytest.approx(8 * base.gpus.median)
    assert base.gpus.median == pytest.approx(600 / 60 / rate(one, 1000, 300).requests_per_s)


def test_tokens_and_requests_are_the_same_demand() -> None:
    """1,300 tokens a request: 600 requests are 780 thousand tokens."""
    one = replica("llama-3.1-8b")
    requests = plan(one, Demand(known(600), False, known(1000), known(300), ONE), ONE)
    tokens = plan(one, Demand(known(780_000), True, known(1000), known(300), ONE), ONE)
    assert tokens.gpus.median == pytest.approx(requests.gpus.median)


def test_unsure_factors_widen_the_band_and_are_named() -> None:
    """A spread of 2 in efficiency and of 1.5 in demand; the widest is first."""
    asked = Demand(LogNormal.of_range(400, 900), False, known(1000), known(300), ONE)
    made = plan(replica("llama-3.1-8b"), asked, LogNormal.of_range(0.2, 0.8))
    assert list(made.spreads)[:2] == ["efficiency", "demand"]
    assert made.spreads["efficiency"] == pytest.approx(2.0)
    assert made.spreads["demand"] == pytest.approx(1.5)
    assert made.gpus.spread == pytest.approx(2.2323, abs=1e-3)


def test_the_fewest_gpus_that_hold_the_model() -> None:
    """8 billion parameters fit on one, 70 billion in bf16 need four: two would leave nearly no KV."""
    device = SHIPPED.device("h100", "bf16")
    assert smallest_replica(SHIPPED.model("llama-3.1-8b"), device, "bf16", 64).num_gpus == 1
    assert smallest_replica(SHIPPED.model("llama-3.1-70b"), device, "bf16", 64).num_gpus == 4


def test_what_does_not_fit_says_what_to_do() -> None:
    """A sequence larger than the cache."""
    with pytest.raises(ConfigError, match="more GPUs with --gpus-per-replica"):
        rate(replica("llama-2-7b"), 1_000_000, 10)


def test_the_catalogue_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    """Names get a suggestion, files their line and column."""
    with pytest.raises(ConfigError, match="no device 'h10', did you mean 'h100'"):
        SHIPPED.device("h10", "bf16")
    with pytest.raises(ConfigError, match="has no figure for fp8, only for bf16, int8"):
        SHIPPED.device("a100", "fp8")
    path = tmp_path / "catalogue.yaml"
    path.write_text("sources: {}\nmodles: {}\n")
    with pytest.raises(ConfigError, match=r"catalogue.yaml:2:1: unknown key 'modles', did you mean 'models'"):
        load_catalogue(path)


@pytest.mark.parametrize(
    ("served", "name"),
    [("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"), ("smollm2-135m", "smollm2-135m"), ("tiny", None),
     ("meta-llama/Meta-Llama-3.1-70B", "llama-3.1-70b")],
)  # fmt: skip
def test_served_names_find_their_model(served: str, name: str | None) -> None:
    """A server says the whole name, the catalogue the short one."""
    found = SHIPPED.served_model(served)
    assert (found.name if found else None) == name
