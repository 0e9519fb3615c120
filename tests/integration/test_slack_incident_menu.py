"""What stands under an incident's message, pressed over Socket Mode against the real desks and store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.alerts import firing, resolved
from tests.support.rotas import on_call, policy, rota
from tests.support.slack_role import until
from tests.support.small_core import SmallCore, small_core
from tests.support.small_slack import SmallSlack, small_slack

pytestmark = pytest.mark.integration

HOLD = {"cluster": "=eu-1", "knob": "=*"}
"""What the dialog has filled in."""


@pytest.fixture
async def slack() -> AsyncIterator[SmallSlack]:
    """A peer on a free port."""
    async with small_slack() as peer:
        yield peer


@pytest.fixture
async def core(tmp_path: Path, slack: SmallSlack) -> AsyncIterator[SmallCore]:
    """With INC-1, whose alert fires on eu-1, said in the channel."""
    async with small_core(tmp_path, slack) as made:
        await made.desk.ingest([firing("KVCachePressure")])
        await made.all_said()
        yield made


async def test_why_opens_what_was_decided(core: SmallCore, slack: SmallSlack) -> None:
    """For anybody who can read the channel; nothing is asked."""
    await slack.press("U0STRANGER", "incident.why", "INC-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.dialogs))
    view = slack.dialogs[0]["view"]
    assert (view["title"]["text"], "submit" in view) == ("Why INC-1?", False)
    assert "KVCachePressure opened an incident" in str(view["blocks"])
    assert slack.ephemerals == []


@pytest.mark.parametrize(
    ("verb", "says"),
    [
        ("hold", "No run turns this until the time is over"),
        ("silence", "open no incident and wake nobody"),
        ("resolve", "INC-1"),
    ],
)
async def test_what_risks_something_says_so_first(core: SmallCore, verb: str, says: str) -> None:
    """Each entry opens a dialog, and nothing is done yet."""
    view = await core.chosen("U0ONCALL", f"{verb} INC-1")
    assert says in str(view["blocks"])
    assert (core.stores.knobs.holds(0.0), await core.desk.silences()) == ((), ())


async def test_hold_keeps_runs_from_the_clusters_knobs(core: SmallCore) -> None:
    """For the length that was chosen; the hold says whose incident it is for."""
    view = await core.chosen("U0ONCALL", "hold INC-1")
    said = await core.filled("U0ONCALL", view, HOLD, length="=1800", reason="we resize by hand")
    assert said == "Choose how long."
    said = await core.filled("U0ONCALL", view, HOLD, length="=30m", reason="we resize by hand")
    assert said.startswith("✓ *Held.*\nNo run turns eu-1/* until ")
    (held,) = core.stores.knobs.holds(0.0)
    assert (held.pattern, held.reason, held.created_by) == ("eu-1/*", "INC-1: we resize by hand", "U0ONCALL")


async def test_silence_hides_the_incidents_alerts_once(core: SmallCore) -> None:
    """Delivered twice it is one silence, with the labels that the dialog showed."""
    view = await core.chosen("U0ONCALL", "silence INC-1")
    labels = view["blocks"][1]["element"]["initial_value"]
    assert labels == 'alertname="KVCachePressure" cluster="eu-1"'
    said = await core.filled("U0ONCALL", view, times=2, matchers=labels, length="=1h", reason="the rack moves")
    assert said.startswith('✓ *Silenced.*\nSIL-1 hides new alerts with alertname="KVCachePressure"')
    assert "INC-1 is open already and stays so" in said
    (silence,) = await core.desk.silences()
    assert silence.reason == "INC-1: the rack moves"
    assert silence.match.texts == ('alertname="KVCachePressure"', 'cluster="eu-1"')


async def test_resolve_is_refused_while_it_fires_and_taken_after_a_silence(core: SmallCore) -> None:
    """The refusal says what to do first."""
    said = await core.filled("U0ONCALL", await core.chosen("U0ONCALL", "resolve INC-1"), reason="done")
    assert said.startswith("✗ *Nothing was done.*\n1 of INC-1's alerts still fire (KVCachePressure)")
    silence = await core.chosen("U0ONCALL", "silence INC-1")
    labels = silence["blocks"][1]["element"]["initial_value"]
    await core.filled("U0ONCALL", silence, matchers=labels, length="=15m", reason="done with it")
    said = await core.filled("U0ONCALL", await core.chosen("U0ONCALL", "resolve INC-1"), reason="the rack is moved")
    assert said == "✓ *Resolved.*\nINC-1 is resolved; what its runs held is released."
    await core.all_said()
    assert core.slack.messages[0]["text"].startswith("Resolved: KVCachePressure on eu-1 (INC-1, after ")
    assert "<@U0ONCALL>: Resolved by hand: the rack is moved" in str(core.slack.messages[0]["blocks"])


async def test_a_dialog_that_comes_after_the_end_says_so(core: SmallCore) -> None:
    """It was opened while the incident was open."""
    view = await core.chosen("U0ONCALL", "resolve INC-1")
    await core.desk.ingest([resolved("KVCachePressure")])
    said = await core.filled("U0ONCALL", view, reason="done")
    assert said == "✗ *Nothing was done.*\nINC-1 is resolved already; nothing is left to do here"


async def test_a_note_stands_in_the_timeline_once(core: SmallCore) -> None:
    """With whoever wrote it; delivered twice it is one note, and said in the thread."""
    view = await core.chosen("U0ONCALL", "note INC-1")
    said = await core.filled("U0ONCALL", view, times=2, reason="the rack was\nmoved <!channel>")
    assert said == "Noted in INC-1's timeline."
    assert core.timeline()[-1] == ("note.added", "U0ONCALL", "the rack was moved <!channel>")
    assert [kind for kind, _, _ in core.timeline()].count("note.added") == 1
    await core.all_said()
    assert core.slack.messages[-1]["text"] == "<@U0ONCALL>: the rack was moved &lt;!channel&gt;"


async def test_a_note_by_command(core: SmallCore, slack: SmallSlack) -> None:
    """Too much of it, or none, is answered with what to write instead."""
    for text, answer in (
        ("note inc 1: moved at 14:05", "Noted in INC-1's timeline."),
        ("note INC-1", "say what is to be noted: `/ops note INC-1 the rack was moved at 14:05`"),
        ("note INC-9 x", "there is no incident INC-9"),
        ("note what", "which incident? `/ops note INC-1 the rack was moved at 14:05`"),
        (f"note 1 {'x' * 1500}", "a note has at most 1000 characters, this one 1500; link to the rest"),
    ):
        slack.responses.clear()
        await slack.type("U0ONCALL", text)
        await until(lambda: bool(slack.responses))
        assert slack.responses[0]["text"] == answer
    assert core.timeline()[-1][2] == "moved at 14:05"


@pytest.mark.parametrize("verb", ["hold", "silence", "resolve", "note"])
async def test_the_menu_is_for_responders(core: SmallCore, slack: SmallSlack, verb: str) -> None:
    """Others hear which role is needed, and no dialog opens."""
    await slack.press("U0STRANGER", "incident.menu", f"{verb} INC-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.ephemerals))
    assert "the role responder is needed" in core.whispers()[0]
    assert slack.dialogs == []


async def test_an_entry_of_another_version_says_so(core: SmallCore, slack: SmallSlack) -> None:
    """An old message may outlive an upgrade."""
    await slack.press("U0ONCALL", "incident.menu", "explode INC-1", message_ts=slack.messages[0]["ts"])
    await until(lambda: bool(slack.ephemerals))
    assert core.whispers() == [
        "this menu is of another version of the bot (explode); press again on the newest message"
    ]


async def test_what_was_never_offered_is_refused_and_can_be_put_right(core: SmallCore, slack: SmallSlack) -> None:
    """Whatever is sent in the dialog's place; the dialog stays open for a second try."""
    view = await core.chosen("U0ONCALL", "hold INC-1")
    wrong = {"cluster": "=a/b", "knob": "=door", "length": "=9999999"}
    told = await core.filled("U0ONCALL", view, wrong, reason="x")
    assert told.splitlines() == ["Choose a cluster.", "Choose a knob.", "Choose how long."]
    assert core.stores.knobs.holds(0.0) == ()
    assert (await core.filled("U0ONCALL", view, HOLD, length="=1h", reason="x")).startswith("✓ *Held.*")


async def test_the_command_opens_the_menus_dialog(core: SmallCore, slack: SmallSlack) -> None:
    """`/ops silence` alone asks the same, about no incident."""
    await slack.type("U0ONCALL", "silence", trigger_id="t-1")
    await until(lambda: bool(slack.dialogs))
    view = core.dialog()
    assert view["title"] == (await core.chosen("U0ONCALL", "silence INC-1"))["title"]
    matchers = 'alertname="TargetDown" cluster="eu-1"'
    said = await core.filled("U0ONCALL", view, matchers=matchers, length="=2h", reason="it moves")
    assert said.startswith('✓ *Silenced.*\nSIL-1 hides new alerts with alertname="TargetDown"')
    assert [silence.reason for silence in await core.desk.silences()] == ["it moves"]


async def test_a_page_in_the_thread_follows_its_incident(tmp_path: Path, slack: SmallSlack) -> None:
    """Posted with a mention when somebody is woken; edited when it is taken and when it is over, and only then."""
    async with small_core(tmp_path, slack, rota(policy([on_call()]))) as core:
        await core.desk.ingest([firing("KVCachePressure")])
        await core.desk.escalate()
        await core.all_said()
        (card,) = [one for one in slack.messages if ":escalation.notified:" in one["metadata"]["event_payload"]["key"]]
        assert card["text"].startswith("<@U0ANNA>: please take INC-1 (critical): KVCachePressure on eu-1")
        assert card["blocks"][1]["text"]["text"] == "🔴 *Triggered* INC-1 KVCachePressure on eu-1"
        edits = []
        for change in (
            slack.press("U0ONCALL", "incident.acknowledge", "INC-1", message_ts=slack.messages[0]["ts"]),
            core.desk.ingest([resolved("KVCachePressure")]),
        ):
            await change
            await until(lambda: core.role.is_idle)
            await core.all_said()
            edits.append((card["blocks"][1]["text"]["text"].split("*")[1], card["blocks"][1]["fields"][2]["text"]))
    assert edits == [("Acknowledged", "*Assigned to*\n<@U0ONCALL>"), ("Resolved", "*Assigned to*\n<@U0ONCALL>")]
    own = [arguments for method, arguments in slack.sent if method == "chat.update" and arguments["ts"] == card["ts"]]
    assert len(own) == 2
