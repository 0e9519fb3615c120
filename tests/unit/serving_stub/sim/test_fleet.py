"""A fleet in virtual time: everybody is served, a lost region's users go elsewhere, and what cannot be is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from serving_stub.__main__ import main
from serving_stub.errors import SettingError
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.spec import Faulted, FleetEvent, FleetSpec, Lost, Restored, load_fleet
from serving_stub.sim.fleet import VirtualFleet
from serving_stub.sim.outcome import Outcome

FLEET = """
name: pair
defaults: {gpu: a100, model: llama-3.1-8b, max_num_seqs: 16, num_blocks: 400}
clusters:
  - {name: west, region: us-west, countries: [US]}
  - {name: east, region: jp-east, countries: [JP]}
"""


@pytest.fixture
def spec(tmp_path: Path) -> FleetSpec:
    """Two clusters, each home to one country."""
    path = tmp_path / "pair.yaml"
    path.write_text(FLEET)
    return load_fleet(path)


def arrivals(count: int, *, country: str = "US", every_s: float = 0.05) -> list[Arrival]:
    """*count* alike ones."""
    return [Arrival(number * every_s, country, "t", "llama-3.1-8b", 200, 40) for number in range(count)]


def run(spec: FleetSpec, coming: list[Arrival], *happening: FleetEvent) -> list[Outcome]:
    """What each met."""
    return VirtualFleet(spec, events=happening).run(coming)


def mean_gap_s(outcomes: list[Outcome]) -> float:
    """Between tokens."""
    gaps = [one.inter_token_s for one in outcomes if one.inter_token_s is not None]
    return sum(gaps) / len(gaps)


def test_home_serves_whoever_it_can(spec: FleetSpec) -> None:
    """Little traffic stays at home, and every answer is whole."""
    outcomes = run(spec, arrivals(20, every_s=1.0))
    assert {(one.cluster, one.way and one.way.value, one.num_tokens) for one in outcomes} == {("west", "home", 40)}


def test_a_full_home_spills_over(spec: FleetSpec) -> None:
    """What has no room at home goes across the ocean, and all are served."""
    outcomes = run(spec, arrivals(200, every_s=0.01))
    assert {one.cluster for one in outcomes} == {"west", "east"}
    assert all(one.num_tokens == 40 for one in outcomes)


def test_a_home_short_of_arithmetic_spills_over(spec: FleetSpec) -> None:
    """Long prompts with short answers: a queue of seconds, while KV cache and batch have room for ever."""
    roomy = [replace(one, sizes=replace(one.sizes, max_num_seqs=256, num_blocks=4000)) for one in spec.clusters]
    coming = [Arrival(number * 0.15, "US", "t", "llama-3.1-8b", 3000, 5) for number in range(200)]
    blind = spec.router.model_copy(update={"spill_wait": 3600.0})
    seeing, unseeing = (
        VirtualFleet(replace(spec, clusters=tuple(roomy), router=router)).run(coming) for router in (spec.router, blind)
    )
    assert {one.cluster for one in unseeing} == {"west"}
    assert {one.cluster for one in seeing} == {"west", "east"}
    assert max(one.ttft_s or 0.0 for one in seeing) < 4.0 < max(one.ttft_s or 0.0 for one in unseeing)


def test_who_is_in_a_lost_cluster_ends_and_the_next_go_elsewhere(spec: FleetSpec) -> None:
    """Until it is back; nobody waits for a cluster that is gone."""
    outcomes = run(spec, arrivals(100, every_s=0.1), Lost(3.0, ("west",)), Restored(6.0, ("west",)))
    cut = [one for one in outcomes if one.refused == "cluster_lost"]
    assert cut
    assert all(one.arrival.at_s <= 3.0 and one.cluster == "west" for one in cut)
    assert {one.cluster for one in outcomes if 3.0 < one.arrival.at_s < 6.0} == {"east"}
    assert outcomes[-1].cluster == "west"
    assert len(outcomes) == 100


def test_with_all_lost_everybody_is_told(spec: FleetSpec) -> None:
    """A reason, not a wait."""
    outcomes = run(spec, arrivals(10), Lost(0.0, ("west", "east")))
    assert {one.refused for one in outcomes} == {"all_out"}


def test_a_fault_slows_its_cluster_for_its_time(spec: FleetSpec) -> None:
    """Each step takes so much longer, then no more."""
    coming = arrivals(60, every_s=1.0)
    outcomes = run(spec, coming, Faulted(20.0, ("west",), "fault.slow_step_ms", 100, 20.0))
    before, during, after = (mean_gap_s(outcomes[begin : begin + 15]) for begin in (2, 22, 44))
    assert during == pytest.approx(before + 0.1, rel=0.05)
    assert after == pytest.approx(before, rel=0.05)


def test_a_fault_of_http_is_refused(spec: FleetSpec) -> None:
    """Rather than left out in silence."""
    with pytest.raises(SettingError, match=r"fault\.stall means nothing in virtual time"):
        VirtualFleet(spec, events=[Faulted(1.0, ("west",), "fault.stall", 1, 1.0)])


def test_the_same_seed_is_the_same_run(spec: FleetSpec) -> None:
    """Also with spill-over."""
    coming = arrivals(150, every_s=0.01)
    assert run(spec, coming) == run(spec, coming)
    other = VirtualFleet(replace(spec), events=(), seed=5).run(coming)
    assert [one.cluster for one in other] != [one.cluster for one in run(spec, coming)]


def test_stepping_comes_to_the_same(spec: FleetSpec) -> None:
    """Every outcome and number of steps, with spill-over, a lost cluster and both faults."""
    happening: list[FleetEvent] = [
        Faulted(1.0, ("east",), "fault.slow_step_ms", 20, 1.0),
        Faulted(1.5, ("west",), "fault.lost_kv_blocks", 300, 2.0),
        Lost(4.0, ("west",)),
        Restored(5.0, ("west",)),
    ]
    coming = arrivals(400, every_s=0.02)
    skipping, stepping = (VirtualFleet(spec, events=happening, stepping=stepping) for stepping in (False, True))
    assert skipping.run(coming) == stepping.run(coming)
    for name, cluster in skipping.clusters.items():
        other = stepping.clusters[name]
        assert (cluster.num_steps, cluster.num_tokens, cluster.peak_kv_usage, cluster.peak_waiting) == (
            *(other.num_steps, other.num_tokens, other.peak_kv_usage, other.peak_waiting),
        )


def test_the_command_prints_a_row_for_each_cluster(tmp_path: Path) -> None:
    """And one for all, whose requests are the sum."""
    path = tmp_path / "pair.yaml"
    path.write_text(FLEET)
    done = CliRunner().invoke(main, ["fleet", str(path), "--virtual", "--duration", "5", "--rate", "20", "--json"])
    assert done.exit_code == 0, done.output
    *rows, everything = json.loads(done.output)["clusters"]
    assert [row["name"] for row in rows] == ["west", "east"]
    assert everything["num_requests"] == sum(row["num_requests"] for row in rows) > 20
    assert everything["num_tokens"] == sum(row["num_tokens"] for row in rows) > 0


def test_a_bad_file_is_told(tmp_path: Path) -> None:
    """With its place, and status 2."""
    path = tmp_path / "bad.yaml"
    path.write_text(FLEET.replace("a100", "a1000"))
    done = CliRunner().invoke(main, ["fleet", str(path), "--virtual"])
    assert done.exit_code == 2
    assert "bad.yaml:3:" in done.output
    assert "did you mean 'a100'" in done.output
