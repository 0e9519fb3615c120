"""The rota in force: read again when its file changes; one that turned bad keeps its last good revision.

That revision is kept on disk too, since a core that starts again over a bad file must still know whom to wake.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from opsbot.oncall.loader import load_rota
from opsbot.oncall.model import Rota
from opsbot.yamlfile import Problem

logger = logging.getLogger(__name__)


class RotaBook:
    """One file's rota; without a file, an empty one that asks nobody.

    Args:
        kept: where the last good revision is kept; its folder must exist.
    """

    def __init__(self, path: Path | None, kept: Path | None = None) -> None:
        self._path = path
        self._kept = kept
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
        if rota is None and not self._rota.revision:
            self._recall()
        self._say(tuple(problems))
        if rota is not None and rota.revision != self._rota.revision:
            self._rota = rota
            self._keep(self._path)
            logger.info(
                "%s: revision %s, %d schedules, %d escalation policies",
                self._path,
                rota.revision[:12],
                len(rota.schedules),
                len(rota.policies),
            )

    def _say(self, problems: tuple[Problem, ...]) -> None:
        kept = self._rota.revision
        then = "the last good revision stays in force" if kept else "nobody is on call until it is mended"
        if problems != self._problems:
            for problem in problems:
                logger.error("%s (%s)", problem, then)
        self._problems = problems

    def _recall(self) -> None:
        """Take the revision that was in force before this process began."""
        if self._kept is None or not self._kept.exists():
            return
        rota, _ = load_rota(self._kept)
        if rota is not None:
            self._rota = rota

    def _keep(self, path: Path) -> None:
        if self._kept is None:
            return
        new = self._kept.with_name(f"{self._kept.name}.new")
        try:
            content = path.read_bytes()
            # The file may have changed since it was read.
            if hashlib.sha256(content).hexdigest() == self._rota.revision:
                new.write_bytes(content)
                os.replace(new, self._kept)
        except OSError as error:
            logger.error("the revision in force could not be kept in %s: %s", self._kept, error.strerror)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
