"""What is said of something that a person does by hand: before it, and once it was started. Pure."""

from __future__ import annotations

from opsbot.incident.view import RunView
from opsbot.runbook.run import RunState, StepState
from opsbot.spoken.act import Act


def would(act: Act, now: str, limit: int | None, length: str, incident_id: str | None) -> str:
    """What it would do, from what to what and for how long, without a full stop."""
    where = f" for {incident_id}" if incident_id else ""
    because = f", because {act.reason}" if act.reason else ""
    return f"{_what(act, now, limit)} for {length}{where}{because}"


def _what(act: Act, now: str, limit: int | None) -> str:
    match act.verb:
        case "batch":
            return f"set the batch limit of {act.cluster} from {now or 'what it is'} to {limit}"
        case "shed":
            whom = f"callers of class {act.named['class']}" if "class" in act.named else "all requests"
            return f"turn away {act.number:.0%} of {whom} on {act.cluster}{_and(now)}"
        case "failwhale":
            return f"put the failwhale up on {act.cluster}{_and(now)}"
        case "fallback":
            who, name = next(iter(act.named.items()))
            return f"answer callers of {who} {name} on {act.cluster} under the safe prompt"
        case _:
            expect = f", expecting that {act.expect}" if act.expect else ""
            return f"send {act.cluster} {act.number:g} requests a second{expect}"


def _and(now: str) -> str:
    return f" (now {now})" if now else ""


def started(act: Act, sentence: str, run: RunView, halted_because: str | None) -> str:
    """What was started, what it waits for, and how it is taken back."""
    lines = [f"{run.handle}: {sentence}.", _standing(run)]
    if halted_because is not None:
        lines.append(f"All runs are stopped ({halted_because}), so it changes nothing until `go-on`.")
    lines.append(f"Take it back: `undo {run.handle}`, or `{act.verb} {act.cluster} off`.")
    return "\n".join(line for line in lines if line)


def _standing(run: RunView) -> str:
    """What it waits for, or how far it is."""
    if run.approvals:
        asked = run.approvals[0]
        roles = " or ".join(role.replace("_", " ") for role in asked.role.split(","))
        who = f"a {roles}" if asked.count == 1 else f"{asked.count} people, each {roles}"
        other = ", not whoever asked" if asked.excluded else ""
        return f"It waits for {who}{other} to approve it: `approve {asked.approval_id}`."
    if run.announcements:
        said = run.announcements[0]
        return f"It is announced, and done unless somebody objects: `object {said.announcement_id}`."
    done = next((step for step in run.steps if step.state in _SHOWN and step.detail), None)
    match run.state:
        case RunState.FAILED | RunState.CANCELLED | RunState.NEEDS_PERSON | RunState.UNDONE:
            return f"It is {run.state.replace('_', ' ')}: {run.detail}."
        case RunState.HOLDING:
            return f"Done; {run.detail}."
        case RunState.QUEUED:
            return f"It is about to start{f' ({run.detail})' if run.detail else ''}."
        case _:
            return f"{done.name}: {done.detail}." if done is not None else "It is under way."


_SHOWN = (StepState.ACTING, StepState.VERIFYING, StepState.SUCCEEDED, StepState.READY, StepState.FAILED)
