"""Checks blocks as Slack would, so that a message that Slack would refuse is refused here too.

The shapes and limits stand in `blocks_layout` and below it; here is what concerns several blocks at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from opsbot.workspace.blocks_inputs import MODAL_ONLY
from opsbot.workspace.blocks_layout import MAX_MARKDOWN, MESSAGE_ONLY, Block, Surface
from opsbot.workspace.blocks_problems import at, problems
from opsbot.workspace.state_errors import SlackError

MAX_MESSAGE_BLOCKS = Surface.MESSAGE.max_blocks
MAX_VIEW_BLOCKS = Surface.MODAL.max_blocks

BLOCKS: TypeAdapter[list[Any]] = TypeAdapter(list[Block])
IsImage = Callable[[str], bool]
"""Whether a file, by id or address, is an image that is there."""


def check_blocks(
    blocks: object, limit: int = MAX_MESSAGE_BLOCKS, *, surface: Surface | None = None, is_image: IsImage | None = None
) -> None:
    """Raises: SlackError `invalid_blocks` naming each place that is wrong."""
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    found = list(block_problems(blocks, limit, "/blocks", surface, is_image))
    if found:
        raise SlackError("invalid_blocks", *found)


def block_problems(
    blocks: list[Any], limit: int, root: str, surface: Surface | None, is_image: IsImage | None
) -> Iterator[str]:
    """What is wrong with *blocks*, which stand at *root*, on *surface* (None: on any)."""
    if len(blocks) > limit:
        yield at(f"no more than {limit} items allowed", root)
        return
    try:
        BLOCKS.validate_python(blocks)
    except ValidationError as error:
        yield from problems(error, blocks, root)
        return
    yield from _twice(blocks, root)
    for index, block in enumerate(blocks):
        where = f"{root}/{index}"
        if surface is not None:
            yield from _misplaced(block, where, surface)
        for file, place in _slack_files(block, where):
            if is_image is not None and not is_image(str(file.get("id") or file.get("url"))):
                yield at("invalid slack file", place)
    if sum(block["type"] == "table" for block in blocks) > 1:
        yield "only_one_table_allowed"
    if sum(len(block["text"]) for block in blocks if block["type"] == "markdown") > MAX_MARKDOWN:
        yield at(f"must be less than {MAX_MARKDOWN + 1} characters", root)


def num_characters(value: object) -> int:
    """The characters of all texts in blocks."""
    if isinstance(value, list):
        return sum(num_characters(one) for one in value)
    if isinstance(value, dict):
        own = sum(len(text) for key, text in value.items() if key == "text" and isinstance(text, str))
        return own + sum(num_characters(one) for one in value.values() if not isinstance(one, str))
    return 0


def _elements(block: dict[str, Any], where: str) -> Iterator[tuple[dict[str, Any], str]]:
    if block["type"] in ("actions", "context"):
        for index, element in enumerate(block["elements"]):
            yield element, f"{where}/elements/{index}"
    for name in ("accessory", "element"):
        if isinstance(block.get(name), dict):
            yield block[name], f"{where}/{name}"


def _twice(blocks: list[Any], root: str) -> Iterator[str]:
    seen_blocks: set[str] = set()
    for index, block in enumerate(blocks):
        block_id = block.get("block_id")
        if block_id in seen_blocks:
            yield at(f'`block_id` "{block_id}" already exists', f"{root}/{index}/block_id")
        seen_blocks |= {block_id} if block_id else set()
        seen_actions: set[str] = set()
        for element, where in _elements(block, f"{root}/{index}"):
            action_id = element.get("action_id")
            if action_id in seen_actions:
                yield at(f'`action_id` "{action_id}" already exists', f"{where}/action_id")
            seen_actions |= {action_id} if action_id else set()


def _misplaced(block: dict[str, Any], where: str, surface: Surface) -> Iterator[str]:
    if block["type"] in MESSAGE_ONLY and surface is not Surface.MESSAGE:
        yield at(f"unsupported type: {block['type']}", f"{where}/type")
    for element, place in _elements(block, where):
        if element["type"] in MODAL_ONLY and surface is not Surface.MODAL:
            yield at(f"unsupported type: {element['type']}", f"{place}/type")
        if element.get("response_url_enabled") and surface is not Surface.MODAL:
            yield at("`response_url_enabled` works in modals only", f"{place}/response_url_enabled")


def _slack_files(block: dict[str, Any], where: str) -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(block.get("slack_file"), dict):
        yield block["slack_file"], f"{where}/slack_file"
    for element, place in _elements(block, where):
        if isinstance(element.get("slack_file"), dict):
            yield element["slack_file"], f"{place}/slack_file"
