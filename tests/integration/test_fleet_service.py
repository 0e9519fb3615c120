"""A live fleet over HTTP: its router, its leases and the limits on them, lost clusters and clusters that lie."""

from __future__ import annotations

import concurrent.futures
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from openai import OpenAI
from prometheus_client.parser import text_string_to_metric_families

from tests.support.door import tenants_file
from tests.support.fleet_server import FleetServer, complete, fleet_serving, lease, leased, state
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration

FLEET = """
name: six
defaults: {gpu: h100, model: llama-3.1-8b, max_num_seqs: 16, max_model_len: 2048}
clusters:
  - {name: w, region: west, countries: [US], count: 2}
  - {name: e, region: east, countries: [DE], count: 2}
  - {name: j, region: jp, countries: [JP], count: 2}
router: {max_view_age: 2s}
limits: {fleet: 0.35, region: 1, model: 0.35}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clusters in three regions; two of them may be out at once."""
    path = tmp_path_factory.mktemp("fleet") / "six.yaml"
    path.write_text(FLEET)
    return path


@pytest.fixture(scope="module")
def fleet(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetServer]:
    """The fleet without any load."""
    with fleet_serving(tmp_path_factory.mktemp("state"), file) as server:
        yield server


@pytest.fixture
def client(fleet: FleetServer) -> Iterator[httpx.Client]:
    """Somebody with the control token."""
    with fleet.client() as http:
        yield http


def served_by(client: httpx.Client, country: str, number: int = 6) -> Counter[str]:
    """Where requests of *country* go."""
    answers = [complete(client, country=country).raise_for_status() for _ in range(number)]
    return Counter(answer.headers["serving-cluster"] for answer in answers)


def outcomes(client: httpx.Client) -> dict[str, float]:
    """What became of simulated requests so far."""
    return {
        sample.labels["outcome"]: sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        if family.name == "serving_fleet_simulated_requests"
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def running_by_metrics(client: httpx.Client, cluster: str) -> float:
    """What a scrape of the cluster says."""
    (value,) = (
        sample.value
        for family in text_string_to_metric_families(client.get(f"/clusters/{cluster}/metrics").text)
        for sample in family.samples
        if sample.name == "vllm:num_requests_running"
    )
    return value


def test_requests_go_home(client: httpx.Client) -> None:
    """By the country that the header names; without one, anywhere."""
    assert set(served_by(client, "US")) == {"w-1", "w-2"}
    assert set(served_by(client, "JP")) == {"j-1", "j-2"}
    assert complete(client, country="").status_code == 200


def test_a_cluster_is_a_whole_server(fleet: FleetServer, client: httpx.Client) -> None:
    """OpenAI's own client streams from one, whose metrics, knobs and page are below its path."""
    with OpenAI(base_url=f"{fleet.url}/clusters/e-1/v1", api_key="none") as openai:
        stream = openai.chat.completions.create(
            model="llama-3.1-8b", messages=[{"role": "user", "content": "hi"}], max_tokens=5, stream=True
        )
        assert len([chunk for chunk in stream if chunk.choices[0].delta.content]) == 5
    text = client.get("/clusters/e-1/metrics").text
    families = {family.name for family in text_string_to_metric_families(text)}
    assert {"vllm:num_requests_running", "serving_batch_limit", "frontdoor_requests"} <= families
    assert not any(name.startswith("process_") for name in families)
    knobs = client.get("/clusters/e-1/control/v1/knobs").json()["knobs"]
    assert {"batch_limit", "shed", "drain", "fault.metrics_frozen"} <= {knob["knob"] for knob in knobs}
    assert "llama-3.1-8b" in client.get("/clusters/e-1/control", auth=("me", "control-token-of-tests")).text


def test_what_the_fleet_shows(fleet: FleetServer, client: httpx.Client) -> None:
    """Its clusters as data, as targets for Prometheus, as metrics and as a page; nothing of them needs a token."""
    until_sync(lambda: state(client)["w-1"]["trust"] == "believed")
    assert list(state(client)) == ["w-1", "w-2", "e-1", "e-2", "j-1", "j-2"]
    with fleet.client(token=False) as anybody:
        targets = anybody.get("/targets").json()
        assert len(targets) == 6
        labels = targets[0]["labels"]
        assert labels["cluster"] == "w-1"
        assert anybody.get(labels["__metrics_path__"]).status_code == 200
        assert targets[0]["targets"] == [fleet.url.removeprefix("http://")]
        page = anybody.get("/")
        assert "six" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert anybody.get("/health").status_code == 200
    assert fleet.metric("serving_fleet_weight", cluster="w-1") == 1
    models = client.get("/v1/models").json()["data"]
    assert [model["id"] for model in models] == ["llama-3.1-8b"]


def test_what_is_not_there(client: httpx.Client) -> None:
    """A cluster and a model that nobody has, with what is nearest."""
    missing = client.get("/clusters/w-3/health")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "cluster_not_found")
    assert "did you mean 'w-" in missing.json()["error"]["message"]
    assert complete(client, model="gpt-9").json()["error"]["code"] == "model_not_found"
    answer = client.post("/v1/completions", content=b"{")
    assert answer.status_code == 400


def test_limits_hold_whoever_drains(client: httpx.Client) -> None:
    """Of four drains at once, through four control APIs, two are granted; readmitting makes room again."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        names = ["w-1", "w-2", "e-1", "e-2"]
        answers = list(pool.map(lambda name: lease(client, "drain", cluster=name), names))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]
    out = [name for name, answer in zip(names, answers, strict=True) if answer.status_code == 201]
    refused = next(answer for answer in answers if answer.status_code == 409).json()["error"]
    assert refused["code"] == "outage_limit_exceeded"
    assert f"out already: {out[0]} (drained), {out[1]} (drained)" in refused["message"]
    until_sync(lambda: [name for name, one in state(client).items() if one["out"] == "drained"] == out)
    drained = complete(client, root=f"/clusters/{out[0]}")
    assert drained.json()["error"]["code"] == "draining"
    assert lease(client, "fence", cluster=out[0]).status_code == 201  # it is out already
    for number, name in enumerate(out):
        body = {"owner": "test", "reason": "a test", "idempotency_key": f"readmit-{number}"}
        client.post(f"/clusters/{name}/control/v1/readmit", json=body).raise_for_status()
    assert not any(one["out"] for one in state(client).values())
    with leased(client, "fence", cluster="j-2"):
        assert state(client)["j-2"]["out"] == "fenced"
        assert client.get("/clusters/j-2/health").status_code == 503
        assert set(served_by(client, "JP", 3)) == {"j-1"}
    for name in set(names) - set(out):
        notes = client.get(f"/clusters/{name}/control/v1/audit").json()["notes"]
        assert any("outage_limit_exceeded" in note["detail"] for note in notes)


def test_route(client: httpx.Client) -> None:
    """A factor moves traffic; 0 is an outage like any other, and counts beside a loss that comes meanwhile."""
    with leased(client, "route", {"where": "w-1", "factor": 0}):
        assert state(client)["w-1"]["out"] == "weight 0"
        assert set(served_by(client, "US")) == {"w-2"}
        with leased(client, "fault.lose", {"where": "e-1"}):
            more = lease(client, "route", {"where": "j-1", "factor": 0}).json()["error"]
            assert more["code"] == "outage_limit_exceeded"
            assert "w-1 (weight 0), e-1 (lost)" in more["message"]
            with leased(client, "route", {"where": "jp", "factor": 0.5}):
                assert state(client)["j-2"]["weight"] == 0.5
    assert state(client)["w-1"]["out"] is None
    both = lease(client, "route", {"where": "west", "factor": 0})
    assert both.status_code == 201
    third = lease(client, "drain", cluster="e-1")
    assert third.status_code == 409
    path = f"/control/v1/leases/{both.json()['lease_id']}"
    client.delete(path, params={"now": "true"}).raise_for_status()
    unknown = lease(client, "route", {"where": "wst", "factor": 0}).json()["error"]
    assert (unknown["code"], "did you mean 'west'" in unknown["message"]) == ("invalid_value", True)
    assert lease(client, "route", {"where": "w-1", "factor": -1}).json()["error"]["code"] == "invalid_value"


def test_a_lost_cluster(client: httpx.Client) -> None:
    """Nothing of it answers, what runs on it ends, nobody is sent there; then it is back."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with leased(client, "fault.slow_step_ms", 100, cluster="j-1"):
            running = pool.submit(complete, client, root="/clusters/j-1", max_tokens=1000)
            until_sync(lambda: state(client)["j-1"]["running"] == 1)
            with leased(client, "fault.lose", {"where": "j-1"}):
                assert running.result(20).status_code == 503
                for path in ("health", "metrics", "control/v1/knobs"):
                    answer = client.get(f"/clusters/j-1/{path}")
                    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "cluster_lost")
                assert state(client)["j-1"]["out"] == "lost"
                assert set(served_by(client, "JP", 3)) == {"j-2"}
        until_sync(lambda: set(served_by(client, "JP")) == {"j-1", "j-2"})


def test_a_region_lost(client: httpx.Client) -> None:
    """Its countries are served elsewhere."""
    with leased(client, "fault.lose", {"where": "jp"}):
        assert set(served_by(client, "JP")) <= {"w-1", "w-2", "e-1", "e-2"}
    with leased(client, "fault.lose", {"where": "west"}), leased(client, "fault.lose", {"where": "east"}):
        with leased(client, "fault.lose", {"where": "jp"}):
            nowhere = complete(client)
            assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (503, "all_out")
            assert client.get("/health").status_code == 503
        assert complete(client, country="US").status_code == 200


def test_a_cluster_that_lies(client: httpx.Client) -> None:
    """Frozen metrics look new and show an empty cluster: the router's own count gives them away."""
    with (
        leased(client, "fault.slow_step_ms", 200, cluster="e-1"),
        leased(client, "route", {"where": "e-2", "factor": 0}),
    ):
        until_sync(lambda: state(client)["e-1"]["running"] == 0)
        with leased(client, "fault.metrics_frozen", 1, cluster="e-1"), concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert running_by_metrics(client, "e-1") == 0  # as a scraper sees it, each second
            sent = [pool.submit(complete, client, country="DE", max_tokens=30) for _ in range(8)]
            until_sync(lambda: state(client)["e-1"]["trust"] == "contradicted")
            # Who scrapes the cluster is told that nobody is there; the router says what it made of the same view.
            assert running_by_metrics(client, "e-1") == state(client)["e-1"]["running"] == 0
            assert 0.4 < state(client)["e-1"]["load"] < 1
            assert all(one.result(30).status_code == 200 for one in sent)
    until_sync(lambda: state(client)["e-1"]["trust"] == "believed")


def test_a_cluster_that_shows_nothing(client: httpx.Client) -> None:
    """Without metrics its view grows old, and is not believed any more; it serves as ever."""
    with leased(client, "fault.metrics_blackout", 1, cluster="e-1"):
        until_sync(lambda: state(client)["e-1"]["trust"] == "too_old")
        assert complete(client, root="/clusters/e-1").status_code == 200
    until_sync(lambda: state(client)["e-1"]["trust"] == "believed")


def test_nobody_writes_without_a_token(fleet: FleetServer) -> None:
    """Neither to the fleet nor to a cluster."""
    with fleet.client(token=False) as anybody:
        assert lease(anybody, "route", {"where": "w-1", "factor": 0}).status_code == 401
        assert lease(anybody, "drain", cluster="w-1").status_code == 401
        assert anybody.get("/control").status_code == 401


def test_leases_outlive_the_process(file: Path, tmp_path: Path) -> None:
    """Killed and started again, a drain and a route are as they were, and limits count them."""
    with fleet_serving(tmp_path, file) as server, server.client() as client:
        lease(client, "drain", cluster="w-1").raise_for_status()
        lease(client, "route", {"where": "e-1", "factor": 0}).raise_for_status()
        server.kill()
    with fleet_serving(tmp_path, file) as server, server.client() as client:
        assert {name: one["out"] for name, one in state(client).items() if one["out"]} == {
            "w-1": "drained",
            "e-1": "weight 0",
        }
        assert lease(client, "drain", cluster="j-1").status_code == 409
        assert server.terminate() == 0


def test_simulated_load_passes_the_door(file: Path, tmp_path: Path) -> None:
    """Arrivals are served, routed home, counted by country, and turned away by a shed; the file's events come about."""
    busy = tmp_path / "busy.yaml"
    events = """
events:
  - {at: 0s, fault: {where: w-1, knob: fault.slow_step_ms, value: 5, for: 30s}}
  - {at: 2s, lose: jp}
  - {at: 4s, restore: jp}
"""
    busy.write_text(FLEET + events)
    arguments = ("--scenario", "region_lost", "--rate", "60", "--duration", "12")
    with fleet_serving(tmp_path / "state", busy, *arguments) as server, server.client() as client:
        until_sync(lambda: outcomes(client).get("served", 0) > 20, 20)
        (fault,) = client.get("/clusters/w-1/control/v1/leases").json()["leases"]
        assert (fault["knob"], fault["in_force"]) == ("fault.slow_step_ms", 5)
        until_sync(lambda: state(client)["j-1"]["out"] == "lost")
        until_sync(lambda: state(client)["j-1"]["out"] is None)
        for name in state(client):
            if state(client)[name]["out"] is None:
                lease(client, "shed", {"fraction": 1.0}, cluster=name)
        until_sync(lambda: outcomes(client).get("shed", 0) > 0)
        until_sync(lambda: any("the scenario is over" in line for line in server.output), 30)
        countries = client.get("/clusters/e-1/metrics").text
        assert 'frontdoor_requests_by_country_total{country="DE"}' in countries


def test_a_cluster_with_tenants_of_its_own(tmp_path: Path) -> None:
    """It asks for keys, its neighbour does not; simulated requests come from the tenants that they name."""
    key = "sk-test-key-of-the-fleet"
    classes = [{"name": "paid", "priority": 1}]
    tenants_file(tmp_path, {key: "paid"}, classes=classes)
    path = tmp_path / "two.yaml"
    path.write_text(
        "name: two\ndefaults: {gpu: h100, model: llama-3.1-8b, max_num_seqs: 8}\nclusters:\n"
        "  - {name: keyed, region: r, countries: [US], tenants: tenants.yaml}\n  - {name: open, region: s}\n"
    )
    trace = tmp_path / "trace.jsonl"
    line = {"at_s": 0.1, "country": "US", "model": "llama-3.1-8b", "prompt_tokens": 9, "answer_tokens": 3}
    trace.write_text("".join(json.dumps({**line, "tenant": name}) + "\n" for name in ("org-paid", "org-unknown")))
    with fleet_serving(tmp_path / "state", path, "--trace", str(trace)) as server, server.client(token=False) as client:
        until_sync(lambda: any("2 requests, 2 served" in line for line in server.output))
        counted = client.get("/clusters/keyed/metrics").text
        assert 'frontdoor_requests_total{class="paid"' in counted
        assert complete(client, root="/clusters/keyed").status_code == 401
        authorized = {"Authorization": f"Bearer {key}"}
        body = {"prompt": "hello", "max_tokens": 2}
        assert client.post("/clusters/keyed/v1/completions", json=body, headers=authorized).status_code == 200
        assert complete(client, root="/clusters/open").status_code == 200


def test_a_trace_with_rubbish(file: Path, tmp_path: Path) -> None:
    """Bad lines are told with their place; the others are played."""
    trace = tmp_path / "trace.jsonl"
    good = (
        '{"at_s": 0.1, "country": "US", "tenant": "t", "model": "llama-3.1-8b", "prompt_tokens": 9, "answer_tokens": 3}'
    )
    trace.write_text(f"{good}\nrubbish\n{good}\n")
    with fleet_serving(tmp_path / "state", file, "--trace", str(trace)) as server:
        until_sync(lambda: any("the scenario is over: 2 requests, 2 served" in line for line in server.output))
        assert any("trace.jsonl:2" in line for line in server.output)
