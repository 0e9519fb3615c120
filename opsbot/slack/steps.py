"""What the bot is doing, as text: each run with a line per step, and each open approval with its consequences.

Pure. A mark is always accompanied by words where the mark alone would leave a doubt, so that nothing depends on
seeing a symbol.
"""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.incident.view import ApprovalView, RunView, StepView
from opsbot.runbook.run import RunState, StepState
from opsbot.slack.text import cut, date, duration, literal, person, shorten

STEP_MARKS: Mapping[str, str] = {
    StepState.PENDING: "○",
    StepState.WAITING_APPROVAL: "◔",
    StepState.ANNOUNCING: "◔",
    StepState.READY: "◔",
    StepState.ACTING: "●",
    StepState.VERIFYING: "●",
    StepState.SUCCEEDED: "✓",
    StepState.NOT_VERIFIED: "✗",
    StepState.SKIPPED: "–",
    StepState.FAILED: "✗",
    StepState.UNDOING: "↩",
    StepState.UNDONE: "↩",
    StepState.UNKNOWN: "⚠",
}
STEP_WORDS: Mapping[str, str] = {
    StepState.WAITING_APPROVAL: "waits for approval",
    StepState.ANNOUNCING: "announced",
    StepState.READY: "about to act",
    StepState.ACTING: "acting",
    StepState.VERIFYING: "verifying",
    StepState.NOT_VERIFIED: "not verified",
    StepState.SKIPPED: "skipped",
    StepState.FAILED: "failed",
    StepState.UNDOING: "being undone",
    StepState.UNDONE: "undone",
    StepState.UNKNOWN: "nobody knows whether it happened",
}
RUN_WORDS: Mapping[str, str] = {
    RunState.QUEUED: "about to start",
    RunState.RUNNING: "running",
    RunState.WAITING: "waiting",
    RunState.HOLDING: "done, holding its change until the incident ends",
    RunState.UNDOING: "being undone",
    RunState.FINISHING: "ending",
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.UNDONE: "undone",
    RunState.CANCELLED: "cancelled",
    RunState.NEEDS_PERSON: "needs a person",
}
MAX_STEPS = 25
"""Steps shown of one run; with the lengths below they fit one section."""
MAX_NAME = 60
MAX_VOTES = 5
MAX_DETAIL = 120
MAX_SENTENCE = 1200
"""Characters of one sentence of an approval; two of them and the heading fit one section."""
MAX_ESCAPED = 1300
"""The same, once it is escaped."""


def run_line(run: RunView) -> str:
    """The run's name and state in one line of mrkdwn."""
    detail = f" ({literal(shorten(run.detail, MAX_DETAIL))})" if run.detail else ""
    took = f" after {duration(run.ended_at - run.started_at)}" if run.ended_at is not None else ""
    words = RUN_WORDS.get(run.state, run.state)
    if has_a_length(run):
        words = "done"
    if run.paused_by is not None and run.ended_at is None:
        why = literal(shorten(run.pause_reason or "", MAX_DETAIL))
        words, detail = f"‖ paused by {person(run.paused_by)}", f" ({why}); *Resume* in its menu lets it go on"
    elif run.detail.startswith(f"{words} "):
        words, detail = detail.removeprefix(" (").removesuffix(")"), ""
    elif run.detail.startswith("held ") and words.endswith(run.detail.removeprefix("held ")):
        detail = ""
    by = f", asked for by {person(run.requester)}" if run.requester else ""
    name = literal(shorten(run.runbook_name, MAX_NAME))
    return f"*{name}* `{run.handle}`{by}: {words}{took}{detail}"


def has_a_length(run: RunView) -> bool:
    """Whether it holds its change for a stated time; its detail says until when."""
    return run.state == RunState.HOLDING and run.detail.startswith("held for")


def _who(approval: ApprovalView) -> str:
    """Of whom it is asked, and how far that is: `2 of commander or trust and safety (1 of 2: @U1)`."""
    roles = " or ".join(role.replace("_", " ") for role in approval.role.split(","))
    said = f"a {roles}" if approval.count == 1 else f"{approval.count} people, each {roles}"
    if approval.count > 1:
        given = ", ".join(person(one) for one in approval.granted_by[:MAX_VOTES])
        said += f" (*{len(approval.granted_by)} of {approval.count}*" + (f": {given})" if given else ")")
    if approval.excluded is not None:
        said += f", not {person(approval.excluded)}, who asked for the run"
    return said


def run_text(run: RunView) -> str:
    """The run's line with a line for each step below it."""
    lines = [run_line(run), *(step_line(step) for step in run.steps[:MAX_STEPS])]
    if len(run.steps) > MAX_STEPS:
        lines.append(f"… and {len(run.steps) - MAX_STEPS} more steps")
    return "\n".join(lines)


def step_line(step: StepView) -> str:
    """One step: mark, name, and what is to be said about it."""
    said = [STEP_WORDS.get(step.state, ""), literal(shorten(_told(step), MAX_DETAIL))]
    rest = ": ".join(part for part in said if part)
    name = literal(shorten(step.name, MAX_NAME))
    return f"{STEP_MARKS.get(step.state, '·')}  {name}" + (f" · {rest}" if rest else "")


def _told(step: StepView) -> str:
    """Its detail, without the expressions: of a query the answer, of a condition that it is not met.

    The step's name says what was asked; the thread has the query, the runbook both.
    """
    if step.state == StepState.SKIPPED and step.detail.endswith(" is false"):
        return "its condition is not met"
    if step.uses == "prometheus.query" and step.state == StepState.SUCCEEDED:
        return step.detail.rpartition(" is ")[2]
    return step.detail


def approval_text(approval: ApprovalView) -> str:
    """What is asked, of whom, until when, with both consequences in full."""
    late = ". If nobody decides, it is done" if approval.on_timeout == "proceed" else ""
    return (
        f"*Approval needed* from {_who(approval)}, until {date(approval.expires_at)}{late}\n"
        f"*Will do:* {cut(literal(shorten(approval.will_do, MAX_SENTENCE)), MAX_ESCAPED)}\n"
        f"*Taken back:* {cut(literal(shorten(approval.undo, MAX_SENTENCE)), MAX_ESCAPED)}"
    )
