"""Compares what a test expects with what was seen; each difference is told with both sides."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opsbot.incident.timeline import TimelineEntry
from opsbot.runbook.run import Run, RunState
from opsbot.testing.case import Case
from opsbot.testing.perform import Seen
from opsbot.testing.wire import NOT_STARTED, Expectation, pattern_of
from opsbot.yamlfile import format_duration

_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a test.

    Args:
        failures: one for each expectation that was not met; each is one or more lines.
        found: the keys of timeline entries that an expected message is in.
        missing: expected messages that are not there, each with the key of the entry after which it was looked for.
    """

    case: Case
    seen: Seen
    failures: tuple[str, ...]
    found: frozenset[str] = frozenset()
    missing: tuple[tuple[str, str], ...] = ()

    @property
    def has_passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.failures


@dataclass(slots=True)
class _Messages:
    found: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)


def judge(case: Case, seen: Seen) -> Verdict:
    """Compare."""
    expect = case.test.expect
    messages = _in_order(expect.messages, _timeline(seen))
    failures = [*seen.problems, *_state(expect, seen)]
    if seen.run is not None and expect.state != NOT_STARTED:
        failures += [*_steps(expect, seen), *_outputs(expect, seen), *_duration(case, seen)]
    failures += [*_calls(expect, seen), *_undone(expect, seen), *_approvals(expect, seen)]
    failures += [_told_missing(wanted, after, seen) for wanted, after in messages.missing]
    failures += _unwanted(expect, seen)
    return Verdict(case, seen, tuple(failures), frozenset(messages.found), tuple(messages.missing))


def _timeline(seen: Seen) -> tuple[TimelineEntry, ...]:
    return () if seen.view is None else seen.view.timeline


def _state(expect: Expectation, seen: Seen) -> Iterator[str]:
    state = NOT_STARTED if seen.run is None else seen.run.state.value
    if expect.state is not None and state != expect.state:
        detail = f" ({seen.run.detail})" if seen.run is not None and seen.run.detail else ""
        yield f"state: expected {expect.state}, was {state}{detail}"
    if expect.state is None and seen.run is None:
        yield "the alert started no run: no trigger of the runbook matches its labels"
    if seen.run is not None and expect.detail not in seen.run.detail:
        yield f"detail: expected {expect.detail!r} in {seen.run.detail!r}"
    incident = "none" if seen.view is None else seen.view.incident.state.value
    if expect.incident is not None and incident != expect.incident:
        yield f"incident: expected {expect.incident}, was {incident}"


def _steps(expect: Expectation, seen: Seen) -> Iterator[str]:
    for step_id, wanted in expect.steps.items():
        row = seen.step(step_id)
        if row is None:
            yield f"steps: {step_id} does not exist"
        elif row.state.value != wanted:
            why = f" ({row.detail})" if row.detail else ""
            yield f"steps: expected {step_id} {wanted}, was {row.state.value}{why}"


def _outputs(expect: Expectation, seen: Seen) -> Iterator[str]:
    for step_id, wanted in expect.outputs.items():
        row = seen.step(step_id)
        outputs = (row.outputs or {}) if row is not None else {}
        for name, value in wanted.items():
            if name not in outputs or outputs[name] != value:
                yield f"outputs: expected {step_id}.{name} {_json(value)}, was {_json(outputs.get(name))}"


def _duration(case: Case, seen: Seen) -> Iterator[str]:
    most_s = case.test.expect.duration
    if most_s is None or seen.run is None:
        return
    over = _steps_over_at(case, seen, seen.run)
    if over is None:
        yield f"duration: expected at most {format_duration(most_s)}, and its steps are not over"
    elif over - seen.run.created_at > most_s:
        took = format_duration(round(over - seen.run.created_at, 3))
        yield f"duration: expected at most {format_duration(most_s)}, was {took}"


def _steps_over_at(case: Case, seen: Seen, run: Run) -> float | None:
    """When nothing was left to be done: what was said last of a step, before what the run's end made of it."""
    if run.state in (RunState.QUEUED, RunState.RUNNING, RunState.WAITING):
        return None
    finals = tuple(f"{run.run_id}:{step.step_id}:" for step in case.runbook.finals)
    of_steps = [
        one.at
        for one in _timeline(seen)
        if one.kind.startswith("step.") and one.kind != "step.released" and not one.key.startswith(finals)
    ]
    return max(of_steps, default=run.ended_at or run.created_at)


def _calls(expect: Expectation, seen: Seen) -> Iterator[str]:
    if expect.calls is None:
        return
    made = [call for call in seen.calls if call.kind in ("act", "undo")]
    is_same = len(made) == len(expect.calls) and all(
        call.step_id == wanted.step
        and wanted.action in (None, call.action)
        and all(call.arguments.get(name) == value for name, value in wanted.with_.items())
        for wanted, call in zip(expect.calls, made, strict=True)
    )
    if not is_same:
        wanted_lines = [f"{one.step} {one.action or '(any action)'} {_json(one.with_)}" for one in expect.calls]
        lines = [
            f"{one.step_id} {one.action} {_json(one.arguments)}" + ("" if one.result == "done" else f" → {one.result}")
            for one in made
        ]
        yield _diff("calls", wanted_lines, lines)


def _undone(expect: Expectation, seen: Seen) -> Iterator[str]:
    if expect.undone is None:
        return
    taken = [
        call.step_id.removesuffix(".undo")
        for call in seen.calls
        if call.kind in ("release", "undo") and call.result == "done"
    ]
    if taken != expect.undone:
        yield _diff("undone", expect.undone, taken)


def _approvals(expect: Expectation, seen: Seen) -> Iterator[str]:
    if expect.approvals is None:
        return
    is_same = len(seen.approvals) == len(expect.approvals) and all(
        row.step_id == wanted.step
        and (wanted.role is None or wanted.role in row.roles)
        and wanted.will_do in row.will_do
        and wanted.state in (None, row.state)
        for wanted, row in zip(expect.approvals, seen.approvals, strict=True)
    )
    if not is_same:
        wanted_lines = [
            " ".join(filter(None, (one.step, one.role or "", one.state or "", one.will_do))) for one in expect.approvals
        ]
        lines = [f"{row.step_id} {row.role} {row.state} {row.will_do}" for row in seen.approvals]
        yield _diff("approvals", wanted_lines, lines)


def _in_order(wanted: Sequence[str], entries: Sequence[TimelineEntry]) -> _Messages:
    """Each message is looked for after the one before it; one that is missing holds up no later one."""
    messages, place = _Messages(), 0
    for text in wanted:
        index = next((at for at in range(place, len(entries)) if says(entries[at].text, text)), None)
        if index is None:
            messages.missing.append((text, entries[place - 1].key if place else ""))
        else:
            messages.found.append(entries[index].key)
            place = index + 1
    return messages


def _told_missing(wanted: str, after: str, seen: Seen) -> str:
    before = next((one.text for one in _timeline(seen) if one.key == after), "")
    where = f" after “{before[:80]}”" if before else ""
    is_early = any(says(one.text, wanted) for one in _timeline(seen))
    hint = "; it is there, but earlier" if is_early else ""
    return f"messages: not on the timeline{where}: {wanted}{hint}"


def _unwanted(expect: Expectation, seen: Seen) -> Iterator[str]:
    for wanted in expect.no_messages:
        for one in _timeline(seen):
            if says(one.text, wanted):
                yield f"no_messages: {wanted} is on the timeline: {one.text[:_MOST_SHOWN]}"


def says(text: str, wanted: str) -> bool:
    """Whether *text* has the expected message in it."""
    pattern = pattern_of(wanted)
    return wanted in text if pattern is None else re.search(pattern, text) is not None


def _diff(what: str, wanted: Sequence[str], seen: Sequence[str]) -> str:
    lines: Iterable[str] = (line for line in difflib.ndiff(wanted, seen) if not line.startswith("?"))
    return "\n".join([f"{what}: - expected, + seen", *lines]) if wanted or seen else what


def _json(value: object) -> str:
    plain = dict(value) if isinstance(value, Mapping) else value
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
