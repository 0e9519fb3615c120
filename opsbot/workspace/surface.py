"""What can be used on a message, dialog or Home tab: its elements, and what stands in them.

`state.values` is Slack's: by block id, then by action id, one object for each element that keeps a value.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Payload = dict[str, Any]
Values = dict[str, dict[str, Payload]]

STATEFUL: Mapping[str, tuple[str, str, Any]] = {
    "plain_text_input": ("value", "initial_value", None),
    "number_input": ("value", "initial_value", None),
    "email_text_input": ("value", "initial_value", None),
    "url_text_input": ("value", "initial_value", None),
    "rich_text_input": ("rich_text_value", "initial_value", None),
    "file_input": ("files", "", []),
    "static_select": ("selected_option", "initial_option", None),
    "external_select": ("selected_option", "initial_option", None),
    "radio_buttons": ("selected_option", "initial_option", None),
    "users_select": ("selected_user", "initial_user", None),
    "conversations_select": ("selected_conversation", "initial_conversation", None),
    "channels_select": ("selected_channel", "initial_channel", None),
    "datepicker": ("selected_date", "initial_date", None),
    "timepicker": ("selected_time", "initial_time", None),
    "datetimepicker": ("selected_date_time", "initial_date_time", None),
    "checkboxes": ("selected_options", "initial_options", []),
    "multi_static_select": ("selected_options", "initial_options", []),
    "multi_external_select": ("selected_options", "initial_options", []),
    "multi_users_select": ("selected_users", "initial_users", []),
    "multi_conversations_select": ("selected_conversations", "initial_conversations", []),
    "multi_channels_select": ("selected_channels", "initial_channels", []),
}
"""Elements that keep a value: the field it is sent in, the field it starts from, and what stands for nothing."""

LISTED = ("static_select", "multi_static_select", "radio_buttons", "checkboxes", "overflow")
"""Elements whose options stand in the element itself."""
MAX_TYPED = 40_000


def with_ids(blocks: Sequence[Payload]) -> list[Payload]:
    """The blocks with an id for each block and element that has none; Slack adds these too.

    The same place gets the same id, so that what somebody has typed survives an update.
    """
    made = copy.deepcopy(list(blocks))
    taken = {block.get("block_id") for block in made}
    for index, block in enumerate(made):
        if not block.get("block_id"):
            block["block_id"] = next(i for i in (f"b{index}", f"b{index}-", f"b{index}--") if i not in taken)
        for number, element in enumerate(_elements(block)):
            if (element.get("type") in STATEFUL or element.get("type") in ("button", "overflow")) and not element.get(
                "action_id"
            ):
                element["action_id"] = f"a{number}"
    return made


def elements(blocks: Sequence[Payload]) -> Iterator[tuple[Payload, Payload]]:
    """Every element with the block it stands in."""
    for block in blocks:
        for element in _elements(block):
            yield block, element


def find(blocks: Sequence[Payload], block_id: str, action_id: str) -> tuple[Payload, Payload] | None:
    """An element by its ids; without *block_id* the first of that action id."""
    for block, element in elements(blocks):
        if element.get("action_id") == action_id and block_id in ("", block.get("block_id")):
            return block, element
    return None


def values(blocks: Sequence[Payload], given: object) -> Values:
    """`state.values` of everything that keeps a value, from what the page says stands in it."""
    told = given if isinstance(given, dict) else {}
    found: Values = {}
    for block, element in elements(blocks):
        if element.get("type") not in STATEFUL or "action_id" not in element:
            continue
        block_id, action_id = str(block.get("block_id", "")), str(element["action_id"])
        of_block = told.get(block_id)
        of_element = of_block.get(action_id) if isinstance(of_block, dict) else None
        found.setdefault(block_id, {})[action_id] = value(element, of_element)
    return found


def value(element: Payload, given: object) -> Payload:
    """What stands in one element: what was chosen, or else what it starts with."""
    kind = str(element["type"])
    name, initial, nothing = STATEFUL[kind]
    chosen = given.get(name, nothing) if isinstance(given, dict) else element.get(initial, nothing)
    chosen = _of_its_kind(name, chosen, nothing)
    if kind in LISTED:
        chosen = _of_the_options(element, chosen)
    made = {"type": kind, name: chosen}
    if kind == "timepicker" and element.get("timezone"):
        made["timezone"] = element["timezone"]
    return made


def options_of(element: Payload) -> list[Payload]:
    """Its options, those of groups too."""
    grouped = [option for group in element.get("option_groups") or () for option in group.get("options") or ()]
    return [*(element.get("options") or ()), *grouped]


def _of_the_options(element: Payload, chosen: Any) -> Any:
    by_value = {option.get("value"): option for option in options_of(element)}
    if isinstance(chosen, list):
        return [by_value[one["value"]] for one in chosen if isinstance(one, dict) and one.get("value") in by_value]
    return by_value.get(chosen.get("value")) if isinstance(chosen, dict) else None


def _of_its_kind(name: str, chosen: Any, nothing: Any) -> Any:
    """What is not of the kind that stands there, no person can have chosen."""
    if isinstance(nothing, list):
        wanted: type = str if name in ("selected_users", "selected_conversations", "selected_channels") else dict
        return [one for one in chosen if isinstance(one, wanted)] if isinstance(chosen, list) else []
    match name:
        case "rich_text_value" | "selected_option":
            return chosen if isinstance(chosen, dict) else None
        case "selected_date_time":
            return chosen if isinstance(chosen, int) and not isinstance(chosen, bool) else None
        case _:
            return (chosen[:MAX_TYPED] or None) if isinstance(chosen, str) else None


def _elements(block: Payload) -> Iterator[Payload]:
    for element in (block.get("accessory"), block.get("element"), *(block.get("elements") or ())):
        if isinstance(element, dict):
            yield element
