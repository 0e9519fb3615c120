"""A file of JSON lines that only grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.store.json_lines import JsonLines, JsonLinesError


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    """In order, with its folder made; nothing without a file."""
    lines = JsonLines(tmp_path / "new" / "a.jsonl")
    assert lines.read() == []
    lines.append({"n": 1}, {"n": 2})
    lines.append({"n": 3})
    assert lines.read() == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_line_cut_short_is_left_out(tmp_path: Path) -> None:
    """As a crash leaves it; the next entry takes its place."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\n{"n": ')
    assert JsonLines(path).read() == [{"n": 1}]
    JsonLines(path).append({"n": 2})
    assert JsonLines(path).read() == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("text", ["x\n", "[1]\n"], ids=["not JSON", "not an object"])
def test_a_broken_line_is_named(tmp_path: Path, text: str) -> None:
    """With its number and what to do."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\n' + text)
    with pytest.raises(JsonLinesError, match=r"a.jsonl:2: not .*; delete the line"):
        JsonLines(path).read()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JsonLinesError, match="cannot be written"):
        JsonLines(tmp_path / "file" / "a.jsonl").append({"n": 1})
