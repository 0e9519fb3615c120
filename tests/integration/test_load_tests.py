"""Load tests in Slack: announced, followed, stopped, closed, and closed by themselves; over the real store and wire."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.alert.alert import Alert, AlertState
from opsbot.errors import ApprovalError, InvalidTransition, NotFoundError
from opsbot.people import Person
from opsbot.slack.blocks import incident_message
from opsbot.store.incidents import IncidentRepository
from opsbot.store.load_tests import LoadTestRepository
from opsbot.store.views import ViewRepository
from opsbot.utilisation.load_test import Counts, Size
from opsbot.utilisation_wiring import LoadBookLater, Told
from tests.support.door import door_file
from tests.support.live_core import live_core
from tests.support.serving_server import ServingServer, serving
from tests.support.slack_role import until
from tests.support.small_slack import SmallSlack, small_slack
from tests.support.told_load import ToldLoad, file_of, text_of, told_load

pytestmark = pytest.mark.integration

ENGINEER = Person("U0ONCALL", frozenset({"responder"}), "Slack")
VISITOR = Person("U0VISITOR", frozenset(), "Slack")
SAID = "eu-1 40rps 30m 500 tokens expect the first token stays under 2 s"


@pytest.fixture
async def load(tmp_path: Path) -> AsyncIterator[ToldLoad]:
    """Two clusters with samples, and a channel for reports."""
    async with told_load(tmp_path) as found:
        yield found


@pytest.fixture
async def told(load: ToldLoad) -> AsyncIterator[Told]:
    """One process."""
    async with load.process() as process:
        yield process


def actions_of(message: dict[str, object]) -> list[str]:
    """The action ids of its buttons."""
    blocks: list[dict[str, list[dict[str, str]]]] = message["blocks"]  # type: ignore[assignment]
    return [element["action_id"] for block in blocks if block["type"] == "actions" for element in block["elements"]]  # type: ignore[comparison-overlap]


async def test_an_announcement_says_size_effect_who_and_until_when(load: ToldLoad, told: Told) -> None:
    """With a button that stops it, and one that closes it."""
    answer = await told.desk.announce(SAID, ENGINEER, "one")
    assert await told.desk.announce(SAID, ENGINEER, "one") == answer
    (message,) = await load.said(1)
    text = text_of(message)
    assert text.startswith("Load test 1 on eu-1: 40 requests a second")
    assert "By <@U0ONCALL>: 40 requests a second, up to 1.2M tok/min." in text
    assert re.search(r"Under way since \d\d:\d\d, until ", text)
    assert re.search(r"eu-1 goes from [\d.]+k to at most 1\.2\d*M tok/min, [\d,]+% of what it can\.", text)
    assert "That is more than it can from the first minute on" in text
    assert "Who asked for it expects: the first token stays under 2 s." in text
    assert actions_of(message) == ["loadtest.stop", "loadtest.close"]
    assert "start your load generator" in answer


async def test_a_cluster_has_one_at_a_time(load: ToldLoad, told: Told) -> None:
    """The second is refused with whose the first one is; another cluster may have one."""
    await told.desk.announce(SAID, ENGINEER, "one")
    with pytest.raises(InvalidTransition, match="eu-1 has load test 1 by U0ONCALL already"):
        await told.desk.announce(SAID, ENGINEER, "two")
    await told.desk.announce("us-1 5rps", ENGINEER, "three")
    await load.said(2)
    assert (await told.desk.find("US1")).number == 2
    with pytest.raises(NotFoundError, match="Open are: 1 on eu-1, 2 on us-1"):
        await told.desk.find("")


async def test_who_has_no_role_neither_announces_nor_stops(load: ToldLoad, told: Told) -> None:
    """The button is there for everybody, the right is not."""
    with pytest.raises(ApprovalError, match="responder is needed"):
        await told.desk.announce(SAID, VISITOR, "one")
    await told.desk.announce(SAID, ENGINEER, "one")
    for press in (told.desk.stop, told.desk.close):
        with pytest.raises(ApprovalError, match="responder is needed"):
            await press(1, VISITOR)
    assert (await told.tests.test(1)).is_open


async def test_it_is_closed_with_what_came_of_it_and_a_chart(load: ToldLoad, told: Told) -> None:
    """The same message, without its buttons; the words of whoever closed it are in it."""
    await told.desk.announce("us-1 5rps 30m 100 tokens", ENGINEER, "one")
    await told.tests.tend()
    load.clock.advance(40)
    assert "closed" in str(await told.desk.said("close us-1 it held", ENGINEER, "two"))
    await told.around.look()
    await load.said(1)
    await load.until(lambda: file_of(load.messages()[0]) is not None)
    (message,) = await load.said(1)
    text = text_of(message)
    assert text.startswith("Load test 1 on us-1: 5 requests a second, over")
    assert "At most us-1 showed: 3.6k tok/min" in text
    assert "Said of it: it held." in text
    assert "us-1 carried no more than before (3.6k tok/min): the load did not arrive there." in text
    assert re.search(r"Expected: us-1 goes from 3\.6k to at most 33\.6k tok/min, \d+% of what it can\.", text)
    assert actions_of(message) == []
    image = next(block for block in message["blocks"] if block["type"] == "image")
    assert image["alt_text"].startswith("Load test 1 on us-1: 5 requests a second, over. us-1 carried at most 3.6k")
    assert await told.desk.close(1, ENGINEER) == "Load test 1 is over already."


async def test_what_nobody_closes_closes_itself_and_says_so(load: ToldLoad, told: Told) -> None:
    """After its length and the grace; not a second before."""
    await told.desk.announce("us-1 5rps 30m 100 tokens", ENGINEER, "one")
    load.clock.advance(1800 + 599)
    await told.tests.tend()
    assert (await told.tests.test(1)).is_open
    load.clock.advance(2)
    await told.tests.tend()
    await load.said(1)
    await load.until(lambda: "nobody closed it" in text_of(load.messages()[0]))
    text = text_of(load.messages()[0])
    assert "Nobody closed this, so it was closed by itself. It ran elsewhere, where the bot cannot stop it" in text
    assert actions_of(load.messages()[0]) == []


async def test_a_run_that_is_forgotten_is_told_to_stop(load: ToldLoad, told: Told) -> None:
    """The load generator is ours, so its run is cancelled."""
    ended: list[tuple[str, str]] = []

    async def end(run_id: str, why: str) -> None:
        ended.append((run_id, why))

    async def runs_on(run_id: str) -> bool:
        return False

    told.around.end, told.around.is_over = end, runs_on  # type: ignore[method-assign]
    size = Size(5, 84)
    expected = await told.tests.expect("us-1", size)
    await told.tests.announce("us-1", size, expected, 60, "run:x", "U0ONCALL", "r-1", run_id="run:x")
    load.clock.advance(661)
    await told.tests.tend()
    assert ended == [("run:x", "load test 1 was not closed in time")]
    test = await told.tests.test(1)
    assert (test.how, test.state) == ("forgotten", "closed")
    await load.said(1)
    await load.until(lambda: "The load generator was told to stop." in text_of(load.messages()[0]))


async def test_a_run_that_died_closes_its_test(load: ToldLoad, told: Told) -> None:
    """A process that made it and is gone says nothing itself."""
    size = Size(5, 84)
    expected = await told.tests.expect("us-1", size)
    await told.tests.announce("us-1", size, expected, 600, "run:x", "U0ONCALL", "r-1", run_id="run:gone")
    await told.tests.tend()
    assert (await told.tests.test(1)).how == "failed"


async def test_progress_edits_the_message_now_and_then(load: ToldLoad, told: Told) -> None:
    """What the generator counts and what the cluster shows; at most two edits a minute."""
    store = LoadTestRepository(load.database)
    size = Size(5, 84)
    expected = await told.tests.expect("us-1", size)
    test = await told.tests.announce("us-1", size, expected, 600, "run:x", "U0ONCALL", "r-1")
    told.tests.count(test.number, Counts(50, 49, 1, 0, 0, 0.2, 0.4))
    await told.tests.tend()
    await load.said(1)
    await load.until(lambda: "50 sent, 49 answered, 1 turned away" in text_of(load.messages()[0]))

    def revision() -> int:
        with load.database.read() as connection:
            return int(connection.exec_driver_sql("SELECT revision FROM outbox").scalar_one())

    before = revision()
    for _ in range(50):
        load.clock.advance(1)
        told.tests.count(test.number, Counts(60, 59, 1))
        await told.tests.tend()
    assert revision() - before <= 2
    assert store.test(1).measured.tokens_per_min == pytest.approx(3600, rel=0.01)


async def test_alerts_meanwhile_say_so_in_their_incident(load: ToldLoad, told: Told) -> None:
    """Once, in the thread and in the message; an older incident and one of another cluster do not."""
    incidents, views = IncidentRepository(load.database), ViewRepository(load.database)

    def fire(name: str, cluster: str) -> None:
        labels = {"alertname": name, "cluster": cluster, "severity": "high"}
        alert = Alert(labels, {"summary": f"{name} on {cluster}"}, AlertState.FIRING, load.clock.now())
        incidents.ingest([alert], load.clock.now(), lambda alert: [])

    fire("Before", "eu-1")
    load.clock.advance(1)
    await told.desk.announce(SAID, ENGINEER, "one")
    load.clock.advance(1)
    fire("QueueGrows", "eu-1")
    fire("Elsewhere", "us-1")
    for _ in range(2):
        await told.tests.tend()
    said = {
        view.incident.title: [one.text for one in view.timeline if one.kind == "load_test.under_way"]
        for view in views.views(include_resolved=False)
    }
    assert said["Before on eu-1"] == said["Elsewhere on us-1"] == []
    (text,) = said["QueueGrows on eu-1"]
    assert text.startswith("A load test of 40 requests a second, up to 1.2M tok/min is under way on eu-1, by U0ONCALL")
    message = incident_message(views.view("INC-2"), load.clock.now())
    assert "*Beside it:* A load test of 40 requests a second" in str([block.to_dict() for block in message.blocks])


async def test_a_second_start_of_the_same_run_is_the_same_test(load: ToldLoad, told: Told) -> None:
    """A step that is done again after a crash announces nothing more."""

    async def requester(run_id: str) -> tuple[str, str]:
        return "U0ONCALL", "r-1"

    told.around.requester = requester  # type: ignore[method-assign]
    book = LoadBookLater(lambda: told.tests)
    numbers = [await book.begin("us-1", 5, 84, 60, "run:1", "it holds") for _ in range(2)]
    assert numbers == [1, 1]
    await book.end(1, {"sent": 3, "ok": 3, "shed": 0, "failed": 0, "skipped": 0, "ttft_p50_s": 0.1, "ttft_p95_s": 0.2})
    assert (await told.tests.test(1)).counts == Counts(3, 3, 0, 0, 0, 0.1, 0.2)


async def test_two_at_once_leave_one(load: ToldLoad, told: Told) -> None:
    """Whoever is second is told so, also in the same moment."""
    tries = [told.desk.announce(SAID, ENGINEER, f"request {number}") for number in range(4)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, str) for one in found) == 1
    assert sum(isinstance(one, InvalidTransition) for one in found) == 3
    assert replace((await told.tests.open_tests())[0], number=1).number == 1


# -- through a real core, to a real server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """A server with the tiny model and a door."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder / "leases.jsonl", "--door", door_file(folder)) as running:
        yield running


async def says(slack: SmallSlack, text: str, user: str = "U0ONCALL") -> str:
    """What `/ops <text>` is answered."""
    before = len(slack.responses)
    await slack.type(user, text)
    await until(lambda: len(slack.responses) > before, within_s=20)
    return str(slack.responses[-1]["text"])


def load_message(slack: SmallSlack) -> str:
    """The text of the load test's message."""
    found = [one["text"] for one in slack.messages if "'load_test:" in str(one.get("metadata"))]
    return str(found[-1]) if found else ""


async def test_a_load_test_of_a_run_is_announced_made_and_closed(server: ServingServer, tmp_path: Path) -> None:
    """Typed, approved, done at once; the door's requests are counted, and the message says what came of it."""
    async with small_slack() as slack, live_core(tmp_path, slack, server.url):
        answer = await says(slack, "loadtest eu-1 5rps 4s expect it holds")
        approval = re.search(r"apr-[\w-]+|approve (\S+)`", answer)
        assert approval is not None, answer
        await says(slack, f"approve {approval[1] or approval[0]}", "U0COMMANDER")
        await until(lambda: "ann-" in str(slack.messages) or "Go now" in str(slack.messages), within_s=20)
        runs = await says(slack, "runs", "U0COMMANDER")
        announcement = re.search(r"ann-[\w-]+", runs)
        assert announcement is not None, runs
        await says(slack, f"go-now {announcement[0]}", "U0COMMANDER")
        await until(lambda: "Load test 1 on eu-1: 5 requests a second" in load_message(slack), within_s=30)
        await until(lambda: ", over" in load_message(slack).splitlines()[0], within_s=60)
    text = load_message(slack)
    assert "By <@U0ONCALL>: 5 requests a second, up to 420 tok/min." in text or "5 requests a second" in text
    assert re.search(r"20 sent, \d+ answered", text), text
    assert "Hoped for: it holds." in text


async def test_the_stop_button_ends_one_that_runs_elsewhere(server: ServingServer, tmp_path: Path) -> None:
    """Announced by a slash command; pressed by somebody with the role, and by somebody without."""
    async with small_slack() as slack, live_core(tmp_path, slack, server.url):
        answer = await says(slack, "loadtest announce eu-1 5rps 30m 80 tokens")
        assert "Load test 1 is announced in #incidents" in answer
        await until(lambda: load_message(slack).startswith("Load test 1 on eu-1"))
        ts = slack.messages[-1]["ts"]
        await slack.press("U0SAFETY", "loadtest.stop", "1", message_ts=ts)
        await until(lambda: any("responder is needed" in str(one) for one in slack.ephemerals))
        await slack.press("U0SECOND", "loadtest.stop", "1", message_ts=ts)
        await until(lambda: ", stopped" in load_message(slack).splitlines()[0])
        await until(lambda: "notice:" in str(slack.messages))
        assert "Load test 1 on eu-1" in await says(slack, "loadtest list") or "1 on eu-1" in slack.responses[-1]["text"]
    assert "stopped by <@U0SECOND>" in load_message(slack)
    assert "whoever runs it must end it now" in load_message(slack)
    (notice,) = [one["text"] for one in slack.messages if "notice:" in str(one.get("metadata"))]
    assert "<@U0ONCALL>: load test 1 on eu-1 (5 requests a second) was stopped by U0SECOND." in notice
