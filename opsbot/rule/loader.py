"""Rule files to rules. One bad file never unloads the others, nor its own last good revision."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import promql_parser as tree

from opsbot.alert.alert import SEVERITIES
from opsbot.promql.syntax import QueryError, parse
from opsbot.rule.model import Rule, RuleFileWire, RuleWire
from opsbot.yamlfile import Document, Problem, load, suggest, validate

_PLACEHOLDER = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_PLACEHOLDER_NAME = re.compile(r"\$?value|(?:\$labels\.)?[a-zA-Z_][a-zA-Z0-9_]*")


def yaml_files(paths: Iterable[Path]) -> list[Path]:
    """The YAML files that *paths* name: files as they are, folders with what is directly in them."""
    found: list[Path] = []
    for path in paths:
        found += sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
    return found


def load_rule_file(path: Path) -> tuple[list[Rule], list[Problem]]:
    """The rules of one file, or every problem it has."""
    document, problems = load(path)
    if document is None:
        return [], problems
    wire, wrong = validate(document, RuleFileWire)
    problems = [*problems, *wrong]
    if wire is None:
        return [], problems
    rules: list[Rule] = []
    for group_index, group in enumerate(wire.groups):
        for rule_index, rule in enumerate(group.rules):
            loc = ("groups", group_index, "rules", rule_index)
            expr = _expression(document, (*loc, "expr"), rule.expr, problems)
            clear = rule.clear_expr and _expression(document, (*loc, "clear_expr"), rule.clear_expr, problems)
            _check_words(document, loc, rule, problems)
            if expr is not None:
                rules.append(_rule(rule, expr, clear or None, document.path))
    names = [rule.name for rule in rules]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(document.problem(("groups",), f"the alert {name!r} is defined {names.count(name)} times"))
    return ([] if problems else rules), sorted(problems)


def check_rules(paths: Iterable[Path]) -> tuple[list[Problem], int]:
    """Every problem of every rule file, and how many files there are."""
    files = yaml_files(paths)
    return [problem for path in files for problem in load_rule_file(path)[1]], len(files)


def _expression(document: Document, loc: Sequence[str | int], text: str, problems: list[Problem]) -> tree.Expr | None:
    try:
        return parse(text)
    except QueryError as error:
        problems.append(document.problem(loc, f"{loc[-1]}: {error}"))
        return None


def _check_words(document: Document, loc: tuple[str | int, ...], rule: RuleWire, problems: list[Problem]) -> None:
    severity = rule.labels.get("severity")
    if severity is None:
        where = "labels" if rule.labels else "alert"
        message = f"the label 'severity' is missing; one of {', '.join(SEVERITIES)}"
        problems.append(document.problem((*loc, where), message))
    elif severity not in SEVERITIES:
        message = f"severity: {severity!r} is none of {', '.join(SEVERITIES)}{suggest(severity, SEVERITIES)}"
        problems.append(document.problem((*loc, "labels", "severity"), message))
    if rule.clear_for and rule.clear_expr is None:
        problems.append(document.problem((*loc, "clear_for"), "clear_for says nothing without clear_expr"))
    for name, text in rule.annotations.items():
        for placeholder in _PLACEHOLDER.findall(text):
            if not _PLACEHOLDER_NAME.fullmatch(placeholder):
                message = f"{name}: only {{{{ label }}}} and {{{{ value }}}} are filled in, not {placeholder!r}"
                problems.append(document.problem((*loc, "annotations", name), message))


def _rule(wire: RuleWire, expr: tree.Expr, clear: tree.Expr | None, origin: str) -> Rule:
    return Rule(
        name=wire.alert,
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


@dataclass(slots=True)
class RuleBook:
    """The rules in force, reloaded when their files change.

    Args:
        on_rejected: told each problem of a file whose last good revision stays in force.
    """

    paths: Sequence[Path]
    on_rejected: Callable[[Problem], None]
    _rules: dict[Path, list[Rule]] = field(default_factory=dict)
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def reload(self) -> None:
        """Load what is new or changed; a file that went away takes its rules with it."""
        files = yaml_files(self.paths)
        for path in set(self._rules) - set(files):
            self._rules.pop(path)
            self._seen.pop(path, None)
        for path in files:
            try:
                status = path.stat()
            except OSError:
                continue
            stamp = (status.st_mtime_ns, status.st_size)
            if self._seen.get(path) == stamp:
                continue
            self._seen[path] = stamp
            rules, problems = load_rule_file(path)
            for problem in problems:
                self.on_rejected(problem)
            if not problems:
                self._rules[path] = rules

    @property
    def rules(self) -> list[Rule]:
        """Every rule in force."""
        return [rule for rules in self._rules.values() for rule in rules]
