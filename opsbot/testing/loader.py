"""Reads test files: strict YAML → checked shape → cases, with every problem at its line and column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.loader import SUFFIXES, TEST_SUFFIXES, find_files, is_test_file, load_runbook
from opsbot.runbook.model import Runbook
from opsbot.testing.case import Case, case_of
from opsbot.testing.check import check
from opsbot.testing.wire import TestFile
from opsbot.yamlfile import Document, Problem, load, suggest, validate


@dataclass(frozen=True, slots=True)
class LoadedTests:
    """A test file that can be performed."""

    path: Path
    runbook: Runbook
    cases: tuple[Case, ...]


def find_tests(paths: Iterable[Path]) -> tuple[tuple[Path, ...], list[Problem]]:
    """The test files that *paths* name, sorted: themselves, those below folders, those beside runbooks."""
    found: set[Path] = set()
    problems: list[Problem] = []
    for path in paths:
        if path.is_dir():
            found |= {child for child in path.rglob("*") if is_test_file(child) and child.is_file()}
        elif not path.exists():
            problems.append(Problem(str(path), 1, 1, "no such file or folder"))
        elif is_test_file(path):
            found.add(path)
        else:
            beside = [path.with_name(path.stem + suffix) for suffix in TEST_SUFFIXES]
            there = [one for one in beside if one.exists()]
            found.update(there)
            if not there:
                problems.append(Problem(str(path), 1, 1, f"there is no {beside[0].name} beside it"))
    return tuple(sorted(found)), problems


def load_tests(path: Path, registry: ActionRegistry) -> tuple[LoadedTests | None, list[Problem]]:
    """One file's tests, or every problem that it has."""
    document, problems = load(path)
    if document is None:
        return None, problems
    file, more = validate(document, TestFile)
    problems = [*problems, *more]
    if file is None:
        return None, sorted(problems)
    runbook, wrong = _runbook_of(file, document, path, registry)
    problems += wrong
    if runbook is None:
        return None, sorted(problems)
    problems += check(file, document, runbook, registry, path.parent)
    if problems:
        return None, sorted(set(problems))
    cases = tuple(
        case_of(file, test, runbook, path.parent, f"{path}:{document.marks['tests', index][0]}")
        for index, test in enumerate(file.tests)
    )
    return LoadedTests(path, runbook, cases), []


def check_tests(paths: Iterable[Path], registry: ActionRegistry) -> list[Problem]:
    """Every problem of every test file that *paths* name."""
    files, problems = find_tests(paths)
    for path in files:
        problems += load_tests(path, registry)[1]
    return sorted(problems)


def _runbook_of(
    file: TestFile, document: Document, path: Path, registry: ActionRegistry
) -> tuple[Runbook | None, list[Problem]]:
    place = ("runbook",) if file.runbook is not None else ()
    found = _beside(path) if file.runbook is None else file.runbook
    if found.endswith(SUFFIXES):
        target = path.parent / found
        if not target.exists():
            hint = "" if file.runbook is not None else "; name the runbook with `runbook: …`"
            return None, [document.problem(place, f"there is no runbook {target}{hint}")]
        runbook, problems = load_runbook(target, registry)
        if runbook is None:
            return None, [document.problem(place, f"its runbook cannot be used: {problems[0]}")]
        return runbook, []
    by_id = {
        one.runbook_id: one
        for one in (load_runbook(candidate, registry)[0] for candidate in find_files([path.parent])[0])
        if one is not None
    }
    if found in by_id:
        return by_id[found], []
    return None, [document.problem(place, f"no runbook in {path.parent} has the id {found!r}{suggest(found, by_id)}")]


def _beside(path: Path) -> str:
    suffix = next(one for one in TEST_SUFFIXES if path.name.endswith(one)) if is_test_file(path) else path.suffix
    return path.name.removesuffix(suffix) + SUFFIXES[TEST_SUFFIXES.index(suffix) if suffix in TEST_SUFFIXES else 0]
