"""A file of JSON lines that only grows: each line is on disk before `append` returns.

Whoever reads it skips nothing silently: a line that cannot be read is named. Only a last line without its end, which a
crash in mid-write leaves, is left out, and cut off by the next append: nobody was told that it was kept.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opsbot.errors import OpsbotError


class JsonLinesError(OpsbotError):
    """The file cannot be read or written."""


class JsonLines:
    """One such file; its folder is made by the first append."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, *entries: Mapping[str, Any]) -> None:
        """Add *entries*, all of them or none if the machine stops; several processes may do so at a time.

        Raises: JsonLinesError.
        """
        text = "".join(json.dumps(entry, allow_nan=False, sort_keys=True) + "\n" for entry in entries).encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                whole = file.read()
                if not whole.endswith(b"\n"):
                    file.truncate(whole.rfind(b"\n") + 1)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise JsonLinesError(f"{self._path}: cannot be written: {error.strerror}; see `data_dir`") from error

    def read(self) -> list[dict[str, Any]]:
        """Every entry, oldest first; none if there is no file.

        Raises: JsonLinesError.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise JsonLinesError(f"{self._path}: cannot be read: {reason}") from error
        found: list[dict[str, Any]] = []
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                entry = json.loads(line)
            except ValueError as error:
                if number == len(lines):
                    continue
                raise JsonLinesError(f"{self._path}:{number}: not JSON; delete the line") from error
            if not isinstance(entry, dict):
                raise JsonLinesError(f"{self._path}:{number}: not an object; delete the line")
            found.append(entry)
        return found
