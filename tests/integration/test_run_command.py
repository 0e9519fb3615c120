"""The command line about runs, against core's API on a real port, a real store and the real executor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from opsbot.alert.policy import AlertPolicy
from opsbot.cli import main
from opsbot.desk import Desk
from opsbot.incident.handle import handle_of
from opsbot.listen import bind, serve
from opsbot.people import Role, person_for
from opsbot.runbook.case import announcement_id, approval_id
from opsbot.telemetry import CoreMetrics
from opsbot.web.app import CoreApi
from opsbot.web.tokens import Tokens
from tests.support.no_runs import NoRuns
from tests.support.ports import free_port
from tests.support.run_people import RunPeople, notes

pytestmark = pytest.mark.integration

PEOPLE: dict[str, tuple[Role, ...]] = {"ann": ("responder",), "chief": ("commander",)}
ASKS = "approval: {from: responder, timeout: 10m}"
ANNOUNCES = 'announce: {message: "the note is written", for: 10m, call_for_capacity: true}'


class World(RunPeople):
    """Core with its API on a port, and `opsbot` typed by somebody."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        people = [
            {"user": f"cli:{name}", "roles": list(roles), "token_env": f"TOKEN_{name.upper()}"}
            for name, roles in PEOPLE.items()
        ]
        settings = {
            "version": 1, "data_dir": str(folder / "data"), "core": {"port": self.port}, "people": people,
            "serving": [{"cluster": "local", "url": "http://127.0.0.1:9"}], "runbooks": [], "alert_rules": [],
        }  # fmt: skip
        (folder / "opsbot.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    async def type(self, *words: str, who: str = "ann") -> Result:
        """`opsbot <words>`, as one of PEOPLE."""
        environment = {f"TOKEN_{name.upper()}": None for name in PEOPLE}
        environment |= {f"TOKEN_{who.upper()}": who * 8, "OPSBOT_API_TOKEN": "machine-token-of-tests"}  # type: ignore[dict-item]
        arguments = [*words, "--config", str(self.folder / "opsbot.yaml")]
        return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=environment)

    async def says(self, *words: str, who: str = "ann") -> str:
        """What it prints where it succeeds."""
        done = await self.type(*words, who=who)
        assert done.exit_code == 0, done.output
        return done.output


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One for each test, with a running executor."""
    made = World(tmp_path)
    made.put(notes())
    async with made.executing() as executor:
        desk = Desk(made.stores, NoRuns(), AlertPolicy(), lambda alert: [], lambda: None, made.clock)
        tokens = Tokens.of("machine-token-of-tests", {name * 8: f"cli:{name}" for name in PEOPLE})
        roles = {f"cli:{name}": frozenset(roles) for name, roles in PEOPLE.items()}
        api = CoreApi(
            desk, tokens, lambda user: person_for(user, roles, "API"), CoreMetrics(), lambda: None, lambda: {},
            runs=made.desk(executor),
        )  # fmt: skip
        serving = asyncio.create_task(serve(api.app, bind("127.0.0.1", made.port)))
        yield made
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    await made.close()


async def test_a_run_is_started_and_followed_to_its_end(world: World) -> None:
    """Its name first, then each step as it is made."""
    said = (await world.says("run", "two-notes", "--cluster", "local", "--set", "word=hi", "--wait")).splitlines()
    assert said[0].endswith("runs “Write two notes” for INC-1; `cancel " + said[0].split()[0] + "` takes it back.")
    assert [line.strip() for line in said[1:3]] == [
        "✓ Write the first note  wrote first hi",
        "✓ Write the second note  wrote second",
    ]
    assert "Write two notes: succeeded" in said[-1]
    assert world.note.written() == ["first hi", "second"]


async def test_following_a_run_that_fails_says_so_with_its_exit_status(world: World) -> None:
    """For scripts."""
    world.note.faults = ["refused"]
    done = await world.type("run", "two-notes", "--wait")
    assert done.exit_code == 1
    assert "✗ Write the first note  the pen is empty" in done.output


async def test_what_runs_is_listed_with_what_to_type(world: World) -> None:
    """Approval, announcement, unknown outcome: each with its command; then it is over."""
    run_id = world.fire("list", notes(first=ASKS, second=ANNOUNCES))
    handle, approval = handle_of(run_id), approval_id(run_id, "first")
    await world.until_run(run_id, "waiting")
    said = await world.says("runs")
    assert said.startswith(f"{handle}  Write two notes: waiting")
    assert f"opsbot approve {approval}" in said
    assert (await world.says("approve", approval[:9])).startswith("You have granted it")
    await world.until_step(run_id, "second", "announcing")
    announcement = announcement_id(run_id, "second")
    assert f"opsbot object {announcement}" in await world.says("runs")
    assert (await world.says("offer-capacity", announcement)).startswith("Your offer is on the timeline")
    refused = await world.type("go-now", announcement)
    assert (refused.exit_code, "the role commander is needed; cli:ann has responder" in refused.output) == (1, True)
    assert (await world.says("go-now", announcement, who="chief")).startswith("It is done now")
    await world.until_run(run_id, "succeeded")
    assert await world.says("runs") == "no runs under way; `opsbot runs --all` lists those that are over\n"
    assert (await world.says("runs", "--all")).startswith(f"{handle}  Write two notes: succeeded")


async def test_each_verb_reaches_its_run(world: World) -> None:
    """By its handle, with a sentence that says how to take it back."""
    run_id = world.fire("verbs", notes(first=ASKS, second=ASKS))
    handle = handle_of(run_id)
    await world.until_run(run_id, "waiting")
    assert f"`resume {handle}` lets it go on" in await world.says("pause", handle, "wait")
    assert "paused  by cli:ann: wait" in (await world.says("runs"))
    assert f"`pause {handle}` stops it again" in await world.says("resume", handle)
    assert "is left out" in await world.says("skip", handle, "first", "by hand")
    await world.until_step(run_id, "second", "waiting_approval")
    assert await world.says("refuse", approval_id(run_id, "second")) == "You have refused it; nothing was changed.\n"
    await world.until_run(run_id, "cancelled")
    assert "repeats it from the step second on" in await world.says("retry", handle, "--from", "second")
    next_handle = handle_of(run_id.removesuffix("1") + "2")
    await world.until_run(run_id.removesuffix("1") + "2", "waiting")
    assert "makes no further step" in await world.says("cancel", next_handle, "enough")
    await world.until_run(run_id.removesuffix("1") + "2", "cancelled", "undone")


async def test_an_unknown_outcome_is_settled(world: World) -> None:
    """As the list of runs says."""
    world.note.faults = ["lost"]
    run_id = world.fire("settle", notes())
    handle = handle_of(run_id)
    await world.until_step(run_id, "first", "unknown")
    assert f"opsbot settle {handle} first happened (or: not)" in await world.says("runs")
    assert (await world.says("settle", handle, "first", "happened")).startswith(f"{handle} goes on")
    await world.until_run(run_id, "succeeded")


async def test_the_glass_is_broken_with_a_reason(world: World) -> None:
    """By a commander only."""
    run_id = world.fire("glass", notes(first="approval: {from: responder, count: 3, timeout: 10m}"))
    await world.until_run(run_id, "waiting")
    approval = approval_id(run_id, "first")
    assert (await world.type("approve", approval, "--glass", "all asleep")).exit_code == 1
    assert "approved it alone" in await world.says("approve", approval, "--glass", "all asleep", who="chief")
    await world.until_run(run_id, "succeeded")


async def test_everything_is_stopped_and_goes_on(world: World) -> None:
    """The list of runs says it on top."""
    assert "`go-on` lifts it" in await world.says("stop-all", "the region is down", who="chief")
    assert (await world.says("runs")).startswith("ALL RUNS ARE STOPPED by cli:chief: the region is down")
    assert (await world.type("go-on")).exit_code == 1
    assert await world.says("go-on", who="chief") == "Runs go on; `stop-all` stops them again.\n"


async def test_knobs_are_held_and_let_go(world: World) -> None:
    """With until when, whose and why."""
    assert await world.says("holds") == "nobody holds a knob\n"
    assert "`unhold 1` lifts it" in await world.says("hold", "eu-1/batch_limit", "--for", "1h", "the rack moves")
    assert (await world.says("holds")).startswith("1  eu-1/batch_limit  until 20")
    assert "cli:ann: the rack moves" in await world.says("holds")
    assert (await world.says("unhold", "1")).startswith("Runs may turn eu-1/batch_limit again")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "two-note"), "there is no runbook 'two-note', did you mean 'two-notes'?"),
        (("run", "two-notes", "--set", "word"), "--set word: write NAME=VALUE"),
        (("run", "two-notes", "--set", "times=many"), "times: 'many' is no integer"),
        (("cancel", "r-123456", "why"), "there is no run r-123456; `opsbot runs --all` lists them"),
        (("hold", "eu-1/x", "--for", "long", "why"), "--for: "),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(world: World, words: tuple[str, ...], said: str) -> None:
    """And the exit status is 1."""
    done = await world.type(*words)
    assert done.exit_code == 1
    assert said in done.output
    assert done.output.count("\n") == 1


async def test_a_preview_says_what_a_verb_would_do_and_changes_nothing(world: World) -> None:
    """In lines for a person, in JSON for a program; a run's handle names the approval that it asks for."""
    world.library.clear()
    world.put(notes(first=ASKS))
    await world.says("run", "two-notes", "--cluster", "local")
    (run,) = await asyncio.to_thread(world.views.runs, include_finished=False)
    await world.until_run(run.run_id, "waiting")
    told = await world.says("preview", "approve", run.handle, who="chief")
    assert told.startswith(f"“Write two notes” ({run.handle}) for INC-1\n1. Write the first note  (note.write)")
    assert "decides: responders" in told
    found = json.loads(await world.says("preview", "cancel", run.handle, "--json"))
    assert found["afterwards"] == ["Not made any more: Write the first note, Write the second note."]
    assert len(found["digest"]) == 64
    started = await world.says("preview", "start", "two-notes", "--cluster", "local", "--set", "word=x")
    assert "“Write two notes” on local for an incident of its own, with word=x, times=1" in started
    refused = await world.type("preview", "stop_all")
    assert refused.exit_code == 1
    assert "the role commander is needed" in refused.output
    assert world.note.written() == []
    await world.says("approve", run.handle, "--yes", who="chief")
    await world.until_run(run.run_id, "succeeded")
