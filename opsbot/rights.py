"""Whether a person may: the one check, and the one sentence when they may not."""

from __future__ import annotations

from opsbot.errors import ApprovalError
from opsbot.people import Person


def require(person: Person, roles: str, what: str) -> None:
    """Let *person* pass who has one of *roles*, written with commas between.

    Raises: ApprovalError that names the role that is needed, those they have, and where roles are given.
    """
    wanted = roles.split(",")
    if not any(person.has(role) for role in wanted):  # type: ignore[arg-type]
        needed = " or ".join(wanted)
        raise ApprovalError(
            f"to {what}, the role {needed} is needed; {person.user_id} has {_roles(person)}. "
            "Roles are given in opsbot.yaml under `people`"
        )


def _roles(person: Person) -> str:
    return ", ".join(sorted(person.roles)) or "none"
