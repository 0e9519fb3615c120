"""`slack.post`, `review.open`, `pagerduty.trigger`, `silence.*` over a real store: each once, however often asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsbot.action.parts import ShippedParts
from opsbot.action.registry import shipped_actions
from opsbot.errors import ActionError
from opsbot.runbook.action import Action, ActionContext, Outcome
from opsbot.store.pages import PageRepository
from tests.support.alerts import firing
from tests.support.certificate import Certificate, make_certificate
from tests.support.fake_pagerduty import FakePagerDuty
from tests.support.paging import ANN, World
from tests.support.watching import served

pytestmark = pytest.mark.integration

CONTEXT = ActionContext("run:a:1:1:1", "run:a:1:1:1:say:1", "INC-1: say", None, "INC-1")


@pytest.fixture
def service() -> FakePagerDuty:
    """PagerDuty."""
    return FakePagerDuty()


@pytest.fixture
async def world(tmp_path: Path, service: FakePagerDuty) -> AsyncIterator[World]:
    """A core with one open incident, that pages."""
    authority: Certificate = make_certificate(tmp_path)
    async with served(service.app, certificate=authority) as url:
        made = World(tmp_path, url, service.routing_key, authority.ca_file)
        await made.desk.ingest([firing()])
        yield made
        await made.close()


def action_of(world: World, name: str) -> Action[Any]:
    """One of the actions over that store."""
    parts = ShippedParts(
        clock=world.clock,
        record=world.stores.incidents,
        silences=world.stores.silences,
        pager=PageRepository(world.database),
        longest_silence_s=3600.0,
    )
    return shipped_actions(parts).get(name)


async def act(world: World, name: str, context: ActionContext = CONTEXT, **arguments: Any) -> Outcome:
    """Do it."""
    action = action_of(world, name)
    return await action.act(action.arguments.model_validate(arguments), context)


async def test_a_message_is_said_once(world: World) -> None:
    """In the thread, durably; the same key again says nothing more, and is found."""
    say = action_of(world, "slack.post")
    arguments = say.arguments.model_validate({"text": "Shedding *free* <now>"})
    assert await say.find(arguments, CONTEXT.idempotency_key) is None
    for _ in range(2):
        outcome = await say.act(arguments, CONTEXT)
    assert await say.find(arguments, CONTEXT.idempotency_key) == outcome
    assert (await world.said()).count("Shedding *free* <now>") == 1
    item = world.stores.outbox.item(f"timeline:{CONTEXT.idempotency_key}")
    assert item is not None
    assert item.incident_id == "INC-1"


@pytest.mark.parametrize("to_channel", [False, True])
async def test_the_whole_channel_hears_it_where_asked(world: World, to_channel: bool) -> None:
    """Else the thread alone."""
    await act(world, "slack.post", text="hello", to_channel=to_channel)
    entry = world.stores.incidents.entry(CONTEXT.idempotency_key)
    assert entry is not None
    assert (entry.is_broadcast, entry.actor, entry.kind) == (to_channel, "opsbot", "run.said")


async def test_a_drill_says_that_it_is_one(world: World) -> None:
    """Whoever reads it must not be frightened."""
    await act(world, "slack.post", replace(CONTEXT, is_drill=True), text="hello")
    assert (await world.said())[-1] == "DRILL: hello"


async def test_a_review_stands_in_the_postmortem(world: World) -> None:
    """As a task to tick off."""
    import dataclasses

    from opsbot.postmortem.document import document

    await act(world, "review.open", task="Why did the cache fill?")
    view = dataclasses.asdict(await world.desk.incident("INC-1"))
    text = document(view, [], [], 1e9)
    assert "## To review\n\n- [ ] Why did the cache fill?\n" in text
    assert "To review: Why did the cache fill?" in (await world.said())[-1]


async def test_somebody_is_paged_again_once(world: World, service: FakePagerDuty) -> None:
    """Whoever had closed the page there is paged anew; the same step again pages nobody."""
    await world.turn()
    assert service.told == ["trigger INC-1"]
    PageRepository(world.database).told("INC-1", "resolve:by hand")
    for _ in range(3):
        outcome = await act(world, "pagerduty.trigger", reason="nobody looks")
        await world.turn(1)
    assert outcome.outputs == {"is_paged": True}
    assert service.told == ["trigger INC-1", "trigger INC-1"]
    assert (await world.said()).count("Paging: nobody looks") == 1


async def test_a_severity_that_does_not_page_is_paged_all_the_same(world: World, service: FakePagerDuty) -> None:
    """Whoever writes the runbook says so."""
    await world.turn()
    quiet = firing("Slow", cluster="eu-2")
    await world.desk.ingest([replace(quiet, labels={**quiet.labels, "severity": "low"})])
    await world.turn(1)
    assert service.told == ["trigger INC-1"]
    again = replace(CONTEXT, incident_id="INC-2", idempotency_key="run:b:1:1:1:page:1")
    assert (await act(world, "pagerduty.trigger", again, reason="it matters")).outputs == {"is_paged": True}
    await world.turn(1)
    assert service.told == ["trigger INC-1", "trigger INC-2"]


async def test_nobody_is_paged_for_what_somebody_has(world: World, service: FakePagerDuty) -> None:
    """The step says so instead."""
    await world.turn()
    await world.desk.acknowledge("INC-1", ANN)
    await world.turn(1)
    outcome = await act(world, "pagerduty.trigger", reason="nobody looks")
    await world.turn(1)
    assert outcome.outputs == {"is_paged": False}
    assert outcome.text == "Nobody is paged: the incident is over, or somebody has it"
    assert service.told == ["trigger INC-1", "acknowledge INC-1"]


async def test_without_a_pager_the_step_says_what_to_name() -> None:
    """Before anybody is asked to approve it."""
    action = shipped_actions(ShippedParts()).get("pagerduty.trigger")
    with pytest.raises(ActionError, match="name one under `paging`"):
        await action.prior(action.arguments.model_validate({"reason": "x"}))


async def test_a_silence_is_set_once_and_taken_back_by_the_step_s_undo(world: World) -> None:
    """The undo finds what its step has set by the step's key."""
    create = action_of(world, "silence.create")
    arguments = create.arguments.model_validate(
        {"matchers": ['cluster="eu-1"'], "duration": "30m", "reason": "the cluster is drained"}
    )
    assert create.describe(arguments, await create.prior(arguments), None).will_do == (
        'hide new alerts with cluster="eu-1" for 30m: the cluster is drained'
    )
    assert await create.find(arguments, CONTEXT.idempotency_key) is None
    outcome = await create.act(arguments, CONTEXT)
    world.clock.advance(60)
    again = await create.act(arguments, CONTEXT)
    assert again == await create.find(arguments, CONTEXT.idempotency_key)
    assert outcome.outputs == again.outputs == {"silence_id": "SIL-1"}
    (silence,) = await world.desk.silences()
    assert (silence.created_by, silence.reason) == ("opsbot", "the cluster is drained")

    undo = replace(CONTEXT, idempotency_key=f"{CONTEXT.idempotency_key}:undo")
    assert (await act(world, "silence.expire", undo)).outputs == {"silence_id": "SIL-1"}
    assert await world.desk.silences() == ()
    assert (await act(world, "silence.expire", undo)).text == "SIL-1 is over already"


async def test_a_silence_ends_by_its_id(world: World) -> None:
    """Whoever has set it; one that never was is an error."""
    await world.desk.silence(['cluster="eu-1"'], 600, "a person's", ANN)
    assert (await act(world, "silence.expire", silence_id="SIL-1")).text.startswith("SIL-1 is over")
    with pytest.raises(ActionError, match="there is no silence SIL-7"):
        await act(world, "silence.expire", silence_id="SIL-7")
    with pytest.raises(ActionError, match="needs `silence_id`, unless it is the undo"):
        await act(world, "silence.expire")


async def test_a_silence_is_bounded_as_anybody_s(world: World) -> None:
    """By `alerting.max_silence`, and before anybody is asked to approve it."""
    create = action_of(world, "silence.create")
    arguments = create.arguments.model_validate(
        {"matchers": ['cluster="eu-1"'], "duration": "2h", "reason": "the cluster is drained"}
    )
    for call in (create.prior(arguments), create.act(arguments, CONTEXT)):
        with pytest.raises(ActionError, match="a silence lasts at most 1h"):
            await call
    with pytest.raises(ValueError, match="matchers"):
        create.arguments.model_validate({"matchers": ["cluster"], "duration": "2h", "reason": "because"})


@pytest.mark.parametrize("name", ["slack.post", "review.open", "silence.create", "silence.expire"])
async def test_without_a_store_nothing_is_pretended(name: str) -> None:
    """Where files are only checked there is nobody to tell."""
    action = shipped_actions(ShippedParts(longest_silence_s=60)).get(name)
    given: dict[str, dict[str, Any]] = {
        "slack.post": {"text": "x"},
        "review.open": {"task": "x"},
        "silence.create": {"matchers": ['a="b"'], "duration": "1m", "reason": "because"},
        "silence.expire": {"silence_id": "SIL-1"},
    }
    with pytest.raises(ActionError, match="it runs in core alone"):
        await action.act(action.arguments.model_validate(given[name]), CONTEXT)
