"""What was already taken: Slack delivers events, presses and commands again when it is unsure that we have them.

In memory for what a repeat minutes later cannot be; durable, through a store, for what would act twice if it came
again after a restart.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

REMEMBERED = 5000
"""A busy team makes a few hundred an hour; Slack repeats for an hour at most."""


class Seen:
    """Remembers keys.

    Args:
        take: takes a key durably; answers whether it is new. Called in a thread. Without it nothing outlives us.
        remembered: how many keys are kept in memory; the oldest go first.
    """

    def __init__(self, take: Callable[[str], bool] | None = None, remembered: int = REMEMBERED) -> None:
        self._take = take
        self._remembered = remembered
        self._keys: OrderedDict[str, None] = OrderedDict()

    def first(self, key: str) -> bool:
        """Whether *key* is asked about for the first time since we started. An empty key is always new."""
        if not key:
            return True
        if key in self._keys:
            return False
        self._keys[key] = None
        while len(self._keys) > self._remembered:
            self._keys.popitem(last=False)
        return True

    def knows(self, key: str) -> bool:
        """Whether *key* was asked about already; asking so takes nothing."""
        return key in self._keys

    async def first_ever(self, key: str) -> bool:
        """Whether *key* was never taken before, also not by a process before us; it is taken by asking.

        Ask right before acting: what was taken and then cut off is not done again.

        Raises: StoreError.
        """
        if not self.first(f"ever {key}"):
            return False
        return self._take is None or await asyncio.to_thread(self._take, key)


def key_of(body: Mapping[str, Any]) -> str:
    """What tells a payload of Slack's from every other one, and is the same when it is delivered again.

    Empty where nothing in it does, and for a dialog that was filled in: after a complaint the same content of the
    dialog comes again with other answers, so only who takes it can say what is a repeat.
    """
    if body.get("event_id"):
        return f"event {body['event_id']}"
    if body.get("trigger_id"):
        return f"trigger {body['trigger_id']}"
    view = body.get("view") or {}
    user = (body.get("user") or {}).get("id", "")
    actions = body.get("actions") or [{}]
    if actions[0].get("action_ts"):
        container = body.get("container") or {}
        source = container.get("message_ts") or container.get("view_id") or view.get("id") or ""
        return f"action {source} {actions[0]['action_ts']} {user}"
    if body.get("type") == "view_closed" and view.get("id"):
        return f"view {body['type']} {view['id']} {view.get('hash', '')} {user}"
    return ""
