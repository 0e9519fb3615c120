"""Whether a person may: the one check, and the one sentence when they may not."""

from __future__ import annotations

from opsbot.errors import MissingRole
from opsbot.people import Person


def require(person: Person, roles: str, what: str) -> None:
    """Let *person* pass who has one of *roles*, written with commas between.

    Raises: MissingRole that names the role that is needed, those they have, and where roles are given.
    """
    wanted = roles.split(",")
    if not any(person.has(role) for role in wanted):  # type: ignore[arg-type]
        needed = " or ".join(wanted)
        raise MissingRole(
            f"to {what}, the role {needed} is needed; {person.user_id} has {_roles(person)}",
            tuple(wanted),
        )


def _roles(person: Person) -> str:
    return ", ".join(sorted(person.roles)) or "none"
