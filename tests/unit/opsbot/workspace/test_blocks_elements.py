"""What Slack refuses in the elements of blocks, in its own words."""

from __future__ import annotations

import pytest

from tests.support.block_parts import Block, actions, asks, button, confirm, mrkdwn, option, plain, problems, section

REFUSED = [
    ("actions", actions(*[button()] * 26), "no more than 25 items allowed", "/elements"),
    ("no actions", actions(), "must provide at least 1 items", "/elements"),
    (
        "an input in actions",
        actions({"type": "plain_text_input"}),
        "unsupported type: plain_text_input",
        "/elements/0/type",
    ),
    (
        "a workflow button",
        actions({"type": "workflow_button"}),
        "unsupported type: workflow_button",
        "/elements/0/type",
    ),
    ("button text", actions(button("x" * 76)), "must be less than 76 characters", "/elements/0/text/text"),
    ("button value", actions(button(value="x" * 2001)), "must be less than 2001 characters", "/elements/0/value"),
    ("button url", actions(button(url="x" * 3001)), "must be less than 3001 characters", "/elements/0/url"),
    ("button style", actions(button(style="green")), "must be a valid enum value", "/elements/0/style"),
    ("action id", actions(button(action_id="x" * 256)), "must be less than 256 characters", "/elements/0/action_id"),
    (
        "label",
        actions(button(accessibility_label="x" * 76)),
        "must be less than 76 characters",
        "/elements/0/accessibility_label",
    ),
    (
        "confirm title",
        actions(button(confirm=confirm(title=plain("x" * 101)))),
        "must be less than 101 characters",
        "/elements/0/confirm/title/text",
    ),
    (
        "confirm text",
        actions(button(confirm=confirm(text=mrkdwn("x" * 301)))),
        "must be less than 301 characters",
        "/elements/0/confirm/text/text",
    ),
    (
        "confirm button",
        actions(button(confirm=confirm(confirm=plain("x" * 31)))),
        "must be less than 31 characters",
        "/elements/0/confirm/confirm/text",
    ),
    (
        "deny button",
        actions(button(confirm=confirm(deny=plain("x" * 31)))),
        "must be less than 31 characters",
        "/elements/0/confirm/deny/text",
    ),
    (
        "overflow",
        actions({"type": "overflow", "options": [option()] * 6}),
        "no more than 5 items allowed",
        "/elements/0/options",
    ),
    (
        "options",
        actions({"type": "static_select", "options": [option()] * 101}),
        "no more than 100 items allowed",
        "/elements/0/options",
    ),
    (
        "no options",
        actions({"type": "static_select", "options": []}),
        "must provide at least 1 items",
        "/elements/0/options",
    ),
    ("neither options", actions({"type": "static_select"}), "missing required field: options", "/elements/0"),
    (
        "both options",
        actions(
            {
                "type": "static_select",
                "options": [option()],
                "option_groups": [{"label": plain("l"), "options": [option()]}],
            }
        ),
        "must provide only one of `options` and `option_groups`",
        "/elements/0",
    ),
    (
        "groups",
        actions({"type": "static_select", "option_groups": [{"label": plain("l"), "options": [option()]}] * 101}),
        "no more than 100 items allowed",
        "/elements/0/option_groups",
    ),
    (
        "group label",
        actions({"type": "static_select", "option_groups": [{"label": plain("x" * 76), "options": [option()]}]}),
        "must be less than 76 characters",
        "/elements/0/option_groups/0/label/text",
    ),
    (
        "group options",
        actions({"type": "static_select", "option_groups": [{"label": plain("l"), "options": [option()] * 101}]}),
        "no more than 100 items allowed",
        "/elements/0/option_groups/0/options",
    ),
    (
        "option text",
        actions({"type": "static_select", "options": [option("x" * 76)]}),
        "must be less than 76 characters",
        "/elements/0/options/0/text/text",
    ),
    (
        "option value",
        actions({"type": "static_select", "options": [option(value="x" * 151)]}),
        "must be less than 151 characters",
        "/elements/0/options/0/value",
    ),
    (
        "option description",
        actions({"type": "static_select", "options": [option(description=plain("x" * 76))]}),
        "must be less than 76 characters",
        "/elements/0/options/0/description/text",
    ),
    (
        "initial option",
        actions({"type": "static_select", "options": [option()], "initial_option": option("Two")}),
        "must match one of the options",
        "/elements/0/initial_option",
    ),
    (
        "initial options",
        actions({"type": "multi_static_select", "options": [option()], "initial_options": [option("Two")]}),
        "must match the options",
        "/elements/0/initial_options",
    ),
    (
        "placeholder",
        actions({"type": "users_select", "placeholder": plain("x" * 151)}),
        "must be less than 151 characters",
        "/elements/0/placeholder/text",
    ),
    (
        "most selected",
        actions({"type": "multi_users_select", "max_selected_items": 0}),
        "must be greater than or equal to 1",
        "/elements/0/max_selected_items",
    ),
    (
        "checkboxes",
        actions({"type": "checkboxes", "options": [option()] * 11}),
        "no more than 10 items allowed",
        "/elements/0/options",
    ),
    (
        "initial checks",
        actions({"type": "checkboxes", "options": [option()], "initial_options": [option("Two")]}),
        "must match the options",
        "/elements/0/initial_options",
    ),
    (
        "radio buttons",
        actions({"type": "radio_buttons", "options": [option()] * 11}),
        "no more than 10 items allowed",
        "/elements/0/options",
    ),
    (
        "initial radio",
        actions({"type": "radio_buttons", "options": [option()], "initial_option": option("Two")}),
        "must match one of the options",
        "/elements/0/initial_option",
    ),
    (
        "date",
        actions({"type": "datepicker", "initial_date": "2026-13-01"}),
        "failed to match schema",
        "/elements/0/initial_date",
    ),
    (
        "time",
        actions({"type": "timepicker", "initial_time": "24:00"}),
        "failed to match schema",
        "/elements/0/initial_time",
    ),
    (
        "moment",
        actions({"type": "datetimepicker", "initial_date_time": 5}),
        "must be greater than or equal to 1000000000",
        "/elements/0/initial_date_time",
    ),
    (
        "moment beside a text",
        section(accessory={"type": "datetimepicker"}),
        "unsupported type: datetimepicker",
        "/accessory/type",
    ),
    (
        "input label",
        asks({"type": "plain_text_input"}) | {"label": plain("x" * 2001)},
        "must be less than 2001 characters",
        "/label/text",
    ),
    (
        "input hint",
        asks({"type": "plain_text_input"}, hint=plain("x" * 2001)),
        "must be less than 2001 characters",
        "/hint/text",
    ),
    ("a button in an input", asks(button()), "unsupported type: button", "/element/type"),
    (
        "longest typed",
        asks({"type": "plain_text_input", "max_length": 3001}),
        "must be less than or equal to 3000",
        "/element/max_length",
    ),
    (
        "shortest above longest",
        asks({"type": "plain_text_input", "min_length": 5, "max_length": 4}),
        "must be less than or equal to `max_length`",
        "/element/min_length",
    ),
    (
        "typed before",
        asks({"type": "plain_text_input", "initial_value": "x" * 3001}),
        "must be less than 3001 characters",
        "/element/initial_value",
    ),
    (
        "number that is none",
        asks({"type": "number_input", "is_decimal_allowed": True, "initial_value": "ten"}),
        "must be a number",
        "/element/initial_value",
    ),
    ("number without a kind", asks({"type": "number_input"}), "missing required field: is_decimal_allowed", "/element"),
    (
        "least above most",
        asks({"type": "number_input", "is_decimal_allowed": True, "min_value": "2", "max_value": "1"}),
        "must be less than or equal to `max_value`",
        "/element/min_value",
    ),
    ("files", asks({"type": "file_input", "max_files": 11}), "must be less than or equal to 10", "/element/max_files"),
    (
        "when typing is sent",
        asks({"type": "plain_text_input", "dispatch_action_config": {"trigger_actions_on": ["never"]}}),
        "must be a valid enum value",
        "/element/dispatch_action_config/trigger_actions_on/0",
    ),
]


@pytest.mark.parametrize(("block", "sentence", "place"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_a_mistake_is_named_in_slacks_words_with_its_place(block: Block, sentence: str, place: str) -> None:
    """One mistake, one sentence, with the JSON pointer."""
    assert problems([{"type": "divider"}, block]) == (f"{sentence} [json-pointer:/blocks/1{place}]",)
