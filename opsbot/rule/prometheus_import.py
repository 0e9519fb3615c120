"""Rule files that were written for Prometheus, taken over as ours: what loads is written, what does not is named.

A rule is judged by the loader itself, each for itself, so that one rule's trouble says nothing about the others.
Nothing is added but what the caller asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from opsbot.alert.alert import Severity
from opsbot.promql.syntax import metric_names
from opsbot.rule.loader import RuleFile, conflicts, read_rules
from opsbot.yamlfile import Document, Location, Mark, Problem, load


@dataclass(frozen=True, slots=True)
class RuleReport:
    """How one rule fares.

    Args:
        place: `file:line:column` of the rule, and its name as the message.
        problems: why it does not load; empty if it does.
        severity: the severity that was given to it; None if it has what the file says.
    """

    place: Problem
    problems: tuple[Problem, ...]
    severity: Severity | None


@dataclass(frozen=True, slots=True)
class RuleImport:
    """A file's rules.

    Args:
        problems: what is wrong with the file as a whole; then there are no reports.
        content: the rules that load, as the file is written; None if there are none.
    """

    reports: tuple[RuleReport, ...]
    problems: tuple[Problem, ...]
    content: Mapping[str, Any] | None

    @property
    def is_whole(self) -> bool:
        """Whether everything that the file has was taken over."""
        return not self.problems and all(not report.problems for report in self.reports)

    def text(self, head: str) -> str:
        """The file to write, with *head* as its first comment."""
        comment = "".join(f"# {line}\n" for line in head.splitlines())
        return comment + yaml.dump(self.content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def import_rules(path: Path, severities: Mapping[str, Severity]) -> RuleImport:
    """What the file at *path* has, a plain rule file or Kubernetes's `PrometheusRule`.

    Args:
        severities: what a value of the label `severity` is to us.
    """
    document, problems = load(path)
    if document is None or problems:
        return RuleImport((), tuple(problems), None)
    return _import(_unwrapped(document), path, severities)


def _import(document: Document, path: Path, severities: Mapping[str, Severity]) -> RuleImport:
    groups = document.data.get("groups") if isinstance(document.data, dict) else None
    if not isinstance(groups, list):
        return RuleImport((), (document.problem((), "there is no list `groups`: this is no rule file"),), None)
    problems = [
        document.problem((key,), f"unknown key {key!r}", at_key=True)
        for key in (document.data if isinstance(document.data, dict) else {})
        if key != "groups"
    ]
    judged: list[_Judged] = []
    for group_index, group in enumerate(groups):
        rules = group.get("rules") if isinstance(group, dict) else None
        if not isinstance(rules, list):
            problems.append(document.problem(("groups", group_index), "a group needs a list of `rules`"))
            continue
        for rule_index, rule in enumerate(rules):
            severity = _severity(rule, severities)
            given = {**rule, "severity": severity} if severity is not None else rule
            place = ("groups", group_index, "rules", rule_index)
            file, wrong = read_rules(_alone(document, group, given, place), path)
            # A rule that is at odds with one before it is the one that does not load.
            before = [one.file for one in judged if one.file is not None]
            wrong = wrong or conflicts([*before, *([file] if file is not None else [])])
            report = RuleReport(document.problem(place, _name(rule)), tuple(wrong), severity)
            judged.append(_Judged(group_index, given, None if wrong else file, report))
    _follow(judged)
    kept = [
        {**group, "rules": rules}
        for group_index, group in enumerate(groups)
        if (rules := [one.rule for one in judged if one.group_index == group_index and one.file is not None])
    ]
    return RuleImport(tuple(one.report for one in judged), tuple(problems), {"groups": kept} if kept else None)


@dataclass(slots=True)
class _Judged:
    """A rule as it would be written, and what the loader made of it: nothing, if it does not load."""

    group_index: int
    rule: object
    file: RuleFile | None
    report: RuleReport

    @property
    def is_record(self) -> bool:
        """Whether it records a series."""
        return isinstance(self.rule, dict) and "record" in self.rule

    @property
    def asks_for(self) -> frozenset[str]:
        """The names of the series that it is computed from."""
        if self.file is None:
            return frozenset()
        alerting = [metric_names(rule.expr) for rule in self.file.rules]
        recording = [metric_names(rule.expr) for rule in self.file.recordings]
        return frozenset[str]().union(*alerting, *recording)


def _follow(judged: Sequence[_Judged]) -> None:
    """A rule over a series whose own rule does not load would never fire, silently: it does not load either."""
    is_changed = True
    while is_changed:
        is_changed = False
        missing = {one.report.place.message: one.report.place for one in judged if one.file is None and one.is_record}
        missing = {name: place for name, place in missing.items() if name not in _recorded(judged)}
        for one in judged:
            for name in sorted(one.asks_for & missing.keys()):
                place, why = one.report.place, missing[name]
                message = f"asks for the series {name}, whose rule at line {why.line} does not load"
                one.report = replace(one.report, problems=(Problem(place.path, place.line, place.column, message),))
                one.file, is_changed = None, True
                break


def _recorded(judged: Sequence[_Judged]) -> frozenset[str]:
    return frozenset(rule.name for one in judged if one.file is not None for rule in one.file.recordings)


def _unwrapped(document: Document) -> Document:
    """What stands under `spec` of a PrometheusRule; another document as it is."""
    data = document.data
    if not isinstance(data, dict) or data.get("kind") != "PrometheusRule" or not isinstance(data.get("spec"), dict):
        return document

    def inner(marks: Mapping[Location, Mark]) -> dict[Location, Mark]:
        return {loc[1:]: mark for loc, mark in marks.items() if loc[:1] == ("spec",)}

    return replace(document, data=data["spec"], marks=inner(document.marks), key_marks=inner(document.key_marks))


def _alone(document: Document, group: Mapping[str, Any], rule: object, place: Location) -> Document:
    """A document of this rule only, whose places are those in the file."""
    group_place, only_group, only_rule = place[:2], ("groups", 0), ("groups", 0, "rules", 0)

    def moved(marks: Mapping[Location, Mark]) -> dict[Location, Mark]:
        found: dict[Location, Mark] = {}
        for loc, mark in marks.items():
            if loc[:4] == place:
                found[*only_rule, *loc[4:]] = mark
            elif loc[:2] == group_place and loc[2:3] != ("rules",):
                found[*only_group, *loc[2:]] = mark
        return found

    data = {"groups": [{**group, "rules": [rule]}]}
    return replace(document, data=data, marks=moved(document.marks), key_marks=moved(document.key_marks))


def _severity(rule: object, severities: Mapping[str, Severity]) -> Severity | None:
    """What the caller says that the rule's severity is to us, unless it says so itself."""
    if not isinstance(rule, dict) or "alert" not in rule or "severity" in rule:
        return None
    labels = rule.get("labels")
    return severities.get(str(labels.get("severity", "")) if isinstance(labels, dict) else "")


def _name(rule: object) -> str:
    if not isinstance(rule, dict):
        return "(no rule)"
    return str(rule.get("alert") or rule.get("record") or "(no name)")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
