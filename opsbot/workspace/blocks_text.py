"""The small parts of Block Kit that blocks and elements are made of: texts, options, confirmations, filters.

Slack's reference: docs.slack.dev/reference/block-kit/composition-objects. Whatever is not named there is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

MAX_ID = 255


def problem(text: str, at: str = "") -> PydanticCustomError:
    """Something that is wrong in Slack's words; *at* leads from the object to the place, as `/text`."""
    return PydanticCustomError("slack", "{text}", {"text": text, "at": at})


class Shape(BaseModel):
    """An object with exactly these fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PlainText(Shape):
    """Text as it is."""

    type: Literal["plain_text"]
    text: str
    emoji: bool | None = None


class Mrkdwn(Shape):
    """Text in Slack's own markup."""

    type: Literal["mrkdwn"]
    text: str
    verbatim: bool | None = None


EitherText = Annotated[PlainText | Mrkdwn, Field(discriminator="type")]
T = TypeVar("T", PlainText, PlainText | Mrkdwn)


def within(limit: int) -> Callable[[T], T]:
    """Lets texts of 1 to *limit* characters through."""

    def check(value: T) -> T:
        if len(value.text) > limit:
            raise problem(f"must be less than {limit + 1} characters", "/text")
        if not value.text:
            raise problem("must be more than 0 characters", "/text")
        return value

    return check


Plain24 = Annotated[PlainText, AfterValidator(within(24))]
Plain30 = Annotated[PlainText, AfterValidator(within(30))]
Plain75 = Annotated[PlainText, AfterValidator(within(75))]
Plain100 = Annotated[PlainText, AfterValidator(within(100))]
Plain150 = Annotated[PlainText, AfterValidator(within(150))]
Plain200 = Annotated[PlainText, AfterValidator(within(200))]
Plain2000 = Annotated[PlainText, AfterValidator(within(2000))]
Text75 = Annotated[EitherText, AfterValidator(within(75))]
Text300 = Annotated[EitherText, AfterValidator(within(300))]
Text2000 = Annotated[EitherText, AfterValidator(within(2000))]
Text3000 = Annotated[EitherText, AfterValidator(within(3000))]

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID)]
Url = Annotated[str, Field(min_length=1, max_length=3000)]
AltText = Annotated[str, Field(min_length=1, max_length=2000)]
OptionValue = Annotated[str, Field(min_length=1, max_length=150)]


class Option(Shape):
    """One choice of a menu."""

    text: Plain75
    value: OptionValue
    description: Plain75 | None = None


class RichOption(Shape):
    """One choice of checkboxes or radio buttons, which may have markup."""

    text: Text75
    value: OptionValue
    description: Text75 | None = None


class OverflowOption(Option):
    """One line of an overflow menu, which may be a link."""

    url: Url | None = None


class OptionGroup(Shape):
    """Choices under a label."""

    label: Plain75
    options: Annotated[list[Option], Field(min_length=1, max_length=100)]


class Confirm(Shape):
    """What asks "are you sure?" first."""

    title: Plain100
    text: Text300
    confirm: Plain30
    deny: Plain30
    style: Literal["primary", "danger"] | None = None


class ConversationFilter(Shape):
    """Which conversations a picker offers."""

    include: Annotated[list[Literal["im", "mpim", "private", "public"]], Field(min_length=1)] | None = None
    exclude_external_shared_channels: bool | None = None
    exclude_bot_users: bool | None = None


class DispatchActionConfig(Shape):
    """When typing is sent."""

    trigger_actions_on: Annotated[
        list[Literal["on_enter_pressed", "on_character_entered"]], Field(min_length=1, max_length=2)
    ]


class SlackFile(Shape):
    """A file of the workspace, by id or address."""

    id: str | None = None
    url: str | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.id is None) == (self.url is None):
            raise problem("must provide exactly one of `id` and `url`")
        return self
