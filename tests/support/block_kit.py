"""One valid block of every kind, with one valid element of every kind in it, as slack_sdk's own models write them."""

from __future__ import annotations

from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ChannelMultiSelectElement,
    ChannelSelectElement,
    CheckboxesElement,
    ConfirmObject,
    ContextBlock,
    ConversationFilter,
    ConversationMultiSelectElement,
    ConversationSelectElement,
    DatePickerElement,
    DateTimePickerElement,
    DividerBlock,
    EmailInputElement,
    ExternalDataMultiSelectElement,
    ExternalDataSelectElement,
    FileBlock,
    HeaderBlock,
    ImageBlock,
    ImageElement,
    InputBlock,
    MarkdownBlock,
    MarkdownTextObject,
    NumberInputElement,
    Option,
    OptionGroup,
    OverflowMenuElement,
    PlainTextInputElement,
    PlainTextObject,
    RadioButtonsElement,
    RichTextBlock,
    RichTextElementParts,
    RichTextListElement,
    RichTextPreformattedElement,
    RichTextQuoteElement,
    RichTextSectionElement,
    SectionBlock,
    StaticMultiSelectElement,
    StaticSelectElement,
    TableBlock,
    TimePickerElement,
    UrlInputElement,
    UserMultiSelectElement,
    UserSelectElement,
    VideoBlock,
)
from slack_sdk.models.blocks.basic_components import DispatchActionConfig
from slack_sdk.models.blocks.block_elements import FileInputElement, RichTextInputElement

Parts = RichTextElementParts
OPTION = Option(value="one", text="One", description="the first")
OTHER = Option(value="two", text="Two")
CONFIRM = ConfirmObject(title="Sure?", text="It *ends* runs.", confirm="Yes", deny="No", style="danger")
GROUP = OptionGroup(label="Numbers", options=[OPTION, OTHER])
IMAGE = "https://images.example/chart.png"
STYLE = Parts.TextStyle(bold=True, code=True)

CHOOSERS = [
    StaticSelectElement(
        action_id="a", placeholder="…", options=[OPTION, OTHER], initial_option=OPTION, confirm=CONFIRM
    ),
    StaticMultiSelectElement(action_id="b", option_groups=[GROUP], initial_options=[OTHER], max_selected_items=2),
    ExternalDataSelectElement(action_id="c", placeholder="…", initial_option=OPTION, min_query_length=0),
    ExternalDataMultiSelectElement(action_id="d", initial_options=[OPTION], min_query_length=3, max_selected_items=1),
    UserSelectElement(action_id="e", initial_user="U0ONCALL"),
    UserMultiSelectElement(action_id="f", initial_users=["U0ONCALL"], max_selected_items=3),
    ConversationSelectElement(action_id="g", filter=ConversationFilter(include=["public"], exclude_bot_users=True)),
    ConversationMultiSelectElement(action_id="h", default_to_current_conversation=True, max_selected_items=1),
    ChannelSelectElement(action_id="i", initial_channel="C0OPS"),
    ChannelMultiSelectElement(action_id="j", initial_channels=["C0OPS"]),
    DatePickerElement(action_id="k", initial_date="2026-02-28", placeholder="a day"),
    TimePickerElement(action_id="l", initial_time="23:59", timezone="Europe/Berlin"),
    CheckboxesElement(action_id="m", options=[OPTION, OTHER], initial_options=[OTHER]),
    RadioButtonsElement(action_id="n", options=[OPTION, OTHER], initial_option=OPTION),
]
BUTTONS = [
    ButtonElement(
        text="Approve", action_id="y", value="1", style="primary", confirm=CONFIRM, accessibility_label="Yes"
    ),
    ButtonElement(text="Runbook", action_id="z", url="https://runbooks.example/1"),
    OverflowMenuElement(action_id="o", options=[Option(value="x", text="X", url="https://x.example"), OTHER]),
]
TYPED = [
    PlainTextInputElement(
        action_id="p",
        placeholder="why",
        initial_value="x",
        multiline=True,
        min_length=1,
        max_length=3000,
        dispatch_action_config=DispatchActionConfig(trigger_actions_on=["on_enter_pressed"]),
    ),
    RichTextInputElement(
        action_id="q",
        initial_value=RichTextBlock(elements=[RichTextSectionElement(elements=[Parts.Text(text="x")])]),
    ),
    DateTimePickerElement(action_id="r"),
]
MODAL_ONLY = [
    EmailInputElement(action_id="s", initial_value="a@b.example"),
    UrlInputElement(action_id="t", focus_on_load=False),
    NumberInputElement(action_id="u", is_decimal_allowed=True, initial_value="1.5", min_value="0", max_value="9"),
    FileInputElement(action_id="v", filetypes=["png"], max_files=2),
]
RICH_TEXT = RichTextBlock(
    block_id="rich",
    elements=[
        RichTextSectionElement(
            elements=[
                Parts.Text(text="bold", style=STYLE),
                Parts.Link(url="https://x.example", text="link"),
                Parts.User(user_id="U0ONCALL"),
                Parts.UserGroup(usergroup_id="S0ONCALL"),
                Parts.Channel(channel_id="C0OPS"),
                Parts.Emoji(name="fire"),
                Parts.Date(timestamp=1_700_000_000, format="{date_num}", fallback="then"),
                Parts.Broadcast(range="here"),
                Parts.Color(value="#C0FFEE"),
            ]
        ),
        RichTextListElement(
            style="ordered", indent=1, elements=[RichTextSectionElement(elements=[Parts.Text(text="one")])]
        ),
        RichTextQuoteElement(elements=[Parts.Text(text="said")]),
        RichTextPreformattedElement(elements=[Parts.Text(text="typed")], border=1),
    ],
)


def everywhere() -> list[dict[str, Any]]:
    """Blocks that stand on every surface."""
    made: list[Block] = [
        HeaderBlock(block_id="head", text="KV pressure"),
        DividerBlock(),
        SectionBlock(block_id="text", text=MarkdownTextObject(text="*x*", verbatim=True), expand=True),
        SectionBlock(fields=["one", PlainTextObject(text="two", emoji=True)]),
        *[SectionBlock(text="choose", accessory=element) for element in [*CHOOSERS, *BUTTONS]],
        SectionBlock(text="see", accessory=ImageElement(image_url=IMAGE, alt_text="a chart")),
        ContextBlock(elements=[ImageElement(image_url=IMAGE, alt_text="a chart"), MarkdownTextObject(text="small")]),
        ActionsBlock(elements=[*BUTTONS, *CHOOSERS, *TYPED[1:]]),
        ImageBlock(image_url=IMAGE, alt_text="a chart", title="Load"),
        *[InputBlock(label="L", element=element, hint="h", optional=True) for element in [*CHOOSERS, *TYPED]],
        RICH_TEXT,
        VideoBlock(
            alt_text="a video", title="T", thumbnail_url=IMAGE, video_url="https://v.example/1", description="d"
        ),
    ]
    return [block.to_dict() for block in made]


def messages_only() -> list[dict[str, Any]]:
    """Blocks that stand in messages only."""
    rows = [[{"type": "raw_text", "text": "a"}, RICH_TEXT.to_dict()]]
    made: list[Block] = [
        MarkdownBlock(text="**x**"),
        FileBlock(external_id="x", source="remote"),
        TableBlock(rows=rows, column_settings=[{"align": "right", "is_wrapped": True}]),
    ]
    return [block.to_dict() for block in made]


def modals_only() -> list[dict[str, Any]]:
    """Blocks that stand in modals only."""
    return [InputBlock(label="L", element=element).to_dict() for element in MODAL_ONLY]
