"""Pieces of Block Kit to make blocks of, valid or not, and what the workspace says of them."""

from __future__ import annotations

from typing import Any

from opsbot.workspace.blocks import check_blocks
from opsbot.workspace.state_errors import SlackError

Block = dict[str, Any]


def plain(text: str) -> Block:
    """A text object."""
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Block:
    """A text object with markup."""
    return {"type": "mrkdwn", "text": text}


def option(text: str = "One", value: str = "one", **more: Any) -> Block:
    """A choice."""
    return {"text": plain(text), "value": value, **more}


def button(text: str = "Go", **more: Any) -> Block:
    """A button."""
    return {"type": "button", "text": plain(text), **more}


def actions(*elements: Block) -> Block:
    """A block of actions."""
    return {"type": "actions", "elements": list(elements)}


def section(**more: Any) -> Block:
    """A section with a text."""
    return {"type": "section", "text": mrkdwn("x"), **more}


def confirm(**more: Any) -> Block:
    """A question before a press."""
    return {"title": plain("t"), "text": mrkdwn("x"), "confirm": plain("y"), "deny": plain("n"), **more}


def asks(element: Block, **more: Any) -> Block:
    """An input."""
    return {"type": "input", "label": plain("l"), "element": element, **more}


def problems(blocks: object, **options: Any) -> tuple[str, ...]:
    """What is said to be wrong, nothing if all is well."""
    try:
        check_blocks(blocks, **options)
    except SlackError as error:
        return (error.error, *error.explanations) if error.error != "invalid_blocks" else error.explanations
    return ()
