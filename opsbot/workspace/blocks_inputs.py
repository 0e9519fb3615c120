"""Block elements that people type into.

Slack's reference: docs.slack.dev/reference/block-kit/block-elements.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from opsbot.workspace.blocks_rich_text import RichText
from opsbot.workspace.blocks_text import DispatchActionConfig, Id, Plain150, Shape, problem

MAX_TYPED = 3000
MODAL_ONLY = frozenset({"email_text_input", "url_text_input", "number_input", "file_input"})
"""Elements that no message and no Home tab may have."""

AtLeastOne = Annotated[int, Field(ge=1)]


class Element(Shape):
    """Something that can be used, and tells what is used by its id."""

    action_id: Id | None = None


class _Typed(Element):
    placeholder: Plain150 | None = None
    focus_on_load: bool | None = None
    dispatch_action_config: DispatchActionConfig | None = None


class PlainTextInput(_Typed):
    """Text."""

    type: Literal["plain_text_input"]
    initial_value: Annotated[str, Field(max_length=MAX_TYPED)] | None = None
    multiline: bool | None = None
    min_length: Annotated[int, Field(ge=0, le=MAX_TYPED)] | None = None
    max_length: Annotated[int, Field(ge=1, le=MAX_TYPED)] | None = None

    @model_validator(mode="after")
    def _can_be_filled_in(self) -> Self:
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            raise problem("must be less than or equal to `max_length`", "/min_length")
        return self


class EmailInput(_Typed):
    """An e-mail address."""

    type: Literal["email_text_input"]
    initial_value: str | None = None


class UrlInput(_Typed):
    """A web address."""

    type: Literal["url_text_input"]
    initial_value: str | None = None


class NumberInput(_Typed):
    """A number; its limits are texts, as Slack has it."""

    type: Literal["number_input"]
    is_decimal_allowed: bool
    initial_value: str | None = None
    min_value: str | None = None
    max_value: str | None = None

    @model_validator(mode="after")
    def _has_numbers(self) -> Self:
        found: dict[str, float] = {}
        for name in ("initial_value", "min_value", "max_value"):
            text = getattr(self, name)
            try:
                found |= {name: float(text)} if text is not None else {}
            except ValueError as error:
                raise problem("must be a number", f"/{name}") from error
        if found.get("min_value", float("-inf")) > found.get("max_value", float("inf")):
            raise problem("must be less than or equal to `max_value`", "/min_value")
        return self


class FileInput(Element):
    """Files."""

    type: Literal["file_input"]
    filetypes: list[str] | None = None
    max_files: Annotated[int, Field(ge=1, le=10)] | None = None


class RichTextInput(_Typed):
    """Text with formatting."""

    type: Literal["rich_text_input"]
    initial_value: RichText | None = None
    min_lines: AtLeastOne | None = None
    max_lines: AtLeastOne | None = None


Typed = PlainTextInput | EmailInput | UrlInput | NumberInput | FileInput | RichTextInput
