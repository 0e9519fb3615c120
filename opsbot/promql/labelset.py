"""Label sets as values: equal ones are one object, so that comparing and hashing them costs nothing.

Every evaluation asks the same series for the same parts of their labels; each part is taken once and remembered by
the set that it is a part of.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from threading import Lock
from weakref import WeakValueDictionary

NAME = "__name__"
Labels = tuple[tuple[str, str], ...]


def freeze(labels: Mapping[str, str]) -> Labels:
    """A label set as a sorted tuple, so that equal sets are equal."""
    return labels.pairs if isinstance(labels, LabelSet) else tuple(sorted(labels.items()))


class LabelSet(Mapping[str, str]):
    """An immutable label set; made by `of`, never directly."""

    __slots__ = ("__weakref__", "_parts", "pairs", "upper_bound")
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(self, pairs: Labels) -> None:
        self.pairs = pairs
        self._parts: dict[Hashable, LabelSet] = {}
        self.upper_bound = _number(self.get("le", ""))
        """A histogram bucket's; None where there is no number in `le`."""

    @staticmethod
    def of(labels: Mapping[str, str]) -> LabelSet:
        """The one set that has these labels."""
        return labels if isinstance(labels, LabelSet) else _the_one(freeze(labels))

    def without_name(self) -> LabelSet:
        """The labels without the metric name: what an operation leaves."""
        found = self._parts.get(NAME)
        if found is None:
            found = self._parts[NAME] = _the_one(tuple(pair for pair in self.pairs if pair[0] != NAME))
        return found

    def only(self, names: frozenset[str]) -> LabelSet:
        """Those labels whose names are in *names*."""
        found = self._parts.get((True, names))
        if found is None:
            found = self._parts[True, names] = _the_one(tuple(pair for pair in self.pairs if pair[0] in names))
        return found

    def without(self, names: frozenset[str]) -> LabelSet:
        """Those labels whose names are not in *names*."""
        found = self._parts.get((False, names))
        if found is None:
            found = self._parts[False, names] = _the_one(tuple(pair for pair in self.pairs if pair[0] not in names))
        return found

    def overlaid(self, others: Labels) -> LabelSet:
        """These labels and *others*, whose values win."""
        found = self._parts.get(others)
        if found is None:
            found = self._parts[others] = LabelSet.of({**dict(self.pairs), **dict(others)})
        return found

    def __getitem__(self, name: str) -> str:
        for own, value in self.pairs:
            if own == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"LabelSet({dict(self.pairs)})"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_known: WeakValueDictionary[Labels, LabelSet] = WeakValueDictionary()
_making = Lock()
"""Two threads that make the same set at once would make two that are not equal."""


def _the_one(pairs: Labels) -> LabelSet:
    found = _known.get(pairs)
    if found is None:
        with _making:
            found = _known.setdefault(pairs, LabelSet(pairs))
    return found


EMPTY = LabelSet.of({})
