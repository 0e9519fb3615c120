"""The dry run: what is known now is told, what depends on a change is said to, and nothing is changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from opsbot.errors import ActionError
from opsbot.read_only import ReadOnlyTransport
from opsbot.runbook.dry_run import DryRun, DryStep
from opsbot.runbook.dry_text import lines
from tests.support.dry_runs import Metrics, Server, dry_run

HEAD = """\
version: 1
id: kv
name: Relieve the cache
owner: oncall
mode: MODE
triggers: [{type: manual}]
inputs:
  batch_limit: {type: integer, default: 8}
limits: {percent: 50}
steps:
"""
USAGE = "  - {id: usage, name: Read, uses: prometheus.query, with: {query: usage}}\n"
RESIZE = """\
  - id: resize
    name: Resize the batch
    uses: serving.set_batch
    with: {limit: "${{ inputs.batch_limit }}"}
    if: steps.usage.outputs.value > 0.5
    lease: 60s
    verify: {expr: 'up{cluster="${{ alert.labels.cluster }}"} == 1', for: 3s, timeout: 45s}
    on_verify_failed: undo
"""
LOOK = """\
  - id: look
    name: Look
    uses: prometheus.query
    if: steps.STEP.state == 'STATE'
    with: {query: usage}
"""
UP = 'up{cluster="east"} == 1'


def text(*steps: str, mode: str = "auto", more: str = "") -> str:
    """A runbook of *steps*."""
    return HEAD.replace("MODE", mode) + "".join(steps) + more


def metrics(usage: float | None = 0.9) -> Metrics:
    """What the steps ask for."""
    return Metrics({"usage": usage}, {UP: "fails"})


def server() -> Server:
    """Two clusters."""
    return Server({"east": 16, "west": 32})


def step_of(found: DryRun, step_id: str) -> DryStep:
    """One step of a dry run."""
    return next(step for step in found.steps if step.step_id == step_id)


def shown(found: DryRun) -> str:
    """As it is printed."""
    return "\n".join(line.text for line in lines(found))


def test_what_is_known_now_is_told() -> None:
    """The reading, the condition it decides, the value before, the knob, the verdict, and how it is taken back."""
    one = server()
    found = dry_run(text(USAGE, RESIZE), metrics(), one)
    usage, resize = found.steps
    assert usage.calls[0].reading == "usage is 0.9"
    assert resize.standing == "acts"
    (call,) = resize.calls
    assert call.prior == {"in_force": 16, "base": 16, "num_leases": 0}
    assert call.will_do.startswith("set the batch limit of east from 16 to 8 for 1m at a time")
    assert (call.cluster, resize.locks) == ("east", ("east/batch_limit",))
    assert resize.verify is not None
    assert (resize.verify.expr, resize.verify.verdict) == (UP, "fails")
    assert "Undo takes it back to 16" in resize.undo
    assert (found.clusters, found.most_clusters, found.all_problems) == (("east",), 1, ())
    assert {httpx.URL(url).path for url in one.requests} == {"/control/v1/knobs"}


def test_a_false_condition_skips() -> None:
    """Nothing is asked for a step that would not be made, and later steps see that it was skipped."""
    one = server()
    later = LOOK.replace("STEP", "resize").replace("STATE", "skipped")
    found = dry_run(text(USAGE, RESIZE, later), metrics(0.1), one)
    assert step_of(found, "resize").standing == "skipped"
    assert one.requests == []
    assert step_of(found, "look").standing == "acts"


def test_what_depends_on_a_change_is_said_to() -> None:
    """A condition, an argument and a list that need an output of a step that was not made; the rest goes on."""
    found = dry_run(
        text(
            USAGE,
            RESIZE,
            "  - {id: a, name: A, uses: prometheus.query, if: steps.resize.outputs.limit < 9, with: {query: usage}}\n",
            "  - id: b\n    name: B\n    uses: serving.set_batch\n    lease: 60s\n"
            "    with: {cluster: west, limit: '${{ steps.resize.outputs.limit_before }}'}\n",
            "  - id: c\n    name: C\n    uses: prometheus.query\n    with: {query: usage}\n"
            '    if: "true || steps.resize.outputs.limit < 9"\n',
            "  - id: d\n    name: D\n    uses: test.page\n    with: {text: '${{ item }}'}\n"
            "    foreach: steps.resize.outputs.limit\n",
        ),
        metrics(),
        server(),
    )
    a, b, c, d = (step_of(found, step_id) for step_id in "abcd")
    assert (a.standing, a.why) == ("depends", "whether it is made depends on the outcome of step resize")
    assert b.calls[0].arguments == {"cluster": "west"}
    assert b.calls[0].unknown == {"limit": "depends on the outcome of step resize"}
    assert c.standing == "acts"
    assert (d.standing, d.why) == ("depends", "its list depends on the outcome of step resize")
    assert found.all_problems == ()
    assert "It could run now; 2 of 6 steps depend on what others yield." in shown(found)


EACH = """\
  - id: all
    name: Resize everywhere
    uses: serving.set_batch
    with: {limit: 4, cluster: "${{ item }}"}
    foreach: fleet.clusters
    stages: [1, 100%]
    lease: 60s
"""


def test_items_are_told_in_stages_and_counted_against_the_limit() -> None:
    """Half of two clusters is one; a plan for both is over it."""
    found = dry_run(text(EACH), metrics(), server())
    (step,) = found.steps
    assert step.stages == (("east",), ("west",))
    assert [call.will_do.split(" for ")[0] for call in step.calls] == [
        "set the batch limit of east from 16 to 4",
        "set the batch limit of west from 32 to 4",
    ]
    assert found.all_problems == ("it would hold something on 2 clusters, and its limit is 1 of 2",)
    assert "stage 2 of 2: west" in shown(found)


def test_a_server_that_does_not_answer_is_a_problem_of_its_step() -> None:
    """It is said where it is; the other items are told all the same."""
    one = server()
    one.limits["west"] = None  # type: ignore[assignment]
    (step,) = dry_run(text(EACH), metrics(), one).steps
    assert step.standing == "fails"
    assert step.calls[0].problem == ""
    assert step.calls[1].problem == (
        "the value before cannot be read: GET /control/v1/knobs on cluster west: the server cannot be reached "
        "(ConnectError)"
    )


def test_metrics_that_do_not_answer_are_a_problem() -> None:
    """Of the reading and of the verification; what follows from the reading depends on it."""
    found = dry_run(text(USAGE, RESIZE), Metrics(), server())
    usage, resize = found.steps
    assert usage.standing == "fails"
    assert resize.why == "whether it is made depends on the outcome of step usage"
    assert found.all_problems == (
        "usage: usage could not be read: the metrics source does not answer",
        "resize: verify: it cannot be asked: the metrics source does not answer",
    )


APPROVED = """\
  - id: page
    name: Page
    uses: test.page
    with: {text: "load is ${{ alert.value }}"}
    approval: APPROVAL
    announce: {message: "Paging about ${{ alert.labels.cluster }}", for: 5m, call_for_capacity: true}
"""


@pytest.mark.parametrize(
    ("approval", "requester", "asked", "may", "why", "problems"),
    [
        ("{from: responder}", "", "U0ANNA", True, "", 0),
        # A commander is a responder too.
        ("{from: responder, count: 2}", "", "U0BEN", True, "", 0),
        ("{from: [commander, trust_and_safety]}", "", "U0ANNA", False, "has responder", 0),
        ("{from: commander}", "", "U0ELSE", False, "the settings do not name this person under `people`", 0),
        # The action is risky, and she is the only other one.
        ("{from: responder}", "U0ANNA", "U0ANNA", False, "whoever asked for the run may not approve it", 0),
        ("{from: responder, exclude_requester: false}", "U0ANNA", "U0ANNA", True, "", 0),
        ("{from: commander, count: 2}", "", "U0BEN", True, "", 1),
        ("{from: commander}", "U0BEN", "U0BEN", False, "whoever asked for the run may not approve it", 1),
    ],
)
def test_rights_are_told(approval: str, requester: str, asked: str, may: bool, why: str, problems: int) -> None:
    """Whether the person may approve; and a problem where too few people could."""
    written = text(APPROVED.replace("APPROVAL", approval))
    found = dry_run(written, metrics(), server(), requester=requester, asked=asked)
    consent = found.steps[0].consent
    assert consent is not None
    assert (consent.may, consent.why) == (may, why)
    assert len(found.all_problems) == problems


def test_an_announcement_is_told_with_its_text() -> None:
    """Rendered once; how long people have, and what an objection does."""
    said = shown(dry_run(text(APPROVED.replace("APPROVAL", "{from: responder}")), metrics(), server()))
    assert "“Paging about east”" in said
    said = " ".join(said.split())
    assert "then waits 5m; an offer of capacity doubles that once; if somebody objects, no step follows" in said
    assert "page oncall: load is 0.9" in said


def test_the_mode_decides_what_is_asked() -> None:
    """`suggest` asks the action's own role, `observe` makes no change and nobody is asked."""
    page = "  - {id: page, name: Page, uses: test.page, with: {text: x}}\n"
    suggested = dry_run(text(page, mode="suggest"), metrics(), server()).steps[0]
    assert suggested.consent is not None
    assert suggested.consent.who == "commanders"
    observed = dry_run(text(page, mode="observe"), metrics(), server()).steps[0]
    assert (observed.standing, observed.consent) == ("observes", None)
    assert observed.calls[0].will_do == "page oncall: x"


def test_how_a_step_is_taken_back() -> None:
    """By its `undo`, as written: what it yields is not known before."""
    page = (
        "  - id: page\n    name: Page\n    uses: test.page\n    with: {text: x}\n"
        "    undo: {uses: test.page, with: {text: '${{ result.page_id }} is over'}}\n"
    )
    assert dry_run(text(page), metrics(), server()).steps[0].undo == (
        "by test.page with text=${{ result.page_id }} is over"
    )
    bare = "  - {id: page, name: Page, uses: test.page, with: {text: x}}\n"
    assert dry_run(text(bare), metrics(), server()).steps[0].undo == "nobody can take a page back"


def test_a_wait_is_not_waited_for() -> None:
    """Its condition is asked once; whether it ends well stays open."""
    wait = "  - {id: quiet, name: Wait, uses: wait.until, with: {expr: up == 1, for: 10m}, timeout: 20m}\n"
    after = LOOK.replace("STEP", "quiet").replace("STATE", "failed")
    given = Metrics({"usage": 1.0}, {"up == 1": "fails"})
    began = time.monotonic()
    quiet, look = dry_run(text(wait, after), given, server()).steps
    assert time.monotonic() - began < 5
    assert quiet.calls[0].reading == "up == 1 does not hold now"
    assert look.standing == "depends"


def test_the_final_steps_are_told_last() -> None:
    """They are marked, and not numbered."""
    final = "finally:\n  - {id: after, name: Look again, uses: prometheus.query, with: {query: usage}}\n"
    found = dry_run(text(USAGE, more=final), metrics(), server())
    assert [step.is_final for step in found.steps] == [False, True]
    assert "finally  Look again (after)" in shown(found)


def test_what_can_never_be_rendered_is_a_problem() -> None:
    """A label that the alert does not have, a division by zero, no cluster: said at the step, and the rest goes on."""
    odd = (
        "  - {id: a, name: A, uses: test.page, with: {text: '${{ alert.labels.region }}'}}\n"
        "  - {id: b, name: B, uses: test.page, if: 1 / (inputs.batch_limit - 8) > 0, with: {text: x}}\n"
        "  - {id: c, name: C, uses: serving.set_batch, with: {limit: 4}, lease: 60s}\n"
    )
    found = dry_run(text(odd), metrics(), server(), labels={"alertname": "A"})
    assert [step.standing for step in found.steps] == ["fails", "fails", "fails"]
    assert [problem.split(":")[0] for problem in found.all_problems] == ["a", "b", "c"]


def test_questions_have_an_end() -> None:
    """A source that hangs costs one answer's time; past the time for all, nothing more is asked."""

    class Hanging(Metrics):
        async def value(self, expr: str, /) -> float | None:
            await asyncio.sleep(60)
            return None

    began = time.monotonic()
    slow = dry_run(text(USAGE), Hanging(), server(), each_s=0.05)
    over = dry_run(text(USAGE), Hanging(), server(), all_s=0.0)
    assert time.monotonic() - began < 10
    assert "no answer came within" in slow.all_problems[0]
    assert "the plan's 0 s for questions are over" in over.all_problems[0]


def test_json_is_plain() -> None:
    """Programs read the same: it survives JSON, and says whether it could run."""
    plain: Mapping[str, Any] = json.loads(json.dumps(dry_run(text(USAGE, RESIZE), metrics(), server()).as_json()))
    assert plain["could_run"] is True
    assert plain["steps"][1]["calls"][0]["prior"] == {"in_force": 16, "base": 16, "num_leases": 0}
    assert plain["clusters"] == ["east"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_transport_of_a_dry_run_only_asks(method: str) -> None:
    """Whatever an action tries, a request that could change something is not sent."""

    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError("sent")

    async def send() -> None:
        async with httpx.AsyncClient(transport=ReadOnlyTransport(httpx.MockTransport(never))) as http:
            await http.request(method, "http://a/control/v1/leases")

    with pytest.raises(ActionError, match=f"a dry run sends no {method} /control/v1/leases"):
        asyncio.run(send())


def test_what_cannot_be_verified_is_made_all_the_same() -> None:
    """The step stands, its verification is the problem."""
    found = dry_run(text(USAGE, RESIZE), Metrics({"usage": 0.9}), server())
    assert step_of(found, "resize").standing == "acts"
    assert found.all_problems == ("resize: verify: it cannot be asked: the metrics source does not answer",)
