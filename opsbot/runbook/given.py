"""The inputs that somebody gives a run: checked against what its runbook declares, all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.errors import ConfigError
from opsbot.runbook.model import Input, Runbook, Scalar
from opsbot.runbook.wire import why_unfit
from opsbot.yamlfile import suggest

_BOOLEANS: Mapping[str, bool] = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def checked_inputs(runbook: Runbook, given: Mapping[str, object]) -> Mapping[str, Scalar]:
    """What was given, with the types that the runbook declares; text is read as such a type.

    Raises: ConfigError with every mistake, and what may be given instead.
    """
    fields = {field.name: field for field in runbook.inputs}
    taken: dict[str, Scalar] = {}
    problems: list[str] = []
    for name, value in given.items():
        field = fields.get(name)
        if field is None:
            known = ", ".join(sorted(fields)) or "none"
            problems.append(f"there is no input {name!r}{suggest(name, fields)}; {runbook.runbook_id} takes {known}")
            continue
        typed = _typed(field, value)
        if field.is_immutable and typed != field.default:
            problems.append(f"{name} is always {field.default!r}: nobody may give another value")
            continue
        wrong = why_unfit(field, typed)
        if wrong:
            problems.append(f"{name}: {wrong}")
        elif isinstance(typed, str | int | float | bool):
            taken[name] = typed
    for field in fields.values():
        if field.default is None and field.name not in given:
            what = f": {field.description}" if field.description else ""
            problems.append(f"{field.name} must be given ({field.type}{what})")
    if not problems:
        try:
            runbook.hold_s(taken)
        except ValueError as error:
            problems.append(f"how long it holds: {error}")
    if problems:
        raise ConfigError(f"{runbook.runbook_id} is not started: {'; '.join(problems)}")
    return taken


def _typed(field: Input, value: object) -> object:
    """Text as the type of the field, where it can be read as that."""
    if not isinstance(value, str) or field.type == "string":
        return value
    try:
        match field.type:
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case _:
                return _BOOLEANS.get(value.lower(), value)
    except ValueError:
        return value
