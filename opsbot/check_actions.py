"""The actions that ship with opsbot, for who only reads files: their names and arguments, and nobody to call."""

from __future__ import annotations

from typing import NoReturn

from opsbot.action import ControlClient, shipped_actions
from opsbot.clock import SystemClock
from opsbot.errors import SourceError
from opsbot.runbook.action import ActionRegistry


class _NobodyToAsk:
    """A metrics source that has no server behind it."""

    async def check(self, expr: str, /) -> NoReturn:
        raise SourceError(f"{expr}: nothing is asked while files are checked")

    async def value(self, expr: str, /) -> NoReturn:
        raise SourceError(f"{expr}: nothing is asked while files are checked")


def known_actions() -> ActionRegistry:
    """What runbooks may use; nothing of it can act."""
    return shipped_actions(ControlClient({}), _NobodyToAsk(), SystemClock())
