"""Names that a person types: unknown ones are answered with the nearest that exists."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import click


class Named(click.ParamType[str]):
    """One of a set of names, whatever the case of its letters.

    Args:
        name: what is named, for messages.
    """

    def __init__(self, name: str, names: Iterable[str]) -> None:
        self.name = name
        self._names = {known.casefold(): known for known in names}

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as it is spelled."""
        known = self._names.get(str(value).casefold())
        if known is None:
            near = get_close_matches(str(value).casefold(), self._names, n=1)
            hint = f", did you mean {self._names[near[0]]!r}?" if near else ";"
            self.fail(f"no {self.name} {value!r}{hint} There are: {', '.join(self._names.values())}", param, ctx)
        return known
