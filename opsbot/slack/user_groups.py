"""Who is in the user groups that opsbot.yaml gives roles to, read from Slack again and again.

Every three minutes, when Slack says that a group has changed, and when somebody presses who has no role. The last good
answer is kept on disk, so that a restart while Slack is away forgets nobody; after a day without Slack it counts no
more, because somebody may have left meanwhile. Whoever is named in opsbot.yaml needs none of this.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock
from opsbot.notify.notifier import DeliveryError
from opsbot.roster import NOBODY, Membership
from opsbot.slack.call import answered, rows

logger = logging.getLogger(__name__)

REFRESH_S = 180.0
RETRY_S = 15.0
LEAST_PAUSE_S = 3.0
"""Slack, "Rate limits": usergroups.list is in Tier 2, twenty calls a minute."""
STRANGER_PAUSE_S = 15.0
"""So soon after the last look a stranger's press causes no new one."""
KEPT_S = 24 * 3600.0
PEOPLE_EVERY_S = 1800.0
WITHIN_S = 2.0
"""A press waits no longer for a look at the groups."""
_UNKNOWN_EMAIL = "users_not_found"


class UserGroups:
    """Knows the groups' members.

    Args:
        wanted: handles with `@`, or ids, as opsbot.yaml has them.
        by_email: `cli:` people by their address.
        path: the file of the last good answer.
    """

    def __init__(
        self,
        wanted: Sequence[str],
        by_email: Mapping[str, str],
        path: Path,
        clock: Clock,
        *,
        refresh_s: float = REFRESH_S,
        least_pause_s: float = LEAST_PAUSE_S,
        stranger_pause_s: float = STRANGER_PAUSE_S,
    ) -> None:
        self._wanted = tuple(dict.fromkeys(wanted))
        self._by_email = dict(by_email)
        self._path = path
        self._clock = clock
        self._refresh_s = refresh_s
        self._least_pause_s = least_pause_s
        self._stranger_pause_s = stranger_pause_s
        self._known = self._last_good()
        self._problem: str | None = None
        self._missing: tuple[str, ...] = ()
        self._people_read_at: float | None = None
        self._tried_at: float | None = None
        self._is_asked = asyncio.Event()
        self._is_looked = asyncio.Event()

    @property
    def is_needed(self) -> bool:
        """Whether opsbot.yaml names a user group, or an address."""
        return bool(self._wanted or self._by_email)

    @property
    def problem(self) -> str | None:
        """Why some people have no rights now, in one sentence; None while there is no reason."""
        if not self.is_needed:
            return None
        if self._problem is not None:
            old = "" if self.membership() is not NOBODY else "; nobody has rights by a user group until it can"
            return f"user groups cannot be read: {self._problem}{old}"
        if self._missing:
            return f"Slack has no user group {', '.join(self._missing)}: nobody has rights by it"
        return None

    def membership(self) -> Membership:
        """What is known now; nothing when the last good answer is too old."""
        age_s = self._clock.now() - self._known.read_at
        return self._known if -60.0 <= age_s <= KEPT_S else NOBODY

    async def run(self, client: AsyncWebClient) -> None:
        """Read, wait, read again; until cancelled."""
        while self.is_needed:
            self._is_asked.clear()
            is_good = await self.read(client)
            pause_s = self._refresh_s if is_good else min(RETRY_S, self._refresh_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._is_asked.wait()
            since_s = self._clock.monotonic() - (self._tried_at or 0.0)
            await asyncio.sleep(max(0.0, self._least_pause_s - since_s))

    def changed(self) -> None:
        """Slack says that a group has changed: look as soon as its limits allow."""
        self._is_asked.set()

    async def look_again(self) -> None:
        """Somebody without a role wants something: look again, unless that was done just now; waits at most 2 s."""
        if not self.is_needed or self._tried_at is None:
            return
        if self._clock.monotonic() - self._tried_at < self._stranger_pause_s:
            return
        looked = self._is_looked
        self._is_asked.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                await looked.wait()

    async def read(self, client: AsyncWebClient) -> bool:
        """Ask Slack once; answers whether it could be read. What is known stays where it could not."""
        self._tried_at = self._clock.monotonic()
        try:
            groups = await self._groups(client)
            identities = await self._identities(client)
        except DeliveryError as error:
            self._say(str(error))
            return False
        except Exception as error:
            # A Slack-compatible server may answer in ways nobody foresaw; rights must then stay as they are.
            self._say(f"the answer has another form than Slack's ({type(error).__name__})")
            logger.debug("the user groups' answer", exc_info=error)
            return False
        else:
            self._keep(Membership(groups, identities, self._clock.now()))
            return True
        finally:
            self._is_looked.set()
            self._is_looked = asyncio.Event()

    async def _groups(self, client: AsyncWebClient) -> Mapping[str, frozenset[str]]:
        if not self._wanted:
            return {}
        listed = rows(await answered(client.usergroups_list(include_users=True), "read the user groups"), "usergroups")
        members: dict[str, frozenset[str]] = {}
        for group in listed:
            for name in (f"@{group.get('handle')}", str(group.get("id"))):
                if name in self._wanted and not group.get("date_delete"):
                    members[name] = await self._members(client, group)
        missing = tuple(name for name in self._wanted if name not in members)
        if missing and missing != self._missing:
            logger.error("Slack has no user group %s: nobody has rights by it", ", ".join(missing))
        self._missing = missing
        return members

    async def _members(self, client: AsyncWebClient, group: Mapping[str, object]) -> frozenset[str]:
        users = group.get("users")
        if not isinstance(users, list):
            found = await answered(
                client.usergroups_users_list(usergroup=str(group["id"])), f"read who is in @{group.get('handle')}"
            )
            users = found.get("users") or []
        return frozenset(str(user) for user in users)

    async def _identities(self, client: AsyncWebClient) -> Mapping[str, str]:
        now = self._clock.monotonic()
        is_due = self._people_read_at is None or now - self._people_read_at >= PEOPLE_EVERY_S
        known = dict(self._known.identities)
        for email, identity in self._by_email.items():
            if is_due or identity not in known.values():
                slack_id = await self._slack_id(client, email)
                known = {one: name for one, name in known.items() if name != identity}
                if slack_id is not None:
                    known[slack_id] = identity
        if is_due:
            self._people_read_at = now
        return {slack_id: name for slack_id, name in known.items() if name in self._by_email.values()}

    async def _slack_id(self, client: AsyncWebClient, email: str) -> str | None:
        try:
            found = (await answered(client.users_lookupByEmail(email=email), "find a person by address")).get("user")
        except DeliveryError as error:
            if _UNKNOWN_EMAIL in str(error):
                return None
            raise
        user = found or {}
        return None if user.get("deleted") or not user.get("id") else str(user["id"])

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            logger.error("user groups cannot be read: %s", problem)
        self._problem = problem

    def _keep(self, membership: Membership) -> None:
        if self._problem is not None:
            logger.info("user groups are read again")
        self._problem, self._known = None, membership
        content = {
            "version": 1,
            "read_at": membership.read_at,
            "groups": {name: sorted(users) for name, users in membership.groups.items()},
            "identities": dict(membership.identities),
        }
        draft = self._path.with_suffix(".new")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(content, file)
            draft.replace(self._path)
        except OSError as error:
            logger.error("the user groups' members are not kept for a restart: %s", error)

    def _last_good(self) -> Membership:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            groups = {str(name): frozenset(map(str, users)) for name, users in content["groups"].items()}
            identities = {str(slack_id): str(name) for slack_id, name in content["identities"].items()}
            known = Membership(groups, identities, float(content["read_at"]))
        except FileNotFoundError:
            return NOBODY
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.error("%s cannot be used, so it gives nobody rights: %s", self._path, error)
            return NOBODY
        # What opsbot.yaml no longer names gives no rights, whatever the file says.
        return replace(known, groups={name: users for name, users in known.groups.items() if name in self._wanted})
