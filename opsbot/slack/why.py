"""Why an incident is there, and why the bot does what it does: a dialog to read, since a private answer scrolls away.

Pure. The store's decision records are the source; nothing is reasoned anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slack_sdk.models.blocks import Block, PlainTextObject, SectionBlock
from slack_sdk.models.views import View

from opsbot.incident.explanation import Decision, Explanation, words_of
from opsbot.incident.view import IncidentView
from opsbot.slack.answering import escalation_lines
from opsbot.slack.blocks import facts
from opsbot.slack.headline import headline
from opsbot.slack.steps import run_line
from opsbot.slack.text import clock_time, literal, mrkdwn, person, shorten

MOST_DECISIONS = 12
MOST_RUNS = 8
MOST_WOKEN = 6
MAX_TEXT = 200
MAX_DESCRIPTION = 800
WAKING = ("escalation.", "page.")


def why_view(view: IncidentView, explanation: Explanation) -> View:
    """What fired, what was decided, what runs because of it, and who was told."""
    incident = view.incident
    blocks: list[Block] = [
        _section("what", f"*{literal(shorten(headline(incident), MAX_TEXT))}*", [facts(incident), *_measured(view)]),
        _section("decided", "*What was decided*", list(_decisions(explanation.decisions, incident.incident_id))),
        _section("runs", "*What the bot does because of it*", list(_runs(view))),
        _section("told", "*Who was told*", list(_told(view))),
    ]
    return View(
        type="modal",
        callback_id="opsbot.why",
        title=PlainTextObject(text=shorten(f"Why {incident.incident_id}?", 24)),
        close=PlainTextObject(text="Close"),
        blocks=blocks,
    )


def _section(name: str, head: str, lines: Sequence[str]) -> SectionBlock:
    return SectionBlock(block_id=name, text=mrkdwn("\n".join((head, *lines))))


def _measured(view: IncidentView) -> Iterator[str]:
    incident = view.incident
    if incident.description:
        yield literal(shorten(incident.description, MAX_DESCRIPTION))
    for alert in [alert for alert in view.alerts if alert.is_firing][:3]:
        value = "" if alert.value is None else f", last value *{alert.value:.4g}*"
        yield f"• {literal(shorten(alert.name, MAX_TEXT))} fires since {clock_time(alert.starts_at)}{value}"


def _decisions(decisions: Sequence[Decision], incident_id: str) -> Iterator[str]:
    if not decisions:
        yield "Nothing is on record any more: records are kept for 30 days."
    if len(decisions) > MOST_DECISIONS:
        yield f"The last {MOST_DECISIONS} of {len(decisions)}; `opsbot explain {incident_id}` has all:"
    for decision in decisions[-MOST_DECISIONS:]:
        name = literal(shorten(decision.alertname or decision.fingerprint, MAX_TEXT))
        said = literal(shorten(decision.text, MAX_TEXT))
        yield f"{clock_time(decision.at)} {name} {literal(words_of(decision.kind))}: {said}"


def _runs(view: IncidentView) -> Iterator[str]:
    if not view.runs:
        yield "Nothing: no runbook's triggers fit these alerts. `/ops run` starts one by hand."
    for run in view.runs[-MOST_RUNS:]:
        cause = "" if run.requester else ", because its triggers fit the alert"
        yield f"{run_line(run)}{cause}"


def _told(view: IncidentView) -> Iterator[str]:
    woken = [entry for entry in view.timeline if entry.kind.startswith(WAKING)]
    if not woken and view.escalation is None:
        yield "Nobody was woken: this channel only. Levels and pages follow from the severity and the rota."
    for entry in woken[-MOST_WOKEN:]:
        yield f"{clock_time(entry.at)} {literal(shorten(entry.text, MAX_TEXT))}"
    yield from escalation_lines(view)
    if view.incident.acknowledged_by is not None:
        yield f"{person(view.incident.acknowledged_by)} has it."
