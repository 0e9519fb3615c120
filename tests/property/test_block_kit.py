"""Slack's own SDK as a second opinion: whatever its models refuse, the workspace refuses too, and nothing breaks it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from opsbot.workspace.blocks import check_blocks
from opsbot.workspace.blocks_layout import Surface
from opsbot.workspace.blocks_view import check_view
from opsbot.workspace.state_errors import SlackError
from tests.support.block_kit import everywhere, messages_only, modals_only

VALID = [*everywhere(), *messages_only(), *modals_only()]
LENGTHS = [0, 1, 30, 31, 75, 76, 100, 101, 150, 151, 255, 256, 300, 301, 2000, 2001, 3000, 3001]
COUNTS = [0, 1, 5, 6, 10, 11, 25, 26, 100, 101]
WRONG: list[Any] = [None, True, 7, -1, "", "x", [], {}, [[]], {"type": "x"}, [None]]


def places(value: object) -> list[tuple[dict[str, Any] | list[Any], Any]]:
    """Every place within *value*: what holds it, and its key."""
    if not isinstance(value, dict | list):
        return []
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [found for key in keys for found in ((value, key), *places(value[key]))]


def spoil(data: st.DataObject, value: object) -> None:
    """Change one place: its length, its number, its type, or whether it is there."""
    if not places(value):
        return
    holder, key = data.draw(st.sampled_from(places(value)), label="place")
    there, how = holder[key], data.draw(st.sampled_from(["size", "wrong", "gone"]), label="how")
    if how == "gone" and isinstance(holder, dict):
        del holder[key]
    elif how == "size" and isinstance(there, str):
        holder[key] = "x" * data.draw(st.sampled_from(LENGTHS))
    elif how == "size" and isinstance(there, list):
        holder[key] = (there * 101)[: data.draw(st.sampled_from(COUNTS))]
    else:
        holder[key] = copy.deepcopy(data.draw(st.sampled_from(WRONG)))


def refusal(check: Callable[[], object]) -> SlackError | None:
    """What the workspace says against it."""
    try:
        check()
    except SlackError as error:
        return error
    return None


def is_refused_by_sdk(block: dict[str, Any]) -> bool:
    """Whether slack_sdk's models say that it is no valid block."""
    try:
        parsed = Block.parse(copy.deepcopy(block))
        if parsed is not None:
            parsed.to_dict()
    except SlackObjectFormationError:
        return True
    except Exception:
        return False  # its models were not made for what is no Block Kit at all
    return False


@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_what_the_sdk_refuses_is_refused(data: st.DataObject) -> None:
    """Valid blocks, spoiled in one or two places."""
    block = copy.deepcopy(data.draw(st.sampled_from(VALID), label="block"))
    for _ in range(data.draw(st.integers(1, 2))):
        spoil(data, block)
    refused = refusal(lambda: check_blocks([block]))
    assert refused is not None or not is_refused_by_sdk(block)
    if refused is not None:
        assert refused.error == "invalid_blocks"
        assert all("[json-pointer:/blocks" in one for one in refused.explanations)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_view_that_the_sdk_refuses_is_refused(data: st.DataObject) -> None:
    """A modal, spoiled in one or two places outside its blocks."""
    text = {"type": "plain_text", "text": "Approve"}
    view: dict[str, Any] = {
        "type": "modal",
        "title": dict(text),
        "submit": dict(text),
        "close": dict(text),
        "callback_id": "c",
        "private_metadata": "{}",
        "blocks": [{"type": "divider"}],
    }
    for _ in range(data.draw(st.integers(1, 2))):
        spoil(data, view)
    refused = refusal(lambda: check_view(view, Surface.MODAL))
    assert refused is None or refused.error == "invalid_arguments"
    with contextlib.suppress(TypeError, AttributeError, KeyError, ValueError):
        try:
            View(**copy.deepcopy(view)).to_dict()
        except SlackObjectFormationError:
            assert refused is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "text", "elements", "block_id", "options", "rows"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(blocks=JSON)
@settings(max_examples=300, deadline=None)
def test_nothing_breaks_the_check(blocks: object) -> None:
    """Whatever JSON is sent is taken or refused by one of Slack's errors."""
    with contextlib.suppress(SlackError):
        check_blocks(blocks)
    with contextlib.suppress(SlackError):
        check_view(blocks, Surface.MODAL)
