"""What runs ask and what can be done with them, as Slack's blocks and words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from opsbot.errors import ConfigError
from opsbot.incident.handle import PREFIX, digits_of
from opsbot.incident.view import AnnouncementView, ApprovalView, HaltView, RunView, StepView
from opsbot.people import Person
from opsbot.runbook.run import RunState, StepState
from opsbot.runbook.store import KnobHold
from opsbot.slack.asked import questions
from opsbot.slack.blocks import incident_message
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.home_view import home_view
from opsbot.slack.run_menu import run_dialog, run_menu
from opsbot.slack.run_words import VERBS, handle, holds_text, read_request, runs_text
from opsbot.slack.spoken_here import as_typed_here
from opsbot.slack.steps import RUN_WORDS, STEP_MARKS, approval_text, run_line
from opsbot.slack.typed import Typed
from tests.support.incident_views import OPENED_AT, make_approval, make_run, make_view
from tests.support.recorded_commands import RecordedCommands
from tests.support.seats import seat_of

RESPONDER = Person("U0ONCALL", frozenset({"responder"}))
COMMANDER = Person("U0COMMANDER", frozenset({"commander"}))
SAFETY = Person("U0SAFETY", frozenset({"trust_and_safety"}))
REFERENCE = PREFIX + digits_of("run-1")


def buttons(run: RunView) -> list[str]:
    """What stands on the buttons of everything that the run asks."""
    found = questions(make_view(runs=[run]), OPENED_AT)
    return [
        element["text"]["text"]
        for question in found
        for block in (one.to_dict() for one in question.blocks)
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def entries(run: RunView) -> list[str]:
    """The verbs of a run's menu."""
    menu = run_menu(run)
    return [] if menu is None else [option["value"].split()[0] for option in menu.to_dict()["options"]]


@pytest.mark.parametrize("state", list(RunState))
def test_every_state_of_a_run_has_words(state: RunState) -> None:
    """Nobody reads a word of the code's."""
    assert RUN_WORDS[state]


@pytest.mark.parametrize("state", list(StepState))
def test_every_state_of_a_step_has_a_mark(state: StepState) -> None:
    """Also the new ones."""
    assert STEP_MARKS[state]


@pytest.mark.parametrize(
    ("state", "paused_by", "verbs"),
    [
        ("queued", None, ["pause", "cancel"]),
        ("running", None, ["pause", "skip", "cancel"]),
        ("waiting", None, ["pause", "skip", "cancel"]),
        ("waiting", "U1", ["resume", "skip", "cancel"]),
        ("holding", None, ["retry", "cancel"]),
        ("needs_person", None, ["retry", "cancel"]),
        ("undoing", None, []),
        ("finishing", None, []),
        ("succeeded", None, ["retry"]),
        ("failed", None, ["retry"]),
        ("undone", None, ["retry"]),
        ("cancelled", None, ["retry"]),
    ],
)
def test_the_menu_has_what_fits_the_state(state: str, paused_by: str | None, verbs: Sequence[str]) -> None:
    """And nothing that could only fail."""
    assert entries(dataclasses.replace(make_run(state), paused_by=paused_by)) == verbs


@pytest.mark.parametrize(
    ("approval", "shown"),
    [
        (make_approval(), ["Approve", "Refuse"]),
        (make_approval(role="commander"), ["Approve", "Refuse"]),
        (dataclasses.replace(make_approval(), count=2), ["Approve", "Refuse", "Approve alone …"]),
        (dataclasses.replace(make_approval(), excluded="U1"), ["Approve", "Refuse", "Approve alone …"]),
        (make_approval(role="trust_and_safety"), ["Approve", "Refuse", "Approve alone …"]),
    ],
)
def test_the_glass_is_shown_where_a_commander_could_not_simply_approve(
    approval: ApprovalView, shown: Sequence[str]
) -> None:
    """Elsewhere it would only be in the way."""
    assert buttons(make_run(approvals=[approval])) == shown


def test_an_approval_says_how_far_it_is() -> None:
    """Of how many, who has, who may not, and what happens if nobody does."""
    approval = dataclasses.replace(
        make_approval(role="commander,trust_and_safety"),
        count=2, granted_by=("U1AA",), excluded="U2BB", on_timeout="proceed",
    )  # fmt: skip
    text = approval_text(approval)
    assert "from 2 people, each commander or trust and safety (*1 of 2*: <@U1AA>), not <@U2BB>, who asked" in text
    assert "If nobody decides, it is done" in text


def test_what_cannot_wait_is_asked_first() -> None:
    """An unknown outcome, then an announcement, then approvals."""
    said = AnnouncementView("ann-1", "run-1", "b", "eu-1 is drained", True, OPENED_AT, OPENED_AT + 60, ())
    steps = [StepView("a", "Drain", "x.y", "unknown", "no answer")]
    run = dataclasses.replace(make_run(steps=steps, approvals=[make_approval()]), announcements=(said,))
    assert buttons(run) == [
        "It happened", "It did not", "Object", "Go now", "I have capacity", "Approve", "Refuse"
    ]  # fmt: skip


def test_an_announcement_needs_no_edit_to_count_down() -> None:
    """Slack shows the moment in each reader's own time; before it could be read there is none."""
    said = AnnouncementView("ann-1", "run-1", "b", "<eu-1> is drained", False, OPENED_AT, OPENED_AT + 60, ())
    for ends_at, shown in ((OPENED_AT + 60, "<!date^1790000060^{time}|14:14 UTC>"), (None, "once this could be read")):
        run = dataclasses.replace(make_run(), announcements=(dataclasses.replace(said, ends_at=ends_at),))
        (question,) = questions(make_view(runs=[run]), OPENED_AT)
        text = question.blocks[0].to_dict()["text"]["text"]
        assert shown in text
        assert "&lt;eu-1&gt;" in text


@pytest.mark.parametrize(
    ("role", "excluded", "who", "is_asked"),
    [
        ("responder", None, RESPONDER, True),
        ("responder", "U0ONCALL", RESPONDER, False),
        ("commander,trust_and_safety", None, RESPONDER, False),
        ("commander,trust_and_safety", None, COMMANDER, True),
        ("commander,trust_and_safety", None, SAFETY, True),
        ("responder", None, COMMANDER, True),
        ("responder", None, SAFETY, False),
    ],
)
def test_the_home_tab_asks_those_who_may_decide(role: str, excluded: str | None, who: Person, is_asked: bool) -> None:
    """Several roles, and nobody their own run."""
    approval = dataclasses.replace(make_approval(role=role), excluded=excluded)
    tab = home_view([make_view(runs=[make_run(approvals=[approval])])], who, OPENED_AT).to_dict()
    headers = [block["text"]["text"] for block in tab["blocks"] if block["type"] == "header"]
    assert ("Waiting for you" in headers) is is_asked


def test_while_a_run_is_paused_its_questions_stay() -> None:
    """Its time stands still, so they do not go when it would be over."""
    run = dataclasses.replace(make_run(approvals=[make_approval()]), paused_by="U1AA", pause_reason="wait")
    assert len(list(questions(make_view(runs=[run]), OPENED_AT + 9999))) == 1
    assert run_line(run).endswith("‖ paused by <@U1AA> (wait); *Resume* in its menu lets it go on")


def test_the_global_stop_stands_on_message_tab_and_notification() -> None:
    """Also on a tab without incidents, where a commander can lift it."""
    halt = HaltView("the region is <down>", "U1AA", OPENED_AT)
    message = incident_message(dataclasses.replace(make_view(), halt=halt), OPENED_AT)
    assert "All runs are stopped" in message.text
    shown = [block.to_dict().get("text", {}).get("text", "") for block in message.blocks]
    assert any("*All runs are stopped* by <@U1AA>" in text and "&lt;down&gt;" in text for text in shown)
    for who, has_button in ((COMMANDER, True), (RESPONDER, False)):
        tab = home_view([], who, OPENED_AT, halt=halt).to_dict()
        assert any("All runs are stopped" in block.get("text", {}).get("text", "") for block in tab["blocks"])
        assert any(block["type"] == "actions" for block in tab["blocks"]) is has_button


@pytest.mark.parametrize("verb", ["pause", "skip", "retry"])
def test_a_dialog_keeps_slacks_limits(verb: str) -> None:
    """Whatever the run's and the steps' names are."""
    steps = [StepView(f"s{n}", "endless <name> " * 30, "x.y", "pending") for n in range(120)]
    run = make_run("running", name="endless & <name> " * 50, steps=steps)
    view = run_dialog(Subject(verb, REFERENCE, "C1", "1.5"), run).to_dict()
    assert all(len(view[name]["text"]) <= 24 for name in ("title", "submit", "close"))
    assert len(view["private_metadata"]) <= 3000
    assert len(view["blocks"][0]["text"]["text"]) <= 3000
    for block in view["blocks"][1:]:
        options = block["element"].get("options", [])
        assert len(options) <= 100
        assert all(len(option["text"]["text"]) <= 75 and len(option["value"]) <= 150 for option in options)


@pytest.mark.parametrize(
    ("typed", "call"),
    [
        ("pause r-4e65d3 wait for it", ("pause", "r-4e65d3 wait for it")),
        ("resume r-4e65d3", ("resume", "r-4e65d3")),
        ("cancel r-4e65d3 enough", ("cancel", "r-4e65d3 enough")),
        ("undo r-4e65d3", ("undo", "r-4e65d3")),
        ("skip r-4e65d3 drain by hand", ("skip", "r-4e65d3 drain by hand")),
        ("retry r-4e65d3", ("again", "r-4e65d3")),
        ("retry r-4e65d3 drain", ("again", "r-4e65d3 drain")),
        ("settle r-4e65d3 drain happened", ("happened", "r-4e65d3 drain")),
        ("settle r-4e65d3 drain not", ("not happened", "r-4e65d3 drain")),
        ("approve apr-1", ("grant", "apr-1")),
        ("refuse apr-1", ("refuse", "apr-1")),
        ("glass apr-1 all asleep", ("glass", "apr-1 all asleep")),
        ("object ann-1", ("object", "ann-1")),
        ("go-now ann-1", ("go now", "ann-1")),
        ("offer ann-1", ("offer", "ann-1")),
        ("stop the region is down", ("stop all", "the region is down")),
        ("go-on", ("go on", "")),
        ("hold eu-1/batch_limit 1h the rack moves", ("hold", "eu-1/batch_limit 3600 the rack moves")),
        ("hold eu-1 batch for 30 min because we measure", ("hold", "eu-1/batch_limit 1800 we measure")),
        ("hold eu-1 for 1h30 we measure", ("hold", "eu-1/* 5400 we measure")),
        ("undo R-4E65D3", ("undo", "r-4e65d3")),
        ("cancel run 4e65d3 because enough", ("cancel", "r-4e65d3 enough")),
        ("unhold 3", ("let go", "3")),
        ("run drain", ("start", "drain")),
    ],
)
async def test_every_word_calls_its_command(typed: str, call: tuple[str, str]) -> None:
    """As it is typed."""
    commands = RecordedCommands([make_view(runs=[make_run()])])
    verb, _, rest = typed.partition(" ")
    assert await handle(verb, Typed(rest, RESPONDER, "t-1"), seat_of(commands))
    assert commands.calls == [(*call, "U0ONCALL")]


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"runs", "holds", "go-on", "stop"}))
async def test_a_word_alone_says_how_to_go_on(verb: str) -> None:
    """And does nothing."""
    commands = RecordedCommands()
    with pytest.raises(ConfigError) as error:
        await handle(verb, Typed("", RESPONDER), seat_of(commands))
    assert "`/ops " in as_typed_here(str(error.value))
    assert commands.calls == []


@pytest.mark.parametrize(
    "typed", ["settle r-1 drain perhaps", "hold eu-1/x soon why", "unhold three", "run drain and more", "skip r-1"]
)
async def test_what_is_not_understood_says_how_it_is_written(typed: str) -> None:
    """With an example."""
    verb, _, rest = typed.partition(" ")
    with pytest.raises(ConfigError) as error:
        await handle(verb, Typed(rest, RESPONDER), seat_of(RecordedCommands()))
    assert "`/ops " in as_typed_here(str(error.value))


@pytest.mark.parametrize(
    ("typed", "cluster", "inputs", "incident"),
    [
        ("drain", "", {}, None),
        ("drain cluster=eu-1 for INC-7", "eu-1", {}, "INC-7"),
        ("drain on eu-1 for inc 7", "eu-1", {}, "INC-7"),
        ("Drain Cluster = eu-1 #7", "eu-1", {}, "INC-7"),
        ("drain limit=8 how=“very slow” in 7", "", {"limit": "8", "how": "very slow"}, "INC-7"),
    ],
)
def test_a_run_is_asked_for_in_words(typed: str, cluster: str, inputs: dict[str, str], incident: str | None) -> None:
    """Quotes may be curly; the same delivery is the same request."""
    asked = read_request(typed, "t-1")
    assert (asked.runbook_id, asked.cluster, dict(asked.inputs), asked.incident_id) == (
        "drain", cluster, inputs, incident
    )  # fmt: skip
    assert asked.request_id == read_request(typed, "t-1").request_id != read_request(typed, "t-2").request_id


def test_lists_say_what_to_type() -> None:
    """Names, and how what is set is lifted; empty ones say where to look."""
    run = dataclasses.replace(make_run(approvals=[make_approval()]), incident_id="INC-1")
    assert "waits for `apr-1`" in runs_text([run], None)
    assert runs_text([run] * 20, None).endswith("… and 8 more; `opsbot runs` lists them")
    assert runs_text([], None) == "Nothing runs. `/ops runs all` lists what is over."
    held = KnobHold(3, "eu-1/*", "mine", "U1AA", OPENED_AT, OPENED_AT + 60)
    assert "`/ops unhold 3`" in holds_text([held])
    assert holds_text([]) == "Nobody holds a knob."


@pytest.mark.parametrize("typed", ["r-4e65d3 it is wrong", "loadtest eu-1", "batch eu-1 off"])
async def test_stop_stops_everything_and_never_by_mistake(typed: str) -> None:
    """Who names one run or one setting is told how that is stopped."""
    commands = RecordedCommands()
    with pytest.raises(ConfigError, match="stops every run of every cluster"):
        await handle("stop", Typed(typed, COMMANDER), seat_of(commands))
    assert commands.calls == []


def test_a_run_that_holds_for_a_stated_time_says_until_when() -> None:
    """Not until the incident ends."""
    run = dataclasses.replace(make_run("holding"), detail="held for 10m, until 04:21 UTC")
    assert run_line(run).endswith(": done (held for 10m, until 04:21 UTC)")
