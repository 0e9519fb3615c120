"""How long a run holds what it has set, where its runbook says so: `hold: 10m`, or `hold: ${{ inputs.length }}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from opsbot.yamlfile import format_duration, parse_duration

LEAST_S = 5.0
MOST_S = 24 * 3600.0
_INPUT = re.compile(r"\$\{\{\s*inputs\.([a-z][a-z0-9_]{0,63})\s*\}\}")


@dataclass(frozen=True, slots=True)
class Hold:
    """A length: *seconds*, or what the text input *input_name* says."""

    seconds: float | None = None
    input_name: str | None = None

    def of(self, inputs: Mapping[str, object], defaults: Mapping[str, object]) -> float:
        """Seconds in a run with these inputs; raises ValueError if they say no length."""
        if self.input_name is None:
            assert self.seconds is not None
            return self.seconds
        return length_s(inputs.get(self.input_name, defaults.get(self.input_name)))


def read_hold(text: str) -> Hold:
    """What a runbook says; raises ValueError."""
    found = _INPUT.fullmatch(text.strip())
    return Hold(input_name=found[1]) if found else Hold(seconds=length_s(text))


def length_s(value: object) -> float:
    """Seconds of a length that something may be held; raises ValueError with what may be given."""
    seconds = parse_duration(value)
    if not LEAST_S <= seconds <= MOST_S:
        shortest, longest = format_duration(LEAST_S), format_duration(MOST_S)
        raise ValueError(f"{value} is not between {shortest} and {longest}")
    return seconds


def _is_hold(text: str) -> str:
    try:
        read_hold(text)
    except ValueError as error:
        raise ValueError(f"{error}; or name a text input: `${{{{ inputs.length }}}}`") from error
    return text


HoldText = Annotated[str, AfterValidator(_is_hold), WithJsonSchema({"type": "string"})]
"""As it is written in the file."""
