"""A run as the command line prints it: a few plain lines with what waits for somebody, and what to type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

STEP_MARKS: Mapping[str, str] = {
    "pending": "○",
    "waiting_approval": "?",
    "announcing": "…",
    "ready": "…",
    "acting": "…",
    "verifying": "…",
    "succeeded": "✓",
    "not_verified": "!",
    "skipped": "-",
    "failed": "✗",
    "undoing": "↩",
    "undone": "↩",
    "unknown": "?",
}
OVER = ("succeeded", "failed", "undone", "cancelled")


def format_run(run: Json, *, indent: str = "") -> str:
    """The run, a line for each step, and what it asks of whom."""
    lines = [run_line(run)]
    lines += [f"  {step_line(step)}" for step in run["steps"]]
    lines += [f"  {line}" for line in asked_lines(run)]
    return "\n".join(indent + line for line in lines)


def run_line(run: Json) -> str:
    """`r-3fa2c1  Relieve KV cache pressure  waiting  …  (INC-7)`."""
    state = "paused" if run.get("paused_by") and run["state"] not in OVER else run["state"]
    detail = run["detail"]
    if state == "paused":
        detail = f"by {run['paused_by']}: {run.get('pause_reason') or ''}"
    by = f"  asked for by {run['requester']}" if run.get("requester") else ""
    where = f"  ({run['incident_id']})" if run.get("incident_id") else ""
    return f"{run['handle']}  {run['runbook_name']}: {state}  {detail}".rstrip() + by + where


def step_line(step: Json) -> str:
    """A mark, the step's name, and what is to be said about it."""
    return f"{STEP_MARKS.get(step['state'], '·')} {step['name']}  {step['detail']}".rstrip()


def asked_lines(run: Json) -> Sequence[str]:
    """What waits for somebody, each with what to type."""
    lines = []
    for approval in run["approvals"]:
        granted = len(approval["granted_by"])
        count = f" ({granted} of {approval['count']})" if approval["count"] > 1 else ""
        who = approval["role"].replace(",", " or ")
        lines += [
            f"waits for approval {approval['approval_id']} by {who}{count}: {approval['will_do']}",
            f"  taken back: {approval['undo']}",
            f"  opsbot approve {approval['approval_id']}",
        ]
    for said in run["announcements"]:
        lines += [
            f"announced {said['announcement_id']}: {said['message']}",
            f"  opsbot object {said['announcement_id']}",
        ]
    lines += [
        f"unknown whether it happened: opsbot settle {run['handle']} {step['step_id']} happened (or: not)"
        for step in run["steps"]
        if step["state"] == "unknown"
    ]
    return lines
