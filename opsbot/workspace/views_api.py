"""The `views.*` methods of the Web API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opsbot.workspace.state import SlackError
from opsbot.workspace.views import Views

Arguments = Mapping[str, Any]
Answer = dict[str, Any]


def view_methods(views: Views) -> Mapping[str, Callable[[Arguments], Answer]]:
    """Each method by its name."""
    return {
        "views.open": lambda given: {"view": views.open(_trigger(given), given.get("view"))},
        "views.push": lambda given: {"view": views.push(_trigger(given), given.get("view"))},
        "views.update": lambda given: {
            "view": views.update(
                given.get("view"), _text(given, "view_id"), _text(given, "external_id"), _text(given, "hash")
            )
        },
        "views.publish": lambda given: {"view": views.publish(_user(given), given.get("view"), _text(given, "hash"))},
    }


def _text(given: Arguments, name: str) -> str:
    return str(given.get(name) or "")


def _user(given: Arguments) -> str:
    if not given.get("user_id"):
        raise SlackError("invalid_arguments", "user_id is missing")
    return _text(given, "user_id")


def _trigger(given: Arguments) -> str:
    # The SDK sends an interactivity pointer under its own name; it is the same thing.
    found = _text(given, "trigger_id") or _text(given, "interactivity_pointer")
    if not found:
        raise SlackError("invalid_arguments", "trigger_id is missing")
    return found
