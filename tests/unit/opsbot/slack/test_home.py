"""The Home tab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from opsbot.incident.incident import IncidentState
from opsbot.incident.view import HaltView
from opsbot.oncall.model import Member
from opsbot.oncall.turn import Turn
from opsbot.people import Person
from opsbot.runbook.store import KnobHold
from opsbot.slack.home_view import Around, home_view
from opsbot.vitals.vitals import Fleet, LeaseInForce, Vitals
from tests.support.incident_views import OPENED_AT, make_approval, make_incident, make_run, make_view

RESPONDER = Person("U0ONCALL", frozenset({"responder"}))
COMMANDER = Person("U0COMMANDER", frozenset({"commander"}))
STRANGER = Person("U0STRANGER")


def headers(view: Mapping[str, Any]) -> list[str]:
    """The headings of a tab."""
    return [block["text"]["text"] for block in view["blocks"] if block["type"] == "header"]


def test_an_approval_is_shown_to_those_who_may_give_it() -> None:
    """A responder's approval waits for responders and commanders, a commander's for commanders only."""
    for_responder = [make_view(runs=[make_run(approvals=[make_approval(role="responder")])])]
    for_commander = [make_view(runs=[make_run(approvals=[make_approval(role="commander")])])]
    both = ["Waiting for you", "Open incidents"]
    assert headers(home_view(for_responder, RESPONDER, OPENED_AT).to_dict()) == both
    assert headers(home_view(for_responder, COMMANDER, OPENED_AT).to_dict()) == both
    assert headers(home_view(for_commander, COMMANDER, OPENED_AT).to_dict()) == both
    assert headers(home_view(for_commander, RESPONDER, OPENED_AT).to_dict()) == ["Open incidents"]
    assert headers(home_view(for_responder, STRANGER, OPENED_AT).to_dict()) == ["Open incidents"]


def test_an_expired_approval_waits_for_nobody() -> None:
    """Ten minutes later there is nothing to decide any more."""
    views = [make_view(runs=[make_run(approvals=[make_approval(expires_at=OPENED_AT + 600)])])]
    assert headers(home_view(views, RESPONDER, OPENED_AT + 601).to_dict()) == ["Open incidents"]


def test_the_tab_has_the_same_buttons_as_the_channel() -> None:
    """Approve, Refuse and Acknowledge carry the same ids."""
    view = home_view([make_view(runs=[make_run(approvals=[make_approval()])])], RESPONDER, OPENED_AT).to_dict()
    assert [
        (element["action_id"], element.get("value"))
        for block in view["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    ] == [
        ("approval.grant", "apr-1"), ("approval.refuse", "apr-1"),
        ("incident.acknowledge", "INC-1"), ("incident.why", "INC-1"), ("incident.menu", None),
    ]  # fmt: skip


def test_what_came_of_a_press_stands_on_top() -> None:
    """There is no channel to answer in, so the tab says it."""
    first = home_view([], STRANGER, OPENED_AT, "apr-1 <needs> a responder").to_dict()["blocks"][0]
    assert first["text"]["text"] == "*apr-1 &lt;needs&gt; a responder*"


def test_a_tab_of_any_size_keeps_slacks_limit() -> None:
    """Sixty incidents with approvals still make one valid tab that says there are more."""
    views = [
        make_view(
            make_incident(incident_id=f"INC-{n}"),
            [make_run(run_id=f"r{n}", approvals=[make_approval(f"a{n}")], can_undo=True)],
        )
        for n in range(60)
    ]
    blocks = home_view(views, RESPONDER, OPENED_AT).to_dict()["blocks"]
    assert len(blocks) <= 100
    assert blocks[-1]["text"]["text"] == "… and 15 more; `/ops incidents` lists them."
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(ids) == len(set(ids))


def texts(view: Mapping[str, Any]) -> Sequence[str]:
    """Every text of a tab's blocks, top down."""
    return [
        text["text"]
        for block in view["blocks"]
        for text in (*([block["text"]] if "text" in block else []), *block.get("elements", []))
        if text.get("type") in ("mrkdwn", "plain_text")
    ]


def test_the_first_line_says_how_bad_it_is() -> None:
    """Half asleep, that line is what is read: how many, how many that nobody has, how many wait for me."""
    waiting = make_view(runs=[make_run(approvals=[make_approval()])])
    taken = make_view(make_incident(IncidentState.ACKNOWLEDGED, incident_id="INC-2", acknowledged_by="U1"))
    around = Around(Fleet(OPENED_AT, {"eu-1": Vitals("eu-1", sight="blind")}))
    shown = texts(home_view([waiting, taken], RESPONDER, OPENED_AT, around=around).to_dict())
    assert shown[0] == "🔴 *2 open · 1 that nobody has · 1 waiting for you · eu-1 cannot be seen*"
    assert texts(home_view([taken], RESPONDER, OPENED_AT).to_dict())[0] == "🟠 *1 open*"
    assert texts(home_view([], STRANGER, OPENED_AT).to_dict())[0] == "🟢 *Nothing is open*"


def test_everybody_reads_what_they_may_do() -> None:
    """A stranger reads whom to ask."""
    assert "Nobody has given you a role" in texts(home_view([], STRANGER, OPENED_AT).to_dict())[1]
    shown = texts(home_view([], Person("U1", frozenset({"commander", "trust_and_safety"})), OPENED_AT).to_dict())[1]
    assert "stop all runs" in shown
    assert "trust and safety matters" in shown


def test_the_fleet_is_a_table_that_a_phone_shows() -> None:
    """Batch, KV, queue, first token in rows of less than 45 characters; what holds each, and leases, below."""
    one = Vitals(
        "eu-1", running=31, waiting=14, batch_limit=32, kv_ratio=0.93, ttft_s=1.9, used_ratio=0.93, bound="KV",
        leases=(LeaseInForce("batch_limit", "8", "r-3fa2c1", OPENED_AT + 1200),),
    )  # fmt: skip
    around = Around(Fleet(OPENED_AT, {"eu-1": one}), Fleet(OPENED_AT - 600))
    (shown,) = [text for text in texts(home_view([], RESPONDER, OPENED_AT, around=around).to_dict()) if "```" in text]
    table, below = shown.split("```")[1:]
    assert max(len(row) for row in table.split("\n")) < 45
    for word in ("eu-1", "31/32", "93%", "14", "1.9s"):
        assert word in table
    assert "Held by: *eu-1* memory (93% KV)" in below
    assert "batch_limit 8 by r-3fa2c1, 20 min left" in below


def test_stops_holds_lateness_and_who_is_on_call_stand_on_it() -> None:
    """Each where there is something to say, and no heading where there is not."""
    ada, ben = Member("Ada", "U0ADA"), Member("Ben", "U0BEN")
    around = Around(
        turns=[Turn("primary", ZoneInfo("UTC"), ada, OPENED_AT + 3600, ben, None)],
        holds=[KnobHold(3, "eu-1/batch_limit", "a <test>", "U1", OPENED_AT, OPENED_AT + 60)],
        late="4 wait to be said, the oldest for 12m",
        gaps=["the fleet's numbers: no answer within 2.5 s"],
    )
    halt = HaltView("storm", "U0COMMANDER", OPENED_AT)
    view = home_view([], COMMANDER, OPENED_AT, halt=halt, around=around).to_dict()
    shown = "\n".join(texts(view))
    assert headers(view) == ["Open incidents", "On call", "Held knobs"]
    for said in (
        "*Messages are late:* 4 wait to be said, the oldest for 12m.",
        "*primary* Ada (<@U0ADA>) until",
        "`/ops unhold 3`",
        "a &lt;test&gt;",
        "no answer within 2.5 s",
        "storm",
    ):
        assert said in shown
    assert "halt:go_on" in [block.get("block_id") for block in view["blocks"]]


def test_the_worst_that_nobody_has_is_on_top() -> None:
    """By severity, then whether somebody has it, then the newest."""
    views = [
        make_view(replace(make_incident(incident_id="INC-1"), severity="low")),
        make_view(make_incident(IncidentState.ACKNOWLEDGED, incident_id="INC-2", acknowledged_by="U1")),
        make_view(make_incident(incident_id="INC-3")),
        make_view(replace(make_incident(incident_id="INC-4"), opened_at=OPENED_AT + 60)),
    ]
    ids = [block.get("block_id", "") for block in home_view(views, RESPONDER, OPENED_AT).to_dict()["blocks"]]
    assert [one for one in ids if one.startswith("facts:")] == [
        "facts:INC-4",
        "facts:INC-3",
        "facts:INC-2",
        "facts:INC-1",
    ]


def test_fifty_incidents_are_all_there() -> None:
    """None is left out: those further down have one button each instead of a row."""
    views = [make_view(make_incident(incident_id=f"INC-{n}")) for n in range(50)]
    blocks = home_view(views, RESPONDER, OPENED_AT).to_dict()["blocks"]
    assert len(blocks) <= 100
    assert sum(block.get("block_id", "").startswith("facts:") for block in blocks) == 50
    assert all("accessory" in block for block in blocks if block.get("block_id") == "facts:INC-49")
