"""What Slack refuses in a view.

The limits stand in Slack's reference: docs.slack.dev/reference/views/modal-views.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsbot.workspace.blocks import MAX_VIEW_BLOCKS, check_blocks
from opsbot.workspace.state import SlackError
from opsbot.workspace.surface import Payload

MAX_TITLE = 24
MAX_METADATA = 3000
MAX_ID = 255


def check_modal(view: object) -> Payload:
    """The dialog, checked. Raises: SlackError `invalid_arguments` or `invalid_blocks` naming what is wrong."""
    checked = _checked(view, "modal")
    problems = [*_common(checked)]
    for name in ("title", "submit", "close"):
        text = checked.get(name)
        if text is None and name != "title":
            continue
        if not isinstance(text, dict) or text.get("type") != "plain_text" or not _fits(text.get("text"), MAX_TITLE):
            problems.append(f"1 to {MAX_TITLE} characters of plain_text are needed [json-pointer:/view/{name}]")
    if any(block["type"] == "input" for block in checked["blocks"]) and not checked.get("submit"):
        problems.append("a view with inputs needs a submit [json-pointer:/view/submit]")
    if problems:
        raise SlackError("invalid_arguments", *problems)
    return checked


def check_home(view: object) -> Payload:
    """The Home tab, checked. Raises: as `check_modal`."""
    checked = _checked(view, "home")
    problems = [*_common(checked)]
    if problems:
        raise SlackError("invalid_arguments", *problems)
    return checked


def _checked(view: object, kind: str) -> dict[str, Any]:
    if not isinstance(view, dict) or view.get("type") != kind:
        raise SlackError("invalid_arguments", f"a view of type {kind} is needed [json-pointer:/view/type]")
    check_blocks(view.get("blocks"), MAX_VIEW_BLOCKS)
    return view


def _common(view: Payload) -> Iterator[str]:
    for name, limit in (("private_metadata", MAX_METADATA), ("callback_id", MAX_ID), ("external_id", MAX_ID)):
        if len(str(view.get(name) or "")) > limit:
            yield f"must be less than {limit + 1} characters [json-pointer:/view/{name}]"


def _fits(text: object, limit: int) -> bool:
    return isinstance(text, str) and 1 <= len(text) <= limit
