"""Rule files to rules: every problem of every file at once, each with its place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import promql_parser as tree

from opsbot.alert.alert import SEVERITIES
from opsbot.promql.syntax import QueryError, parse, result_type
from opsbot.rule.model import Rule, RuleFileWire, RuleWire
from opsbot.rule.text import mistakes
from opsbot.yamlfile import Document, Problem, load, suggest, validate

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file's rules, and where each of their names stands."""

    path: Path
    digest: str
    rules: tuple[Rule, ...]
    places: tuple[Problem, ...]


def yaml_files(paths: Iterable[Path]) -> list[Path]:
    """The YAML files that *paths* name: files as they are, folders with what is directly in them."""
    found: list[Path] = []
    for path in paths:
        found += sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def load_rule_file(path: Path) -> tuple[RuleFile | None, list[Problem]]:
    """One file's rules, or every problem it has."""
    document, problems = load(path)
    if document is None:
        return None, problems
    wire, wrong = validate(document, RuleFileWire)
    problems = [*problems, *wrong]
    if wire is None:
        return None, sorted(problems)
    rules: list[Rule] = []
    places: list[Problem] = []
    group_names: set[str] = set()
    for group_index, group in enumerate(wire.groups):
        if group.name in group_names:
            problems.append(document.problem(("groups", group_index, "name"), f"a second group {group.name!r}"))
        group_names.add(group.name)
        for rule_index, rule in enumerate(group.rules):
            loc = ("groups", group_index, "rules", rule_index)
            expr = _expression(document, (*loc, "expr"), rule.expr, problems)
            clear: tree.Expr | None = None
            if rule.clear_expr is not None:
                clear = _expression(document, (*loc, "clear_expr"), rule.clear_expr, problems)
            _check_words(document, loc, rule, problems)
            if expr is not None:
                rules.append(_rule(rule, expr, clear, document.path))
                places.append(document.problem((*loc, "alert"), rule.alert))
    if problems:
        return None, sorted(problems)
    return RuleFile(path, document.digest, tuple(rules), tuple(places)), []


def load_rules(paths: Iterable[Path]) -> tuple[list[Rule], list[Problem]]:
    """The rules of every sound file, and the problems of the others."""
    files: list[RuleFile] = []
    problems: list[Problem] = []
    for path in yaml_files(paths):
        file, wrong = load_rule_file(path)
        problems += wrong
        if file is not None:
            files.append(file)
    problems += same_names(files)
    return [rule for file in files for rule in file.rules], sorted(problems)


def check_rules(paths: Iterable[Path]) -> list[Problem]:
    """Every problem of every rule file."""
    return load_rules(paths)[1]


def same_names(files: Iterable[RuleFile]) -> list[Problem]:
    """A problem for each rule whose name another one has already, in whatever file: a name is an alert's identity."""
    first: dict[str, Problem] = {}
    problems: list[Problem] = []
    for place in (place for file in files for place in file.places):
        earlier = first.setdefault(place.message, place)
        if earlier is not place:
            message = f"the alert {place.message!r} is already defined at {earlier.path}:{earlier.line}"
            problems.append(Problem(place.path, place.line, place.column, message))
    return problems


def _expression(document: Document, loc: Location, text: str, problems: list[Problem]) -> tree.Expr | None:
    try:
        expr = parse(text)
    except QueryError as error:
        problems.append(document.problem(loc, f"{loc[-1]}: {error}"))
        return None
    kind = result_type(expr)
    if kind != "vector":
        message = f"{loc[-1]}: yields a {kind}, which has no labels to alert for; compare series instead"
        problems.append(document.problem(loc, message))
        return None
    return expr


def _check_words(document: Document, loc: Location, rule: RuleWire, problems: list[Problem]) -> None:
    severity = rule.labels.get("severity")
    if severity is None:
        where = "labels" if rule.labels else "alert"
        message = f"the label 'severity' is missing; one of {', '.join(SEVERITIES)}"
        problems.append(document.problem((*loc, where), message))
    elif severity not in SEVERITIES:
        message = f"severity: {severity!r} is none of {', '.join(SEVERITIES)}{suggest(severity, SEVERITIES)}"
        problems.append(document.problem((*loc, "labels", "severity"), message))
    if "alertname" in rule.labels:
        problems.append(document.problem((*loc, "labels", "alertname"), "alertname is the rule's name; remove it here"))
    if rule.clear_for and rule.clear_expr is None:
        problems.append(document.problem((*loc, "clear_for"), "clear_for says nothing without clear_expr"))
    for name, text in rule.labels.items():
        if "{{" in text:
            problems.append(
                document.problem((*loc, "labels", name), f"{name}: labels are not filled in; write a value")
            )
    for name, text in rule.annotations.items():
        for inside in mistakes(text):
            message = f"{name}: only {{{{ label }}}} and {{{{ value }}}} are filled in, not {inside!r}"
            problems.append(document.problem((*loc, "annotations", name), message))


def _rule(wire: RuleWire, expr: tree.Expr, clear: tree.Expr | None, origin: str) -> Rule:
    identity = [expr.prettify(), clear.prettify() if clear is not None else "", *sorted(wire.labels.items())]
    return Rule(
        name=wire.alert,
        revision=hashlib.sha256(repr(identity).encode()).hexdigest()[:12],
        expr=expr,
        clear_expr=clear,
        for_s=wire.for_,
        keep_firing_for_s=wire.keep_firing_for,
        clear_for_s=wire.clear_for,
        no_data=wire.no_data,
        labels=wire.labels,
        annotations=wire.annotations,
        origin=origin,
    )
