"""`serving.route`, `fault.lose` and drains against a real fleet: its own control API, its limits, and a recovery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.action.control import FLEET, ControlClient, ServingTarget
from opsbot.errors import ActionError
from opsbot.runbook.action import LeaseEnded
from tests.support.cut_transport import CutTransport
from tests.support.fleet_server import FleetServer, complete, fleet_serving, state
from tests.support.lease_actions import action_named, context
from tests.support.serving_server import CONTROL_TOKEN

pytestmark = pytest.mark.integration

FILE = """
name: four
defaults: {gpu: h100, model: llama-3.1-8b, max_num_seqs: 16, max_model_len: 2048}
clusters:
  - {name: w, region: west, countries: [US], count: 2}
  - {name: e, region: east, countries: [DE], count: 2}
limits: {fleet: 0.25, region: 1, model: 1}
"""
CLUSTERS = ("w-1", "w-2", "e-1", "e-2")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetServer]:
    """Four clusters in two regions, of which one may be out."""
    file: Path = tmp_path_factory.mktemp("fleet") / "four.yaml"
    file.write_text(FILE)
    with fleet_serving(tmp_path_factory.mktemp("state"), file) as server:
        yield server


@pytest.fixture
def network() -> CutTransport:
    """The way to it."""
    return CutTransport()


@pytest.fixture
async def control(fleet: FleetServer, network: CutTransport) -> AsyncIterator[ControlClient]:
    """A client of the fleet and of every cluster in it; nothing is left in force."""
    targets = {name: ServingTarget(f"{fleet.url}/clusters/{name}", CONTROL_TOKEN) for name in CLUSTERS}
    client = ControlClient(targets, network, fleet=ServingTarget(fleet.url, CONTROL_TOKEN))
    yield client
    for place in (FLEET, *CLUSTERS):
        for lease in await client.leases_in_force(place):
            await client.release(place, lease.lease_id, is_now=True)
    await client.close()


@pytest.fixture
def client(fleet: FleetServer) -> Iterator[httpx.Client]:
    """Somebody who asks through the router."""
    with fleet.client() as http:
        yield http


def weight(client: httpx.Client, name: str) -> float:
    """A cluster's weight in force."""
    return float(state(client)[name]["weight"])


@pytest.mark.parametrize(
    ("name", "more"), [("serving.route", {"factor": 0.5, "on_end": "release"}), ("fault.lose", {})]
)
async def test_a_lease_of_the_fleet_is_found_renewed_and_taken_back(
    control: ControlClient, network: CutTransport, name: str, more: dict[str, Any]
) -> None:
    """As any other, though it is the fleet that has it."""
    action = action_named(control, name)
    arguments, once = action.arguments.model_validate({"where": "w-1", **more}), context()
    assert action.locks(arguments) == (f"w-1/{name.removeprefix('serving.')}",)
    described = action.describe(arguments, await action.prior(arguments), 60.0)
    assert "w-1" in described.will_do
    network.fail("POST", "answer_lost")
    with pytest.raises(ActionError):
        await action.act(arguments, once)
    found = await action.find(arguments, once.idempotency_key)
    assert found is not None
    assert found.lease_id is not None
    await action.renew(arguments, found.lease_id, 600.0)
    assert "of the fleet has ended; nothing of it is in force" in await action.release(arguments, found.lease_id)
    with pytest.raises(LeaseEnded):
        await action.renew(arguments, found.lease_id, 60.0)


async def test_a_route_changes_a_weight(control: ControlClient, client: httpx.Client) -> None:
    """Of one cluster, until it is taken back; what is so already is told."""
    route = action_named(control, "serving.route")
    before = weight(client, "w-1")
    arguments = route.arguments.model_validate({"where": "w-1", "factor": 0.5, "on_end": "release"})
    outcome = await route.act(arguments, context())
    assert weight(client, "w-1") == before / 2
    described = route.describe(arguments, await route.prior(arguments), 60.0)
    assert described.will_do == (
        "multiply the traffic weight of w-1 by 0.5 for 1m at a time, renewed while the incident is open; "
        "now it is multiplied by 0.5"
    )
    assert outcome.lease_id is not None
    await route.release(arguments, outcome.lease_id)
    assert weight(client, "w-1") == before


async def test_a_lost_cluster_does_not_answer(control: ControlClient, client: httpx.Client) -> None:
    """And does again once the lease is gone."""
    lose = action_named(control, "fault.lose")
    arguments = lose.arguments.model_validate({"where": "e-1"})
    outcome = await lose.act(arguments, context())
    assert complete(client, root="/clusters/e-1").json()["error"]["code"] == "cluster_lost"
    assert outcome.lease_id is not None
    await lose.release(arguments, outcome.lease_id)
    assert complete(client, root="/clusters/e-1").status_code == 200


async def test_more_than_the_fleet_allows_is_refused_in_its_words(control: ControlClient) -> None:
    """The refusal names what is out already, is final, and leaves nothing behind."""
    drain, route = action_named(control, "serving.drain"), action_named(control, "serving.route")
    await drain.act(drain.arguments.model_validate({"cluster": "w-1"}), context())
    for action, arguments in ((drain, {"cluster": "e-1"}), (route, {"where": "e-1", "factor": 0.0})):
        with pytest.raises(ActionError, match=r"e-1 may not go out: limits\.fleet allows 25.0%") as raised:
            await action.act(action.arguments.model_validate(arguments), context())
        assert "w-1 (drained)" in str(raised.value)
        assert not raised.value.retryable
        assert not raised.value.outcome_unknown


async def test_a_place_that_the_fleet_has_not_is_refused(control: ControlClient) -> None:
    """With the names that it might be."""
    route = action_named(control, "serving.route")
    with pytest.raises(ActionError, match="there is no cluster or region 'wst'"):
        await route.act(route.arguments.model_validate({"where": "wst", "factor": 0.5}), context())


async def test_a_recovery_takes_back_the_fleet_s_leases_of_its_cluster_too(
    control: ControlClient, client: httpx.Client
) -> None:
    """A weight and a loss are the fleet's, but are in the cluster's way; other clusters keep theirs."""
    route, release = action_named(control, "serving.route"), action_named(control, "serving.release_all")
    for where in ("w-1", "w-2"):
        await route.act(route.arguments.model_validate({"where": where, "factor": 0.5}), context())
    drain = action_named(control, "serving.drain")
    await drain.act(drain.arguments.model_validate({"cluster": "w-1"}), context())
    before = weight(client, "w-2")
    outcome = await release.act(release.arguments.model_validate({"cluster": "w-1", "now": True}), context())
    assert outcome.outputs["released"] == 2
    assert weight(client, "w-1") == 2 * before
    assert weight(client, "w-2") == before


async def test_without_a_fleet_the_message_says_what_to_name() -> None:
    """Separate servers have no router of ours."""
    route = action_named(ControlClient({}), "serving.route")
    with pytest.raises(ActionError, match="name its address under `fleet` in"):
        await route.act(route.arguments.model_validate({"where": "w-1", "factor": 0.5}), context())
