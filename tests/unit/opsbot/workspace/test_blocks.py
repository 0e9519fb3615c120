"""What concerns several blocks, where they may stand, and that what Slack's SDK writes is taken."""

from __future__ import annotations

import pytest

from opsbot.workspace.blocks import check_blocks, num_characters
from opsbot.workspace.blocks_layout import Surface
from opsbot.workspace.state_errors import SlackError
from tests.support.block_kit import everywhere, messages_only, modals_only
from tests.support.block_parts import Block, actions, button, mrkdwn, problems, section

RAW = {"type": "raw_text", "text": "a"}


def test_every_mistake_is_named_at_once() -> None:
    """Whoever reads the answer can mend all of them."""
    found = problems(
        [
            {"type": "header", "text": {"type": "plain_text", "text": ""}},
            {"type": "divider", "x": 1},
            section(text=None),
        ]
    )
    assert [sentence.split(" [")[0] for sentence in found] == [
        "must be more than 0 characters",
        "invalid additional property: x",
        "missing required field: text",
    ]


def test_blocks_that_are_no_list_are_another_error() -> None:
    """As when they were encoded twice."""
    with pytest.raises(SlackError, match="invalid_blocks_format"):
        check_blocks('[{"type": "divider"}]')


@pytest.mark.parametrize(
    ("blocks", "sentence"),
    [
        ([{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([{"type": "divider", "block_id": "b"}] * 2, '`block_id` "b" already exists [json-pointer:/blocks/1/block_id]'),
        (
            [actions(button(action_id="a"), button(action_id="a"))],
            '`action_id` "a" already exists [json-pointer:/blocks/0/elements/1/action_id]',
        ),
        ([{"type": "table", "rows": [[RAW]]}] * 2, "only_one_table_allowed"),
        ([{"type": "markdown", "text": "x" * 7_000}] * 2, "must be less than 12001 characters [json-pointer:/blocks]"),
    ],
)
def test_what_concerns_several_blocks_is_checked(blocks: list[Block], sentence: str) -> None:
    """Their number, ids that are used twice, and what there may be only one or so much of."""
    assert problems(blocks) == (sentence,)


def test_the_same_action_id_in_two_blocks_is_fine() -> None:
    """Only one block's own must differ."""
    assert problems([actions(button(action_id="a")), actions(button(action_id="a"))]) == ()


@pytest.mark.parametrize("surface", list(Surface))
def test_what_the_sdk_writes_is_taken_on_every_surface(surface: Surface) -> None:
    """One of each block with one of each element, from slack_sdk's own models."""
    for block in everywhere():
        assert problems([block], surface=surface) == (), block


@pytest.mark.parametrize("block", messages_only(), ids=lambda block: str(block["type"]))
def test_some_blocks_stand_in_messages_only(block: Block) -> None:
    """A modal or a Home tab with one is refused."""
    sentence = f"unsupported type: {block['type']} [json-pointer:/blocks/0/type]"
    assert problems([block], surface=Surface.MESSAGE) == ()
    assert problems([block], surface=Surface.MODAL) == problems([block], surface=Surface.HOME) == (sentence,)


@pytest.mark.parametrize("block", modals_only(), ids=lambda block: str(block["element"]["type"]))
def test_some_inputs_stand_in_modals_only(block: Block) -> None:
    """A message or a Home tab with one is refused."""
    sentence = f"unsupported type: {block['element']['type']} [json-pointer:/blocks/0/element/type]"
    assert problems([block], surface=Surface.MODAL) == ()
    assert problems([block], surface=Surface.MESSAGE) == problems([block], surface=Surface.HOME) == (sentence,)


def test_a_picture_of_a_file_needs_an_image_that_is_there() -> None:
    """In a block of its own and beside a text."""
    file = {"type": "image", "alt_text": "a", "slack_file": {"id": "F1"}}
    blocks = [file, section(accessory=file), {"type": "context", "elements": [file]}]
    assert problems(blocks, is_image=lambda wanted: wanted == "F1") == ()
    assert problems(blocks, is_image=lambda wanted: False) == (
        "invalid slack file [json-pointer:/blocks/0/slack_file]",
        "invalid slack file [json-pointer:/blocks/1/accessory/slack_file]",
        "invalid slack file [json-pointer:/blocks/2/elements/0/slack_file]",
    )


def test_the_characters_of_all_texts_are_counted() -> None:
    """Those of buttons and fields too, and of nothing that is not shown."""
    assert num_characters([section(fields=[mrkdwn("ab")]), actions(button("abc", value="long" * 9))]) == 6
