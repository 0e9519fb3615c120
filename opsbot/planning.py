"""Builds a dry run from the settings: the runbook, the alert, the inputs, and servers that are only asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from opsbot.action.parts import ShippedParts
from opsbot.action.plugin import load_plugins
from opsbot.action.registry import shipped_actions
from opsbot.alert.alert import Alert, AlertState
from opsbot.clock import SystemClock
from opsbot.config import Settings
from opsbot.config_secrets import prometheus_tokens
from opsbot.control_settings import control_client
from opsbot.errors import ConfigError
from opsbot.incident.incident import Incident, IncidentState
from opsbot.people import person_for
from opsbot.people_settings import roles_by_user
from opsbot.plan_alert import assumed_alert, load_alert
from opsbot.read_only import ReadOnlyTransport
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.dry_probe import Probes
from opsbot.runbook.dry_run import DryRun
from opsbot.runbook.dry_scope import Scope
from opsbot.runbook.dry_walk import DryWalk, People
from opsbot.runbook.loader import find_files, load_runbook
from opsbot.runbook.model import Runbook, Scalar
from opsbot.runbook.probe import Prober
from opsbot.runbook.scope import RunFacts
from opsbot.runbook.wire import why_unfit
from opsbot.source_settings import asked_source
from opsbot.yamlfile import suggest


async def planned(
    settings: Settings,
    name: str,
    environ: Mapping[str, str],
    alert_path: Path | None = None,
    given: tuple[str, ...] = (),
    user: str | None = None,
    *,
    is_drill: bool = False,
    transport: httpx.AsyncBaseTransport | None = None,
) -> DryRun:
    """The dry run of the runbook *name*.

    Args:
        given: inputs as `name=value`.
        transport: how questions to servers travel; the network unless stated.

    Raises: ConfigError if there is no such runbook, or it or the alert cannot be read.
    """
    clock = SystemClock()
    control = control_client(settings, environ, ReadOnlyTransport(transport))
    try:
        prober: Prober = asked_source(settings, prometheus_tokens(settings, environ), clock)
        # Without a record, silences and a pager the actions that write cannot.
        plugins = load_plugins(settings.actions.plugins, clock)
        registry = shipped_actions(ShippedParts(prober, control, clock, settings.actions), plugins.actions)
        runbook = found_runbook(settings, name, registry)
        alert, starts, problems = _start(runbook, alert_path, user or "", clock.now())
        inputs, more = given_inputs(runbook, given)
        roles = roles_by_user(settings.people)
        requester = user or "" if alert_path is None else ""
        facts = RunFacts(
            f"run:{runbook.runbook_id}:plan:1:1", requester, is_drill, inputs,
            tuple(one.cluster for one in settings.serving),
        )  # fmt: skip
        walk = DryWalk(
            Scope(runbook, _incident(alert, clock.now()), facts, registry),
            People(roles, None if user is None else person_for(user, roles)),
            prober,
            Probes(clock),
        )
        found = await walk.run(starts, (*problems, *more))
    finally:
        await control.close()
    unset = [
        f"environment variable {one.control_token_env} is not set: the control token of cluster {one.cluster}"
        for one in settings.serving
        if one.cluster in found.touched and not environ.get(one.control_token_env)
    ]
    return replace(found, problems=(*found.problems, *unset))


def found_runbook(settings: Settings, name: str, registry: ActionRegistry) -> Runbook:
    """The runbook in the file *name*, or the one with that id among the settings' files.

    Raises: ConfigError with every problem of its file, or if there is none.
    """
    path = Path(name)
    if path.is_file():
        runbook, problems = load_runbook(path, registry)
        if runbook is None:
            raise ConfigError(f"{path} cannot be used", tuple(str(problem) for problem in problems))
        return runbook
    known: list[str] = []
    broken: list[str] = []
    for file in find_files(settings.runbooks)[0]:
        runbook, problems = load_runbook(file, registry)
        if runbook is not None and runbook.runbook_id == name:
            return runbook
        known += [] if runbook is None else [runbook.runbook_id]
        broken += [str(problem) for problem in problems]
    near = suggest(name, known) or f"; there are: {', '.join(sorted(known)) or 'none'}"
    raise ConfigError(f"there is no file and no runbook {name!r}{near}", tuple(broken))


def given_inputs(runbook: Runbook, given: Sequence[str]) -> tuple[dict[str, Scalar], tuple[str, ...]]:
    """The inputs that were given as `name=value`, and what is wrong with them."""
    known = {one.name: one for one in runbook.inputs}
    found: dict[str, Scalar] = {}
    problems: list[str] = []
    for text in given:
        name, equals, written = text.partition("=")
        field = known.get(name)
        if not equals or field is None:
            near = suggest(name, known) or f"; there are: {', '.join(known) or 'none'}"
            problems.append(f"--set {text}: " + (f"no input {name!r}{near}" if equals else "write it as name=value"))
            continue
        value = _read_as(field.type, written)
        wrong = "nobody may give another value than the default" if field.is_immutable else why_unfit(field, value)
        if wrong:
            problems.append(f"--set {text}: {wrong}")
        else:
            found[name] = value
    problems += [
        f"the input {one.name!r} has no default: give it with --set {one.name}=…"
        for one in runbook.inputs
        if one.default is None and one.name not in found
    ]
    return found, tuple(problems)


def _read_as(kind: str, written: str) -> Scalar:
    """The value that a text stands for; the text itself where it is not of that kind."""
    try:
        match kind:
            case "integer":
                return int(written)
            case "number":
                return float(written)
            case "boolean":
                return {"true": True, "false": False}[written]
    except (ValueError, KeyError):
        pass
    return written


def _start(runbook: Runbook, alert_path: Path | None, user: str, now: float) -> tuple[Alert, str, tuple[str, ...]]:
    """The alert, what starts the run in words, and what keeps it from starting."""
    problems = [] if runbook.is_enabled else ["`enabled: false`: it is loaded and checked, and never started"]
    if alert_path is None:
        assumed = assumed_alert(runbook, now)
        alert = assumed or Alert({}, {}, AlertState.FIRING, now, source="plan")
        said = f"{user or 'a person'}, by hand; no --alert is given"
        return alert, said + (", so one is assumed as its first trigger asks" if assumed else ""), tuple(problems)
    alert, num_alerts = load_alert(alert_path, now)
    is_started = any(trigger.is_for(alert.labels) for trigger in runbook.triggers)
    said = f"this alert starts it ({alert_path}" + (f", the first of {num_alerts})" if num_alerts > 1 else ")")
    if not is_started:
        said = f"not by this alert ({alert_path})"
        problems.append("no trigger of it is for this alert; compare `triggers` with the alert's labels")
    return alert, said, tuple(problems)


def _incident(alert: Alert, now: float) -> Incident:
    return Incident(
        incident_id="INC-0",
        fingerprint=alert.fingerprint,
        episode=1,
        title=alert.annotations.get("summary", alert.name),
        description=alert.annotations.get("description", ""),
        severity=alert.severity,
        labels=alert.labels,
        state=IncidentState.OPEN,
        opened_at=now,
        updated_at=now,
        value=alert.value,
    )
