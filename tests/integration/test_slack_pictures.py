"""Numbers and charts of an incident's message over Slack's protocol: uploaded, shown, renewed, deleted."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from opsbot.chart.fleet_pictures import FleetPictures
from opsbot.chart.incident_picture import IncidentPicture
from opsbot.chart.worker import Drawer
from opsbot.clock import SystemClock
from opsbot.errors import SourceError
from opsbot.incident.incident import IncidentState
from opsbot.incident.view import IncidentView
from opsbot.slack import pictures
from opsbot.slack.app import SlackSettings
from opsbot.slack.vital_lines import Number
from opsbot.slack_vitals import SlackVitals
from opsbot.source.prometheus import PrometheusSource
from opsbot.vitals.incident import IncidentVitals
from opsbot.vitals.reader import VitalsReader
from opsbot.vitals_wiring import VitalParts
from opsbot.watch.past import Past
from opsbot.watch.query_api import QueryApi
from tests.integration.test_vitals import FIGURES
from tests.support.fleet_samples import BUSY, store_of
from tests.support.incident_views import make_incident, make_view
from tests.support.slack_role import Core, running_role, until
from tests.support.small_slack import APP_TOKEN, BOT_TOKEN, SmallSlack, small_slack
from tests.support.watching import NoView, served

pytestmark = pytest.mark.integration

KV = Number("KV cache used", "93%", "↗ rising, 71% 10m ago", is_bad=True)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture that says which one it is."""

    png: bytes
    alt_text: str = "KV cache use rises from 71% to 93%"
    title: str = "The last 30 minutes"


class CountedVitals:
    """Numbers and pictures without a source: each picture is another one.

    Args:
        failing: raised instead of an answer, while it is set.
    """

    def __init__(self) -> None:
        self.num_drawn = 0
        self.failing: SourceError | None = None

    async def numbers(self, view: IncidentView) -> Sequence[Number]:
        if self.failing is not None:
            raise self.failing
        return (KV,)

    async def picture(self, view: IncidentView, now: float) -> Drawn | None:
        self.num_drawn += 1
        return Drawn(b"\x89PNG " + str(self.num_drawn).encode())


@pytest.fixture
async def slack() -> AsyncIterator[SmallSlack]:
    """A peer on a free port."""
    async with small_slack() as peer:
        yield peer


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a person would not notice are shorter here."""
    monkeypatch.setattr(pictures, "TICK_S", 0.02)
    monkeypatch.setattr(pictures, "SETTLE_S", 0.1)


def settings(slack: SmallSlack) -> SlackSettings:
    """How the bot reaches the peer."""
    return SlackSettings(BOT_TOKEN, APP_TOKEN, f"{slack.url}/api/", "incidents")


def chart_of(message: Mapping[str, Any]) -> str | None:
    """The file that a message shows."""
    files = [block["slack_file"]["id"] for block in message["blocks"] if block["type"] == "image"]
    return files[0] if files else None


def said(message: Mapping[str, Any], name: str) -> str:
    """The text of the block called so."""
    found: str = next(block["text"]["text"] for block in message["blocks"] if block.get("block_id") == f"{name}:INC-1")
    return found


async def test_the_message_is_there_first_and_gets_its_chart_then(slack: SmallSlack) -> None:
    """Posted with text alone, edited once the numbers and the picture are there; the file is shared nowhere."""
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack), CountedVitals()):
        await until(lambda: bool(slack.messages) and chart_of(slack.messages[0]) is not None)
    (message,) = slack.messages
    assert slack.files == {chart_of(message): b"\x89PNG 1"}
    assert said(message, "numbers").startswith("KV cache used *93%* ↗ rising, 71% 10m ago · *bad* (at <!date^")
    image = next(block for block in message["blocks"] if block["type"] == "image")
    assert (image["alt_text"], image["title"]["text"]) == ("KV cache use rises from 71% to 93%", "The last 30 minutes")
    first = next(arguments for method, arguments in slack.sent if method == "chat.postMessage")
    assert chart_of(first) is None
    completed = next(arguments for method, arguments in slack.sent if method == "files.completeUploadExternal")
    assert "channel_id" not in completed


async def test_a_change_of_state_has_a_chart_of_its_own_and_the_old_file_goes(slack: SmallSlack) -> None:
    """After the edit, never before it: the message never names a file that is gone."""
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack), CountedVitals()) as role:
        await until(lambda: bool(slack.messages) and chart_of(slack.messages[0]) is not None)
        core.show(make_view(make_incident(IncidentState.RESOLVED, resolved_at=1_790_000_200.0)))
        role.wake()
        await until(
            lambda: slack.files.get(chart_of(slack.messages[0]) or "") == b"\x89PNG 2" and len(slack.files) == 1
        )
    edited = [number for number, (method, _) in enumerate(slack.sent) if method == "chat.update"]
    deleted = [number for number, (method, _) in enumerate(slack.sent) if method == "files.delete"]
    assert len(deleted) == 1
    assert deleted[0] > edited[-1]


async def test_a_restart_keeps_the_chart_and_deletes_it_once_it_is_old(slack: SmallSlack) -> None:
    """The next process learns from the message itself which file it names."""
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack), CountedVitals()):
        await until(lambda: bool(slack.messages) and chart_of(slack.messages[0]) is not None)
    old = chart_of(slack.messages[0])
    slack.sent.clear()
    core.show(make_view(make_incident(IncidentState.ACKNOWLEDGED, acknowledged_by="U0ONCALL")))
    async with running_role(core, settings(slack), CountedVitals()):
        await until(lambda: len(slack.files) == 1 and old not in slack.files)
    first = next(arguments for method, arguments in slack.sent if method == "chat.update")
    assert chart_of(first) == old
    assert chart_of(slack.messages[0]) in slack.files


async def test_while_open_it_is_renewed(slack: SmallSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few minutes, without anything having happened."""
    monkeypatch.setattr(pictures, "RENEW_S", 0.2)
    monkeypatch.setattr(pictures, "EACH_S", 0.0)
    core, vitals = Core(), CountedVitals()
    core.show(make_view())
    async with running_role(core, settings(slack), vitals):
        await until(lambda: vitals.num_drawn >= 3)


@pytest.mark.parametrize("code", ["missing_scope", "not_allowed_token_type", "access_denied"])
async def test_what_an_administrator_must_cure_is_said_once(
    slack: SmallSlack, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log and in the health page; the message goes without, with its numbers."""
    slack.faults["files.getUploadURLExternal"] = [code] * 9
    core = Core()
    core.show(make_view())
    with caplog.at_level(logging.ERROR):
        async with running_role(core, settings(slack), CountedVitals()) as role:
            await until(lambda: bool(slack.messages) and "numbers:INC-1" in str(slack.messages[0]["blocks"]))
            core.show(make_view(make_incident(IncidentState.ACKNOWLEDGED, acknowledged_by="U0ONCALL")))
            role.wake()
            await until(lambda: "acknowledged" in slack.messages[0]["text"])
            assert role.picture_problem is not None
            assert role.picture_problem.startswith(f"no pictures in Slack ({code}): ")
    assert slack.calls.count("files.getUploadURLExternal") == 1
    assert [record.message for record in caplog.records if code in record.message] == [role.picture_problem]


@pytest.mark.parametrize(
    ("method", "faults"),
    [("files.getUploadURLExternal", [429]), ("upload", [503]), ("files.completeUploadExternal", ["internal_error"])],
)
async def test_a_passing_failure_of_any_of_the_three_steps_is_repeated(
    slack: SmallSlack, method: str, faults: list[int | str]
) -> None:
    """From the beginning; one file is there in the end."""
    slack.faults[method] = list(faults)
    core = Core()
    core.show(make_view())
    async with running_role(core, settings(slack), CountedVitals()):
        await until(lambda: bool(slack.messages) and chart_of(slack.messages[0]) is not None)
    assert len(slack.files) == 1
    assert slack.calls.count("files.getUploadURLExternal") == 2


async def test_a_file_that_slack_has_not_digested_is_shown_later(slack: SmallSlack) -> None:
    """Meanwhile the message is edited without it: what it says does not wait for a picture."""
    core = Core()
    core.show(make_view())
    slack.digesting = 2
    async with running_role(core, settings(slack), CountedVitals()):
        await until(lambda: bool(slack.messages) and chart_of(slack.messages[0]) is not None, within_s=20)
    assert len(slack.files) == 1


async def test_a_file_that_slack_never_takes_is_left_out(slack: SmallSlack, caplog: pytest.LogCaptureFixture) -> None:
    """After three tries the message goes without, the file is deleted, and the log says so."""
    core = Core()
    core.show(make_view())
    slack.digesting = 99
    async with running_role(core, settings(slack), CountedVitals()):
        await until(lambda: "Slack takes no chart of INC-1" in caplog.text and not slack.files, within_s=20)
    assert chart_of(slack.messages[0]) is None


async def test_without_numbers_the_message_is_whole(slack: SmallSlack, caplog: pytest.LogCaptureFixture) -> None:
    """A source that does not answer costs the numbers and nothing else."""
    core, vitals = Core(), CountedVitals()
    vitals.failing = SourceError("watch does not answer")
    core.show(make_view())
    async with running_role(core, settings(slack), vitals):
        await until(lambda: "the numbers of INC-1 are not renewed: watch does not answer" in caplog.text)
    assert "Last value: *0.9313*" in said(slack.messages[0], "details")


async def test_from_samples_to_the_message(slack: SmallSlack) -> None:
    """What watch scraped is asked for over its API, drawn in a process of its own, uploaded, and shown with words."""
    incident = dataclasses.replace(
        make_incident(), labels={"alertname": "KVCachePressure", "cluster": "eu-1"}, opened_at=time.time() - 300
    )
    core, clock, drawer = Core(), SystemClock(), Drawer()
    core.show(make_view(incident))
    past = Past(store_of((BUSY,), time.time()), None)
    async with served(QueryApi(past, clock, NoView()).app) as url:
        source = PrometheusSource(url)
        reader = VitalsReader(source, clock, FIGURES, ["eu-1"], deadline_s=10.0)
        incidents = IncidentVitals(reader, source, clock, lambda name: "vllm:kv_cache_usage_perc > 0.85")
        pictures_of = IncidentPicture(incidents, drawer)
        parts = VitalParts(reader, incidents, pictures_of, FleetPictures(source, FIGURES, drawer, "light"), drawer)
        async with running_role(core, settings(slack), SlackVitals(parts)):
            await until(lambda: bool(slack.messages) and chart_of(slack.messages[0]) is not None, within_s=40)
        source.close()
    (message,) = slack.messages
    assert said(message, "numbers").startswith("KV cache used *93%* ↗ rising, 61% 10m ago · *bad* (at <!date^")
    assert slack.files[chart_of(message) or ""].startswith(b"\x89PNG\r\n")
    image = next(block for block in message["blocks"] if block["type"] == "image")
    assert "KV cache used" in image["alt_text"]
    assert "93%" in image["alt_text"]
