"""Reads Prometheus's text format 0.0.4.

The text that stands before a value is parsed once for each series and then only looked up: two thousand samples cost
a split each. What a target exposed last is all that is remembered, so a target that churns its labels costs no memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from opsbot.errors import SourceError
from opsbot.promql.samples import NAME

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")


@dataclass(slots=True)
class Exposition:
    """What one target exposes.

    Args:
        added: labels of the target, on each of its samples; an own label of that name becomes `exported_…`.
        renames: prefixes of metric names and what they become, for a proxy between us that rewrites the colon.
    """

    added: Mapping[str, str]
    renames: Mapping[str, str]
    _known: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def read(self, text: str) -> dict[str, float]:
        """Each series' value, by the text that names the series.

        Raises: SourceError with the first line that is not in the format; then nothing is taken.
        """
        values: dict[str, float] = {}
        known: dict[str, Mapping[str, str]] = {}
        for line in text.split("\n"):
            if not line or line[0] == "#" or line.isspace():
                continue
            # A timestamp after the value is not used: all samples of a scrape are as old as the scrape.
            end = line.rfind("}") + 1 or _end_of_name(line)
            series, rest = line[:end].strip(), line[end:].split()
            if not series or not 1 <= len(rest) <= 2:
                raise SourceError(f"not a sample: {line[:80]!r}")
            try:
                values[series] = float(rest[0])
            except ValueError as error:
                raise SourceError(f"not a number: {line[:80]!r}") from error
            labels = self._known.get(series)
            known[series] = labels if labels is not None else self._parsed(series)
        self._known = known
        return values

    def labels(self, series: str) -> Mapping[str, str]:
        """The labels of a series that the last text had, the metric's name among them."""
        return self._known[series]

    def _parsed(self, series: str) -> Mapping[str, str]:
        name, brace, rest = series.partition("{")
        name = name.strip()
        if not _NAME.fullmatch(name):
            raise SourceError(f"not a metric name: {name[:80]!r}")
        for prefix, becomes in self.renames.items():
            if name.startswith(prefix):
                name = becomes + name.removeprefix(prefix)
                break
        labels: dict[str, str] = {}
        for label, value in _pairs(rest.removesuffix("}") if brace else ""):
            # An empty label is the same as none.
            if value:
                labels[f"exported_{label}" if label in self.added else label] = value
        return {**labels, **self.added, NAME: name}


def _end_of_name(line: str) -> int:
    parts = line.split(None, 1)
    return line.index(parts[0]) + len(parts[0])


def _pairs(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text) and not text[at:].isspace():
        match = _LABEL.match(text, at)
        if match is None:
            raise SourceError(f"not a label: {text[at : at + 80]!r}")
        found.append((match[1], _unescaped(match[2])))
        at = match.end()
    return found


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], value) if "\\" in value else value
