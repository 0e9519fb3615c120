"""`opsbot check`: every problem of every file; and the JSON Schemas of those files, for editors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opsbot.action.plugin import load_plugins
from opsbot.action.registry import names_only
from opsbot.check_sources import source_problems
from opsbot.clock import SystemClock
from opsbot.config import Settings
from opsbot.oncall.loader import load_rota
from opsbot.oncall.wire import RotaWire
from opsbot.rule.loader import check_rules, yaml_files
from opsbot.rule.model import RuleFileWire
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.action_schema import runbook_schema
from opsbot.runbook.loader import check_runbooks, find_files, load_runbook
from opsbot.testing import wire as test_wire
from opsbot.testing.loader import check_tests, find_tests
from opsbot.yamlfile import Problem, load, validate

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def check_files(config_path: Path) -> tuple[list[str], int]:
    """Every problem of the settings and of the files they name, as `file:line:column: message`; and how many files.

    Without usable settings the default folders are checked.
    """
    if not config_path.exists():
        return [f"{config_path}:1:1: no such file; name one with --config"], 1
    settings, problems = check_settings(config_path)
    runbooks = settings.runbooks if settings else _default("runbooks")
    rules = settings.alert_rules if settings else _default("alert_rules")
    # Nothing is called: the actions are only asked for their names and arguments.
    plugins = load_plugins(settings.actions.plugins if settings else {}, SystemClock())
    registry = names_only(plugins.actions)
    wrong = check_runbooks(runbooks, registry)
    # A runbook that cannot be read may be the one that a rule names.
    ids = None if wrong else _runbook_ids(runbooks, registry)
    tests = find_tests([path for path in runbooks if path.is_dir()])[0]
    problems += [*wrong, *check_rules(rules, ids), *check_tests(tests, registry)]
    if settings is not None and settings.oncall is not None:
        problems += load_rota(settings.oncall, _responders(settings))[1]
    num_oncall = int(settings is not None and settings.oncall is not None)
    num_files = 1 + num_oncall + len(find_files(runbooks)[0]) + len(tests) + len(yaml_files(rules))
    at_settings = [f"{config_path}:1:1: {problem}" for problem in plugins.problems]
    return [*(str(problem) for problem in problems), *at_settings], num_files


def check_notes(config_path: Path) -> list[str]:
    """What is no problem of a file, and still surprises whoever does not know it; each one line."""
    settings = check_settings(config_path)[0] if config_path.exists() else None
    if settings is None or settings.slack.trust_and_safety_channel:
        return []
    if not any("trust_and_safety" in one.roles for one in settings.people):
        return []
    return [
        "note: slack.trust_and_safety_channel is not named: people with the role trust_and_safety see such matters on "
        "the Home tab and in /ops alone, and the incidents channel reads one neutral line; name a private channel"
    ]


def check_settings(path: Path) -> tuple[Settings | None, list[Problem]]:
    """The settings alone, or None if they cannot be used; and every problem, that of files for sources too."""
    document, problems = load(path)
    if document is None:
        return None, problems
    settings, more = validate(document, Settings)
    problems = [*problems, *more]
    if settings is not None:
        problems += source_problems(document, settings)
    return settings, problems


def _responders(settings: Settings) -> frozenset[str] | None:
    """None where a user group has the role: only Slack knows who is in it."""
    may = [one for one in settings.people if {"responder", "commander"} & set(one.roles)]
    if any(one.user_group for one in may):
        return None
    return frozenset(one.user for one in may if one.user)


def _runbook_ids(paths: Sequence[Path], registry: ActionRegistry) -> frozenset[str]:
    found = (load_runbook(path, registry)[0] for path in find_files(paths)[0])
    return frozenset(runbook.runbook_id for runbook in found if runbook is not None)


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each kind of file, by name."""
    return {
        "opsbot": _titled(Settings.model_json_schema(by_alias=True), "opsbot settings"),
        "alerts": _titled(RuleFileWire.model_json_schema(by_alias=True), "opsbot alert rules"),
        "runbook": runbook_schema(names_only()),
        "runbook-test": test_wire.json_schema(),
        "oncall": _titled(RotaWire.model_json_schema(by_alias=True), "opsbot on-call rota"),
    }


def _titled(schema: dict[str, Any], title: str) -> dict[str, Any]:
    return {"$schema": DRAFT, **schema, "title": title}


def _default(name: str) -> tuple[Path, ...]:
    found: tuple[Path, ...] = Settings.model_fields[name].default
    return found
