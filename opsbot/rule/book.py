"""The rules in force. A file that goes bad keeps its last good revision, and never takes another file down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opsbot.rule.loader import RuleFile, conflicts, load_rule_file, yaml_files
from opsbot.rule.model import RecordingRule, Rule
from opsbot.rule.order import in_order
from opsbot.yamlfile import Problem

_Stamp = tuple[int, int, int]


@dataclass(slots=True)
class RuleBook:
    """The rules in force, reloaded when their files change.

    Args:
        paths: rule files, and folders of them.
        on_rejected: told each problem of a file, once a change; its last good revision stays in force.
    """

    paths: Sequence[Path]
    on_rejected: Callable[[Problem], None]
    _files: dict[Path, RuleFile] = field(default_factory=dict)
    _stamps: dict[Path, _Stamp | None] = field(default_factory=dict)
    _rejected: set[Path] = field(default_factory=set)
    _recordings: list[RecordingRule] = field(default_factory=list)

    def reload(self) -> bool:
        """Load what is new or changed; answers whether the rules are others than before.

        A file that was removed from a folder takes its rules with it; one that is named itself keeps them.
        """
        before = self._digests()
        paths = yaml_files(self.paths)
        for gone in set(self._stamps) - set(paths):
            self._stamps.pop(gone)
            self._files.pop(gone, None)
            self._rejected.discard(gone)
        for path in paths:
            stamp = _stamp(path)
            if path not in self._stamps or self._stamps[path] != stamp:
                self._stamps[path] = stamp
                self._take(path)
        if before != self._digests():
            # What another file had in the way may be gone now.
            for path in sorted(self._rejected):
                self._take(path)
        if before == self._digests():
            return False
        self._recordings = in_order(rule for file in self._files.values() for rule in file.recordings)[0]
        return True

    @property
    def recordings(self) -> list[RecordingRule]:
        """Every recording rule in force, each after those that it asks for."""
        return self._recordings

    @property
    def rules(self) -> list[Rule]:
        """Every alerting rule in force."""
        return [rule for file in self._files.values() for rule in file.rules]

    @property
    def is_complete(self) -> bool:
        """Whether every file is in force as it stands."""
        return not self._rejected

    def _digests(self) -> dict[Path, str]:
        return {path: file.digest for path, file in self._files.items()}

    def _take(self, path: Path) -> None:
        file, problems = load_rule_file(path)
        if file is not None:
            others = [other for other_path, other in self._files.items() if other_path != path]
            problems = conflicts([*others, file])
        if problems or file is None:
            self._rejected.add(path)
            for problem in problems:
                self.on_rejected(problem)
            return
        self._rejected.discard(path)
        self._files[path] = file


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
