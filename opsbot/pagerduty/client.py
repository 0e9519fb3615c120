"""Sends events to PagerDuty's Events API v2 through its own client; errors say whether trying again can help."""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from pagerduty import Error, EventsApiV2Client, HttpError

from opsbot.notify.notifier import DeliveryError
from opsbot.pagerduty.event import dedup_key
from opsbot.pagerduty.page import Page

TIMEOUT_S = 10
AT_ONCE = -2
"""The client repeats by itself, sleeping; a number of repeats below none makes it answer at once."""
REPEATED_BY_CLIENT = (429, 500, 502, 503, 504)


class Pager(Protocol):
    """Takes pages."""

    async def send(self, page: Page) -> None:
        """Send an event; the same one again changes nothing.

        Raises: DeliveryError.
        """
        ...


class PagerDuty:
    """One service of PagerDuty.

    Args:
        instance: becomes part of each key, so that two installations do not share pages.
        url: base URL of another region's API, over TLS; None is PagerDuty's own.
        ca_file: who must have signed its certificate; None for the system's authorities.
    """

    def __init__(self, routing_key: str, instance: str, url: str | None = None, ca_file: Path | None = None) -> None:
        self._instance = instance
        trusted = ssl.create_default_context(cafile=ca_file)
        # Proxies of the environment are not for pages: they would fail with it.
        self._client = EventsApiV2Client(routing_key, base_url=url, trust_env=False, verify=trusted)
        self._client.timeout = TIMEOUT_S
        self._client.max_network_attempts = 0
        self._client.retry = dict.fromkeys(REPEATED_BY_CLIENT, AT_ONCE)
        # Its connections are not said to be safe for several threads.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pagerduty")

    async def send(self, page: Page) -> None:
        """Send an event; the dedup key makes a repeat harmless, also after an unknown outcome."""
        properties: dict[str, Any] = {"payload": page.body, "client": "opsbot"} if page.body else {}
        key = dedup_key(self._instance, page.ref)

        def call() -> None:
            self._client.send_event(page.event.action, dedup_key=key, **properties)

        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, call)
        except HttpError as error:
            raise _refused(error) from error
        except Error as error:
            raise DeliveryError("PagerDuty does not answer") from error

    def close(self) -> None:
        """End its connections; a call under way is waited for."""
        self._thread.shutdown(wait=True)
        self._client.close()


def _refused(error: HttpError) -> DeliveryError:
    assert error.response is not None
    status = error.response.status_code
    if status == 429 or status >= 500:
        after = error.response.headers.get("retry-after", "")
        pause_s = float(after) if after.isdigit() else None
        return DeliveryError(f"PagerDuty answered {status}", retry_after_s=pause_s)
    hint = "; is the routing key right, and of this region?" if status in (400, 401, 403) else ""
    return DeliveryError(f"PagerDuty refused the page with {status}{hint}", retryable=False)
