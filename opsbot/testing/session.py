"""All tests of all files that somebody asked for, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.loader import find_files, load_runbook
from opsbot.testing.coverage import Coverage, coverage
from opsbot.testing.expect import Verdict, judge
from opsbot.testing.known import known_actions
from opsbot.testing.loader import LoadedTests, find_tests, load_tests
from opsbot.testing.perform import perform
from opsbot.yamlfile import Problem


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be performed.

    Args:
        untested: runbooks in the folders that no test file is about.
    """

    files: tuple[LoadedTests, ...]
    untested: tuple[Path, ...]
    problems: tuple[Problem, ...]

    @property
    def num_tests(self) -> int:
        """How many tests there are."""
        return sum(len(file.cases) for file in self.files)


def plan(paths: Sequence[Path], only: str = "") -> Plan:
    """The tests that *paths* name whose names, or whose files' names, contain *only*."""
    registry = known_actions()
    found, problems = find_tests(paths)
    files: list[LoadedTests] = []
    tested: set[str] = set()
    for path in found:
        file, wrong = load_tests(path, registry)
        problems += wrong
        if file is None:
            continue
        tested.add(file.runbook.runbook_id)
        cases = tuple(case for case in file.cases if only.lower() in f"{path.name} {case.name}".lower())
        if cases:
            files.append(LoadedTests(path, file.runbook, cases))
    untested = _untested(paths, tested, registry) if not only else ()
    return Plan(tuple(files), untested, tuple(sorted(problems)))


def run(file: LoadedTests, tell: Callable[[Verdict], None]) -> tuple[Verdict, ...]:
    """Perform a file's tests; each verdict is told as it comes."""
    found = []
    with _quiet():
        for case in file.cases:
            verdict = judge(case, perform(case))
            found.append(verdict)
            tell(verdict)
    return tuple(found)


def covered(plan: Plan, verdicts: Sequence[Verdict]) -> tuple[Coverage, ...]:
    """What the tests have shown, by runbook."""
    registry = known_actions()
    found: dict[str, Coverage] = {}
    for file in plan.files:
        seen = [one.seen for one in verdicts if one.case.runbook.runbook_id == file.runbook.runbook_id]
        found[file.runbook.runbook_id] = coverage(file.runbook, registry, seen)
    for path in plan.untested:
        runbook, _ = load_runbook(path, registry)
        if runbook is not None:
            found[runbook.runbook_id] = coverage(runbook, registry, ())
    return tuple(found[runbook_id] for runbook_id in sorted(found))


def _untested(paths: Sequence[Path], tested: set[str], registry: ActionRegistry) -> tuple[Path, ...]:
    runbooks, _ = find_files([path for path in paths if path.is_dir()])
    found = ((path, load_runbook(path, registry)[0]) for path in runbooks)
    return tuple(path for path, runbook in found if runbook is not None and runbook.runbook_id not in tested)


@contextmanager
def _quiet() -> Iterator[None]:
    """What the bot logs is about things that tests do to it on purpose."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
