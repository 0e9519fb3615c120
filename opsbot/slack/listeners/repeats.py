"""Before every listener: what Slack delivers again is acknowledged and goes no further.

Dialogs that were filled in pass: their acknowledgement says what the dialog shows, so a repeat needs the same answer
as the first; who takes them knows repeats by the same `Seen`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from opsbot.slack.seen import Seen, key_of

logger = logging.getLogger(__name__)


def register(app: AsyncApp, seen: Seen) -> None:
    """Let each payload through once; to be called before any listener is registered."""

    async def once(body: Mapping[str, Any], next: Callable[[], Awaitable[BoltResponse]]) -> BoltResponse:
        # The acknowledgement of a dialog says what it shows next: an empty one would close it over its outcome, so
        # the desk of presses takes it once and answers each time.
        if body.get("type") == "view_submission" or seen.first(key_of(body)):
            return await next()
        logger.info("a payload of the type %r was delivered again and is not taken twice", body.get("type"))
        return BoltResponse(status=200, body="")

    # Bolt looks at its middleware in this order, its own checks of signatures first.
    app.use(once)
