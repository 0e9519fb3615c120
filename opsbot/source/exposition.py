"""Reads Prometheus's text format 0.0.4.

The texts that stand before the values are parsed once. While they stay the same, line by line, as they do for most
of a target's life, a sample costs the cutting of its line in two and the reading of a number. What a target exposed
last is all that is remembered, so a target that churns its labels costs no memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opsbot.errors import SourceError
from opsbot.promql.labelset import NAME, LabelSet

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
MAX_SAMPLES = 20_000
"""Of one exposition; reading more would hold up all other targets."""


@dataclass(slots=True)
class Exposition:
    """What one target exposes.

    Args:
        added: labels of the target, on each of its samples; an own label of that name becomes `exported_…`.
        renames: prefixes of metric names and what they become, for a proxy between us that rewrites the colon.
    """

    added: Mapping[str, str]
    renames: Mapping[str, str]
    labels: tuple[LabelSet, ...] = ()
    """The series of the last text, the same object as long as they are the same."""
    num_duplicates: int = 0
    """Samples of the last text whose series it had before; the first counts, as in Prometheus."""
    _known: dict[str, LabelSet] = field(default_factory=dict)
    _heads: list[str] | None = None
    """What stands before the last blank of each sample's line, where that is the series' text and nothing else."""

    def read(self, text: str) -> Sequence[float]:
        """The value of each series of `labels`.

        Raises: SourceError with the first line that is not in the format; then nothing is taken.
        """
        lines = [line for line in text.split("\n") if line and line[0] != "#"]
        if len(lines) > MAX_SAMPLES:
            raise SourceError(f"the exposition has {len(lines)} samples; {MAX_SAMPLES} are read")
        cut = [line.rpartition(" ") for line in lines]
        heads = [head for head, _, _ in cut]
        if heads == self._heads:
            try:
                return [_number(number) for _, _, number in cut]
            except ValueError:
                pass  # the line at fault is found below
        return self._read_anew(lines, heads)

    def _read_anew(self, lines: Sequence[str], heads: list[str]) -> Sequence[float]:
        values: dict[LabelSet, float] = {}
        known: dict[str, LabelSet] = {}
        num_duplicates = 0
        for line in lines:
            if line.isspace():
                continue
            # A timestamp after the value is not used: all samples of a scrape are as old as the scrape.
            end = line.rfind("}") + 1 or _end_of_name(line)
            series, rest = line[:end].strip(), line[end:].split()
            if not series or not 1 <= len(rest) <= 2:
                raise SourceError(f"not a sample: {line[:80]!r}")
            try:
                value = _number(rest[0])
            except ValueError as error:
                raise SourceError(f"not a number: {line[:80]!r}") from error
            labels = self._known.get(series) or known.get(series)
            known[series] = labels = labels if labels is not None else self._parsed(series)
            num_duplicates += labels in values
            values.setdefault(labels, value)
        labels_now = tuple(values)
        if labels_now != self.labels:
            self.labels = labels_now
        self._known = known
        # The keys themselves, so that each text is held once.
        own = list(known)
        self._heads = own if not num_duplicates and heads == own else None
        self.num_duplicates = num_duplicates
        return list(values.values())

    def _parsed(self, series: str) -> LabelSet:
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
                # Twenty thousand series have a few hundred different words between them.
                labels[sys.intern(f"exported_{label}" if label in self.added else label)] = sys.intern(value)
        return LabelSet.of({**labels, **self.added, NAME: sys.intern(name)})


def _number(text: str) -> float:
    """Python's own reading takes 1_000 for a number, which nobody writes who means one."""
    if "_" in text:
        raise ValueError(text)
    return float(text)


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
