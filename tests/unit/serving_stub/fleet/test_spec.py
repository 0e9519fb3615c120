"""A fleet's file: what it comes to, and how what cannot be is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving_stub.errors import FileError
from serving_stub.fleet.spec import LAUNCH_DAY, Faulted, Lost, Restored, load_fleet

ONE = "name: small\nclusters:\n  - {name: a, region: us-west, gpu: h100, num_gpus: 2, model: llama-3.1-70b}\n"


def written(folder: Path, text: str) -> Path:
    """A file with *text*."""
    path = folder / "fleet.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong with *text*, without the file's name."""
    path = written(folder, text)
    with pytest.raises(FileError) as told:
        load_fleet(path)
    return [line.removeprefix(f"{path}:") for line in told.value.problems]


def test_the_shipped_fleet() -> None:
    """24 clusters, six regions, five kinds of GPU, two models; each region's home is stated."""
    fleet = load_fleet(LAUNCH_DAY)
    assert len(fleet.clusters) == 24
    assert fleet.regions == ("us-west", "us-east", "eu-west", "eu-central", "jp-east", "ap-south")
    assert {one.sizes.gpu for one in fleet.clusters} == {"a100", "h100", "h200", "b200", "mi300x"}
    assert fleet.models == ("llama-3.1-70b", "llama-3.1-8b")
    assert {country for one in fleet.clusters for country in one.countries} == {
        "US", "BR", "GB", "FR", "ES", "DE", "JP", "KR", "IN", "AU",
    }  # fmt: skip


def test_gpus_add_up(tmp_path: Path) -> None:
    """Memory in full; bandwidth and arithmetic times the efficiency."""
    text = ONE.replace("num_gpus: 2", "num_gpus: 4, efficiency: 0.5")
    (cluster,) = load_fleet(written(tmp_path, text)).clusters
    device = cluster.sizes.device
    assert device.name == "4 × h100"
    assert device.memory_bytes == 320e9
    assert device.bytes_per_s == 6_700e9
    assert device.flops_per_s == 1_979e12
    # 288 GB less 141.1 of weights, at 327,680 bytes a token and 16 tokens a block.
    assert cluster.sizes.num_blocks == 28_018
    assert cluster.kv_tokens == 448_288


def test_defaults_and_counts(tmp_path: Path) -> None:
    """A cluster's own key wins over `defaults`, and a count writes the entry out."""
    fleet = load_fleet(
        written(
            tmp_path,
            "name: two\n"
            "defaults: {gpu: a100, model: llama-3.1-8b, max_num_seqs: 8}\n"
            "clusters:\n"
            "  - {name: tokyo, region: jp-east, countries: [JP], count: 2, max_num_seqs: 16, num_blocks: 1000}\n"
            "  - {name: oregon, region: us-west, weight: 0.5}\n",
        )
    )
    assert [one.name for one in fleet.clusters] == ["tokyo-1", "tokyo-2", "oregon"]
    assert [one.sizes.max_num_seqs for one in fleet.clusters] == [16, 16, 8]
    assert [one.weight for one in fleet.clusters] == [1.0, 1.0, 0.5]
    assert fleet.cluster("tokyo-2").kv_tokens == 16_000
    assert fleet.named("jp-east") == ("tokyo-1", "tokyo-2")
    assert fleet.named("oregon") == ("oregon",)
    assert fleet.named("mars") == ()


def test_events_by_time(tmp_path: Path) -> None:
    """Each with the clusters that it means, whatever their order in the file."""
    text = ONE + (
        "events:\n"
        "  - {at: 9m, restore: us-west}\n"
        "  - {at: 5m, lose: a}\n"
        "  - {at: 1m, fault: {where: us-west, knob: fault.slow_step_ms, value: 200, for: 2m}}\n"
    )
    assert load_fleet(written(tmp_path, text)).events == (
        Faulted(60.0, ("a",), "fault.slow_step_ms", 200, 120.0),
        Lost(300.0, ("a",)),
        Restored(540.0, ("a",)),
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("num_gpus: 2", "num_gpus: 1"),
            "3:63: model: a: llama-3.1-70b in bf16 needs 141.1 GB, and h100 gives 72.0 GB (0.9 of 80): 69.1 GB too "
            "little; num_gpus: 2 is enough",
        ),
        (
            ("num_gpus: 2", "num_gpus: 2, max_model_len: 100000"),
            "3:86: model: a: llama-3.1-70b in bf16 and one request of max_model_len 100000 need 173.9 GB, and 2 × h100 "
            "gives 144.0 GB (0.9 of 160): 29.9 GB too little; num_gpus: 4 is enough",
        ),
        (
            ("num_gpus: 2", "num_gpus: 3"),
            "3:53: num_gpus: a: 3 GPUs cannot share the 8 KV heads of llama-3.1-70b evenly; take 1, 2, 4, 8",
        ),
        (
            ("h100", "h1000"),
            "3:37: gpu: unknown GPU 'h1000', did you mean 'h100'?; the catalogue has a100, b200, h100, h200, mi300x",
        ),
        (
            ("llama-3.1-70b", "llama-3.1-7b"),
            "3:63: model: unknown model 'llama-3.1-7b', did you mean 'llama-3.1-70b'?; the catalogue has llama-2-7b, "
            "llama-3.1-70b, llama-3.1-8b, mistral-7b, qwen2.5-7b, smollm2-135m",
        ),
        (("gpu: h100, ", ""), "3:5: a: the key 'gpu' is missing, here and in defaults"),
        (
            ("h100, num_gpus: 2", "a100, num_gpus: 4, weight_format: fp8"),
            "3:71: weight_format: a100 has no peak in fp8, only in bf16, int8",
        ),
        (
            ("num_gpus: 2", "num_gpus: 2, num_blocks: 1000"),
            "3:68: num_blocks: a: 1000 blocks of 16 tokens are 2.3 GB too many; beside the weights 552 fit",
        ),
        (
            ("num_gpus: 2", "num_gpus: 2, num_blocks: 100"),
            "3:68: num_blocks: a: 100 blocks of 16 tokens do not hold one request of max_model_len 4096",
        ),
        (
            ("num_gpus: 2", "num_gpus: 2, max_num_batched_tokens: 64"),
            "3:80: max_num_batched_tokens: a: 64 is below max_num_seqs (256), and each running sequence decodes a "
            "token a step",
        ),
        (
            ("num_gpus: 2", "num_gpus: 2, weight: 0"),
            "3:3: every cluster that serves 'llama-3.1-70b' has weight 0; give one of them a weight above 0",
        ),
        (("name: a,", "name: us-west,"), "3:12: name: 'us-west' is a region too, and events name either"),
        (("region:", "regoin:"), "3:15: unknown key 'regoin', did you mean 'region'?"),
    ],
)
def test_clusters_that_cannot_be(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """The place, the reason, and what would do."""
    assert said in problems(tmp_path, ONE.replace(*change))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("limits: {fleet: 1.5}\n", "4:17: fleet: input should be less than or equal to 1, not 1.5"),
        (
            "limits: {regions: {us-wset: 1}}\n",
            "4:29: no cluster is in region 'us-wset', did you mean 'us-west'?",
        ),
        ("limits: {models: {llama: 1}}\n", "4:26: no cluster serves 'llama'"),
        ("router: {spill_kv: 0}\n", "4:20: spill_kv: input should be greater than 0, not 0"),
        (
            "events: [{at: 5m, lose: us-wst}]\n",
            "4:25: lose: there is no cluster or region 'us-wst', did you mean 'us-west'?",
        ),
        ("events: [{at: 5m, restore: a}]\n", "4:28: restore: a is not lost at that time"),
        ("events: [{at: 5m}]\n", "4:10: 0: an event is one of lose, restore and fault"),
        ("events: [{at: 5, lose: a}]\n", "4:15: at: a duration such as 30s, 5m or 1h30m is needed, not 5"),
        (
            "events: [{at: 5m, fault: {where: a, knob: fault.stal, value: 1, for: 1m}}]\n",
            "did you mean 'fault.stall'?",
        ),
        (
            "events: [{at: 5m, fault: {where: a, knob: fault.stall, value: 2, for: 1m}}]\n",
            "4:63: value: fault.stall is 2, expected 0 to 1",
        ),
    ],
)
def test_the_rest_of_the_file(tmp_path: Path, more: str, said: str) -> None:
    """Limits out of range, names that mean nothing, events that cannot happen."""
    assert said in "\n".join(problems(tmp_path, ONE + more))


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Duplicate names, a GPU from the defaults that is unknown (told once, there), a limit for nobody."""
    assert problems(
        tmp_path,
        "name: wrong\n"
        "defaults: {gpu: h10, model: llama-3.1-8b}\n"
        "clusters:\n"
        "  - {name: a, region: us-west}\n"
        "  - {name: a, region: us-west}\n"
        "limits: {regions: {mars: 0.5}}\n",
    ) == [
        "2:17: gpu: unknown GPU 'h10', did you mean 'h100'?; the catalogue has a100, b200, h100, h200, mi300x",
        "5:12: name: there is a cluster 'a' already",
        "6:26: no cluster is in region 'mars'",
    ]


def test_no_clusters(tmp_path: Path) -> None:
    """A fleet is at least one."""
    (said,) = problems(tmp_path, "name: none\nclusters: []\n")
    assert said.startswith("2:11: clusters: ")


def test_files_of_front_doors(tmp_path: Path) -> None:
    """A cluster's own, else the defaults'; relative to the fleet's file; what is not there is said at its place."""
    (tmp_path / "mine.yaml").write_text("")
    (tmp_path / "all.yaml").write_text("")
    text = ONE.replace("clusters:", "defaults: {tenants: all.yaml}\nclusters:").replace(
        "region: us-west", "region: us-west, door: mine.yaml, count: 1"
    )
    (cluster,) = load_fleet(written(tmp_path, text)).clusters
    assert (cluster.door, cluster.tenants) == (tmp_path / "mine.yaml", tmp_path / "all.yaml")
    (tmp_path / "mine.yaml").unlink()
    (told,) = problems(tmp_path, text)
    assert told.startswith("4:")
    assert f"door: no file '{tmp_path / 'mine.yaml'}'" in told


def test_requests_per_s(tmp_path: Path) -> None:
    """Prefill and decode one after the other: 0.05 s of arithmetic and 0.08 s of memory here."""
    (cluster,) = load_fleet(written(tmp_path, ONE.replace("num_gpus: 2", "num_gpus: 4, max_num_seqs: 32"))).clusters
    # 1,000 prompt tokens × 2 × 68.5e9 operations over 4 × 989.5e12 × 0.7, and 32 rows of 139 + 10.5 GB over 9.38 TB/s.
    assert cluster.requests_per_s(1000, 0) == pytest.approx(1 / 0.0499, rel=0.02)
    assert cluster.capacity_tokens_per_s == pytest.approx(32 / 0.01594, rel=0.01)
    assert cluster.requests_per_s(1000, 160) == pytest.approx(1 / (0.0499 + 160 / 2007), rel=0.02)
