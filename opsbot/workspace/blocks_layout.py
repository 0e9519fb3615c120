"""The blocks themselves, and on which surface each may stand.

Slack's reference: docs.slack.dev/reference/block-kit/blocks.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from opsbot.workspace.blocks_elements import Accessory, ActionsElement, ContextElement, InputElement
from opsbot.workspace.blocks_rich_text import RichText
from opsbot.workspace.blocks_text import (
    AltText,
    Id,
    Plain150,
    Plain200,
    Plain2000,
    Shape,
    SlackFile,
    Text2000,
    Text3000,
    Url,
    problem,
)

MAX_MARKDOWN = 12_000


class Surface(Enum):
    """Where blocks stand, and how many there may be."""

    MESSAGE = "message"
    MODAL = "modal"
    HOME = "home"

    @property
    def max_blocks(self) -> int:
        """The most blocks."""
        return 50 if self is Surface.MESSAGE else 100


MESSAGE_ONLY = frozenset({"file", "markdown", "table"})


class _Block(Shape):
    block_id: Id | None = None


class Header(_Block):
    """A title."""

    type: Literal["header"]
    text: Plain150


class Divider(_Block):
    """A line."""

    type: Literal["divider"]


class Section(_Block):
    """Text, small texts in two columns, and one element beside them."""

    type: Literal["section"]
    text: Text3000 | None = None
    fields: Annotated[list[Text2000], Field(min_length=1, max_length=10)] | None = None
    accessory: Accessory | None = None
    expand: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.text is None and self.fields is None:
            raise problem("missing required field: text")
        return self


class Context(_Block):
    """Small print."""

    type: Literal["context"]
    elements: Annotated[list[ContextElement], Field(min_length=1, max_length=10)]


class Actions(_Block):
    """Things to press and choose."""

    type: Literal["actions"]
    elements: Annotated[list[ActionsElement], Field(min_length=1, max_length=25)]


class ImageBlock(_Block):
    """A picture."""

    type: Literal["image"]
    alt_text: AltText
    image_url: Url | None = None
    slack_file: SlackFile | None = None
    title: Plain2000 | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if (self.image_url is None) == (self.slack_file is None):
            raise problem("must provide exactly one of `image_url` and `slack_file`")
        return self


class Input(_Block):
    """A field of a form."""

    type: Literal["input"]
    label: Plain2000
    element: InputElement
    hint: Plain2000 | None = None
    optional: bool | None = None
    dispatch_action: bool | None = None


class Markdown(_Block):
    """Text in standard Markdown."""

    type: Literal["markdown"]
    text: Annotated[str, Field(min_length=1, max_length=MAX_MARKDOWN)]


class Video(_Block):
    """A video that plays in place."""

    type: Literal["video"]
    alt_text: AltText
    title: Plain200
    thumbnail_url: Url
    video_url: Url
    author_name: Annotated[str, Field(max_length=50)] | None = None
    description: Plain200 | None = None
    provider_icon_url: Url | None = None
    provider_name: str | None = None
    title_url: Url | None = None


class File(_Block):
    """A file that lives elsewhere."""

    type: Literal["file"]
    external_id: Annotated[str, Field(min_length=1)]
    source: Literal["remote"]


class RawText(Shape):
    """A cell of text."""

    type: Literal["raw_text"]
    text: Annotated[str, Field(min_length=1)]


class RawNumber(Shape):
    """A cell with a number, and how it is written."""

    type: Literal["raw_number"]
    value: float | int
    text: Annotated[str, Field(min_length=1)] | None = None


class ColumnSetting(Shape):
    """How a column stands."""

    align: Literal["left", "center", "right"] | None = None
    is_wrapped: bool | None = None


Cell = Annotated[RawText | RawNumber | RichText, Field(discriminator="type")]
Row = Annotated[list[Cell], Field(min_length=1, max_length=20)]


class Table(_Block):
    """Rows of cells."""

    type: Literal["table"]
    rows: Annotated[list[Row], Field(min_length=1, max_length=100)]
    column_settings: Annotated[list[ColumnSetting | None], Field(max_length=20)] | None = None


Block = Annotated[
    Header | Divider | Section | Context | Actions | ImageBlock | Input | RichText | Markdown | Video | File | Table,
    Field(discriminator="type"),
]
