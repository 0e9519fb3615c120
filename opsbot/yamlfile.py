"""Strict YAML with positions: what a person typed, where, and what is wrong with it.

Files are read as PyYAML's node tree, so that every problem carries line and column, and all problems of a file are
reported together. YAML's surprises are refused or switched off: aliases, tags, duplicate keys, `no` as false, dates,
base-60 and octal numbers, bare numbers as durations.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, PlainSerializer, ValidationError, WithJsonSchema

from opsbot.schema_keys import known_keys
from opsbot.value_words import KeyProblem, message, needed, one_of, yaml_words
from opsbot.value_words import suggest as suggest

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]
Mark = tuple[int, int]

MAX_FILE_BYTES = 1 << 20
"""Nobody writes a megabyte of runbook by hand; a larger file is a mistake."""
MAX_DEPTH = 32
"""libyaml's composer recurses on the C stack: a file of brackets alone would end the process."""
MAX_DIGITS = 18
"""An integer of more digits does not fit into 64 bits, nor into anybody's head."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
_DURATION_UNITS_S = (31_536_000.0, 604_800.0, 86_400.0, 3_600.0, 60.0, 1.0, 0.001)


def parse_duration(text: object) -> float:
    """Seconds in a duration such as `30s`, `5m`, `1h30m` or `500ms`; a year (`y`) has 365 days, a week is `w`.

    Raises: ValueError for anything else, a bare number too: its unit would be a guess.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if match is None or not any(match.groups()):
        raise ValueError(f"a duration such as 30s, 5m or 1h30m is needed, not {text!r}")
    return sum(int(part) * unit for part, unit in zip(match.groups(), _DURATION_UNITS_S, strict=True) if part)


def format_duration(seconds: float) -> str:
    """The shortest duration that says *seconds*: `90.0` is `1m30s`."""
    rest = round(seconds * 1000)
    parts = []
    for name, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"


def _read_duration(value: object) -> float:
    # A default is given in seconds already; only what comes from a file is text.
    return value if isinstance(value, float) else parse_duration(value)


Duration = Annotated[
    float,
    BeforeValidator(_read_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
            "examples": ["30s", "5m", "1h30m"],
        }
    ),
]
"""A field that is written as `30s`, `5m`, `1h30m` and read as seconds."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a file; its text is `path:line:column: message`."""

    path: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """A file's plain data, and where each piece of it stands.

    Args:
        digest: SHA-256 of the text, hex.
        marks: 1-based line and column of each value, by its location in the data.
        key_marks: likewise of each mapping's keys.
    """

    path: str
    text: str
    digest: str
    data: object
    marks: Mapping[Location, Mark] = field(repr=False)
    key_marks: Mapping[Location, Mark] = field(repr=False)

    def value(self, loc: Sequence[str | int]) -> object:
        """What stands at *loc*; None if nothing does."""
        found: object = self.data
        for part in loc:
            if isinstance(found, dict):
                found = found.get(part)
            else:
                is_item = isinstance(found, list) and isinstance(part, int) and part < len(found)
                found = found[part] if is_item else None  # type: ignore[index]
        return found

    def within(self, loc: Sequence[str | int], offset: int, message: str) -> Problem | None:
        """A problem at the character *offset* of the text at *loc*; None where the file writes that text differently.

        So it is with escapes, and where a text is folded over several lines.
        """
        place = tuple(loc)
        value = self.value(place)
        if not isinstance(value, str) or place not in self.marks:
            return None
        line, column = self.marks[place]
        written = self.text.split("\n")[line - 1][column - 1 :]
        quote = written[:1] if written[:1] in ("'", '"') else ""
        if not written[len(quote) :].startswith(value):
            return None
        return Problem(self.path, line, column + len(quote) + offset, message)

    def problem(self, loc: Sequence[str | int], message: str, *, at_key: bool = False) -> Problem:
        """A problem at *loc*, or at the nearest place above it that the file has."""
        place = tuple(loc)
        if at_key and place in self.key_marks:
            return Problem(self.path, *self.key_marks[place], message)
        while place and place not in self.marks:
            place = place[:-1]
        return Problem(self.path, *self.marks.get(place, (1, 1)), message)


def load(path: Path, display: str | None = None) -> tuple[Document | None, list[Problem]]:
    """Read one file. Without a document there is at least one problem; a document may come with problems too."""
    shown = display or str(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return None, [Problem(shown, 1, 1, f"the file is larger than {MAX_FILE_BYTES} bytes")]
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return None, [Problem(shown, 1, 1, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return None, [Problem(shown, 1, 1, f"is not UTF-8 text (byte {error.start})")]
    return loads(text, shown)


def loads(text: str, shown: str) -> tuple[Document | None, list[Problem]]:
    """Read text as the file *shown*."""
    reader = _Reader(shown)
    try:
        reader.refuse_surprises(text)
        if reader.problems:
            return None, sorted(reader.problems)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if error.context_mark is not None and "quoted scalar" in str(error.context):
            # Where the text begins helps; that the file ends there too does not.
            line, column = error.context_mark.line + 1, error.context_mark.column + 1
        is_tab = "".join(text.split("\n")[line - 1 : line])[column - 1 : column] == "\t"
        why = yaml_words(str(error.problem or error.context), is_tab)
        return None, [Problem(shown, line, column, f"not valid YAML: {why}")]
    except yaml.YAMLError as error:
        return None, [Problem(shown, 1, 1, f"not valid YAML: {str(error).splitlines()[0]}")]
    if node is None:
        return None, [Problem(shown, 1, 1, "the file is empty")]
    data = reader.read(node, ())
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Document(shown, text, digest, data, reader.marks, reader.key_marks), sorted(reader.problems)


class _Reader:
    """Turns a node tree into plain data, keeping positions."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self.problems: list[Problem] = []
        self.marks: dict[Location, Mark] = {}
        self.key_marks: dict[Location, Mark] = {}

    def refuse_surprises(self, text: str) -> None:
        """Aliases let ten lines explode into gigabytes; the events show them before anything is built."""
        depth = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                self._problem(event.start_mark, "aliases (*name) are not allowed; write the value again")
            elif isinstance(event, yaml.NodeEvent):
                if event.anchor is not None:
                    self._problem(event.start_mark, "anchors (&name) are not allowed; write the value where it is used")
                if getattr(event, "tag", None) is not None:
                    self._problem(event.start_mark, "tags (!name) are not allowed; the field says what type it takes")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    self._problem(event.start_mark, f"more than {MAX_DEPTH} levels deep")
                    return
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def read(self, node: yaml.Node, loc: Location) -> object:
        self.marks[loc] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*loc, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        # A quoted or block scalar is text whatever it looks like.
        return str(node.value) if node.style else self._plain(node)

    def _mapping(self, node: yaml.MappingNode, loc: Location) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node.start_mark, "a key must be plain text")
                continue
            key = key_node.value
            if key in data:
                self._problem(key_node.start_mark, f"the key {key!r} is here twice; keep one of them")
                continue
            place = (*loc, key)
            self.key_marks[place] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            data[key] = self.read(value_node, place)
        return data

    def _plain(self, node: yaml.ScalarNode) -> object:
        """YAML 1.2's core schema, without its hexadecimal and octal numbers."""
        text = str(node.value)
        match text:
            case "true" | "false":
                return text == "true"
            case "null" | "~" | "":
                return None
        if _INTEGER.fullmatch(text):
            if len(text.lstrip("+-")) <= MAX_DIGITS:
                return int(text)
        elif not _FLOAT.fullmatch(text):
            return text
        elif math.isfinite(number := float(text)):
            return number
        self._problem(node.start_mark, "the number is too large; quote it if it is text")
        return None

    def _problem(self, mark: Any, message: str) -> None:
        self.problems.append(Problem(self._shown, mark.line + 1, mark.column + 1, message))


def validate(document: Document, model: type[M]) -> tuple[M | None, list[Problem]]:
    """The document as *model*, or every problem that it has."""
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        errors = error.errors()
    places = {tuple(problem["loc"]) for problem in errors}
    by_place: dict[Location, list[Any]] = {}
    for problem in errors:
        loc = tuple(problem["loc"])
        # A list whose only item is wrong is also reported as too short; the item's own problem says it better.
        if problem["type"] == "too_short" and any(len(p) > len(loc) and p[: len(loc)] == loc for p in places):
            continue
        by_place.setdefault(_written(document.data, loc), []).append(problem)
    return None, sorted(
        {
            _explain(document, model, loc, found)
            for loc, found in by_place.items()
            if not _is_told_below(loc, found, by_place)
        }
    )


def _written(data: object, loc: Location) -> Location:
    """*loc* without the names of alternatives of a type, which the file does not have."""
    found: list[str | int] = []
    value = data
    for index, part in enumerate(loc):
        is_item = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if is_item or (isinstance(value, dict) and part in value):
            value = value[part]  # type: ignore[index]
        elif index < len(loc) - 1 or not isinstance(value, dict):
            continue
        found.append(part)
    return tuple(found)


def _is_told_below(loc: Location, found: Sequence[Any], by_place: Mapping[Location, list[Any]]) -> bool:
    """Whether a value failed only as another type than the one whose parts are told about."""
    is_above = any(len(place) > len(loc) and place[: len(loc)] == loc for place in by_place)
    return is_above and all(needed(error) or error["type"] == "literal_error" for error in found)


def _explain(document: Document, model: type[BaseModel], loc: Location, errors: Sequence[Any]) -> Problem:
    error = errors[0]
    kind = error["type"]
    if kind == "extra_forbidden":
        known = known_keys(model, loc[:-1])
        return document.problem(loc, f"unknown key {loc[-1]!r}{suggest(str(loc[-1]), known)}", at_key=True)
    if kind == "missing":
        return document.problem(loc[:-1], f"the key {loc[-1]!r} is missing")
    if loc and loc[-1] == "[key]":
        return document.problem(loc[:-1], f"the name {loc[-2]!r}: {message(error)}", at_key=True)
    at_key = False
    if kind == "value_error" and isinstance(error["ctx"]["error"], KeyProblem):
        at_key = error["ctx"]["error"].at_key
        loc = (*loc, error["ctx"]["error"].key)
    said = one_of(errors, lambda: known_keys(model, loc)) if len(errors) > 1 else None
    said = said or message(error, lambda: known_keys(model, loc))
    # An item of a list has no name of its own.
    name = next((part for part in reversed(loc) if isinstance(part, str)), "file")
    return document.problem(loc, f"{name}: {said}", at_key=at_key)
