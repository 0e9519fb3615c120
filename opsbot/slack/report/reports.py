"""What stands in the channel of `utilisation`: reads what an outbox item names, and renders it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from opsbot.notify.outbox import OutboxItem
from opsbot.slack.report.blocks import load_test_message, report_message
from opsbot.slack.saying import Content
from opsbot.utilisation.load_test import LoadTest
from opsbot.utilisation.report import Report


@dataclass(frozen=True, slots=True)
class Reports:
    """How reports reach Slack.

    Args:
        channel: its name, or its id.
        report, load_test: read the store; called in threads; raise NotFoundError.
    """

    channel: str
    zone: ZoneInfo
    report: Callable[[str], Report]
    load_test: Callable[[int], LoadTest]

    def content(self, item: OutboxItem, now: float) -> Content:
        """What the message says; called in a thread.

        Raises: NotFoundError.
        """
        if item.kind == "report":
            report = self.report(item.ref)
            message, at = report_message(report), report.made_at
        else:
            test = self.load_test(int(item.ref))
            message, at = load_test_message(test, now, self.zone), test.announced_at
        return Content(message.text, message.blocks, False, at, message.file_id)
