"""What can be used on a surface, and what stands in it."""

from __future__ import annotations

from typing import Any

import pytest

from opsbot.workspace.surface import STATEFUL, find, values, with_ids
from tests.support.page_user import actions, button, field, text

OPTIONS = [{"text": text(name), "value": name} for name in ("a", "b", "c")]


def test_ids_are_given_where_there_are_none() -> None:
    """The same place gets the same id again, and never one that is taken."""
    bare: list[dict[str, Any]] = [
        {"type": "divider"},
        {"type": "actions", "block_id": "b0", "elements": [{"type": "button"}, {"type": "image"}]},
        {"type": "section", "accessory": {"type": "overflow"}},
    ]
    made = with_ids(bare)
    assert [block["block_id"] for block in made] == ["b0-", "b0", "b2"]
    assert made[1]["elements"] == [{"type": "button", "action_id": "a0"}, {"type": "image"}]
    assert made[2]["accessory"]["action_id"] == "a0"
    assert with_ids(bare) == made == with_ids(made)
    assert "block_id" not in bare[0]


def test_an_element_is_found_by_its_ids() -> None:
    """The block's id may be left out; a wrong one is not."""
    blocks = [actions(button("go"), block_id="one"), field("two")]
    assert find(blocks, "one", "go") == (blocks[0], blocks[0]["elements"][0])
    assert find(blocks, "", "it") == (blocks[1], blocks[1]["element"])
    assert find(blocks, "two", "go") is None


@pytest.mark.parametrize("kind", sorted(set(STATEFUL) - {"file_input"}))
def test_an_element_that_nobody_touched_says_what_it_starts_with(kind: str) -> None:
    """And nothing where it starts with nothing: null, or an empty list."""
    name, initial, nothing = STATEFUL[kind]
    starts = {"options": OPTIONS[:1], "option": OPTIONS[0], "date_time": 1_700_000_000}
    start: Any = starts.get(initial.removeprefix("initial_"), ["x"] if nothing == [] else "x")
    start = {"type": "rich_text", "elements": []} if kind == "rich_text_input" else start
    empty = values([field("one", kind=kind, options=OPTIONS)], {})
    filled = values([field("one", kind=kind, options=OPTIONS, **{initial: start})], {})
    assert empty == {"one": {"it": {"type": kind, name: nothing}}}
    assert filled == {"one": {"it": {"type": kind, name: start}}}


@pytest.mark.parametrize("kind", ["static_select", "radio_buttons"])
def test_only_an_option_that_is_there_can_be_chosen(kind: str) -> None:
    """And it is sent as the app gave it, whatever text the page sent."""
    block = field("one", kind=kind, options=OPTIONS)
    forged = {"selected_option": {"value": "b", "text": text("forged")}}
    assert values([block], {"one": {"it": forged}})["one"]["it"]["selected_option"] == OPTIONS[1]
    unknown = {"selected_option": {"value": "z"}}
    assert values([block], {"one": {"it": unknown}})["one"]["it"]["selected_option"] is None


def test_options_of_groups_and_lists_are_found_too() -> None:
    """Those that are not there are left out."""
    groups = [{"label": text("g"), "options": OPTIONS[:2]}, {"label": text("h"), "options": OPTIONS[2:]}]
    block = field("one", kind="multi_static_select", option_groups=groups)
    chosen = {"selected_options": [{"value": "c"}, {"value": "z"}, "a", {"value": "a"}]}
    assert values([block], {"one": {"it": chosen}})["one"]["it"]["selected_options"] == [OPTIONS[2], OPTIONS[0]]


def test_what_was_emptied_is_null_and_not_what_it_started_with() -> None:
    """As in Slack."""
    block = field("one", initial_value="start")
    assert values([block], {"one": {"it": {"value": ""}}})["one"]["it"]["value"] is None


@pytest.mark.parametrize("kind", sorted(STATEFUL))
@pytest.mark.parametrize("nonsense", [0.5, True, {}, [], [[]], [1], [{}], "x"])
def test_what_nobody_can_have_chosen_is_as_nothing(kind: str, nonsense: Any) -> None:
    """An app need not look whether a date is a list."""
    name, _, nothing = STATEFUL[kind]
    block = field("one", kind=kind, options=OPTIONS)
    stands = values([block], {"one": {"it": {name: nonsense}}})["one"]["it"][name]
    if stands != nothing:
        assert type(stands) is type(nonsense)
        assert isinstance(stands, list) == isinstance(nothing, list)
        assert not isinstance(stands, bool | float)


@pytest.mark.parametrize("given", [None, [], "x", {"one": []}, {"one": {"it": "x"}}, {"two": {"it": {"value": "x"}}}])
def test_nonsense_from_the_page_is_as_nothing(given: object) -> None:
    """Only elements that are there have values."""
    assert values([field("one")], given) == {"one": {"it": {"type": "plain_text_input", "value": None}}}
