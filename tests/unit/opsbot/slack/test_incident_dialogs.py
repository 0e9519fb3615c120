"""The dialogs behind an incident's menu, the answer to Why, and a page's card."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from slack_sdk.models.views import View

from opsbot.alert.matching import label_match
from opsbot.incident.explanation import Decision, Explanation
from opsbot.incident.incident import IncidentState
from opsbot.incident.view import AlertView, EscalationView, IncidentView
from opsbot.slack.dialogs.forms import form_problems, hold_form, silence_form
from opsbot.slack.dialogs.matchers import silence_matchers
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.incident_dialogs import IncidentSubject, note_dialog, pick_dialog
from opsbot.slack.page_card import page_card
from opsbot.slack.picks import NOTHING
from opsbot.slack.quotes import dump, load, quoted, readable
from opsbot.slack.why import why_view
from tests.support.incident_views import OPENED_AT, make_entry, make_incident, make_run, make_view


def alert(name: str = "KVCachePressure", **labels: str) -> AlertView:
    """An alert that fires."""
    return AlertView("f" * 16, name, name, "critical", labels, True, OPENED_AT, None, 0.93)


def dialog(verb: str, view: IncidentView) -> Mapping[str, Any]:
    """As it goes over the wire."""
    made: Mapping[str, Any]
    match verb:
        case "note":
            made = note_dialog(IncidentSubject(verb, "INC-1", (), "C1", "1.0"), view).to_dict()
        case "hold":
            form = hold_form(Subject(verb, "INC-1", "C1", "1.0"), view, ())
            assert isinstance(form, View)
            made = form.to_dict()
        case _:
            made = silence_form(Subject(verb, "INC-1", "C1", "1.0"), view).to_dict()
    return made


def fields(view: Mapping[str, Any]) -> list[str]:
    """What a dialog asks for."""
    return [block["block_id"] for block in view["blocks"] if block["type"] == "input"]


@pytest.mark.parametrize(
    ("verb", "asked", "says"),
    [
        ("hold", ["cluster", "knob", "length", "reason"], ("*stays set*", "`/ops unhold`", "until the time is over")),
        ("silence", ["matchers", "length", "reason"], ("wake nobody", "`/ops unsilence`", "stays open")),
        ("note", ["reason"], ("with your name and the time",)),
    ],
)
def test_each_dialog_says_what_it_does_and_how_it_is_taken_back(
    verb: str, asked: Sequence[str], says: Sequence[str]
) -> None:
    """And asks only for what is needed."""
    made = dialog(verb, make_view())
    assert fields(made) == asked
    text = made["blocks"][0]["text"]["text"]
    assert [part for part in says if part not in text] == []
    carried = json.loads(made["private_metadata"])
    assert {"verb": verb, "reference": "INC-1", "channel": "C1", "thread_ts": "1.0"}.items() <= carried.items()
    assert len(made["title"]["text"]) <= 24


def test_a_hold_offers_the_clusters_there_are_and_every_one_of_them_last() -> None:
    """The incident's own is chosen; without one nobody is led to hold everything."""
    subject = Subject("hold", "INC-1")
    odd = make_view(dataclasses.replace(make_incident(), labels={"cluster": "<!channel> x"}))
    for view, clusters, offered, chosen in (
        (make_view(), ("eu-1", "local"), ["eu-1", "local", "*"], "local"),
        (make_view(), ("eu-1",), ["eu-1", "local", "*"], "local"),
        (odd, ("eu-1", "eu-2"), ["eu-1", "eu-2", "*"], None),
        (None, ("eu-1", "eu-2"), ["eu-1", "eu-2", "*"], None),
        (None, ("eu-1",), ["eu-1", "*"], "eu-1"),
    ):
        form = hold_form(subject, view, clusters)
        assert isinstance(form, View)
        element = form.to_dict()["blocks"][1]["element"]
        assert [option["value"] for option in element["options"]] == offered
        assert element.get("initial_option", {}).get("value") == chosen
    assert hold_form(subject, None, ()) == NOTHING["cluster"]


def test_a_hold_of_many_clusters_is_picked_by_typing() -> None:
    """Slack shows a hundred options; the incident's cluster is chosen all the same."""
    form = hold_form(Subject("hold", "INC-1"), make_view(), [f"c-{number}" for number in range(150)])
    assert isinstance(form, View)
    element = form.to_dict()["blocks"][1]["element"]
    assert (element["type"], element["initial_option"]["value"]) == ("external_select", "local")


def test_what_was_filled_in_is_checked_by_field() -> None:
    """Each complaint stands where it can be cured."""
    good = {"cluster": "*", "knob": "shed", "length": "1h", "reason": "we measure"}
    assert form_problems("hold", good) == {}
    assert set(form_problems("hold", {"cluster": "a/b", "knob": "x", "length": "3s"})) == set(good)
    assert set(form_problems("hold", {**good, "reason": "x" * 481})) == {"reason"}
    assert set(form_problems("silence", {"matchers": "what", "length": "1d", "reason": "x"})) == {"matchers"}


def test_a_silence_is_for_the_incidents_alerts_and_no_others() -> None:
    """By name, and by the labels that tell its place; quotes and patterns in them are no syntax."""
    view = dataclasses.replace(make_view(), alerts=(alert(cluster="local"),))
    assert silence_matchers(view) == ('alertname="KVCachePressure"', 'cluster="local"')
    odd = dataclasses.replace(make_incident(), labels={"cluster": 'a"b\\c'})
    view = dataclasses.replace(make_view(odd), alerts=(alert("Slow.*"), alert("Queue|x")))
    match = label_match(silence_matchers(view))
    assert match.holds({"alertname": "Slow.*", "cluster": 'a"b\\c'})
    assert match.holds({"alertname": "Queue|x", "cluster": 'a"b\\c'})
    assert not match.holds({"alertname": "SlowX", "cluster": 'a"b\\c'})
    assert not match.holds({"alertname": "Slow.*", "cluster": "eu-1"})


def test_why_says_what_fired_what_was_decided_what_runs_and_who_was_told() -> None:
    """From the records; each in a part of its own."""
    woken = make_entry("w", "@U0ANNA: please take INC-1", kind="escalation.notified")
    view = dataclasses.replace(make_view(runs=[make_run("holding")], timeline=[woken]), alerts=(alert(),))
    decided = Decision(
        OPENED_AT, "f" * 16, "KVCachePressure", "incident.opened", "KVCachePressure fires: <it> is *full*"
    )
    made = why_view(view, Explanation((), (decided,))).to_dict()
    what, decisions, runs, told = (block["text"]["text"] for block in made["blocks"])
    assert "*Critical: KV cache pressure on local*" in what
    assert "• KVCachePressure fires since <!date^1790000000^{time}|14:13 UTC>, last value *0.93*" in what
    assert decisions.endswith("KVCachePressure opened an incident: KVCachePressure fires: &lt;it&gt; is ∗full∗")
    assert "done, holding its change until the incident ends, because its triggers fit the alert" in runs
    assert "@U0ANNA: please take INC-1" in told
    assert "<@" not in told
    assert made["title"]["text"] == "Why INC-1?"
    assert "submit" not in made


def test_why_is_honest_where_nothing_is_known() -> None:
    """No run, no page, no record: each is said."""
    made = why_view(make_view(), Explanation((), ())).to_dict()
    text = "\n".join(block["text"]["text"] for block in made["blocks"])
    assert "Nothing is on record any more" in text
    assert "no runbook's triggers fit these alerts" in text
    assert "Nobody was woken" in text


def card_of(view: IncidentView, kind: str = "escalation.notified") -> tuple[str, str, Mapping[str, str]]:
    """The sentence, the head, and the card's facts."""
    text = "@U0ANNA, @U0BEN: please take INC-1 (critical): <!channel>"
    made = page_card(make_entry(text=text if kind.startswith("esc") else "Paged through PagerDuty", kind=kind), view)
    sentence, card = (block.to_dict() for block in made.blocks)
    facts = dict(field["text"].split("\n") for field in card["fields"])
    return sentence["text"]["text"], card["text"]["text"], facts


def test_a_page_has_the_card_of_an_on_call_tool() -> None:
    """Number, title, urgency, service, assignee, what triggered it; only those who are asked are mentioned."""
    view = dataclasses.replace(make_view(), alerts=(alert(), alert("PreemptionStorm")))
    sentence, head, facts = card_of(view)
    assert sentence == "<@U0ANNA>, <@U0BEN>: please take INC-1 (critical): &lt;!channel&gt;"
    assert head == "🔴 *Triggered* INC-1 KV cache pressure on local"
    assert facts == {
        "*Urgency*": "High",
        "*Service*": "local",
        "*Assigned to*": "<@U0ANNA>, <@U0BEN>",
        "*Triggered by*": "KVCachePressure, PreemptionStorm",
        "*State*": "Nobody has it yet",
    }


def test_a_page_follows_its_incident() -> None:
    """Taken, then over; the sentence that woke people stays."""
    taken = make_entry("a", "Acknowledged", actor="U0BEN", kind="incident.acknowledged", at=OPENED_AT + 120)
    view = make_view(make_incident(IncidentState.ACKNOWLEDGED, acknowledged_by="U0BEN"), timeline=[taken])
    _, head, facts = card_of(view)
    assert head.startswith("🟠 *Acknowledged* INC-1")
    assert (facts["*Assigned to*"], facts["*State*"]) == ("<@U0BEN>", "Acknowledged after 2 min")
    over = make_incident(IncidentState.RESOLVED, acknowledged_by="U0BEN", resolved_at=OPENED_AT + 600)
    sentence, head, facts = card_of(make_view(over, timeline=[taken]))
    assert head.startswith("✅ *Resolved*")
    assert facts["*State*"] == "Resolved after 10 min"
    assert sentence.startswith("<@U0ANNA>, <@U0BEN>:")


def test_a_page_through_pagerduty_names_who_was_asked() -> None:
    """By name where Slack did not wake them itself."""
    escalation = EscalationView("urgent", "waiting", 1, 2, ("anna",), OPENED_AT + 300)
    view = dataclasses.replace(make_view(), escalation=escalation)
    assert card_of(view, "page.triggered")[2]["*Assigned to*"] == "anna"
    assert card_of(make_view(), "page.triggered")[2]["*Assigned to*"] == "whoever is on call"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "<@U0ANNA> see <#C1|ops> &amp; <https://x.example/a|the board>",
            "@U0ANNA see #ops & the board (https://x.example/a)",
        ),
        ("<!channel> <!subteam^S1|oncall> <!date^1^{time}|12:00>", "@channel oncall 12:00"),
        ("<mailto:a@b.example|a@b.example> 1 &lt; 2", "mailto:a@b.example 1 < 2"),
    ],
)
def test_a_quoted_message_reads_as_people_read_it(text: str, shown: str) -> None:
    """Slack's tokens are no words; kept raw they would be tokens again wherever they are shown."""
    assert readable(text) == shown


def test_a_quote_is_short_fit_to_keep_and_survives_its_dialog() -> None:
    """Secrets of a chat do not move into a postmortem, and 5,000 characters stay in the chat."""
    message = {"ts": "1790000000.5", "text": "token=abcdef1234 from 203.0.113.9 \u202e" + "x" * 5000}
    quote = quoted("C1", message, "Anna\n", "https://team.example/p1")
    assert quote.text.startswith("token=[redacted] from [address] xxx")
    assert len(quote.text) == 300
    assert (quote.author, quote.place) == ("Anna", "C1 1790000000.5")
    made = pick_dialog(IncidentSubject("pick", quote.place, dump(quote)), [make_view()], "said").to_dict()
    carried = IncidentSubject.load(made["private_metadata"])
    assert load(carried.shown) == quote
    assert len(made["private_metadata"]) <= 3000
    assert fields(made) == ["incident"]
