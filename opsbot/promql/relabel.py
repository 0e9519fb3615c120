"""label_replace and label_join: a vector with one label written anew."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsbot.promql.labelset import LabelSet
from opsbot.promql.pattern import compiled
from opsbot.promql.vector import Element, Vector

_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\$)")


def label_replace(vector: Vector, words: Sequence[str]) -> Vector:
    """The label *destination* from what *pattern* finds in *source*; where it does not match nothing changes."""
    destination, replacement, source, pattern = words
    result = []
    for element in vector:
        match = compiled(pattern).fullmatch(element.labels.get(source, ""))
        labels = element.labels
        if match is not None:
            labels = _with(labels, destination, _expand(replacement, match))
        result.append(Element(labels, element.value))
    return result


def label_join(vector: Vector, words: Sequence[str]) -> Vector:
    """The label *destination* from the values of all *sources*, those that are missing being empty."""
    destination, separator, *sources = words
    return [
        Element(_with(labels, destination, separator.join(labels.get(source, "") for source in sources)), value)
        for labels, value in vector
    ]


def _with(labels: LabelSet, name: str, text: str) -> LabelSet:
    """An empty label is none."""
    return labels.overlaid(((name, text),)) if text else labels.without(frozenset({name}))


def _expand(replacement: str, match: re.Match[str]) -> str:
    """Go's Regexp.Expand: `$1`, `${name}`, `$$`; a group that the pattern does not have is empty."""

    def word(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None:
            return "$"
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _REFERENCE.sub(word, replacement)
