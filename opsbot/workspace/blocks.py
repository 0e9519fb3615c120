"""Checks blocks as Slack would, so that a message that Slack would refuse is refused here too.

The limits stand in Slack's reference: docs.slack.dev/reference/block-kit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsbot.workspace.state import SlackError

MAX_MESSAGE_BLOCKS = 50
MAX_VIEW_BLOCKS = 100
MAX_HEADER_TEXT = 150
MAX_SECTION_TEXT = 3000
MAX_SECTION_FIELDS = 10
MAX_FIELD_TEXT = 2000
MAX_CONTEXT_ELEMENTS = 10
MAX_ACTIONS = 25
MAX_BUTTON_TEXT = 75
MAX_BUTTON_VALUE = 2000
MAX_ID = 255
MAX_CONFIRM_TITLE = 100
MAX_CONFIRM_TEXT = 300
MAX_CONFIRM_BUTTON = 30
MAX_ALT_TEXT = 2000
MAX_OVERFLOW_OPTIONS = 5
MAX_SELECT_OPTIONS = 100
MAX_OPTION_TEXT = 75
MAX_OPTION_VALUE = 150
MAX_LABEL = 2000
MAX_MESSAGE_TEXT = 40_000

Block = dict[str, Any]


def check_blocks(blocks: object, limit: int = MAX_MESSAGE_BLOCKS) -> None:
    """Raises: SlackError `invalid_blocks` naming each place that is wrong."""
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks", "blocks must be a list")
    problems = list(_problems(blocks, limit))
    if problems:
        raise SlackError("invalid_blocks", *problems)


def _problems(blocks: list[Any], limit: int) -> Iterator[str]:
    if len(blocks) > limit:
        yield f"no more than {limit} blocks allowed, {len(blocks)} given"
    ids = [str(block["block_id"]) for block in blocks if isinstance(block, dict) and block.get("block_id")]
    for block_id in sorted({i for i in ids if ids.count(i) > 1}):
        yield f"block_id {block_id!r} is used {ids.count(block_id)} times"
    for index, block in enumerate(blocks):
        where = f"/blocks/{index}"
        if not isinstance(block, dict) or "type" not in block:
            yield f"{where}: a block needs a type"
            continue
        yield from _block(block, where)


def _block(block: Block, where: str) -> Iterator[str]:
    if len(str(block.get("block_id", ""))) > MAX_ID:
        yield f"{where}/block_id: longer than {MAX_ID} characters"
    match block["type"]:
        case "header":
            yield from _text(block.get("text"), f"{where}/text", MAX_HEADER_TEXT, plain=True)
        case "section":
            yield from _section(block, where)
        case "context":
            elements = block.get("elements", [])
            if not 1 <= len(elements) <= MAX_CONTEXT_ELEMENTS:
                yield f"{where}/elements: 1 to {MAX_CONTEXT_ELEMENTS} needed, {len(elements)} given"
            for index, element in enumerate(elements):
                if element.get("type") != "image":
                    yield from _text(element, f"{where}/elements/{index}", MAX_SECTION_TEXT)
        case "actions":
            elements = block.get("elements", [])
            if not 1 <= len(elements) <= MAX_ACTIONS:
                yield f"{where}/elements: 1 to {MAX_ACTIONS} needed, {len(elements)} given"
            yield from _buttons(elements, where)
        case "image":
            alt = block.get("alt_text", "")
            if not alt or len(alt) > MAX_ALT_TEXT:
                yield f"{where}/alt_text: 1 to {MAX_ALT_TEXT} characters needed"
        case "input":
            yield from _input(block, where)
        case "divider" | "rich_text" | "markdown":
            pass
        case other:
            yield f"{where}: unknown block type {other!r}"


def _input(block: Block, where: str) -> Iterator[str]:
    yield from _text(block.get("label"), f"{where}/label", MAX_LABEL, plain=True)
    element = block.get("element", {})
    match element.get("type"):
        case "plain_text_input":
            pass
        case "static_select":
            yield from options(element.get("options"), f"{where}/element", MAX_SELECT_OPTIONS)
        case other:
            yield f"{where}/element: {other!r} is not supported here"


def _section(block: Block, where: str) -> Iterator[str]:
    fields = block.get("fields", [])
    if block.get("text") is None and not fields:
        yield f"{where}: a section needs text or fields"
    if block.get("text") is not None:
        yield from _text(block["text"], f"{where}/text", MAX_SECTION_TEXT)
    if len(fields) > MAX_SECTION_FIELDS:
        yield f"{where}/fields: no more than {MAX_SECTION_FIELDS} allowed, {len(fields)} given"
    for index, field in enumerate(fields):
        yield from _text(field, f"{where}/fields/{index}", MAX_FIELD_TEXT)
    match block.get("accessory", {}).get("type"):
        case "button":
            yield from _buttons([block["accessory"]], where)
        case "overflow":
            yield from options(block["accessory"].get("options"), f"{where}/accessory", MAX_OVERFLOW_OPTIONS)


def _buttons(elements: list[Any], where: str) -> Iterator[str]:
    ids = [str(element["action_id"]) for element in elements if element.get("action_id")]
    for action_id in sorted({i for i in ids if ids.count(i) > 1}):
        yield f"{where}: action_id {action_id!r} is used {ids.count(action_id)} times in one block"
    for index, element in enumerate(elements):
        place = f"{where}/elements/{index}"
        if len(str(element.get("action_id", ""))) > MAX_ID:
            yield f"{place}/action_id: longer than {MAX_ID} characters"
        if element.get("type") != "button":
            continue
        yield from _text(element.get("text"), f"{place}/text", MAX_BUTTON_TEXT, plain=True)
        if len(str(element.get("value", ""))) > MAX_BUTTON_VALUE:
            yield f"{place}/value: longer than {MAX_BUTTON_VALUE} characters"
        if element.get("style") not in (None, "primary", "danger"):
            yield f"{place}/style: {element['style']!r} is neither primary nor danger"
        if "confirm" in element:
            yield from _confirm(element["confirm"], f"{place}/confirm")


def options(given: object, where: str, limit: int) -> Iterator[str]:
    """What is wrong with the options of a menu."""
    if not isinstance(given, list) or not 1 <= len(given) <= limit:
        yield f"{where}/options: 1 to {limit} needed"
        return
    for index, option in enumerate(given):
        yield from _text(option.get("text"), f"{where}/options/{index}/text", MAX_OPTION_TEXT)
        if not 1 <= len(str(option.get("value", ""))) <= MAX_OPTION_VALUE:
            yield f"{where}/options/{index}/value: 1 to {MAX_OPTION_VALUE} characters needed"


def _confirm(confirm: Block, where: str) -> Iterator[str]:
    yield from _text(confirm.get("title"), f"{where}/title", MAX_CONFIRM_TITLE, plain=True)
    yield from _text(confirm.get("text"), f"{where}/text", MAX_CONFIRM_TEXT)
    for name in ("confirm", "deny"):
        yield from _text(confirm.get(name), f"{where}/{name}", MAX_CONFIRM_BUTTON, plain=True)


def _text(value: object, where: str, limit: int, *, plain: bool = False) -> Iterator[str]:
    if not isinstance(value, dict) or value.get("type") not in ("plain_text", "mrkdwn"):
        yield f"{where}: a text object is needed"
        return
    if plain and value["type"] != "plain_text":
        yield f"{where}: must be plain_text"
    length = len(str(value.get("text", "")))
    if not 1 <= length <= limit:
        yield f"{where}: 1 to {limit} characters needed, {length} given"
