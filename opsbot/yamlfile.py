"""Strict YAML with positions: what a person typed, where, and what is wrong with it.

Files are read as PyYAML's node tree, so that every problem carries line and column, and all problems of a file are
reported together. YAML's surprises are refused or switched off: aliases, tags, duplicate keys, `no` as false, dates,
base-60 and octal numbers, bare numbers as durations.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, PlainSerializer, ValidationError, WithJsonSchema

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

    def problem(self, loc: Sequence[str | int], message: str, *, at_key: bool = False) -> Problem:
        """A problem at *loc*, or at the nearest place above it that the file has."""
        place = tuple(loc)
        if at_key and place in self.key_marks:
            return Problem(self.path, *self.key_marks[place], message)
        while place and place not in self.marks:
            place = place[:-1]
        return Problem(self.path, *self.marks.get(place, (1, 1)), message)


def suggest(word: str, candidates: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the nearest candidate; empty when none is near."""
    import difflib

    near = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f", did you mean {near[0]!r}?" if near else ""


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
        return None, [Problem(shown, line, column, f"not valid YAML: {error.problem or error.context}")]
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
        # A list whose only item is wrong is also reported as too short; the item's own problem says it better.
        telling = [
            problem
            for problem in errors
            if problem["type"] != "too_short"
            or not any(
                len(place) > len(problem["loc"]) and place[: len(problem["loc"])] == problem["loc"] for place in places
            )
        ]
        return None, sorted({_explain(document, model, problem) for problem in telling})


def _explain(document: Document, model: type[BaseModel], error: Any) -> Problem:
    loc: Location = tuple(error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    match kind:
        case "extra_forbidden":
            known = _known_keys(model, loc[:-1])
            return document.problem(loc, f"unknown key {loc[-1]!r}{suggest(str(loc[-1]), known)}", at_key=True)
        case "missing":
            return document.problem(loc[:-1], f"the key {loc[-1]!r} is missing")
        case "literal_error" | "enum":
            wanted = str(context["expected"])
            near = suggest(str(error["input"]), re.findall(r"'([^']*)'", wanted))
            return document.problem(loc, f"{loc[-1]}: {_short(error['input'])} is none of {wanted}{near}")
        case "value_error":
            return document.problem(loc, f"{loc[-1] if loc else 'file'}: {context['error']}")
        case _:
            shown = _short(error["input"])
            return document.problem(loc, f"{loc[-1] if loc else 'file'}: {_lower(error['msg'])}, not {shown}")


def _known_keys(model: type[BaseModel], loc: Location) -> list[str]:
    """The keys that a mapping at *loc* may have, as far as the model's schema tells."""
    root = model.model_json_schema()
    found: list[Mapping[str, Any]] = [root]
    for part in loc:
        found = [step for schema in found for step in _descend(root, schema, part)]
    return [key for schema in found for key in _resolve(root, schema).get("properties", {})]


def _descend(root: Mapping[str, Any], schema: Mapping[str, Any], part: str | int) -> list[Mapping[str, Any]]:
    alternatives = schema.get("anyOf", [])
    schema = _resolve(root, schema)
    options: list[Mapping[str, Any]] = [schema, *alternatives, *schema.get("anyOf", []), *schema.get("oneOf", [])]
    found: list[Mapping[str, Any]] = []
    for option in (_resolve(root, option) for option in options):
        if isinstance(part, int) and "items" in option:
            found.append(option["items"])
        elif isinstance(part, str) and part in option.get("properties", {}):
            found.append(option["properties"][part])
        elif isinstance(part, str) and isinstance(option.get("additionalProperties"), dict):
            found.append(option["additionalProperties"])
    return found


def _resolve(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        inner = [option for option in schema.get("anyOf", []) if "$ref" in option]
        return _resolve(root, inner[0]) if len(inner) == 1 else schema
    resolved: Mapping[str, Any] = root["$defs"][reference.rsplit("/", 1)[1]]
    return resolved


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
