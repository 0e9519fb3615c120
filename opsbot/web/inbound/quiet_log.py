"""Says a thing once a minute and then how often it happened, so that whoever posts rubbish cannot fill the disk."""

from __future__ import annotations

import logging
from collections.abc import Hashable

EVERY_S = 60.0
MAX_KEYS = 256


class QuietLog:
    """Warnings by key; *now* is in seconds on any clock that does not step back."""

    def __init__(self, logger: logging.Logger, every_s: float = EVERY_S) -> None:
        self._logger = logger
        self._every_s = every_s
        self._last: dict[Hashable, tuple[float, int]] = {}

    def warning(self, key: Hashable, text: str, now: float) -> None:
        """Say *text*, unless something of this *key* was said within the last minute."""
        last_at, num_untold = self._last.get(key, (float("-inf"), 0))
        if now - last_at < self._every_s or (key not in self._last and len(self._last) >= MAX_KEYS):
            if key in self._last:
                self._last[key] = (last_at, num_untold + 1)
            return
        self._last[key] = (now, 0)
        self._logger.warning("%s%s", text, f" ({num_untold} more like it since)" if num_untold else "")
