"""Whatever a view holds, what is made of it keeps Slack's limits and pings nobody."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from opsbot.incident.explanation import Decision, Explanation
from opsbot.incident.incident import IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import AlertView, AnnouncementView, EscalationView, HaltView, IncidentView, LinkView, StepView
from opsbot.runbook.run import RunState, StepState
from opsbot.slack.blocks import incident_message, timeline_entry
from opsbot.slack.dialogs.forms import hold_form, silence_form
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.incident_dialogs import IncidentSubject, note_dialog
from opsbot.slack.page_card import page_card
from opsbot.slack.size import size_of
from opsbot.slack.text import cut, date, in_room, literal
from opsbot.slack.vital_lines import Number, Shown
from opsbot.slack.why import why_view
from opsbot.workspace.blocks import num_characters
from tests.support.hostile_text import PING, UNSEEN, anything
from tests.support.incident_views import OPENED_AT, make_approval, make_incident, make_run

OURS = re.compile(r"<!date\^\d+\^[^|>]*\|[^>]*>|<@U0ONCALL>|<@U0ANNA>")
"""The only tokens that we write ourselves."""
LIMITS = {"header": 150, "section": 3000}

steps = st.builds(
    StepView, st.uuids().map(str), anything, st.just("x.y"), st.sampled_from([*StepState]).map(str), anything
)
alerts = st.builds(
    lambda text, is_firing: AlertView(
        "f", text, text, "high", {"cluster": text}, is_firing, OPENED_AT, None, 0.5, text
    ),
    anything,
    st.booleans(),
)


@st.composite
def views(draw: st.DrawFn) -> IncidentView:
    """An incident in any state with hostile text everywhere."""
    text = draw(anything)
    incident = dataclasses.replace(
        make_incident(draw(st.sampled_from([*IncidentState])), title=draw(anything), description=draw(anything)),
        labels=dict.fromkeys(draw(st.sets(st.sampled_from(["cluster", "instance", "service", "alertname"]))), text),
        acknowledged_by=draw(st.none() | st.just("U0ONCALL") | anything),
        resolved_at=draw(st.none() | st.just(OPENED_AT + 60)),
        num_alerts=draw(st.integers(1, 10**6)),
        is_blind=draw(st.booleans()),
        merged_into=draw(st.none() | st.just("INC-2")),
    )
    runs = [
        dataclasses.replace(
            make_run(
                str(draw(st.sampled_from([*RunState]))),
                run_id=f"run-{number}",
                name=draw(anything),
                steps=draw(st.lists(steps, max_size=4)),
                approvals=[make_approval(f"a{number}", will_do=draw(anything), undo=text, role="commander")],
                can_undo=draw(st.booleans()),
            ),
            detail=text,
            requester=draw(st.just("") | anything),
            paused_by=draw(st.none() | anything),
            announcements=(AnnouncementView(f"n{number}", "r", "s", draw(anything), True, OPENED_AT, None, (text,)),),
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    return IncidentView(
        incident,
        tuple(runs),
        (TimelineEntry("k", "INC-1", OPENED_AT, "opsbot", "incident.resolved", draw(anything)),),
        tuple(draw(st.lists(alerts, max_size=4))),
        (LinkView("INC-3", text, "open", text),),
        (LinkView("INC-4", text, "open", text),),
        EscalationView(text, draw(st.sampled_from(["waiting", "unanswered", "over"])), 1, 2, (text,), OPENED_AT),
        draw(st.none() | st.just(HaltView(text, text, OPENED_AT))),
    )


def strings(value: object, within: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a structure that people are shown, with the kind of its object."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "text" and isinstance(inner, str):
                yield str(value.get("type")), inner
            elif name == "alt_text":
                yield "alt_text", str(inner)
            else:
                yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)


def check(blocks: list[dict[str, Any]], most: int = 50) -> None:
    """Slack's limits, and that nothing from outside is a token."""
    assert [block.to_dict() for block in Block.parse_all([dict(block) for block in blocks])] == blocks
    assert 1 <= len(blocks) <= most
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(ids) == len(set(ids))
    assert all(1 <= len(one) <= 255 for one in ids)
    for block in blocks:
        if "text" in block:
            assert 1 <= len(block["text"]["text"]) <= LIMITS[block["type"]]
        for field in block.get("fields", ()):
            assert 1 <= len(field["text"]) <= 2000
        for element in block.get("elements", ()):
            for option in element.get("options", ()):
                assert 1 <= len(option["text"]["text"]) <= 75
                assert len(option["value"]) <= 150
            if element["type"] == "button":
                assert 1 <= len(element["text"]["text"]) <= 75
    for kind, text in strings(blocks):
        assert not UNSEEN.search(text)
        if kind == "mrkdwn":
            assert not PING.search(OURS.sub("", text))


@settings(max_examples=60, deadline=None)
@given(views(), anything)
def test_the_message_of_any_incident(view: IncidentView, text: str) -> None:
    """Also with numbers and a chart."""
    shown = Shown([Number(text, text, text, is_bad=True)] * 4, OPENED_AT, "F1", text, text)
    for what in (Shown(), shown):
        message = incident_message(view, OPENED_AT, what)
        check([block.to_dict() for block in message.blocks])
        assert 1 <= len(message.text) <= 4000
        assert num_characters([block.to_dict() for block in message.blocks]) <= size_of(message.blocks) <= 12_000
        assert not PING.search(OURS.sub("", message.text))


@settings(max_examples=60, deadline=None)
@given(views(), anything)
def test_the_dialogs_and_the_card_of_any_incident(view: IncidentView, text: str) -> None:
    """Silence, Hold, a note, Why, and a page."""
    decided = Decision(OPENED_AT, text, text, "alert.joined", text)
    hold = hold_form(Subject("hold", "INC-1", "C1"), view, ("eu-1",))
    assert isinstance(hold, View)
    made = [
        silence_form(Subject("silence", "INC-1", "C1"), view),
        hold,
        note_dialog(IncidentSubject("note", "INC-1", (), "C1"), view),
    ]
    for one in (*made, why_view(view, Explanation((), (decided,) * 30))):
        shown = one.to_dict()
        check(shown["blocks"], 100)
        assert len(shown["title"]["text"]) <= 24
        assert len(shown.get("private_metadata", "")) <= 3000
    entry = TimelineEntry("k" * 400, "INC-1", OPENED_AT, "opsbot", "escalation.notified", f"@U0ANNA: {text}")
    card = page_card(entry, view)
    check([block.to_dict() for block in card.blocks])


@given(anything, anything)
def test_a_reply_to_any_entry(text: str, actor: str) -> None:
    """Whatever somebody said."""
    reply = timeline_entry(TimelineEntry("k", "INC-1", OPENED_AT, actor, "note.added", text))
    assert not PING.search(OURS.sub("", reply.text))
    assert not UNSEEN.search(reply.text)


WORST = ("&" * 5000, "<!channel>" * 500, "`_*~" * 1250, "🔥" * 5000, "x\n" * 2500)


@pytest.mark.parametrize("text", WORST)
@pytest.mark.parametrize("state", [IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED])
def test_the_longest_incident_fits_one_message_and_says_what_it_leaves_out(text: str, state: IncidentState) -> None:
    """Everything at its longest: who has it, what is done, one question, one run and details are there all the same."""
    stuck = tuple(StepView(f"s{number}", text, "x.y", StepState.UNKNOWN, text) for number in range(9))
    runs = [
        dataclasses.replace(
            make_run("waiting", run_id=f"run-{number}", name=text, steps=stuck, can_undo=True,
                     approvals=[make_approval(f"a{number}", will_do=text, undo=text, role="commander")]),
            detail=text, paused_by=text, pause_reason=text, requester=text,
            announcements=(AnnouncementView(f"n{number}", "r", "s", text, True, OPENED_AT, None, (text,) * 20),),
        )
        for number in range(12)
    ]  # fmt: skip
    incident = dataclasses.replace(
        make_incident(state, title=text, description=text), acknowledged_by=text, is_blind=True, num_alerts=500,
        labels={"cluster": text, "instance": text},
    )  # fmt: skip
    view = IncidentView(
        incident, tuple(runs), (TimelineEntry("k", "INC-1", OPENED_AT, text, "incident.resolved", text),),
        tuple(AlertView("f", text, text, "high", {}, True, OPENED_AT, None, 0.5, text) for _ in range(20)),
        (LinkView("INC-3", text, "open", text),) * 20, (LinkView("INC-4", text, "open", text),) * 20,
        EscalationView(text, "waiting", 1, 2, (text,) * 20, OPENED_AT), HaltView(text, text, OPENED_AT),
    )  # fmt: skip
    for shown in (Shown(), Shown([Number(text, text, text, is_bad=True)] * 4, OPENED_AT, "F1", text, text)):
        blocks = [block.to_dict() for block in incident_message(view, OPENED_AT, shown).blocks]
        check(blocks)
        assert num_characters(blocks) <= 12_000
        if state is IncidentState.RESOLVED:
            continue
        said = {str(block.get("block_id", "")).partition(":")[0]: block for block in blocks}
        assert {"facts", "halt", "settle", "unknown", "incident", "run", "details"} <= set(said)
        assert " has it*" in said["facts"]["text"]["text"]
        assert said["halt"]["text"]["text"].endswith("`/ops go-on` lifts it.")
        (left_out,) = [block["elements"][0]["text"] for block in blocks if block["type"] == "context"]
        counted = re.match(r"… and (\d+) more; `opsbot incident INC-1` has all of it", left_out)
        assert counted is not None
        num_shown = sum(str(block.get("block_id", "")).startswith(("settle:", "run:")) for block in blocks)
        assert int(counted[1]) + num_shown == 12 * 9 + 12 + 12 + 12


@given(anything, st.integers(100, 3000))
def test_what_is_cut_is_cut_between_characters(text: str, limit: int) -> None:
    """No half of an escaped character or of a date is left over."""
    whole = f"{literal(text)} {date(OPENED_AT)}" * 3
    short = cut(whole, limit)
    assert len(short) <= limit
    assert short.count("<") == short.count(">")
    assert not re.search(r"&(?!amp;|lt;|gt;)", short)
    lines = whole.split("\n")
    assert len(in_room(lines, limit)) <= limit
