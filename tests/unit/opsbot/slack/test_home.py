"""The Home tab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsbot.people import Person
from opsbot.slack.home import home_view
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
    assert blocks[-1]["text"]["text"] == "… and more; `/ops incidents` lists them."
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(ids) == len(set(ids))
