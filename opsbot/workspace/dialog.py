"""Dialogs (Slack's modals): checked as Slack would, and what somebody filled in, in the form that Slack sends it.

The limits stand in Slack's reference: docs.slack.dev/reference/views/modal-views.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsbot.workspace.blocks import MAX_VIEW_BLOCKS, check_blocks
from opsbot.workspace.state import SlackError

MAX_TITLE = 24
MAX_METADATA = 3000
MAX_INPUT = 3000


def check_dialog(view: object) -> dict[str, Any]:
    """The dialog, checked. Raises: SlackError `invalid_arguments` or `invalid_blocks` naming what is wrong."""
    if not isinstance(view, dict) or view.get("type") != "modal":
        raise SlackError("invalid_arguments", "view must be an object of type modal")
    for name in ("title", "submit", "close"):
        text = view.get(name)
        if text is None and name != "title":
            continue
        if not isinstance(text, dict) or not 1 <= len(str(text.get("text", ""))) <= MAX_TITLE:
            raise SlackError("invalid_arguments", f"view/{name}: 1 to {MAX_TITLE} characters of plain_text needed")
    if len(str(view.get("private_metadata", ""))) > MAX_METADATA:
        raise SlackError("invalid_arguments", f"view/private_metadata: longer than {MAX_METADATA} characters")
    blocks = view.get("blocks")
    check_blocks(blocks, MAX_VIEW_BLOCKS)
    if any(block["type"] == "input" for block in blocks or []) and not view.get("submit"):
        raise SlackError("invalid_arguments", "view/submit: needed where there are inputs")
    return view


def values(view: Mapping[str, Any], given: object) -> Mapping[str, Any]:
    """`state.values` of a submission: by block, then by action."""
    typed = given if isinstance(given, dict) else {}
    found: dict[str, Any] = {}
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        element, text = block["element"], str(typed.get(block["block_id"], ""))[:MAX_INPUT]
        value: dict[str, Any] = {"type": element["type"]}
        if element["type"] == "static_select":
            chosen = next((one for one in element["options"] if one["value"] == text), element.get("initial_option"))
            value["selected_option"] = chosen
        else:
            value["value"] = text or None
        found[block["block_id"]] = {element["action_id"]: value}
    return found
