"""Dialogs of verbs: each writes the command that could have been typed, within Slack's limits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from slack_sdk.models.views import View

from opsbot.errors import MissingRole
from opsbot.incident.view import AnnouncementView
from opsbot.people import Person
from opsbot.runbook.commands import RunRequest
from opsbot.slack.answer_blocks import answer_blocks
from opsbot.slack.commands import answer_to
from opsbot.slack.dialogs.plan import CALLBACK
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.form_desk import SUBMISSIONS
from opsbot.slack.form_table import FORMS
from opsbot.slack.forms import FORM
from opsbot.slack.helping import help_for, help_text
from opsbot.slack.menu import MENU
from opsbot.slack.picks import NOTHING, matching
from opsbot.slack.press import Answer, ToRead, submission_of
from opsbot.slack.seat import Seat
from opsbot.slack.typed import Typed
from opsbot.spoken.act import read_act
from opsbot.spoken.commands import ActAnswer, Intention
from opsbot.spoken.verbs import GROUPS, VERBS
from tests.support.incident_views import OPENED_AT, make_approval, make_run, make_view
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of

ANN = Person("U0ONCALL", frozenset({"responder"}))
TYPED = ("reason", "limit", "percent", "rate", "whose", "expect", "matchers", "note")


class Acts:
    """Keeps what was asked for, after reading it as core does."""

    def __init__(self, clusters: Sequence[str] = ("eu-1", "eu-2")) -> None:
        self.names = clusters
        self.asked: list[str] = []

    async def carry_out(self, verb: str, text: str, person: Person, request_id: str) -> ActAnswer:
        act = read_act(verb, text, self.names)  # type: ignore[arg-type]
        self.asked.append(f"{verb} {text}")
        return ActAnswer(f"r-000001: {act.kind}. Take it back: `undo r-000001`.")

    async def intend(self, verb: str, text: str, request_id: str) -> Intention:
        act = read_act(verb, text, self.names)  # type: ignore[arg-type]
        self.asked.append(f"{verb} {text}")
        return Intention(act, "do it", RunRequest(f"by-hand-{verb}", request_id, act.cluster))

    def clusters(self) -> Sequence[str]:
        return self.names

    def runbooks(self) -> Sequence[Any]:
        return ()


def busy(acts: Acts | None = None) -> tuple[RecordedCommands, Seat]:
    """An incident whose run asks for an approval and announces something."""
    said = AnnouncementView("ann-1", "run-1", "drain", "eu-1 is drained", True, OPENED_AT, OPENED_AT + 300, ())
    run = make_run(approvals=[make_approval()])
    object.__setattr__(run, "announcements", (said,))
    commands = RecordedCommands([make_view(runs=[run])])
    return commands, seat_of(commands, acts=acts or Acts())


async def opened(seat: Seat, text: str) -> View | str:
    """What `/ops <text>` opens, typed in a channel."""
    answer = await answer_to(seat, Typed(text, ANN, "t-1", channel="C1", trigger_id="t-1"))
    assert isinstance(answer, View | str)
    return answer


async def submitted(seat: Seat, view: View, values: Mapping[str, str]) -> View:
    """The dialog that comes of filling it in."""
    answer = await filled_in(seat, view, values)
    return answer.view if isinstance(answer, ToRead) else cast(View, answer)


async def filled_in(seat: Seat, view: View, values: Mapping[str, str]) -> Answer:
    """What comes of it."""
    shown = view.to_dict()
    state = {
        name: {"x": {"value": value} if name in TYPED else {"selected_option": {"value": value}}}
        for name, value in values.items()
    }
    body = {"user": {"id": "U0ONCALL"}, "view": {**shown, "id": "V1", "state": {"values": state}}}
    return await SUBMISSIONS[shown["callback_id"]](seat, submission_of(body), ANN)


@pytest.mark.parametrize(
    "verb", ["batch", "shed", "failwhale", "fallback", "loadtest", "ack", "resolve", "approve", "stop"]
)
async def test_a_verb_alone_opens_its_dialog(verb: str) -> None:
    """Within Slack's limits, and saying what it does; nothing is done."""
    commands, seat = busy()
    view = await opened(seat, verb)
    assert isinstance(view, View)
    shown = view.to_dict()
    view.validate_json()
    assert shown["callback_id"] == FORM
    assert json.loads(shown["private_metadata"])["channel"] == "C1"
    assert all(len(shown[name]["text"]) <= 24 for name in ("title", "submit", "close"))
    assert len({block["block_id"] for block in shown["blocks"]}) == len(shown["blocks"]) <= 100
    assert f"`/ops {verb}" in shown["blocks"][0]["text"]["text"]
    assert commands.calls == []


@pytest.mark.parametrize(
    ("verb", "values", "typed"),
    [
        (
            "batch", {"cluster": "eu-1", "limit": "8", "length": "10m", "reason": "KV is full"},
            "batch eu-1 8 for 10m because KV is full",
        ),
        ("shed", {"cluster": "eu-2", "percent": "20", "length": "15m"}, "shed eu-2 20% for 15m"),
        (
            "failwhale", {"cluster": "eu-1", "length": "30m", "reason": "off we go"},
            "failwhale eu-1 on for 30m because off we go",
        ),
        (
            "fallback",
            {"cluster": "eu-1", "who": "tenant", "whose": 'acme "x" corp', "length": "1h", "reason": "it\ninsults"},
            "fallback eu-1 tenant=\"acme 'x' corp\" for 1h because it insults",
        ),
        (
            "loadtest", {"cluster": "eu-1", "rate": "4.5", "length": "5m", "expect": "2 s"},
            "loadtest eu-1 4.5rps for 5m expect 2 s",
        ),
    ],
)  # fmt: skip
async def test_what_is_filled_in_is_what_could_have_been_typed(
    verb: str, values: Mapping[str, str], typed: str
) -> None:
    """Core reads it by the same function, and the dialog that shows the plan comes first: nothing is started yet."""
    acts = Acts()
    _, seat = busy(acts)
    view = await opened(seat, verb)
    assert isinstance(view, View)
    subject = await filled_in(seat, view, values)
    assert isinstance(subject, Subject)
    assert acts.asked == [typed]
    assert (subject.verb, subject.reference, subject.channel) == ("start", f"by-hand-{verb}", "C1")


@pytest.mark.parametrize(("verb", "asked"), [("hold", ["cluster", "knob"]), ("silence", ["matchers"])])
async def test_hold_and_silence_open_the_dialog_of_the_incidents_menu(verb: str, asked: Sequence[str]) -> None:
    """Typed alone or chosen in the menu, it is the same one, about no incident; who may not hears it at once."""
    _, seat = busy()
    view = await opened(seat, verb)
    assert isinstance(view, View)
    shown = view.to_dict()
    fields = [block["block_id"] for block in shown["blocks"] if block["type"] == "input"]
    assert (shown["callback_id"], fields) == (CALLBACK, [*asked, "length", "reason"])
    assert Subject.load(shown["private_metadata"]) == Subject(verb, "", "C1")
    menu = await opened(seat, "")
    assert isinstance(menu, View)
    assert (await submitted(seat, menu, {"choice": verb})).to_dict()["blocks"] == shown["blocks"]
    with pytest.raises(MissingRole):
        await answer_to(seat, Typed(verb, Person("U0STRANGER"), "t-2", trigger_id="t-2"))


async def test_a_verb_that_risks_nothing_is_answered_in_a_dialog() -> None:
    """With what takes it back, as it is typed here."""
    commands, seat = busy()
    view = await opened(seat, "ack")
    assert isinstance(view, View)
    told = (await submitted(seat, view, {"name": "INC-1"})).to_dict()
    assert commands.calls == [("acknowledge", "INC-1", "U0ONCALL")]
    assert told["blocks"][0]["text"]["text"] == "You have INC-1."


async def test_a_dialog_that_fails_says_what_would_be_typed() -> None:
    """So that nothing has to be filled in again."""
    _, seat = busy()
    view = await opened(seat, "batch")
    assert isinstance(view, View)
    told = (await submitted(seat, view, {"cluster": "eu-9", "limit": "8"})).to_dict()
    assert told["title"]["text"] == "Not done"
    text = told["blocks"][0]["text"]["text"]
    assert "did you mean `eu-1`" in text or "there is no cluster `eu-9`" in text
    assert text.endswith("`/ops batch eu-9 8`")


@pytest.mark.parametrize(
    "verb", sorted({"ack", "resolve", "approve", "undo", "unhold", "unsilence", "object", "pause"} & FORMS.keys())
)
async def test_where_there_is_nothing_to_pick_that_is_said(verb: str) -> None:
    """Instead of an empty menu, which Slack refuses."""
    answer = await opened(seat_of(RecordedCommands()), verb)
    assert answer in NOTHING.values()


async def test_a_long_list_is_picked_from_by_typing() -> None:
    """Slack shows a hundred options at most."""
    acts = Acts([f"cluster-{number}" for number in range(250)])
    _, seat = busy(acts)
    view = await opened(seat, "batch")
    assert isinstance(view, View)
    (element,) = [block["element"] for block in view.to_dict()["blocks"] if block.get("block_id") == "cluster"]
    assert (element["type"], element["action_id"]) == ("external_select", "pick.cluster.cluster")
    found = [one.to_dict()["value"] for one in await matching(seat, element["action_id"], "Cluster-24")]
    assert found == ["cluster-24", *(f"cluster-24{digit}" for digit in range(10))]
    assert len(await matching(seat, element["action_id"], "")) == 100
    assert await matching(seat, "pick.nothing", "x") == []


async def test_the_menu_fits_what_is_open() -> None:
    """What waits for a decision comes first; chosen, it opens that verb's dialog or its answer."""
    _, seat = busy()
    view = await opened(seat, "")
    assert isinstance(view, View)
    shown = view.to_dict()
    assert shown["callback_id"] == MENU
    choices = [option["value"] for option in shown["blocks"][1]["element"]["options"]]
    assert choices[:4] == ["approve", "refuse", "ack", "object"]
    assert len(choices) == 10
    assert "INC-1" in shown["blocks"][0]["text"]["text"]
    form = (await submitted(seat, view, {"choice": "ack"})).to_dict()
    assert (form["callback_id"], form["title"]["text"]) == (FORM, "Ack")
    told = (await submitted(seat, view, {"choice": "status"})).to_dict()
    assert "1 open:" in str(told["blocks"])


async def test_without_anything_open_the_menu_offers_what_one_looks_at() -> None:
    """No choice that could only fail."""
    view = await opened(seat_of(RecordedCommands(), acts=Acts()), "")
    assert isinstance(view, View)
    choices = [option["value"] for option in view.to_dict()["blocks"][1]["element"]["options"]]
    assert choices[0] == "status"
    assert {"ack", "approve", "undo", "go-on", "object"}.isdisjoint(choices)


def test_help_names_every_verb_in_few_lines() -> None:
    """And of one verb its examples."""
    lines = help_text().splitlines()
    assert len(lines) == len(GROUPS) + 2
    assert len(help_text()) < 1500
    for verb in VERBS:
        assert f"`{verb.name}`" in help_text()
        assert help_for(verb.name).startswith(f"`/ops {verb.name}")
    assert "`/ops batch eu-1 -25%`" in help_for("batches")
    assert "did you mean `/ops batch`?" in help_for("bacth")


def test_a_long_answer_is_cut_between_lines_and_keeps_its_table() -> None:
    """A table in fixed width is closed and opened again; what does not fit is counted."""
    table = "```" + "\n".join(f"row {number} " + "x" * 60 for number in range(120)) + "```"
    texts = [block.to_dict()["text"]["text"] for block in answer_blocks(f"head\n\n{table}\n\ntail")]
    assert len(texts) >= 4
    assert all(len(text) <= 3000 and text.count("```") % 2 == 0 for text in texts)
    assert "tail" in texts[-1]
    long = "\n\n".join("x" * 2000 for _ in range(100))
    for blocks, shown in ((answer_blocks(long), 5), (answer_blocks(long, 90, None), 90)):
        assert len(blocks) == shown + 1
        assert f"and {100 - shown} more parts" in blocks[-1].to_dict()["elements"][0]["text"]
