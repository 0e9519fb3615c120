"""The functions of templates, one row each, with Prometheus's own arithmetic.

An unknown value (None) stays unknown through every function, and is shown as such.
Source: Prometheus 2.42, template/template.go.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

Argument = str | float | None

UNKNOWN = "unknown"
MAX_WIDTH = 100
"""Of a printf verb: a wider one fills the memory and no screen."""

_VERB = re.compile(r"%(?P<flags>[-+ 0#]*)(?P<width>\d+)?(?:\.(?P<precision>\d*))?(?P<verb>.)", re.DOTALL)
_VERBS = frozenset("svqdfFeEgG%")
_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_BINARY = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")


@dataclass(frozen=True, slots=True)
class TemplateFunction:
    """A function, and how many arguments it takes; `most` is None where any number goes."""

    compute: Callable[..., Argument]
    fewest: int = 1
    most: int | None = 1


def shown(value: Argument) -> str:
    """A value as it is read: numbers to four digits."""
    if value is None:
        return UNKNOWN
    return value if isinstance(value, str) else _short(value)


def check_format(text: str, num_arguments: int) -> str:
    """What is wrong with a printf format for so many arguments; empty if nothing is."""
    verbs = list(_VERB.finditer(text))
    if _VERB.sub("", text).count("%"):
        return f"{text!r} ends in the middle of a verb"
    for verb in verbs:
        if verb["verb"] not in _VERBS:
            return f"the verb {verb[0]!r} is not supported; there are {' '.join('%' + v for v in sorted(_VERBS))}"
        if max(int(verb["width"] or 0), int(verb["precision"] or 0)) > MAX_WIDTH:
            return f"{verb[0]!r} is wider than {MAX_WIDTH}"
    num_wanted = sum(verb["verb"] != "%" for verb in verbs)
    return "" if num_wanted == num_arguments else f"{text!r} wants {num_wanted} arguments, not {num_arguments}"


def _short(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.4g}"


def _number(value: str | float) -> float | None:
    if isinstance(value, float):
        return value
    try:
        return float(value)
    except ValueError:
        return None


def _of_number(compute: Callable[[float], str]) -> Callable[[Argument], Argument]:
    """Texts that are numbers count as such; what is none is left as it is."""

    def computed(value: Argument) -> Argument:
        number = None if value is None else _number(value)
        if number is None:
            return value
        return compute(number) if math.isfinite(number) else _short(number)

    return computed


def _of_text(compute: Callable[[str], str]) -> Callable[[Argument], Argument]:
    return lambda value: None if value is None else compute(shown(value))


def _humanize(value: float) -> str:
    if value == 0:
        return _short(value)
    return _scaled(value, _LARGE, 1000.0) if abs(value) >= 1 else _small(value)


def _humanize_1024(value: float) -> str:
    return _short(value) if abs(value) <= 1 else _scaled(value, _BINARY, 1024.0)


def _scaled(value: float, prefixes: tuple[str, ...], step: float) -> str:
    found = ""
    for prefix in prefixes:
        if abs(value) < step:
            break
        found, value = prefix, value / step
    return _short(value) + found


def _small(value: float) -> str:
    found = ""
    for prefix in _SMALL:
        if abs(value) >= 1:
            break
        found, value = prefix, value * 1000
    return _short(value) + found


def _humanize_duration(value: float) -> str:
    if value == 0:
        return _short(value) + "s"
    if abs(value) < 1:
        return _small(value) + "s"
    sign, seconds = ("-" if value < 0 else ""), abs(value)
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{sign}{_short(seconds)}s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {rest}s"
    return f"{sign}{hours}h {minutes}m {rest}s" if hours else f"{sign}{minutes}m {rest}s"


def _humanize_timestamp(value: float) -> str:
    try:
        return f"{datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat(' ')} +0000 UTC"
    except (OverflowError, ValueError, OSError):
        return _short(value)


def _title(text: str) -> str:
    return re.sub(r"(?<!\S)\S", lambda first: first[0].upper(), text)


def _printf(template: str, *arguments: Argument) -> str:
    waiting = iter(arguments)
    return _VERB.sub(lambda verb: "%" if verb["verb"] == "%" else _one(verb, next(waiting)), template)


def _one(verb: re.Match[str], value: Argument) -> str:
    is_text = verb["verb"] in "svq"
    number = None if value is None else _number(value)
    precision = "" if verb["precision"] is None else f".{verb['precision'] or 0}"
    if is_text or number is None or not math.isfinite(number):
        text = json.dumps(shown(value), ensure_ascii=False) if verb["verb"] == "q" else shown(value)
        return f"%{verb['flags']}{verb['width'] or ''}{precision if is_text else ''}s" % text
    whole_or_not = int(number) if verb["verb"] == "d" else number
    return f"%{verb['flags']}{verb['width'] or ''}{precision}{verb['verb']}" % whole_or_not


FUNCTIONS: Mapping[str, TemplateFunction] = {
    "humanize": TemplateFunction(_of_number(_humanize)),
    "humanize1024": TemplateFunction(_of_number(_humanize_1024)),
    "humanizeDuration": TemplateFunction(_of_number(_humanize_duration)),
    "humanizePercentage": TemplateFunction(_of_number(lambda value: _short(value * 100) + "%")),
    "humanizeTimestamp": TemplateFunction(_of_number(_humanize_timestamp)),
    "printf": TemplateFunction(_printf, most=None),
    "title": TemplateFunction(_of_text(_title)),
    "toUpper": TemplateFunction(_of_text(str.upper)),
    "toLower": TemplateFunction(_of_text(str.lower)),
}
