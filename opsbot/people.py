"""People and their roles: who may do what, whatever door they come through.

Slack users and CLI tokens are mapped to roles in `opsbot.yaml`; rights are checked where an action happens, not where
a button is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "responder", "commander", "trust_and_safety", "author"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who pressed a button or typed a command.

    Args:
        user_id: Slack user id, or `cli:<name>` for a personal token.
        via: the door that they came through, such as `Slack`; empty if that is not known.
        roles: what `opsbot.yaml` gives them; empty for a stranger.
    """

    user_id: str
    roles: frozenset[Role] = frozenset()
    via: str = ""

    def has(self, role: Role) -> bool:
        """Whether this person has *role*; a commander is also a responder."""
        return role in self.roles or (role == "responder" and "commander" in self.roles)


def person_for(user_id: str, roles_by_user: Mapping[str, frozenset[Role]], via: str = "") -> Person:
    """The person with that id, who came through the door *via*; a stranger has no roles."""
    return Person(user_id, roles_by_user.get(user_id, frozenset()), via)
