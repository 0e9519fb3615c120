"""Block elements that are pressed, chosen or looked at, and in which block each may stand.

Slack's reference: docs.slack.dev/reference/block-kit/block-elements.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from opsbot.workspace.blocks_inputs import AtLeastOne, Element, RichTextInput, Typed
from opsbot.workspace.blocks_text import (
    AltText,
    Confirm,
    ConversationFilter,
    Mrkdwn,
    Option,
    OptionGroup,
    OverflowOption,
    Plain75,
    Plain150,
    PlainText,
    RichOption,
    Shape,
    SlackFile,
    Url,
    problem,
)

Hundred = Field(min_length=1, max_length=100)


class Image(Shape):
    """A picture beside a text."""

    type: Literal["image"]
    alt_text: AltText
    image_url: Url | None = None
    slack_file: SlackFile | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if (self.image_url is None) == (self.slack_file is None):
            raise problem("must provide exactly one of `image_url` and `slack_file`")
        return self


class _Confirmed(Element):
    confirm: Confirm | None = None


class _Picker(_Confirmed):
    placeholder: Plain150 | None = None
    focus_on_load: bool | None = None


class Button(_Confirmed):
    """A button."""

    type: Literal["button"]
    text: Plain75
    url: Url | None = None
    value: Annotated[str, Field(max_length=2000)] | None = None
    style: Literal["primary", "danger"] | None = None
    accessibility_label: Annotated[str, Field(max_length=75)] | None = None


class Overflow(_Confirmed):
    """A menu behind three dots."""

    type: Literal["overflow"]
    options: Annotated[list[OverflowOption], Field(min_length=1, max_length=5)]


class _Static(_Picker):
    options: Annotated[list[Option], Hundred] | None = None
    option_groups: Annotated[list[OptionGroup], Hundred] | None = None

    @model_validator(mode="after")
    def _offers_something(self) -> Self:
        if self.options is None and self.option_groups is None:
            raise problem("missing required field: options")
        if self.options is not None and self.option_groups is not None:
            raise problem("must provide only one of `options` and `option_groups`")
        return self

    def offered(self) -> list[Option]:
        """All options, of whichever group."""
        grouped = [option for group in self.option_groups or [] for option in group.options]
        return [*(self.options or []), *grouped]


class StaticSelect(_Static):
    """One of the given options."""

    type: Literal["static_select"]
    initial_option: Option | None = None

    @model_validator(mode="after")
    def _starts_with_what_is_there(self) -> Self:
        if self.initial_option is not None and self.initial_option not in self.offered():
            raise problem("must match one of the options", "/initial_option")
        return self


class MultiStaticSelect(_Static):
    """Some of the given options."""

    type: Literal["multi_static_select"]
    initial_options: Annotated[list[Option], Hundred] | None = None
    max_selected_items: AtLeastOne | None = None

    @model_validator(mode="after")
    def _starts_with_what_is_there(self) -> Self:
        if any(option not in self.offered() for option in self.initial_options or []):
            raise problem("must match the options", "/initial_options")
        return self


class ExternalSelect(_Picker):
    """One of the options that the app answers while somebody types."""

    type: Literal["external_select"]
    initial_option: Option | None = None
    min_query_length: Annotated[int, Field(ge=0)] | None = None


class MultiExternalSelect(_Picker):
    """Some of the options that the app answers while somebody types."""

    type: Literal["multi_external_select"]
    initial_options: Annotated[list[Option], Hundred] | None = None
    min_query_length: Annotated[int, Field(ge=0)] | None = None
    max_selected_items: AtLeastOne | None = None


class UsersSelect(_Picker):
    """A person."""

    type: Literal["users_select"]
    initial_user: str | None = None


class MultiUsersSelect(_Picker):
    """People."""

    type: Literal["multi_users_select"]
    initial_users: list[str] | None = None
    max_selected_items: AtLeastOne | None = None


class ConversationsSelect(_Picker):
    """A channel or direct message."""

    type: Literal["conversations_select"]
    initial_conversation: str | None = None
    default_to_current_conversation: bool | None = None
    response_url_enabled: bool | None = None
    filter: ConversationFilter | None = None


class MultiConversationsSelect(_Picker):
    """Channels and direct messages."""

    type: Literal["multi_conversations_select"]
    initial_conversations: list[str] | None = None
    default_to_current_conversation: bool | None = None
    max_selected_items: AtLeastOne | None = None
    filter: ConversationFilter | None = None


class ChannelsSelect(_Picker):
    """A public channel."""

    type: Literal["channels_select"]
    initial_channel: str | None = None
    response_url_enabled: bool | None = None


class MultiChannelsSelect(_Picker):
    """Public channels."""

    type: Literal["multi_channels_select"]
    initial_channels: list[str] | None = None
    max_selected_items: AtLeastOne | None = None


class DatePicker(_Picker):
    """A day."""

    type: Literal["datepicker"]
    initial_date: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")] | None = None


class TimePicker(_Picker):
    """A time of day."""

    type: Literal["timepicker"]
    initial_time: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    timezone: str | None = None


class DateTimePicker(_Confirmed):
    """A moment, in seconds since the epoch (ten digits)."""

    type: Literal["datetimepicker"]
    initial_date_time: Annotated[int, Field(ge=1_000_000_000, le=9_999_999_999)] | None = None
    focus_on_load: bool | None = None


class Checkboxes(_Confirmed):
    """Some of up to ten options, all of them seen."""

    type: Literal["checkboxes"]
    options: Annotated[list[RichOption], Field(min_length=1, max_length=10)]
    initial_options: Annotated[list[RichOption], Field(min_length=1, max_length=10)] | None = None
    focus_on_load: bool | None = None

    @model_validator(mode="after")
    def _starts_with_what_is_there(self) -> Self:
        if any(option not in self.options for option in self.initial_options or []):
            raise problem("must match the options", "/initial_options")
        return self


class RadioButtons(_Confirmed):
    """One of up to ten options, all of them seen."""

    type: Literal["radio_buttons"]
    options: Annotated[list[RichOption], Field(min_length=1, max_length=10)]
    initial_option: RichOption | None = None
    focus_on_load: bool | None = None

    @model_validator(mode="after")
    def _starts_with_what_is_there(self) -> Self:
        if self.initial_option is not None and self.initial_option not in self.options:
            raise problem("must match one of the options", "/initial_option")
        return self


Select = StaticSelect | ExternalSelect | UsersSelect | ConversationsSelect | ChannelsSelect
MultiSelect = (
    MultiStaticSelect | MultiExternalSelect | MultiUsersSelect | MultiConversationsSelect | MultiChannelsSelect
)
Chooser = Select | MultiSelect | Checkboxes | RadioButtons | DatePicker | TimePicker
Accessory = Annotated[Button | Overflow | Image | Chooser, Field(discriminator="type")]
ActionsElement = Annotated[Button | Overflow | Chooser | DateTimePicker | RichTextInput, Field(discriminator="type")]
InputElement = Annotated[Chooser | DateTimePicker | Typed, Field(discriminator="type")]
ContextElement = Annotated[Image | PlainText | Mrkdwn, Field(discriminator="type")]
