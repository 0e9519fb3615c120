"""An incident as one Slack message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from opsbot.incident.incident import IncidentState
from opsbot.incident.view import IncidentView, StepView
from opsbot.slack.blocks import Message, incident_message, timeline_entry
from tests.support.incident_views import (
    OPENED_AT,
    make_approval,
    make_entry,
    make_incident,
    make_run,
    make_view,
)

SINCE = "<!date^1790000000^{date_short_pretty} at {time}|2026-09-21 14:13 UTC>"
UNTIL = "<!date^1790000600^{date_short_pretty} at {time}|2026-09-21 14:23 UTC>"


def rendered(view: IncidentView, now: float = OPENED_AT) -> Sequence[Mapping[str, Any]]:
    """The blocks as they go over the wire; slack_sdk checks its own limits on the way."""
    blocks = [block.to_dict() for block in incident_message(view, now).blocks]
    parsed = Block.parse_all(blocks)
    assert [block.to_dict() for block in parsed] == blocks
    return blocks


def texts(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    """The text of each block that has one."""
    return [block["text"]["text"] for block in blocks if "text" in block]


def buttons(blocks: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Label, action id and value of every button, in order."""
    return [
        (element["text"]["text"], element["action_id"], element["value"])
        for block in blocks
        if block["type"] == "actions"
        for element in block["elements"]
        if element["type"] == "button"
    ]


def menu(blocks: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Label and value of the entries of the incident's own menu."""
    (own,) = [block for block in blocks if block.get("block_id") == "incident:INC-1"]
    element = own["elements"][-1]
    assert (element["type"], element["action_id"]) == ("overflow", "incident.menu")
    return [(option["text"]["text"], option["value"]) for option in element["options"]]


WHY = ("Why?", "incident.why", "INC-1")
MENU = [
    ("Hold its knobs …", "hold INC-1"),
    ("Silence its alerts …", "silence INC-1"),
    ("Resolve by hand …", "resolve INC-1"),
    ("Add a note …", "note INC-1"),
]


def test_an_open_incident_with_an_approval() -> None:
    """The whole message, written out."""
    view = make_view(runs=[make_run(approvals=[make_approval()])])
    assert rendered(view) == [
        {
            "type": "header",
            "block_id": "title:INC-1",
            "text": {"type": "plain_text", "emoji": True, "text": "🔴 Critical: KV cache pressure on local"},
        },
        {
            "type": "section",
            "block_id": "facts:INC-1",
            "text": {
                "type": "mrkdwn",
                "verbatim": True,
                "text": "*Waits for approval:* Resize the batch of local from 32 to 8\n"
                f"*Nobody has it yet* · *INC-1* open · cluster *local* · since {SINCE}",
            },
        },
        {
            "type": "section",
            "block_id": "consequences:apr-1",
            "text": {
                "type": "mrkdwn",
                "verbatim": True,
                "text": f"*Approval needed* from a responder, until {UNTIL}\n"
                "*Will do:* Resize the batch of local from 32 to 8.\n"
                "*Taken back:* By itself within 60 s after the run ends, or with Undo.",
            },
        },
        {
            "type": "actions",
            "block_id": "approval:apr-1",
            "elements": [
                {
                    "type": "button",
                    "text": {"type": "plain_text", "emoji": True, "text": "Approve"},
                    "action_id": "approval.grant",
                    "value": "apr-1",
                    "style": "primary",
                },
                {
                    "type": "button",
                    "text": {"type": "plain_text", "emoji": True, "text": "Refuse"},
                    "action_id": "approval.refuse",
                    "value": "apr-1",
                },
            ],
        },
        {
            "type": "actions",
            "block_id": "incident:INC-1",
            "elements": [
                {
                    "type": "button",
                    "text": {"type": "plain_text", "emoji": True, "text": "Acknowledge"},
                    "action_id": "incident.acknowledge",
                    "value": "INC-1",
                    "style": "primary",
                },
                {
                    "type": "button",
                    "text": {"type": "plain_text", "emoji": True, "text": "Why?"},
                    "action_id": "incident.why",
                    "value": "INC-1",
                },
                {
                    "type": "overflow",
                    "action_id": "incident.menu",
                    "options": [
                        {"text": {"type": "plain_text", "emoji": True, "text": label}, "value": value}
                        for label, value in MENU
                    ],
                },
            ],
        },
        {
            "type": "section",
            "block_id": "run:run-1",
            "text": {
                "type": "mrkdwn",
                "verbatim": True,
                "text": "*Relieve KV cache pressure* `r-4e65d3`: waiting\n"
                "✓  Read the KV cache usage · 0.93\n"
                "◔  Resize the batch · waits for approval",
            },
            "accessory": {
                "type": "overflow",
                "action_id": "run.menu",
                "options": [
                    {"text": {"type": "plain_text", "emoji": True, "text": label}, "value": f"{verb} r-4e65d3fbe8ad"}
                    for verb, label in (
                        ("pause", "Pause …"),
                        ("skip", "Leave a step out …"),
                        ("cancel", "Cancel and take back …"),
                    )
                ],
            },
        },
        {
            "type": "section",
            "block_id": "details:INC-1",
            "text": {
                "type": "mrkdwn",
                "verbatim": True,
                "text": "Sequences are preempted and recomputed.\nLast value: *0.9313*",
            },
        },
    ]


def test_the_notification_says_what_is_asked() -> None:
    """Somebody who reads only the push notification knows the incident and what waits."""
    message = incident_message(make_view(runs=[make_run(approvals=[make_approval()])]), OPENED_AT)
    assert message.text == (
        "Critical: KV cache pressure on local (INC-1, open). "
        "Waits for approval: Resize the batch of local from 32 to 8."
    )


def test_an_acknowledged_incident_names_who_took_it() -> None:
    """Nobody needs to acknowledge it again."""
    blocks = rendered(make_view(make_incident(IncidentState.ACKNOWLEDGED, acknowledged_by="U0ONCALL")))
    assert "*<@U0ONCALL> has it* · *INC-1* acknowledged" in texts(blocks)[1]
    assert buttons(blocks) == [WHY]


def test_a_run_that_holds_its_change_can_be_undone() -> None:
    """Undo is red and asks once more."""
    steps = [StepView("b", "Resize the batch", "serving.set_batch", "succeeded", "limit 8")]
    view = make_view(
        make_incident(IncidentState.MITIGATED, acknowledged_by="cli:ops"),
        [make_run("holding", steps=steps, can_undo=True)],
    )
    blocks = rendered(view)
    assert texts(blocks)[2] == (
        "*Relieve KV cache pressure* `r-4e65d3`: done, holding its change until the incident ends\n"
        "✓  Resize the batch · limit 8"
    )
    assert buttons(blocks) == [("Undo", "run.undo", "run-1"), WHY]
    undo = next(block for block in blocks if block["block_id"] == "incident:INC-1")["elements"][0]
    assert undo["style"] == "danger"
    # What it takes back stands in the dialog that it opens, with the values of that moment.
    assert "confirm" not in undo


def test_each_of_several_runs_has_its_own_undo() -> None:
    """Slack refuses two equal action ids in one block; the newest two are in front, older ones in their menus."""
    runs = [make_run("holding", run_id=f"run-{n}", name=f"Runbook {n}", can_undo=True) for n in (1, 2, 3)]
    blocks = rendered(make_view(make_incident(IncidentState.ACKNOWLEDGED), runs))
    assert buttons(blocks) == [
        ("Undo: Runbook 3", "run.undo", "run-3"), ("Undo: Runbook 2", "run.undo.1", "run-2"), WHY
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("pending", "○  Resize · d"),
        ("waiting_approval", "◔  Resize · waits for approval: d"),
        ("acting", "●  Resize · acting: d"),
        ("verifying", "●  Resize · verifying: d"),
        ("succeeded", "✓  Resize · d"),
        ("not_verified", "✗  Resize · not verified: d"),
        ("skipped", "–  Resize · skipped: d"),
        ("failed", "✗  Resize · failed: d"),
        ("undoing", "↩  Resize · being undone: d"),
        ("undone", "↩  Resize · undone: d"),
    ],
)
def test_every_state_of_a_step_has_a_mark_and_words(state: str, expected: str) -> None:
    """No state depends on a symbol alone."""
    steps = [StepView("s", "Resize", "serving.set_batch", state, "d")]
    assert texts(rendered(make_view(runs=[make_run("running", steps=steps)])))[2].splitlines()[1] == expected


def test_a_blind_incident_says_that_its_state_is_held() -> None:
    """Missing metrics never look like a recovery."""
    went_blind = make_entry("b", kind="incident.blind", at=OPENED_AT + 60)
    blocks = rendered(make_view(make_incident(is_blind=True), timeline=[went_blind]))
    assert texts(blocks)[2] == (
        "⚠ *No metrics from local since <!date^1790000060^{time}|14:14 UTC>:* what you see is held, not recovered."
    )


def test_a_resolved_incident_is_short_and_only_explains() -> None:
    """Title, how long it took, how it ended, what each run came to, and how the postmortem is had."""
    incident = make_incident(IncidentState.RESOLVED, resolved_at=OPENED_AT + 200)
    ended = make_entry("r", "Resolved: KVCachePressure no longer fires", kind="incident.resolved")
    view = make_view(incident, [make_run("succeeded", ended_at=OPENED_AT + 190)], [ended])
    blocks = rendered(view, OPENED_AT + 300)
    resolved = "<!date^1790000200^{date_short_pretty} at {time}|2026-09-21 14:16 UTC>"
    assert texts(blocks) == [
        "✅ Resolved: KV cache pressure on local",
        f"*INC-1* resolved {resolved} · after 3 min · was critical · cluster *local*\n"
        "Resolved: KVCachePressure no longer fires\n"
        "*Relieve KV cache pressure* `r-4e65d3`: succeeded after 3 min\n"
        "Postmortem: `opsbot postmortem INC-1` writes it, with charts.",
    ]
    assert buttons(blocks) == [WHY]
    assert menu(blocks) == [("Add a note …", "note INC-1")]
    text = incident_message(view, OPENED_AT + 300).text
    assert text == "Resolved: KV cache pressure on local (INC-1, after 3 min)"


def test_an_expired_approval_is_not_offered() -> None:
    """A button that can only fail is not drawn."""
    view = make_view(runs=[make_run(approvals=[make_approval(expires_at=OPENED_AT + 600)])])
    assert buttons(rendered(view, OPENED_AT + 601)) == [("Acknowledge", "incident.acknowledge", "INC-1"), WHY]


def test_text_from_outside_is_never_interpreted() -> None:
    """No title, label, detail or consequence can mention, link or page."""
    evil = "<!channel> <@U0BOSS> <http://x|y> & more"
    incident = make_incident(title=evil, description=evil)
    steps = [StepView("s", evil, "x.y", "acting", evil)]
    view = make_view(incident, [make_run(name=evil, steps=steps, approvals=[make_approval(will_do=evil, undo=evil)])])
    message = incident_message(view, OPENED_AT)
    shown = [message.text] + [
        block["text"]["text"] for block in rendered(view) if block.get("text", {}).get("type") == "mrkdwn"
    ]
    assert len(shown) == 5
    assert not [text for text in shown for token in ("<!channel", "<@U0", "<http") if token in text]


def test_a_view_of_any_size_keeps_slacks_limits() -> None:
    """Too many approvals and runs with endless texts still make one valid message that says what it left out."""
    long = "endless & <text> " * 400
    steps = [StepView(f"s{n}", long, "x.y", "acting", long) for n in range(60)]
    runs = [
        make_run(
            "waiting",
            run_id=f"run-{n}-" + "x" * 400,
            name=long,
            steps=steps,
            approvals=[make_approval(f"apr-{n}-{m}", will_do=long, undo=long) for m in range(3)],
            can_undo=True,
        )
        for n in range(40)
    ]
    message = incident_message(make_view(make_incident(title=long, description=long), runs), OPENED_AT)
    assert_within_limits(message)
    context = [block.to_dict() for block in message.blocks if block.type == "context"]
    assert context[0]["elements"][0]["text"] == "… and 156 more; `opsbot incident INC-1` has all of it"


def assert_within_limits(message: Message) -> None:
    """The limits of docs.slack.dev that a message of ours can meet."""
    blocks = [block.to_dict() for block in message.blocks]
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(blocks) <= 50
    assert len(ids) == len(set(ids))
    assert max(len(block_id) for block_id in ids) <= 255
    assert len(message.text) <= 4000
    for block in blocks:
        match block["type"]:
            case "header":
                assert len(block["text"]["text"]) <= 150
            case "section":
                assert 1 <= len(block["text"]["text"]) <= 3000
            case "actions":
                action_ids = [element["action_id"] for element in block["elements"]]
                assert len(action_ids) == len(set(action_ids)) <= 25
                for element in block["elements"]:
                    if element["type"] == "overflow":
                        assert 1 <= len(element["options"]) <= 5
                        continue
                    assert len(element["text"]["text"]) <= 75
                    assert len(element["value"]) <= 2000
                    assert len(element.get("confirm", {}).get("text", {}).get("text", "")) <= 300


def test_rendering_twice_gives_the_same_bytes() -> None:
    """An edit with nothing new is harmless."""
    view = make_view(runs=[make_run(approvals=[make_approval()], can_undo=True)])
    once, twice = (json.dumps(rendered(view), sort_keys=True) for _ in range(2))
    assert once == twice


@pytest.mark.parametrize(
    ("actor", "text", "expected"),
    [
        ("opsbot", "KVCachePressure fires: <now>", "KVCachePressure fires: &lt;now&gt;"),
        ("U0ONCALL", "Acknowledged", "<@U0ONCALL>: Acknowledged"),
        ("U0ONCALL", "U0ONCALL approved “Resize”", "<@U0ONCALL> approved “Resize”"),
        ("cli:ops", "Acknowledged", "cli:ops: Acknowledged"),
    ],
)
def test_a_timeline_entry_says_who_did_it(actor: str, text: str, expected: str) -> None:
    """People are named once, the bot is not."""
    assert timeline_entry(make_entry(text=text, actor=actor)).text == expected


def test_only_changes_of_state_reach_the_channel() -> None:
    """Everything else stays in the thread."""
    assert timeline_entry(make_entry(is_broadcast=True)).is_broadcast
    assert not timeline_entry(make_entry(is_broadcast=False)).is_broadcast
