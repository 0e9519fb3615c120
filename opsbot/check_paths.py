"""`opsbot check PATH...`: every problem of just these files, each read as what it is.

What one kind of file needs is imported when a file of that kind is met, so a runbook is checked at once: no settings
are read, nothing of HTTP or of a database is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from opsbot.check_kind import UNKNOWN, FileKind, kind_of
from opsbot.yamlfile import Problem, load

SUFFIXES = (".yaml", ".yml")


def check_paths(paths: Sequence[Path]) -> tuple[list[str], int]:
    """Every problem of the files and folders, as `file:line:column: message`, sorted; and how many files those are.

    Runbooks are compared with each other, and rules too. What other files would have to tell is not asked: whether
    the runbook is there that a rule names, or whether people of a rota may acknowledge.
    """
    files, problems = _files(paths)
    by_kind: dict[FileKind, list[Path]] = {}
    for path in files:
        document, wrong = load(path)
        if document is None:
            problems += wrong
        elif (kind := kind_of(document.data)) is None:
            # A key that is there twice may be why.
            problems += [*wrong, document.problem((), UNKNOWN)]
        else:
            by_kind.setdefault(kind, []).append(path)
    for kind, found in by_kind.items():
        problems += _CHECKS[kind](found)
    return [str(problem) for problem in sorted(problems)], len(files)


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[Problem]]:
    """The files as they are named, and those below the folders; each once, whatever it is called."""
    found: dict[Path, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        if path.is_dir():
            below = sorted(child for child in path.rglob("*") if child.suffix in SUFFIXES and _is_shown(child, path))
            if not below:
                problems.append(Problem(str(path), 1, 1, "there is no YAML file in this folder"))
        elif path.exists():
            below = [path]
        else:
            problems.append(Problem(str(path), 1, 1, "no such file or folder"))
            continue
        for child in below:
            found.setdefault(child.resolve(), child)
    return list(found.values()), problems


def _is_shown(file: Path, folder: Path) -> bool:
    """Whether nothing between them is hidden, such as an environment or a repository's own files."""
    return file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)


def _runbooks(paths: Sequence[Path]) -> list[Problem]:
    from opsbot.action.registry import names_only
    from opsbot.runbook.loader import check_runbooks

    return check_runbooks(paths, names_only())


def _runbook_tests(paths: Sequence[Path]) -> list[Problem]:
    from opsbot.action.registry import names_only
    from opsbot.testing.loader import load_tests

    return [problem for path in paths for problem in load_tests(path, names_only())[1]]


def _alert_rules(paths: Sequence[Path]) -> list[Problem]:
    from opsbot.rule.loader import check_rules

    return check_rules(paths)


def _settings(paths: Sequence[Path]) -> list[Problem]:
    from opsbot.check import check_settings

    return [problem for path in paths for problem in check_settings(path)[1]]


def _rotas(paths: Sequence[Path]) -> list[Problem]:
    from opsbot.oncall.loader import load_rota

    return [problem for path in paths for problem in load_rota(path)[1]]


def _targets(paths: Sequence[Path]) -> list[Problem]:
    from opsbot.check_sources import targets_mistake

    found = ((path, targets_mistake(path).removeprefix(f"{path}: ")) for path in paths)
    return [Problem(str(path), 1, 1, mistake) for path, mistake in found if mistake]


_CHECKS: Mapping[FileKind, Callable[[Sequence[Path]], list[Problem]]] = {
    "runbook": _runbooks,
    "runbook tests": _runbook_tests,
    "alert rules": _alert_rules,
    "settings": _settings,
    "rota": _rotas,
    "targets": _targets,
}
