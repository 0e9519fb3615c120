"""The library of fallback prompts is read strictly, and a hash stands for all that a file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from serving_stub.errors import FileError, SettingError
from serving_stub.frontdoor.prompt_library import SHIPPED, PromptLibrary, load_library
from tests.support.fallback_layers import prompt

NOTICE = """\
id: notice
title: Limited
owner: trust-and-safety
reviewed: {by_role: lead, on: 2026-09-01}
mode: notice
notice: {text: Access is limited., appeal_url: https://example.com/appeal}
"""


def test_the_shipped_prompts_load() -> None:
    """One of each mode, none with a problem."""
    assert {one.id: str(one.mode) for one in load_library().prompts.values()} == {
        "cat": "persona",
        "notice": "notice",
        "safe": "safe",
    }


def test_layout_does_not_change_a_hash_and_words_do(tmp_path: Path) -> None:
    """Comments and the order of keys do not count; a single letter does."""
    first = load_one(tmp_path, NOTICE)
    lines = NOTICE.splitlines(keepends=True)
    assert load_one(tmp_path, "# a comment\n" + "".join(reversed(lines))) == first
    assert load_one(tmp_path, NOTICE.replace("limited.", "limited!")) != first
    assert load_one(tmp_path, NOTICE.replace("2026-09-01", "2026-09-02")) != first


def load_one(folder: Path, text: str) -> str:
    """The hash of a library's only file."""
    (folder / "notice.yaml").write_text(text)
    return load_library(folder).prompts["notice"].sha256


def test_a_pinned_prompt_is_found_only_as_it_was() -> None:
    """By id and hash."""
    cat = prompt()
    library = PromptLibrary([cat, prompt("notice", "notice")])
    assert library.pinned("cat", cat.sha256) is cat
    assert library.pinned("cat", "0" * 64) is None
    assert library.pinned("dog", cat.sha256) is None


def test_a_library_without_a_notice_is_refused() -> None:
    """Something must stand in for a prompt that is gone."""
    with pytest.raises(SettingError, match="no file of mode notice"):
        PromptLibrary([prompt()])


def test_problems_of_all_files_are_told_with_their_place(tmp_path: Path) -> None:
    """A misspelt key, a wrong name and a wrong date, each with file, line and column."""
    (tmp_path / "a.yaml").write_text(NOTICE.replace("owner:", "ower:"))
    (tmp_path / "b.yaml").write_text(NOTICE)
    (tmp_path / "notice.yaml").write_text(NOTICE.replace("2026-09-01", "soon"))
    with pytest.raises(FileError) as caught:
        load_library(tmp_path)
    problems = str(caught.value)
    assert "a.yaml:3:1: unknown key 'ower', did you mean 'owner'?" in problems
    assert "b.yaml:1:5: id is 'notice', expected 'b', the file's name" in problems
    assert "notice.yaml:4:31: on:" in problems


@pytest.mark.parametrize(
    ("mode", "fields", "message"),
    [
        ("notice", {"notice": None}, "mode notice needs a notice"),
        ("notice", {"system": "Be."}, "system has no use"),
        ("persona", {"examples": []}, "needs at least 2 examples"),
        ("persona", {"probes": []}, "nothing goes live unasked"),
        ("safe", {"refusal_text": None}, "needs a refusal_text"),
        ("safe", {"notice": {"text": "x", "appeal_url": "https://example.com"}}, "notice belongs to mode notice"),
        ("persona", {"expect_regex": "^Meow", "refusal_text": "No."}, "refusal_text does not fit expect_regex"),
        ("persona", {"expect_regex": "one"}, "examples.1.assistant does not fit"),
        ("persona", {"max_chars": 8}, "examples.0.assistant does not fit"),
        ("persona", {"expect_regex": "(unclosed"}, "not a regular expression of RE2"),
        ("persona", {"expect_regex": "(?=ahead)"}, "not a regular expression of RE2"),
        ("persona", {"id": "../cat"}, "id"),
        ("notice", {"notice": {"text": "x", "appeal_url": "javascript:alert(1)"}}, "appeal_url"),
    ],
)
def test_a_file_must_fit_its_mode(mode: str, fields: dict[str, Any], message: str) -> None:
    """What a mode needs is there, what it has no use for is not, and its own words fit its own patterns."""
    with pytest.raises(ValidationError, match=message):
        prompt(mode=mode, **fields)


def test_the_shipped_files_have_no_person_in_them() -> None:
    """Reviews name a role."""
    for path in SHIPPED.glob("*.yaml"):
        assert "by_role: trust-and-safety lead" in path.read_text()
