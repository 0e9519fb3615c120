"""When core is ready: its database takes writes, its executor works, and it knows where it stands with Slack.

Slack being away does not make core unready: alerts are still taken and runs go on. Until the first connection is made
or has failed for a reason that can be told, nobody knows, and that does.
"""

from __future__ import annotations

from collections.abc import Callable

from opsbot.readiness import Readiness, WriteProbe


class CoreReadiness:
    """Asks core's parts.

    Args:
        store: whether the database takes writes.
        is_executing: whether runs are started and looked after.
        is_connected, slack_problem: the connection to Slack, and why there is none.
        num_bad_files: runbook files whose last good revisions are in force.
    """

    def __init__(
        self,
        store: WriteProbe,
        is_executing: Callable[[], bool],
        is_connected: Callable[[], bool],
        slack_problem: Callable[[], str | None],
        num_bad_files: Callable[[], int],
    ) -> None:
        self._store = store
        self._is_executing = is_executing
        self._is_connected = is_connected
        self._slack_problem = slack_problem
        self._num_bad_files = num_bad_files
        self._knows_slack = False

    async def __call__(self) -> Readiness:
        reasons: list[str] = []
        warnings: list[str] = []
        store = await self._store.problem()
        if store is not None:
            reasons.append(store)
        if not self._is_executing():
            reasons.append("the executor does not run yet: no run is started or looked after")
        problem = self._slack_problem()
        is_connected = self._is_connected()
        self._knows_slack = self._knows_slack or is_connected or problem is not None
        if not self._knows_slack:
            reasons.append("the connection to Slack is still being made")
        elif not is_connected:
            warnings.append(f"not connected to Slack: {problem or 'the connection was lost a moment ago'}")
        num_bad = self._num_bad_files()
        if num_bad:
            warnings.append(f"{num_bad} runbook files have a problem; `opsbot check` says which")
        return Readiness(tuple(reasons), tuple(warnings))
