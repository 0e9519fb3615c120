"""Checks views (modals and Home tabs) as Slack would: `invalid_arguments` with the place of each mistake.

Slack's reference: docs.slack.dev/reference/views.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from opsbot.workspace.blocks import IsImage, block_problems
from opsbot.workspace.blocks_layout import Surface
from opsbot.workspace.blocks_problems import at, problems
from opsbot.workspace.blocks_text import MAX_ID, Plain24, Shape
from opsbot.workspace.state_errors import SlackError

MAX_VIEW_BYTES = 250_000
MAX_METADATA = 3000


class _View(Shape):
    blocks: list[Any]
    private_metadata: Annotated[str, Field(max_length=MAX_METADATA)] | None = None
    callback_id: Annotated[str, Field(max_length=MAX_ID)] | None = None
    external_id: Annotated[str, Field(max_length=MAX_ID)] | None = None


class Modal(_View):
    """A dialog."""

    type: Literal["modal"]
    title: Plain24
    submit: Plain24 | None = None
    close: Plain24 | None = None
    clear_on_close: bool | None = None
    notify_on_close: bool | None = None
    submit_disabled: bool | None = None


class Home(_View):
    """A Home tab."""

    type: Literal["home"]


VIEW: TypeAdapter[Any] = TypeAdapter(Annotated[Modal | Home, Field(discriminator="type")])


def check_view(view: object, surface: Surface, is_image: IsImage | None = None) -> dict[str, Any]:
    """The view, checked.

    Raises: SlackError `invalid_arguments` naming each place that is wrong, or `view_too_large`.
    """
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", at("must provide an object", "/view"))
    found = list(_view_problems(view, surface, is_image))
    if found:
        raise SlackError("invalid_arguments", *found)
    if len(json.dumps(view, ensure_ascii=False).encode()) > MAX_VIEW_BYTES:
        raise SlackError("view_too_large")
    return view


def _view_problems(view: dict[str, Any], surface: Surface, is_image: IsImage | None) -> Iterator[str]:
    try:
        VIEW.validate_python(view)
    except ValidationError as error:
        yield from problems(error, view, "/view")
        return
    if view["type"] != surface.value:
        yield at(f"must be of type {surface.value}", "/view/type")
        return
    blocks = view["blocks"]
    if surface is Surface.MODAL and not blocks:
        yield at("must provide at least 1 items", "/view/blocks")
    yield from block_problems(blocks, surface.max_blocks, "/view/blocks", surface, is_image)
    for index, block in enumerate(blocks):
        is_input = isinstance(block, dict) and block.get("type") == "input"
        if surface is Surface.MODAL and is_input and not view.get("submit"):
            yield at("must define `submit` to use an `input` block in modals", f"/view/blocks/{index}/input")
    if sum(_wants_focus(block) for block in blocks) > 1:
        yield at("no more than 1 element may have `focus_on_load`", "/view/blocks")


def _wants_focus(block: object) -> int:
    if not isinstance(block, dict):
        return 0
    own = [block.get("element"), block.get("accessory"), *(block.get("elements") or [])]
    return sum(isinstance(one, dict) and one.get("focus_on_load") is True for one in own)
