"""Reads runbook files: strict YAML → checked shape → frozen value, with every problem at its line and column.

A file is in force only when it has no problem at all; the pinned JSON of a run is read by the same path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from opsbot.alert.matching import label_match
from opsbot.errors import ConfigError
from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.check import check
from opsbot.runbook.hold import read_hold
from opsbot.runbook.model import (
    Announce,
    Approval,
    Concurrency,
    Limits,
    MaxRuns,
    Retry,
    Runbook,
    Share,
    Step,
    Trigger,
    Undo,
    Verify,
)
from opsbot.runbook.wire import (
    AnnounceField,
    ApprovalField,
    RetryField,
    RunbookFile,
    StepField,
    TriggerField,
    VerifyField,
    to_input,
)
from opsbot.yamlfile import Document, Problem, load, loads, validate

SUFFIXES = (".yaml", ".yml")
TEST_SUFFIXES = (".test.yaml", ".test.yml")
"""Of the tests beside runbooks, which are no runbooks."""


def find_files(paths: Iterable[Path]) -> tuple[tuple[Path, ...], list[Problem]]:
    """The runbook files under *paths*, sorted; a path that does not exist is a problem."""
    found: set[Path] = set()
    problems: list[Problem] = []
    for path in paths:
        if path.is_dir():
            found |= {child for child in path.rglob("*") if _is_runbook_file(child)}
        elif path.exists():
            found.add(path)
        else:
            problems.append(Problem(str(path), 1, 1, "no such file or folder"))
    return tuple(sorted(found)), problems


def is_test_file(path: Path) -> bool:
    """Whether a file holds tests of a runbook, by its name."""
    return path.name.endswith(TEST_SUFFIXES)


def _is_runbook_file(path: Path) -> bool:
    return path.suffix in SUFFIXES and not is_test_file(path) and path.is_file()


def load_runbook(path: Path, registry: ActionRegistry) -> tuple[Runbook | None, list[Problem]]:
    """One file's runbook, or every problem that it has."""
    document, problems = load(path)
    return _read(document, problems, registry)


def loads_runbook(text: str, shown: str, registry: ActionRegistry) -> tuple[Runbook | None, list[Problem]]:
    """Likewise from text, named *shown* in problems."""
    document, problems = loads(text, shown)
    return _read(document, problems, registry)


def check_runbooks(paths: Sequence[Path], registry: ActionRegistry) -> list[Problem]:
    """Every problem of every runbook file under *paths*; also two files with one id."""
    files, problems = find_files(paths)
    owner: dict[str, Path] = {}
    for path in files:
        runbook, found = load_runbook(path, registry)
        problems += found
        if runbook is None:
            continue
        first = owner.setdefault(runbook.runbook_id, path)
        if first != path:
            problems.append(double(path, runbook.runbook_id, first))
    return sorted(problems)


def double(path: Path, runbook_id: str, first: Path) -> Problem:
    """Two files claim one id: the problem of the later, at its `id`."""
    message = f"the id {runbook_id!r} is already used by {first}; take another one"
    document, _ = load(path)
    return Problem(str(path), 1, 1, message) if document is None else document.problem(("id",), message)


@lru_cache(maxsize=256)
def pinned_runbook(runbook_json: str, revision: str) -> Runbook:
    """The revision that a run is pinned to. Names are not checked again: the registry may have changed since.

    Raises: ConfigError if this version of opsbot cannot read it.
    """
    try:
        file = RunbookFile.model_validate(json.loads(runbook_json))
    except ValueError as error:
        raise ConfigError(f"the pinned runbook revision {revision[:12]} cannot be read: {error}") from error
    return to_runbook(file, revision, runbook_json)


def to_runbook(file: RunbookFile, revision: str, source_json: str) -> Runbook:
    """The frozen value of a checked shape."""
    return Runbook(
        runbook_id=file.id,
        revision=revision,
        source_json=source_json,
        name=file.name,
        description=file.description.strip(),
        owner=file.owner,
        mode=file.mode,
        triggers=tuple(_trigger(one) for one in file.triggers),
        inputs=tuple(to_input(name, one) for name, one in file.inputs.items()),
        timeout_s=file.timeout,
        steps=tuple(_step(step) for step in file.steps),
        on_failure=file.on_failure,
        is_enabled=file.enabled,
        cooldown_s=file.cooldown,
        max_runs=MaxRuns(file.max_runs.count, file.max_runs.per),
        concurrency=Concurrency(file.concurrency.group, file.concurrency.on_conflict),
        limits=Limits(file.limits.targets, file.limits.percent),
        on_resolve=file.on_resolve,
        finals=tuple(_step(step) for step in file.finally_),
        hold=None if file.hold is None else read_hold(file.hold),
    )


def _read(
    document: Document | None, problems: list[Problem], registry: ActionRegistry
) -> tuple[Runbook | None, list[Problem]]:
    if document is None:
        return None, problems
    file, more = validate(document, RunbookFile)
    # A value that YAML could not read is missing for the shape too; the first says why.
    told = {(problem.line, problem.column) for problem in problems}
    problems = [*problems, *(problem for problem in more if (problem.line, problem.column) not in told)]
    if file is None:
        return None, sorted(problems)
    runbook = to_runbook(file, document.digest, json.dumps(document.data, ensure_ascii=False))
    problems += check(runbook, document, registry)
    return (None, sorted(problems)) if problems else (runbook, [])


def _step(step: StepField) -> Step:
    return Step(
        step_id=step.id,
        name=step.name,
        uses=step.uses,
        arguments=step.with_,
        condition=step.if_,
        timeout_s=step.timeout,
        retry=_retry(step.retry),
        continue_on_error=step.continue_on_error,
        approval=_approval(step.approval) if step.approval else None,
        lease_s=step.lease,
        verify=_verify(step.verify) if step.verify else None,
        on_verify_failed=step.on_verify_failed,
        undo=Undo(step.undo.uses, step.undo.with_) if step.undo else None,
        announce=_announce(step.announce) if step.announce else None,
        foreach=step.foreach,
        stages=tuple(_share(one) for one in step.stages or ()),
        locks=tuple(step.locks),
        outputs=step.outputs,
    )


def _trigger(field: TriggerField) -> Trigger:
    return Trigger(field.match, label_match(field.matchers) if field.matchers else None)


def _retry(field: RetryField) -> Retry:
    return Retry(field.attempts, field.delay, float(field.backoff), field.max_delay, tuple(field.on))


def _share(written: int | str) -> Share:
    return Share(int(str(written).removesuffix("%")), isinstance(written, str))


def _approval(field: ApprovalField) -> Approval:
    roles = (field.from_,) if isinstance(field.from_, str) else tuple(field.from_)
    return Approval(roles, field.timeout, field.reason, field.count, field.on_timeout, field.exclude_requester)


def _announce(field: AnnounceField) -> Announce:
    return Announce(field.message, field.for_, field.on_objection, field.call_for_capacity)


def _verify(field: VerifyField) -> Verify:
    return Verify(expr=field.expr, for_s=field.for_, timeout_s=field.timeout, means=field.means)
