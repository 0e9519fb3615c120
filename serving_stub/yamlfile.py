"""Strict YAML files of the server: tenants, prompts, signatures, patterns.

A file is read as PyYAML's node tree, so that every problem carries line and column and all of them are reported
together. Aliases, tags and duplicate keys are refused; only `true` and `false` are booleans; a date is text until the
model asks for one.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from serving_stub.errors import FileError

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]

MAX_FILE_BYTES = 4 << 20
MAX_DEPTH = 32
"""libyaml's composer recurses on the C stack: a file of brackets alone would end the process."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)


def parse_duration(value: object) -> float:
    """Seconds in `30s`, `5m`, `1h30m` or `500ms`.

    Raises: ValueError for anything else, a bare number too: its unit would be a guess.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError(f"a duration such as 30s, 5m or 1h30m is needed, not {_short(value)}")
    return sum(int(part) * unit for part, unit in zip(match.groups(), _UNITS_S, strict=True) if part)


def _read_duration(value: object, info: ValidationInfo) -> float:
    return value if info.mode == "python" and isinstance(value, float) else parse_duration(value)


Duration = Annotated[float, BeforeValidator(_read_duration)]
"""A field that is written as `30s`, `5m`, `1h30m` in a file and is in seconds in code."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong; 1-based line and column."""

    path: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


def load(path: Path, model: type[M], check: Callable[[M], Iterable[tuple[Location, str]]] = lambda whole: ()) -> M:
    """Read the file at *path* as *model*.

    Args:
        check: what *model* cannot check by itself, such as one part naming another: yields the place of each problem
            in the file's data and its message.
    Raises: FileError listing every problem as `file:line:column: message`.
    """
    shown = str(path)
    try:
        content = path.read_bytes()
        if len(content) > MAX_FILE_BYTES:
            raise FileError([f"{shown}:1:1: the file is larger than {MAX_FILE_BYTES} bytes"])
        text = content.decode("utf-8")
    except OSError as error:
        raise FileError([f"{shown}:1:1: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise FileError([f"{shown}:1:1: is not UTF-8 text (byte {error.start})"]) from error
    return loads(text, shown, model, check)


def loads(
    text: str, shown: str, model: type[M], check: Callable[[M], Iterable[tuple[Location, str]]] = lambda whole: ()
) -> M:
    """Read *text* as the file named *shown*; otherwise as `load`."""
    reader = _Reader(shown)
    data = reader.read_text(text)
    if reader.problems:
        raise FileError(map(str, sorted(reader.problems)))
    try:
        # Strictly, and as JSON: `no` is no boolean and "12" no number, while lists and texts may be tuples and dates.
        whole = model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        found = {reader.explain(model, details) for details in _telling(error.errors())}
        raise FileError(map(str, sorted(found))) from None  # the cause would carry what the file says
    found = {reader.problem(place, message) for place, message in check(whole)}
    if found:
        raise FileError(map(str, sorted(found)))
    return whole


def suggest(word: str, candidates: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the nearest candidate; empty when none is near."""
    near = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f", did you mean {near[0]!r}?" if near else ""


def _telling(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """A list whose only item is wrong is reported as too short, too; the item's own problem says it better."""
    places = [details["loc"] for details in errors]
    return [
        details
        for details in errors
        if details["type"] != "too_short"
        or not any(place != details["loc"] and place[: len(details["loc"])] == details["loc"] for place in places)
    ]


class _Reader:
    """One text's plain data, where each piece of it stands, and what is wrong with it."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self.problems: list[Problem] = []
        self._marks: dict[Location, tuple[int, int]] = {}
        self._key_marks: dict[Location, tuple[int, int]] = {}

    def read_text(self, text: str) -> object:
        try:
            self._refuse_surprises(text)
            node = None if self.problems else yaml.compose(text, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            self._add(error.problem_mark or error.context_mark, f"not valid YAML: {error.problem or error.context}")
            return None
        except yaml.YAMLError as error:
            self._add(None, f"not valid YAML: {str(error).splitlines()[0]}")
            return None
        if node is None:
            if not self.problems:
                self._add(None, "the file is empty")
            return None
        return self._read(node, ())

    def problem(self, loc: Location, message: str, *, at_key: bool = False) -> Problem:
        """A problem at *loc*, or at the nearest place above it that the file has."""
        if at_key and loc in self._key_marks:
            return Problem(self._shown, *self._key_marks[loc], message)
        while loc and loc not in self._marks:
            loc = loc[:-1]
        return Problem(self._shown, *self._marks.get(loc, (1, 1)), message)

    def explain(self, model: type[BaseModel], details: ErrorDetails) -> Problem:
        """One of pydantic's findings, in the house's words."""
        loc = details["loc"]
        name = loc[-1] if loc else "file"
        match details["type"]:
            case "extra_forbidden":
                near = suggest(str(name), _known_keys(model, loc[:-1]))
                return self.problem(loc, f"unknown key {name!r}{near}", at_key=True)
            case "missing":
                return self.problem(loc[:-1], f"the key {name!r} is missing")
            case "literal_error" | "enum":
                wanted = str(details["ctx"]["expected"])
                near = suggest(str(details["input"]), re.findall(r"'([^']*)'", wanted))
                return self.problem(loc, f"{name}: {_short(details['input'])} is none of {wanted}{near}")
            case "value_error":
                return self.problem(loc, f"{name}: {details['ctx']['error']}")
            case _:
                message = details["msg"][:1].lower() + details["msg"][1:]
                return self.problem(loc, f"{name}: {message}, not {_short(details['input'])}")

    def _refuse_surprises(self, text: str) -> None:
        """Aliases let ten lines explode into gigabytes; the events show them before anything is built."""
        depth = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                self._add(event.start_mark, "aliases (*name) are not allowed; write the value again")
            elif isinstance(event, yaml.NodeEvent):
                if event.anchor is not None:
                    self._add(event.start_mark, "anchors (&name) are not allowed; write the value where it is used")
                if getattr(event, "tag", None) is not None:
                    self._add(event.start_mark, "tags (!name) are not allowed; the field says what type it takes")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    self._add(event.start_mark, f"more than {MAX_DEPTH} levels deep")
                    return
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _read(self, node: yaml.Node, loc: Location) -> object:
        self._marks[loc] = _place(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self._read(child, (*loc, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        # A quoted or block scalar is text whatever it looks like.
        return str(node.value) if node.style else self._read_plain(node)

    def _read_mapping(self, node: yaml.MappingNode, loc: Location) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(key_node.start_mark, "a key must be plain text")
                continue
            key = str(key_node.value)
            if key in data:
                self._add(key_node.start_mark, f"the key {key!r} is here twice; keep one of them")
                continue
            self._key_marks[*loc, key] = _place(key_node.start_mark)
            data[key] = self._read(value_node, (*loc, key))
        return data

    def _read_plain(self, node: yaml.ScalarNode) -> object:
        """YAML 1.2's core schema, without its hexadecimal and octal numbers."""
        text = str(node.value)
        if text in ("true", "false"):
            return text == "true"
        if text in ("null", "~", ""):
            return None
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
        return text

    def _add(self, mark: Any, message: str) -> None:
        self.problems.append(Problem(self._shown, *(_place(mark) if mark else (1, 1)), message))


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _known_keys(model: type[BaseModel], loc: Location) -> list[str]:
    """The keys that a mapping at *loc* may have, as far as the model's schema tells."""
    root = model.model_json_schema()
    found = [root]
    for part in loc:
        # A part that is no key names the branch of a union; the branch is among the options already.
        found = [step for schema in found for step in _descend(root, schema, part)] or found
    return [key for schema in found for option in _options(root, schema) for key in option.get("properties", {})]


def _descend(root: Mapping[str, Any], schema: Mapping[str, Any], part: str | int) -> list[Any]:
    found = []
    for option in _options(root, schema):
        if isinstance(part, int):
            found += [option["items"]] if isinstance(option.get("items"), dict) else []
        elif part in option.get("properties", {}):
            found.append(option["properties"][part])
        elif isinstance(option.get("additionalProperties"), dict):
            found.append(option["additionalProperties"])
    return found


def _options(root: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """*schema* without references and unions."""
    if "$ref" in schema:
        return _options(root, root["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    branches = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    return [option for branch in branches for option in _options(root, branch)] or [schema]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
