"""What people type to a cluster: over Socket Mode, through a real core, to a real server, and back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from opsbot.cli import main
from tests.support.door import door_file
from tests.support.live_core import ENVIRONMENT, live_core
from tests.support.serving_server import CONTROL, ServingServer, serving
from tests.support.slack_role import until
from tests.support.small_slack import SmallSlack, small_slack

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """A server with the tiny model and a door."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder / "leases.jsonl", "--door", door_file(folder)) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Night:
    """Slack, the bot behind it, and the server."""

    slack: SmallSlack
    server: ServingServer
    settings: Path

    async def says(self, text: str, user: str = "U0ONCALL") -> str:
        """What `/ops <text>` is answered."""
        before = len(self.slack.responses)
        await self.slack.type(user, text)
        await until(lambda: len(self.slack.responses) > before)
        return str(self.slack.responses[-1]["text"])

    async def in_force(self, knob: str) -> dict[str, object]:
        """One knob as the server has it."""
        async with httpx.AsyncClient(base_url=self.server.url, headers=CONTROL, trust_env=False) as http:
            knobs = (await http.get("/control/v1/knobs")).json()["knobs"]
        return dict(next(one for one in knobs if one["knob"] == knob))

    async def until_batch(self, limit: int) -> None:
        """Wait until the batch limit is so."""
        await eventually(lambda: self._is_batch(limit))

    async def until_shed(self, *, is_on: bool) -> None:
        """Wait until somebody is turned away, or nobody."""
        await eventually(lambda: self._is_shed(is_on))

    async def _is_batch(self, limit: int) -> bool:
        return (await self.in_force("batch_limit"))["in_force"] == limit

    async def _is_shed(self, is_on: bool) -> bool:
        return bool((await self.in_force("shed"))["layers"]) is is_on


@pytest.fixture
async def night(server: ServingServer, tmp_path: Path) -> AsyncIterator[Night]:
    """Nothing is set at first, and nothing at the end."""
    async with small_slack() as slack, live_core(tmp_path, slack, server.url) as settings:
        yield Night(slack, server, settings)
    async with httpx.AsyncClient(base_url=server.url, headers=CONTROL, trust_env=False) as http:
        for state in ("live", "ramping", "holding"):
            for lease in (await http.get("/control/v1/leases", params={"state": state})).json()["leases"]:
                await http.delete(f"/control/v1/leases/{lease['lease_id']}", params={"now": "true"})


async def eventually(is_so: Callable[[], Awaitable[bool]], within_s: float = 20.0) -> None:
    """Ask ten times a second until it is so."""
    for _ in range(round(10 * within_s)):
        if await is_so():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not so within {within_s:g} s")


def handle_in(text: str) -> str:
    """The run that an answer names."""
    found = re.search(r"r-[0-9a-f]{6,}", text)
    assert found is not None, text
    return found[0]


async def test_a_batch_limit_is_set_shown_and_taken_back(night: Night) -> None:
    """The answer says from what to what, for how long, and what takes it back; `off` does."""
    base = int(str((await night.in_force("batch_limit"))["base"]))
    said = await night.says("batch EU1 2 for 10 min because KV is full")
    assert f"set the batch limit of eu-1 from {base} to 2 for 10m, because KV is full." in said
    assert "Done; held for 10m, until" in said
    handle = handle_in(said)
    assert f"Take it back: `/ops undo {handle}`, or `/ops batch eu-1 off`." in said
    await night.until_batch(2)

    shown = await night.says("batch eu-1")
    assert f"The batch limit of eu-1 is 2 now; the server was started with {base}." in shown
    assert f"2 by {handle}" in shown
    assert "`/ops batch eu-1 off` takes back what was set by hand." in shown

    assert "Taking it back now" in await night.says("batches eu-1 release")
    await night.until_batch(base)
    assert "nobody has set the batch limit of eu-1 by hand" in await night.says("batch eu-1 off")


async def test_a_batch_limit_is_given_back_when_its_time_is_over_and_the_incident_with_it(night: Night) -> None:
    """Nobody has to think of it; the incident that was open for the run alone ends too."""
    base = int(str((await night.in_force("batch_limit"))["base"]))
    await night.says("batch eu-1 -50% for 5s")
    await night.until_batch(base // 2)
    assert "1 open" in await night.says("status")
    await night.until_batch(base)

    async def is_quiet() -> bool:
        return "Nothing is open." in await night.says("status")

    await eventually(is_quiet)


async def test_the_later_limit_takes_the_place_of_the_earlier(night: Night) -> None:
    """Also a higher one, which would be hidden under it."""
    await night.says("batch eu-1 2 for 10m")
    await night.until_batch(2)
    await night.says("batch eu-1 3 for 10m")
    await night.until_batch(3)
    await night.says("batch eu-1 off")


async def test_half_of_the_callers_need_a_second_person(night: Night) -> None:
    """Whoever asked is told of whom it waits, and cannot approve it; the other can."""
    said = await night.says("shed eu-1 50% 15m because the queue grows")
    assert "It waits for a responder, not whoever asked to approve it" in said
    assert (await night.in_force("shed"))["layers"] == []
    approval = re.search(r"`/ops (approve \S+)`", said)
    assert approval is not None
    assert "somebody else must approve" in await night.says(approval[1])
    await night.says(approval[1], user="U0SECOND")
    await night.until_shed(is_on=True)
    shown = await night.says("shed eu-1")
    assert "up to 50% of the callers are turned away" in shown
    await night.says("shed eu-1 off")


async def test_a_fifth_is_turned_away_at_once(night: Night) -> None:
    """And let back in by Undo of the run that was named."""
    said = await night.says("shed 20 % of callers on eu-1 for 1h30")
    assert "turn away 20% of all requests on eu-1 (now nobody is turned away) for 1h30m" in said
    await night.until_shed(is_on=True)
    await night.says(f"undo {handle_in(said)}")
    await night.until_shed(is_on=False)


async def test_a_failwhale_waits_for_a_commander_and_a_fallback_for_two_of_trust_and_safety(night: Night) -> None:
    """`off` takes back what only waits, too."""
    said = await night.says("failwhale eu-1 on because the launch overruns us")
    assert "It waits for a commander to approve it" in said
    await night.says("failwhale eu-1 off")
    said = await night.says("fallback eu-1 tenant=acme for 1h because it insults people")
    assert "It waits for 2 people, each trust and safety, not whoever asked to approve it" in said
    await night.says("fallback eu-1 off")
    assert "eu-1: the failwhale is not up." in await night.says("failwhale eu-1")


async def test_a_dialog_shows_the_plan_before_it_is_done(night: Night) -> None:
    """`/ops batch` alone asks; what is filled in is shown with the values now; submitted once more, it is done."""
    slack = night.slack
    base = int(str((await night.in_force("batch_limit"))["base"]))

    def view_of(callback_id: str) -> str | None:
        return next((name for name, view in slack.views.items() if view["callback_id"] == callback_id), None)

    await slack.type("U0ONCALL", "batch", trigger_id="t-1")
    await until(lambda: view_of("ops.form") is not None)
    form = view_of("ops.form")
    assert form is not None
    values = {
        "cluster": {"pick": {"type": "static_select", "selected_option": {"value": "eu-1"}}},
        "limit": {"limit": {"type": "number_input", "value": "2"}},
        "length": {"length": {"type": "static_select", "selected_option": {"value": "10m"}}},
        "reason": {"reason": {"type": "plain_text_input", "value": "KV is full"}},
    }
    known = set(slack.views)
    await slack.submit("U0ONCALL", form, values)
    await until(lambda: bool(set(slack.views) - known))
    (plan,) = set(slack.views) - known
    await until(lambda: f"from {base} to 2" in str(slack.views[plan]))
    assert (await night.in_force("batch_limit"))["leases"] == []

    await slack.submit("U0ONCALL", plan, {})
    await night.until_batch(2)
    await night.says("batch eu-1 off")


async def test_nobody_without_the_role_changes_anything(night: Night) -> None:
    """They are told which is needed."""
    assert "the role responder is needed" in await night.says("batch eu-1 2", user="U0STRANGER")
    assert (await night.in_force("batch_limit"))["leases"] == []


async def test_what_is_nearly_right_is_not_done(night: Night) -> None:
    """It is answered with what to type."""
    for text, said in (
        ("batch eu-11 2", "there is no cluster `eu-11`; did you mean `eu-1`?"),
        ("batch eu-1 100000", "may be"),
        ("batch eu-1 25%", "`25%` of what?"),
        ("batch eu-1 2 for 9h", "too long"),
        ("bacth eu-1 2", "did you mean `/ops batch eu-1 2`?"),
        ("batch eu-1 2 " + "x" * 5000, "at most 2,000"),
    ):
        assert said in await night.says(text)
    assert (await night.in_force("batch_limit"))["leases"] == []


async def test_a_terminal_says_the_same_words_and_means_the_same(night: Night) -> None:
    """It says what it would do and asks; `--yes` does it."""

    async def typed(*words: str, answer: str = "") -> str:
        environment = {**ENVIRONMENT}
        arguments = [*words, "--config", str(night.settings)]
        done = await asyncio.to_thread(CliRunner().invoke, main, arguments, input=answer, env=environment)
        return done.output

    said = await typed("batch", "eu-1", "2", "for", "10m", "because", "KV", answer="n\n")
    assert "This would set the batch limit of eu-1 from" in said
    assert (await night.in_force("batch_limit"))["leases"] == []
    said = await typed("batch", "eu-1", "-50%", "for 10m", "--yes", "--json")
    assert '"runbook_id": "set-batch"' in said
    assert "The batch limit of eu-1 is" in await typed("batch", "eu-1")
    assert "Taking it back now" in await typed("batch", "eu-1", "off", "--yes")
    assert "did you mean `eu-1`?" in await typed("batch", "eu-2", "2")
