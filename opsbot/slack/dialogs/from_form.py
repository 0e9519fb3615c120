"""Lets a filled-in form of a risky verb end in the dialog that shows what will happen, instead of acting at once."""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.slack.dialogs.subject import Subject, start_subject
from opsbot.slack.run_words import read_request
from opsbot.slack.seat import Seat
from opsbot.slack.typed import Typed

VERBS: Mapping[str, str] = {
    "undo": "undo", "cancel": "cancel", "approve": "approve", "glass": "glass", "object": "object",
    "go-now": "go_now", "stop": "stop_all", "resolve": "resolve",
}  # fmt: skip
"""Verbs of forms, each with the look ahead that it ends in; `run` reads its request itself."""


def shown_first(verb: str, values: Mapping[str, str], typed: Typed, seat: Seat) -> Subject | None:
    """What the dialog is about; None for a verb that acts at once.

    Raises: ConfigError for inputs that are not understood.
    """
    if verb == "run":
        clusters = () if seat.acts is None else seat.acts.clusters()
        return start_subject(read_request(typed.text, typed.request_id, clusters), typed.channel, typed.thread_ts)
    if verb not in VERBS:
        return None
    name = values.get("name", "all")
    return Subject(VERBS[verb], name, typed.channel, typed.thread_ts, reason=values.get("reason", "").strip())
