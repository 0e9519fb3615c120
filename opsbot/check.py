"""`opsbot check`: every problem of every file; and the JSON Schemas of those files, for editors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opsbot.action import ControlClient, shipped_actions
from opsbot.check_sources import source_problems
from opsbot.clock import SystemClock
from opsbot.config import Settings
from opsbot.oncall.loader import load_rota
from opsbot.oncall.wire import RotaWire
from opsbot.rule.loader import check_rules, yaml_files
from opsbot.rule.model import RuleFileWire
from opsbot.runbook import wire
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.loader import check_runbooks, find_files, load_runbook
from opsbot.source.prometheus import PrometheusSource
from opsbot.yamlfile import load, validate

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def check_files(config_path: Path) -> tuple[list[str], int]:
    """Every problem of the settings and of the files they name, as `file:line:column: message`; and how many files.

    Without usable settings the default folders are checked.
    """
    if not config_path.exists():
        return [f"{config_path}:1:1: no such file; name one with --config"], 1
    document, problems = load(config_path)
    settings = None
    if document is not None:
        settings, more = validate(document, Settings)
        problems = [*problems, *more]
        if settings is not None:
            problems += source_problems(document, settings)
    runbooks = settings.runbooks if settings else _default("runbooks")
    rules = settings.alert_rules if settings else _default("alert_rules")
    registry = reading_registry()
    wrong = check_runbooks(runbooks, registry)
    # A runbook that cannot be read may be the one that a rule names.
    ids = None if wrong else _runbook_ids(runbooks, registry)
    problems += [*wrong, *check_rules(rules, ids)]
    if settings is not None and settings.oncall is not None:
        problems += load_rota(settings.oncall, _responders(settings))[1]
    num_oncall = int(settings is not None and settings.oncall is not None)
    num_files = 1 + num_oncall + len(find_files(runbooks)[0]) + len(yaml_files(rules))
    return [str(problem) for problem in problems], num_files


def check_these(paths: Sequence[Path]) -> tuple[list[str], int]:
    """Every problem of the runbooks under *paths* alone; and how many files."""
    return [str(problem) for problem in check_runbooks(paths, reading_registry())], len(find_files(paths)[0])


def reading_registry() -> ActionRegistry:
    """Every shipped action, with nothing behind it: to look at files, never to act."""
    return shipped_actions(ControlClient({}), PrometheusSource("http://127.0.0.1:9"), SystemClock())


def _responders(settings: Settings) -> frozenset[str]:
    return frozenset(one.user for one in settings.people if {"responder", "commander"} & set(one.roles))


def _runbook_ids(paths: Sequence[Path], registry: ActionRegistry) -> frozenset[str]:
    found = (load_runbook(path, registry)[0] for path in find_files(paths)[0])
    return frozenset(runbook.runbook_id for runbook in found if runbook is not None)


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each kind of file, by name."""
    return {
        "opsbot": _titled(Settings.model_json_schema(by_alias=True), "opsbot settings"),
        "alerts": _titled(RuleFileWire.model_json_schema(by_alias=True), "opsbot alert rules"),
        "runbook": wire.json_schema(),
        "oncall": _titled(RotaWire.model_json_schema(by_alias=True), "opsbot on-call rota"),
    }


def _titled(schema: dict[str, Any], title: str) -> dict[str, Any]:
    return {"$schema": DRAFT, **schema, "title": title}


def _default(name: str) -> tuple[Path, ...]:
    found: tuple[Path, ...] = Settings.model_fields[name].default
    return found
