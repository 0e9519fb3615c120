"""The `people` of opsbot.yaml: a person, a service, or a user group of Slack, and the roles that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from opsbot.people import Role

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]


class PeopleSection(BaseModel):
    """One person or service, or everybody in a user group of Slack, and what they may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str | None = Field(
        default=None, min_length=1, description="Slack user id, or `cli:<name>` for a personal token."
    )
    user_group: str | None = Field(
        default=None,
        pattern=r"^(@[a-z0-9._-]{1,80}|S[A-Z0-9]{2,20})$",
        description="User group of Slack: its handle, such as `@oncall`, or its id. Everybody in it has the roles.",
    )
    roles: tuple[Role, ...] = Field(description="viewer, responder, commander, trust_and_safety, author.")
    token_env: EnvName | None = Field(
        default=None, description="Environment variable of the personal token for the command line."
    )
    email: str | None = Field(
        default=None,
        pattern=r"^[^@\s]+@[^@\s]+$",
        description="Of a `cli:` person: the Slack user with this address is the same person.",
    )

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if (self.user is None) == (self.user_group is None):
            raise ValueError("name either `user` or `user_group`")
        if self.user_group is not None and self.token_env is not None:
            raise ValueError("`token_env` is a person's own: give it to a `user`, not to a user group")
        if self.email is not None and not (self.user or "").startswith("cli:"):
            raise ValueError("`email` says which Slack user a `cli:` person is; a Slack user id needs none")
        return self


def roles_by_user(people: Sequence[PeopleSection]) -> Mapping[str, frozenset[Role]]:
    """The roles that are given to people by name, all of their entries taken together; user groups are not in it."""
    found: dict[str, frozenset[Role]] = {}
    for one in people:
        if one.user is not None:
            found[one.user] = found.get(one.user, frozenset()) | frozenset(one.roles)
    return found


def roles_by_group(people: Sequence[PeopleSection]) -> Mapping[str, frozenset[Role]]:
    """The roles that are given to user groups, by handle or id as the file names them."""
    found: dict[str, frozenset[Role]] = {}
    for one in people:
        if one.user_group is not None:
            found[one.user_group] = found.get(one.user_group, frozenset()) | frozenset(one.roles)
    return found


def identities_by_email(people: Sequence[PeopleSection]) -> Mapping[str, str]:
    """`cli:` people by their address in lower case."""
    return {one.email.lower(): one.user for one in people if one.email is not None and one.user is not None}
