"""What an app answers a submitted dialog with: nothing, errors, another view, or an end to all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opsbot.workspace.state import SlackError
from opsbot.workspace.surface import STATEFUL, Payload, Values, elements
from opsbot.workspace.views import Views

TROUBLE = "Slack would refuse the bot's answer, and the dialog stays open: "
ACTIONS = ("errors", "update", "push", "clear")


@dataclass(frozen=True, slots=True)
class Submission:
    """A dialog that somebody has submitted."""

    user_id: str
    view: Payload


def answer_to(views: Views, submission: Submission, answered: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out the app's answer; what the page is told of it."""
    action = answered.get("response_action")
    user_id, view_id = submission.user_id, submission.view["id"]
    try:
        match action:
            case None:
                views.submitted(user_id, view_id)
            case "clear":
                views.cleared(user_id)
            case "errors":
                return {"ok": False, "errors": _errors(submission.view, answered.get("errors"))}
            case "update" | "push":
                views.answered(user_id, view_id, action, answered.get("view"))
            case _:
                raise SlackError("invalid_response_action", f"{action!r} is none of {', '.join(ACTIONS)}")
    except SlackError as error:
        return {"ok": False, "error": TROUBLE + ": ".join((error.error, *error.explanations))}
    return {"ok": True}


def response_urls(view: Payload, values: Values, issue: Callable[[str], str]) -> list[Payload]:
    """An address for each conversation that was chosen in an element that asks for one."""
    made: list[Payload] = []
    for block, element in elements(view["blocks"]):
        if not element.get("response_url_enabled") or element["type"] not in (
            "conversations_select",
            "channels_select",
        ):
            continue
        channel = values[block["block_id"]][element["action_id"]][STATEFUL[element["type"]][0]]
        if channel:
            made.append(
                {
                    "block_id": block["block_id"],
                    "action_id": element["action_id"],
                    "channel_id": channel,
                    "response_url": issue(channel),
                }
            )
    return made


def _errors(view: Payload, errors: object) -> dict[str, str]:
    if not isinstance(errors, dict) or not errors:
        raise SlackError("invalid_errors", "errors must name at least one input block")
    inputs = {block["block_id"] for block in view["blocks"] if block["type"] == "input"}
    unknown = sorted(str(block_id) for block_id in errors if block_id not in inputs)
    if unknown:
        raise SlackError("invalid_errors", f"no input block has the block_id {', '.join(unknown)}")
    return {block_id: str(text) for block_id, text in errors.items()}
