"""What Slack's own client refuses to submit, before the app hears of anything."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from opsbot.workspace.surface import STATEFUL, Payload, Values

REQUIRED = "Please complete this required field."
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def problems(blocks: Sequence[Payload], values: Values) -> Mapping[str, str]:
    """What is wrong with what was filled in, by block id; nothing wrong is an empty answer."""
    found: dict[str, str] = {}
    for block in blocks:
        if block.get("type") != "input":
            continue
        element = block["element"]
        given = values.get(block["block_id"], {}).get(element["action_id"], {})
        content = given.get(STATEFUL[element["type"]][0]) if element["type"] in STATEFUL else None
        problem = _problem(element, content, is_optional=bool(block.get("optional")))
        if problem:
            found[block["block_id"]] = problem
    return found


def _problem(element: Payload, content: Any, *, is_optional: bool) -> str:
    if content in (None, "", []) or (isinstance(content, str) and not content.strip()):
        return "" if is_optional else REQUIRED
    if not isinstance(content, str):
        return _of_many(element, content) if isinstance(content, list) else ""
    shortest, longest = element.get("min_length"), element.get("max_length")
    if shortest and len(content) < shortest:
        return f"Please use at least {shortest} characters; these are {len(content)}."
    if longest and len(content) > longest:
        return f"Please use at most {longest} characters; these are {len(content)}."
    match element["type"]:
        case "number_input":
            return _number(element, content)
        case "email_text_input" if not EMAIL.fullmatch(content.strip()):
            return "Please enter an email address, such as name@example.org."
        case "url_text_input" if not _is_url(content):
            return "Please enter a web address that starts with https://."
    return ""


def _of_many(element: Payload, content: list[Any]) -> str:
    most = element.get("max_selected_items")
    return f"Please choose at most {most}; these are {len(content)}." if most and len(content) > most else ""


def _number(element: Payload, content: str) -> str:
    try:
        number = Decimal(content.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        return "Please enter a number."
    if not element.get("is_decimal_allowed") and number != number.to_integral_value():
        return "Please enter a whole number."
    low, high = element.get("min_value"), element.get("max_value")
    if low is not None and number < Decimal(str(low)):
        return f"Please enter a number of at least {low}."
    if high is not None and number > Decimal(str(high)):
        return f"Please enter a number of at most {high}."
    return ""


def _is_url(content: str) -> bool:
    try:
        parts = urlsplit(content.strip())
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
