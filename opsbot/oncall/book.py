"""The rota in force: read again when its file changes; one that turned bad keeps its last good revision."""

from __future__ import annotations

import logging
from pathlib import Path

from opsbot.oncall.loader import load_rota
from opsbot.oncall.model import Rota
from opsbot.yamlfile import Problem

logger = logging.getLogger(__name__)


class RotaBook:
    """One file's rota; without a file, an empty one that asks nobody."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._rota = Rota()
        self._problems: tuple[Problem, ...] = ()

    @property
    def rota(self) -> Rota:
        """The revision in force."""
        return self._rota

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the file as it is now; the rota in force may be older."""
        return self._problems

    def reload(self) -> None:
        """Read the file if it has changed; logs what is new once."""
        if self._path is None:
            return
        stamp = _stamp(self._path)
        if stamp is not None and stamp == self._stamp:
            return
        self._stamp = stamp
        rota, problems = load_rota(self._path)
        if tuple(problems) != self._problems:
            kept = (
                "the last good revision stays in force"
                if self._rota.revision
                else "nobody is on call until it is mended"
            )
            for problem in problems:
                logger.error("%s (%s)", problem, kept)
        self._problems = tuple(problems)
        if rota is not None and rota.revision != self._rota.revision:
            self._rota = rota
            logger.info(
                "%s: revision %s, %d schedules, %d escalation policies",
                self._path,
                rota.revision[:12],
                len(rota.schedules),
                len(rota.policies),
            )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
