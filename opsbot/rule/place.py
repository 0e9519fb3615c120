"""Where a word inside a value stands in its file, so that a problem points at the word and not only at the value."""

from __future__ import annotations

from opsbot.yamlfile import Document, Location, Problem


def problem_at(document: Document, loc: Location, words: str, message: str) -> Problem:
    """A problem at the first place of *words* in the value at *loc*; at the value's begin where they are not found.

    They are not where the writing differs from the value, by escapes or a line break.
    """
    at_value = document.problem(loc, message)
    lines = document.text.splitlines()[at_value.line - 1 :]
    if not words or loc not in document.marks or not lines:
        return at_value
    text = "\n".join([lines[0][at_value.column - 1 :], *lines[1:]])
    later = [mark for mark in document.marks.values() if mark > (at_value.line, at_value.column)]
    later += [mark for mark in document.key_marks.values() if mark > (at_value.line, at_value.column)]
    end = _offset(text, at_value, min(later)) if later else len(text)
    found = text.find(words, 0, end)
    if found < 0:
        return at_value
    num_breaks = text.count("\n", 0, found)
    column = found - text.rfind("\n", 0, found) if num_breaks else at_value.column + found
    return Problem(at_value.path, at_value.line + num_breaks, column, message)


def _offset(text: str, start: Problem, mark: tuple[int, int]) -> int:
    """How far behind the value's begin *mark* is."""
    line, column = mark
    if line == start.line:
        return column - start.column
    before = text.split("\n")[: line - start.line]
    return sum(len(one) + 1 for one in before) + column - 1
