"""A fleet in parts, one for each model, comes to what the whole fleet comes to."""

from __future__ import annotations

from pathlib import Path

from serving_stub.fleet.scenarios import FLEET_SCENARIOS, FleetLoad, arrivals
from serving_stub.fleet.spec import Faulted, Lost, Restored, load_fleet
from serving_stub.sim.parts import run_fleet

TWO_MODELS = """
name: models
defaults: {gpu: h100, num_gpus: 4, max_num_seqs: 16, num_blocks: 400}
clusters:
  - {name: small, region: west, countries: [US], model: llama-3.1-8b, count: 2}
  - {name: large, region: east, countries: [JP], model: llama-3.1-70b}
"""


def test_parts_come_to_what_the_whole_comes_to(tmp_path: Path) -> None:
    """Two models in two processes, with an event that touches one of them and a model that nobody serves."""
    path = tmp_path / "models.yaml"
    path.write_text(TWO_MODELS)
    spec = load_fleet(path)
    load = FleetLoad(40.0, 6.0, 3, {"llama-3.1-8b": 1.0, "llama-3.1-70b": 1.0, "nobody's": 0.1}, longest=2048)
    coming = list(arrivals(FLEET_SCENARIOS["gpu_mixed"], load))
    happening = (
        Lost(1.2, ("small-1",)),
        Faulted(2.5, ("large",), "fault.slow_step_ms", 30, 1.0),
        Restored(4.0, ("small-1",)),
    )
    whole = run_fleet(spec, coming, happening, seed=3, num_processes=1)
    parts = run_fleet(spec, coming, happening, seed=3, num_processes=2)
    assert parts == whole
    assert list(whole.tallies) == ["small-1", "small-2", "large"]
    refused = {outcome.refused for outcome in whole.outcomes}
    assert refused >= {None, "no_cluster_for_model"}
    assert all(outcome.arrival is arrival for outcome, arrival in zip(whole.outcomes, coming, strict=True))
