"""Rule files to rules: every problem of every file at once, each with its place."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import promql_parser as tree

from opsbot.alert.alert import SEVERITIES
from opsbot.alert.all_clear import ALL_CLEAR_ANNOTATION, Question, to_annotation
from opsbot.promql.node import prepared
from opsbot.promql.reach import COARSE_S, FEWEST_SAMPLES, reaches
from opsbot.promql.syntax import QueryError, parse, result_type
from opsbot.rule.model import GroupWire, RecordingRule, Rule, RuleFileWire, RuleWire
from opsbot.rule.order import in_order
from opsbot.rule.place import problem_at
from opsbot.rule.template import mistakes
from opsbot.yamlfile import Document, Location, Problem, format_duration, load, suggest, validate

OTHERS_SEVERITIES = frozenset({"warning"})
"""What Prometheus's rule files say most often, taken as it is: core reads it as `medium`."""
ALERT_ONLY = (
    "for",
    "keep_firing_for",
    "clear_expr",
    "clear_for",
    "all_clear",
    "no_data",
    "severity",
    "runbook",
    "annotations",
)

_UNSUPPORTED = re.compile(r"the (?:function|aggregation|operator) (\S+) is not supported")


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file's rules.

    Args:
        places: where each alert's name stands.
        runbooks: where each runbook that a rule names stands.
    """

    path: Path
    digest: str
    rules: tuple[Rule, ...]
    places: tuple[Problem, ...]
    recordings: tuple[RecordingRule, ...] = ()
    runbooks: tuple[Problem, ...] = ()


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
    file, wrong = read_rules(document, path)
    return (None if problems else file), sorted([*problems, *wrong])


def read_rules(document: Document, path: Path) -> tuple[RuleFile | None, list[Problem]]:
    """The rules that a document has, or every problem of them."""
    wire, problems = validate(document, RuleFileWire)
    if wire is None:
        return None, problems
    rules: list[Rule] = []
    recordings: list[RecordingRule] = []
    places: list[Problem] = []
    runbooks: list[Problem] = []
    group_names: set[str] = set()
    for group_index, group in enumerate(wire.groups):
        if group.name in group_names:
            problems.append(document.problem(("groups", group_index, "name"), f"a second group {group.name!r}"))
        group_names.add(group.name)
        for rule_index, rule in enumerate(group.rules):
            loc = ("groups", group_index, "rules", rule_index)
            if (rule.alert is None) == (rule.record is None):
                problems.append(document.problem(loc, "a rule has either 'alert', its name, or 'record', a series'"))
            elif rule.record is not None:
                recordings += _recording(document, loc, group, rule, problems)
            else:
                rules += _alerting(document, loc, group, rule, problems)
                places.append(document.problem((*loc, "alert"), rule.alert or ""))
                if rule.runbook is not None:
                    runbooks.append(document.problem((*loc, "runbook"), rule.runbook))
    if problems:
        return None, sorted(problems)
    return RuleFile(path, document.digest, tuple(rules), tuple(places), tuple(recordings), tuple(runbooks)), []


def load_rules(paths: Iterable[Path]) -> tuple[list[Rule], list[Problem]]:
    """The alerting rules of every sound file, and the problems of all files."""
    files, problems = _loaded(paths)
    return [rule for file in files for rule in file.rules], problems


def check_rules(paths: Iterable[Path], runbook_ids: Collection[str] | None = None) -> list[Problem]:
    """Every problem of every rule file.

    Args:
        runbook_ids: the runbooks that rules may name; None if that is not known. An address is never looked up.
    """
    files, problems = _loaded(paths)
    for place in (place for file in files for place in file.runbooks):
        if runbook_ids is not None and "/" not in place.message and place.message not in runbook_ids:
            message = f"runbook: there is no runbook {place.message!r}{suggest(place.message, runbook_ids)}"
            problems.append(Problem(place.path, place.line, place.column, message))
    return sorted(problems)


def _loaded(paths: Iterable[Path]) -> tuple[list[RuleFile], list[Problem]]:
    """Every sound file, and the problems of all."""
    files: list[RuleFile] = []
    problems: list[Problem] = []
    for path in yaml_files(paths):
        file, wrong = load_rule_file(path)
        problems += wrong
        if file is not None:
            files.append(file)
    return files, sorted([*problems, *conflicts(files)])


def conflicts(files: Sequence[RuleFile]) -> list[Problem]:
    """What is wrong with files only because they are loaded together."""
    recordings = [rule for file in files for rule in file.recordings]
    return [*_same_names(files), *_same_series(recordings), *in_order(recordings)[1]]


def _same_names(files: Iterable[RuleFile]) -> list[Problem]:
    """A problem for each rule whose name another one has already, in whatever file: a name is an alert's identity."""
    first: dict[str, Problem] = {}
    problems: list[Problem] = []
    for place in (place for file in files for place in file.places):
        earlier = first.setdefault(place.message, place)
        if earlier is not place:
            message = f"the alert {place.message!r} is already defined at {earlier.path}:{earlier.line}"
            problems.append(Problem(place.path, place.line, place.column, message))
    return problems


def _same_series(recordings: Iterable[RecordingRule]) -> list[Problem]:
    """A problem for each name and labels that another rule records already."""
    first: dict[tuple[str, frozenset[tuple[str, str]]], RecordingRule] = {}
    problems: list[Problem] = []
    for rule in recordings:
        earlier = first.setdefault((rule.name, frozenset(rule.labels.items())), rule)
        if earlier is not rule:
            message = (
                f"the series {rule.name!r} is already recorded with these labels at {earlier.origin}:{earlier.line}"
            )
            problems.append(Problem(rule.origin, rule.line, rule.column, message))
    return problems


def _alerting(
    document: Document, loc: Location, group: GroupWire, wire: RuleWire, problems: list[Problem]
) -> list[Rule]:
    """The alerting rule, unless something is wrong with it."""
    expr = _expression(document, (*loc, "expr"), wire.expr, problems)
    clear: tree.Expr | None = None
    if wire.clear_expr is not None:
        clear = _expression(document, (*loc, "clear_expr"), wire.clear_expr, problems)
    if wire.all_clear is not None:
        _expression(document, (*loc, "all_clear", "expr"), wire.all_clear.expr, problems)
    _check_words(document, loc, wire, {**group.labels, **wire.labels}, problems)
    return [] if expr is None else [_rule(wire, group, expr, clear, document.path)]


def _recording(
    document: Document, loc: Location, group: GroupWire, wire: RuleWire, problems: list[Problem]
) -> list[RecordingRule]:
    """The recording rule, unless something is wrong with it."""
    expr = _expression(document, (*loc, "expr"), wire.expr, problems, is_alert=False)
    for key in ALERT_ONLY:
        if (*loc, key) in document.key_marks:
            message = f"{key} says nothing where a series is recorded; it belongs to the alert over it"
            problems.append(document.problem((*loc, key), message, at_key=True))
    _check_labels(document, loc, wire, "__name__", problems)
    place = document.problem((*loc, "record"), "")
    if expr is None or wire.record is None:
        return []
    labels = {**group.labels, **wire.labels}
    return [RecordingRule(wire.record, expr, labels, document.path, place.line, place.column, group.limit)]


def _expression(
    document: Document, loc: Location, text: str, problems: list[Problem], *, is_alert: bool = True
) -> tree.Expr | None:
    try:
        expr = parse(text)
    except QueryError as error:
        word = _UNSUPPORTED.search(str(error))
        problems.append(problem_at(document, loc, word[1] if word else "", f"{loc[-1]}: {error}"))
        return None
    kind = result_type(expr)
    if kind != "vector" and (is_alert or kind != "number"):
        purpose = "has no labels to alert for; compare series instead" if is_alert else "cannot be recorded"
        problems.append(document.problem(loc, f"{loc[-1]}: yields a {kind}, which {purpose}"))
        return None
    message = _cannot_see(expr)
    if message:
        problems.append(document.problem(loc, f"{loc[-1]}: {message}"))
        return None
    return expr


def _cannot_see(expr: tree.Expr) -> str:
    """Why an expression would silently see a part of what it asks for; empty if it sees all."""
    for reach in reaches(prepared(expr)):
        if reach.back_s > COARSE_S:
            return (
                f"looks back {format_duration(reach.back_s)}, and watch keeps the samples of "
                f"{format_duration(COARSE_S)}; ask for less"
            )
        if reach.range_s and reach.range_s < FEWEST_SAMPLES * reach.step_s:
            return (
                f"asks for a window of {format_duration(reach.range_s)} that begins {format_duration(reach.back_s)} "
                f"ago, where samples are {format_duration(reach.step_s)} apart; take "
                f"{format_duration(FEWEST_SAMPLES * reach.step_s)} or more"
            )
    return ""


def _check_words(
    document: Document, loc: Location, rule: RuleWire, labels: Mapping[str, str], problems: list[Problem]
) -> None:
    severity = rule.severity or labels.get("severity")
    if severity is None:
        where = "labels" if rule.labels else "alert"
        message = f"the label 'severity' is missing; one of {', '.join(SEVERITIES)}"
        problems.append(document.problem((*loc, where), message))
    elif severity not in SEVERITIES and severity not in OTHERS_SEVERITIES:
        near = suggest(severity, SEVERITIES) or "; the key `severity` of the rule says what it is to us"
        message = f"severity: {severity!r} is none of {', '.join(SEVERITIES)}{near}"
        problems.append(document.problem((*loc, "labels", "severity"), message))
    if rule.clear_for and rule.clear_expr is None:
        problems.append(document.problem((*loc, "clear_for"), "clear_for says nothing without clear_expr"))
    _check_labels(document, loc, rule, "alertname", problems)
    for name, text in rule.annotations.items():
        for mistake in mistakes(text):
            place = (*loc, "annotations", name)
            problems.append(problem_at(document, place, mistake.words, f"{name}: {mistake}"))


def _check_labels(document: Document, loc: Location, rule: RuleWire, own: str, problems: list[Problem]) -> None:
    """Labels are an alert's or a series' identity: one of them is the rule's name, and none changes with the value."""
    if own in rule.labels:
        problems.append(document.problem((*loc, "labels", own), f"{own} is the rule's name; remove it here"))
    for name, text in rule.labels.items():
        if "{{" in text:
            place = (*loc, "labels", name)
            problems.append(problem_at(document, place, "{{", f"{name}: labels are not filled in; write a value"))


def _rule(wire: RuleWire, group: GroupWire, expr: tree.Expr, clear: tree.Expr | None, origin: str) -> Rule:
    labels = {**group.labels, **wire.labels} | ({"severity": wire.severity} if wire.severity is not None else {})
    identity = [expr.prettify(), clear.prettify() if clear is not None else "", *sorted(labels.items())]
    assert wire.alert is not None
    own = {} if wire.runbook is None else {"runbook": wire.runbook}
    if (asked := wire.all_clear) is not None:
        question = Question(asked.expr, asked.limit, asked.within, asked.look_back)
        own[ALL_CLEAR_ANNOTATION] = to_annotation(question)
    return Rule(
        name=wire.alert,
        revision=hashlib.sha256(repr(identity).encode()).hexdigest()[:12],
        expr=expr,
        clear_expr=clear,
        for_s=wire.for_,
        keep_firing_for_s=wire.keep_firing_for,
        clear_for_s=wire.clear_for,
        no_data=wire.no_data,
        labels=labels,
        annotations=wire.annotations | own,
        origin=origin,
        limit=group.limit,
    )
