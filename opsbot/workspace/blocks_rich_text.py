"""Rich text: the block that the message composer makes, and that tables and inputs hold.

Slack's reference: docs.slack.dev/reference/block-kit/blocks/rich-text-block.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from opsbot.workspace.blocks_text import Id, Shape, Url


class Style(Shape):
    """How a run of text looks."""

    bold: bool | None = None
    italic: bool | None = None
    strike: bool | None = None
    code: bool | None = None
    underline: bool | None = None
    highlight: bool | None = None
    client_highlight: bool | None = None
    unlink: bool | None = None


class _Inline(Shape):
    style: Style | None = None


class Text(_Inline):
    """Some text."""

    type: Literal["text"]
    text: Annotated[str, Field(min_length=1)]


class Link(_Inline):
    """A link."""

    type: Literal["link"]
    url: Url
    text: str | None = None
    unsafe: bool | None = None


class User(_Inline):
    """A mention of a person."""

    type: Literal["user"]
    user_id: str


class UserGroup(_Inline):
    """A mention of a group."""

    type: Literal["usergroup"]
    usergroup_id: str


class ChannelLink(_Inline):
    """A link to a channel."""

    type: Literal["channel"]
    channel_id: str


class Team(_Inline):
    """A mention of a workspace."""

    type: Literal["team"]
    team_id: str


class Emoji(_Inline):
    """An emoji by name."""

    type: Literal["emoji"]
    name: Annotated[str, Field(min_length=1)]
    unicode: str | None = None
    skin_tone: int | None = None


class Broadcast(_Inline):
    """A mention of everybody."""

    type: Literal["broadcast"]
    range: Literal["here", "channel", "everyone"]


class Color(_Inline):
    """A colour by its hexadecimal value."""

    type: Literal["color"]
    value: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{3,8}$")]


class Date(_Inline):
    """A moment in the reader's own time zone."""

    type: Literal["date"]
    timestamp: int
    format: Annotated[str, Field(min_length=1)]
    url: Url | None = None
    fallback: str | None = None


Inline = Annotated[
    Text | Link | User | UserGroup | ChannelLink | Team | Emoji | Broadcast | Color | Date, Field(discriminator="type")
]
Border = Annotated[int, Field(ge=0, le=1)]


class Section(Shape):
    """A paragraph."""

    type: Literal["rich_text_section"]
    elements: list[Inline]


class ListOfSections(Shape):
    """Bullets or numbers."""

    type: Literal["rich_text_list"]
    style: Literal["bullet", "ordered"]
    elements: list[Section]
    indent: Annotated[int, Field(ge=0, le=8)] | None = None
    offset: Annotated[int, Field(ge=0)] | None = None
    border: Border | None = None


class Preformatted(Shape):
    """Text as typed."""

    type: Literal["rich_text_preformatted"]
    elements: list[Inline]
    border: Border | None = None
    language: str | None = None


class Quote(Shape):
    """What somebody else said."""

    type: Literal["rich_text_quote"]
    elements: list[Inline]
    border: Border | None = None


class RichText(Shape):
    """The block."""

    type: Literal["rich_text"]
    block_id: Id | None = None
    elements: list[Annotated[Section | ListOfSections | Preformatted | Quote, Field(discriminator="type")]]
