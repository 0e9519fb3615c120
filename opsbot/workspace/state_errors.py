"""Slack's errors by their names."""

from __future__ import annotations


class SlackError(Exception):
    """One of Slack's own error names, with an explanation where Slack gives one."""

    def __init__(self, error: str, *explanations: str) -> None:
        super().__init__(error)
        self.error = error
        self.explanations = explanations
