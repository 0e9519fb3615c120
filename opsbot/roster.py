"""Who has which roles: what opsbot.yaml gives to people by name, and what it gives to user groups of Slack.

Pure and cheap, since every press asks it. Who is in a user group is read elsewhere (`opsbot.slack.user_groups`);
nobody has the roles of a group whose members are not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opsbot.people import Person, Role


@dataclass(frozen=True, slots=True)
class Membership:
    """What Slack said of user groups and people at one moment.

    Args:
        groups: the Slack user ids in each group, by the handle or id that opsbot.yaml has for it.
        identities: the `cli:` person that a Slack user is, by Slack user id.
        read_at: seconds since the epoch.
    """

    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)
    read_at: float = 0.0


NOBODY = Membership()


class Roster:
    """Answers who somebody is.

    Args:
        by_user, by_group: roles from opsbot.yaml.
        membership: what is known of Slack's user groups at the moment.
    """

    def __init__(
        self,
        by_user: Mapping[str, frozenset[Role]],
        by_group: Mapping[str, frozenset[Role]] | None = None,
        membership: Callable[[], Membership] = lambda: NOBODY,
    ) -> None:
        self._by_user = by_user
        self._by_group = by_group or {}
        self._membership = membership

    def person(self, user_id: str, via: str = "") -> Person:
        """The person with that id, who came through the door *via*; a stranger has no roles.

        A Slack user whose address belongs to a `cli:` person is that person: the same one behind both doors, so that
        nobody counts as two people where two must agree.
        """
        known = self._membership()
        identity = known.identities.get(user_id, user_id)
        return Person(identity, self._roles(known, identity, user_id), via)

    def everybody(self) -> Mapping[str, frozenset[Role]]:
        """The roles of everybody who is known to have any, each person once."""
        known = self._membership()
        named = [*self._by_user, *(user for group in self._by_group for user in known.groups.get(group, ()))]
        people = dict.fromkeys(known.identities.get(user, user) for user in named)
        return {identity: self._roles(known, identity, identity) for identity in people}

    def _roles(self, known: Membership, identity: str, user_id: str) -> frozenset[Role]:
        slack_ids = {user_id, *(slack for slack, name in known.identities.items() if name == identity)}
        roles: set[Role] = set()
        for name in {identity, *slack_ids}:
            roles |= self._by_user.get(name, frozenset())
        for group, given in self._by_group.items():
            if slack_ids & known.groups.get(group, frozenset()):
                roles |= given
        return frozenset(roles)
