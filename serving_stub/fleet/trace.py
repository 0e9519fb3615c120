"""Trace files: arrivals as JSON lines, to record what came and to play it again.

A line that is no arrival is reported with its place and counted; the others count all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from serving_stub.errors import FileError
from serving_stub.fleet.arrival import Arrival

LONGEST_LINE = 65_536
MOST_PROBLEMS = 20
"""So many are told; all are counted."""

_Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Tokens = Annotated[int, Field(ge=1, le=100_000_000)]


class _Line(BaseModel):
    """Keys that are not named here are left alone, so that a trace may carry more."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    at_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
    tenant: _Word
    model: _Word
    prompt_tokens: _Tokens
    answer_tokens: _Tokens


@dataclass(frozen=True, slots=True)
class Trace:
    """What a file held.

    Args:
        arrivals: by time, whatever the order in the file; of one time, in the file's order.
        problems: the first MOST_PROBLEMS lines that are no arrivals, as `file:line: message`.
        num_problems: of all such lines.
    """

    arrivals: tuple[Arrival, ...]
    problems: tuple[str, ...]
    num_problems: int


def write_trace(path: Path, arrivals: Iterable[Arrival]) -> int:
    """Write the arrivals to *path*, a line each; what was there is replaced.

    Returns: how many.
    Raises: FileError if the file cannot be written.
    """
    num = 0
    try:
        with path.open("w", encoding="utf-8") as file:
            for arrival in arrivals:
                file.write(json.dumps(asdict(arrival)) + "\n")
                num += 1
    except OSError as error:
        raise FileError([f"{path}: cannot be written: {error.strerror}"]) from error
    return num


def read_trace(path: Path) -> Trace:
    """Read the arrivals in *path*; empty lines count as nothing.

    Raises: FileError if the file cannot be read at all.
    """
    arrivals: list[Arrival] = []
    problems: list[str] = []
    num_problems = number = 0
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                is_whole = len(line) <= LONGEST_LINE
                while not line.endswith(b"\n") and (more := file.readline(LONGEST_LINE)):
                    line = more  # the rest of a line that is too long
                if is_whole and not line.strip():
                    continue
                found = _read(line) if is_whole else f"the line is longer than {LONGEST_LINE} bytes"
                if isinstance(found, Arrival):
                    arrivals.append(found)
                    continue
                num_problems += 1
                if len(problems) < MOST_PROBLEMS:
                    problems.append(f"{path}:{number}: {found}")
    except OSError as error:
        raise FileError([f"{path}: cannot be read: {error.strerror}"]) from error
    arrivals.sort(key=lambda arrival: arrival.at_s)
    return Trace(tuple(arrivals), tuple(problems), num_problems)


def _read(line: bytes) -> Arrival | str:
    try:
        return Arrival(**_Line.model_validate_json(line).model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            return "the line is not JSON"
        name = ".".join(map(str, first["loc"]))
        return f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}" if name else "the line is not a JSON object"
