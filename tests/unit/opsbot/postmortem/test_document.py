"""A postmortem says what is known, and asks for what is not; others' text cannot break its tables."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

from opsbot.incident.incident import IncidentState
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import AlertView, LinkView
from opsbot.postmortem.chart import draw, load_and_level, marks_of
from opsbot.postmortem.document import document
from tests.support.incident_views import OPENED_AT, make_incident, make_run, make_view


def view(**changes: Any) -> dict[str, Any]:
    """An incident as core's API answers it."""
    timeline = [
        TimelineEntry("k1", "INC-1", OPENED_AT, "opsbot", "incident.opened", "KVCachePressure fires"),
        TimelineEntry("k2", "INC-1", OPENED_AT + 45, "U0ONCALL", "incident.acknowledged", "Acknowledged", via="Slack"),
        TimelineEntry("k3", "INC-1", OPENED_AT + 130, "opsbot", "step.acted", "Batch limit | of <b> set to 8"),
    ]
    alert = AlertView(
        "f1", "KVCachePressure", "pressure", "critical", {"alertname": "KVCachePressure", "cluster": "local"},
        True, OPENED_AT, None, 0.9,
    )  # fmt: skip
    link = LinkView("INC-7", "Earlier", "resolved", "fired again 40s after INC-7 was resolved")
    incident = make_incident(IncidentState.RESOLVED, resolved_at=OPENED_AT + 3725)
    made = dataclasses.replace(
        make_view(incident, runs=(make_run(),)), timeline=tuple(timeline), alerts=(alert,), links=(link,)
    )
    return {**dataclasses.asdict(made), **changes}


def test_it_says_when_and_how_long() -> None:
    """In words that need no calculator."""
    text = document(view(), [], [], OPENED_AT + 9999)
    assert text.startswith("# INC-1: KV cache pressure on local\n")
    assert "| Began | 2026-09-21 14:13:20 UTC |" in text
    assert "| Lasted | 1 h 02 min |" in text
    assert "| Somebody took it after | 45 s |" in text
    assert "| First change after | 2 min |" in text
    assert "| KVCachePressure | cluster=local | 09-21 14:13:20 | fires |" in text
    assert "| 09-21 14:14:05 | U0ONCALL (Slack) | Acknowledged |" in text
    assert "- INC-7 Earlier: fired again 40s after INC-7 was resolved" in text
    for title in ("Root cause", "What went well", "What went wrong", "Where we got lucky", "Action items"):
        assert f"## {title}\n" in text


def test_what_others_wrote_cannot_break_it() -> None:
    """A pipe stays in its cell, and nothing becomes markup."""
    text = document(view(), [], [], OPENED_AT)
    row = next(line for line in text.splitlines() if "Batch limit" in line)
    assert row == "| 09-21 14:15:30 | opsbot | Batch limit \\| of &lt;b> set to 8 |"


def test_pictures_and_decisions() -> None:
    """Both are there when they are known, and no heading is without them."""
    decided = {"at": OPENED_AT, "alertname": None, "fingerprint": "f1", "kind": "alert.silenced", "text": "hidden"}
    text = document(view(), [decided], [("KVCachePressure: load", "INC-1-KVCachePressure.png")], OPENED_AT)
    assert "![KVCachePressure: load](INC-1-KVCachePressure.png)" in text
    assert "- 09-21 14:13:20 f1 silenced, nobody was paged: hidden" in text
    bare = document(view(runs=[], links=[], alerts=[]), [], [], OPENED_AT)
    for title in ("What fired", "What the bot did", "Related incidents", "Why people were"):
        assert title not in bare


def test_the_level_is_taken_from_a_plain_comparison_only() -> None:
    """Anything else is drawn as it is."""
    assert load_and_level("sum by (x) (a) > 0.95") == ("sum by (x) (a)", 0.95)
    assert load_and_level("a < 5 and b > 3") == ("a < 5 and b > 3", None)
    assert load_and_level("a > b") == ("a > b", None)


def test_the_picture_is_a_png_of_its_size() -> None:
    """With several lines, marks and a level."""
    points = [(OPENED_AT + 10 * index, float(index)) for index in range(60)]
    marks = marks_of(view()["timeline"])
    assert [mark.text for mark in marks] == ["opened", "acknowledged", "acted"]
    picture = draw("t", [("a", points), ("b", points[::2])], 30.0, marks, (OPENED_AT, OPENED_AT + 600))
    assert struct.unpack(">II", picture[16:24]) == (990, 418)
