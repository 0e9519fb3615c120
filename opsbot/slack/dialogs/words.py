"""The words of each dialog: its title, the button that does it, what is asked, and what to type instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_TITLE = 24
"""Characters of a dialog's title and of its buttons. Page "Views"."""


@dataclass(frozen=True, slots=True)
class Words:
    """Of one verb.

    Args:
        title: at most MAX_TITLE characters, as is *submit*.
        does: heading of what will happen.
        reason: label of the field for a reason; empty where none is asked.
        is_reason_needed: whether it may stay empty.
        typed: the command that does the same; `{}` is the reference.
        done: first words of the outcome.
    """

    title: str
    submit: str
    does: str = "This will happen"
    reason: str = ""
    is_reason_needed: bool = True
    typed: str = ""
    done: str = "Done."


WORDS: Mapping[str, Words] = {
    "approve": Words("Approve this step?", "Approve", typed="/ops approve {}", done="Approved."),
    "glass": Words(
        "Approve alone?", "Approve alone", reason="Why alone? It is reviewed later",
        typed="/ops glass {} why", done="Approved alone.",
    ),
    "start": Words("Start this runbook?", "Start", typed="/ops run {} …", done="Started."),
    "undo": Words("Undo this run?", "Undo", "This is taken back", typed="/ops undo {}", done="Being taken back."),
    "cancel": Words(
        "Cancel this run?", "Cancel the run", "This is taken back", "Why? The next reader was not there",
        typed="/ops cancel {} why", done="Cancelled.",
    ),
    "object": Words(
        "Object?", "Object", "This is not done", "Why? Others will ask", False,
        typed="/ops object {} why", done="Objected.",
    ),
    "go_now": Words("Do it now?", "Go now", typed="/ops go-now {}", done="No more countdown."),
    "resolve": Words(
        "Resolve this incident?", "Resolve", "This is given back", "Why is it over?",
        typed="/ops resolve {} why", done="Resolved.",
    ),
    "stop_all": Words(
        "Stop all runs?", "Stop all", "These are stopped", "Why? Everybody will ask",
        typed="/ops stop why", done="All runs are stopped.",
    ),
    "go_on": Words("Let runs go on?", "Go on", "These go on", typed="/ops go-on", done="Runs go on."),
    "hold": Words(
        "Hold a knob?", "Hold", reason="Why? The next reader was not there",
        typed="/ops hold eu-1/batch_limit 1h why", done="Held.",
    ),
    "silence": Words(
        "Silence alerts?", "Silence", reason="Why? The next reader was not there",
        typed='/ops silence 2h alertname="…" because …', done="Silenced.",
    ),
}  # fmt: skip
"""By verb."""


def command_for(verb: str, reference: str) -> str:
    """What to type instead of pressing; empty if nothing does the same."""
    words = WORDS.get(verb)
    return "" if words is None else words.typed.format(reference)
