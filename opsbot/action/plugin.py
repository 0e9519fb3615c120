"""Actions of third parties: packages that are installed beside opsbot and name a callable under `opsbot.actions`.

The callable takes `ActionParts` and returns actions. One that is broken is reported and stops nobody else. A plug-in
is code that its owner installed on core's machine: it is trusted as opsbot itself is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel, JsonValue

from opsbot.clock import Clock
from opsbot.runbook.action import Action

GROUP = "opsbot.actions"
OUR_PREFIXES = frozenset(
    {
        "fault",
        "http",
        "loadtest",
        "opsbot",
        "pagerduty",
        "process",
        "prometheus",
        "review",
        "serving",
        "silence",
        "slack",
        "wait",
    }
)
"""A plug-in's names begin otherwise, so that an update of opsbot never takes one away."""


@dataclass(frozen=True, slots=True)
class ActionParts:
    """What a plug-in is given.

    Args:
        clock: the time.
        settings: its section `actions.plugins.<entry point>` of opsbot.yaml; empty if there is none.
    """

    clock: Clock
    settings: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)


Factory = Callable[[ActionParts], Iterable[Action[Any]]]


@dataclass(frozen=True, slots=True)
class Plugins:
    """What was found.

    Args:
        actions: of every plug-in that could be used.
        problems: one sentence for each that could not.
    """

    actions: tuple[Action[Any], ...] = ()
    problems: tuple[str, ...] = ()


def load_plugins(
    settings: Mapping[str, Mapping[str, JsonValue]], clock: Clock, found: Iterable[EntryPoint] | None = None
) -> Plugins:
    """The actions of every installed plug-in.

    Args:
        settings: the section `actions.plugins` of opsbot.yaml.
        found: the entry points; those that are installed unless stated.
    """
    points = sorted(entry_points(group=GROUP) if found is None else found, key=lambda point: point.name)
    actions: list[Action[Any]] = []
    problems: list[str] = []
    taken: dict[str, str] = {}
    for point in points:
        try:
            made = _made(point, ActionParts(clock, settings.get(point.name, {})))
        except Exception as error:
            # Whatever somebody's code raises must not stop the others.
            problems.append(f"plug-in {point.name} ({point.value}) cannot be used: {type(error).__name__}: {error}")
            continue
        for action in made:
            wrong = _wrong(action, taken)
            if wrong:
                problems.append(f"plug-in {point.name} ({point.value}): {wrong}")
            else:
                taken[action.name] = point.name
                actions.append(action)
    installed = {point.name for point in points}
    problems += [
        f"opsbot.yaml has settings under `actions.plugins.{name}`, but no plug-in of that name is installed"
        for name in sorted(settings.keys() - installed)
    ]
    return Plugins(tuple(actions), tuple(problems))


def _made(point: EntryPoint, parts: ActionParts) -> tuple[Action[Any], ...]:
    factory: Factory = point.load()
    made = tuple(factory(parts))
    strangers = [one for one in made if not isinstance(one, Action)]
    if strangers:
        raise TypeError(f"it yields {type(strangers[0]).__name__}, expected opsbot.runbook.action.Action")
    return made


def _wrong(action: Action[Any], taken: Mapping[str, str]) -> str:
    """Why an action cannot be used; empty if it can."""
    name = getattr(action, "name", None)
    if not isinstance(name, str) or not isinstance(getattr(action, "summary", None), str):
        return f"{type(action).__name__} needs the class attributes name and summary"
    prefix, dot, rest = name.partition(".")
    if not (prefix and dot and rest):
        return f"the action {name!r} needs a name with a prefix of its own, such as acme.{name or 'drain'}"
    if prefix in OUR_PREFIXES:
        return f"the action {name!r} begins with {prefix!r}, which is opsbot's own; give it a prefix of yours"
    if name in taken:
        return f"the action {name!r} is the plug-in {taken[name]}'s already"
    for attribute in ("arguments", "outputs"):
        model = getattr(action, attribute, None)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return f"{name}: {attribute} is no pydantic model"
    return ""
