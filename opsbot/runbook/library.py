"""The runbooks in force: loaded from files, read again when they change.

A file that turns bad keeps its last good revision in force and is reported, also over a restart: a copy of each good
one is kept. A deleted file is taken out of force.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opsbot.runbook.action import ActionRegistry
from opsbot.runbook.loader import double, find_files, load_runbook
from opsbot.runbook.model import Runbook
from opsbot.yamlfile import Problem

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Loaded:
    stamp: tuple[int, int]
    runbook: Runbook | None
    problems: tuple[Problem, ...]


class RunbookLibrary:
    """Every runbook in force, by id."""

    def __init__(self, paths: Sequence[Path], registry: ActionRegistry, copies: Path | None = None) -> None:
        """A library over files.

        Args:
            copies: the folder of the last good revisions; None keeps none over a restart.
        """
        self._paths = tuple(paths)
        self._copies = copies
        self._registry = registry
        self._loaded: dict[Path, _Loaded] = {}
        self._problems: tuple[Problem, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the files as they are now; runbooks in force may be older than these."""
        return self._problems

    def runbooks(self) -> tuple[Runbook, ...]:
        """Those in force, by id. Where two files claim one id, the first path has it."""
        found: dict[str, Runbook] = {}
        for path in sorted(self._loaded):
            runbook = self._loaded[path].runbook
            if runbook is not None:
                found.setdefault(runbook.runbook_id, runbook)
        return tuple(found[runbook_id] for runbook_id in sorted(found))

    def reload(self) -> tuple[Problem, ...]:
        """Read what has changed on disk; answers the problems that were not there before."""
        before = set(self._problems)
        files, problems = find_files(self._paths)
        loaded: dict[Path, _Loaded] = {}
        for path in files:
            loaded[path] = self._read(path)
            problems += loaded[path].problems
        self._loaded = loaded
        self._problems = tuple(sorted([*problems, *self._doubles()]))
        new = tuple(problem for problem in self._problems if problem not in before)
        for problem in new:
            logger.warning("%s (the last good revision stays in force)", problem)
        return new

    def _read(self, path: Path) -> _Loaded:
        known = self._loaded.get(path)
        try:
            status = path.stat()
        except OSError as error:
            problem = Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")
            return _Loaded((0, 0), known.runbook if known else None, (problem,))
        stamp = (status.st_mtime_ns, status.st_size)
        if known is not None and known.stamp == stamp:
            return known
        runbook, problems = load_runbook(path, self._registry)
        if runbook is not None:
            self._keep_copy(path)
        else:
            runbook = known.runbook if known is not None else self._last_good(path)
        return _Loaded(stamp, runbook, tuple(problems))

    def _copy_of(self, path: Path) -> Path | None:
        if self._copies is None:
            return None
        return self._copies / f"{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:16]}.yaml"

    def _keep_copy(self, path: Path) -> None:
        copy = self._copy_of(path)
        if copy is None:
            return
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            written = copy.with_suffix(".new")
            written.write_bytes(path.read_bytes())
            written.replace(copy)
        except OSError as error:
            logger.warning("no copy of %s could be kept: %s", path, error.strerror)

    def _last_good(self, path: Path) -> Runbook | None:
        copy = self._copy_of(path)
        return load_runbook(copy, self._registry)[0] if copy is not None and copy.exists() else None

    def _doubles(self) -> list[Problem]:
        owner: dict[str, Path] = {}
        problems = []
        for path in sorted(self._loaded):
            runbook = self._loaded[path].runbook
            if runbook is None:
                continue
            first = owner.setdefault(runbook.runbook_id, path)
            if first != path:
                problems.append(double(path, runbook.runbook_id, first))
        return problems
