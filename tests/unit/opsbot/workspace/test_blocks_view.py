"""What Slack refuses in modals and Home tabs."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.models.views import View

from opsbot.workspace.blocks_layout import Surface
from opsbot.workspace.blocks_view import check_view
from opsbot.workspace.state_errors import SlackError
from tests.support.block_kit import everywhere, modals_only

DIVIDER = {"type": "divider"}
INPUT = {
    "type": "input",
    "label": {"type": "plain_text", "text": "Why"},
    "element": {"type": "plain_text_input", "action_id": "why", "focus_on_load": True},
}


def plain(text: str) -> dict[str, str]:
    """A text object."""
    return {"type": "plain_text", "text": text}


def modal(**more: Any) -> dict[str, Any]:
    """A valid one with something else in it."""
    return {"type": "modal", "title": plain("Approve"), "submit": plain("Go"), "blocks": [DIVIDER], **more}


def problems(view: object, surface: Surface = Surface.MODAL) -> tuple[str, ...]:
    """What is said to be wrong."""
    with pytest.raises(SlackError) as raised:
        check_view(view, surface)
    assert raised.value.error == "invalid_arguments"
    return raised.value.explanations


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        (modal(title=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/title/text]"),
        (modal(submit=plain("x" * 25)), "must be less than 25 characters [json-pointer:/view/submit/text]"),
        (modal(close=plain("")), "must be more than 0 characters [json-pointer:/view/close/text]"),
        (modal(private_metadata="x" * 3001), "must be less than 3001 characters [json-pointer:/view/private_metadata]"),
        (modal(callback_id="x" * 256), "must be less than 256 characters [json-pointer:/view/callback_id]"),
        (modal(external_id="x" * 256), "must be less than 256 characters [json-pointer:/view/external_id]"),
        (modal(size="large"), "invalid additional property: size [json-pointer:/view]"),
        (modal(blocks=[]), "must provide at least 1 items [json-pointer:/view/blocks]"),
        (modal(blocks=[DIVIDER] * 101), "no more than 100 items allowed [json-pointer:/view/blocks]"),
        (modal(blocks=[{"type": "nope"}]), "unsupported type: nope [json-pointer:/view/blocks/0/type]"),
        (
            modal(blocks=[DIVIDER, INPUT], submit=None),
            "must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/1/input]",
        ),
        (modal(blocks=[INPUT, INPUT]), "no more than 1 element may have `focus_on_load` [json-pointer:/view/blocks]"),
        ({"type": "modal", "blocks": [DIVIDER]}, "missing required field: title [json-pointer:/view]"),
        ({"type": "home", "blocks": []}, "must be of type modal [json-pointer:/view/type]"),
        ({"type": "panel", "blocks": []}, "unsupported type: panel [json-pointer:/view/type]"),
        ("modal", "must provide an object [json-pointer:/view]"),
    ],
)
def test_a_mistake_in_a_modal_is_named_with_its_place(view: object, sentence: str) -> None:
    """As `invalid_arguments`."""
    assert problems(view) == (sentence,)


def test_a_home_tab_has_no_buttons_of_its_own() -> None:
    """Neither submit nor title."""
    view = {"type": "home", "blocks": [], "submit": plain("Go"), "title": plain("x")}
    assert problems(view, Surface.HOME) == (
        "invalid additional property: submit [json-pointer:/view]",
        "invalid additional property: title [json-pointer:/view]",
    )


def test_a_view_as_large_as_nothing_is_read_is_refused() -> None:
    """More than 250 kB, however few blocks."""
    text = {"type": "section", "text": {"type": "mrkdwn", "text": "é" * 3000}}
    with pytest.raises(SlackError, match="view_too_large"):
        check_view(modal(blocks=[text] * 50), Surface.MODAL)


def test_what_the_sdk_writes_is_taken() -> None:
    """A modal and a Home tab from slack_sdk's own model."""
    made = View(
        type="modal",
        title="T",
        submit="Go",
        close="No",
        callback_id="c",
        private_metadata="{}",
        external_id="e",
        clear_on_close=True,
        notify_on_close=True,
        submit_disabled=False,
        blocks=[*everywhere(), *modals_only()],
    ).to_dict()
    assert check_view(made, Surface.MODAL) == made
    home = View(type="home", blocks=everywhere(), callback_id="c").to_dict()
    assert check_view(home, Surface.HOME) == home
